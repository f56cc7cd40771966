"""The rules of DCP 1.0.1 that concern tokens, presentations and credentials themselves, one test per clause.

4.3 "Self-Issued ID Tokens", 4.3.3 "Validating Self-Issued ID Tokens", 5.4.3 "Presentation Validation" and the
profiles; what can go wrong with each beyond its clause stands in the tests named after attacks.
"""

import base64
import json
from typing import Any

import pytest

from ashiato.trust.credentials import (
    VC11,
    VC20,
    Profile,
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
from ashiato.trust.status_lists import (
    is_barred,
    new_bits,
    parse_status_list,
    status_list_draft,
    status_list_from,
    with_bits,
)
from ashiato.trust.tokens import VerifiedCaller, mint_token, parse_token, verify_token
from tests.trust.credentials import DAY_MS, LIST_URL, REVOCATION, draft, signed, vc20
from tests.trust.parties import ACME, GLOBEX, NOW_MS, NOW_S, Party, document_with, forge, new_party


def _claims(**changes: object) -> dict[str, object]:
    claims: dict[str, object] = {
        "iss": ACME,
        "sub": ACME,
        "aud": GLOBEX,
        "iat": NOW_S,
        "exp": NOW_S + 60,
        "jti": "1",
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def _token(acme: Party, *, kid: str | None = None, **changes: object) -> str:
    header = {"alg": "ES256", "typ": "JWT"} | ({"kid": kid} if kid else {})
    return forge(acme.private, header, _claims(**changes))


def _caller(text: str, document: DidDocument, *, leeway_s: int = 0) -> VerifiedCaller:
    token = parse_token(text)
    return verify_token(token, document, audience=GLOBEX, now_ms=NOW_MS, leeway_s=leeway_s, max_ttl_s=600)


def _why(text: str, document: DidDocument, *, leeway_s: int = 0) -> str:
    with pytest.raises(TokenRefused) as refusal:
        _caller(text, document, leeway_s=leeway_s)
    return refusal.value.why_code


def _read(compact: str) -> dict[str, Any]:
    part = compact.split(".")[1]
    payload: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return payload


def test_4_3_a_token_carries_the_six_claims(acme: Party) -> None:
    text = mint_token(acme.key, audience=GLOBEX, now_ms=NOW_MS, ttl_s=60, token_id="t-1")
    assert _read(text) == {
        "iss": ACME,
        "sub": ACME,
        "aud": GLOBEX,
        "jti": "t-1",
        "exp": NOW_S + 60,
        "iat": NOW_S,
    }


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "jti", "exp", "iat"])
def test_4_3_a_token_without_one_of_the_six_claims_is_rejected(name: str, acme: Party) -> None:
    assert _why(_token(acme, kid=acme.kid, **{name: None}), acme.document) == "missing_claim"


def test_4_3_1_the_access_token_is_opaque_and_handed_on_as_it_came(acme: Party) -> None:
    for token in ("e9a3", "a.b.c", "{}", "with spaces and ü"):
        assert _caller(_token(acme, kid=acme.kid, token=token), acme.document).access_token == token


def test_4_3_3_step_1_iss_and_sub_are_the_same_did(acme: Party) -> None:
    assert _why(_token(acme, kid=acme.kid, iss=GLOBEX), acme.document) == "issuer_is_not_subject"


def test_4_3_3_step_2_aud_is_the_did_of_the_verifier(acme: Party) -> None:
    assert _why(_token(acme, kid=acme.kid, aud="did:web:other.example"), acme.document) == "wrong_audience"


def test_4_3_3_step_3_the_key_has_capability_invocation(acme: Party) -> None:
    keys = {acme.kid: acme.key.verification_key()}
    other = document_with(ACME, keys, {"authentication": [acme.kid], "assertionMethod": [acme.kid]})
    for kid in (acme.kid, None):
        assert _why(_token(acme, kid=kid), other) == "key_not_for_this_use"
    assert _caller(
        _token(acme, kid=acme.kid), document_with(ACME, keys, {"capabilityInvocation": [acme.kid]})
    )


