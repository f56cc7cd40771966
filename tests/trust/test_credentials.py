from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from ashiato.trust.credentials import (
    VC11,
    VC20,
    SchemaReference,
    StatusEntry,
    VerifiedCredential,
    credential_signing_input,
    issue_credential,
    parse_credential,
    verify_credential,
)
from ashiato.trust.did import DidDocument, did_document, parse_did_document
from ashiato.trust.jws import TokenRefused, assemble
from ashiato.trust.keys import SigningKey
from tests.trust.credentials import (
    CREDENTIAL_ID,
    DAY_MS,
    ISSUER,
    LIST_URL,
    REVOCATION,
    V1,
    V2,
    draft,
    signed,
    vc11,
    vc20,
)
from tests.trust.parties import ACME, GLOBEX, NOW_MS, Party

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


def _parse_why(issuer: Party, payload: dict[str, Any], **header: Any) -> str:
    with pytest.raises(TokenRefused) as refusal:
        parse_credential(signed(issuer, payload, **header))
    return refusal.value.why_code


@pytest.mark.parametrize("typ", ["vc+jwt", "vc+ld+json+jwt", "JWT", None])
def test_each_typ_that_issuers_write_is_read(typ: str | None, issuer: Party) -> None:
    assert _verified(signed(issuer, vc20(), typ=typ), issuer.document).profile == VC20


@pytest.mark.parametrize("typ", ["vp+jwt", "at+jwt", "dpop+jwt", "vc+sd-jwt", "VC+JWT"])
def test_a_credential_of_another_typ_is_refused(typ: str, issuer: Party) -> None:
    assert _parse_why(issuer, vc20(), typ=typ) == "wrong_typ"


@pytest.mark.parametrize("typ", ["vc+jwt", "vc+ld+json+jwt"])
def test_a_vc_1_1_credential_is_a_plain_jwt(typ: str, issuer: Party) -> None:
    assert _parse_why(issuer, vc11(), typ=typ) == "wrong_typ"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        # VC Data Model 2.0, 4.3: the first context is that of the data model.
        ({"@context": None}, "wrong_context"),
        ({"@context": []}, "wrong_context"),
        ({"@context": ["https://example.org/v1", V2]}, "wrong_context"),
        ({"@context": [V2, V1]}, "wrong_context"),
        ({"@context": [V2, {"member": "https://example.org/#other"}]}, "wrong_context"),
        ({"@context": {"@vocab": "https://example.org/"}}, "wrong_context"),
        # 4.5: the type.
        ({"type": None}, "wrong_type"),
        ({"type": []}, "wrong_type"),
        ({"type": ["MembershipCredential"]}, "wrong_type"),
        ({"type": ["VerifiableCredential", 5]}, "wrong_type"),
        ({"type": ["VerifiableCredential", *"abcdefghijklmnop"]}, "wrong_type"),
        # 4.7: the issuer.
        ({"issuer": None}, "missing_claim"),
        ({"issuer": ""}, "malformed_claim"),
        ({"issuer": {"name": "no id"}}, "missing_claim"),
        ({"issuer": ["did:web:a.example"]}, "malformed_claim"),
        # 4.8: one subject with an id.
        ({"credentialSubject": None}, "wrong_subject"),
        ({"credentialSubject": []}, "wrong_subject"),
        ({"credentialSubject": [{"id": ACME}, {"id": ACME}]}, "wrong_subject"),
        ({"credentialSubject": {"holderIdentifier": "x"}}, "missing_claim"),
        ({"credentialSubject": {"id": 5}}, "malformed_claim"),
        ({"credentialSubject": "text"}, "malformed_claim"),
        # 4.9: dates with a zone.
        ({"validFrom": "2025-11-24"}, "malformed_claim"),
        ({"validFrom": "2025-11-24T00:00:00"}, "malformed_claim"),
        ({"validUntil": 1_795_478_400}, "malformed_claim"),
        # 4.10 and Bitstring Status List 1.0, 2.1: the status.
        ({"credentialStatus": "https://issuer.example/status"}, "malformed_claim"),
        ({"credentialStatus": {"type": "OtherStatus"}}, "wrong_status_entry"),
        # 4.11: the schema has an id and a type.
        ({"credentialSchema": {"id": "https://issuer.example/schema"}}, "missing_claim"),
        ({"id": 5}, "malformed_claim"),
        ({"vc": None, "vp": {}}, "wrong_type"),
        # VC-JOSE-COSE, 3.1.3: what JWT claims mirror must not differ.
        ({"iss": GLOBEX}, "inconsistent_claim"),
        ({"sub": GLOBEX}, "inconsistent_claim"),
        ({"exp": "1795478400"}, "malformed_claim"),
        ({"nbf": -1}, "malformed_claim"),
        ({"iat": 1.5}, "malformed_claim"),
    ],
    ids=repr,
)
def test_a_vc_2_0_credential_that_breaks_its_standard_is_refused(
    changes: dict[str, Any], why: str, issuer: Party
) -> None:
    assert _parse_why(issuer, vc20(**changes)) == why


