from typing import Any

import pytest

from ashiato.trust.credentials import (
    VC11,
    VC20,
    Profile,
    VerifiedCredential,
    issue_credential,
    verify_credential,
)
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused, assemble
from ashiato.trust.presentations import (
    PresentationDraft,
    VerifiedPresentation,
    parse_presentation,
    present,
    presentation_signing_input,
    verify_presentation,
    verify_presented,
)
from tests.trust.credentials import V1, draft, vp20
from tests.trust.parties import ACME, GLOBEX, NOW_MS, NOW_S, Party, document_with, forge


def _draft(credentials: list[str], profile: Profile = VC20) -> PresentationDraft:
    return PresentationDraft(
        audience=GLOBEX,
        credentials=credentials,
        profile=profile,
        now_ms=NOW_MS,
        ttl_s=60,
        token_id="vp-1",
        nonce="n-1",
    )


def _verified(
    compact: str, document: DidDocument, *, now_ms: int = NOW_MS, nonce: str | None = None
) -> VerifiedPresentation:
    return verify_presentation(
        parse_presentation(compact), document, audience=GLOBEX, now_ms=now_ms, nonce=nonce
    )


def _forged(acme: Party, payload: dict[str, Any], typ: str = "vp+jwt") -> str:
    return forge(acme.private, {"alg": "ES256", "typ": typ, "kid": acme.kid}, payload)


def _why(compact: str, document: DidDocument, *, now_ms: int = NOW_MS, nonce: str | None = None) -> str:
    with pytest.raises(TokenRefused) as refusal:
        _verified(compact, document, now_ms=now_ms, nonce=nonce)
    return refusal.value.why_code


@pytest.mark.parametrize("profile", [VC20, VC11])
def test_a_holder_presents_its_credentials_to_one_verifier(
    profile: Profile, acme: Party, issuer: Party
) -> None:
    compacts = [issue_credential(issuer.key, draft(profile=profile))]
    presentation = _verified(present(acme.key, _draft(compacts, profile)), acme.document, nonce="n-1")
    assert presentation.holder == ACME
    assert presentation.profile == profile
    assert presentation.token_id == "vp-1"
    assert presentation.expires_ms == (NOW_S + 60) * 1000
    assert [one.compact for one in presentation.credentials] == compacts
    verified = [verify_credential(one, issuer.document, now_ms=NOW_MS) for one in presentation.credentials]
    assert verify_presented(presentation, verified) == tuple(verified)


def test_a_presentation_as_the_standard_writes_it_is_read(acme: Party, issuer: Party) -> None:
    compact = issue_credential(issuer.key, draft())
    presentation = _verified(_forged(acme, vp20([compact])), acme.document)
    assert [one.compact for one in presentation.credentials] == [compact]


def test_several_credentials_in_one_envelope_are_read(acme: Party, issuer: Party) -> None:
    # VC-JOSE-COSE, 3.1.2, shows two data URLs in one id.
    compacts = [issue_credential(issuer.key, draft(credential_id=f"urn:uuid:{number}")) for number in (1, 2)]
    envelope = {
        "type": "EnvelopedVerifiableCredential",
        "id": ";".join(f"data:application/vc+jwt,{compact}" for compact in compacts),
    }
    presentation = _verified(_forged(acme, vp20([], verifiableCredential=envelope)), acme.document)
    assert [one.compact for one in presentation.credentials] == compacts
    full = envelope | {"id": ";".join([f"data:application/vc+jwt,{compacts[0]}"] * 33)}
    assert _why(_forged(acme, vp20([], verifiableCredential=full)), acme.document) == "too_large"


def test_a_presentation_of_the_compatibility_kit_is_read_on_demand(acme: Party, issuer: Party) -> None:
    # The kit writes `context` without its sign, `type` as one text, and all dates.
    payload = {
        "iss": ACME,
        "sub": ACME,
        "aud": GLOBEX,
        "jti": "1",
        "nbf": NOW_S,
        "iat": NOW_S,
        "exp": NOW_S + 300,
        "vp": {
            "context": [V1],
            "type": "VerifiablePresentation",
            "verifiableCredential": [issue_credential(issuer.key, draft(profile=VC11))],
        },
    }
    compact = _forged(acme, payload, "JWT")
    assert _why(compact, acme.document) == "wrong_context"
    assert len(parse_presentation(compact, loose_vc11=True).credentials) == 1


