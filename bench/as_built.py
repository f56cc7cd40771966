"""One tier of a trace among so many serial relations on PostgreSQL: what a pack holds, and what a cell is in.

The same questions are asked of the store and, over HTTP, of the management API of a running connector on that database, which
checks who asks and whether the thing is there. The connector knows every pack as an item, and of the cells those that are asked
about and nine times as many.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from ashiato.facts.instants import FARTHEST_MS
from ashiato.stores.engine import SqlStore, open_store
from ashiato.supply.ports import FIRST_PLACE, UnitOfWork
from ashiato.supply.records import Holding, Subject, SubjectKind
from tests.companies import Company
from tests.postgresql_server import fresh_database, running_postgresql

RELATIONS_COUNT = 10_000_000
CELLS_OF_A_PACK_COUNT = 100
# Of so many cells one is known as an item, and these are asked about.
CELLS_OF_A_KNOWN_COUNT = 10
QUESTIONS_COUNT = 2000
WARM_COUNT = 100
PAGE_COUNT = 100
NOW_MS = 1_800_000_000_000

_FILL = """
INSERT INTO holding (participant_id, holder, component, from_ms, until_ms, quantity, unit)
SELECT %(company)s, 'item:pack-' || number / %(of_pack)s, 'item:cell-' || number, number, %(farthest)s, '1', 'piece'
FROM generate_series(0, %(count)s - 1) AS number
"""
# The indexes of a table as they are made again, and whether each is that of the primary key.
_INDEXES = """
SELECT indexname, indexdef, EXISTS (
    SELECT 1 FROM pg_constraint WHERE conname = indexname AND contype = 'p' AND conrelid::regclass::text = tablename
)
FROM pg_indexes WHERE tablename = %(table)s
"""
_ITEMS = """
INSERT INTO item (participant_id, record_id, of_id, serial, batch_id, plant_id, body)
SELECT %(company)s, %(part)s || '-' || number, %(part)s, number::text, '', '',
       json_build_object('item_id', %(part)s || '-' || number, 'part_id', %(part)s, 'serial', number::text)::text
FROM generate_series(0, %(count)s - 1, %(every)s) AS number
"""


async def run(relations_count: int = RELATIONS_COUNT) -> dict[str, float]:
    """Milliseconds of the first page of either question at an instant, for random things, in the store and over HTTP."""
    with (
        tempfile.TemporaryDirectory(prefix="ashiato-bench-") as name,
        running_postgresql(durable=True) as server,
        fresh_database(server) as url,
    ):
        company = Company(Path(name), ["packs"], url)
        async with company:
            load_s = await asyncio.to_thread(fill, url, company.did, relations_count)
            store = await open_store(url, "bench")
            try:
                in_store_ms = await ask(relations_count, asker_of_store(store, company.did))
            finally:
                await store.close()
            over_http_ms = await ask(relations_count, asker_over_http(company))
    return {
        "relations": relations_count,
        "load_s": round(load_s, 1),
        "trace_store_p50_ms": round(in_store_ms[len(in_store_ms) // 2], 2),
        "trace_store_p95_ms": round(in_store_ms[len(in_store_ms) * 95 // 100], 2),
        "trace_http_p50_ms": round(over_http_ms[len(over_http_ms) // 2], 2),
        "trace_http_p95_ms": round(over_http_ms[len(over_http_ms) * 95 // 100], 2),
    }


def fill(url: str, company: str, relations_count: int) -> float:
    """Seconds that it took to write the relations and the items, and to let the engine count them."""
    began_s = time.perf_counter()
    given = {
        "company": company,
        "of_pack": CELLS_OF_A_PACK_COUNT,
        "farthest": FARTHEST_MS,
        "count": relations_count,
    }
    packs = {
        "company": company,
        "part": "pack",
        "count": relations_count // CELLS_OF_A_PACK_COUNT,
        "every": 1,
    }
    cells = {"company": company, "part": "cell", "count": relations_count, "every": CELLS_OF_A_KNOWN_COUNT}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '256MB'")
        with _without_indexes(connection, "holding"):
            connection.execute(_FILL, given)
        connection.execute(_ITEMS, packs)
        connection.execute(_ITEMS, cells)
        connection.execute("VACUUM ANALYZE holding, item")
        # What was loaded would else be written to the disk while the questions are asked.
        connection.execute("CHECKPOINT")
    return time.perf_counter() - began_s


@contextmanager
def _without_indexes(connection: psycopg.Connection[tuple[object, ...]], table: str) -> Iterator[None]:
    """The indexes are made again in one go at the end, which is far quicker than row by row; they are as they were."""
    found = connection.execute(_INDEXES, {"table": table}).fetchall()
    name = sql.Identifier(table)
    for index_name, _, is_primary in found:
        index = sql.Identifier(str(index_name))
        if is_primary:
            connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(name, index))
        else:
            connection.execute(sql.SQL("DROP INDEX {}").format(index))
    yield
    for index_name, definition, is_primary in found:
        connection.execute(str(definition).encode())
        if is_primary:
            index = sql.Identifier(str(index_name))
            connection.execute(
                sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY USING INDEX {}").format(
                    name, index, index
                )
            )


Asker = Callable[[str, bool], Awaitable[int]]
"""Asks what an item holds (True) or is held in (False), and says how many relations came back."""


def asker_of_store(store: SqlStore, company: str) -> Asker:
    """Questions to the store, each a transaction that reads."""

    async def one(item_id: str, down: bool) -> int:
        subject = Subject(SubjectKind.ITEM, item_id)

        def look(uow: UnitOfWork) -> list[Holding]:
            read = uow.supply.holds_of if down else uow.supply.held_in
            return read(subject, NOW_MS, FIRST_PLACE, PAGE_COUNT)

        return len(await store.read(company, look))

    return one


def asker_over_http(company: Company) -> Asker:
    """Questions to the management API with the company's key."""

    async def one(item_id: str, down: bool) -> int:
        way = "holds" if down else "held-in"
        page = await company.call("GET", f"/built/item/{item_id}/{way}?as_of_ms={NOW_MS}&limit={PAGE_COUNT}")
        return len(page["items"])

    return one


async def ask(relations_count: int, asker: Asker) -> list[float]:
    """Milliseconds of each question in ascending order, down and up in turn; the answers are looked at."""
    dice = random.Random(1)
    took_ms = []
    for number in range(WARM_COUNT + QUESTIONS_COUNT):
        cell = dice.randrange(relations_count // CELLS_OF_A_KNOWN_COUNT) * CELLS_OF_A_KNOWN_COUNT
        down = bool(number % 2)
        item_id = f"pack-{cell // CELLS_OF_A_PACK_COUNT}" if down else f"cell-{cell}"
        began_s = time.perf_counter()
        found_count = await asker(item_id, down)
        if number >= WARM_COUNT:
            took_ms.append((time.perf_counter() - began_s) * 1000)
        if found_count != (CELLS_OF_A_PACK_COUNT if down else 1):
            raise RuntimeError(f"{found_count} relations instead of what was written")
    return sorted(took_ms)
