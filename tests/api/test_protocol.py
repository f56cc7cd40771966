"""The protocol's listener against those who mean harm: forged tokens, monstrous bodies, tricks with headers and paths."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ashiato.api.protocol import MOST_BODY_BYTES
from ashiato.connector.records import Approval
from ashiato.dsp.states import NegotiationState, TransferState
from ashiato.trust.keys import SigningKey
from ashiato.trust.tokens import mint_token
from ashiato.wiring.program import now
from tests.api.speaking import Pair, Voice, message, opening, transfer_request
from tests.connector.test_foreign_messages import KINDS, PROVIDER_PATHS
from tests.dsp_schemas import DspSchemas
from tests.exchange import Member, port_of, running

READS = ("negotiations/{negotiation}", "transfers/{transfer}", "catalog/datasets/nmc811")


class Place:
    """A pair of companies with a negotiation and a transfer between them, and what an attacker must not change."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.pids: dict[str, str] = {}

    async def prepare(self) -> None:
        """Bring it there."""
        maker, cells = self.pair.maker, self.pair.cells
        await maker.offer("nmc811")
        await maker.offer("by-hand", offer_id="by-hand", approval=Approval.MANUAL)
        opened = await cells.negotiate(maker, "by-hand")
        waiting = await maker.until(
            lambda uow: next(iter(uow.negotiations.page("", 1, state=NegotiationState.REQUESTED)), None)
        )
        fetch = await cells.fetch(maker, "nmc811")
        assert fetch.agreement_id is not None
        done = await maker.only_transfer()
        await maker.transfer(done.own_pid, TransferState.COMPLETED)
        assert await maker.outbox_is_empty()
        assert opened.own_pid
        self.pids = {"negotiation": waiting.own_pid, "transfer": done.own_pid}

    def addresses(self) -> list[tuple[str, str]]:
        """Method and path of every address of the protocol."""
        posts = [("POST", path.format(**self.pids)) for path in PROVIDER_PATHS]
        return posts + [("GET", path.format(**self.pids)) for path in READS]

    async def seen(self) -> object:
        """The state of the provider."""
        maker = self.pair.maker
        return await maker.read(
            lambda uow: (
                uow.negotiations.page("", 100),
                uow.transfers.page("", 100),
                uow.contracts.list_agreements("", 100),
                uow.records.list_history(0, 1000),
            )
        )


@pytest.fixture
async def place(pair: Pair) -> Place:
    found = Place(pair)
    await found.prepare()
    return found


def kind_of_error(path: str) -> str:
    room = path.partition("/")[0]
    return {
        "catalog": "CatalogError",
        "negotiations": "ContractNegotiationError",
        "transfers": "TransferError",
    }[room]


def body_for(path: str) -> dict[str, object]:
    """Any message that names the right type."""
    last = "catalog/request" if path == "catalog/request" else path.rpartition("/")[2]
    return message(KINDS.get(last, "ContractNegotiationTerminationMessage"))


# Tokens.


