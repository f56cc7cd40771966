"""Status lists that are not what a credential needs: whatever is unknown of its status, the credential does not count."""

import asyncio
import gzip
from collections.abc import Callable

import pytest
import structlog.testing

from ashiato.clients.egress import EgressRules
from ashiato.clients.keeping import KeepingRules
from ashiato.stores.engine import SqlStore
from tests.clients.loopback_server import Answer, drip, respond
from tests.dcp_parties import Claims, Holder, Issuer, World
from tests.identity.conftest import buyer, hub, maker, store, world
from tests.verifying import Verifier, verifier

__all__ = ["buyer", "hub", "maker", "store", "world"]

MEMBER = "MembershipCredential"
PATH = "/hub/status/revocation"
EARLIER = "2020-01-01T00:00:00Z"
LATER = "2030-01-01T00:00:00Z"
MOST_LIST_BYTES = 16 * 1024**2


def show(hub: Issuer, maker: Holder, change: Callable[[Claims], None] = lambda claims: None) -> None:
    """A membership whose status stands at bit 7 of the hub's list."""
    maker.shown = [hub.credential(maker.did, MEMBER, status=[("revocation", 7)], change=change)]


def with_entry(**members: object) -> Callable[[Claims], None]:
    return lambda claims: claims["credentialStatus"][0].update(members)


async def refused(buyer: Verifier, maker: Holder) -> bool:
    return (await buyer.call(maker)).claims == {} and bool(await buyer.why(maker))


async def test_an_honest_list_lets_its_credential_count(buyer: Verifier, hub: Issuer, maker: Holder) -> None:
    show(hub, maker)
    assert (await buyer.call(maker)).claims["membership"] == {"active"}


async def test_a_gzip_bomb_is_not_inflated(buyer: Verifier, hub: Issuer, maker: Holder, world: World) -> None:
    bomb = hub.status_list("revocation", bits=bytes(MOST_LIST_BYTES + 1))
    assert len(bomb) < 100_000
    world.answers[PATH] = respond(bomb.encode())
    show(hub, maker)
    assert await refused(buyer, maker)
    # One that is as large as any may be is read.
    world.answers[PATH] = respond(hub.status_list("revocation", bits=bytes(MOST_LIST_BYTES)).encode())
    buyer.world.now_ms += 300_000
    assert (await buyer.call(maker)).claims["membership"] == {"active"}