@pytest.mark.parametrize(
    ("credential", "claims", "why"),
    [
        ({"@context": None}, {}, "wrong_context"),
        ({"@context": [V2]}, {}, "wrong_context"),
        ({"type": ["MembershipCredential"]}, {}, "wrong_type"),
        ({"issuer": GLOBEX}, {}, "inconsistent_claim"),
        ({"credentialSubject": {"id": GLOBEX}}, {}, "inconsistent_claim"),
        ({"credentialSubject": [{"id": ACME}, {"id": ACME}]}, {}, "wrong_subject"),
        ({"issuanceDate": None}, {"nbf": None}, "missing_claim"),
        ({"expirationDate": "soon"}, {}, "malformed_claim"),
        ({}, {"iss": None}, "missing_claim"),
        ({}, {"vc": []}, "malformed_claim"),
        ({}, {"vc": "text"}, "malformed_claim"),
        ({}, {"@context": [V2]}, "malformed_claim"),
        ({}, {"vp": {}}, "wrong_type"),
    ],
    ids=repr,
)
def test_a_vc_1_1_credential_that_breaks_its_standard_is_refused(
    credential: dict[str, Any], claims: dict[str, Any], why: str, issuer: Party
) -> None:
    assert _parse_why(issuer, vc11(credential, **claims)) == why


def test_what_may_be_absent_or_written_otherwise_is_read(issuer: Party) -> None:
    payload = vc20(id=None, issuer={"id": ISSUER, "name": "Issuer"}, validFrom=None, validUntil=None)
    payload["credentialSubject"] = [payload["credentialSubject"]]
    payload["type"] = "VerifiableCredential"
    credential = _verified(signed(issuer, payload), issuer.document)
    assert credential.issuer == ISSUER
    assert credential.types == ()
    assert credential.credential_id.startswith("ni:///sha-256;")
    assert (credential.valid_from_ms, credential.valid_until_ms) == (0, None)
    # VC Data Model 1.1, 6.3.1: what the claims say may be missing in the credential.
    bare = vc11({"id": None, "issuer": None, "issuanceDate": None, "expirationDate": None})
    bare["vc"]["credentialSubject"].pop("id")
    credential = _verified(signed(issuer, bare), issuer.document)
    assert (credential.issuer, credential.subject, credential.credential_id) == (ISSUER, ACME, CREDENTIAL_ID)
    assert (credential.valid_from_ms, credential.valid_until_ms) == (FROM_MS, UNTIL_MS)


def test_a_token_may_have_an_id_beside_that_of_its_credential(issuer: Party) -> None:
    # VC-JOSE-COSE, 3.1.3 advises against it; widely used issuers write a fresh jti into each token.
    for payload in (vc20(jti="8d2c9d6e"), vc11(jti="8d2c9d6e")):
        assert _verified(signed(issuer, payload), issuer.document).credential_id == CREDENTIAL_ID
    assert parse_credential(signed(issuer, vc20(id=None, jti="8d2c9d6e"))).credential_id == "8d2c9d6e"


