"""Trust lists: who may issue which credentials, signed by whoever answers for a data space, and dated.

A list travels as a compact JWS (`typ` `ashiato-trust-list+jwt`) over canonical JSON (RFC 8785). By mutual
recognition a list admits the issuers of another list for some credential types only; that does not reach
further than one step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass
from enum import IntEnum

import msgspec
import rfc8785

from ashiato.facts.instants import MalformedInstant, format_datetime, parse_datetime
from ashiato.trust import jws
from ashiato.trust.claims import Claims, claims_of, values_of
from ashiato.trust.credentials import BASE_TYPE, VerifiedCredential
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import CompactJws, MalformedToken, OutOfTime, UntrustedSignature
from ashiato.trust.keys import KeyIdentity, SigningKey
from ashiato.trust.organizations import UnboundKey, check_certificate

MAX_LIST_CHARS = 1_048_576
TYP = "ashiato-trust-list+jwt"
ORGANIZATION_CERTIFICATE = "OrganizationCertificate"
_TYPS: frozenset[str | None] = frozenset({TYP})
_DOOR = object()


class TrustedIssuer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One issuer, for some credential types, as far as its claims have one of the values in `constraints`.

    `status_issuers` are other DIDs that may sign the status lists of its credentials.
    """

    issuer: str
    types: tuple[str, ...]
    constraints: dict[str, tuple[str, ...]] = {}
    valid_from: str | None = None
    valid_until: str | None = None
    status_issuers: tuple[str, ...] = ()


class RecognizedList(msgspec.Struct, frozen=True):
    """Another publisher whose issuers count too, for these credential types only.

    Its authorities count where `ORGANIZATION_CERTIFICATE` is among the types.
    """

    publisher: str
    types: tuple[str, ...]


class AccreditedAuthority(msgspec.Struct, frozen=True, omit_defaults=True):
    """An authority whose organisation certificates and e-seals are believed: its own certificate, or one above it, in DER."""

    certificate: bytes
    name: str = ""
    valid_from: str | None = None
    valid_until: str | None = None


