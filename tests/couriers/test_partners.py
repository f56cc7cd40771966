"""How a partner's connector is found, and how its catalog is read page by page, whatever connector it is."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ashiato.clients.egress import Egress, EgressRules
from ashiato.connector.node import Node, Tenant, Tenants
from ashiato.connector.ports import Moment, Store
from ashiato.couriers.partners import Partners, PartnerUnavailable
from ashiato.dsp.v2025_1 import CONTEXT_URL
from ashiato.identity.signed_tokens import CannotResolve, SignedTokens
from ashiato.trust.did import DidDocument, Service, did_document, parse_did_document
from ashiato.trust.keys import SigningKey
from tests.clients.loopback_server import Asked, LoopbackServer, loopback_server

OWN = "did:web:cells.example"
PEER = "did:web:maker.example"
Json = dict[str, object]


@dataclass(frozen=True)
class OwnSide:
    """All of a tenant that asking a partner needs."""

    participant_id: str = OWN


@dataclass
class Peer:
    """A connector that answers each path with what the test wrote there, and each other path with 404."""

    answers: dict[str, Callable[[], bytes] | bytes] = field(default_factory=dict)
    headers: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    services: list[tuple[str, str]] = field(default_factory=list)
    server: LoopbackServer = field(default_factory=LoopbackServer)
    partners: Partners = field(init=False)

    async def answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        found = self.answers.get(urlsplit(asked.target).path)
        lines = "".join(
            f"{name}: {value}\r\n" for name, value in self.headers.get(asked.target, [("X-Nothing", "1")])
        )
        body = found() if callable(found) else found or b""
        status = "404 Not Found" if found is None else "200 OK"
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        writer.write(head.encode() + body)

    async def resolve(self, did: str, now_ms: int, *, needs_kid: str | None = None) -> DidDocument:
        if did != PEER:
            raise CannotResolve(f"there is no {did}", is_temporary=False)
        services = [Service(f"{PEER}#{kind}", kind, self.url(path)) for kind, path in self.services]
        return parse_did_document(did_document(PEER, [], services), PEER)

    def url(self, path: str) -> str:
        return self.server.url(path)

    def paths(self) -> list[str]:
        return [asked.target for asked in self.server.asked]

    async def page(self, cursor: str | None = None) -> tuple[list[str], str | None]:
        page = await self.partners.catalog(cast(Tenant, OwnSide()), PEER, None, [], cursor)
        return [dataset.dataset_id for dataset in page.catalog.datasets], page.cursor


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """The partner, and our own side that asks it."""
    found = Peer()
    key = SigningKey(f"{OWN}#key-1", ec.generate_private_key(ec.SECP256R1()))
    # Asking a partner needs neither a store nor tenants.
    node = Node(cast(Store, None), SignedTokens(found, {OWN: key}), cast(Tenants, None), moment)
    async with (
        loopback_server(found.answer) as server,
        Egress(EgressRules(unsafe_allow_loopback=True)) as egress,
    ):
        found.server = server
        found.partners = Partners(node, egress, found)
        yield found


def moment() -> Moment:
    return Moment(time.time_ns() // 1_000_000, lambda: str(uuid.uuid4()))


def versions(*entries: Json) -> bytes:
    return json.dumps({"protocolVersions": list(entries)}).encode()


def entry(version: str, path: str) -> Json:
    return {"version": version, "path": path, "binding": "HTTPS"}


def catalog(*dataset_ids: str) -> bytes:
    datasets = [
        {
            "@id": dataset_id,
            "@type": "Dataset",
            "hasPolicy": [{"@id": f"o:{dataset_id}", "@type": "Offer", "permission": [{"action": "use"}]}],
            "distribution": [{"@type": "Distribution", "format": "HttpData-PULL", "accessService": "s"}],
        }
        for dataset_id in dataset_ids
    ]
    contexts = [CONTEXT_URL, "https://w3id.org/edc/dspace/v0.0.1"]
    document = {"@context": contexts, "@id": "c", "@type": "Catalog", "participantId": PEER}
    return json.dumps({**document, "dataset": datasets}).encode()


@pytest.mark.parametrize(
    ("endpoint", "asked", "path", "base"),
    [
        ("/c/.well-known/dspace-version", "/c/.well-known/dspace-version", "/dsp/2025-1", "/c/dsp/2025-1"),
        ("/.well-known/dspace-version", "/.well-known/dspace-version", "/2025-1/", "/2025-1"),
        ("/c/", "/c/.well-known/dspace-version", "2025-1", "/c/2025-1"),
        ("/c", "/c/.well-known/dspace-version", "/", "/c"),
    ],
)
async def test_a_data_service_tells_the_root_below_which_the_versions_say_the_base(
    peer: Peer, endpoint: str, asked: str, path: str, base: str
) -> None:
    peer.services = [("CatalogService", "/elsewhere/catalog"), ("DataService", endpoint)]
    peer.answers[asked] = versions(entry("2024-1", "/old"), entry("2025-1", path))
    assert await peer.partners.locate(PEER) == peer.url(base)
    assert peer.paths() == [asked]


async def test_the_versions_are_asked_for_without_a_token(peer: Peer) -> None:
    peer.services = [("DataService", "/.well-known/dspace-version")]
    peer.answers["/.well-known/dspace-version"] = versions(entry("2025-1", "/dsp"))
    peer.answers["/dsp/catalog/request"] = catalog("a")
    await peer.page()
    assert ["authorization" in asked.headers for asked in peer.server.asked] == [False, True]
    assert peer.server.asked[1].headers["authorization"].startswith("Bearer ")
    assert peer.server.asked[1].headers["content-type"] == "application/json"


async def test_a_catalog_service_alone_is_asked_where_it_stands(peer: Peer) -> None:
    peer.services = [("CatalogService", "/some/path/catalog")]
    peer.answers["/some/path/catalog/request"] = catalog("a", "b")
    assert await peer.page() == (["a", "b"], None)
    assert peer.paths() == ["/some/path/catalog/request"]


@pytest.mark.parametrize("entries", [[entry("2024-1", "/dsp")], [entry("2025-2", "/dsp"), entry("0.8", "/")]])
async def test_nothing_more_is_said_to_a_partner_of_other_versions(peer: Peer, entries: list[Json]) -> None:
    peer.services = [("DataService", "/.well-known/dspace-version")]
    peer.answers["/.well-known/dspace-version"] = versions(*entries)
    with pytest.raises(PartnerUnavailable, match="does not speak version 2025-1"):
        await peer.page()
    assert peer.paths() == ["/.well-known/dspace-version"]


async def test_a_partner_whose_document_names_no_connector_is_not_guessed_at(peer: Peer) -> None:
    peer.services = [("CredentialService", "/credentials")]
    with pytest.raises(PartnerUnavailable, match="names no connector"):
        await peer.page()
    assert peer.paths() == []


@pytest.mark.parametrize(
    ("lines", "cursor"),
    [
        (['<{base}/catalog/request?t=2>; rel="next"'], "t=2"),
        (["<{base}/catalog/request?t=2>; rel=next"], "t=2"),
        (['<{base}/catalog/request?t=0>; rel="previous"', '<{base}/catalog/request?t=2>; rel="next"'], "t=2"),
        (['<{base}/catalog/request?t=0>; rel="previous", <{base}/catalog/request?t=2>; rel="next"'], "t=2"),
        (['<?t=2>; title="x"; rel="next"'], "t=2"),
        (['<http://inside.example/catalog/request?t=2>; rel="next"'], "t=2"),
        (['<{base}/pages/2>; rel="next"'], "/dsp/pages/2"),
        (['<{base}/pages?t=2>; rel="start next"'], "/dsp/pages?t=2"),
        (['<{base}/catalog/request?t=0>; rel="previous"'], None),
        (['<{base}/catalog/request?t=0>; rel="nextdoor"'], None),
        (['<http://[::1/catalog?t=0>; rel="next"'], None),
        (["next"], None),
    ],
)
async def test_a_link_to_the_next_page_is_found_in_whatever_form_it_comes(
    peer: Peer, lines: list[str], cursor: str | None
) -> None:
    base = peer.url("/dsp")
    peer.services = [("CatalogService", "/dsp/catalog")]
    peer.answers["/dsp/catalog/request"] = catalog("a")
    peer.headers["/dsp/catalog/request"] = [("Link", line.format(base=base)) for line in lines]
    assert (await peer.page())[1] == cursor


@pytest.mark.parametrize(
    ("cursor", "asked"),
    [
        ("t=2", "/dsp/catalog/request?t=2"),
        ("/dsp/pages/2?t=3", "/dsp/pages/2?t=3"),
        ("//elsewhere.example/x", "//elsewhere.example/x"),
    ],
)
async def test_a_cursor_leads_to_the_partner_and_nowhere_else(peer: Peer, cursor: str, asked: str) -> None:
    peer.services = [("CatalogService", "/dsp/catalog")]
    peer.answers |= {"/dsp/catalog/request": catalog("b"), "/dsp/pages/2": catalog("b")}
    if cursor.startswith("//"):
        with pytest.raises(Exception, match="shows nothing of that id"):
            await peer.page(cursor)
    else:
        assert await peer.page(cursor) == (["b"], None)
    (request,) = peer.server.asked
    assert (request.method, request.target, json.loads(request.body)["@type"]) == (
        "POST",
        asked,
        "CatalogRequestMessage",
    )


async def test_an_address_with_a_slash_at_its_end_is_the_same_address(peer: Peer) -> None:
    peer.answers["/dsp/catalog/request"] = catalog("a")
    own = cast(Tenant, OwnSide())
    page = await peer.partners.catalog(own, PEER, peer.url("/dsp/"), [], None)
    assert [dataset.dataset_id for dataset in page.catalog.datasets] == ["a"]
