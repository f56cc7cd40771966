import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ashiato.facts.instants import parse_datetime
from ashiato.trust.credentials import (
    VerifiedCredential,
    issue_credential,
    parse_credential,
    verify_credential,
)
from ashiato.trust.jws import TokenRefused
from ashiato.trust.organizations import UnboundKey
from ashiato.trust.trust_list import (
    TYP,
    AccreditedAuthority,
    RecognizedList,
    TrustedIssuer,
    TrustList,
    TrustListContent,
    authorities_of,
    check_edition,
    merge,
    own_trust_list,
    parse_trust_list,
    sign_trust_list,
    trusted_claims,
    trusts,
    verify_trust_list,
)
from tests.sealing import make_authority
from tests.trust.credentials import DAY_MS, ISSUER, draft
from tests.trust.parties import GLOBEX, NOW_MS, Party, forge, new_party

HUB = "did:web:hub.example"
OTHER_HUB = "did:web:hub.other.example"
MEMBERSHIP = TrustedIssuer(ISSUER, ("MembershipCredential",))


@pytest.fixture(scope="module")
def hub() -> Party:
    return new_party(HUB)


@pytest.fixture(scope="module")
def membership(issuer: Party) -> VerifiedCredential:
    return _credential(issuer)


def _credential(issuer: Party, **changes: Any) -> VerifiedCredential:
    compact = issue_credential(issuer.key, draft(**changes))
    return verify_credential(parse_credential(compact), issuer.document, now_ms=NOW_MS)


def _content(*issuers: TrustedIssuer, publisher: str = HUB, **changes: Any) -> TrustListContent:
    members: dict[str, Any] = {
        "publisher": publisher,
        "number": 7,
        "issued": "2025-11-24T00:00:00Z",
        "expires": "2025-12-24T00:00:00Z",
        "issuers": issuers,
    }
    return TrustListContent(**(members | changes))


def _list(*issuers: TrustedIssuer, **changes: Any) -> TrustList:
    return own_trust_list(_content(*issuers, **changes))


def test_a_signed_list_says_what_its_publisher_wrote(hub: Party, membership: VerifiedCredential) -> None:
    content = _content(MEMBERSHIP, recognized=(RecognizedList(OTHER_HUB, ("RoleCredential",)),))
    unverified = parse_trust_list(sign_trust_list(hub.key, content))
    assert unverified.content.publisher == HUB
    trust_list = verify_trust_list(unverified, hub.document, now_ms=NOW_MS)
    assert trust_list.content == content
    assert trusts(trust_list, membership, NOW_MS).is_trusted


def test_an_issuer_counts_for_its_types_only(issuer: Party, membership: VerifiedCredential) -> None:
    trust_list = _list(MEMBERSHIP)
    assert trusts(trust_list, membership, NOW_MS).is_trusted
    role = _credential(issuer, types=("RoleCredential",))
    verdict = trusts(trust_list, role, NOW_MS)
    assert not verdict.is_trusted
    assert verdict.reason == f"{ISSUER} may not issue RoleCredential"
    both = _credential(issuer, types=("MembershipCredential", "RoleCredential"))
    assert not trusts(trust_list, both, NOW_MS).is_trusted
    assert not trusts(trust_list, _credential(issuer, types=()), NOW_MS).is_trusted


def test_an_issuer_that_is_not_listed_counts_for_nothing(membership: VerifiedCredential) -> None:
    assert not trusts(_list(), membership, NOW_MS).is_trusted
    assert not trusts(_list(TrustedIssuer(GLOBEX, ("MembershipCredential",))), membership, NOW_MS).is_trusted


@pytest.mark.parametrize(
    ("constraints", "is_trusted"),
    [
        ({"location": ("JP",)}, True),
        ({"location": ("JP", "KR"), "holderIdentifier": ("BPNL000000000001",)}, True),
        ({"location": ("KR",)}, False),
        ({"location": ()}, False),
        ({"country": ("JP",)}, False),
    ],
)
def test_an_issuer_may_be_held_to_certain_values(
    constraints: dict[str, tuple[str, ...]], is_trusted: bool, membership: VerifiedCredential
) -> None:
    entry = TrustedIssuer(ISSUER, ("MembershipCredential",), constraints)
    assert trusts(_list(entry), membership, NOW_MS).is_trusted is is_trusted


