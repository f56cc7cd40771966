"""The store of one connector process: units of work run on threads of their own, the event loop only hands them over."""

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ashiato.connector.problems import NotFound
from ashiato.connector.records import Event
from ashiato.outbox.deliveries import Delivery
from ashiato.stores import outbox, participants, records, standings, trust_list_editions
from ashiato.stores.did_log import DidChange
from ashiato.stores.errors import BadStoreUrl, StoreUnavailable
from ashiato.stores.jobs import STORE_ITSELF, Job, JobQueue
from ashiato.stores.participants import Participant
from ashiato.stores.sqlite import SqliteFile
from ashiato.stores.unit_of_work import CONNECTOR_FURNISHING, Furnishing, SqlUnitOfWork

T = TypeVar("T")
R = TypeVar("R")

SQLITE_READERS_COUNT = 2
POSTGRESQL_WRITERS_COUNT = 2
POSTGRESQL_READERS_COUNT = 3
MOST_JOBS_PER_COMMIT_COUNT = 64
PURGED_AT_ONCE_COUNT = 1000
# A thread that comes back from the database waits this long for the interpreter while the event loop computes, several times in
# a unit of work. Python's 5 ms would make a busy connector a slow one: `bench/stores.py --busy`.
SWITCH_INTERVAL_S = 0.0001


class Runner(Protocol):
    """A connection that runs jobs; it puts result or error into each and raises nothing."""

    def run(self, jobs: Sequence[Job]) -> None:
        """Run `jobs`; on return their effects are durable, or they have none."""

    def close(self) -> None:
        """Give the connection back."""


class Writer(Runner, Protocol):
    """A connection that runs jobs which write."""

    def tell_others(self, jobs: Sequence[Job]) -> None:
        """Send the events of `jobs`, whose end was told here, to other processes."""


class Database(Protocol):
    """An opened and migrated database."""

    async def close(self) -> None:
        """The last act of the store."""


