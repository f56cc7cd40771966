"""What a unit of work costs on each engine: `python bench/stores.py [sqlite|postgresql] [--busy]`.

One unit of work is what a protocol message does: read a negotiation for update, write it back, put a message into the outbox
and an entry into the history. Times are for one unit of work; CPU is that of this process, and of the server beside it.
With `--busy` the event loop computes meanwhile, as in a connector under load, once with Python's own switch interval and once
with the store's.
"""

import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec
import psutil

from ashiato.connector.ports import UnitOfWork
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState, Role
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.stores.engine import SWITCH_INTERVAL_S, SqlStore, open_store
from tests.postgresql_server import fresh_database, running_postgresql

PARTICIPANT = "did:web:maker.example"
UNITS_COUNT = 3000
CONCURRENCIES = (1, 4, 16, 64)
BUSY_CONCURRENCY = 8
BUSY_COUNT = 60
PYTHON_SWITCH_INTERVAL_S = 0.005
BODY = b"x" * 800
SERIAL = itertools.count()


def negotiation(number: int) -> ContractNegotiation:
    """One of many negotiations, with an offer of ordinary size."""
    return ContractNegotiation(
        role=Role.PROVIDER,
        own_id=PARTICIPANT,
        opened_by=Role.CONSUMER,
        own_pid=f"own-{number}",
        peer_pid=f"peer-{number}",
        peer_id="did:web:taker.example",
        peer_address="https://taker.example/callback",
        state=NegotiationState.REQUESTED,
        dataset_id="asset-1",
        offer={
            "@id": "offer:1",
            "@type": "Offer",
            "permission": [
                {
                    "action": "use",
                    "constraint": [{"leftOperand": "purpose", "operator": "eq", "rightOperand": "legal"}] * 3,
                }
            ],
        },
        offer_by=Role.CONSUMER,
        created_ms=1,
        updated_ms=1,
    )


async def prepare(store: SqlStore) -> None:
    """As many negotiations as run at once."""

    def insert(uow: UnitOfWork) -> None:
        for number in range(max(CONCURRENCIES)):
            uow.negotiations.insert(negotiation(number))

    await store.run(PARTICIPANT, insert)


async def work(store: SqlStore, number: int, count: int) -> None:
    """Units of work on one negotiation, one after the other."""
    for turn in range(count):

        def step(uow: UnitOfWork, turn: int = turn) -> None:
            found = uow.negotiations.get(f"own-{number}")
            assert found is not None
            uow.negotiations.update(msgspec.structs.replace(found, updated_ms=turn))
            uow.outbox.add(
                Delivery(
                    delivery_id=f"delivery-{next(SERIAL)}",
                    participant_id=PARTICIPANT,
                    kind=DeliveryKind.MESSAGE,
                    process_id=f"own-{number}",
                    sequence=0,
                    message_name="ContractAgreementMessage",
                    address="https://taker.example/callback/negotiations/1/agreement",
                    audience="did:web:taker.example",
                    body=BODY,
                    created_ms=1,
                    due_ms=1,
                )
            )
            uow.records.add_history(
                1, "negotiation.agreed", f"own-{number}", "did:web:taker.example", {"a": 1}
            )

        await store.run(PARTICIPANT, step)


def forget_deliveries(uow: UnitOfWork) -> None:
    """Empty the outbox, which is short in life."""
    for number in range(max(CONCURRENCIES)):
        uow.outbox.remove_of_process(f"own-{number}")


def server_cpu_s(folder: str) -> float:
    """CPU of the PostgreSQL processes whose data lie in `folder`, those that ended included."""
    total_s = 0.0
    for process in psutil.process_iter(["cmdline"]):
        if any(folder in part for part in process.info["cmdline"] or []):
            for member in [process, *process.children(recursive=True)]:
                times = member.cpu_times()
                total_s += times.user + times.system
    return total_s


async def measure(url: str, folder: str) -> None:
    """Print one line for each concurrency."""
    engine = url.partition(":")[0]
    store = await open_store(url, "bench")
    try:
        await prepare(store)
        for concurrency in CONCURRENCIES:
            await asyncio.gather(*(work(store, number, 20) for number in range(concurrency)))
            count = UNITS_COUNT // concurrency
            wall_s, cpu_s, served_s = time.perf_counter(), time.process_time(), server_cpu_s(folder)
            await asyncio.gather(*(work(store, number, count) for number in range(concurrency)))
            units = count * concurrency
            wall_ms = (time.perf_counter() - wall_s) / units * 1000
            cpu_ms = (time.process_time() - cpu_s) / units * 1000
            server_ms = (server_cpu_s(folder) - served_s) / units * 1000
            print(
                f"{engine:10}  {concurrency:3} at once   {wall_ms:6.3f} ms   CPU {cpu_ms:6.3f} ms"
                f"   server CPU {server_ms:6.3f} ms   {1000 / wall_ms:7.0f}/s",
                flush=True,
            )
            await store.run(PARTICIPANT, forget_deliveries)
    finally:
        await store.close()


@contextmanager
def stores(engines: list[str]) -> Iterator[list[tuple[str, str]]]:
    """URL and data folder of an empty store on each engine that is asked for."""
    with tempfile.TemporaryDirectory(prefix="ashiato-bench-") as folder:
        found = [(f"sqlite:///{Path(folder) / 'bench.db'}", folder)] if "sqlite" in engines else []
        if "postgresql" not in engines:
            yield found
            return
        with running_postgresql(durable=True) as server_url, fresh_database(server_url) as url:
            yield [*found, (url, url.partition("host=")[2])]


async def measure_beside_computing(url: str) -> None:
    """Print one line for each switch interval."""
    store = await open_store(url, "bench")
    computing = asyncio.create_task(compute())
    try:
        await prepare(store)
        for interval_s in (PYTHON_SWITCH_INTERVAL_S, SWITCH_INTERVAL_S):
            sys.setswitchinterval(interval_s)
            started_s = time.perf_counter()
            await asyncio.gather(*(work(store, number, BUSY_COUNT) for number in range(BUSY_CONCURRENCY)))
            units = BUSY_COUNT * BUSY_CONCURRENCY
            wall_ms = (time.perf_counter() - started_s) / units * 1000
            print(
                f"{url.partition(':')[0]:10}  switch interval {interval_s * 1000:4.1f} ms"
                f"   {wall_ms:6.3f} ms   {1000 / wall_ms:7.0f}/s",
                flush=True,
            )
    finally:
        computing.cancel()
        await store.close()


async def compute() -> None:
    """A request after the other that takes a millisecond of Python."""
    while True:
        until_s = time.perf_counter() + 0.001
        while time.perf_counter() < until_s:
            pass
        await asyncio.sleep(0)


def main() -> None:
    """Measure the engines that the command line names, both by default."""
    engines = [name for name in sys.argv[1:] if not name.startswith("-")] or ["sqlite", "postgresql"]
    with stores(engines) as found:
        for url, folder in found:
            is_busy = "--busy" in sys.argv
            asyncio.run(measure_beside_computing(url) if is_busy else measure(url, folder))


if __name__ == "__main__":
    main()