class TrustListContent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a trust list says. `number` grows with each edition, dates are xsd:dateTime."""

    publisher: str
    number: int
    issued: str
    expires: str
    issuers: tuple[TrustedIssuer, ...] = ()
    recognized: tuple[RecognizedList, ...] = ()
    authorities: tuple[AccreditedAuthority, ...] = ()


@dataclass(frozen=True, slots=True)
class TrustList:
    """A list that its publisher signed. Only `verify_trust_list` and `own_trust_list` make one."""

    content: TrustListContent
    issued_ms: int
    expires_ms: int
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a TrustList comes from verify_trust_list or own_trust_list only")

    @property
    def publisher(self) -> str:
        return self.content.publisher


class UnverifiedTrustList(msgspec.Struct, frozen=True):
    """A well-formed list, nothing of it proved."""

    content: TrustListContent
    issued_ms: int
    expires_ms: int
    signed: CompactJws

    @property
    def kid(self) -> str | None:
        return self.signed.kid


def parse_trust_list(compact: str) -> UnverifiedTrustList:
    """The list in `compact`, believed by nobody yet; raises `MalformedToken`."""
    signed = jws.parse_compact(compact, typs=_TYPS, max_chars=MAX_LIST_CHARS)
    members = jws.parse_members(signed.payload, "payload", max_bytes=MAX_LIST_CHARS)
    try:
        content = msgspec.convert(dict(members), TrustListContent)
        if rfc8785.dumps(dict(members)) != signed.payload:  # type: ignore[arg-type]  # typed for literal JSON only
            raise MalformedToken("not_canonical", "the trust list is not canonical JSON (RFC 8785)")
        issued_ms, expires_ms = _dates(content)
    except msgspec.ValidationError as error:
        raise MalformedToken("malformed_claim", f"the trust list is malformed: {error}") from None
    except (rfc8785.CanonicalizationError, MalformedInstant, UnboundKey) as error:
        raise MalformedToken("malformed_claim", f"the trust list is malformed: {error}") from None
    return UnverifiedTrustList(content, issued_ms, expires_ms, signed)


def _check_dates(*texts: str | None) -> None:
    for text in texts:
        if text is not None:
            parse_datetime(text)


def _dates(content: TrustListContent) -> tuple[int, int]:
    for entry in content.issuers:
        _check_dates(entry.valid_from, entry.valid_until)
    for authority in content.authorities:
        _check_dates(authority.valid_from, authority.valid_until)
        check_certificate(authority.certificate)
    return parse_datetime(content.issued), parse_datetime(content.expires)


def verify_trust_list(
    unverified: UnverifiedTrustList,
    publisher_document: DidDocument,
    *,
    now_ms: int,
    leeway_s: int = 0,
) -> TrustList:
    """The list, if a key of its publisher with `assertionMethod` signed it and it is valid now; raises `TokenRefused`."""
    content = unverified.content
    if publisher_document.did != content.publisher:
        raise UntrustedSignature("wrong_document", "the DID document is not that of the list's publisher")
    if now_ms + leeway_s * 1000 < unverified.issued_ms:
        raise OutOfTime("not_yet_valid", "the trust list was issued in the future; set the clock right")
    if now_ms - leeway_s * 1000 >= unverified.expires_ms:
        raise OutOfTime("expired", "the trust list is expired; its publisher must issue a fresh one")
    key = jws.choose_key(unverified.signed, publisher_document, "assertionMethod")
    jws.check_signature(unverified.signed, key)
    return TrustList(content, unverified.issued_ms, unverified.expires_ms, _DOOR)


def check_edition(found: TrustList, sha256: str, known_number: int, known_sha256: str) -> None:
    """Raise `OutOfTime` for an edition before the known one, and for another text under its number.

    An older edition would bring back who was struck off, and of two texts with one number nobody could say which is newer.
    """
    number = found.content.number
    if number < known_number:
        raise OutOfTime("expired", f"edition {number} is older than {known_number}, which is known")
    if number == known_number and sha256 != known_sha256:
        raise OutOfTime(
            "expired",
            f"edition {number} says something else than before; its publisher must give it the next number",
        )


def own_trust_list(content: TrustListContent) -> TrustList:
    """The list that the operator of this node wrote into its own settings, which nobody needs to sign.

    Raises `MalformedInstant` for a date that is none, `UnboundKey` for a certificate that is none.
    """
    return TrustList(content, *_dates(content), _DOOR)


def sign_trust_list(key: SigningKey, content: TrustListContent) -> str:
    """The compact list; raises `ValueError` when the key is not the publisher's."""
    data = trust_list_signing_input(key, content)
    return jws.assemble(data, key.sign(data))


def trust_list_signing_input(signer: KeyIdentity, content: TrustListContent) -> bytes:
    """The bytes to sign for `sign_trust_list`, by a key that signs elsewhere."""
    if signer.did != content.publisher:
        raise ValueError(f"the key {signer.kid} does not belong to the publisher {content.publisher}")
    return jws.signing_input(signer, TYP, rfc8785.dumps(msgspec.to_builtins(content)))


@dataclass(frozen=True, slots=True)
class TrustBook:
    """A node's own list, and the lists that it recognizes as far as they were merged (`merge`)."""

    own: TrustList
    recognized: tuple[tuple[TrustList, frozenset[str]], ...] = ()


def merge(own: TrustList, others: Iterable[TrustList]) -> TrustBook:
    """`own` together with those of `others` that it recognizes; the rest has no effect."""
    by_publisher = {entry.publisher: frozenset(entry.types) for entry in own.content.recognized}
    return TrustBook(
        own, tuple((one, by_publisher[one.publisher]) for one in others if one.publisher in by_publisher)
    )


class TrustVerdict(msgspec.Struct, frozen=True):
    """Whether the issuer of a credential counts, and why; `status_issuers` may sign its status lists."""

    is_trusted: bool
    reason: str
    status_issuers: frozenset[str] = frozenset()