def wrong_tokens(place: Place) -> dict[str, str | None]:
    """Authorization headers that prove nothing, by what is wrong with them."""
    maker, cells = place.pair.maker, place.pair.cells
    keys = cells.program.tenancy.keys
    rival_did = place.pair.as_rival.speaker.did
    moment = now()

    def minted(
        key: SigningKey, audience: str = maker.did, at_ms: int = moment.now_ms, ttl_s: int = 60
    ) -> str:
        token = mint_token(key, audience=audience, now_ms=at_ms, ttl_s=ttl_s, token_id=moment.fresh_id())
        return f"Bearer {token}"

    good = minted(keys[cells.did])
    head, payload, signature = good.removeprefix("Bearer ").split(".")
    other = ec.generate_private_key(ec.SECP256R1())
    return {
        "missing": None,
        "empty": "",
        "no token": "Bearer ",
        "basic": "Basic Y2VsbHM6Y2VsbHM=",
        "not a token": "Bearer abc",
        "three dots": "Bearer ...",
        "enormous": "Bearer " + "a" * 20_000,
        "signed by somebody else": minted(SigningKey(f"{cells.did}#key-1", other)),
        "signed by the rival in the name of cells": minted(
            SigningKey(f"{cells.did}#key-1", keys[rival_did]._private)
        ),
        "of a key that is not in the document": minted(SigningKey(f"{cells.did}#key-9", other)),
        "for another audience": minted(keys[cells.did], audience=rival_did),
        "for a prefix of the audience": minted(keys[cells.did], audience=maker.did[:-1]),
        "expired": minted(keys[cells.did], at_ms=moment.now_ms - 3_600_000),
        "of the future": minted(keys[cells.did], at_ms=moment.now_ms + 3_600_000),
        "valid for a year": minted(keys[cells.did], ttl_s=31_536_000),
        "another payload": f"Bearer {head}.{payload[:-2]}AA.{signature}",
        "no signature": f"Bearer {head}.{payload}.",
        "another signature": f"Bearer {head}.{payload}.{signature[:-4]}AAAA",
        "two tokens": f"{good}, {good}",
    }


async def test_no_address_believes_a_token_that_proves_nothing(place: Place, dsp_schemas: DspSchemas) -> None:
    before = await place.seen()
    tokens = wrong_tokens(place)
    for method, path in place.addresses():
        for name, token in tokens.items():
            headers = {} if token is None else {"Authorization": token}
            body = body_for(path) if method == "POST" else None
            heard = await place.pair.as_cells.ask(method, path, body, headers=headers, is_signed=False)
            assert (name, path, heard.status, heard.said["@type"]) == (name, path, 401, kind_of_error(path))
            assert dsp_schemas.faults(heard.body) == []
            assert heard.headers["WWW-Authenticate"] == "Bearer"
            # Why it is not believed is nobody's business but the operator's.
            assert heard.said["reason"] == ["The request does not prove who you are."]
    assert await place.seen() == before


async def test_a_token_opens_one_address_once_and_no_other_company(place: Place) -> None:
    before = await place.seen()
    for method, path in place.addresses():
        token = await place.pair.as_cells.token()
        used = await place.pair.as_cells.ask(
            "GET", "catalog/datasets/nmc811", headers={"Authorization": token}
        )
        assert used.status == 200
        body = opening(place.pair.ear.address) if path == "negotiations/request" else None
        heard = await place.pair.as_cells.ask(
            method,
            path,
            body or (body_for(path) if method == "POST" else None),
            headers={"Authorization": token},
        )
        # A message that is not even read leaves its token as it was, so its fault is told first.
        assert heard.status in (401, 400)
        if heard.status == 401:
            assert heard.said["code"] == "token-replayed"
    assert await place.seen() == before


async def test_the_scheme_of_a_token_is_read_in_any_case(place: Place) -> None:
    for scheme in ("bearer", "BEARER", "Bearer"):
        token = (await place.pair.as_cells.token()).removeprefix("Bearer")
        heard = await place.pair.as_cells.ask(
            "GET", "catalog/datasets/nmc811", headers={"Authorization": scheme + token}
        )
        assert heard.status == 200


