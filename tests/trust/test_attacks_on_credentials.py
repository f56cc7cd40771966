"""Attacks on tokens of the claims protocol: on credentials and presentations, each named by what is tried.

Those on the identity token itself are in `test_tokens.py`, by the same names.
"""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ashiato.trust.credentials import (
    VC11,
    VC20,
    Profile,
    StatusEntry,
    issue_credential,
    parse_credential,
    verify_credential,
)
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused
from ashiato.trust.presentations import (
    PresentationDraft,
    parse_presentation,
    present,
    verify_presentation,
    verify_presented,
)
from ashiato.trust.tokens import mint_token, parse_token
from ashiato.trust.trust_list import TrustedIssuer, TrustListContent, own_trust_list, trusts
from tests.trust.credentials import ISSUER, V2, as_json, draft, signed, vc11, vc20, vp20
from tests.trust.parties import (
    ACME,
    GLOBEX,
    NOW_MS,
    NOW_S,
    Party,
    b64,
    document_with,
    forge,
    new_party,
)


def _why(compact: str, document: DidDocument) -> str:
    with pytest.raises(TokenRefused) as refusal:
        verify_credential(parse_credential(compact), document, now_ms=NOW_MS)
    return refusal.value.why_code


def _why_presented(compact: str, document: DidDocument, audience: str = GLOBEX) -> str:
    with pytest.raises(TokenRefused) as refusal:
        verify_presentation(parse_presentation(compact), document, audience=audience, now_ms=NOW_MS)
    return refusal.value.why_code


def _header(party: Party, **changes: Any) -> dict[str, Any]:
    return {"alg": "ES256", "typ": "vc+jwt", "kid": party.kid} | changes


def test_wrong_key(issuer: Party) -> None:
    stranger = new_party(ISSUER)
    assert _why(issue_credential(stranger.key, draft()), issuer.document) == "wrong_signature"


def test_unknown_key_id(issuer: Party) -> None:
    assert _why(signed(issuer, vc20(), kid=f"{ISSUER}#key-9"), issuer.document) == "unknown_key"


def test_no_key_id_although_the_issuer_has_several_keys(issuer: Party) -> None:
    keys = {
        issuer.kid: issuer.key.verification_key(),
        f"{ISSUER}#key-2": new_party(ISSUER).key.verification_key(),
    }
    document = document_with(ISSUER, keys, {"assertionMethod": list(keys)})
    assert _why(signed(issuer, vc20(), kid=None), document) == "no_key"
    # DCP 1.0, 4.3.3, step 3 allows it where there is only one.
    compact = signed(issuer, vc20(), kid=None)
    assert verify_credential(parse_credential(compact), issuer.document, now_ms=NOW_MS).issuer == ISSUER


def test_key_id_in_another_did(issuer: Party, globex: Party) -> None:
    assert _why(forge(globex.private, _header(globex), vc20()), issuer.document) == "foreign_key"
    assert _why(forge(globex.private, _header(globex), vc20()), globex.document) == "wrong_document"


def test_issuer_of_the_credential_is_not_the_owner_of_the_key(issuer: Party, globex: Party) -> None:
    # DCP 1.0, 5.4.3, step 4: a member signs a credential in the name of the issuer.
    compact = forge(globex.private, _header(globex, kid=issuer.kid), vc20())
    assert _why(compact, issuer.document) == "wrong_signature"


def test_key_of_the_issuer_that_may_not_assert(issuer: Party) -> None:
    document = document_with(
        ISSUER,
        {issuer.kid: issuer.key.verification_key()},
        {"authentication": [issuer.kid], "capabilityInvocation": [issuer.kid]},
    )
    assert _why(signed(issuer, vc20()), document) == "key_not_for_this_use"


@pytest.mark.parametrize("alg", ["none", "HS256", "es256", "ES384", "PS256", "", None, ["ES256"]], ids=repr)
def test_algorithm_outside_the_list(alg: object, issuer: Party) -> None:
    assert _why(signed(issuer, vc20(), alg=alg), issuer.document) == "alg_not_allowed"


def test_algorithm_none_without_signature(issuer: Party) -> None:
    head, body = b64(as_json(_header(issuer, alg="none"))), b64(as_json(vc20()))
    assert _why(f"{head}.{body}.", issuer.document) == "not_compact"