def test_one_admitted_value_does_not_admit_another_beside_it(issuer: Party) -> None:
    entry = TrustedIssuer(ISSUER, ("RoleCredential",), {"role": ("recycler",)})
    good = _credential(issuer, types=("RoleCredential",), claims={"role": ["recycler"]})
    bad = _credential(issuer, types=("RoleCredential",), claims={"role": ["recycler", "authority"]})
    assert trusts(_list(entry), good, NOW_MS).is_trusted
    assert not trusts(_list(entry), bad, NOW_MS).is_trusted


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "is_trusted"),
    [
        ("2025-11-01T00:00:00Z", "2025-12-01T00:00:00Z", True),
        ("2025-12-01T00:00:00Z", None, False),
        (None, "2025-11-01T00:00:00Z", False),
    ],
)
def test_an_entry_has_dates_of_its_own(
    valid_from: str | None, valid_until: str | None, is_trusted: bool, membership: VerifiedCredential
) -> None:
    entry = TrustedIssuer(ISSUER, ("MembershipCredential",), valid_from=valid_from, valid_until=valid_until)
    assert trusts(_list(entry), membership, NOW_MS).is_trusted is is_trusted


def test_an_expired_list_trusts_nobody_however_it_was_verified_before(
    hub: Party, membership: VerifiedCredential
) -> None:
    compact = sign_trust_list(hub.key, _content(MEMBERSHIP))
    trust_list = verify_trust_list(parse_trust_list(compact), hub.document, now_ms=NOW_MS)
    later_ms = NOW_MS + 31 * DAY_MS
    verdict = trusts(trust_list, membership, later_ms)
    assert not verdict.is_trusted
    assert "valid only from 2025-11-24T00:00:00Z to 2025-12-24T00:00:00Z" in verdict.reason
    with pytest.raises(TokenRefused) as refusal:
        verify_trust_list(parse_trust_list(compact), hub.document, now_ms=later_ms)
    assert refusal.value.why_code == "expired"


def test_an_older_edition_does_not_bring_back_who_was_struck_off_nor_does_another_text_of_its_number(
    hub: Party,
) -> None:
    text = parse_trust_list(sign_trust_list(hub.key, _content(MEMBERSHIP)))
    found = verify_trust_list(text, hub.document, now_ms=NOW_MS)
    number = found.content.number
    for known_number, known_sha256 in ((number + 1, "a"), (number, "b")):
        with pytest.raises(TokenRefused) as refusal:
            check_edition(found, "a", known_number, known_sha256)
        assert refusal.value.why_code == "expired"
    check_edition(found, "a", number, "a")
    check_edition(found, "a", number - 1, "b")


def test_a_list_signed_by_another_is_refused(hub: Party, globex: Party) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        sign_trust_list(globex.key, _content())
    part = sign_trust_list(hub.key, _content(MEMBERSHIP)).split(".")[1]
    content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    text = forge(globex.private, {"alg": "ES256", "typ": TYP, "kid": globex.kid}, content)
    for document in (hub.document, globex.document):
        with pytest.raises(TokenRefused) as refusal:
            verify_trust_list(parse_trust_list(text), document, now_ms=NOW_MS)
        assert refusal.value.why_code in ("foreign_key", "wrong_document")


def test_recognition_admits_foreign_issuers_for_the_named_types_only(issuer: Party) -> None:
    foreign = _list(TrustedIssuer(ISSUER, ("MembershipCredential", "RoleCredential")), publisher=OTHER_HUB)
    own = _list(recognized=(RecognizedList(OTHER_HUB, ("MembershipCredential",)),))
    book = merge(own, [foreign])
    assert trusts(book, _credential(issuer), NOW_MS).is_trusted
    verdict = trusts(book, _credential(issuer, types=("RoleCredential",)), NOW_MS)
    assert not verdict.is_trusted


def test_recognition_does_not_reach_further_than_one_step(issuer: Party) -> None:
    third = _list(MEMBERSHIP, publisher="did:web:third.example")
    foreign = _list(
        publisher=OTHER_HUB,
        recognized=(RecognizedList("did:web:third.example", ("MembershipCredential",)),),
    )
    own = _list(recognized=(RecognizedList(OTHER_HUB, ("MembershipCredential",)),))
    assert not trusts(merge(own, [foreign, third]), _credential(issuer), NOW_MS).is_trusted