async def test_what_belongs_to_another_company_is_answered_like_what_is_not_there(
    place: Place, dsp_schemas: DspSchemas
) -> None:
    before = await place.seen()
    good: dict[str, dict[str, object]] = {
        "termination": {"providerPid": "{pid}", "consumerPid": "c"},
        "events": {"providerPid": "{pid}", "consumerPid": "c", "eventType": "ACCEPTED"},
        "verification": {"providerPid": "{pid}", "consumerPid": "c"},
        "start": {"providerPid": "{pid}", "consumerPid": "c"},
        "suspension": {"providerPid": "{pid}", "consumerPid": "c"},
        "completion": {"providerPid": "{pid}", "consumerPid": "c"},
    }
    asked_count = 0
    for template in (*PROVIDER_PATHS, *READS):
        name = next((name for name in place.pids if f"{{{name}}}" in template), None)
        last = template.rpartition("/")[2]
        if name is None or (template in PROVIDER_PATHS and last not in good):
            continue
        answers = []
        for pid in (place.pids[name], "urn:uuid:never-was"):
            body = None
            if template in PROVIDER_PATHS:
                is_transfer = template.startswith("transfers")
                kind = (
                    KINDS.get(last)
                    or f"{'Transfer' if is_transfer else 'ContractNegotiation'}TerminationMessage"
                )
                members = {key: str(value).replace("{pid}", pid) for key, value in good[last].items()}
                body = message(kind, **members)
            heard = await place.pair.as_rival.ask(
                "GET" if body is None else "POST", template.format(**{**place.pids, name: pid}), body
            )
            assert dsp_schemas.faults(heard.body) == []
            answers.append((heard.status, heard.body.decode().replace(pid, "")))
            asked_count += 1
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
    assert asked_count == 18
    assert await place.seen() == before


# Bodies.


def deep(levels_count: int) -> bytes:
    return b'{"a":' * levels_count + b"1" + b"}" * levels_count


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "an open brace": b"{",
    "an array": b"[]",
    "null": b"null",
    "a text": b'"x"',
    "no UTF-8": b'{"@type": "\xff\xfe"}',
    "UTF-16": '{"@type": "CatalogRequestMessage"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a lone surrogate": b'{"@type": "\\ud800"}',
    "NaN": b'{"@type": NaN}',
    "Infinity": b'{"@type": -Infinity}',
    "an enormous number": b'{"@type": 1' + b"0" * 5000 + b"}",
    "two objects": b"{}{}",
    "a comment": b"{/* */}",
    "twice the same key": b'{"@type": "CatalogRequestMessage", "@type": "CatalogRequestMessage"}',
    "twice the same key in two spellings": b'{"a": {"b": 1, "\\u0062": 2}}',
    "deep objects": deep(5000),
    "deep arrays": b"[" * 100_000,
    "no type": b'{"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"]}',
    "another type": json.dumps(message("DatasetRequestMessage", dataset="nmc811")).encode(),
    "a type that is a list": json.dumps(message("x") | {"@type": ["CatalogRequestMessage"]}).encode(),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
}


async def test_a_body_that_is_no_message_gets_a_typed_error_at_every_address(
    place: Place, dsp_schemas: DspSchemas
) -> None:
    before = await place.seen()
    for method, path in place.addresses():
        if method != "POST":
            continue
        for name, body in MALFORMED.items():
            heard = await place.pair.as_cells.ask("POST", path, body)
            assert (name, path, heard.status, heard.said["@type"]) == (name, path, 400, kind_of_error(path))
            assert heard.said["code"] == "malformed-message"
            assert dsp_schemas.faults(heard.body) == []
    assert await place.seen() == before


async def test_a_body_larger_than_any_message_gets_413_however_its_length_is_told(place: Place) -> None:
    before = await place.seen()
    large = b'{"a": "' + b"x" * MOST_BODY_BYTES + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    statuses = []
    async with aiohttp.ClientSession() as session:
        for data in (large, pieces()):
            headers = {"Authorization": await place.pair.as_cells.token()}
            url = f"{place.pair.maker.address}/catalog/request"
            async with session.post(url, data=data, headers=headers) as answer:
                statuses.append((answer.status, (await answer.json())["code"]))
    assert statuses == [(413, "message-too-large")] * 2
    assert await place.seen() == before