def test_algorithm_that_does_not_fit_the_key(issuer: Party) -> None:
    assert _why(signed(issuer, vc20(), alg="EdDSA"), issuer.document) == "wrong_signature"


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False},
        {"jwk": {"kty": "EC"}},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/chain"},
        {"x5c": ["AAAA"]},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
    ],
    ids=repr,
)
def test_header_that_brings_its_own_key_or_changes_what_is_signed(
    header: dict[str, Any], issuer: Party
) -> None:
    assert _why(signed(issuer, vc20(), **header), issuer.document) == "header_not_allowed"


def test_embedded_key_of_the_attacker(issuer: Party) -> None:
    stranger = new_party(ISSUER)
    header = _header(issuer, jwk=stranger.key.public_jwk())
    assert _why(forge(stranger.private, header, vc20()), issuer.document) == "header_not_allowed"


@pytest.mark.parametrize("name", ["issuer", "credentialSubject", "type", "validUntil", "@context"])
def test_duplicate_members_that_two_readers_read_differently(name: str, issuer: Party) -> None:
    body = json.dumps(vc20())
    other = json.dumps({name: vc20()[name]})
    doubled = (other[:-1] + "," + body[1:]).encode()
    assert _why(forge(issuer.private, _header(issuer), doubled), issuer.document) == "not_json"


def test_duplicate_header_keys(issuer: Party) -> None:
    header = f'{{"alg":"none","alg":"ES256","typ":"vc+jwt","kid":"{issuer.kid}"}}'.encode()
    assert _why(forge(issuer.private, header, vc20()), issuer.document) == "not_json"


def test_spare_bits_of_the_last_character(issuer: Party) -> None:
    compact = issue_credential(issuer.key, draft())
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 64 bytes leave four spare bits.
    for bit in (1, 2, 4, 8):
        changed = compact[:-1] + alphabet[alphabet.index(compact[-1]) | bit]
        assert _why(changed, issuer.document) == "not_canonical"


def test_padding(issuer: Party) -> None:
    assert _why(issue_credential(issuer.key, draft()) + "==", issuer.document) == "not_compact"


def test_header_of_two_megabytes(issuer: Party) -> None:
    compact = signed(issuer, vc20(), pad="x" * 2_000_000)
    assert _why(compact, issuer.document) == "too_large"
    with pytest.raises(TokenRefused) as refusal:
        parse_credential(compact, max_chars=4_194_304)
    assert refusal.value.why_code == "too_large"


def test_credential_of_a_megabyte(issuer: Party) -> None:
    payload = vc20(credentialSubject={"id": ACME, "text": "x" * 1_000_000})
    assert _why(signed(issuer, payload), issuer.document) == "too_large"


def test_credential_nested_a_thousandfold(issuer: Party) -> None:
    deep = json.dumps(vc20())[:-1] + ',"x":' + "[" * 1000 + "]" * 1000 + "}"
    assert _why(forge(issuer.private, _header(issuer), deep.encode()), issuer.document) == "not_json"


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "1e400", "1.5", '"1795478400"', "-1", "true", "[]", "1e3"]
)
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_date_that_is_no_sane_number(name: str, number: str, issuer: Party) -> None:
    body = (json.dumps(vc20())[:-1] + f',"{name}":{number}}}').encode()
    assert _why(forge(issuer.private, _header(issuer), body), issuer.document) in (
        "not_json",
        "malformed_claim",
    )


def test_expired_credential(issuer: Party) -> None:
    assert _why(signed(issuer, vc20(validUntil="2025-11-24T00:00:01Z")), issuer.document) == "expired"
    assert _why(signed(issuer, vc20(exp=NOW_S)), issuer.document) == "expired"
    assert _why(signed(issuer, vc11(exp=NOW_S)), issuer.document) == "expired"
    assert (
        _why(signed(issuer, vc11({"expirationDate": "2025-11-24T00:00:01Z"})), issuer.document) == "expired"
    )


def test_credential_that_is_not_yet_valid(issuer: Party) -> None:
    later = "2025-12-24T00:00:00Z"
    assert _why(signed(issuer, vc20(validFrom=later)), issuer.document) == "not_yet_valid"
    assert _why(signed(issuer, vc20(nbf=NOW_S + 1)), issuer.document) == "not_yet_valid"
    assert _why(signed(issuer, vc20(iat=NOW_S + 1)), issuer.document) == "not_yet_valid"
    assert _why(signed(issuer, vc11({"issuanceDate": later})), issuer.document) == "not_yet_valid"


