"""The organisation behind the key with which a counterparty proved itself: claims where an accredited authority says so."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ashiato.identity.organizations import JudgedOrganization
from ashiato.trust.did import parse_did_document
from ashiato.trust.trust_list import (
    AccreditedAuthority,
    TrustBook,
    merge,
    parse_trust_list,
    verify_trust_list,
)
from tests.dcp_parties import Holder, Issuer, World
from tests.identity.conftest import T0_MS
from tests.sealing import Authority, make_authority, seal_of
from tests.verifying import Verifier

T0 = datetime.fromtimestamp(T0_MS // 1000, UTC)
DAY = timedelta(days=1)
DAY_MS = 86_400_000
TYPE = "OrganizationCertificate"
ACME = {
    "organization": frozenset({"Acme Cells K.K."}),
    "organization_identifier": frozenset({"NTRJP-0100-01-000001"}),
}


@pytest.fixture(scope="module")
def root() -> Authority:
    return make_authority("Root Authority", start=T0 - DAY, end=T0 + 60 * DAY)


def _accredited(root: Authority, **dates: Any) -> AccreditedAuthority:
    return AccreditedAuthority(root.der, "Root", **dates)


def _in_force(buyer: Verifier, hub: Issuer, *authorities: AccreditedAuthority, **more: Any) -> None:
    buyer.lists.in_force = ()
    buyer.trust(hub, hub.trust_list((hub.did, ["MembershipCredential"]), authorities=authorities, **more))


def _bind(holder: Holder, root: Authority, **changes: Any) -> tuple[str, ...]:
    """Publish a certificate of the organisation with the holder's key."""
    public = holder.key.verification_key().public
    der = seal_of(public, root, **({"start": T0 - DAY, "end": T0 + 30 * DAY} | changes))
    chain = (base64.b64encode(der).decode(),)
    holder.certificates = {holder.key.kid: chain}
    return chain


async def _judged(buyer: Verifier, holder: Holder) -> JudgedOrganization | None:
    known = await buyer.identity.peers.of_peer(buyer.did, holder.did, buyer.world.now_ms)
    return None if known is None else known.judgement.organization


async def test_a_seal_of_an_accredited_authority_becomes_claims_beside_those_of_credentials(
    buyer: Verifier, hub: Issuer, maker: Holder, root: Authority
) -> None:
    _in_force(buyer, hub, _accredited(root))
    _bind(maker, root)
    maker.shown = [hub.credential(maker.did, "MembershipCredential", {"location": "JP"})]
    claims = (await buyer.call(maker)).claims
    assert {name: claims[name] for name in ACME} == ACME
    assert claims["location"] == {"JP"}
    found = await _judged(buyer, maker)
    assert found is not None
    assert (found.name, found.country, found.authority, found.why) == (
        "Acme Cells K.K.", "JP", "Root Authority", "",
    )  # fmt: skip
    # Who does not call is known by the same key, from the store too.
    assert {name: (await buyer.stored(maker)).claims.get(name) for name in ACME} == ACME


async def test_the_key_and_certificate_of_another_bind_nobody_who_only_publishes_them(
    world: World, buyer: Verifier, hub: Issuer, maker: Holder, root: Authority
) -> None:
    _in_force(buyer, hub, _accredited(root))
    chain = _bind(maker, root)
    thief = world.holder("thief")
    copied = maker.key.verification_key()
    stolen = type(copied)(f"{thief.did}#sealed", copied.kind, copied.public)
    thief.more_keys, thief.certificates = (stolen,), {stolen.kid: chain}
    thief.shown = [hub.credential(thief.did, "MembershipCredential", {"location": "JP"})]
    claims = (await buyer.call(thief)).claims
    assert claims["location"] == {"JP"}
    assert ACME.keys().isdisjoint(claims)
    # Nor does the certificate bind the thief's own key.
    thief.more_keys, thief.certificates = (), {thief.key.kid: chain}
    world.now_ms += 86_400_000
    assert ACME.keys().isdisjoint((await buyer.call(thief)).claims)
    assert "another key" in await buyer.why(thief)


