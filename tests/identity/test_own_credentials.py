"""Credentials that nobody presents are judged as those of partners are."""

from ashiato.identity.own_credentials import OwnCredentials
from tests.dcp_parties import Holder, Issuer, World
from tests.verifying import Verifier

ROLE = "RoleCredential"
FRESH_S = 300


def _own(buyer: Verifier) -> OwnCredentials:
    return OwnCredentials(buyer.identity.peers.judge, FRESH_S)


async def test_a_role_counts_until_it_is_revoked_and_the_revocation_is_seen_when_the_status_went_stale(
    world: World, buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    own = _own(buyer)
    texts = [hub.credential(maker.did, ROLE, {"role": "cell-maker"}, status=[("revocation", 7)])]
    first = await own.judgement(buyer.did, maker.did, texts, world.now_ms)
    assert first.claims["role"] == {"cell-maker"}
    hub.revoke(7)
    soon_ms = world.now_ms + (FRESH_S - 1) * 1000
    assert await own.judgement(buyer.did, maker.did, texts, soon_ms) is first
    later_ms = world.now_ms + FRESH_S * 1000
    later = await own.judgement(buyer.did, maker.did, texts, later_ms)
    assert (dict(later.claims), later.credentials[0].why) == ({}, "the credential is revoked")


async def test_another_edition_of_the_trust_list_is_asked_at_once(
    world: World, buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    own = _own(buyer)
    texts = [hub.credential(maker.did, ROLE, {"role": "cell-maker"})]
    assert (await own.judgement(buyer.did, maker.did, texts, world.now_ms)).claims["role"] == {"cell-maker"}
    buyer.lists.in_force = ()
    buyer.trust(hub, hub.trust_list((hub.did, ["MembershipCredential"]), number=2))
    after = await own.judgement(buyer.did, maker.did, texts, world.now_ms)
    assert dict(after.claims) == {}
    assert ROLE in after.credentials[0].why


async def test_a_credential_about_another_proves_nothing(
    world: World, buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    texts = [hub.credential("did:web:other.example", ROLE, {"role": "recycler"})]
    found = await _own(buyer).judgement(buyer.did, maker.did, texts, world.now_ms)
    assert dict(found.claims) == {}
    assert "did:web:other.example" in found.credentials[0].why


async def test_a_clock_that_was_set_back_makes_everything_old(
    world: World, buyer: Verifier, hub: Issuer, maker: Holder
) -> None:
    own = _own(buyer)
    texts = [hub.credential(maker.did, ROLE, {"role": "cell-maker"})]
    first = await own.judgement(buyer.did, maker.did, texts, world.now_ms)
    assert await own.judgement(buyer.did, maker.did, texts, world.now_ms - 500) is not first