def test_issuer_that_is_not_trusted_for_that_type(issuer: Party) -> None:
    content = TrustListContent(
        "did:web:hub.example",
        1,
        "2025-11-24T00:00:00Z",
        "2025-12-24T00:00:00Z",
        (TrustedIssuer(ISSUER, ("MembershipCredential",)),),
    )
    compact = issue_credential(issuer.key, draft(types=("SecurityProfileCredential",)))
    credential = verify_credential(parse_credential(compact), issuer.document, now_ms=NOW_MS)
    assert not trusts(own_trust_list(content), credential, NOW_MS).is_trusted


def test_second_type_smuggled_beside_a_trusted_one(issuer: Party) -> None:
    content = TrustListContent(
        "did:web:hub.example",
        1,
        "2025-11-24T00:00:00Z",
        "2025-12-24T00:00:00Z",
        (TrustedIssuer(ISSUER, ("MembershipCredential",)),),
    )
    compact = issue_credential(issuer.key, draft(types=("MembershipCredential", "RoleCredential")))
    credential = verify_credential(parse_credential(compact), issuer.document, now_ms=NOW_MS)
    assert not trusts(own_trust_list(content), credential, NOW_MS).is_trusted


def test_context_that_redefines_a_member(issuer: Party) -> None:
    inline = {"holderIdentifier": "https://example.org/#nothing"}
    assert _why(signed(issuer, vc20(**{"@context": [V2, inline]})), issuer.document) == "wrong_context"


def test_holder_issues_itself_a_credential_in_the_name_of_the_issuer(acme: Party, issuer: Party) -> None:
    compact = forge(acme.private, _header(acme), vc20(issuer=ACME))
    credential = verify_credential(parse_credential(compact), acme.document, now_ms=NOW_MS)
    # Rightly signed, and its issuer is the holder: it is the trust list that leaves it out.
    assert credential.issuer == ACME
    assert _why(compact, issuer.document) == "wrong_document"


def test_presentation_replayed_to_another_verifier(acme: Party) -> None:
    compact = forge(acme.private, _header(acme, typ="vp+jwt"), vp20([]))
    assert _why_presented(compact, acme.document, audience="did:web:other.example") == "wrong_audience"


def test_presentation_signed_by_somebody_else(acme: Party, globex: Party) -> None:
    forged = forge(globex.private, _header(acme, typ="vp+jwt"), vp20([]))
    assert _why_presented(forged, acme.document) == "wrong_signature"
    foreign = forge(globex.private, _header(globex, typ="vp+jwt"), vp20([]))
    assert _why_presented(foreign, acme.document) == "foreign_key"
    assert _why_presented(foreign, globex.document) == "wrong_document"


def test_credential_of_another_holder_in_an_honest_presentation(acme: Party, issuer: Party) -> None:
    compact = issue_credential(issuer.key, draft(subject=GLOBEX))
    presentation = verify_presentation(
        parse_presentation(forge(acme.private, _header(acme, typ="vp+jwt"), vp20([compact]))),
        acme.document,
        audience=GLOBEX,
        now_ms=NOW_MS,
    )
    credential = verify_credential(presentation.credentials[0], issuer.document, now_ms=NOW_MS)
    with pytest.raises(TokenRefused) as refusal:
        verify_presented(presentation, [credential])
    assert refusal.value.why_code == "wrong_holder"


def test_one_bad_credential_among_good_ones(acme: Party, issuer: Party) -> None:
    good = issue_credential(issuer.key, draft())
    payload = vp20([good, good[: good.rindex(".")] + "."])
    compact = forge(acme.private, _header(acme, typ="vp+jwt"), payload)
    assert _why_presented(compact, acme.document) == "not_compact"


def test_identity_token_used_as_presentation_or_credential(acme: Party) -> None:
    token = mint_token(acme.key, audience=GLOBEX, now_ms=NOW_MS, ttl_s=60, token_id="t-1")
    with pytest.raises(TokenRefused):
        parse_presentation(token)
    with pytest.raises(TokenRefused):
        parse_credential(token)


@pytest.mark.parametrize("profile", [VC20, VC11])
def test_presentation_or_credential_used_as_identity_token(
    profile: Profile, acme: Party, issuer: Party
) -> None:
    order = PresentationDraft(
        audience=GLOBEX, credentials=[], profile=profile, now_ms=NOW_MS, ttl_s=60, token_id="t"
    )
    for compact in (
        present(acme.key, order),
        issue_credential(issuer.key, draft(profile=profile)),
        forge(acme.private, _header(acme, typ="JWT"), vp20([], sub=ACME, jti="1")),
        forge(acme.private, {"alg": "ES256", "kid": acme.kid}, vp20([], sub=ACME, jti="1")),
    ):
        with pytest.raises(TokenRefused) as refusal:
            parse_token(compact)
        assert refusal.value.why_code == "wrong_typ"


