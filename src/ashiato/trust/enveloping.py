"""Credentials, presentations and status lists as their issuer or holder signs them (DCP 1.0, profiles; VC-JOSE-COSE)."""

import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum

import msgspec

from ashiato.facts.instants import format_datetime
from ashiato.trust import base64url

CONTEXT_2 = "https://www.w3.org/ns/credentials/v2"
CONTEXT_1 = "https://www.w3.org/2018/credentials/v1"
CONTEXT_STATUS_2021 = "https://w3id.org/vc/status-list/2021/v1"
BASE_TYPE = "VerifiableCredential"
STATUS_LIST_BITS_COUNT = 131_072
"""The least that the herd privacy of Bitstring Status List 1.0, 6.1 demands: 16 KiB."""


class Profile(StrEnum):
    """The profiles of DCP 1.0: which data model, which status list, which envelope."""

    VC20 = "vc20-bssl/jwt"
    VC11 = "vc11-sl2021/jwt"

    @property
    def envelope_format(self) -> str:
        """How a CredentialMessage names the envelope; peers of the field know these two words."""
        return "VC2_0_JOSE" if self is Profile.VC20 else "VC1_0_JWT"


class Purpose(StrEnum):
    """What a set bit of a status list says (Bitstring Status List 1.0, 2.2)."""

    REVOCATION = "revocation"
    SUSPENSION = "suspension"


class StatusReference(msgspec.Struct, frozen=True):
    """Where a credential's status stands: the bit `index` of the list at `list_url`."""

    list_url: str
    purpose: Purpose
    index: int


class CredentialTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an issuer says of `subject` (a DID), and for how long."""

    credential_id: str
    profile: Profile
    credential_type: str
    issuer: str
    subject: str
    claims: Mapping[str, object]
    valid_from_ms: int
    valid_until_ms: int
    status: tuple[StatusReference, ...] = ()


Sign = Callable[[str, bytes], Awaitable[str]]
"""The compact JWS of a payload under the typ that is given first, by the key of the one who speaks."""


async def sign_credential(sign: Sign, terms: CredentialTerms) -> str:
    """The enveloped credential of `terms` in its profile."""
    document = _credential(terms)
    if terms.profile is Profile.VC20:
        # VC-JOSE-COSE, 3.2.1: registered claims repeat the document where they are used at all.
        claims = {
            **document,
            "iss": terms.issuer,
            "sub": terms.subject,
            "jti": terms.credential_id,
            "iat": terms.valid_from_ms // 1000,
            "exp": terms.valid_until_ms // 1000,
        }
        return await sign("vc+jwt", msgspec.json.encode(claims))
    claims = {
        "iss": terms.issuer,
        "sub": terms.subject,
        "jti": terms.credential_id,
        "iat": terms.valid_from_ms // 1000,
        "nbf": terms.valid_from_ms // 1000,
        "exp": terms.valid_until_ms // 1000,
        "vc": document,
    }
    return await sign("JWT", msgspec.json.encode(claims))


def _credential(terms: CredentialTerms) -> dict[str, object]:
    is_second = terms.profile is Profile.VC20
    contexts = [CONTEXT_2] if is_second else [CONTEXT_1, *([CONTEXT_STATUS_2021] if terms.status else [])]
    begin, end = ("validFrom", "validUntil") if is_second else ("issuanceDate", "expirationDate")
    document: dict[str, object] = {
        "@context": contexts,
        "id": terms.credential_id,
        "type": [BASE_TYPE, terms.credential_type],
        "issuer": terms.issuer,
        begin: format_datetime(terms.valid_from_ms),
        end: format_datetime(terms.valid_until_ms),
        "credentialSubject": {**terms.claims, "id": terms.subject},
    }
    kind = "BitstringStatusListEntry" if is_second else "StatusList2021Entry"
    entries = [
        {
            "id": f"{status.list_url}#{status.index}",
            "type": kind,
            "statusPurpose": status.purpose.value,
            "statusListIndex": str(status.index),
            "statusListCredential": status.list_url,
        }
        for status in terms.status
    ]
    if entries:
        document["credentialStatus"] = entries[0] if len(entries) == 1 else entries
    return document


async def sign_presentation(
    sign: Sign,
    profile: Profile,
    credentials: Sequence[str],
    *,
    holder: str,
    audience: str,
    now_ms: int,
    ttl_s: int,
    token_id: str,
) -> str:
    """The presentation of credentials of one profile by `holder` to `audience` alone (DCP 1.0, 5.4.3)."""
    issued_s = now_ms // 1000
    claims: dict[str, object] = {
        "iss": holder,
        "sub": holder,
        "aud": audience,
        "jti": token_id,
        "iat": issued_s,
        "nbf": issued_s,
        "exp": issued_s + ttl_s,
    }
    if profile is Profile.VC20:
        enveloped = [
            {
                "@context": CONTEXT_2,
                "id": f"data:application/vc+jwt,{text}",
                "type": "EnvelopedVerifiableCredential",
            }
            for text in credentials
        ]
        document = {"@context": [CONTEXT_2], "type": ["VerifiablePresentation"], "holder": holder}
        return await sign(
            "vp+jwt", msgspec.json.encode(claims | document | {"verifiableCredential": enveloped})
        )
    vp = {
        "@context": [CONTEXT_1],
        "type": ["VerifiablePresentation"],
        "holder": holder,
        "verifiableCredential": list(credentials),
    }
    return await sign("JWT", msgspec.json.encode(claims | {"vp": vp}))


async def sign_status_list(
    sign: Sign,
    profile: Profile,
    *,
    list_url: str,
    issuer: str,
    purpose: Purpose,
    bits: bytes,
    valid_from_ms: int,
    valid_until_ms: int,
) -> str:
    """The enveloped status list credential whose bits are `bits`, most significant first (Bitstring Status List 1.0, 2.2)."""
    is_second = profile is Profile.VC20
    # Without a time in its header, equal bits make equal bytes.
    packed = base64url.encode(gzip.compress(bits, mtime=0))
    kind = "BitstringStatusList" if is_second else "StatusList2021"
    subject = {
        "id": f"{list_url}#list",
        "type": kind,
        "statusPurpose": purpose.value,
        # A multibase prefix came with the newer specification only.
        "encodedList": f"u{packed}" if is_second else packed,
    }
    begin, end = ("validFrom", "validUntil") if is_second else ("issuanceDate", "expirationDate")
    document: dict[str, object] = {
        "@context": [CONTEXT_2] if is_second else [CONTEXT_1, CONTEXT_STATUS_2021],
        "id": list_url,
        "type": [BASE_TYPE, f"{kind}Credential"],
        "issuer": issuer,
        begin: format_datetime(valid_from_ms),
        end: format_datetime(valid_until_ms),
        "credentialSubject": subject,
    }
    claims = {
        "iss": issuer,
        "sub": list_url,
        "jti": list_url,
        "iat": valid_from_ms // 1000,
        "exp": valid_until_ms // 1000,
    }
    if is_second:
        return await sign("vc+jwt", msgspec.json.encode({**document, **claims}))
    claims["nbf"] = valid_from_ms // 1000
    return await sign("JWT", msgspec.json.encode({**claims, "vc": document}))


def with_bit(bits: bytes, index: int, *, is_set: bool) -> bytes:
    """`bits` with the one at `index`, counted from the most significant bit of the first byte."""
    changed = bytearray(bits)
    mask = 0x80 >> (index % 8)
    changed[index // 8] = changed[index // 8] | mask if is_set else changed[index // 8] & ~mask
    return bytes(changed)