def test_the_narrowest_window_counts(issuer: Party) -> None:
    later_s, sooner_s = FROM_MS // 1000 + 3600, UNTIL_MS // 1000 - 3600
    credential = parse_credential(signed(issuer, vc20(nbf=later_s, exp=sooner_s)))
    assert (credential.valid_from_ms, credential.valid_until_ms) == (later_s * 1000, sooner_s * 1000)
    credential = parse_credential(signed(issuer, vc20(nbf=0, exp=UNTIL_MS // 1000 + 1)))
    assert (credential.valid_from_ms, credential.valid_until_ms) == (FROM_MS, UNTIL_MS)


def test_a_credential_is_valid_from_its_first_to_its_last_instant(issuer: Party) -> None:
    compact = signed(issuer, vc20())
    assert _why(compact, issuer.document, now_ms=FROM_MS - 1) == "not_yet_valid"
    assert _verified(compact, issuer.document, now_ms=FROM_MS)
    last = _verified(compact, issuer.document, now_ms=UNTIL_MS - 1)
    assert _why(compact, issuer.document, now_ms=UNTIL_MS) == "expired"
    assert [last.is_valid_at(at_ms) for at_ms in (FROM_MS - 1, FROM_MS, UNTIL_MS - 1, UNTIL_MS)] == [
        False,
        True,
        True,
        False,
    ]
    early = verify_credential(parse_credential(compact), issuer.document, now_ms=FROM_MS - 1000, leeway_s=1)
    assert early.subject == ACME
    assert _why(compact, issuer.document, now_ms=UNTIL_MS + 1000, leeway_s=1) == "expired"


def test_a_status_entry_is_read_as_both_standards_write_it(issuer: Party) -> None:
    for kind in ("BitstringStatusListEntry", "StatusList2021Entry"):
        entry = {
            "id": f"{LIST_URL}#94567",
            "type": kind,
            "statusPurpose": "suspension",
            "statusListIndex": "94567",
            "statusListCredential": LIST_URL,
        }
        for status in (entry, [entry], entry | {"statusSize": 1}, entry | {"statusListIndex": 94567}):
            credential = parse_credential(signed(issuer, vc20(credentialStatus=status)))
            assert credential.statuses == (StatusEntry(kind, "suspension", LIST_URL, 94567),)


def test_a_message_of_more_than_one_bit_bars_nobody(issuer: Party) -> None:
    entry = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "message",
        "statusSize": 2,
        "statusListIndex": "1",
        "statusListCredential": LIST_URL,
    }
    assert parse_credential(signed(issuer, vc20(credentialStatus=entry))).statuses == ()
    assert (
        _parse_why(issuer, vc20(credentialStatus=entry | {"statusPurpose": "revocation"}))
        == "wrong_status_entry"
    )


def test_the_shapes_of_the_compatibility_kit_are_read_only_on_demand(issuer: Party) -> None:
    # `@context` is the id, the base type is absent, and `sub` is the credential's id.
    payload = vc11(
        {"@context": CREDENTIAL_ID, "type": ["MembershipCredential"], "expirationDate": None},
        sub=CREDENTIAL_ID,
    )
    assert _parse_why(issuer, payload) == "wrong_type"
    credential = parse_credential(signed(issuer, payload), loose_vc11=True)
    assert verify_credential(credential, issuer.document, now_ms=NOW_MS).subject == ACME
    assert credential.types == ("MembershipCredential",)
    assert credential.credential_id == CREDENTIAL_ID
    # It loosens neither the issuer nor anything of VC 2.0.
    with pytest.raises(TokenRefused):
        parse_credential(signed(issuer, payload | {"iss": GLOBEX}), loose_vc11=True)
    with pytest.raises(TokenRefused):
        parse_credential(signed(issuer, vc20(type=["MembershipCredential"])), loose_vc11=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"claims": {"id": ACME}},
        {"types": ("VerifiableCredential",)},
        {"subject": ""},
        {"valid_until_ms": NOW_MS},
        {"claims": {"text": "x" * 65_536}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_nobody_issues_a_credential_that_nobody_would_accept(changes: dict[str, Any], issuer: Party) -> None:
    with pytest.raises(ValueError, match=r"draft|valid|larger"):
        issue_credential(issuer.key, draft(**changes))


def test_a_key_that_signs_elsewhere_issues_the_same_credential(issuer: Party) -> None:
    data = credential_signing_input(issuer.key, draft())
    assert assemble(data, issuer.key.sign(data)) == issue_credential(issuer.key, draft())