def test_presentation_used_as_credential_and_the_other_way_round(acme: Party, issuer: Party) -> None:
    for payload in (vp20([]), {"vp": {"type": ["VerifiableCredential"]}}):
        with pytest.raises(TokenRefused) as refusal:
            parse_credential(forge(acme.private, _header(acme, typ="JWT"), payload))
        assert refusal.value.why_code == "wrong_type"
    for payload in (vc20(), vc11()):
        with pytest.raises(TokenRefused) as refusal:
            parse_presentation(forge(acme.private, _header(acme, typ="JWT"), payload))
        assert refusal.value.why_code == "wrong_type"


@pytest.mark.parametrize(
    "change",
    [
        {"type": "OtherEntry"},
        {"type": ["BitstringStatusListEntry"]},
        {"statusPurpose": None},
        {"statusListCredential": None},
        {"statusSize": 2},
        {"statusSize": True},
        {"statusListIndex": "-1"},
        {"statusListIndex": -1},
        {"statusListIndex": "1.5"},
        {"statusListIndex": 1.5},
        {"statusListIndex": "0x10"},
        {"statusListIndex": "007"},
        {"statusListIndex": " 7"},
        {"statusListIndex": "٧"},
        {"statusListIndex": "1_000"},
        {"statusListIndex": True},
        {"statusListIndex": None},
        {"statusListIndex": "134217728"},
        {"statusListIndex": "9" * 5000},
    ],
    ids=lambda change: f"{next(iter(change))}={str(next(iter(change.values())))[:20]}",
)
def test_status_entry_that_hides_the_status(change: dict[str, Any], issuer: Party) -> None:
    entry: dict[str, Any] = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "42",
        "statusListCredential": "https://issuer.example/status/1",
    }
    status = {name: value for name, value in (entry | change).items() if value is not None}
    assert _why(signed(issuer, vc20(credentialStatus=status)), issuer.document) in (
        "wrong_status_entry",
        "missing_claim",
        "malformed_claim",
    )


@pytest.mark.parametrize("profile", [VC20, VC11])
def test_every_character_of_a_credential_counts(profile: Profile, issuer: Party) -> None:
    compact = issue_credential(issuer.key, draft(profile=profile))
    for position, character in enumerate(compact):
        changed = compact[:position] + ("A" if character != "A" else "B") + compact[position + 1 :]
        assert _why(changed, issuer.document), position


_MUTATION = st.tuples(
    st.integers(0, 10_000),
    st.sampled_from(["replace", "insert", "delete", "swap"]),
    st.characters(codec="ascii"),
)


def _mutated(text: str, mutations: list[tuple[int, str, str]]) -> str:
    for place, kind, character in mutations:
        at = place % len(text)
        if kind == "replace":
            text = text[:at] + character + text[at + 1 :]
        elif kind == "insert":
            text = text[:at] + character + text[at:]
        elif kind == "delete":
            text = text[:at] + text[at + 1 :] or "x"
        else:
            text = text[at:] + text[:at]
    return text


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_MUTATION, min_size=1, max_size=4))
def test_no_mutation_of_a_credential_verifies(issuer: Party, mutations: list[tuple[int, str, str]]) -> None:
    compact = issue_credential(issuer.key, draft())
    changed = _mutated(compact, mutations)
    if changed != compact:
        assert _why(changed, issuer.document)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_MUTATION, min_size=1, max_size=4))
def test_no_mutation_of_a_presentation_verifies(
    acme: Party, issuer: Party, mutations: list[tuple[int, str, str]]
) -> None:
    compact = forge(acme.private, _header(acme, typ="vp+jwt"), vp20([issue_credential(issuer.key, draft())]))
    changed = _mutated(compact, mutations)
    if changed != compact:
        assert _why_presented(changed, acme.document)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_NAMES = sorted(
    {*vc20(), "credentialStatus", "credentialSchema", "iss", "sub", "jti", "exp", "nbf", "iat", "vc"}
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(_NAMES), _JSON, max_size=3))
def test_no_content_breaks_the_reader(issuer: Party, changes: dict[str, Any]) -> None:
    """Signed by a hostile issuer: it is read or refused, and never anything else happens."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    compact = forge(stranger, _header(issuer), vc20() | changes)
    try:
        credential = parse_credential(compact)
    except TokenRefused:
        return
    assert credential.subject
    assert all(isinstance(entry, StatusEntry) for entry in credential.statuses)
    with pytest.raises(TokenRefused):
        verify_credential(credential, issuer.document, now_ms=NOW_MS)
