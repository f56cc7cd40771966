import asyncio

import pytest
import sqlalchemy
from sqlalchemy import create_engine, inspect

from ashiato.facts.moments import Moment
from ashiato.facts.transactions import Conflict
from ashiato.hub import registry
from ashiato.hub.onboarding import Act, PartyState
from ashiato.hub.parties import CompanyData, PartyRecord, Step
from ashiato.hub.ports import PARTIES, UnitOfWork
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.errors import StoreTooNew
from ashiato.stores.hub.migrations import HUB_CHAIN
from ashiato.stores.hub.rooms import HUB_METADATA, hub_furnishing
from tests.hubs import corporate_number
from tests.stores.hub.conftest import HUB

MAKER, OTHER = "did:web:maker.example", "did:web:other.example"
NUMBER = f"corporate_number:{corporate_number(1)}"


def record(party_id: str, state: PartyState = PartyState.APPLIED) -> PartyRecord:
    company = CompanyData(name="Maker", country="JP", identifiers=(NUMBER,))
    return PartyRecord(party_id=party_id, state=state, company=company, created_ms=1, updated_ms=2)


async def test_the_tables_are_those_that_the_statements_know(store_url: str, hub_store: SqlStore) -> None:
    url = store_url.replace("postgresql://", "postgresql+psycopg://")
    found = inspect(create_engine(url, poolclass=sqlalchemy.NullPool))
    assert {*HUB_METADATA.tables, HUB_CHAIN.table} <= set(found.get_table_names())
    for table in HUB_METADATA.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}, table.name
        key = found.get_pk_constraint(table.name)["constrained_columns"]
        assert key == [column.name for column in table.primary_key], table.name


async def test_a_party_is_found_as_it_was_put(hub_store: SqlStore) -> None:
    await hub_store.run(MAKER, lambda uow: uow.room(PARTIES).put(record(MAKER)))
    assert await hub_store.read(MAKER, lambda uow: uow.room(PARTIES).get(MAKER)) == record(MAKER)
    assert await hub_store.read(MAKER, lambda uow: uow.room(PARTIES).get(OTHER)) is None


async def test_parties_come_in_pages_and_by_state(hub_store: SqlStore) -> None:
    states = (PartyState.APPLIED, PartyState.ADMITTED, PartyState.APPLIED)

    def put(uow: UnitOfWork) -> None:
        for number, state in enumerate(states):
            uow.room(PARTIES).put(record(f"did:web:{number}.example", state))

    await hub_store.run(HUB, put)

    async def ids(after_id: str, limit_count: int, state: str | None = None) -> list[str]:
        found = await hub_store.read(
            HUB, lambda uow: uow.room(PARTIES).page(after_id, limit_count, state=state)
        )
        return [one.party_id for one in found]

    assert await ids("", 2) == ["did:web:0.example", "did:web:1.example"]
    assert await ids("did:web:1.example", 2) == ["did:web:2.example"]
    assert await ids("", 9, "applied") == ["did:web:0.example", "did:web:2.example"]
    counts = await hub_store.read(HUB, lambda uow: uow.room(PARTIES).counts())
    assert counts == {"applied": 2, "admitted": 1}


async def test_a_number_is_held_by_one_party_until_it_lets_it_go(hub_store: SqlStore) -> None:
    await hub_store.run(MAKER, lambda uow: uow.room(PARTIES).hold(MAKER, [NUMBER, "gln:1"]))
    with pytest.raises(Conflict):
        await hub_store.run(OTHER, lambda uow: uow.room(PARTIES).hold(OTHER, [NUMBER]))
    await hub_store.run(MAKER, lambda uow: uow.room(PARTIES).hold(MAKER, ["gln:1"]))
    await hub_store.run(OTHER, lambda uow: uow.room(PARTIES).hold(OTHER, [NUMBER]))
    holders = await hub_store.read(HUB, lambda uow: uow.room(PARTIES).holders_of([NUMBER, "gln:1", "gln:2"]))
    assert holders == {NUMBER: OTHER, "gln:1": MAKER}


async def test_steps_are_kept_in_order_and_none_is_replaced(hub_store: SqlStore) -> None:
    steps = [
        Step(sequence=number, act=Act.APPLY, before=None, after=PartyState.APPLIED, actor="a", at_ms=number)
        for number in range(3)
    ]

    def add(uow: UnitOfWork) -> None:
        for step in reversed(steps):
            uow.room(PARTIES).add_step(MAKER, step)

    await hub_store.run(MAKER, add)
    assert await hub_store.read(MAKER, lambda uow: uow.room(PARTIES).steps(MAKER)) == steps
    with pytest.raises(Conflict):
        await hub_store.run(MAKER, lambda uow: uow.room(PARTIES).add_step(MAKER, steps[0]))


async def test_of_many_applications_with_one_number_at_the_same_moment_one_wins(hub_store: SqlStore) -> None:
    company = CompanyData(name="Maker", country="JP", identifiers=(NUMBER,))
    dids = [f"did:web:{number}.example" for number in range(12)]

    async def apply(party_id: str) -> bool:
        moment = Moment(1, lambda: "id")
        try:
            await hub_store.run(
                party_id,
                lambda uow: registry.apply(uow, party_id, company, party_id, moment, is_proved=True),
            )
        except (registry.Taken, Conflict):
            return False
        return True

    won = await asyncio.gather(*(apply(party_id) for party_id in dids))
    assert sum(won) == 1
    winner = dids[won.index(True)]
    holders = await hub_store.read(HUB, lambda uow: uow.room(PARTIES).holders_of([NUMBER]))
    assert holders == {NUMBER: winner}
    kept = await hub_store.read(HUB, lambda uow: uow.room(PARTIES).page("", 99))
    assert [one.party_id for one in kept] == [winner]


async def test_the_hub_of_a_newer_program_is_not_opened(store_url: str) -> None:
    furnishing = hub_furnishing(HUB)
    newer = HUB_CHAIN._replace(versions=(*HUB_CHAIN.versions, ("CREATE TABLE later (data {TEXT})",)))
    await (await open_store(store_url, "node-1", furnishing._replace(chains=(newer,)))).close()
    with pytest.raises(StoreTooNew):
        await open_store(store_url, "node-1", furnishing)
