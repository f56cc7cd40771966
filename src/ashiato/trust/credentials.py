"""Verifiable Credentials secured as JWT, in the two profiles of DCP 1.0: read strictly, verified, issued.

`vc20-bssl/jwt` is the VC Data Model 2.0 enveloped by JOSE (VC-JOSE-COSE, 3.1.1): the payload is the credential.
`vc11-sl2021/jwt` is the VC Data Model 1.1 (6.3.1): the credential stands in the claim `vc`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Literal, cast, get_args

import msgspec

from ashiato.facts.instants import MalformedInstant, format_datetime, parse_datetime
from ashiato.trust import base64url, jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import (
    CompactJws,
    MalformedToken,
    OutOfTime,
    UntrustedSignature,
)
from ashiato.trust.keys import KeyIdentity, SigningKey

Profile = Literal["vc20-bssl/jwt", "vc11-sl2021/jwt"]
VC20: Profile = "vc20-bssl/jwt"
VC11: Profile = "vc11-sl2021/jwt"

CONTEXT_OF: Mapping[Profile, str] = {
    VC20: "https://www.w3.org/ns/credentials/v2",
    VC11: "https://www.w3.org/2018/credentials/v1",
}
BASE_TYPE = "VerifiableCredential"
MAX_CREDENTIAL_CHARS = 65_536
# A status list travels as a credential, and a long one does not compress well.
MAX_STATUS_LIST_CHARS = 4_194_304
# What header and signature may add to the payload.
_MAX_HEAD_CHARS = 2048

StatusKind = Literal["BitstringStatusListEntry", "StatusList2021Entry"]

# VC-JOSE-COSE writes vc+jwt; Gaia-X 24.07 vc+ld+json+jwt; the DCP kit and VC 1.1 JWT, or nothing.
_TYPS: frozenset[str | None] = frozenset({"vc+jwt", "vc+ld+json+jwt", "JWT", None})
_TYP_OF: Mapping[Profile, str] = {VC20: "vc+jwt", VC11: "JWT"}

_MAX_TYPES = 16
_MAX_ENTRIES = 8
_MAX_URL_CHARS = 2048
# The index of the last bit of the largest list that is read, 16 MiB.
MAX_STATUS_INDEX = 16 * 1_048_576 * 8 - 1
_DOOR = object()


class StatusEntry(msgspec.Struct, frozen=True):
    """Where the status of a credential stands: the bit `index` of the list for `purpose` at `list_url`."""

    kind: StatusKind
    purpose: str
    list_url: str
    index: int


class SchemaReference(msgspec.Struct, frozen=True):
    """A schema that the credential says it keeps to (`credentialSchema`); nothing here has fetched it."""

    id: str
    type: str


class UnverifiedCredential(msgspec.Struct, frozen=True):
    """A well-formed credential, nothing of it proved; `issuer` and `kid` only say which document to fetch.

    The window is the narrowest that the credential and its JWT claims give; `valid_until_ms` is the first
    instant at which it is no longer valid, None says never.
    """

    profile: Profile
    credential_id: str
    issuer: str
    subject: str
    types: tuple[str, ...]
    claims: Mapping[str, object]
    valid_from_ms: int
    valid_until_ms: int | None
    issued_ms: int | None
    statuses: tuple[StatusEntry, ...]
    schemas: tuple[SchemaReference, ...]
    compact: str
    signed: CompactJws

    @property
    def kid(self) -> str | None:
        return self.signed.kid


@dataclass(frozen=True, slots=True)
class VerifiedCredential:
    """What `issuer` signed about `subject`. Only `verify_credential` makes one.

    Not in it: whether its status lists bar it (`status_lists`), whether its issuer counts (`trust_list`),
    whether it keeps to its `schemas`. `types` are without `VerifiableCredential`, `claims` are the members of
    `credentialSubject` without `id`. A credential without an id has that of its bytes (RFC 6920).
    """

    credential_id: str
    issuer: str
    subject: str
    types: tuple[str, ...]
    claims: Mapping[str, object] = field(hash=False)
    valid_from_ms: int
    valid_until_ms: int | None
    statuses: tuple[StatusEntry, ...]
    schemas: tuple[SchemaReference, ...]
    profile: Profile
    compact: str
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedCredential comes from verify_credential only")

    def is_valid_at(self, now_ms: int) -> bool:
        """Whether its own dates still hold, for one that was verified earlier."""
        return self.valid_from_ms <= now_ms and (self.valid_until_ms is None or now_ms < self.valid_until_ms)


def parse_credential(
    compact: str, *, max_chars: int = MAX_CREDENTIAL_CHARS, loose_vc11: bool = False
) -> UnverifiedCredential:
    """The credential in `compact`, believed by nobody yet; raises `MalformedToken`.

    `loose_vc11` lets a VC 1.1 credential lack its `@context` and `VerifiableCredential`, and lets `sub` be
    the credential's id, as the DCP compatibility kit writes them. It loosens no signature, date, issuer,
    subject or status.
    """
    signed = jws.parse_compact(compact, typs=_TYPS, max_chars=max_chars)
    payload = jws.parse_members(signed.payload, "payload", max_bytes=max_chars)
    if "vp" in payload:
        raise MalformedToken("wrong_type", "the token holds a presentation; a credential is needed")
    if "vc" not in payload:
        return _read(VC20, payload, payload, compact, signed, is_loose=False)
    if signed.header.get("typ") not in ("JWT", None):
        raise MalformedToken("wrong_typ", "a credential with the claim 'vc' has the typ JWT or none")
    credential = payload["vc"]
    if not isinstance(credential, dict) or "@context" in payload:
        raise MalformedToken("malformed_claim", "the claim 'vc' is not the one credential of the token")
    return _read(VC11, credential, payload, compact, signed, is_loose=loose_vc11)


def _read(
    profile: Profile,
    credential: Mapping[str, object],
    claims: Mapping[str, object],
    compact: str,
    signed: CompactJws,
    *,
    is_loose: bool,
) -> UnverifiedCredential:
    types = _types(credential, is_loose=is_loose)
    if not is_loose:
        check_context(credential, profile)
    subject_claims = _one_object(credential, "credentialSubject")
    subject = _mirrored(subject_claims, "id", claims, "sub", may_differ=is_loose)
    valid_from_ms, valid_until_ms = _window(profile, credential, claims)
    return UnverifiedCredential(
        profile=profile,
        credential_id=_credential_id(credential, claims, compact),
        issuer=_issuer(profile, credential, claims),
        subject=subject,
        types=types,
        claims=MappingProxyType({name: value for name, value in subject_claims.items() if name != "id"}),
        valid_from_ms=valid_from_ms,
        valid_until_ms=valid_until_ms,
        issued_ms=jws.date_claim(claims, "iat") * 1000 if "iat" in claims else None,
        statuses=tuple(
            entry for member in _objects(credential, "credentialStatus") for entry in _status(member)
        ),
        schemas=tuple(
            SchemaReference(_text(member, "id", _MAX_URL_CHARS), _text(member, "type"))
            for member in _objects(credential, "credentialSchema")
        ),
        compact=compact,
        signed=signed,
    )


def check_context(members: Mapping[str, object], profile: Profile) -> None:
    """Raises `MalformedToken` unless `@context` starts with the profile's and otherwise holds only URLs.

    A context written in place could give our terms another meaning for readers that expand JSON-LD.
    """
    value = members.get("@context")
    contexts = [value] if isinstance(value, str) else value
    if not isinstance(contexts, list) or not contexts or contexts[0] != CONTEXT_OF[profile]:
        raise MalformedToken("wrong_context", f"'@context' does not start with {CONTEXT_OF[profile]}")
    if not all(isinstance(entry, str) and 0 < len(entry) <= _MAX_URL_CHARS for entry in contexts):
        raise MalformedToken("wrong_context", "'@context' holds something else than the URLs of contexts")
    others = {context for name, context in CONTEXT_OF.items() if name != profile}
    if not others.isdisjoint(contexts):
        raise MalformedToken("wrong_context", "'@context' names two versions of the data model")


def type_names(members: Mapping[str, object]) -> tuple[str, ...]:
    """The values of `type`, one or several; raises `MalformedToken`."""
    value = members.get("type")
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not 0 < len(names) <= _MAX_TYPES:
        raise MalformedToken("wrong_type", f"'type' does not hold 1 to {_MAX_TYPES} names")
    for name in names:
        if not isinstance(name, str) or not 0 < len(name) <= jws.MAX_ID_CHARS:
            raise MalformedToken("wrong_type", "'type' holds something else than names")
    return tuple(names)


def _types(credential: Mapping[str, object], *, is_loose: bool) -> tuple[str, ...]:
    names = type_names(credential)
    if BASE_TYPE not in names and not is_loose:
        raise MalformedToken("wrong_type", f"'type' lacks {BASE_TYPE}")
    return tuple(dict.fromkeys(name for name in names if name != BASE_TYPE))


def _issuer(profile: Profile, credential: Mapping[str, object], claims: Mapping[str, object]) -> str:
    """The issuer's DID from `issuer` (a text, or an object with an id) and `iss`, which must not differ."""
    value = credential.get("issuer")
    members = value if isinstance(value, dict) else {"id": value}
    if profile == VC11 and claims.get("iss") is None:
        raise MalformedToken("missing_claim", "a VC 1.1 token lacks the claim 'iss'; add it")
    return _mirrored(members, "id", claims, "iss", what="issuer", max_chars=jws.MAX_DID_CHARS)


