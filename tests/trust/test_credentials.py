import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from ashiato.trust.credentials import (
    VC11,
    VC20,
    SchemaReference,
    VerifiedCredential,
    issue_credential,
    parse_credential,
    verify_credential,
)
from ashiato.trust.did import DidDocument, did_document, parse_did_document
from ashiato.trust.jws import TokenRefused
from ashiato.trust.keys import SigningKey
from tests.trust.credentials import (
    CREDENTIAL_ID,
    DAY_MS,
    ISSUER,
    REVOCATION,
    draft,
    signed,
    vc11,
    vc20,
)
from tests.trust.parties import ACME, NOW_MS, Party

FROM_MS = 1_763_942_400_000  # 2025-11-24T00:00:00Z
UNTIL_MS = 1_795_478_400_000  # 2026-11-24T00:00:00Z


def _verified(compact: str, document: DidDocument, *, now_ms: int = NOW_MS) -> VerifiedCredential:
    return verify_credential(parse_credential(compact), document, now_ms=now_ms)


def _why(compact: str, document: DidDocument, *, now_ms: int = NOW_MS, leeway_s: int = 0) -> str:
    with pytest.raises(TokenRefused) as refusal:
        verify_credential(parse_credential(compact), document, now_ms=now_ms, leeway_s=leeway_s)
    return refusal.value.why_code


@pytest.mark.parametrize("profile", [VC20, VC11])
def test_an_issued_credential_says_what_was_drafted(profile: str, issuer: Party) -> None:
    schema = SchemaReference("https://issuer.example/schema", "JsonSchema")
    compact = issue_credential(issuer.key, draft(profile=profile, schemas=(schema,)))
    credential = _verified(compact, issuer.document)
    assert credential.credential_id == CREDENTIAL_ID
    assert credential.issuer == ISSUER
    assert credential.subject == ACME
    assert credential.types == ("MembershipCredential",)
    assert credential.claims == {"holderIdentifier": "BPNL000000000001", "location": "JP"}
    # JWT dates of VC 1.1 are whole seconds, and the narrowest window counts.
    assert credential.valid_from_ms == NOW_MS
    assert credential.valid_until_ms == NOW_MS + 365 * DAY_MS
    assert credential.statuses == (REVOCATION,)
    assert credential.schemas == (schema,)
    assert credential.profile == profile
    assert credential.compact == compact


def test_a_credential_can_be_signed_with_ed25519(issuer: Party) -> None:
    key = SigningKey(f"{ISSUER}#ed", ed25519.Ed25519PrivateKey.generate())
    document = parse_did_document(did_document(ISSUER, [key.verification_key()], []), ISSUER)
    assert _verified(issue_credential(key, draft()), document).subject == ACME
    assert _why(issue_credential(key, draft()), issuer.document) == "unknown_key"


def test_a_credential_as_the_standards_write_it_is_read(issuer: Party) -> None:
    for payload in (vc20(), vc11()):
        credential = _verified(signed(issuer, payload), issuer.document)
        assert (credential.valid_from_ms, credential.valid_until_ms) == (FROM_MS, UNTIL_MS)
        assert credential.subject == ACME
        assert credential.statuses == ()


def test_a_verified_credential_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match="verify_credential"):
        VerifiedCredential("i", ISSUER, ACME, (), {}, 0, None, (), (), VC20, "c", object())
