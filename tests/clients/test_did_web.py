"""DID documents by did:web from a real server; the clock is the test's."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from ashiato.clients.did_web import DidCacheRules, DidResolver, DidUnresolved
from ashiato.clients.egress import Egress, EgressRules
from ashiato.trust.did import DidDocument, did_document, parse_did_document
from ashiato.trust.keys import SigningKey
from tests.clients.loopback_server import (
    HEAD,
    Answer,
    Asked,
    LoopbackServer,
    drip,
    loopback_server,
    respond,
    send,
)

T0_MS = 1_764_000_000_000
RULES = DidCacheRules(fresh_s=300, stale_s=86_400, failure_s=5, refetch_s=30, timeout_s=1.0)


class Publisher:
    """A server whose DID document the test replaces, breaks or takes away while it runs."""

    def __init__(self, server: LoopbackServer) -> None:
        self.server = server
        self.answer: Answer = respond()

    def did(self, name: str = "acme") -> str:
        return f"did:web:127.0.0.1%3A{self.server.port}:{name}"

    def publish(self, *fragments: str, did: str | None = None) -> None:
        """From now on the document holds these keys."""
        self.answer = respond(_document(did or self.did(), *fragments))

    @property
    def count(self) -> int:
        return len(self.server.asked)


def _document(did: str, *fragments: str) -> bytes:
    private = ec.generate_private_key(ec.SECP256R1())
    keys = [SigningKey(f"{did}#{fragment}", private).verification_key() for fragment in fragments]
    return did_document(did, keys, [])


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    """A running publisher with one key."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await holder[0].answer(asked, writer)

    holder: list[Publisher] = []
    async with loopback_server(answer) as server:
        holder.append(Publisher(server))
        holder[0].publish("key-1")
        yield holder[0]


@pytest.fixture
async def resolver() -> AsyncIterator[DidResolver]:
    async with Egress(EgressRules(unsafe_allow_loopback=True, connect_timeout_s=1)) as egress:
        yield DidResolver(egress, rules=RULES)


def _kids(document: DidDocument) -> set[str]:
    return {kid.partition("#")[2] for kid in document.methods}


async def test_a_document_is_fetched_from_its_place_and_kept_while_fresh(
    publisher: Publisher, resolver: DidResolver
) -> None:
    document = await resolver.resolve(publisher.did(), T0_MS)
    assert document.did == publisher.did()
    assert publisher.server.asked[0].target == "/acme/did.json"
    publisher.publish("key-2")
    assert _kids(await resolver.resolve(publisher.did(), T0_MS + 299_999)) == {"key-1"}
    assert publisher.count == 1


async def test_a_document_is_fetched_anew_after_five_minutes(
    publisher: Publisher, resolver: DidResolver
) -> None:
    await resolver.resolve(publisher.did(), T0_MS)
    publisher.publish("key-2")
    assert _kids(await resolver.resolve(publisher.did(), T0_MS + 300_000)) == {"key-2"}
    assert publisher.count == 2


async def test_a_clock_that_was_set_back_makes_nothing_eternal(
    publisher: Publisher, resolver: DidResolver
) -> None:
    await resolver.resolve(publisher.did(), T0_MS)
    publisher.publish("key-2")
    assert _kids(await resolver.resolve(publisher.did(), T0_MS - 1)) == {"key-2"}


async def test_an_unreachable_server_is_bridged_for_a_day_and_this_is_logged(
    publisher: Publisher, resolver: DidResolver
) -> None:
    await resolver.resolve(publisher.did(), T0_MS)
    publisher.answer = respond(status="503 Busy")
    with capture_logs() as logs:
        assert _kids(await resolver.resolve(publisher.did(), T0_MS + 400_000)) == {"key-1"}
    assert [(log["event"], log["log_level"], log["did"], log["age_s"]) for log in logs] == [
        ("did_document_stale", "warning", publisher.did(), 400)
    ]
    assert _kids(await resolver.resolve(publisher.did(), T0_MS + 86_399_999)) == {"key-1"}
    with pytest.raises(DidUnresolved) as refusal:
        await resolver.resolve(publisher.did(), T0_MS + 86_400_000)
    assert refusal.value.is_temporary


async def test_a_failure_is_remembered_for_some_seconds_only(
    publisher: Publisher, resolver: DidResolver
) -> None:
    publisher.answer = respond(status="500 Broken")
    for now_ms in (T0_MS, T0_MS + 4_999):
        with pytest.raises(DidUnresolved, match="500") as refusal:
            await resolver.resolve(publisher.did(), now_ms)
        assert refusal.value.is_temporary
    assert publisher.count == 1
    publisher.publish("key-1")
    assert _kids(await resolver.resolve(publisher.did(), T0_MS + 5_000)) == {"key-1"}
    assert publisher.count == 2


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone", "401 Unauthorized"])
async def test_a_document_that_was_taken_away_is_not_bridged(
    status: str, publisher: Publisher, resolver: DidResolver
) -> None:
    await resolver.resolve(publisher.did(), T0_MS)
    publisher.answer = respond(status=status)
    with pytest.raises(DidUnresolved) as refusal:
        await resolver.resolve(publisher.did(), T0_MS + 300_000)
    assert not refusal.value.is_temporary
    publisher.answer = respond(status="503 Busy")
    with pytest.raises(DidUnresolved):
        await resolver.resolve(publisher.did(), T0_MS + 400_000)


