"""Signed self-descriptions: what a participant says of its node, its services, its program and its data assets.

Each is a compact JWS over canonical JSON, signed by a key that stands in `assertionMethod` of the participant's DID document, and
lives for a day. It is the participant's own word: what somebody else confirms of it stands in credentials, and `weigh` tells the
two apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass
from enum import StrEnum

import msgspec
import rfc8785

from ashiato.statements.receipts import LONGEST_TEXT_CHARS
from ashiato.trust import jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused
from ashiato.trust.standing import Standing

SELF_DESCRIPTION_SERVICE = "SelfDescription"
SELF_DESCRIPTION_TYP = "ashiato-self-description+jwt"
VERSION = 1
LIFE_MS = 86_400_000
MOST_DESCRIPTIONS_COUNT = 100
MOST_LEVELS_COUNT = 8
LOCATION, SECURITY_PROFILE, CERTIFICATION = "location", "security_profile", "certification"

_BACKED_BY_CLAIMS = frozenset({LOCATION, SECURITY_PROFILE, CERTIFICATION})
_DOOR = object()


class Described(StrEnum):
    """What is described."""

    NODE = "node"
    SERVICE = "service"
    INSTANCE = "instance"
    ASSET = "asset"


class Weight(StrEnum):
    """Who stands behind a fact."""

    CLAIMED = "claimed"
    """The participant alone."""
    BACKED = "backed"
    """A credential that was verified, of an issuer that counts here."""
    CONTRADICTED = "contradicted"
    """Such a credential says otherwise."""


class MalformedDescription(ValueError):
    """The participant's bytes are no self-description; `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Level(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A level that the node says it has reached, and the credential that it holds for it.

    `name` is that of the claim for policies: `security_profile` or `certification`.
    """

    name: str
    value: str
    credential_id: str
    issuer: str


class SelfDescription(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One description before it is signed. `about` holds texts by name, such as `location` or `endpoint`."""

    version: int = VERSION
    kind: Described
    id: str
    participant: str
    issued_ms: int
    expires_ms: int
    about: dict[str, str]
    levels: tuple[Level, ...] = ()


class WeighedFact(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of a description and who stands behind it; the credential is the one that the participant names for it."""

    name: str
    value: str
    weight: Weight
    credential_id: str = ""
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class VerifiedDescription:
    """A description that the participant it names has signed and that is in force. Only `verify_description` makes one."""

    description: SelfDescription
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedDescription comes from verify_description only")


def describe(
    kind: Described,
    identifier: str,
    participant: str,
    about: Mapping[str, str],
    now_ms: int,
    levels: Sequence[Level] = (),
) -> bytes:
    """The canonical JSON to sign; what is empty is left out."""
    description = SelfDescription(
        kind=kind,
        id=identifier,
        participant=participant,
        issued_ms=now_ms,
        expires_ms=now_ms + LIFE_MS,
        about={name: value for name, value in about.items() if value},
        levels=tuple(levels),
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
    if len(description.levels) > MOST_LEVELS_COUNT:
        raise MalformedDescription(f"it names more than {MOST_LEVELS_COUNT} levels")
    levels = (text for one in description.levels for text in msgspec.structs.astuple(one))
    texts = (description.id, *description.about, *description.about.values(), *levels)
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


def verify_answer(
    compacts: object, document: DidDocument, now_ms: int, asset_id: str | None = None
) -> tuple[VerifiedDescription, ...]:
    """All descriptions of one answer: of the node and what belongs to it, or with `asset_id` of that asset alone.

    Raises `MalformedDescription` and `TokenRefused`: one that does not hold spoils the answer, since what it hides is not known.
    """
    if not isinstance(compacts, list) or not 0 < len(compacts) <= MOST_DESCRIPTIONS_COUNT:
        raise MalformedDescription(f"it is no list of 1 to {MOST_DESCRIPTIONS_COUNT} descriptions")
    found = tuple(
        verify_description(one if isinstance(one, str) else "", document, now_ms) for one in compacts
    )
    things = [(one.description.kind, one.description.id) for one in found]
    if len(set(things)) != len(things):
        raise MalformedDescription("it describes the same thing twice")
    if asset_id is not None:
        if things != [(Described.ASSET, asset_id)]:
            raise MalformedDescription(f"it does not describe the asset {asset_id!r} alone")
        return found
    kinds = [kind for kind, _ in things]
    if (
        Described.ASSET in kinds
        or things.count((Described.NODE, document.did)) != 1
        or kinds.count(Described.NODE) != 1
    ):
        raise MalformedDescription(f"it does not describe the node of {document.did}")
    return found


def weigh(verified: VerifiedDescription, standing: Standing) -> tuple[WeighedFact, ...]:
    """Each fact, with what is verified of the participant held against it.

    Somebody may hold a certification of which nothing is verified here, but it is in one place, and at one profile.
    """
    description = verified.description
    is_node = description.kind is Described.NODE and standing.participant_id == description.participant
    known: Mapping[str, frozenset[str]] = standing.claims if is_node else {}

    def weight(name: str, value: str) -> Weight:
        values = known.get(name, frozenset()) if name in _BACKED_BY_CLAIMS else frozenset()
        if value in values:
            return Weight.BACKED
        return Weight.CONTRADICTED if values and name != CERTIFICATION else Weight.CLAIMED

    told = [
        WeighedFact(name=name, value=value, weight=weight(name, value))
        for name, value in sorted(description.about.items())
    ]
    reached = [
        WeighedFact(
            name=level.name,
            value=level.value,
            weight=weight(level.name, level.value),
            credential_id=level.credential_id,
            issuer=level.issuer,
        )
        for level in description.levels
    ]
    return (*told, *reached)