def test_a_list_that_nobody_recognized_has_no_effect(membership: VerifiedCredential) -> None:
    foreign = _list(MEMBERSHIP, publisher=OTHER_HUB)
    assert not trusts(merge(_list(), [foreign]), membership, NOW_MS).is_trusted


def test_an_expired_recognized_list_admits_nobody(membership: VerifiedCredential) -> None:
    foreign = _list(MEMBERSHIP, publisher=OTHER_HUB, expires="2025-11-24T01:00:00Z")
    own = _list(recognized=(RecognizedList(OTHER_HUB, ("MembershipCredential",)),))
    verdict = trusts(merge(own, [foreign]), membership, NOW_MS)
    assert not verdict.is_trusted
    assert OTHER_HUB in verdict.reason


def test_claims_of_an_untrusted_issuer_are_left_out_with_the_reason(issuer: Party) -> None:
    role = _credential(issuer, types=("RoleCredential",), claims={"role": "authority"})
    claims, left_out = trusted_claims([_credential(issuer), role], _list(MEMBERSHIP), NOW_MS)
    assert claims["membership"] == {"active"}
    assert "role" not in claims
    assert left_out == ((role, f"{ISSUER} may not issue RoleCredential"),)


@pytest.mark.parametrize(
    "change",
    [
        {"number": "7"},
        {"number": 1.5},
        {"issued": "yesterday"},
        {"expires": None},
        {"publisher": None},
        {"issuers": [{"issuer": ISSUER}]},
        {"issuers": [{"issuer": ISSUER, "types": ["X"], "valid_until": "soon"}]},
        {"recognized": {}},
    ],
    ids=repr,
)
def test_a_malformed_list_is_refused(change: dict[str, Any], hub: Party) -> None:
    members: dict[str, Any] = {
        "expires": "2025-12-24T00:00:00Z",
        "issued": "2025-11-24T00:00:00Z",
        "number": 7,
        "publisher": HUB,
    } | change
    payload = {name: value for name, value in sorted(members.items()) if value is not None}
    text = forge(
        hub.private,
        {"alg": "ES256", "typ": TYP, "kid": hub.kid},
        json.dumps(payload, separators=(",", ":"), sort_keys=True).encode(),
    )
    with pytest.raises(TokenRefused) as refusal:
        parse_trust_list(text)
    assert refusal.value.why_code == "malformed_claim"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 100_000), st.characters(codec="ascii"), st.sampled_from(["replace", "insert", "delete"])
)
def test_no_mutation_of_a_trust_list_verifies(hub: Party, place: int, character: str, kind: str) -> None:
    compact = sign_trust_list(hub.key, _content(MEMBERSHIP))
    at = place % len(compact)
    middle = "" if kind == "delete" else character
    changed = compact[:at] + middle + compact[at + (kind != "insert") :]
    if changed != compact:
        with pytest.raises(TokenRefused):
            verify_trust_list(parse_trust_list(changed), hub.document, now_ms=NOW_MS)


def test_authorities_travel_with_a_list_and_count_within_its_dates_and_their_own(hub: Party) -> None:
    root = make_authority("Root Authority")
    entry = AccreditedAuthority(root.der, "Root", valid_until="2025-12-01T00:00:00Z")
    compact = sign_trust_list(hub.key, _content(MEMBERSHIP, authorities=(entry,)))
    book = merge(verify_trust_list(parse_trust_list(compact), hub.document, now_ms=NOW_MS), [])
    first_ms, ended_ms = parse_datetime("2025-11-30T23:59:59Z"), parse_datetime("2025-12-01T00:00:00Z")
    assert authorities_of(book, first_ms) == (entry,)
    assert authorities_of(book, ended_ms) == ()
    unlimited = own_trust_list(_content(authorities=(AccreditedAuthority(root.der),)))
    assert len(authorities_of(merge(unlimited, []), parse_datetime("2025-12-23T23:59:59Z"))) == 1
    assert authorities_of(merge(unlimited, []), parse_datetime("2025-12-24T00:00:00Z")) == ()


def test_an_authority_without_a_certificate_is_no_authority(hub: Party) -> None:
    content = _content(authorities=(AccreditedAuthority(b"\x30\x00"),))
    with pytest.raises(UnboundKey, match="no certificate"):
        own_trust_list(content)
    with pytest.raises(TokenRefused, match="no certificate"):
        parse_trust_list(sign_trust_list(hub.key, content))
