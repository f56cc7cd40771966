"""What the ledger needs from the storeys above: its rows, its key, its witnesses."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol, TypeVar

import msgspec

from ashiato.facts.transactions import Room
from ashiato.log.notes import Note, NoteKey, NoteSignature
from ashiato.log.tiles import TilePlace

T = TypeVar("T")


class Step(StrEnum):
    """The steps of one round, in their order. What is durable after each stands in `hub.ledger`."""

    ENTRIES_ADDED = "entries-added"
    TILES_WRITTEN = "tiles-written"
    SYNCED = "synced"
    SIGNED = "signed"
    SWAPPED = "swapped"
    COSIGNED = "cosigned"
    PUBLISHED = "published"


class LedgerHead(msgspec.Struct, frozen=True):
    """How far the log is: entries that are durable, the last checkpoint that was signed, the last that was published."""

    size_count: int = 0
    signed_count: int = 0
    signed_note: str = ""
    published_count: int = 0
    published_note: str = ""


class PlacedBatch(msgspec.Struct, frozen=True):
    """Where the entries of a batch stand: consecutive, from `first_index`."""

    first_index: int
    entries_count: int


class LedgerRows(Protocol):
    """The rows of one log in one transaction."""

    def head(self) -> LedgerHead:
        """How far it is; in a transaction that writes, nobody else moves it until the end."""

    def grow(self, size_count: int) -> None:
        """There are that many entries now."""

    def keep_tiles(self, tiles: Sequence[tuple[TilePlace, bytes]]) -> None:
        """Keep tiles and bundles; a partial one takes the place of its shorter beginning."""

    def tile(self, place: TilePlace) -> bytes | None:
        """The tile or bundle at that level and number, as wide as it is by now."""

    def batch(self, member: str, sha256: bytes) -> PlacedBatch | None:
        """Where the member's batch of that hash stands."""

    def add_batch(self, member: str, sha256: bytes, placed: PlacedBatch, at_ms: int) -> None:
        """Remember where it stands."""

    def swap_signed(self, from_count: int, to_count: int, note: str) -> bool:
        """Keep the checkpoint that was signed; false, and nothing changed, where another than `from_count` is the last."""

    def publish(self, count: int, note: str) -> None:
        """Keep the checkpoint that everybody may see now; never one smaller than the last."""


LEDGER: Room[LedgerRows] = Room("ledger")


class LedgerUnitOfWork(Protocol):
    """A unit of work that has the rows of the ledger."""

    def room(self, room: Room[T]) -> T:
        """The room of that name."""


class LedgerStore(Protocol):
    """Runs units of work on the rows of the ledger: on return their effects are durable, or there are none."""

    async def run(self, participant_id: str, work: Callable[[LedgerUnitOfWork], T]) -> T: ...

    async def read(self, participant_id: str, work: Callable[[LedgerUnitOfWork], T]) -> T: ...


class HeadSigner(Protocol):
    """Signs the log's checkpoints."""

    @property
    def key(self) -> NoteKey:
        """The key by which everybody verifies them; its name is the origin of the log."""

    async def sign(self, text: bytes) -> bytes:
        """The Ed25519 signature; raises `trust.signing.SigningFailed`."""


Prove = Callable[[int], Awaitable[tuple[bytes, ...]]]
"""From the size of an older tree to the proof that the present one extends it."""


class Witnesses(Protocol):
    """Those who saw earlier checkpoints of this log and cosign new ones."""

    @property
    def keys(self) -> Sequence[NoteKey]:
        """Their keys, one of each."""

    async def last_seen(self) -> Mapping[str, bytes | None]:
        """By the names of those that answered: the note of the last checkpoint that each cosigned, None for none yet."""

    async def cosign(self, note: Note, size_count: int, prove: Prove) -> Sequence[NoteSignature]:
        """The lines of those that found the checkpoint consistent with what they saw."""


class NobodyWatches:
    """The port `Witnesses` of a log that has none: nobody would notice that it was forked."""

    keys: Sequence[NoteKey] = ()

    async def last_seen(self) -> Mapping[str, bytes | None]:
        """See the port."""
        return {}

    async def cosign(self, note: Note, size_count: int, prove: Prove) -> Sequence[NoteSignature]:
        """See the port."""
        return ()
