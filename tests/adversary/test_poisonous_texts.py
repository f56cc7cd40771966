"""Texts that one reader takes and another chokes on: none of them may make an error of this program's own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from ashiato.dsp.pids import is_usable_pid
from tests.api.speaking import USE, Voice, message, opening, transfer_request
from tests.exchange import port_of, running

# A NUL cannot stand in PostgreSQL's texts, and what does not repeat cannot be squeezed into its index.
LONG = "".join(chr(0x10000 + number * 7) for number in range(1500))
TEXTS = {
    "nul": "x\x00y",
    "long": LONG,
    "line break": "a\r\nB: c",
    "not printable": "\u202e",
    "slashes": "../../a",
}
CALLBACK = "http://127.0.0.1:9/x"


@pytest.fixture
async def voice(tmp_path: Path, store_url: str) -> AsyncIterator[Voice]:
    """A cell maker that speaks to a maker with one offer, on each kind of store."""
    async with (
        running(tmp_path, "maker", "cells", store_url=store_url) as (maker, cells),
        aiohttp.ClientSession() as session,
    ):
        await maker.offer("nmc811")
        yield Voice(session, cells, maker)


def _messages(text: str) -> dict[str, tuple[str, str, Any]]:
    described = {
        "title": text,
        "dataItem": text,
        "partGroup": "x",
        "from": "2026-01-01T00:00:00Z",
        "until": "2027-01-01T00:00:00Z",
    }
    offer = {"@id": text, "@type": "Offer", "target": text, "permission": USE, "ashiato:framework": text}
    in_framework = {
        **offer,
        "target": f"urn:ashiato:framework:{text}",
        "ashiato:frameworkClass": described,
    }
    catalog = "catalog/request"
    requests = "negotiations/request"
    return {
        "dataset": ("GET", f"catalog/datasets/{quote(text, safe='')}", None),
        "negotiation": ("GET", f"negotiations/{quote(text, safe='')}", None),
        "transfer": ("GET", f"transfers/{quote(text, safe='')}", None),
        "cursor": ("POST", f"{catalog}?after={quote(text[:50], safe='')}", message("CatalogRequestMessage")),
        "id": ("POST", catalog, message("CatalogRequestMessage", filter=[{"id": text}])),
        "class": ("POST", catalog, message("CatalogRequestMessage", filter=[{"dataItem": text}])),
        "pid": ("POST", requests, opening(CALLBACK, consumerPid=text)),
        "offer": ("POST", requests, opening(CALLBACK, offer=offer)),
        "framework": ("POST", requests, opening(CALLBACK, offer=in_framework)),
        "message id": ("POST", requests, {**opening(CALLBACK), "@id": text}),
        "callback": ("POST", requests, opening(f"http://127.0.0.1:9/{text}")),
        "own offer": (
            "POST",
            "negotiations/offers",
            message("ContractOfferMessage", providerPid=text, callbackAddress=CALLBACK, offer=offer),
        ),
        "agreement": ("POST", "transfers/request", transfer_request(CALLBACK, text)),
    }


async def test_no_text_makes_an_error_of_the_connector_itself(voice: Voice) -> None:
    found: list[str] = []
    for kind, text in TEXTS.items():
        for name, (method, path, body) in _messages(text).items():
            heard = await voice.ask(method, path, body)
            if heard.status >= 500:
                found.append(f"{kind} as {name}: {heard.status}")
    assert found == []
    assert (await voice.get("catalog/datasets/nmc811")).status == 200


@pytest.mark.parametrize(
    "head", [b"OPTIONS * HTTP/1.1", b"GET http://elsewhere.example HTTP/1.1", b"CONNECT a:1 HTTP/1.1"]
)
async def test_a_request_without_a_path_is_no_error_of_the_connector_itself(
    voice: Voice, head: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(voice.listener))
    writer.write(head + b"\r\nHost: x\r\n\r\n")
    assert (await asyncio.wait_for(reader.readline(), 5))[9:10] == b"4"
    writer.close()


def test_a_process_id_is_measured_in_bytes() -> None:
    assert is_usable_pid("\U00010000" * 256)
    assert not is_usable_pid("\U00010000" * 257)