def _credential_id(credential: Mapping[str, object], claims: Mapping[str, object], compact: str) -> str:
    """The credential's own id, else `jti`, else that of its bytes.

    A `jti` that differs is no fault: VC-JOSE-COSE, 3.1.3 only advises against it, and widely used issuers
    write a fresh one into each token.
    """
    if credential.get("id") is not None:
        return _text(credential, "id", _MAX_URL_CHARS)
    if claims.get("jti") is not None:
        return _text(claims, "jti", _MAX_URL_CHARS)
    return f"ni:///sha-256;{base64url.encode(hashlib.sha256(compact.encode('ascii')).digest())}"


def _mirrored(
    members: Mapping[str, object],
    name: str,
    claims: Mapping[str, object],
    claim: str,
    *,
    what: str = "credentialSubject.id",
    max_chars: int = _MAX_URL_CHARS,
    may_differ: bool = False,
) -> str:
    """A text that stands in the credential, in a JWT claim, or the same in both."""
    own = members.get(name)
    if own is None:
        return jws.text_claim(claims, claim, max_chars=max_chars)
    text = jws.text_claim({what: own}, what, max_chars=max_chars)
    if claims.get(claim) not in (None, text) and not may_differ:
        raise MalformedToken("inconsistent_claim", f"the claim {claim!r} and {what} differ")
    return text


