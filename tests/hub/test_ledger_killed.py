"""kill -9 at each step of a round: nothing acknowledged is lost, and no size has two roots."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ashiato.hub.ledger_ports import Step
from ashiato.log.checkpoints import parse_checkpoint
from ashiato.log.merkle import leaf_hash, root_of
from ashiato.log.notes import parse_note
from ashiato.log.tiles import TilePlace, parse_bundle
from tests.hub.dying_hub import (
    ENTRIES_COUNT,
    ROUNDS_COUNT,
    STOPPED,
    RecordedKey,
    RecordedWatcher,
    commitments,
    records,
)
from tests.hub.ledgers import ledger, opened

REPOSITORY = Path(__file__).resolve().parent.parent.parent
NOWHERE = "nowhere"


def run(folder: Path, url: str, step: str = NOWHERE, round_number: int = 0) -> int:
    command = [sys.executable, "-m", "tests.hub.dying_hub", str(folder), url, step, str(round_number)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode in (0, STOPPED, -signal.SIGKILL), ended.stderr
    return ended.returncode


def roots_by_size(folder: Path) -> dict[int, set[str]]:
    roots: dict[int, set[str]] = {}
    for one in records(folder / "signed.jsonl"):
        roots.setdefault(int(str(one["size"])), set()).add(str(one["root"]))
    return roots


async def in_the_log(folder: Path, url: str) -> list[bytes]:
    """The published entries, held against the published root."""
    store = await opened(url)
    signer = RecordedKey(folder)
    made = ledger(store, signer, RecordedWatcher(folder, signer))
    await made.open()
    note = await made.checkpoint()
    assert note is not None
    head = parse_checkpoint(parse_note(note.encode()))
    bundle = await made.tile(TilePlace(None, 0, head.size_count))
    await store.close()
    entries = parse_bundle(bundle or b"")
    assert root_of([leaf_hash(entry) for entry in entries]) == head.root
    return entries


@pytest.mark.parametrize("step", list(Step))
async def test_a_hub_killed_at_a_step_loses_nothing_acknowledged_and_signs_one_root_for_a_size(
    step: Step, store_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "seen"
    folder.mkdir()
    # Killed in the second round, so that the first is acknowledged; and again at the same step after the restart.
    assert run(folder, store_url, step, 1) == -signal.SIGKILL
    assert len(records(folder / "acknowledged.jsonl")) == 1
    assert run(folder, store_url, step, 2) == -signal.SIGKILL
    assert run(folder, store_url) == 0

    acknowledged = records(folder / "acknowledged.jsonl")
    assert [one["round"] for one in acknowledged] == list(range(ROUNDS_COUNT))
    entries = await in_the_log(folder, store_url)
    for one in acknowledged:
        first = int(str(one["first"]))
        assert entries[first : first + ENTRIES_COUNT] == commitments(int(str(one["round"])))
    # What was posted again after the kill stands there once.
    assert len(entries) == ROUNDS_COUNT * ENTRIES_COUNT
    assert all(len(roots) == 1 for roots in roots_by_size(folder).values())


async def test_a_hub_whose_old_backup_was_restored_refuses_to_sign(tmp_path: Path) -> None:
    folder = tmp_path / "seen"
    folder.mkdir()
    path = tmp_path / "hub.db"
    url = f"sqlite:///{path}"
    assert run(folder, url, Step.PUBLISHED, 1) == -signal.SIGKILL
    backup = tmp_path / "backup"
    backup.mkdir()
    for part in tmp_path.glob("hub.db*"):
        shutil.copy(part, backup / part.name)
    assert run(folder, url) == 0
    signed = records(folder / "signed.jsonl")

    for part in tmp_path.glob("hub.db*"):
        part.unlink()
    for part in backup.iterdir():
        shutil.copy(part, tmp_path / part.name)
    assert run(folder, url) == STOPPED
    assert records(folder / "signed.jsonl") == signed