async def open_store(url: str, node_id: str, furnishing: Furnishing = CONNECTOR_FURNISHING) -> "SqlStore":
    """Open the database at `url` (`sqlite:///…` or `postgresql://…`), bring its schema up to date, recover its leases.

    Sets the interpreter's switch interval, for the whole process.

    `node_id` names this process among those on the same database and is the same after a restart. Raises `BadStoreUrl`,
    `StoreUnavailable`, `StoreInUse`, `NodeIdTaken`, `StoreTooNew`: the operator must act.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadStoreUrl(url.partition(":")[0]) from None
    if not parsed.database or parsed.drivername not in ("sqlite", "postgresql"):
        raise BadStoreUrl(parsed.drivername)
    if parsed.drivername == "sqlite":
        file = await asyncio.to_thread(SqliteFile, Path(parsed.database), node_id, furnishing.chains)
        try:
            readers = [file.reader() for _ in range(SQLITE_READERS_COUNT)]
            return SqlStore(file, [file.writer()], readers, furnishing)
        except BaseException:
            await file.close()
            raise
    # Loaded on first use: a connector on SQLite does without the driver.
    from ashiato.stores.postgresql import PostgresqlDatabase

    database = PostgresqlDatabase(url, node_id, furnishing.chains)
    store = SqlStore(
        database,
        [database.writer() for _ in range(POSTGRESQL_WRITERS_COUNT)],
        [database.reader() for _ in range(POSTGRESQL_READERS_COUNT)],
        furnishing,
    )
    try:
        await database.open(store.publish)
    except BaseException:
        await store.close()
        raise
    return store


class SqlStore:
    """The ports `Store` of the connector and `SupplyStore`."""

    def __init__(
        self,
        database: Database,
        writers: Sequence[Writer],
        readers: Sequence[Runner],
        furnishing: Furnishing = CONNECTOR_FURNISHING,
    ) -> None:
        self._unit_of_work = furnishing.unit_of_work
        self._database = database
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self._listeners: list[Callable[[Event], None]] = []
        self._couriers: list[Callable[[Delivery], None]] = []
        self._writing = JobQueue(exclusive=True)
        self._reading = JobQueue(exclusive=False)
        self._threads = [
            *(
                self._start(f"store-writer-{number}", self._write, writer)
                for number, writer in enumerate(writers)
            ),
            *(
                self._start(f"store-reader-{number}", self._read, reader)
                for number, reader in enumerate(readers)
            ),
        ]

    async def run(self, participant_id: str, work: Callable[[SqlUnitOfWork], T]) -> T:
        return await self._submit(self._writing, participant_id, work)

    async def read(self, participant_id: str, work: Callable[[SqlUnitOfWork], T]) -> T:
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
        return await self._purge(
            lambda uow: records.forget_expired_tokens(uow.session, now_ms, PURGED_AT_ONCE_COUNT)
        )

    async def purge_presentations(self, before_ms: int) -> int:
        """Forget what counterparties presented before an instant; returns how many. In slices too."""
        return await self._purge(
            lambda uow: standings.forget_old_presentations(uow.session, before_ms, PURGED_AT_ONCE_COUNT)
        )

    async def _purge(self, forget: Callable[[SqlUnitOfWork], int]) -> int:
        forgotten_count = 0
        while True:
            count = await self._submit(self._writing, STORE_ITSELF, forget)
            forgotten_count += count
            if count < PURGED_AT_ONCE_COUNT:
                return forgotten_count

    async def enter_edition(self, signer: str, place: str, number: int, sha256: str) -> tuple[int, str]:
        """Keep that edition of a trust list where it is the highest so far; returns the number and hash of the highest now."""
        return await self._submit(
            self._writing,
            STORE_ITSELF,
            lambda uow: trust_list_editions.enter(uow.session, signer, place, number, sha256),
        )

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

    async def change_participant(
        self, participant_id: str, change: Callable[[SqlUnitOfWork, Participant], Participant]
    ) -> Participant:
        """What `change` makes of the participant, in one transaction in which nobody else changes it; raises `NotFound`."""

        def work(uow: SqlUnitOfWork) -> Participant:
            found = participants.locked(uow.session, participant_id)
            if found is None:
                raise NotFound(f"There is no participant {participant_id!r}.", id=participant_id)
            changed = change(uow, found)
            if changed != found:
                participants.replace(uow.session, changed)
            return changed

        return await self._submit(self._writing, participant_id, work)

    async def last_did_change(self, participant_id: str) -> DidChange | None:
        """The newest of them."""
        return await self._submit(self._reading, participant_id, lambda uow: uow.did_log.last())

    async def did_changes(
        self, participant_id: str, after_sequence: int, limit_count: int
    ) -> list[DidChange]:
        """The changes of the participant's DID document, in order."""
        return await self._submit(
            self._reading, participant_id, lambda uow: uow.did_log.page(after_sequence, limit_count)
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
        """Run what was handed over, then stop; a second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._writing.close()
        self._reading.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        await self._database.close()

    async def _submit(self, queue: JobQueue, participant_id: str, work: Callable[[SqlUnitOfWork], T]) -> T:
        job = Job(participant_id, work, self._loop.create_future(), self._unit_of_work)
        if not queue.put(job):
            raise StoreUnavailable("it was closed")
        result: T = await job.future
        return result

    def _start(self, name: str, serve: Callable[[R], None], runner: R) -> threading.Thread:
        thread = threading.Thread(target=serve, args=(runner,), name=name, daemon=True)
        thread.start()
        return thread

    def _write(self, writer: Writer) -> None:
        while jobs := self._writing.take(MOST_JOBS_PER_COMMIT_COUNT):
            wanted = [job for job in jobs if not job.future.cancelled()]
            if wanted:
                writer.run(wanted)
            self._writing.done(jobs)
            self._loop.call_soon_threadsafe(self._settle, wanted)
            writer.tell_others(wanted)
        writer.close()

    def _read(self, reader: Runner) -> None:
        while jobs := self._reading.take(1):
            reader.run(jobs)
            self._loop.call_soon_threadsafe(self._settle, jobs)
        reader.close()

    def _settle(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            job.settle()
        for job in jobs:
            if job.uow is not None:
                self._hand_over(job.uow.deliveries)
                self.publish(job.uow.events)

    # Each call by itself, so that what one listener raises reaches the loop's handler and stops no other.

    def _hand_over(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            for courier in self._couriers:
                self._loop.call_soon(courier, delivery)

    def publish(self, events: Sequence[Event]) -> None:
        """Tell the listeners of this process; on the event loop."""
        for event in events:
            for listener in self._listeners:
                self._loop.call_soon(listener, event)
