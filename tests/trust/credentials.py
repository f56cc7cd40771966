"""Credentials for tests: honest drafts, and payloads written by hand for what no honest issuer would sign."""

import json
from collections.abc import Mapping
from typing import Any

from ashiato.trust.credentials import CredentialDraft, StatusEntry
from tests.trust.parties import ACME, NOW_MS, NOW_S, Party, forge

ISSUER = "did:web:issuer.example"
CREDENTIAL_ID = "urn:uuid:5f3a2c64-0d3c-4e0e-9b3d-0a4c8f9f7a11"
LIST_URL = "https://issuer.example/status/1"
DAY_MS = 86_400_000
V2 = "https://www.w3.org/ns/credentials/v2"
V1 = "https://www.w3.org/2018/credentials/v1"
REVOCATION = StatusEntry("BitstringStatusListEntry", "revocation", LIST_URL, 42)


def draft(**changes: Any) -> CredentialDraft:
    """A membership of ACME, valid from NOW for a year."""
    members: dict[str, Any] = {
        "credential_id": CREDENTIAL_ID,
        "subject": ACME,
        "types": ("MembershipCredential",),
        "claims": {"holderIdentifier": "BPNL000000000001", "location": "JP"},
        "issued_ms": NOW_MS,
        "valid_from_ms": NOW_MS,
        "valid_until_ms": NOW_MS + 365 * DAY_MS,
        "statuses": (REVOCATION,),
    }
    return CredentialDraft(**(members | changes))


def vc20(**changes: Any) -> dict[str, Any]:
    """The payload of a VC 2.0 credential by the text of VC Data Model 2.0; None takes a member out."""
    payload: dict[str, Any] = {
        "@context": [V2],
        "id": CREDENTIAL_ID,
        "type": ["VerifiableCredential", "MembershipCredential"],
        "issuer": ISSUER,
        "validFrom": "2025-11-24T00:00:00Z",
        "validUntil": "2026-11-24T00:00:00Z",
        "credentialSubject": {"id": ACME, "holderIdentifier": "BPNL000000000001"},
    }
    return {name: value for name, value in (payload | changes).items() if value is not None}


def vc11(credential: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The payload of a VC 1.1 credential by the text of VC Data Model 1.1, 6.3.1."""
    members: dict[str, Any] = {
        "@context": [V1],
        "id": CREDENTIAL_ID,
        "type": ["VerifiableCredential", "MembershipCredential"],
        "issuer": ISSUER,
        "issuanceDate": "2025-11-24T00:00:00Z",
        "expirationDate": "2026-11-24T00:00:00Z",
        "credentialSubject": {"id": ACME, "holderIdentifier": "BPNL000000000001"},
    } | dict(credential or {})
    payload: dict[str, Any] = {
        "iss": ISSUER,
        "sub": ACME,
        "jti": CREDENTIAL_ID,
        "nbf": 1_763_942_400,
        "exp": 1_795_478_400,
        "vc": {name: value for name, value in members.items() if value is not None},
    }
    return {name: value for name, value in (payload | changes).items() if value is not None}


def signed(issuer: Party, payload: Mapping[str, Any], **header: Any) -> str:
    """`payload` rightly signed by `issuer`; None takes a member out of the header."""
    members = {"alg": "ES256", "typ": "JWT" if "vc" in payload else "vc+jwt", "kid": issuer.kid} | header
    return forge(issuer.private, {name: v for name, v in members.items() if v is not None}, payload)


def vp20(credentials: list[str], **changes: Any) -> dict[str, Any]:
    """The payload of a VC 2.0 presentation (VC Data Model 2.0, 4.13.1; VC-JOSE-COSE, 3.1.2)."""
    payload: dict[str, Any] = {
        "@context": [V2],
        "type": ["VerifiablePresentation"],
        "holder": ACME,
        "verifiableCredential": [
            {
                "@context": [V2],
                "id": f"data:application/vc+jwt,{compact}",
                "type": "EnvelopedVerifiableCredential",
            }
            for compact in credentials
        ],
        "iss": ACME,
        "aud": "did:web:globex.example%3A9000:connector",
        "iat": NOW_S,
        "exp": NOW_S + 300,
    }
    return {name: value for name, value in (payload | changes).items() if value is not None}


def as_json(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload).encode()
