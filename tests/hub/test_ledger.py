import shutil
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from ashiato.hub.ledger import Ledger, LedgerBehind, LedgerStopped
from ashiato.log.checkpoints import cosignature_of, parse_checkpoint, read_signed
from ashiato.log.merkle import consistency_ranges, is_included, leaf_hash, root_of
from ashiato.log.notes import parse_note
from ashiato.log.tiles import TilePlace, inclusion_from_tiles, leaf_tile_of, parse_bundle
from ashiato.log.witnessing import Answer
from ashiato.stores.engine import SqlStore
from tests.hub.ledgers import KeyInHand, Watchers, ledger, member_key, opened, verified

NOW_MS = 1_790_000_000_000


def commitments(start: int, count: int) -> list[bytes]:
    return [sha256(number.to_bytes(8)).digest() for number in range(start, start + count)]


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[SqlStore]:
    opened_store = await opened(store_url)
    yield opened_store
    await opened_store.close()


async def started(store: SqlStore) -> tuple[Ledger, KeyInHand, Watchers]:
    signer = KeyInHand()
    watchers = Watchers(signer.key)
    made = ledger(store, signer, watchers)
    await made.open()
    return made, signer, watchers


async def test_an_acknowledged_entry_is_in_a_checkpoint_that_log_and_witness_signed(store: SqlStore) -> None:
    made, signer, watchers = await started(store)
    member = member_key()
    first, second = await made.sequence(
        [verified(commitments(0, 300), member), verified(commitments(300, 200), member)], NOW_MS
    )
    assert (first.first_index, first.entries_count, second.first_index) == (0, 300, 300)
    found = read_signed(first.checkpoint.encode(), signer.key)
    assert found is not None
    head, note = found
    assert head.size_count == 500
    assert head.root == root_of([leaf_hash(entry) for entry in commitments(0, 500)])
    assert cosignature_of(note, watchers.keys[0]) is not None
    assert await made.checkpoint() == first.checkpoint
    tiles = {
        place: await made.tile(place)
        for place in (TilePlace(0, 0), TilePlace(0, 1, 244), TilePlace(1, 0, 1), TilePlace(None, 1, 244))
    }
    bundle = tiles[TilePlace(None, 1, 244)]
    assert bundle is not None
    assert parse_bundle(bundle) == commitments(256, 244)
    assert leaf_tile_of(bundle) == tiles[TilePlace(0, 1, 244)]
    proof = inclusion_from_tiles(411, 500, lambda place: tiles[place] or b"")
    assert is_included(leaf_hash(commitments(411, 1)[0]), 411, 500, proof, head.root)


async def test_older_widths_of_a_tile_are_served_and_wider_ones_than_published_are_not(
    store: SqlStore,
) -> None:
    made, _, _ = await started(store)
    await made.sequence([verified(commitments(0, 5), member_key())], NOW_MS)
    three = await made.tile(TilePlace(0, 0, 3))
    assert three == b"".join(leaf_hash(entry) for entry in commitments(0, 3))
    assert await made.tile(TilePlace(0, 0, 6)) is None
    assert await made.tile(TilePlace(0, 1, 1)) is None
    assert await made.tile(TilePlace(None, 0, 256)) is None
    assert await made.tile(TilePlace(7, 0, 1)) is None


async def test_a_batch_that_is_posted_again_is_told_where_it_stands(store: SqlStore) -> None:
    made, signer, _ = await started(store)
    member = member_key()
    batch = verified(commitments(0, 3), member)
    (first, twin) = await made.sequence([batch, batch], NOW_MS)
    assert first.first_index == twin.first_index == 0
    (again,) = await made.sequence([batch], NOW_MS + 1)
    assert again == first
    # Another member's batch of the same commitments is another batch.
    (other,) = await made.sequence(
        [verified(commitments(0, 3), member_key("did:web:pack.example#k"))], NOW_MS
    )
    assert other.first_index == 3
    assert [text.split("\n")[1] for text in signer.signed] == ["0", "3", "6"]


async def test_a_ledger_that_starts_again_goes_on_where_it_was(store: SqlStore) -> None:
    made, signer, watchers = await started(store)
    member = member_key()
    for start, count in ((0, 1), (1, 254), (255, 1), (256, 1), (257, 300)):
        await made.sequence([verified(commitments(start, count), member)], NOW_MS)
        # As after a restart: nothing in memory is kept.
        made = ledger(store, signer, watchers)
        await made.open()
    note = await made.checkpoint()
    assert note is not None
    head = parse_checkpoint(parse_note(note.encode()))
    assert (head.size_count, head.root) == (557, root_of([leaf_hash(entry) for entry in commitments(0, 557)]))
    assert len(signer.signed) == 6, "a restart signs nothing anew"


async def test_nothing_is_added_or_signed_before_the_witnesses_answer(store: SqlStore) -> None:
    signer = KeyInHand()
    watchers = Watchers(signer.key)
    watchers.silent.add("cell.example")
    made = ledger(store, signer, watchers)
    with pytest.raises(LedgerBehind, match=r"do not answer: cell\.example"):
        await made.open()
    with pytest.raises(LedgerStopped, match="was not opened"):
        await made.sequence([verified(commitments(0, 1), member_key())], NOW_MS)
    with pytest.raises(LedgerStopped, match="was not opened"):
        await made.finish()
    assert signer.signed == []
    watchers.silent.clear()
    # An answer that is no checkpoint of this log is as good as none.
    watchers.notes["cell.example"] = b"all is well\n"
    with pytest.raises(LedgerBehind):
        await made.open()