async def test_a_hundred_megabytes_do_not_make_the_program_grow(place: Place) -> None:
    before = await place.seen()
    process = psutil.Process(os.getpid())
    before_bytes = process.memory_info().rss
    token = await place.pair.as_cells.token()
    head = (
        f"POST /maker/dsp/2025-1/negotiations/request HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        "Content-Type: application/json\r\n"
    )
    most_bytes = 0
    for length in ("Transfer-Encoding: chunked\r\n\r\n", "Content-Length: 104857600\r\n\r\n"):
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(place.pair.maker))
        writer.write((head + length).encode())
        piece = b"x" * 65_536
        frame = b"10000\r\n" + piece + b"\r\n" if "chunked" in length else piece
        try:
            for _ in range(1600):
                writer.write(frame)
                await writer.drain()
                most_bytes = max(most_bytes, process.memory_info().rss)
        except OSError:
            pass
        finally:
            await hang_up(writer)
    assert most_bytes - before_bytes < 40_000_000
    assert await place.seen() == before
    assert (await place.pair.as_cells.get("catalog/datasets/nmc811")).status == 200


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_a_message_with_members_that_nobody_knows_is_taken(place: Place) -> None:
    asked = opening(place.pair.ear.address) | {
        "@context": ["https://unknown.example/ctx", "https://w3id.org/dspace/2025/1/context.jsonld"],
        "x:unknown": {"deep": [1, {"a": None}]},
    }
    heard = await place.pair.as_cells.post("negotiations/request", asked)
    assert (heard.status, heard.said["state"]) == (201, "REQUESTED")
    assert await place.pair.maker.outbox_is_empty()


# Paths and headers.


