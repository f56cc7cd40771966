"""One tier of a trace in the store: what a pack holds, and what a cell is in, among so many serial relations on PostgreSQL.

Keys: trace_store_p95_ms of the first page of either question at an instant, for random things; load_s of filling the table.
`make bench BENCH=as_built` asks among ten million.
"""

import asyncio
import random
import time
from collections.abc import Callable

import psycopg

from ashiato.facts.instants import FARTHEST_MS
from ashiato.stores.engine import SqlStore, open_store
from ashiato.supply.ports import FIRST_PLACE, UnitOfWork
from ashiato.supply.records import Holding, Subject, SubjectKind
from tests.postgresql_server import fresh_database, running_postgresql

COMPANY = "did:web:packs.example"
RELATIONS_COUNT = 10_000_000
CELLS_OF_A_PACK_COUNT = 100
QUESTIONS_COUNT = 2000
PAGE_COUNT = 100
NOW_MS = 1_800_000_000_000

_FILL = """
INSERT INTO holding (participant_id, holder, component, from_ms, until_ms, quantity, unit)
SELECT %(company)s, 'item:pack-' || number / %(of_pack)s, 'item:cell-' || number, number, %(farthest)s, '1', 'piece'
FROM generate_series(0, %(count)s - 1) AS number
"""


async def run(relations_count: int = RELATIONS_COUNT) -> dict[str, float]:
    """All figures."""
    with running_postgresql(durable=True) as server, fresh_database(server) as url:
        store = await open_store(url, "bench")
        try:
            load_s = await asyncio.to_thread(fill, url, relations_count)
            took_ms = await ask(store, relations_count)
        finally:
            await store.close()
    took_ms.sort()
    return {
        "relations": relations_count,
        "load_s": round(load_s, 1),
        "trace_store_p50_ms": round(took_ms[len(took_ms) // 2], 2),
        "trace_store_p95_ms": round(took_ms[len(took_ms) * 95 // 100], 2),
    }


def fill(url: str, relations_count: int) -> float:
    """Seconds that it took to write the relations and to let the engine count them."""
    began_s = time.perf_counter()
    given = {
        "company": COMPANY,
        "of_pack": CELLS_OF_A_PACK_COUNT,
        "farthest": FARTHEST_MS,
        "count": relations_count,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_FILL, given)
        connection.execute("VACUUM ANALYZE holding")
        # What was loaded would else be written to the disk while the questions are asked.
        connection.execute("CHECKPOINT")
    return time.perf_counter() - began_s


def down(pack: Subject) -> Callable[[UnitOfWork], list[Holding]]:
    """What a pack holds now."""
    return lambda uow: uow.supply.holds_of(pack, NOW_MS, FIRST_PLACE, PAGE_COUNT)


def up(cell: Subject) -> Callable[[UnitOfWork], list[Holding]]:
    """What a cell is in now."""
    return lambda uow: uow.supply.held_in(cell, NOW_MS, FIRST_PLACE, PAGE_COUNT)


async def ask(store: SqlStore, relations_count: int) -> list[float]:
    """Milliseconds of each question, down and up in turn; the answers are looked at."""
    dice = random.Random(1)
    took_ms = []
    for number in range(QUESTIONS_COUNT):
        cell = dice.randrange(relations_count)
        pack = Subject(SubjectKind.ITEM, f"pack-{cell // CELLS_OF_A_PACK_COUNT}")
        one = Subject(SubjectKind.ITEM, f"cell-{cell}")
        began_s = time.perf_counter()
        found = await store.read(COMPANY, down(pack) if number % 2 else up(one))
        took_ms.append((time.perf_counter() - began_s) * 1000)
        if len(found) != (CELLS_OF_A_PACK_COUNT if number % 2 else 1):
            raise RuntimeError(f"{len(found)} relations instead of what was written")
    return took_ms
