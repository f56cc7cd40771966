"""The store of one connector process: units of work run on threads of their own, the event loop only hands them over."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import Event
from ashiato.outbox.deliveries import Delivery
from ashiato.stores import outbox, participants, records
from ashiato.stores.errors import BadStoreUrl, StoreUnavailable
from ashiato.stores.jobs import STORE_ITSELF, Job, JobQueue
from ashiato.stores.participants import Participant
from ashiato.stores.sqlite import SqliteFile
from ashiato.stores.unit_of_work import SqlUnitOfWork

T = TypeVar("T")

SQLITE_READERS_COUNT = 2
POSTGRESQL_WRITERS_COUNT = 2
POSTGRESQL_READERS_COUNT = 3
MOST_JOBS_PER_COMMIT_COUNT = 64
PURGED_AT_ONCE_COUNT = 1000


class Runner(Protocol):
    """A connection that runs jobs; it puts result or error into each and raises nothing."""

    def run(self, jobs: Sequence[Job]) -> None:
        """Run `jobs`; on return their effects are durable, or they have none."""

    def close(self) -> None:
        """Give the connection back."""


class Database(Protocol):
    """An opened and migrated database."""

    def close(self) -> None:
        """The last act of the store."""


async def open_store(url: str, node_id: str) -> "SqlStore":
    """Open the database at `url` (`sqlite:///…` or `postgresql://…`), bring its schema up to date, recover its leases.

    `node_id` names this process among those on the same database and is the same after a restart. Raises `BadStoreUrl`,
    `StoreUnavailable`, `StoreInUse`, `StoreTooNew`: the operator must act.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadStoreUrl(url.partition(":")[0]) from None
    if not parsed.database or parsed.drivername not in ("sqlite", "postgresql"):
        raise BadStoreUrl(parsed.drivername)
    if parsed.drivername == "sqlite":
        file = await asyncio.to_thread(SqliteFile, Path(parsed.database), node_id)
        readers = [file.reader() for _ in range(SQLITE_READERS_COUNT)]
        return SqlStore(file, [file.writer()], readers)
    # Loaded on first use: a connector on SQLite does without the driver.
    from ashiato.stores.postgresql import PostgresqlDatabase

    database = await asyncio.to_thread(PostgresqlDatabase, url, node_id)
    return SqlStore(
        database,
        [database.writer() for _ in range(POSTGRESQL_WRITERS_COUNT)],
        [database.reader() for _ in range(POSTGRESQL_READERS_COUNT)],
    )


class SqlStore:
    """The port `Store`."""

    def __init__(self, database: Database, writers: Sequence[Runner], readers: Sequence[Runner]) -> None:
        self._database = database
        self._loop = asyncio.get_running_loop()
        self._listeners: list[Callable[[Event], None]] = []
        self._couriers: list[Callable[[Delivery], None]] = []
        self._writing = JobQueue(exclusive=True)
        self._reading = JobQueue(exclusive=False)
        self._threads = [
            self._start(f"store-{kind}-{number}", runner, queue, most_count)
            for kind, runners, queue, most_count in (
                ("writer", writers, self._writing, MOST_JOBS_PER_COMMIT_COUNT),
                ("reader", readers, self._reading, 1),
            )
            for number, runner in enumerate(runners)
        ]

    async def run(self, participant_id: str, work: Callable[[UnitOfWork], T]) -> T:
        return await self._submit(self._writing, participant_id, work)

    async def read(self, participant_id: str, work: Callable[[UnitOfWork], T]) -> T:
        return await self._submit(self._reading, participant_id, work)

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        self._listeners.append(listener)

    def on_delivery(self, courier: Callable[[Delivery], None]) -> None:
        self._couriers.append(courier)

    async def claim_due(self, now_ms: int, lease_until_ms: int, limit_count: int) -> list[Delivery]:
        return await self._submit(
            self._writing,
            STORE_ITSELF,
            lambda uow: outbox.claim_due(uow.session, now_ms, lease_until_ms, limit_count),
        )

    async def next_due_ms(self) -> int | None:
        return await self._submit(self._reading, STORE_ITSELF, lambda uow: outbox.next_due_ms(uow.session))

    async def purge_expired(self, now_ms: int) -> int:
        """Forget the ids of tokens that have expired; returns how many. In slices, so that nobody waits long behind it."""
        forgotten_count = 0
        while True:
            count = await self._submit(
                self._writing,
                STORE_ITSELF,
                lambda uow: records.forget_expired_tokens(uow.session, now_ms, PURGED_AT_ONCE_COUNT),
            )
            forgotten_count += count
            if count < PURGED_AT_ONCE_COUNT:
                return forgotten_count

    async def add_participant(self, participant: Participant) -> bool:
        """Add a company that this program serves; false when its id or its slug is taken."""
        return await self._submit(
            self._writing, STORE_ITSELF, lambda uow: participants.add(uow.session, participant)
        )

    async def replace_participant(self, participant: Participant) -> bool:
        """Store name, keys, settings or suspension anew; false when there is no participant with its id."""
        return await self._submit(
            self._writing, STORE_ITSELF, lambda uow: participants.replace(uow.session, participant)
        )

    async def participants(self) -> list[Participant]:
        """All participants, suspended ones too, in the order of their slugs."""
        return await self._submit(self._reading, STORE_ITSELF, lambda uow: participants.every(uow.session))

    async def participant(self, participant_id: str) -> Participant | None:
        """The participant with that DID."""
        return await self._submit(
            self._reading, STORE_ITSELF, lambda uow: participants.by_id(uow.session, participant_id)
        )

    async def participant_by_slug(self, slug: str) -> Participant | None:
        """The participant below that path segment."""
        return await self._submit(
            self._reading, STORE_ITSELF, lambda uow: participants.by_slug(uow.session, slug)
        )

    async def close(self) -> None:
        """Run what was handed over, then stop."""
        self._writing.close()
        self._reading.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._database.close()

    async def _submit(self, queue: JobQueue, participant_id: str, work: Callable[[SqlUnitOfWork], T]) -> T:
        job = Job(participant_id, work, self._loop.create_future())
        if not queue.put(job):
            raise StoreUnavailable("it was closed")
        result: T = await job.future
        return result

    def _start(self, name: str, runner: Runner, queue: JobQueue, most_count: int) -> threading.Thread:
        def serve() -> None:
            while jobs := queue.take(most_count):
                wanted = [job for job in jobs if not job.future.cancelled()]
                runner.run(wanted)
                queue.done(jobs)
                self._loop.call_soon_threadsafe(self._settle, wanted)
            runner.close()

        thread = threading.Thread(target=serve, name=name, daemon=True)
        thread.start()
        return thread

    def _settle(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            job.settle()
        for job in jobs:
            if job.uow is not None:
                self._publish(job.uow)

    def _publish(self, uow: SqlUnitOfWork) -> None:
        # Each call by itself, so that what one listener raises reaches the loop's handler and stops no other.
        for delivery in uow.deliveries:
            for courier in self._couriers:
                self._loop.call_soon(courier, delivery)
        for event in uow.events:
            for listener in self._listeners:
                self._loop.call_soon(listener, event)