def test_4_3_3_step_3_without_kid_the_one_method_is_used(acme: Party) -> None:
    assert _caller(_token(acme), acme.document).participant_id == ACME


def test_4_3_3_step_3_without_kid_and_with_several_methods_the_token_is_rejected(acme: Party) -> None:
    keys = {acme.kid: acme.key.verification_key(), f"{ACME}#2": new_party(ACME).key.verification_key()}
    document = document_with(ACME, keys, {"capabilityInvocation": list(keys)})
    assert _why(_token(acme), document) == "no_key"
    assert _caller(_token(acme, kid=acme.kid), document).participant_id == ACME


def test_4_3_3_step_3_without_a_matching_entry_the_token_is_rejected(acme: Party) -> None:
    assert _why(_token(acme, kid=f"{ACME}#other"), acme.document) == "unknown_key"


def test_4_3_3_step_4_sub_is_the_id_of_the_document(acme: Party, globex: Party) -> None:
    assert _why(_token(acme, kid=acme.kid), globex.document) == "wrong_document"


def test_4_3_3_step_5_nbf_is_asserted_within_the_leeway(acme: Party) -> None:
    text = _token(acme, kid=acme.kid, nbf=NOW_S + 5)
    assert _why(text, acme.document) == "not_yet_valid"
    assert _caller(text, acme.document, leeway_s=5)


def test_4_3_3_step_5_the_present_is_before_exp_within_the_leeway(acme: Party) -> None:
    text = _token(acme, kid=acme.kid, iat=NOW_S - 60, exp=NOW_S - 4)
    assert _why(text, acme.document) == "expired"
    assert _caller(text, acme.document, leeway_s=5)


def test_4_3_3_step_5_a_token_issued_long_ago_is_rejected_by_iat(acme: Party) -> None:
    assert _why(_token(acme, kid=acme.kid, iat=NOW_S - 3600), acme.document) == "lives_too_long"


def test_4_3_3_step_6_the_id_must_be_kept_as_long_as_the_token_is_accepted(acme: Party) -> None:
    caller = _caller(_token(acme, kid=acme.kid), acme.document, leeway_s=5)
    assert (caller.token_id, caller.expires_ms) == ("1", (NOW_S + 65) * 1000)


def _presented(acme: Party, compacts: list[str], profile: Profile = VC20, audience: str = GLOBEX) -> str:
    return present(
        acme.key,
        PresentationDraft(
            audience=audience,
            credentials=compacts,
            profile=profile,
            now_ms=NOW_MS,
            ttl_s=60,
            token_id="vp-1",
        ),
    )


def test_5_4_3_step_2_the_signature_of_the_presentation_is_validated(acme: Party) -> None:
    stranger = new_party(ACME)
    with pytest.raises(TokenRefused) as refusal:
        verify_presentation(
            parse_presentation(_presented(stranger, [])), acme.document, audience=GLOBEX, now_ms=NOW_MS
        )
    assert refusal.value.why_code == "wrong_signature"


def test_5_4_3_step_3_the_key_of_the_presentation_has_authentication(acme: Party) -> None:
    document = document_with(
        ACME,
        {acme.kid: acme.key.verification_key()},
        {"capabilityInvocation": [acme.kid], "assertionMethod": [acme.kid]},
    )
    with pytest.raises(TokenRefused) as refusal:
        verify_presentation(
            parse_presentation(_presented(acme, [])), document, audience=GLOBEX, now_ms=NOW_MS
        )
    assert refusal.value.why_code == "key_not_for_this_use"


def test_5_4_3_step_4_the_key_of_the_credential_is_of_its_issuer(issuer: Party, globex: Party) -> None:
    compact = forge(globex.private, {"alg": "ES256", "typ": "vc+jwt", "kid": globex.kid}, vc20())
    with pytest.raises(TokenRefused) as refusal:
        verify_credential(parse_credential(compact), issuer.document, now_ms=NOW_MS)
    assert refusal.value.why_code == "foreign_key"


