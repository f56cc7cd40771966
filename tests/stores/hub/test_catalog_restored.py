"""A restored hub is searched at once, whichever engine it was backed up from and restored on."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ashiato.hub.catalog.ports import CATALOG
from ashiato.hub.catalog.publishing import Outcome, enter, prepare
from ashiato.hub.catalog.searching import search
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.hub import backups
from ashiato.stores.hub.rooms import HUB_CHAINS, hub_furnishing
from ashiato.stores.unit_of_work import SqlUnitOfWork
from ashiato.trust.standing import Standing
from tests.hub.catalog.publishing_company import MAKER, NOW_MS, OTHER, publication, query
from tests.postgresql_server import fresh_database
from tests.stores.hub.conftest import HUB


@pytest.fixture(params=["sqlite", "postgresql"])
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the backup is restored."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path}/restored/hub.db"
        else:
            yield stack.enter_context(fresh_database(request.getfixturevalue("postgresql_url")))


def publish(uow: SqlUnitOfWork, *names: str) -> list[Outcome]:
    return [enter(uow.room(CATALOG), prepare(publication(name), {}, NOW_MS)) for name in names]


def found(uow: SqlUnitOfWork) -> list[str]:
    page = search(uow.room(CATALOG), Standing(OTHER), NOW_MS, query("電池"))
    return [hit.found.record.publication.asset_id for hit in page.hits]


async def test_what_was_published_is_found_and_what_comes_then_too(
    hub_store: SqlStore, store_url: str, target_url: str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(b"{}")
    await hub_store.run(MAKER, lambda uow: publish(uow, "a", "b"))
    backups.back_up(store_url, {"keys.json": keys}, tmp_path / "backup", HUB, NOW_MS, HUB_CHAINS)
    restored_keys = {"keys.json": tmp_path / "restored" / "keys.json"}
    backups.restore(tmp_path / "backup", target_url, restored_keys, HUB, HUB_CHAINS)
    restored = await open_store(target_url, "node-1", hub_furnishing(HUB))
    try:
        assert await restored.read(HUB, found) == ["b", "a"]
        assert await restored.run(MAKER, lambda uow: publish(uow, "b", "c")) == ["unchanged", "entered"]
        assert await restored.read(HUB, found) == ["c", "b", "a"]
    finally:
        await restored.close()
