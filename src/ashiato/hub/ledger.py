"""The ledger: an append-only log of commitments that never signs two roots for one size.

One round of `sequence`, and what is durable when the process dies at each step:

1. **add entries**, 2. **write tiles**, 3. **sync**: one transaction adds batches, bundles, tiles and the new size. Before its
   commit there is nothing, after it everything is on the disk. Entries are never taken back, so that a size has one root.
4. **sign** the checkpoint of the durable size, 5. **swap** it in the store for the one before. A process that died in between
   signs the same text again at its next start.
6. **cosign**: as many witnesses as the quorum says have recorded the checkpoint before anybody else sees it.
7. **publish**: it is served from now on, and only now the posters are told. This is the point of acknowledgement.

At a start nothing is signed before the witnesses were asked for their last checkpoint: a database restored from an old backup is
smaller than what they saw, and would sign other roots for the sizes in between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ashiato.hub.ledger_ports import (
    LEDGER,
    HeadSigner,
    LedgerHead,
    LedgerRows,
    LedgerStore,
    PlacedBatch,
    Prove,
    Step,
    Witnesses,
)
from ashiato.log.checkpoints import Checkpoint, cosignature_of, read_signed
from ashiato.log.merkle import leaf_hash
from ashiato.log.notes import MalformedNote, Note, NoteSignature, check, parse_note
from ashiato.log.tiles import (
    WIDTH_COUNT,
    Edge,
    ReadTile,
    TilePlace,
    bundles_of,
    consistency_from_tiles,
    edge_from,
    parse_bundle,
    root_from_tiles,
    width_count_of,
)
from ashiato.statements.commitments import COMMITMENT_BYTES
from ashiato.statements.ledger_entries import VerifiedBatch

BUNDLED_ENTRY_BYTES = 2 + COMMITMENT_BYTES
HASH_BYTES = 32
LANE = "ledger"
"""Units of work of one lane are in order."""


class LedgerStopped(Exception):
    """The ledger signs nothing until its operator has acted; `problem` says what to do."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class LedgerBehind(Exception):
    """The checkpoint cannot be published now; the ledger tries again by itself. `problem` says what is missing."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class LedgerBusy(Exception):
    """The entries cannot be acknowledged now; whoever posted them posts the same bytes again. `why` is for people."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Placed:
    """The entries of one batch in the log, and the published checkpoint whose tree holds them."""

    first_index: int
    entries_count: int
    checkpoint: str


@dataclass(frozen=True, slots=True)
class _Grown:
    """The right edge of the durable tree, with the entries of its last bundle."""

    edge: Edge
    tail: tuple[bytes, ...]


def _unheard(step: Step) -> None:
    """Nobody follows the steps."""


