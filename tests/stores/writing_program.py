"""A program that writes until it is killed: `python -m tests.stores.writing_program URL FIRST_NUMBER`.

Every unit of work stores an asset, a delivery and a history entry under one number; the number is printed after the commit.
"""

import asyncio
import itertools
import sys

from ashiato.connector.ports import UnitOfWork
from ashiato.stores.engine import SqlStore, open_store
from tests.stores.samples import MAKER, TAKER, asset, delivery

WORKERS_COUNT = 6


async def write_for_ever(store: SqlStore, numbers: "itertools.count[int]") -> None:
    """One of several writers, so that units of work share a commit."""
    for number in numbers:
        name = f"{number:07}"

        def put(uow: UnitOfWork, name: str = name) -> None:
            uow.assets.put_asset(asset(name))
            assert uow.assets.asset(name) is not None
            uow.outbox.add(delivery(name, name))
            uow.records.add_history(1, name, name, TAKER, {})

        await store.run(MAKER, put)
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()


async def main(url: str, first_number: int) -> None:
    """Open the store and write."""
    store = await open_store(url, "node-1")
    numbers = itertools.count(first_number)
    await asyncio.gather(*(write_for_ever(store, numbers) for _ in range(WORKERS_COUNT)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
