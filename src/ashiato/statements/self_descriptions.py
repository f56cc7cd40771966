"""Signed self-descriptions: what a participant says of its node, its services, its program and its data assets.

Each is a compact JWS over canonical JSON, signed by a key that stands in `assertionMethod` of the participant's DID document, and
lives for a day. It is the participant's own word: what somebody else confirms of it stands in credentials.
"""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from enum import StrEnum

import msgspec
import rfc8785

from ashiato.statements.receipts import LONGEST_TEXT_CHARS
from ashiato.trust import jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused

SELF_DESCRIPTION_TYP = "ashiato-self-description+jwt"
VERSION = 1
LIFE_MS = 86_400_000

_DOOR = object()


class Described(StrEnum):
    """What is described."""

    NODE = "node"
    SERVICE = "service"
    INSTANCE = "instance"
    ASSET = "asset"


class MalformedDescription(ValueError):
    """The participant's bytes are no self-description; `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class SelfDescription(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One description before it is signed. `about` holds texts by name, such as `location` or `endpoint`."""

    version: int = VERSION
    kind: Described
    id: str
    participant: str
    issued_ms: int
    expires_ms: int
    about: dict[str, str]


@dataclass(frozen=True, slots=True)
class VerifiedDescription:
    """A description that the participant it names has signed and that is in force. Only `verify_description` makes one."""

    description: SelfDescription
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedDescription comes from verify_description only")


def describe(
    kind: Described, identifier: str, participant: str, about: Mapping[str, str], now_ms: int
) -> bytes:
    """The canonical JSON to sign; what is empty is left out."""
    description = SelfDescription(
        kind=kind,
        id=identifier,
        participant=participant,
        issued_ms=now_ms,
        expires_ms=now_ms + LIFE_MS,
        about={name: value for name, value in about.items() if value},
    )
    return rfc8785.dumps(msgspec.to_builtins(description))


def verify_description(compact: str, document: DidDocument, now_ms: int) -> VerifiedDescription:
    """The description in `compact`; raises `MalformedDescription` and `TokenRefused`, also for one that is out of date."""
    signed = jws.parse_compact(compact, typs=frozenset({SELF_DESCRIPTION_TYP}))
    try:
        members = jws.parse_members(signed.payload, "payload")
        description = msgspec.convert(dict(members), SelfDescription, strict=True)
    except (TokenRefused, msgspec.ValidationError) as error:
        raise MalformedDescription(f"it is no self-description: {error}") from None
    texts = (description.id, *description.about, *description.about.values())
    if description.version != VERSION or any(
        len(text) > LONGEST_TEXT_CHARS or not text.isprintable() for text in texts
    ):
        raise MalformedDescription("its version is not known, or a text is too long or does not print")
    if description.participant != document.did:
        raise jws.MisdirectedToken(
            "wrong_document", f"the DID document is not that of {description.participant}"
        )
    jws.check_signature(signed, jws.choose_key(signed, document, "assertionMethod"))
    if not description.issued_ms - LIFE_MS <= now_ms < description.expires_ms:
        raise jws.OutOfTime("expired", "the self-description is out of date; fetch it again")
    return VerifiedDescription(description, _DOOR)
