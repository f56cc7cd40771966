import asyncio
from collections.abc import Callable

import msgspec
import pytest
import sqlalchemy
from sqlalchemy import create_engine, inspect

from ashiato.stores.engine import open_store
from ashiato.stores.errors import StatementRefused, StoreTooNew
from ashiato.stores.migrations import CONNECTOR
from ashiato.stores.schema import METADATA
from tests.stores.conftest import OpenStore
from tests.stores.samples import MAKER, access, asset

Know = Callable[..., None]

VERSION_2 = ("ALTER TABLE asset ADD COLUMN colour {TEXT}", "CREATE TABLE extra (data {BYTES} NOT NULL)")
BROKEN_VERSION_2 = ("CREATE TABLE extra (data {BYTES} NOT NULL)", "ALTER TABLE nowhere ADD COLUMN x {TEXT}")
# What is looked up for all participants at once.
NOT_BY_PARTICIPANT = {"outbox_by_ready", "presentation_by_age", "seen_token_by_expiry"}


@pytest.fixture
def know(monkeypatch: pytest.MonkeyPatch) -> Know:
    """Makes the program know the versions it is given."""

    def set_versions(*versions: tuple[str, ...]) -> None:
        monkeypatch.setattr("ashiato.stores.sqlite.CONNECTOR", versions)
        monkeypatch.setattr("ashiato.stores.postgresql.CONNECTOR", versions)

    return set_versions


def _inspect(url: str) -> sqlalchemy.Inspector:
    engine = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sqlalchemy.NullPool
    )
    return inspect(engine)


async def test_the_tables_are_those_that_the_statements_know(store_url: str, opened: OpenStore) -> None:
    await opened(store_url, "node-1")
    found = _inspect(store_url)
    assert set(found.get_table_names()) == {*METADATA.tables, "schema_version"}
    for table in METADATA.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}, table.name
        key = found.get_pk_constraint(table.name)["constrained_columns"]
        assert key == [column.name for column in table.primary_key], table.name


async def test_every_key_and_index_begins_with_the_participant(store_url: str, opened: OpenStore) -> None:
    await opened(store_url, "node-1")
    found = _inspect(store_url)
    others = set()
    for name in METADATA.tables:
        assert found.get_pk_constraint(name)["constrained_columns"][0] == "participant_id", name
        for index in found.get_indexes(name):
            if index["column_names"][0] != "participant_id":
                others.add(index["name"])
        if name != "participant":
            for constraint in found.get_unique_constraints(name):
                assert constraint["column_names"][0] == "participant_id", name
    assert {name for name in others if name and "slug" not in name} == NOT_BY_PARTICIPANT


async def test_accesses_of_the_first_version_are_found_by_their_transfer(
    store_url: str, opened: OpenStore, know: Know
) -> None:
    know(CONNECTOR[0])
    first = await opened(store_url, "node-1")
    await first.close()
    engine = create_engine(
        store_url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sqlalchemy.NullPool
    )
    old = access("old", transfer_pid='urn:uuid:"1"\\', mark="\u2028")
    values = {"participant_id": MAKER, "body": msgspec.json.encode(old).decode()}
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("INSERT INTO access VALUES (:participant_id, 'old', 'agreement-1', 1, :body)"),
            values,
        )
    engine.dispose()
    know(*CONNECTOR)
    second = await opened(store_url, "node-1")
    found = await second.read(MAKER, lambda uow: uow.transfers.accesses_of_transfer(old.transfer_pid, 9))
    assert found == [old]


async def test_a_newer_program_brings_the_database_up_and_keeps_what_is_there(
    store_url: str, opened: OpenStore, know: Know
) -> None:
    first = await opened(store_url, "node-1")
    await first.run(MAKER, lambda uow: uow.assets.put_asset(asset()))
    await first.close()

    know(*CONNECTOR, VERSION_2)
    second = await opened(store_url, "node-1")
    assert await second.read(MAKER, lambda uow: uow.assets.asset("asset-1")) == asset()
    await second.close()
    found = _inspect(store_url)
    assert "colour" in [column["name"] for column in found.get_columns("asset")]
    assert "extra" in found.get_table_names()

    # The third start finds nothing to do.
    await opened(store_url, "node-1")


async def test_an_older_program_refuses_a_newer_database(
    store_url: str, opened: OpenStore, know: Know
) -> None:
    know(*CONNECTOR, VERSION_2)
    newer = await opened(store_url, "node-1")
    await newer.close()
    know(*CONNECTOR)
    with pytest.raises(
        StoreTooNew, match=f"version {len(CONNECTOR) + 1}, this program knows up to {len(CONNECTOR)}"
    ):
        await open_store(store_url, "node-1")


async def test_a_migration_that_fails_changes_nothing(store_url: str, opened: OpenStore, know: Know) -> None:
    first = await opened(store_url, "node-1")
    await first.close()
    know(*CONNECTOR, BROKEN_VERSION_2)
    with pytest.raises(StatementRefused):
        await open_store(store_url, "node-1")
    assert "extra" not in _inspect(store_url).get_table_names()
    know(*CONNECTOR)
    await opened(store_url, "node-1")


async def test_processes_that_start_together_on_an_empty_database_all_start(
    postgresql_database: str, opened: OpenStore
) -> None:
    stores = await asyncio.gather(*(opened(postgresql_database, f"node-{number}") for number in range(4)))
    await stores[0].run(MAKER, lambda uow: uow.assets.put_asset(asset()))
    for store in stores:
        assert await store.read(MAKER, lambda uow: uow.assets.asset("asset-1")) == asset()