@pytest.mark.parametrize("accredited", [False, True])
async def test_a_chain_that_does_not_hold_gives_no_claim_and_a_reason(
    buyer: Verifier, hub: Issuer, maker: Holder, root: Authority, accredited: bool
) -> None:
    stranger = make_authority("Root Authority", start=T0 - DAY, end=T0 + 60 * DAY)
    _in_force(buyer, hub, *([_accredited(stranger)] if accredited else []))
    _bind(maker, root)
    maker.shown = [hub.credential(maker.did, "MembershipCredential", {"location": "JP"})]
    assert ACME.keys().isdisjoint((await buyer.call(maker)).claims)
    why = await buyer.why(maker)
    assert why.startswith("organisation certificate:")
    assert "authority" in why


async def test_a_claim_ends_with_the_certificate(
    world: World, buyer: Verifier, hub: Issuer, maker: Holder, root: Authority
) -> None:
    _in_force(buyer, hub, _accredited(root))
    _bind(maker, root, end=T0 + timedelta(seconds=100))
    assert (await buyer.call(maker)).claims == ACME
    # RFC 5280, 4.1.2.5: notAfter belongs to the period.
    world.now_ms = T0_MS + 100_999
    assert (await buyer.call(maker)).claims == ACME
    world.now_ms = T0_MS + 101_000
    assert (await buyer.call(maker)).claims == {}


async def test_a_claim_ends_with_the_authoritys_entry_and_with_the_list_that_names_it(
    world: World, buyer: Verifier, hub: Issuer, maker: Holder, root: Authority
) -> None:
    # T0 is 2025-11-24T16:00:00Z.
    _in_force(buyer, hub, _accredited(root, valid_until="2025-11-24T16:02:00Z"))
    _bind(maker, root)
    assert (await buyer.call(maker)).claims == ACME
    world.now_ms = T0_MS + 120_000
    assert (await buyer.call(maker)).claims == {}
    _in_force(buyer, hub, _accredited(root), number=2)
    assert (await buyer.call(maker)).claims == ACME
    _in_force(buyer, hub, number=3)
    assert (await buyer.call(maker)).claims == {}


async def test_a_key_that_left_the_document_takes_its_organisation_along(
    world: World, buyer: Verifier, hub: Issuer, maker: Holder, root: Authority
) -> None:
    _in_force(buyer, hub, _accredited(root))
    _bind(maker, root)
    assert (await buyer.call(maker)).claims == ACME
    maker.rotate()
    # Nobody calls: what was proved is judged anew by the document as it is now.
    world.now_ms = T0_MS + 299_000
    assert (await buyer.stored(maker)).claims == ACME
    world.now_ms = T0_MS + 86_399_000
    assert (await buyer.stored(maker)).claims == {}


@pytest.mark.parametrize(("types", "counts"), [([TYPE], True), (["MembershipCredential"], False)])
async def test_authorities_of_a_foreign_list_count_where_it_is_recognised_for_them(
    world: World,
    buyer: Verifier,
    hub: Issuer,
    maker: Holder,
    root: Authority,
    types: list[str],
    counts: bool,
) -> None:
    other = world.issuer("other")
    own = hub.trust_list((hub.did, ["MembershipCredential"]), recognized=[(other.did, types)])
    foreign = other.trust_list(authorities=[_accredited(root)])
    lists = [
        verify_trust_list(
            parse_trust_list(text), parse_did_document(party.document(), party.did), now_ms=world.now_ms
        )
        for party, text in ((hub, own), (other, foreign))
    ]
    book: TrustBook = merge(lists[0], lists[1:])
    buyer.lists.in_force = (book,)
    _bind(maker, root)
    assert (await buyer.call(maker)).claims == (ACME if counts else {})
