"""Credentials as their holder takes them in: signed by their issuer, about the holder, readable enough to be shown again.

Whether they count is for those to judge who are shown them; the holder keeps what was issued to it, unchanged.
"""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass

from ashiato.facts.instants import MalformedInstant, parse_datetime
from ashiato.trust import jws
from ashiato.trust.credentials import BASE_TYPE
from ashiato.trust.did import DidDocument
from ashiato.trust.enveloping import Profile
from ashiato.trust.jws import MalformedToken, MisdirectedToken

_TYPS_OF_2: frozenset[str | None] = frozenset({"vc+jwt", "vc+ld+jwt", "vc+ld+json+jwt"})
_TYPS: frozenset[str | None] = _TYPS_OF_2 | {"JWT", None}
_MAX_TYPES_COUNT = 16
_DOOR = object()


@dataclass(frozen=True, slots=True)
class OwnCredential:
    """A credential of which it was verified that `issuer` signed it about `subject`. Only `read_own_credential` makes one."""

    credential_id: str
    profile: Profile
    types: tuple[str, ...]
    issuer: str
    subject: str
    valid_from_ms: int | None
    valid_until_ms: int | None
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("an OwnCredential comes from read_own_credential only")


def read_own_credential(text: str, document: DidDocument, subject: str) -> OwnCredential:
    """The credential in `text` that the owner of `document` issued to `subject`; raises `TokenRefused`.

    A JWT that names no `typ`, or the plain one, and holds a `vc` claim is of the older data model.
    """
    signed = jws.parse_compact(text, typs=_TYPS)
    claims = jws.parse_members(signed.payload, "payload")
    inner = claims.get("vc")
    is_second = signed.header.get("typ") in _TYPS_OF_2 or inner is None
    body: object = claims if is_second else inner
    if not isinstance(body, Mapping):
        raise MalformedToken("malformed_claim", "the claim 'vc' is not a credential")
    issuer = _id_of(body.get("issuer"))
    if issuer != document.did or claims.get("iss", issuer) != issuer:
        raise MisdirectedToken("wrong_parties", f"the credential does not say that {document.did} issued it")
    subjects = body.get("credentialSubject")
    about = subjects if isinstance(subjects, list) else [subjects]
    if any(_id_of(one) != subject for one in about):
        raise MisdirectedToken("wrong_parties", f"the credential is not about {subject} alone")
    jws.check_signature(signed, jws.choose_key(signed, document, "assertionMethod"))
    begin, end = ("validFrom", "validUntil") if is_second else ("issuanceDate", "expirationDate")
    expires_ms = jws.date_claim(claims, "exp") * 1000 if "exp" in claims else None
    ends = [instant for instant in (_instant_ms(body, end), expires_ms) if instant is not None]
    return OwnCredential(
        credential_id=jws.text_claim(body, "id", max_chars=1024),
        profile=Profile.VC20 if is_second else Profile.VC11,
        types=_types(body),
        issuer=issuer,
        subject=subject,
        valid_from_ms=_instant_ms(body, begin),
        valid_until_ms=min(ends) if ends else None,
        door=_DOOR,
    )


def _id_of(value: object) -> str | None:
    named = value.get("id") if isinstance(value, Mapping) else value
    return named if isinstance(named, str) else None


def _types(body: Mapping[str, object]) -> tuple[str, ...]:
    value = body.get("type")
    types = value if isinstance(value, list) else [value]
    named = tuple(one for one in types if isinstance(one, str) and one != BASE_TYPE)
    if (
        not named
        or len(named) != len([one for one in types if one != BASE_TYPE])
        or len(named) > _MAX_TYPES_COUNT
    ):
        raise MalformedToken("malformed_claim", "the credential has no type of its own, or too many")
    return named


def _instant_ms(body: Mapping[str, object], name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise MalformedToken("malformed_claim", f"the credential's {name!r} is not an instant")
    try:
        return parse_datetime(value)
    except MalformedInstant as error:
        raise MalformedToken("malformed_claim", f"the credential's {name!r}: {error}") from None
