"""What a verifier knows of those who call it: the whole presentation flow against parties on a real server."""

import asyncio

import pytest

from ashiato.identity.presented import LacksCredentials
from ashiato.identity.signed_tokens import NotAuthenticated
from ashiato.identity.standings import StandingRules
from ashiato.stores.engine import SqlStore, open_store
from tests.clients.loopback_server import respond
from tests.dcp_parties import Holder, Issuer, World
from tests.verifying import SCOPES, Verifier, verifier


def _member(hub: Issuer, maker: Holder, index: int = 7) -> None:
    subject = {"holderIdentifier": "BPNL000000000001", "location": "JP"}
    maker.shown = [
        hub.credential(maker.did, "MembershipCredential", subject, status=[("revocation", index)]),
        hub.credential(maker.did, "RoleCredential", {"role": ["cell", "pack"]}),
    ]


async def test_a_caller_has_the_claims_of_the_credentials_that_it_presents(
    buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    _member(hub, maker)
    standing = await buyer.call(maker)
    assert standing.participant_id == maker.did
    assert standing.claims == {
        "credential": {"MembershipCredential", "RoleCredential"},
        "membership": {"active"},
        "MembershipCredential.holderIdentifier": {"BPNL000000000001"},
        "BusinessPartnerNumber": {"BPNL000000000001"},
        "MembershipCredential.location": {"JP"},
        "location": {"JP"},
        "RoleCredential.role": {"cell", "pack"},
        "role": {"cell", "pack"},
    }
    # The status list is fresh for 300 s.
    assert standing.fresh_until_ms == buyer.world.now_ms + 300_000


async def test_the_query_carries_the_callers_token_in_our_own_and_asks_for_our_scopes(
    buyer: Verifier, maker: Holder
) -> None:
    await buyer.call(maker, "opaque")
    query = maker.queries[0]
    claims = query["claims"]
    assert (claims["iss"], claims["sub"], claims["aud"], claims["token"]) == (
        buyer.did, buyer.did, maker.did, "opaque",
    )  # fmt: skip
    assert query["message"] == {
        "@context": ["https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"],
        "type": "PresentationQueryMessage",
        "scope": list(SCOPES),
    }


async def test_a_second_call_asks_nobody(buyer: Verifier, hub: Issuer, maker: Holder) -> None:
    _member(hub, maker)
    first = await buyer.call(maker)
    asked_count = len(buyer.world.server.asked)
    buyer.world.now_ms += 299_999
    assert await buyer.call(maker) == first
    assert len(buyer.world.server.asked) == asked_count


async def test_a_hundred_calls_at_once_cause_one_query(buyer: Verifier, hub: Issuer, maker: Holder) -> None:
    _member(hub, maker)
    standings = await asyncio.gather(*(buyer.call(maker) for _ in range(100)))
    assert all(standing.claims["membership"] == {"active"} for standing in standings)
    assert len(maker.queries) == 1
    assert buyer.world.asked("/hub/status/revocation") == 1


async def test_what_was_presented_is_asked_for_again_when_it_is_no_longer_fresh(
    buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    await buyer.call(maker)
    _member(hub, maker)
    buyer.world.now_ms += 300_000
    assert (await buyer.call(maker)).claims["membership"] == {"active"}
    maker.shown = []
    buyer.world.now_ms += 300_000
    assert (await buyer.call(maker)).claims == {}
    assert (await buyer.stored(maker)).claims == {}


async def test_zero_freshness_asks_at_each_call(
    world: World, store: SqlStore, hub: Issuer, maker: Holder
) -> None:
    async with verifier(world, store, rules=StandingRules(presentation_fresh_s=0)) as asking:
        asking.trust(hub, hub.trust_list((hub.did, ["MembershipCredential"])))
        _member(hub, maker)
        assert (await asking.call(maker)).claims["membership"] == {"active"}
        maker.shown = []
        assert (await asking.call(maker)).claims == {}


async def test_a_caller_without_an_access_token_or_a_credential_service_has_no_claims(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    _member(hub, maker)
    assert (await buyer.call(maker, None)).claims == {}
    unserved = world.holder("unserved")
    _member(hub, unserved)
    unserved.services = ()
    assert (await buyer.call(unserved)).claims == {}
    assert "CredentialService" in await buyer.why(unserved)


async def test_a_revoked_credential_counts_no_more_after_five_minutes_and_this_is_told(
    buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    _member(hub, maker)
    await buyer.call(maker)
    hub.revoke(7)
    assert (await buyer.stored(maker)).claims["membership"] == {"active"}
    buyer.world.now_ms += 300_000
    standing = await buyer.stored(maker)
    assert "membership" not in standing.claims
    assert standing.claims["role"] == {"cell", "pack"}
    assert await buyer.why(maker) == "MembershipCredential: the credential is revoked"
    assert buyer.changes == [maker.did]


async def test_a_suspended_credential_counts_again_when_it_is_restored(
    buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    maker.shown = [hub.credential(maker.did, "MembershipCredential", status=[("suspension", 3)])]
    maker.shown += [hub.credential(maker.did, "RoleCredential", {"role": "cell"})]
    hub.revoke(3, "suspension")
    assert "membership" not in (await buyer.call(maker)).claims
    hub.restore(3)
    buyer.world.now_ms += 300_000
    assert (await buyer.stored(maker)).claims["membership"] == {"active"}


async def test_a_credential_ends_at_its_own_end(buyer: Verifier, hub: Issuer, maker: Holder) -> None:
    maker.shown = [
        hub.credential(
            maker.did,
            "MembershipCredential",
            change=lambda claims: claims.update(validUntil="2025-11-24T16:01:40Z"),
        )
    ]
    # 1 764 000 000 s are 2025-11-24T16:00:00Z.
    standing = await buyer.call(maker)
    assert standing.fresh_until_ms == buyer.world.now_ms + 100_000
    buyer.world.now_ms += 99_999
    assert (await buyer.stored(maker)).claims["membership"] == {"active"}
    buyer.world.now_ms += 1
    assert (await buyer.stored(maker)).claims == {}


async def test_a_restarted_verifier_knows_what_was_presented(
    world: World, store: SqlStore, buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    _member(hub, maker)
    await buyer.call(maker)
    async with verifier(world, store) as restarted:
        assert (await restarted.stored(maker)).claims == {}
        restarted.lists.in_force = buyer.lists.in_force
        assert (await restarted.stored(maker)).claims["membership"] == {"active"}
        assert (await restarted.call(maker)).claims["role"] == {"cell", "pack"}
    assert len(maker.queries) == 1


async def test_a_credential_service_that_is_away_is_bridged_for_a_day(
    buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    _member(hub, maker)
    await buyer.call(maker)
    buyer.world.answers["/maker/dcp/presentations/query"] = respond(status="503 Busy")
    buyer.world.now_ms += 3_600_000
    assert (await buyer.call(maker)).claims["membership"] == {"active"}
    assert buyer.needs == [("the credential service answers 503", 3_600)]
    # It is left alone for five seconds.
    buyer.world.now_ms += 4_999
    assert (await buyer.call(maker)).claims["membership"] == {"active"}
    assert buyer.world.asked("/maker/dcp/presentations/query") == 2
    buyer.world.now_ms += 86_400_000 - 3_604_999
    assert (await buyer.call(maker)).claims == {}
    assert (await buyer.stored(maker)).claims == {}


async def test_an_unreachable_status_list_is_bridged_for_a_day_and_then_refused(
    buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    _member(hub, maker)
    await buyer.call(maker)
    buyer.world.answers["/hub/status/revocation"] = respond(status="503 Busy")
    buyer.world.now_ms += 86_399_999
    standing = await buyer.stored(maker)
    assert standing.claims["membership"] == {"active"}
    # It is asked for again soon, not only after five more minutes.
    assert standing.fresh_until_ms is not None
    assert standing.fresh_until_ms <= buyer.world.now_ms + 5_000


async def test_a_status_list_that_was_never_had_refuses_its_credential(
    buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    _member(hub, maker)
    buyer.world.answers["/hub/status/revocation"] = respond(status="503 Busy")
    assert "membership" not in (await buyer.call(maker)).claims
    assert "its status list cannot be had" in await buyer.why(maker)
    del buyer.world.answers["/hub/status/revocation"]
    buyer.world.now_ms += 5_000
    assert (await buyer.call(maker)).claims["membership"] == {"active"}


async def test_who_lacks_a_required_credential_is_refused(
    world: World, store: SqlStore, hub: Issuer, maker: Holder
) -> None:
    async with verifier(world, store, required=("MembershipCredential",)) as strict:
        strict.trust(hub, hub.trust_list((hub.did, ["MembershipCredential"])))
        with pytest.raises(LacksCredentials) as refusal:
            await strict.call(maker)
        assert refusal.value.types == ("MembershipCredential",)
        assert not refusal.value.is_temporary
        _member(hub, maker)
        world.now_ms += 300_000
        assert (await strict.call(maker)).claims["membership"] == {"active"}
        assert (await strict.stored(maker)).lacks == ()


async def test_whoever_loses_a_required_credential_lacks_it_also_where_it_does_not_call(
    world: World, store: SqlStore, hub: Issuer, maker: Holder
) -> None:
    async with verifier(world, store, required=("MembershipCredential",)) as strict:
        strict.trust(hub, hub.trust_list((hub.did, ["MembershipCredential"])))
        assert (await strict.stored(maker)).lacks == ("MembershipCredential",)
        _member(hub, maker)
        await strict.call(maker)
        hub.revoke(7)
        world.now_ms += 300_000
        assert (await strict.stored(maker)).lacks == ("MembershipCredential",)


async def test_a_required_credential_whose_service_is_away_may_come_later(
    world: World, store: SqlStore, maker: Holder
) -> None:
    world.answers["/maker/dcp/presentations/query"] = respond(status="503 Busy")
    async with verifier(world, store, required=("MembershipCredential",)) as strict:
        with pytest.raises(LacksCredentials) as refusal:
            await strict.call(maker)
        assert refusal.value.is_temporary


async def test_no_credential_stands_for_the_proof_of_identity(
    buyer: Verifier, hub: Issuer, maker: Holder, world: World
) -> None:
    _member(hub, maker)
    stranger = world.holder("stranger")
    stranger.key, stranger_did = maker.key, stranger.did
    with pytest.raises(NotAuthenticated):
        await buyer.identity.authenticate(
            buyer.did, stranger.token(buyer.did, iss=stranger_did, sub=stranger_did), world.now_ms
        )
    assert maker.queries == []


async def test_other_trust_lists_are_felt_at_once(buyer: Verifier, hub: Issuer, maker: Holder) -> None:
    _member(hub, maker)
    assert "membership" in (await buyer.call(maker)).claims
    buyer.lists.in_force = ()
    assert (await buyer.stored(maker)).claims == {}
    assert "stands on no trust list in force" in await buyer.why(maker)
    buyer.trust(hub, hub.trust_list((hub.did, ["RoleCredential"])))
    assert (await buyer.stored(maker)).claims.keys() == {"credential", "role", "RoleCredential.role"}


async def test_an_expired_trust_list_recognises_nobody(
    world: World, store: SqlStore, hub: Issuer, maker: Holder
) -> None:
    async with verifier(world, store) as asking:
        asking.trust(hub, hub.trust_list((hub.did, ["MembershipCredential"]), ttl_s=60))
        _member(hub, maker)
        assert (await asking.call(maker)).fresh_until_ms == world.now_ms + 60_000
        world.now_ms += 60_000
        assert (await asking.stored(maker)).claims == {}


async def test_nothing_is_fetched_for_an_issuer_that_nobody_recognises(
    buyer: Verifier, world: World, maker: Holder
) -> None:
    forger = world.issuer("forger")
    maker.shown = [forger.credential(maker.did, "MembershipCredential", status=[("revocation", 1)])]
    assert (await buyer.call(maker)).claims == {}
    assert world.asked("/forger/did.json") == 0
    assert world.asked("/forger/status/revocation") == 0


async def test_strangers_without_a_credential_that_counts_leave_nothing_in_the_store(
    buyer: Verifier, world: World, store: SqlStore
) -> None:
    forger = world.issuer("forger")
    for number in range(5):
        stranger = world.holder(f"stranger-{number}")
        stranger.shown = [forger.credential(stranger.did, "MembershipCredential")]
        await buyer.call(stranger)
    assert await store.read(buyer.did, lambda uow: uow.standings.page("", 10)) == []


async def test_a_peer_that_is_forgotten_must_present_again_also_while_it_is_being_judged(
    buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    _member(hub, maker)
    await buyer.call(maker)
    peers = buyer.identity.peers
    # Its judgement runs out; the next one is under way when it is forgotten.
    buyer.world.now_ms += 300_000
    judging = asyncio.create_task(buyer.stored(maker))
    await asyncio.sleep(0)
    await peers.forget(buyer.did, maker.did, buyer.world.now_ms)
    await judging
    assert (await buyer.stored(maker)).claims == {}
    assert buyer.changes[-1] == maker.did
    assert (await buyer.call(maker)).claims["membership"] == {"active"}
    assert len(maker.queries) == 2


async def test_what_one_process_forgets_or_learns_of_a_peer_the_others_know_within_a_second(
    world: World, postgresql_database: str, hub: Issuer, maker: Holder
) -> None:
    stores = [await open_store(postgresql_database, name) for name in ("node-1", "node-2")]
    rules = StandingRules(presentation_fresh_s=60)
    try:
        async with (
            verifier(world, stores[0], rules=rules) as one,
            verifier(world, stores[1], rules=rules) as other,
        ):
            for each in (one, other):
                each.trust(hub, hub.trust_list((hub.did, ["MembershipCredential", "RoleCredential"])))
            _member(hub, maker)
            await one.call(maker)
            assert (await other.stored(maker)).claims["membership"] == {"active"}
            # The peer shows less than before to the one that it calls.
            world.now_ms += 60_000
            maker.shown = [hub.credential(maker.did, "RoleCredential", {"role": ["pack"]})]
            await one.call(maker)
            await until_known(other, maker, {"pack"})
            await one.identity.peers.forget(one.did, maker.did, world.now_ms)
            await until_known(other, maker, set())
    finally:
        for store in stores:
            await store.close()


async def until_known(verifier: Verifier, peer: Holder, roles: set[str]) -> None:
    """Within a second no other roles of the peer are known."""
    async with asyncio.timeout(1):
        while (await verifier.stored(peer)).claims.get("role", frozenset()) != roles:
            await asyncio.sleep(0.01)