class Ledger:
    """One log of one hub. Its rounds are made one after the other, by whoever owns it."""

    def __init__(
        self,
        store: LedgerStore,
        signer: HeadSigner,
        witnesses: Witnesses,
        quorum_count: int,
        on_step: Callable[[Step], None] = _unheard,
    ) -> None:
        """`quorum_count` witnesses cosign before a checkpoint is published; 0 only where there are none."""
        if not min(1, len(witnesses.keys)) <= quorum_count <= len(witnesses.keys):
            raise LedgerStopped(
                f"The quorum of {quorum_count} does not fit {len(witnesses.keys)} witnesses: take at least 1 where there is any."
            )
        self._store = store
        self._signer = signer
        self._witnesses = witnesses
        self._quorum_count = quorum_count
        self._on_step = on_step
        self._grown: _Grown | None = None
        self._is_open = False

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self._signer.key.name

    @property
    def key_text(self) -> str:
        """The key by which everybody verifies its checkpoints."""
        return self._signer.key.text()

    async def open(self) -> None:
        """Hold the tree against itself and against what the witnesses saw; then publish what was left unpublished.

        Raises `LedgerStopped` for a tree that is damaged, rolled back or forked, `LedgerBehind` for too many silent witnesses.
        """
        head = await self._store.read(LANE, lambda uow: uow.room(LEDGER).head())
        grown = await self._store.read(LANE, lambda uow: _load(uow.room(LEDGER), head))
        if head.signed_note and not await self._holds(head.signed_note.encode(), head, "its own store"):
            raise LedgerStopped(
                f"The last checkpoint is not signed by {self.key_text}: configure the key that signed it."
            )
        seen = await self._witnesses.last_seen()
        heard = {name for name, note in seen.items() if note is None or await self._holds(note, head, name)}
        silent = [key.name for key in self._witnesses.keys if key.name not in heard]
        # Every checkpoint that anybody saw was recorded by a quorum: so many answers meet at least one of them.
        if len(silent) >= max(1, self._quorum_count):
            raise LedgerBehind(
                f"Nothing is signed before the witnesses say what they saw; these do not answer: {', '.join(silent)}."
            )
        self._grown, self._is_open = grown, True
        await self.finish()

    async def sequence(self, batches: Sequence[VerifiedBatch], now_ms: int) -> list[Placed]:
        """One round: where each batch stands, when the checkpoint that holds it is published.

        A batch that the log has already is not added again. Raises `LedgerStopped`, `LedgerBehind` (the entries are in the tree
        and will be published), and what store and signer raise.
        """
        grown = self._checked()
        try:
            placed, grown = await self._store.run(
                LANE, lambda uow: self._add(uow.room(LEDGER), grown, batches, now_ms)
            )
        except BaseException:
            # Whether it was committed is not always known: the store says so at the next round.
            self._grown = None
            raise
        self._grown = grown
        self._on_step(Step.SYNCED)
        checkpoint = await self.finish()
        return [Placed(one.first_index, one.entries_count, checkpoint) for one in placed]

    async def finish(self) -> str:
        """Sign, have cosigned and publish what is durable; returns the published checkpoint. Made again, it changes nothing."""
        if not self._is_open:
            raise LedgerStopped(
                "The ledger was not opened: nothing is signed before the witnesses were asked."
            )
        head = await self._store.read(LANE, lambda uow: uow.room(LEDGER).head())
        if self._grown is None or self._grown.edge.size_count != head.size_count:
            self._grown = await self._store.read(LANE, lambda uow: _load(uow.room(LEDGER), head))
        if head.published_note and head.published_count == head.size_count:
            return head.published_note
        note = await self._signed(head, self._grown.edge)
        lines = await self._witnesses.cosign(note, head.size_count, self._prover(head.size_count))
        whole = Note(note.text, (*note.signatures, *self._good(note, lines)))
        if len(whole.signatures) - 1 < self._quorum_count:
            raise LedgerBehind(
                f"{len(whole.signatures) - 1} of the {self._quorum_count} witnesses that are needed cosigned."
            )
        self._on_step(Step.COSIGNED)
        text = whole.encoded()
        # The point of acknowledgement: before it nobody was told of these entries, after it they are never missing.
        await self._store.run(LANE, lambda uow: uow.room(LEDGER).publish(head.size_count, text))
        self._on_step(Step.PUBLISHED)
        return text

    async def checkpoint(self) -> str | None:
        """The checkpoint that is published, None before the first."""
        head = await self._store.read(LANE, lambda uow: uow.room(LEDGER).head())
        return head.published_note or None

    async def tile(self, place: TilePlace) -> bytes | None:
        """The tile or bundle at that place, None where the published tree has none of that width."""

        def look(rows: LedgerRows) -> bytes | None:
            if place.width_count > width_count_of(place, rows.head().published_count):
                return None
            return rows.tile(place)

        found = await self._store.read(LANE, lambda uow: look(uow.room(LEDGER)))
        piece_bytes = BUNDLED_ENTRY_BYTES if place.level is None else HASH_BYTES
        return None if found is None else found[: place.width_count * piece_bytes]

    def _checked(self) -> _Grown | None:
        if not self._is_open:
            raise LedgerStopped(
                "The ledger was not opened: nothing is added before the witnesses were asked."
            )
        return self._grown

    def _add(
        self, rows: LedgerRows, known: _Grown | None, batches: Sequence[VerifiedBatch], now_ms: int
    ) -> tuple[list[PlacedBatch], _Grown]:
        head = rows.head()
        grown = known
        if grown is None or grown.edge.size_count != head.size_count:
            grown = _load(rows, head)
        # 1. Add entries.
        placed: list[PlacedBatch] = []
        added: dict[tuple[str, bytes], PlacedBatch] = {}
        entries: list[bytes] = []
        for batch in batches:
            name = (batch.member, batch.sha256)
            found = added.get(name) or rows.batch(*name)
            if found is None:
                found = PlacedBatch(head.size_count + len(entries), len(batch.commitments))
                added[name] = found
                entries += batch.commitments
                rows.add_batch(*name, found, now_ms)
            placed.append(found)
        self._on_step(Step.ENTRIES_ADDED)
        # 2. Write tiles.
        growth = grown.edge.extended([leaf_hash(entry) for entry in entries])
        bundles = bundles_of(head.size_count, grown.tail, entries)
        rows.keep_tiles([*bundles.bundles, *growth.tiles])
        rows.grow(growth.edge.size_count)
        self._on_step(Step.TILES_WRITTEN)
        # 3. Sync: the store commits.
        return placed, _Grown(growth.edge, bundles.tail)

    async def _signed(self, head: LedgerHead, edge: Edge) -> Note:
        if head.signed_note and head.signed_count == head.size_count:
            return parse_note(head.signed_note.encode())
        key = self._signer.key
        text = Checkpoint(self.origin, head.size_count, edge.root()).text()
        # 4. Sign.
        signature = NoteSignature(key.name, key.key_id, await self._signer.sign(text.encode()))
        note = Note(text, (signature,))
        if not check(note, key):
            raise LedgerStopped(
                f"The key that signs is not {key.text()}: configure the one that was published."
            )
        self._on_step(Step.SIGNED)
        # 5. Swap.
        is_kept = await self._store.run(
            LANE,
            lambda uow: uow.room(LEDGER).swap_signed(head.signed_count, head.size_count, note.encoded()),
        )
        if not is_kept:
            raise LedgerStopped(
                "Another process signs for this log: stop all but one, and start this one again."
            )
        self._on_step(Step.SWAPPED)
        return note

    def _good(self, note: Note, lines: Sequence[NoteSignature]) -> list[NoteSignature]:
        good: list[NoteSignature] = []
        for key in self._witnesses.keys:
            of_key = [line for line in lines if line.is_by(key)][:1]
            if cosignature_of(Note(note.text, tuple(of_key)), key) is not None:
                good += of_key
        return good

    def _prover(self, size_count: int) -> Prove:
        async def prove(old_count: int) -> tuple[bytes, ...]:
            return await self._store.read(
                LANE,
                lambda uow: consistency_from_tiles(old_count, size_count, _reader(uow.room(LEDGER))),
            )

        return prove

    async def _holds(self, data: bytes, head: LedgerHead, source: str) -> bool:
        """Whether `data` is a checkpoint that this log signed; raises `LedgerStopped` where the tree does not extend it."""
        try:
            found = read_signed(data, self._signer.key)
        except MalformedNote:
            return False
        if found is None or found[0].origin != self.origin:
            return False
        seen = found[0]
        if seen.size_count > head.size_count:
            raise LedgerStopped(
                f"The tree has {head.size_count} entries, and {source} holds a checkpoint of {seen.size_count} that this log "
                "signed: the database is older than what was published. Restore a newer one."
            )
        root = await self._store.read(
            LANE, lambda uow: root_from_tiles(seen.size_count, _reader(uow.room(LEDGER)))
        )
        if root != seen.root:
            raise LedgerStopped(
                f"At {seen.size_count} entries the tree has another root than the checkpoint that {source} holds and this log "
                "signed: entries were changed. Restore the database from before."
            )
        return True


def _load(rows: LedgerRows, head: LedgerHead) -> _Grown:
    """The right edge as the store has it: a few tiles, however large the tree is."""
    count = head.size_count % WIDTH_COUNT
    tail: tuple[bytes, ...] = ()
    if count:
        bundle = _found(rows, TilePlace(None, head.size_count // WIDTH_COUNT, count))
        tail = tuple(parse_bundle(bundle[: count * BUNDLED_ENTRY_BYTES]))
    return _Grown(edge_from(head.size_count, _reader(rows)), tail)


def _reader(rows: LedgerRows) -> ReadTile:
    return lambda place: _found(rows, place)


def _found(rows: LedgerRows, place: TilePlace) -> bytes:
    tile = rows.tile(place)
    if tile is None:
        raise LedgerStopped(f"{place.path()} is missing in the store: restore the database.")
    return tile