async def test_a_rotated_key_is_found_by_one_new_fetch(publisher: Publisher, resolver: DidResolver) -> None:
    did = publisher.did()
    await resolver.resolve(did, T0_MS)
    publisher.publish("key-1", "key-2")
    document = await resolver.resolve(did, T0_MS + 30_000, needs_kid=f"{did}#key-2")
    assert _kids(document) == {"key-1", "key-2"}
    assert publisher.count == 2


async def test_unknown_keys_force_at_most_one_fetch_each_thirty_seconds(
    publisher: Publisher, resolver: DidResolver
) -> None:
    did = publisher.did()
    await resolver.resolve(did, T0_MS)
    for number in range(50):
        await resolver.resolve(did, T0_MS + 29_000 + number, needs_kid=f"{did}#forged-{number}")
    assert publisher.count == 1
    for number in range(50):
        await resolver.resolve(did, T0_MS + 30_000 + number, needs_kid=f"{did}#forged-{number}")
    assert publisher.count == 2
    await resolver.resolve(did, T0_MS + 60_000, needs_kid=f"{did}#forged")
    assert publisher.count == 3


async def test_an_unknown_key_does_not_cost_a_good_document_while_the_server_is_away(
    publisher: Publisher, resolver: DidResolver
) -> None:
    did = publisher.did()
    await resolver.resolve(did, T0_MS)
    publisher.answer = respond(status="503 Busy")
    with capture_logs() as logs:
        assert _kids(await resolver.resolve(did, T0_MS + 40_000, needs_kid=f"{did}#forged")) == {"key-1"}
    assert logs == []


async def test_unknown_keys_force_no_more_fetches_while_the_server_is_away(
    publisher: Publisher, resolver: DidResolver
) -> None:
    did = publisher.did()
    await resolver.resolve(did, T0_MS)
    publisher.answer = respond(status="503 Busy")
    for second in (40, 50, 60, 69):
        await resolver.resolve(did, T0_MS + second * 1000, needs_kid=f"{did}#forged")
    assert publisher.count == 2
    await resolver.resolve(did, T0_MS + 70_000, needs_kid=f"{did}#forged")
    assert publisher.count == 3


async def test_a_known_key_forces_nothing(publisher: Publisher, resolver: DidResolver) -> None:
    did = publisher.did()
    for second in range(0, 300, 40):
        await resolver.resolve(did, T0_MS + second * 1000, needs_kid=f"{did}#key-1")
    assert publisher.count == 1