async def test_of_three_witnesses_and_a_quorum_of_two_one_may_be_silent_at_the_start(store: SqlStore) -> None:
    signer = KeyInHand()
    watchers = Watchers(signer.key, ("cell.example", "pack.example", "car.example"))
    made = ledger(store, signer, watchers, quorum_count=2)
    watchers.silent = {"pack.example"}
    await made.open()
    watchers.silent = {"pack.example", "car.example"}
    with pytest.raises(LedgerBehind, match="1 of the 2 witnesses"):
        await made.sequence([verified(commitments(0, 2), member_key())], NOW_MS)
    # Nobody was told of these entries; they are published as soon as enough witnesses answer.
    published = await made.checkpoint()
    assert published is not None
    assert "\n0\n" in published
    watchers.silent = {"car.example"}
    assert "\n2\n" in await made.finish()


async def test_a_quorum_that_no_witness_is_needed_for_is_refused_where_there_are_some(
    store: SqlStore,
) -> None:
    signer = KeyInHand()
    with pytest.raises(LedgerStopped, match="quorum of 0"):
        ledger(store, signer, Watchers(signer.key), quorum_count=0)
    with pytest.raises(LedgerStopped, match="quorum of 2"):
        ledger(store, signer, Watchers(signer.key), quorum_count=2)


async def test_a_restored_old_backup_signs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    signer = KeyInHand()
    watchers = Watchers(signer.key)
    member = member_key()
    store = await opened(f"sqlite:///{path}")
    made = ledger(store, signer, watchers)
    await made.open()
    await made.sequence([verified(commitments(0, 10), member)], NOW_MS)
    await store.close()
    shutil.copy(path, tmp_path / "backup.db")
    store = await opened(f"sqlite:///{path}")
    made = ledger(store, signer, watchers)
    await made.open()
    await made.sequence([verified(commitments(10, 5), member)], NOW_MS)
    await store.close()

    shutil.copy(tmp_path / "backup.db", path)
    count = len(signer.signed)
    store = await opened(f"sqlite:///{path}")
    made = ledger(store, signer, watchers)
    with pytest.raises(LedgerStopped, match=r"has 10 entries, and cell\.example holds a checkpoint of 15"):
        await made.open()
    with pytest.raises(LedgerStopped):
        await made.sequence([verified(commitments(100, 5), member)], NOW_MS)
    await store.close()
    assert len(signer.signed) == count


async def test_a_hub_that_forks_is_refused_by_the_witness_and_by_its_own_start(tmp_path: Path) -> None:
    signer = KeyInHand()
    watchers = Watchers(signer.key)
    member = member_key()
    store = await opened(f"sqlite:///{tmp_path}/hub.db")
    made = ledger(store, signer, watchers)
    await made.open()
    await made.sequence([verified(commitments(0, 10), member)], NOW_MS)
    await store.close()

    # The same key over another history, by a hub that pretends to have asked.
    shown_to_others = await opened(f"sqlite:///{tmp_path}/other.db")
    blind = Watchers(signer.key)
    forked = ledger(shown_to_others, signer, blind)
    await forked.open()
    await forked.sequence([verified(commitments(500, 12), member)], NOW_MS)
    lying = ledger(shown_to_others, signer, watchers)
    with pytest.raises(LedgerStopped, match="another root"):
        await lying.open()
    note = await forked.checkpoint()
    assert note is not None
    others = [leaf_hash(entry) for entry in commitments(500, 12)]

    async def prove(old_count: int) -> tuple[bytes, ...]:
        return tuple(root_of(others[start:end]) for start, end in consistency_ranges(old_count, 12))

    lines = await watchers.cosign(parse_note(note.encode()), 12, prove)
    assert lines == []
    assert watchers.refusals == [Answer.INCONSISTENT]
    await shown_to_others.close()


async def test_a_second_process_on_the_same_log_does_not_sign(store: SqlStore) -> None:
    made, signer, watchers = await started(store)
    other = ledger(store, signer, watchers)
    await other.open()
    await made.sequence([verified(commitments(0, 2), member_key())], NOW_MS)
    # It finds the tree larger than it knew, and goes on from there.
    (placed,) = await other.sequence([verified(commitments(2, 2), member_key())], NOW_MS)
    assert placed.first_index == 2
    sizes = [text.split("\n")[1] for text in signer.signed]
    assert len(sizes) == len(set(sizes))


async def test_a_log_whose_key_was_lost_signs_nothing_under_a_new_one(store: SqlStore) -> None:
    made, signer, watchers = await started(store)
    await made.sequence([verified(commitments(0, 2), member_key())], NOW_MS)
    fresh = KeyInHand()
    with pytest.raises(LedgerStopped, match="configure the key that signed it"):
        await ledger(store, fresh, watchers).open()
    assert fresh.signed == []
    assert signer.signed
