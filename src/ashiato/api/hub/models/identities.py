"""Identities of things, as they are asked for and shown."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.management.models.shared import InstantShown, Model
from ashiato.hub.identities import MOST_IDENTIFIERS_COUNT, MOST_THINGS_COUNT, IdentityRecord, Thing, ThingKind

IdentifierText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=800),
    Field(description="An identifier as kind:value.", examples=["gtin_serial:(01)04006381333931(21)SN-1"]),
]
Kind = Literal["part", "batch", "item"]


class ThingToName(Model):
    """A thing with the identifiers that name it uniquely in the world."""

    kind: Kind
    identifiers: Annotated[list[IdentifierText], Field(min_length=1, max_length=MOST_IDENTIFIERS_COUNT)]

    def thing(self) -> Thing:
        """For the inner room."""
        return Thing(kind=ThingKind(self.kind), identifiers=tuple(self.identifiers))


class ThingsToName(Model):
    """Things that get their identities together: all of them, or none."""

    things: Annotated[list[ThingToName], Field(min_length=1, max_length=MOST_THINGS_COUNT)]


class Identity(Model):
    """An identity; that it is somebody else's is all that is told of its owner."""

    identity: str
    kind: Kind
    is_own: bool
    created_ms: InstantShown

    @classmethod
    def shown(cls, record: IdentityRecord, party_id: str) -> "Identity":
        """The model of a record, as that party sees it."""
        return cls.of(record, identity=record.identity_id, is_own=record.owner_id == party_id)


class NamedThings(Model):
    """The identities of the things, in their order."""

    identities: list[Identity]