def _window(
    profile: Profile, credential: Mapping[str, object], claims: Mapping[str, object]
) -> tuple[int, int | None]:
    """From when until when all dates hold that the credential and its token name."""
    start, end = ("validFrom", "validUntil") if profile == VC20 else ("issuanceDate", "expirationDate")
    starts = [_date_ms(credential, start), _claim_ms(claims, "nbf")]
    ends = [value for value in (_date_ms(credential, end), _claim_ms(claims, "exp")) if value is not None]
    known = [value for value in starts if value is not None]
    if profile == VC11 and not known:
        raise MalformedToken("missing_claim", "the credential lacks both 'issuanceDate' and 'nbf'")
    return max(known, default=0), min(ends, default=None)


def _date_ms(members: Mapping[str, object], name: str) -> int | None:
    value = members.get(name)
    if value is None:
        return None
    try:
        return parse_datetime(_text(members, name, 64))
    except MalformedInstant as error:
        raise MalformedToken("malformed_claim", f"{name!r} is no date: {error.problem}") from None


def _claim_ms(claims: Mapping[str, object], name: str) -> int | None:
    return jws.date_claim(claims, name) * 1000 if claims.get(name) is not None else None


def _status(entry: Mapping[str, object]) -> tuple[StatusEntry, ...]:
    """The entry, or nothing for a purpose that bars nobody and has more than one bit ("message")."""
    kind = next((kind for kind in get_args(StatusKind) if kind == entry.get("type")), None)
    if kind is None:
        raise MalformedToken(
            "wrong_status_entry", "the credential has a status of a kind that cannot be checked here"
        )
    size = entry.get("statusSize", 1)
    purpose = _text(entry, "statusPurpose")
    if size != 1 or isinstance(size, bool):
        if purpose == "message":
            return ()
        raise MalformedToken("wrong_status_entry", "'statusSize' is not 1")
    return (
        StatusEntry(
            kind=kind,
            purpose=purpose,
            list_url=_text(entry, "statusListCredential", _MAX_URL_CHARS),
            index=_index(entry.get("statusListIndex")),
        ),
    )