def trusts(book: TrustBook | TrustList, credential: VerifiedCredential, now_ms: int) -> TrustVerdict:
    """Whether every type of `credential` is one that its issuer may issue, with these values, now.

    An expired list trusts nobody. A type is looked up in the own list first, then in the recognized ones.
    """
    lists = _lists(book)
    if not credential.types:
        return TrustVerdict(False, f"the credential has no type beside {BASE_TYPE}")
    delegates: list[frozenset[str]] = []
    for type_ in credential.types:
        # The answer that came closest to a yes is the one that helps.
        nearest, verdict = max(
            (_judge(one, allowed, type_, credential, now_ms) for one, allowed in lists),
            key=lambda answer: answer[0],
        )
        if nearest is not _Nearness.TRUSTED:
            return verdict
        delegates.append(verdict.status_issuers)
    return TrustVerdict(
        True,
        f"{credential.issuer} may issue {', '.join(credential.types)}",
        frozenset.intersection(*delegates),
    )


def trusted_claims(
    credentials: Iterable[VerifiedCredential], book: TrustBook | TrustList, now_ms: int
) -> tuple[Claims, tuple[tuple[VerifiedCredential, str], ...]]:
    """The claims of those credentials whose issuers count, and the others, each with the reason."""
    judged = [(credential, trusts(book, credential, now_ms)) for credential in credentials]
    claims = claims_of(credential for credential, verdict in judged if verdict.is_trusted)
    return claims, tuple(
        (credential, verdict.reason) for credential, verdict in judged if not verdict.is_trusted
    )


def _lists(book: TrustBook | TrustList) -> list[tuple[TrustList, frozenset[str] | None]]:
    if isinstance(book, TrustList):
        return [(book, None)]
    return [(book.own, None), *book.recognized]


def authorities_of(book: TrustBook, now_ms: int) -> tuple[AccreditedAuthority, ...]:
    """The authorities that are believed now: the own list's, and those of lists that are recognized for it."""
    return tuple(
        entry
        for one, allowed in _lists(book)
        if allowed is None or ORGANIZATION_CERTIFICATE in allowed
        if one.issued_ms <= now_ms < one.expires_ms
        for entry in one.content.authorities
        if _is_current(entry, now_ms)
    )


class _Nearness(IntEnum):
    """How near an answer came to a yes."""

    NOT_RECOGNIZED = 0
    NOT_AN_ISSUER = 1
    LIST_OUT_OF_TIME = 2
    OTHER_VALUES = 3
    TRUSTED = 4


def _judge(
    one: TrustList, allowed: frozenset[str] | None, type_: str, credential: VerifiedCredential, now_ms: int
) -> tuple[_Nearness, TrustVerdict]:
    if allowed is not None and type_ not in allowed:
        reason = f"the issuers of {one.publisher} are not recognized for {type_}"
        return _Nearness.NOT_RECOGNIZED, TrustVerdict(False, reason)
    entries = [
        entry for entry in one.content.issuers if entry.issuer == credential.issuer and type_ in entry.types
    ]
    if not entries:
        return _Nearness.NOT_AN_ISSUER, TrustVerdict(False, f"{credential.issuer} may not issue {type_}")
    if not one.issued_ms <= now_ms < one.expires_ms:
        dates = f"{one.content.issued} to {one.content.expires}"
        reason = f"the trust list of {one.publisher} is valid only from {dates}"
        return _Nearness.LIST_OUT_OF_TIME, TrustVerdict(False, reason)
    for entry in entries:
        if _is_current(entry, now_ms) and _fits(entry, credential.claims):
            return _Nearness.TRUSTED, TrustVerdict(True, "", frozenset(entry.status_issuers))
    reason = f"{credential.issuer} may not issue {type_} with these values, or not at this time"
    return _Nearness.OTHER_VALUES, TrustVerdict(False, reason)


def _is_current(entry: TrustedIssuer | AccreditedAuthority, now_ms: int) -> bool:
    starts = entry.valid_from is None or parse_datetime(entry.valid_from) <= now_ms
    return starts and (entry.valid_until is None or now_ms < parse_datetime(entry.valid_until))


def _fits(entry: TrustedIssuer, claims: Mapping[str, object]) -> bool:
    """Whether each constrained member is there with nothing but admitted values."""
    for name, admitted in entry.constraints.items():
        values = values_of(claims.get(name))
        if not values or not set(values) <= set(admitted):
            return False
    return True


def dated(publisher: str, number: int, issued_ms: int, expires_ms: int) -> TrustListContent:
    """An empty edition with these dates, to be filled by `msgspec.structs.replace`."""
    return TrustListContent(publisher, number, format_datetime(issued_ms), format_datetime(expires_ms))
