"""One identity for one thing, across companies: parts, batches and items by the identifiers that are unique in the world.

Two identifiers that were registered for different things never come to stand for one, and one that stands for a thing never
comes to stand for another. The hub keeps the hash of an identifier, not its text: it can say that two are the same and not what
they are.
"""

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from ashiato.facts.identifiers import Identifier, IdentifierKind, MalformedIdentifier, parse_identifier
from ashiato.facts.moments import Moment
from ashiato.facts.problems import Invalid, NotFound
from ashiato.facts.transactions import Room
from ashiato.hub.ports import PARTIES, UnitOfWork
from ashiato.hub.registry import Taken

MOST_IDENTIFIERS_COUNT = 20
MOST_THINGS_COUNT = 500


class ThingKind(StrEnum):
    """What an identity is of."""

    PART = "part"
    BATCH = "batch"
    ITEM = "item"


_UNIQUE_IN_THE_WORLD = frozenset({IdentifierKind.TRACE_ID, IdentifierKind.CATENA_X_ID})
# Numbers of one partner or of one register are not here: two companies may use the same for different things.
KINDS_OF: Mapping[ThingKind, frozenset[IdentifierKind]] = {
    ThingKind.PART: _UNIQUE_IN_THE_WORLD | {IdentifierKind.GTIN, IdentifierKind.BPN_PART},
    ThingKind.BATCH: _UNIQUE_IN_THE_WORLD | {IdentifierKind.GTIN_BATCH},
    ThingKind.ITEM: _UNIQUE_IN_THE_WORLD
    | {IdentifierKind.GTIN_SERIAL, IdentifierKind.CODE24, IdentifierKind.URI},
}


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """What a party wants to have an identity for; identifiers are written `kind:value`."""

    kind: ThingKind
    identifiers: tuple[str, ...]


class IdentityRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An identity that the hub gave; `owner_id` registered it, and only that party sees it as its own."""

    identity_id: str
    kind: ThingKind
    owner_id: str
    created_ms: int


class Identities(Protocol):
    """Identities, and the hashes of the identifiers that stand for them."""

    def get(self, identity_id: str) -> IdentityRecord | None: ...
    def put(self, record: IdentityRecord) -> None:
        """Insert."""

    def page(self, owner_id: str, after_id: str, limit_count: int) -> list[IdentityRecord]:
        """Those of one party, in the order of the id."""

    def known(self, digests: Sequence[str]) -> dict[str, str]:
        """The identity for which each hash stands; unknown ones are left out."""

    def name(self, identity_id: str, digests: Sequence[str]) -> None:
        """From now on these stand for it too. Raises `Conflict` for one that stands for something."""


IDENTITIES: Room[Identities] = Room("identities")


def register(uow: UnitOfWork, party_id: str, things: Sequence[Thing], moment: Moment) -> list[IdentityRecord]:
    """The identity of each thing, in their order: a new one, or the one that its identifiers stand for. All of them, or none.

    The party that registered a thing may add identifiers to it; others learn the identity and add nothing. Raises `Invalid` and
    `Taken`, whose fields name the place in the list.
    """
    if not 0 < len(things) <= MOST_THINGS_COUNT:
        raise Invalid(f"Register 1 to {MOST_THINGS_COUNT} things at once.", path="things")
    return [
        _registered(uow, party_id, thing, f"things.{place}", moment) for place, thing in enumerate(things)
    ]


def find(uow: UnitOfWork, identifier: str) -> IdentityRecord:
    """What an identifier stands for, for whoever knows the identifier; raises `NotFound` or `Invalid`."""
    try:
        digest = digest_of(parse_identifier(identifier))
    except MalformedIdentifier as error:
        raise Invalid(f"{error}.", path="identifier") from None
    identity_id = uow.room(IDENTITIES).known([digest]).get(digest)
    found = None if identity_id is None else uow.room(IDENTITIES).get(identity_id)
    if found is None:
        raise NotFound("Nothing is registered under that identifier.")
    return found


def digest_of(identifier: Identifier) -> str:
    """The hexadecimal SHA-256 of an identifier's canonical text."""
    return hashlib.sha256(identifier.text.encode()).hexdigest()


def _registered(uow: UnitOfWork, party_id: str, thing: Thing, path: str, moment: Moment) -> IdentityRecord:
    digests = _digests(uow, party_id, thing, path)
    room = uow.room(IDENTITIES)
    known = room.known(digests)
    if not known:
        made = IdentityRecord(
            identity_id=moment.fresh_iri(), kind=thing.kind, owner_id=party_id, created_ms=moment.now_ms
        )
        room.put(made)
        room.name(made.identity_id, digests)
        return made
    if len(set(known.values())) > 1:
        raise Taken(
            "These identifiers stand for different things already, which never become one.", path=path
        )
    found = room.get(next(iter(known.values())))
    if found is None or found.kind is not thing.kind:
        raise Taken("One of these identifiers stands for a thing of another kind.", path=path)
    fresh = [digest for digest in digests if digest not in known]
    if fresh and found.owner_id != party_id:
        raise Taken(
            "One of these identifiers was registered by another party, which alone can add others to it. "
            "If the thing is yours, ask the operator of the hub to settle it.",
            path=path,
        )
    room.name(found.identity_id, fresh)
    return found


def _digests(uow: UnitOfWork, party_id: str, thing: Thing, path: str) -> list[str]:
    if not 0 < len(thing.identifiers) <= MOST_IDENTIFIERS_COUNT:
        raise Invalid(f"A thing has 1 to {MOST_IDENTIFIERS_COUNT} identifiers.", path=f"{path}.identifiers")
    digests = []
    for text in thing.identifiers:
        try:
            identifier = parse_identifier(text)
        except MalformedIdentifier as error:
            raise Invalid(f"{error}.", path=f"{path}.identifiers") from None
        kinds = KINDS_OF[thing.kind]
        if identifier.kind not in kinds:
            raise Invalid(
                f"{identifier.kind} does not name a {thing.kind.value} uniquely in the world; the kinds are "
                f"{', '.join(sorted(kinds))}.",
                path=f"{path}.identifiers",
            )
        if identifier.kind is IdentifierKind.BPN_PART:
            _check_name_space(uow, party_id, identifier, path)
        digests.append(digest_of(identifier))
    return list(dict.fromkeys(digests))


def _check_name_space(uow: UnitOfWork, party_id: str, identifier: Identifier, path: str) -> None:
    """A part number in the name space of a BPNL is given by who holds that BPNL here."""
    number = f"{IdentifierKind.BPN_LEGAL_ENTITY}:{identifier.value.partition('/')[0]}"
    holder = uow.room(PARTIES).holders_of([number]).get(number)
    is_known = bool(uow.room(IDENTITIES).known([digest_of(identifier)]))
    if holder != party_id and not is_known:
        raise Invalid(
            "A part number in the name space of a BPNL is registered by the party that holds this BPNL.",
            path=f"{path}.identifiers",
        )