def _index(value: object) -> int:
    """Digits by the standard; a whole number is what some issuers write, and means the same."""
    if type(value) is int and 0 <= value <= MAX_STATUS_INDEX:
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 9:
        index = int(value)
        if str(index) == value and index <= MAX_STATUS_INDEX:
            return index
    raise MalformedToken(
        "wrong_status_entry", f"'statusListIndex' is not a whole number from 0 to {MAX_STATUS_INDEX}"
    )


def _objects(members: Mapping[str, object], name: str) -> list[dict[str, object]]:
    value = members.get(name)
    entries = value if isinstance(value, list) else [] if value is None else [value]
    if len(entries) > _MAX_ENTRIES or not all(isinstance(entry, dict) for entry in entries):
        raise MalformedToken("malformed_claim", f"{name!r} does not hold at most {_MAX_ENTRIES} objects")
    return cast("list[dict[str, object]]", entries)


def _one_object(credential: Mapping[str, object], name: str) -> dict[str, object]:
    entries = _objects(credential, name)
    if len(entries) != 1:
        raise MalformedToken("wrong_subject", f"the credential has {len(entries)} subjects; 1 is needed")
    return entries[0]


def _text(members: Mapping[str, object], name: str, max_chars: int = jws.MAX_ID_CHARS) -> str:
    return jws.text_claim(members, name, max_chars=max_chars)


def verify_credential(
    credential: UnverifiedCredential, issuer_document: DidDocument, *, now_ms: int, leeway_s: int = 0
) -> VerifiedCredential:
    """What the issuer vouches for, after the checks of DCP 1.0, 5.4.3 that need no other document:

    1. The document is that of `issuer`, and the key that `kid` names belongs to the same DID (step 4).
    2. The credential is valid now, and its signature was not made in the future (step 7).
    3. The key stands in `assertionMethod` and made the signature (step 5).

    Step 6 (status) and the trust in the issuer follow in `status_lists` and `trust_list`; holder binding in
    `presentations`. Raises `TokenRefused`.
    """
    # 1.
    if issuer_document.did != credential.issuer:
        raise UntrustedSignature("wrong_document", "the DID document is not that of the credential's issuer")
    key = jws.choose_key(credential.signed, issuer_document, "assertionMethod")
    # 2. stands before 3., because it costs nothing.
    leeway_ms = leeway_s * 1000
    starts_ms = max(credential.valid_from_ms, credential.issued_ms or 0)
    if now_ms + leeway_ms < starts_ms:
        raise OutOfTime(
            "not_yet_valid", f"the credential is valid from {format_datetime(starts_ms)} on; wait for it"
        )
    if credential.valid_until_ms is not None and now_ms - leeway_ms >= credential.valid_until_ms:
        ended = format_datetime(credential.valid_until_ms)
        raise OutOfTime("expired", f"the credential expired at {ended}; its holder must renew it")
    # 3.
    jws.check_signature(credential.signed, key)
    return VerifiedCredential(
        credential_id=credential.credential_id,
        issuer=credential.issuer,
        subject=credential.subject,
        types=credential.types,
        claims=credential.claims,
        valid_from_ms=credential.valid_from_ms,
        valid_until_ms=credential.valid_until_ms,
        statuses=credential.statuses,
        schemas=credential.schemas,
        profile=credential.profile,
        compact=credential.compact,
        door=_DOOR,
    )


class CredentialDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What an issuer is about to vouch for. `claims` are the members of `credentialSubject` beside `id`."""

    credential_id: str
    subject: str
    types: tuple[str, ...]
    claims: Mapping[str, object]
    issued_ms: int
    valid_from_ms: int
    valid_until_ms: int | None = None
    statuses: tuple[StatusEntry, ...] = ()
    schemas: tuple[SchemaReference, ...] = ()
    contexts: tuple[str, ...] = ()
    profile: Profile = VC20


def issue_credential(key: SigningKey, draft: CredentialDraft) -> str:
    """The compact credential of the key's DID as issuer; raises `ValueError` for a draft nobody would accept."""
    data = credential_signing_input(key, draft)
    return jws.assemble(data, key.sign(data))


def credential_signing_input(signer: KeyIdentity, draft: CredentialDraft) -> bytes:
    """The bytes to sign for `issue_credential`, by a key that signs elsewhere; `jws.assemble` ends the work."""
    if "id" in draft.claims or BASE_TYPE in draft.types or not draft.subject:
        raise ValueError("a draft names its subject's id and the base type by its other fields")
    if draft.valid_until_ms is not None and draft.valid_until_ms <= draft.valid_from_ms:
        raise ValueError("a credential that ends before it begins is never valid")
    payload = _vc20(signer.did, draft) if draft.profile == VC20 else _vc11(signer.did, draft)
    data = msgspec.json.encode(payload)
    most_chars = MAX_STATUS_LIST_CHARS if "encodedList" in draft.claims else MAX_CREDENTIAL_CHARS
    if len(data) * 4 // 3 > most_chars - _MAX_HEAD_CHARS:
        raise ValueError(f"a credential of {len(data)} bytes is larger than verifiers accept")
    return jws.signing_input(
        signer, _TYP_OF[draft.profile], data, cty="vc" if draft.profile == VC20 else None
    )


def _vc20(issuer: str, draft: CredentialDraft) -> dict[str, object]:
    credential = _common(issuer, draft) | {"validFrom": format_datetime(draft.valid_from_ms)}
    if draft.valid_until_ms is not None:
        credential["validUntil"] = format_datetime(draft.valid_until_ms)
    return credential | {
        "iss": issuer,
        "sub": draft.subject,
        "jti": draft.credential_id,
        "iat": draft.issued_ms // 1000,
    }


def _vc11(issuer: str, draft: CredentialDraft) -> dict[str, object]:
    credential = _common(issuer, draft) | {"issuanceDate": format_datetime(draft.valid_from_ms)}
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": draft.subject,
        "jti": draft.credential_id,
        "iat": draft.issued_ms // 1000,
        "nbf": draft.valid_from_ms // 1000,
    }
    if draft.valid_until_ms is not None:
        credential["expirationDate"] = format_datetime(draft.valid_until_ms)
        claims["exp"] = -(-draft.valid_until_ms // 1000)
    return claims | {"vc": credential}


def _common(issuer: str, draft: CredentialDraft) -> dict[str, object]:
    credential: dict[str, object] = {
        "@context": [CONTEXT_OF[draft.profile], *draft.contexts],
        "id": draft.credential_id,
        "type": [BASE_TYPE, *draft.types],
        "issuer": issuer,
        "credentialSubject": {"id": draft.subject, **draft.claims},
    }
    if draft.statuses:
        # A single one stands alone: readers of the older data model know no list of them.
        entries = [status_object(entry) for entry in draft.statuses]
        credential["credentialStatus"] = entries[0] if len(entries) == 1 else entries
    if draft.schemas:
        credential["credentialSchema"] = [{"id": schema.id, "type": schema.type} for schema in draft.schemas]
    return credential


def status_object(entry: StatusEntry) -> dict[str, object]:
    """The member of `credentialStatus` that `entry` is written as (Bitstring Status List 1.0, 2.1)."""
    return {
        "id": f"{entry.list_url}#{entry.index}",
        "type": entry.kind,
        "statusPurpose": entry.purpose,
        "statusListIndex": str(entry.index),
        "statusListCredential": entry.list_url,
    }
