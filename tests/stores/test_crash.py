"""What was committed before a kill -9 is there after it, whole; what was not has left nothing."""

import asyncio
import random
import sys
from pathlib import Path

from ashiato.connector.ports import UnitOfWork
from tests.stores.conftest import OpenStore
from tests.stores.samples import MAKER

KILLS_COUNT = 3
REPOSITORY = Path(__file__).resolve().parents[2]


async def test_a_killed_process_has_lost_nothing_that_it_told_of(store_url: str, opened: OpenStore) -> None:
    told: set[str] = set()
    for kill in range(KILLS_COUNT):
        told |= await _write_until_killed(store_url, first_number=kill * 1_000_000)
        store = await opened(store_url, "node-1")
        assets, deliveries, history, sequences = await store.read(MAKER, _names)
        await store.close()
        assert told <= assets
        assert assets == deliveries == history
        assert sequences == list(range(1, len(assets) + 1))
    assert len(told) >= KILLS_COUNT


async def _write_until_killed(url: str, first_number: int) -> set[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.stores.writing_program",
        url,
        str(first_number),
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    # The first line says that it writes; then it is stopped at any moment of what it does.
    lines = [await process.stdout.readline()]
    reading = asyncio.create_task(process.stdout.read())
    await asyncio.sleep(random.uniform(0, 0.15))
    process.kill()
    await process.wait()
    whole = (lines[0] + await reading).decode()
    return set(whole[: whole.rfind("\n")].split("\n"))


def _names(uow: UnitOfWork) -> tuple[set[str], set[str], set[str], list[int]]:
    assets = {found.asset_id for found in uow.assets.list_assets("", 100_000)}
    history = uow.records.list_history(0, 100_000)
    deliveries = {name for name in assets if uow.outbox.get(name) is not None}
    return assets, deliveries, {entry.event for entry in history}, [entry.sequence for entry in history]
