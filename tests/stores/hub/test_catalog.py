"""The catalog on each engine finds exactly what rows without an index find."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from random import Random
from typing import TypeVar

import pytest

from ashiato.hub.catalog.indexing import Query, keys_of_audiences, keys_of_query
from ashiato.hub.catalog.ports import CATALOG, CatalogRows
from ashiato.hub.catalog.publishing import Outcome, enter, prepare, withdraw
from ashiato.hub.catalog.searching import Page, search
from ashiato.hub.catalog.visibility import keys_of_caller
from ashiato.statements.publications import Publication, record_iri
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.hub import catalog as sql
from ashiato.stores.hub.rooms import hub_furnishing
from ashiato.stores.unit_of_work import SqlUnitOfWork
from ashiato.trust.standing import Standing
from tests.hub.catalog.publishing_company import (
    ANYBODY,
    BUYER,
    CELL_MAKERS,
    MAKER,
    NOW_MS,
    OTHER,
    Rows,
    offer,
    publication,
    query,
)

T = TypeVar("T")
HUB = "did:web:hub.example"
CALLERS = (Standing(OTHER), Standing(BUYER, {"role": frozenset({"cell_maker"})}), Standing(MAKER))
NAMES = ("電池", "排出量", "正極材", "cathode", "footprint", "LFP", "NMC")


class Hub:
    """The hub's store and what it should hold."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.by_hand = Rows()

    async def both(self, work: Callable[[CatalogRows], T]) -> T:
        """What the store answers, which the rows in memory answer too."""
        found = await self.store.run(MAKER, lambda uow: work(uow.room(CATALOG)))
        assert found == work(self.by_hand)
        return found


@pytest.fixture
async def hub(store_url: str) -> AsyncIterator[Hub]:
    store = await open_store(store_url, "hub-1", hub_furnishing(HUB))
    try:
        yield Hub(store)
    finally:
        await store.close()


def entered(*publications: Publication) -> Callable[[CatalogRows], list[Outcome]]:
    """Enters them all; whoever publishes is a recycler."""
    claims = {"role": frozenset({"recycler"}), "certification": frozenset({"CFB-EV"})}
    return lambda rows: [enter(rows, prepare(one, claims, NOW_MS)) for one in publications]


async def test_publishing_changing_and_withdrawing_end_alike(hub: Hub) -> None:
    first, second = publication("a"), publication("b", data_item="D-01")
    assert await hub.both(entered(first, second, first)) == ["entered", "entered", "unchanged"]
    changed = publication("a", revision=2, title={"ja": "正極材"})
    assert await hub.both(entered(changed, publication("b", revision=0), second)) == [
        "changed",
        "stale",
        "unchanged",
    ]
    assert await hub.both(lambda rows: withdraw(rows, MAKER, "b", 2)) is Outcome.WITHDRAWN
    assert await hub.both(entered(second)) == ["stale"]
    assert await hub.both(lambda rows: withdraw(rows, MAKER, "b", 1)) is Outcome.STALE
    await hub.both(lambda rows: rows.heard_of(MAKER, NOW_MS))
    await hub.both(lambda rows: [rows.by_iri(record_iri(MAKER, name)) for name in ("a", "b")])
    assert len(await hub.both(lambda rows: search(rows, CALLERS[0], NOW_MS, query("正極材")).hits)) == 1
    assert not await hub.both(lambda rows: search(rows, CALLERS[0], NOW_MS, query("電池")).hits)


async def test_a_name_belongs_to_whom_published_it_first(hub: Hub) -> None:
    theirs = publication("urn:x:1", publisher=OTHER)
    assert await hub.both(entered(publication("urn:x:1"), theirs)) == ["entered", "taken"]
    assert await hub.both(lambda rows: withdraw(rows, OTHER, "urn:x:1", 5)) is Outcome.TAKEN


def hear_of_maker(at_ms: int, uow: SqlUnitOfWork) -> None:
    uow.room(CATALOG).heard_of(MAKER, at_ms)


def searched(caller: Standing, wanted: Query, below: int) -> Callable[[CatalogRows], Page]:
    return lambda rows: search(rows, caller, NOW_MS, wanted, below, 4)


async def test_an_older_sign_of_life_does_not_count(hub: Hub) -> None:
    await hub.both(entered(publication()))
    for at_ms in (NOW_MS, NOW_MS - 5):
        await hub.store.run(MAKER, partial(hear_of_maker, at_ms))
    found = await hub.store.read(MAKER, lambda uow: uow.room(CATALOG).by_iri(record_iri(MAKER, "cells")))
    assert found is not None
    assert found.seen_ms == NOW_MS


async def test_every_search_finds_what_looking_at_everything_finds(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So small that most searches go on behind it.
    monkeypatch.setattr(sql, "WINDOW_COUNT", 5)
    draw = Random(5)
    published = [_drawn(draw, number) for number in range(60)]
    await hub.both(entered(*published))
    await hub.both(lambda rows: [withdraw(rows, MAKER, f"a{number}", 9) for number in range(0, 60, 7)])
    hits_count = 0
    for caller in CALLERS:
        for wanted in _queries():
            for below in (2**62, 40, 3):
                page = await hub.both(searched(caller, wanted, below))
                hits_count += len(page.hits)
    assert hits_count > 100


def _drawn(draw: Random, number: int) -> Publication:
    rule = draw.choice(((), (CELL_MAKERS,), (ANYBODY,)))
    return publication(
        f"a{number}",
        title={"ja": "".join(draw.choices(NAMES, k=2)), "en": " ".join(draw.choices(NAMES[3:], k=2))},
        data_item=draw.choice(("D-01", "D-08", "")),
        region=draw.choice(("JP", "JP-23", "KR")),
        modified_ms=NOW_MS - draw.randrange(4) * 1000,
        offers=tuple(offer(name, *rule) for name in draw.sample(("x", "y"), draw.randrange(3))),
        shown=draw.choice(("listed", "offered", "offered")),
    )


def _queries() -> list[Query]:
    found = [query(name) for name in NAMES] + [query("材"), query("cat"), query("電池 LFP")]
    found += [query(data_item="D-01"), query(region="JP"), query("電池", region="KR"), query(role="recycler")]
    return [*found, Query(), Query(modified_since_ms=NOW_MS - 1000)]


async def test_the_keys_of_a_withdrawn_record_are_gone_too(hub: Hub) -> None:
    await hub.both(entered(publication()))
    await hub.both(lambda rows: withdraw(rows, MAKER, "cells", 1))
    every, one_of = keys_of_query(Query()), keys_of_audiences(keys_of_caller(CALLERS[0]))
    assert not await hub.both(
        lambda rows: rows.find(every, one_of, modified_since_ms=None, below=2**62, limit_count=5)
    )
    # The number of what is gone is not given to what comes.
    await hub.store.run(MAKER, lambda uow: entered(publication("next"))(uow.room(CATALOG)))
    found = await hub.store.read(MAKER, lambda uow: uow.room(CATALOG).by_iri(record_iri(MAKER, "next")))
    assert found is not None
    assert found.number > 1
