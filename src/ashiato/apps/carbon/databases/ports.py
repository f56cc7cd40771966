"""The room of background databases in a unit of work."""

from typing import Protocol

import msgspec

from ashiato.connector.ports import Room


class KeptBackground(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a database without opening it. `source_sha256` is of the file, `packed_sha256` of what is kept of it.

    `allows_missing` and `missing_count` say whether inputs without a supplier were let through: its figures are then too small.
    """

    background_id: str
    title: str
    version: str = ""
    year: int | None = None
    licence_id: str
    format: str
    source_sha256: str
    packed_sha256: str
    packed_bytes: int
    products_count: int
    flows_count: int
    exchanges_count: int
    uncertain_count: int
    missing_count: int
    allows_missing: bool
    imported_ms: int = 0


class Backgrounds(Protocol):
    """The databases of one participant."""

    def put(self, kept: KeptBackground, content: bytes) -> None:
        """Insert or replace by its id, with all of its content."""

    def get(self, background_id: str) -> KeptBackground | None: ...
    def content(self, background_id: str) -> bytes:
        """The packed database, empty where there is none."""

    def page(self, after_id: str, limit_count: int) -> list[KeptBackground]:
        """In the order of the id."""

    def delete(self, background_id: str) -> bool:
        """Whether it was there."""


BACKGROUNDS: Room[Backgrounds] = Room("backgrounds")
