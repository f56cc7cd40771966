import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from ashiato.stores.engine import open_store
from ashiato.stores.errors import StoreInUse, StoreUnavailable
from tests.stores.conftest import OpenStore
from tests.stores.samples import MAKER, asset


async def test_one_file_belongs_to_one_process(tmp_path: Path, opened: OpenStore) -> None:
    url = f"sqlite:///{tmp_path}/connector.db"
    first = await opened(url, "node-1")
    with pytest.raises(StoreInUse, match=r"connector\.db"):
        await open_store(url, "node-2")
    await first.close()
    await opened(url, "node-2")


async def test_the_files_are_for_their_owner_alone(tmp_path: Path, opened: OpenStore) -> None:
    store = await opened(f"sqlite:///{tmp_path}/connector.db", "node-1")
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset()))
    modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in tmp_path.iterdir()}
    names = ["connector.db", "connector.db-shm", "connector.db-wal", "connector.db.lock"]
    assert modes == dict.fromkeys(names, 0o600)


async def test_commits_wait_for_the_disk_and_readers_cannot_write(
    tmp_path: Path, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = _watch_connections(monkeypatch)
    await opened(f"sqlite:///{tmp_path}/connector.db", "node-1")
    settings = [
        tuple(connection.execute(f"PRAGMA {name}").fetchone()[0] for name in _PRAGMAS)
        for connection in connections[1:]
    ]
    # FULL is 2. The first connection has migrated and is closed; one writer and two readers remain.
    assert sorted(settings) == [("wal", 2, 1, 10_000, 0), *[("wal", 2, 1, 10_000, 1)] * 2]


async def test_a_full_disk_is_told_as_such_and_leaves_the_store_in_order(
    tmp_path: Path, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = _watch_connections(monkeypatch)
    store = await opened(f"sqlite:///{tmp_path}/connector.db", "node-1")
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset("before")))
    for connection in connections[1:]:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreUnavailable, match="full"):
        await store.run(MAKER, lambda uow: uow.assets.put_record("before", bytes(1_000_000)))
    for connection in connections[1:]:
        connection.execute("PRAGMA max_page_count = 1000000")
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset("after")))
    found = await store.read(MAKER, lambda uow: uow.assets.list_assets("", 9))
    assert [one.asset_id for one in found] == ["after", "before"]
    assert await store.read(MAKER, lambda uow: uow.assets.record("before")) is None


async def test_a_file_that_is_no_database_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "connector.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await open_store(f"sqlite:///{path}", "node-1")
    path.unlink()
    store = await open_store(f"sqlite:///{path}", "node-1")
    await store.close()


async def test_a_database_that_somebody_else_keeps_locked_is_told_as_such(
    tmp_path: Path, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ashiato.stores.sqlite.BUSY_TIMEOUT_MS", 50)
    path = tmp_path / "connector.db"
    store = await opened(f"sqlite:///{path}", "node-1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.run(MAKER, lambda uow: uow.assets.put_asset(asset()))
    assert await store.read(MAKER, lambda uow: uow.assets.asset("asset-1")) is None
    other.execute("ROLLBACK")
    other.close()
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset()))
    assert await store.read(MAKER, lambda uow: uow.assets.asset("asset-1")) == asset()


_PRAGMAS = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")


def _watch_connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    made: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def watched(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        made.append(connect(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr("ashiato.stores.sqlite.sqlite3.connect", watched)
    return made