def test_one_audience_in_an_array_is_read(acme: Party) -> None:
    assert _verified(_forged(acme, vp20([], aud=[GLOBEX])), acme.document).credentials == ()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"@context": None}, "wrong_context"),
        ({"@context": [V1]}, "wrong_context"),
        ({"type": ["VerifiableCredential"]}, "wrong_type"),
        ({"holder": GLOBEX}, "wrong_holder"),
        ({"holder": {"id": GLOBEX}}, "wrong_holder"),
        ({"sub": GLOBEX}, "wrong_holder"),
        ({"iss": None}, "missing_claim"),
        ({"aud": None}, "missing_claim"),
        ({"aud": [GLOBEX, ACME]}, "malformed_claim"),
        ({"exp": None}, "missing_claim"),
        ({"exp": "soon"}, "malformed_claim"),
        ({"nonce": 5}, "malformed_claim"),
        ({"vc": {}}, "wrong_type"),
        ({"vp": {}}, "malformed_claim"),
        ({"verifiableCredential": ["eyJ.eyJ.eyJ"]}, "malformed_claim"),
        ({"verifiableCredential": "eyJ.eyJ.eyJ"}, "malformed_claim"),
        ({"verifiableCredential": [{"type": "EnvelopedVerifiableCredential"}]}, "malformed_claim"),
        (
            {
                "verifiableCredential": [
                    {"type": "VerifiableCredential", "id": "data:application/vc+jwt,a.b.c"}
                ]
            },
            "malformed_claim",
        ),
        (
            {
                "verifiableCredential": [
                    {"type": "EnvelopedVerifiableCredential", "id": "https://a.example/vc"}
                ]
            },
            "malformed_claim",
        ),
        ({"verifiableCredential": [{}]}, "wrong_type"),
    ],
    ids=repr,
)
def test_a_presentation_that_breaks_its_standard_is_refused(
    changes: dict[str, Any], why: str, acme: Party
) -> None:
    assert _why(_forged(acme, vp20([], **changes)), acme.document) == why


def test_a_presentation_counts_from_its_first_to_its_last_instant(acme: Party) -> None:
    compact = _forged(acme, vp20([], nbf=NOW_S + 10))
    first_ms, end_ms = (NOW_S + 10) * 1000, (NOW_S + 300) * 1000
    assert _why(compact, acme.document, now_ms=first_ms - 1) == "not_yet_valid"
    assert _verified(compact, acme.document, now_ms=first_ms)
    assert _verified(compact, acme.document, now_ms=end_ms - 1)
    assert _why(compact, acme.document, now_ms=end_ms) == "expired"
    issued_later = _forged(acme, vp20([], iat=NOW_S + 10))
    assert _why(issued_later, acme.document, now_ms=first_ms - 1) == "not_yet_valid"


def test_a_presentation_answers_the_nonce_that_was_given_out(acme: Party) -> None:
    assert _why(_forged(acme, vp20([], nonce="n-2")), acme.document, nonce="n-1") == "wrong_nonce"
    assert _why(_forged(acme, vp20([])), acme.document, nonce="n-1") == "wrong_nonce"
    assert _verified(_forged(acme, vp20([], nonce="n-1")), acme.document, nonce="n-1")


def test_the_key_must_stand_in_authentication(acme: Party) -> None:
    document = document_with(ACME, {acme.kid: acme.key.verification_key()}, {"assertionMethod": [acme.kid]})
    assert _why(_forged(acme, vp20([])), document) == "key_not_for_this_use"


def test_profiles_are_not_mixed_in_a_presentation(acme: Party, issuer: Party) -> None:
    old, new = (issue_credential(issuer.key, draft(profile=profile)) for profile in (VC11, VC20))
    assert _why(_forged(acme, vp20([new, old])), acme.document) == "mixed_profiles"
    payload = vp20([]) | {"@context": None, "vp": {"@context": [V1], "type": ["VerifiablePresentation"]}}
    payload = {name: value for name, value in payload.items() if name != "@context"}
    payload["vp"]["verifiableCredential"] = [new]
    assert _why(_forged(acme, payload, "JWT"), acme.document) == "mixed_profiles"
    assert _why(_forged(acme, payload, "vp+jwt"), acme.document) == "wrong_typ"


def test_a_verified_presentation_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match="verify_presentation"):
        VerifiedPresentation(ACME, VC20, (), None, 0, object())


def test_a_key_that_signs_elsewhere_presents_the_same(acme: Party) -> None:
    data = presentation_signing_input(acme.key, _draft([]))
    assert assemble(data, acme.key.sign(data)) == present(acme.key, _draft([]))
    with pytest.raises(ValueError, match="at most 32"):
        present(acme.key, _draft(["a.b.c"] * 33))


def _presented(acme: Party, issuer: Party, **changes: Any) -> tuple[VerifiedPresentation, VerifiedCredential]:
    compact = issue_credential(issuer.key, draft(**changes))
    presentation = _verified(_forged(acme, vp20([compact])), acme.document)
    return presentation, verify_credential(presentation.credentials[0], issuer.document, now_ms=NOW_MS)


def _presented_why(presentation: VerifiedPresentation, credentials: list[VerifiedCredential]) -> str:
    with pytest.raises(TokenRefused) as refusal:
        verify_presented(presentation, credentials)
    return refusal.value.why_code


def test_the_credential_of_another_holder_is_refused(acme: Party, issuer: Party) -> None:
    presentation, credential = _presented(acme, issuer, subject=GLOBEX)
    assert _presented_why(presentation, [credential]) == "wrong_holder"


def test_credentials_that_were_not_presented_do_not_count(acme: Party, issuer: Party) -> None:
    presentation, credential = _presented(acme, issuer)
    _, other = _presented(acme, issuer, types=("RoleCredential",))
    assert _presented_why(presentation, []) == "not_presented"
    assert _presented_why(presentation, [other]) == "not_presented"
    assert _presented_why(presentation, [credential, other]) == "not_presented"
    assert _presented_why(presentation, [credential, credential]) == "not_presented"