async def raw(place: Place, request: bytes) -> bytes:
    """What the listener answers to exactly these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(place.pair.maker))
    writer.write(request)
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(65_536), 5)
    finally:
        await hang_up(writer)


async def test_tricks_with_paths_lead_nowhere(place: Place) -> None:
    before = await place.seen()
    pid = place.pids["negotiation"]
    base = "/maker/dsp/2025-1"
    for path in (
        f"/rival/../maker/dsp/2025-1/negotiations/{pid}",
        f"{base}/negotiations/%2e%2e/negotiations/{pid}",
        f"{base}/negotiations/..%2f..%2f{pid}",
        f"{base}/negotiations%2f{pid}",
        f"{base}//negotiations/{pid}",
        f"{base}/negotiations/{pid}/",
        f"{base}/negotiations/{pid}%00",
        f"{base}/negotiations/{pid};x=1",
        f"{base}/NEGOTIATIONS/{pid}",
        "/%2e%2e/%2e%2e/etc/passwd",
        f"/maker%2fdsp%2f2025-1/negotiations/{pid}",
        f"/cells/dsp/2025-1/negotiations/{pid}",
        "/maker/../v1/maker/negotiations",
        "/v1/maker/negotiations",
    ):
        token = await place.pair.as_rival.token()
        answer = await raw(
            place,
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n".encode(),
        )
        status = int(answer.split(b" ", 2)[1])
        assert (path, 400 <= status < 500) == (path, True), answer[:200]
        assert pid.encode() not in answer.partition(b"\r\n\r\n")[2] or b"There is no" in answer
    assert await place.seen() == before


async def test_tricks_with_headers_lead_nowhere(place: Place) -> None:
    before = await place.seen()
    token = await place.pair.as_rival.token()
    pid = place.pids["negotiation"]
    line = f"GET /maker/dsp/2025-1/negotiations/{pid} HTTP/1.1\r\n"
    for headers in (
        f"Host: x\r\nAuthorization: {token}\r\nX-Forwarded-For: 127.0.0.1\r\nX-Original-URL: /v1/maker\r\n",
        f"Host: x\r\nHost: y\r\nAuthorization: {token}\r\n",
        f"Host: x\r\nAuthorization: {token}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        f"Host: x\r\nAuthorization : {token}\r\n",
        f"Host: x\r\nAuthorization: {token}\r\n folded: yes\r\n",
        "Host: x\r\n" + "X-Many: 1\r\n" * 5000,
        f"Host: x\r\nAuthorization: {token}\r\nX-Method-Override: DELETE\r\n",
    ):
        answer = await raw(place, (line + headers + "Connection: close\r\n\r\n").encode())
        # Some of these the server itself refuses, and hangs up.
        assert answer == b"" or 400 <= int(answer.split(b" ", 2)[1]) < 500, answer[:200]
    assert await place.seen() == before
    assert (await place.pair.as_cells.get("catalog/datasets/nmc811")).status == 200


async def test_a_redirect_is_never_the_answer(place: Place) -> None:
    for path in ("negotiations/request/", "catalog/request/", "catalog/datasets/"):
        for method in ("GET", "POST"):
            heard = await place.pair.as_cells.ask(method, path)
            assert 400 <= heard.status < 500


# Where messages may be sent.


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[tuple[Member, Member]]:
    """Two participants of one program that calls nobody on this machine or on private nets."""
    async with running(
        tmp_path / "strict", "maker", "cells", public_url="https://maker.example", unsafe_allow_loopback=False
    ) as (maker, cells):
        yield maker, cells


REFUSED_CALLBACKS = (
    "http://maker.example/dsp",
    "https://127.0.0.1/dsp",
    "https://127.1/dsp",
    "https://2130706433/dsp",
    "https://0x7f000001/dsp",
    "https://[::1]/dsp",
    "https://[::ffff:127.0.0.1]/dsp",
    "https://[64:ff9b::7f00:1]/dsp",
    "https://10.0.0.1/dsp",
    "https://192.168.1.1/dsp",
    "https://172.16.0.1/dsp",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/dsp",
    "https://0.0.0.0/dsp",
    "https://[fe80::1]/dsp",
    "https://[fc00::1]/dsp",
    "https://user:secret@maker.example/dsp",
    "https://maker.example/dsp#part",
    "https://maker.example/dsp?next=",
    "https://maker.example\\@127.0.0.1/dsp",
    "file:///etc/passwd",
    "gopher://maker.example/",
    "maker.example/dsp",
    "//maker.example/dsp",
    "",
    " https://maker.example/dsp",
    "https://maker.example/d sp",
    "https://" + "a" * 5000 + ".example/",
)


async def test_an_address_inside_is_never_called_where_loopback_is_not_allowed(
    strict: tuple[Member, Member], dsp_schemas: DspSchemas
) -> None:
    maker, cells = strict
    await maker.offer("nmc811")
    listening = port_of(maker)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        voice = Voice(session, cells, maker)
        below = f"http://127.0.0.1:{listening}/maker/dsp/2025-1"
        for callback in REFUSED_CALLBACKS:
            for path, body in (
                ("negotiations/request", opening(callback)),
                (
                    "negotiations/offers",
                    message(
                        "ContractOfferMessage",
                        providerPid="p",
                        offer={
                            "@id": "o",
                            "@type": "Offer",
                            "target": "t",
                            "permission": [{"action": "use"}],
                        },
                        callbackAddress=callback,
                    ),
                ),
            ):
                heard = await voice.ask("POST", path, body, below=below)
                assert (callback, heard.status, heard.said["@type"]) == (
                    callback,
                    400,
                    "ContractNegotiationError",
                )
                assert dsp_schemas.faults(heard.body) == []
        heard = await voice.ask(
            "POST", "transfers/request", transfer_request("https://10.0.0.1", "a"), below=below
        )
        assert heard.status == 400
    assert await maker.read(lambda uow: uow.negotiations.page("", 10)) == []
    assert await maker.store.next_due_ms() is None


async def test_a_name_that_leads_inside_is_not_called_either(
    strict: tuple[Member, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    maker, cells = strict
    await maker.offer("nmc811")
    asked: list[str] = []

    def resolve(host: bytes, *_: object, **__: object) -> list[object]:
        asked.append(host.decode())
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        voice = Voice(session, cells, maker)
        below = f"http://127.0.0.1:{port_of(maker)}/maker/dsp/2025-1"
        heard = await voice.ask(
            "POST", "negotiations/request", opening("https://rebound.example/dsp"), below=below
        )
        assert heard.status == 201
    # The name is looked at when it is called: what it leads to is refused, and the negotiation ends.
    ended = await maker.until(lambda uow: next(iter(uow.negotiations.page("", 1, state="TERMINATED")), None))
    assert ended.reason is not None
    assert "rebound.example" in asked
    assert await maker.outbox_is_empty()