async def test_a_gzip_bomb_inside_another_is_not_inflated(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    world.answers[PATH] = respond(
        gzip.compress(b" " * 100_000_000), headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"}
    )
    show(hub, maker)
    assert await refused(buyer, maker)


@pytest.mark.parametrize("index", [131_072, 10**9, 10**30], ids=str)
async def test_an_index_out_of_range_is_refused(
    buyer: Verifier, hub: Issuer, maker: Holder, index: int
) -> None:
    show(hub, maker, with_entry(statusListIndex=str(index)))
    assert await refused(buyer, maker)


@pytest.mark.parametrize("index", ["-1", -1, "-0"], ids=repr)
async def test_a_negative_index_is_refused(
    buyer: Verifier, hub: Issuer, maker: Holder, index: object
) -> None:
    show(hub, maker, with_entry(statusListIndex=index))
    assert (await buyer.call(maker)).claims == {}


@pytest.mark.parametrize("index", ["7.0", 7.5, "0x7", "7e0", " 7", "７", "", None, True, [7]], ids=repr)
async def test_an_index_that_is_no_integer_is_refused(
    buyer: Verifier, hub: Issuer, maker: Holder, index: object
) -> None:
    show(hub, maker, with_entry(statusListIndex=index))
    assert (await buyer.call(maker)).claims == {}


async def test_a_list_for_another_purpose_is_refused(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    """The suspension list is empty; taken for the revocation list it would hide the revocation."""
    hub.revoke(7)
    show(hub, maker, with_entry(statusListCredential=hub.url("/status/suspension")))
    assert await refused(buyer, maker)
    world.answers[PATH] = respond(
        hub.status_list(
            "revocation", change=lambda claims: claims["credentialSubject"].update(statusPurpose="refresh")
        ).encode()
    )
    show(hub, maker)
    buyer.world.now_ms += 300_000
    assert await refused(buyer, maker)


async def test_a_list_signed_by_someone_else_is_refused(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    hub.revoke(7)
    forger = world.issuer("forger")

    for claimed in ({}, {"issuer": hub.did}):

        def as_the_hubs(claims: Claims, claimed: Claims = claimed) -> None:
            claims.update({"id": hub.url("/status/revocation"), **claimed})

        world.answers[PATH] = respond(forger.status_list("revocation", change=as_the_hubs).encode())
        show(hub, maker)
        assert await refused(buyer, maker)
        buyer.world.now_ms += 300_000


async def test_a_list_of_someone_else_at_another_address_is_refused(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    forger = world.issuer("forger")
    show(hub, maker, with_entry(statusListCredential=forger.url("/status/revocation")))
    assert await refused(buyer, maker)


@pytest.mark.parametrize(
    ("valid_from", "valid_until"),
    [(EARLIER, EARLIER), (LATER, "2031-01-01T00:00:00Z")],
    ids=["expired", "early"],
)
async def test_an_expired_list_is_refused(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World, valid_from: str, valid_until: str
) -> None:
    old = hub.status_list(
        "revocation", change=lambda claims: claims.update(validFrom=valid_from, validUntil=valid_until)
    )
    world.answers[PATH] = respond(old.encode())
    show(hub, maker)
    assert await refused(buyer, maker)


async def test_a_list_shorter_than_131_072_bits_is_refused(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    world.answers[PATH] = respond(hub.status_list("revocation", bits=bytes(131_072 // 8 - 1)).encode())
    show(hub, maker)
    assert await refused(buyer, maker)


@pytest.mark.parametrize(
    "answer",
    [
        respond(status="503 Busy"),
        respond(status="404 Not Found"),
        respond(b"<html>"),
        drip(b"", b"x", every_s=0.5),
    ],
    ids=["503", "404", "garbage", "never"],
)
async def test_an_unreachable_list_fails_closed(
    world: World, store: SqlStore, hub: Issuer, maker: Holder, answer: Answer
) -> None:
    rules = EgressRules(unsafe_allow_loopback=True, connect_timeout_s=1, total_timeout_s=1)
    async with verifier(world, store, egress_rules=rules) as asking:
        asking.trust(hub, hub.trust_list((hub.did, [MEMBER])))
        world.answers[PATH] = answer
        show(hub, maker)
        assert await refused(asking, maker)


async def test_an_unreachable_list_is_used_for_a_day_at_most(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    show(hub, maker)
    assert (await buyer.call(maker)).claims["membership"] == {"active"}
    world.answers[PATH] = respond(status="503 Busy")
    world.now_ms += 86_399_000
    with structlog.testing.capture_logs() as logs:
        assert (await buyer.stored(maker)).claims["membership"] == {"active"}
    assert any("old" in str(entry) or "stale" in str(entry) for entry in logs)
    world.now_ms += 2_000
    assert "membership" not in (await buyer.stored(maker)).claims


async def test_a_refresh_storm_asks_for_the_list_once(world: World, store: SqlStore, hub: Issuer) -> None:
    async with verifier(world, store, keeping=KeepingRules()) as asking:
        asking.trust(hub, hub.trust_list((hub.did, [MEMBER])))
        holders = [world.holder(f"holder-{number}") for number in range(60)]
        for number, holder in enumerate(holders):
            holder.shown = [hub.credential(holder.did, MEMBER, status=[("revocation", number)])]
        standings = await asyncio.gather(*(asking.call(holder) for holder in holders))
        assert all(standing.claims["membership"] == {"active"} for standing in standings)
        assert world.asked(PATH) == 1
        world.now_ms += 300_000
        await asyncio.gather(*(asking.call(holder) for holder in holders))
        assert world.asked(PATH) == 2