def test_5_4_3_step_5_the_signature_of_the_credential_is_validated(issuer: Party) -> None:
    compact = issue_credential(new_party(issuer.did).key, draft())
    with pytest.raises(TokenRefused) as refusal:
        verify_credential(parse_credential(compact), issuer.document, now_ms=NOW_MS)
    assert refusal.value.why_code == "wrong_signature"


def test_5_4_3_step_6_a_revoked_credential_is_known_by_its_list(issuer: Party) -> None:
    credential = verify_credential(
        parse_credential(issue_credential(issuer.key, draft())), issuer.document, now_ms=NOW_MS
    )
    for bits, expected in ((new_bits(), False), (with_bits(new_bits(), on=[REVOCATION.index]), True)):
        order = status_list_draft(
            list_url=LIST_URL,
            purpose="revocation",
            bits=bits,
            issued_ms=NOW_MS,
            valid_until_ms=NOW_MS + DAY_MS,
        )
        unverified = parse_status_list(issue_credential(issuer.key, order))
        status_list = status_list_from(verify_credential(unverified, issuer.document, now_ms=NOW_MS))
        assert is_barred(credential.statuses[0], credential, status_list, now_ms=NOW_MS) is expected


def test_5_4_3_step_7_the_validity_of_the_presentation_is_validated(acme: Party) -> None:
    unverified = parse_presentation(_presented(acme, []))
    for now_ms, why in ((NOW_S * 1000 - 1, "not_yet_valid"), ((NOW_S + 60) * 1000, "expired")):
        with pytest.raises(TokenRefused) as refusal:
            verify_presentation(unverified, acme.document, audience=GLOBEX, now_ms=now_ms)
        assert refusal.value.why_code == why


def test_5_4_3_the_subject_of_each_credential_is_the_holder(acme: Party, issuer: Party) -> None:
    compacts = [issue_credential(issuer.key, draft()), issue_credential(issuer.key, draft(subject=GLOBEX))]
    presentation = verify_presentation(
        parse_presentation(_presented(acme, compacts)), acme.document, audience=GLOBEX, now_ms=NOW_MS
    )
    credentials = [verify_credential(one, issuer.document, now_ms=NOW_MS) for one in presentation.credentials]
    with pytest.raises(TokenRefused) as refusal:
        verify_presented(presentation, credentials)
    assert refusal.value.why_code == "wrong_holder"


@pytest.mark.parametrize(("profile", "other"), [(VC20, VC11), (VC11, VC20)])
def test_profiles_a_presentation_is_homogeneous(
    profile: Profile, other: Profile, acme: Party, issuer: Party
) -> None:
    compact = issue_credential(issuer.key, draft(profile=other))
    with pytest.raises(TokenRefused) as refusal:
        parse_presentation(_presented(acme, [compact], profile))
    assert refusal.value.why_code == "mixed_profiles"


def test_profiles_vc20_is_an_enveloped_proof_and_vc11_the_claim_vc(acme: Party, issuer: Party) -> None:
    new, old = (issue_credential(issuer.key, draft(profile=profile)) for profile in (VC20, VC11))
    assert _read(new)["@context"] == ["https://www.w3.org/ns/credentials/v2"]
    assert _read(old)["vc"]["@context"] == ["https://www.w3.org/2018/credentials/v1"]
    assert {"vc", "vp"}.isdisjoint(_read(new))
    assert {"vc", "vp"}.isdisjoint(_read(_presented(acme, [new])))
    assert _read(_presented(acme, [old], VC11))["vp"]["verifiableCredential"] == [old]


def test_profiles_an_encrypted_credential_is_not_supported(issuer: Party) -> None:
    with pytest.raises(TokenRefused) as refusal:
        parse_credential("a.b.c.d.e")
    assert refusal.value.why_code == "not_compact"
    with pytest.raises(TokenRefused) as refusal:
        parse_credential(signed(issuer, vc20(), enc="A256GCM"))
    assert refusal.value.why_code == "header_not_allowed"