async def test_many_callers_at_once_cause_one_fetch(publisher: Publisher, resolver: DidResolver) -> None:
    honest = publisher.answer

    async def slowly(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        await honest(asked, writer)

    publisher.answer = slowly
    documents = await asyncio.gather(*(resolver.resolve(publisher.did(), T0_MS) for _ in range(20)))
    assert publisher.count == 1
    assert all(document is documents[0] for document in documents)


async def test_a_caller_that_leaves_does_not_take_the_fetch_from_the_others(
    publisher: Publisher, resolver: DidResolver
) -> None:
    honest = publisher.answer

    async def slowly(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        await honest(asked, writer)

    publisher.answer = slowly
    first, second = (asyncio.create_task(resolver.resolve(publisher.did(), T0_MS)) for _ in range(2))
    await asyncio.sleep(0.02)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await second).did == publisher.did()
    assert publisher.count == 1


async def test_own_dids_are_answered_without_network(publisher: Publisher) -> None:
    own = "did:web:connector.example:tenant-1"
    document = parse_did_document(_document(own, "key-1"), own)
    local: Callable[[str], DidDocument | None] = {own: document}.get
    async with Egress(EgressRules()) as egress:
        resolver = DidResolver(egress, local=local, rules=RULES)
        assert await resolver.resolve(own, T0_MS) is document
        assert await resolver.resolve(own, T0_MS, needs_kid=f"{own}#other") is document
    assert publisher.count == 0


async def test_the_number_of_kept_documents_is_bounded_and_the_oldest_goes(publisher: Publisher) -> None:
    async def each(asked: Asked, writer: asyncio.StreamWriter) -> None:
        name = asked.target.split("/")[1]
        await respond(_document(publisher.did(name), "key-1"))(asked, writer)

    publisher.answer = each
    async with Egress(EgressRules(unsafe_allow_loopback=True)) as egress:
        resolver = DidResolver(egress, rules=DidCacheRules(max_entries=3))
        for name in ("a", "b", "c", "a", "d"):
            await resolver.resolve(publisher.did(name), T0_MS)
        assert publisher.count == 4
        for name in ("a", "c", "d"):
            await resolver.resolve(publisher.did(name), T0_MS)
        assert publisher.count == 4
        await resolver.resolve(publisher.did("b"), T0_MS)
        assert publisher.count == 5


async def test_a_flood_of_unresolvable_dids_pushes_no_good_document_out(publisher: Publisher) -> None:
    async with Egress(EgressRules(unsafe_allow_loopback=True)) as egress:
        resolver = DidResolver(egress, rules=DidCacheRules(max_entries=3))
        await resolver.resolve(publisher.did(), T0_MS)
        for number in range(10):
            with pytest.raises(DidUnresolved):
                await resolver.resolve(publisher.did(f"forged-{number}"), T0_MS)
        count = publisher.count
        await resolver.resolve(publisher.did(), T0_MS)
        assert publisher.count == count


async def test_no_more_fetches_run_at_once_than_allowed(publisher: Publisher) -> None:
    publisher.answer = send(b"", then_close=False)
    async with Egress(EgressRules(unsafe_allow_loopback=True)) as egress:
        resolver = DidResolver(egress, rules=DidCacheRules(max_fetches=2, timeout_s=0.2))
        attempts = [resolver.resolve(publisher.did(f"name-{number}"), T0_MS) for number in range(5)]
        results = await asyncio.gather(*attempts, return_exceptions=True)
    assert publisher.count == 2
    assert all(isinstance(result, DidUnresolved) and result.is_temporary for result in results)


async def test_a_document_of_another_did_is_refused(publisher: Publisher, resolver: DidResolver) -> None:
    publisher.publish("key-1", did="did:web:other.example")
    with pytest.raises(DidUnresolved, match="another DID") as refusal:
        await resolver.resolve(publisher.did(), T0_MS)
    assert not refusal.value.is_temporary


async def test_a_redirect_to_another_host_is_refused(publisher: Publisher, resolver: DidResolver) -> None:
    async with loopback_server(respond(_document(publisher.did(), "key-1"))) as other:
        publisher.answer = respond(status="302 Found", headers={"Location": other.url()})
        with pytest.raises(DidUnresolved, match="redirects"):
            await resolver.resolve(publisher.did(), T0_MS)
    assert other.connections == 0


async def test_a_document_of_ten_megabytes_is_refused(publisher: Publisher, resolver: DidResolver) -> None:
    publisher.answer = respond(b"{" + b" " * 10_000_000 + b"}")
    with pytest.raises(DidUnresolved, match="larger") as refusal:
        await resolver.resolve(publisher.did(), T0_MS)
    assert not refusal.value.is_temporary


async def test_a_document_that_drips_is_given_up(publisher: Publisher, resolver: DidResolver) -> None:
    publisher.answer = drip(HEAD + b"Content-Length: 60000\r\n\r\n", b" ", every_s=0.05)
    with pytest.raises(DidUnresolved) as refusal:
        await asyncio.wait_for(resolver.resolve(publisher.did(), T0_MS), 5)
    assert refusal.value.is_temporary


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id": 1, "id": 2}'])
async def test_a_document_that_is_no_document_is_refused(
    body: bytes, publisher: Publisher, resolver: DidResolver
) -> None:
    publisher.answer = respond(body)
    with pytest.raises(DidUnresolved) as refusal:
        await resolver.resolve(publisher.did(), T0_MS)
    assert not refusal.value.is_temporary


@pytest.mark.parametrize(
    "did",
    [
        "did:web:127.0.0.1%3A9000",
        "did:web:localhost",
        "did:web:10.0.0.1",
        "did:web:user@a.example",
        "did:web:a.example%2Fx",
        "did:web:a.example:..",
        "did:key:z6Mk",
        "",
    ],
)
async def test_a_did_that_leads_inside_or_nowhere_is_refused_without_a_request(did: str) -> None:
    async def inside(host: str) -> list[str]:
        return ["127.0.0.1"]

    async with Egress(EgressRules(), resolve=inside) as egress:
        with pytest.raises(DidUnresolved) as refusal:
            await DidResolver(egress).resolve(did, T0_MS)
    assert not refusal.value.is_temporary


async def test_tls_is_never_given_up_where_loopback_is_not_allowed() -> None:
    asked: list[str] = []

    class Recording(Egress):
        async def request(self, method: str, url: str, **_: object) -> None:  # type: ignore[override]  # only the address counts
            asked.append(url)
            raise ConnectionError

    async with Recording(EgressRules()) as egress:
        with pytest.raises(ConnectionError):
            await DidResolver(egress).resolve("did:web:a.example%3A80:x", T0_MS)
    assert asked == ["https://a.example:80/x/did.json"]
