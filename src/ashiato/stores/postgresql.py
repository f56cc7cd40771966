"""PostgreSQL: connections on which units of work share a transaction and one commit."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.engine import Dialect, create_engine

from ashiato.connector.ports import Conflict
from ashiato.connector.records import Event
from ashiato.stores.errors import StatementRefused, StoreUnavailable
from ashiato.stores.jobs import Job, write_histories
from ashiato.stores.migrations import CONNECTOR, Chain, migrate
from ashiato.stores.notifications import Company, Listener
from ashiato.stores.outbox import release_leases
from ashiato.stores.pipeline import OnRows, Pipeline, UnsendableText
from ashiato.stores.statements import Row, Statement, Values

CONNECT_TIMEOUT_S = 5
MOST_TRIES_COUNT = 5
MIGRATION_LOCK = 0x61736869_61746F00
# A node that hangs must not hold its locks for ever, and none waits for them for ever.
SETTINGS = "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_DIALECT: Final[Dialect] = create_engine("postgresql+psycopg://", paramstyle="numeric_dollar").dialect


class PostgresqlDatabase:
    """A database that any number of processes may share."""

    def __init__(self, url: str, node_id: str, more_chains: Sequence[Chain] = ()) -> None:
        self._conninfo = conninfo(url)
        self._more_chains = more_chains
        self._node_id = node_id
        self._company = Company(node_id)
        self._listener: Listener | None = None

    async def open(self, on_events: Callable[[Sequence[Event]], None]) -> None:
        """Bring the schema up to date, recover the leases of this node and hear other processes from now on."""
        # First the node id, so that no lease of a running process is taken for one of a dead process.
        self._listener = Listener(lambda: connect(self._conninfo), self._company, on_events)
        await self._listener.start()
        try:
            await asyncio.to_thread(self._prepare)
        except BaseException:
            await self._listener.close()
            raise

    def _prepare(self) -> None:
        pipeline = Pipeline(connect(self._conninfo))
        try:
            pipeline.send(_BEGIN)
            # Processes that start together migrate one after the other; the lock ends with the transaction.
            pipeline.send("SELECT pg_advisory_xact_lock($1)", (MIGRATION_LOCK,))
            migrate(PostgresqlGround(pipeline), CONNECTOR)
            for chain in self._more_chains:
                migrate(PostgresqlGround(pipeline), chain.versions, chain.table)
            session = PostgresqlSession(pipeline, self._node_id, locking=True)
            release_leases(session, all_nodes=False)
            session.flush()
            pipeline.send("COMMIT")
            pipeline.sync()
        finally:
            pipeline.close()

    def writer(self) -> "PostgresqlWriter":
        """A connection that writes."""
        return PostgresqlWriter(self._conninfo, self._node_id, self._company)

    def reader(self) -> "PostgresqlReader":
        """A connection that reads."""
        return PostgresqlReader(self._conninfo, self._node_id)

    async def close(self) -> None:
        """Give the node id back."""
        if self._listener is not None:
            await self._listener.close()


def conninfo(url: str) -> str:
    """The connection parameters in `url`, with bounds where it gives none. Raises `StoreUnavailable`."""
    defaults: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        "application_name": "ashiato",
        "options": SETTINGS,
    }
    try:
        return make_conninfo(**{**defaults, **conninfo_to_dict(url)})
    except psycopg.ProgrammingError as error:
        raise StoreUnavailable(f"the URL is malformed: {error}") from None


def connect(info: str) -> psycopg.Connection[Row]:
    """A connection that leaves the transactions to us. Raises `StoreUnavailable`."""
    try:
        connection: psycopg.Connection[Row] = psycopg.connect(info, autocommit=True)
    except psycopg.Error as error:
        raise StoreUnavailable(str(error)) from error
    return connection


class PostgresqlSession:
    """The port `Session` on one connection; writes are held back until a read or the end of the transaction."""

    engine = "postgresql"

    def __init__(
        self, pipeline: Pipeline, node_id: str, *, locking: bool, is_first_try: bool = False
    ) -> None:
        self.node_id = node_id
        self.is_first_try = is_first_try
        self.failure: Exception | None = None
        self.has_sent_writes = False
        self._pipeline = pipeline
        self._locking = locking
        self._held: list[tuple[str, Sequence[object], OnRows | None]] = []
        self._held_before_work_count = 0
        self._places: dict[tuple[Statement, str], int] = {}

    def one(self, statement: Statement, values: Values) -> Row | None:
        rows = self.all(statement, values)
        return rows[0] if rows else None

    def pair(self, first: Statement, second: Statement, values: Values) -> tuple[Row | None, Row | None]:
        rows, more_rows = self._ask(first, values), self._ask(second, values)
        self._answer()
        return rows[0] if rows else None, more_rows[0] if more_rows else None

    def all(self, statement: Statement, values: Values) -> list[Row]:
        rows = self._ask(statement, values)
        self._answer()
        return rows

    def write(self, statement: Statement, values: Values) -> None:
        sql, in_order = statement.on(_DIALECT, self._locking)
        self._held.append((sql, in_order(values), None))

    def write_last(
        self, statement: Statement, values: Values, key: str, *, completes: Statement | None = None
    ) -> None:
        if completes is not None and (completes, key) in self._places:
            statement = completes
        place = self._places.get((statement, key))
        if place is None:
            self._places[statement, key] = len(self._held)
            self.write(statement, values)
        else:
            sql, in_order = statement.on(_DIALECT, self._locking)
            self._held[place] = (sql, in_order(values), None)

    def write_many(self, statement: Statement, rows: Sequence[Values]) -> None:
        sql, in_order = statement.on(_DIALECT, self._locking)
        self._held.extend((sql, in_order(values), None) for values in rows)

    def write_then(self, statement: Statement, values: Values, on_row: Callable[[Row], None]) -> None:
        sql, in_order = statement.on(_DIALECT, self._locking)
        self._held.append((sql, in_order(values), lambda rows: on_row(rows[0])))

    def _ask(self, statement: Statement, values: Values) -> list[Row]:
        """A list that holds the rows after `_answer`; text that no row can hold is found in none."""
        sql, in_order = statement.on(_DIALECT, self._locking)
        rows: list[Row] = []
        self.flush()
        self.has_sent_writes = self.has_sent_writes or statement.writes
        try:
            self._pipeline.send(sql, in_order(values), rows.extend)
        except UnsendableText as error:
            if statement.writes:
                self.failure = StatementRefused(str(error))
                raise self.failure from error
        return rows

    def _answer(self) -> None:
        try:
            self._pipeline.answer()
        except (Conflict, StatementRefused, StoreUnavailable) as error:
            self.failure = error
            raise

    def begin_work(self) -> None:
        """A unit of work begins."""
        self.failure = None
        self.has_sent_writes = False
        self._held_before_work_count = len(self._held)
        # Another unit of work could be dropped alone, with what took the place of this one's.
        self._places.clear()

    def end_work(self) -> None:
        """Keep what it did; raises its failure, which it may have swallowed."""
        if self.failure is not None:
            raise self.failure

    def drop_work(self) -> None:
        """Forget the writes of this unit of work that were not sent yet."""
        del self._held[self._held_before_work_count :]

    def flush(self) -> None:
        """Hand the writes that were held back to the pipeline. Raises `StatementRefused`."""
        if not self._held:
            return
        self.has_sent_writes = self.has_sent_writes or len(self._held) > self._held_before_work_count
        self._held_before_work_count = 0
        self._places.clear()
        held, self._held = self._held, []
        for sql, values, on_rows in held:
            try:
                self._pipeline.send(sql, values, on_rows)
            except UnsendableText as error:
                self.failure = StatementRefused(str(error))
                raise self.failure from error


class _Undone(Exception):
    """The transaction had no effect because of one of its units of work."""


class _PostgresqlConnection:
    """A connection that is made when it is needed and again when it broke."""

    def __init__(self, info: str, node_id: str) -> None:
        self._conninfo = info
        self._node_id = node_id
        self._pipeline: Pipeline | None = None

    def close(self) -> None:
        """Give the connection back."""
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None

    def _connected(self) -> Pipeline:
        # Found out before anything is sent: a commit that breaks has an unknown outcome.
        if self._pipeline is not None and not self._pipeline.is_alive():
            self.close()
        if self._pipeline is None:
            self._pipeline = Pipeline(connect(self._conninfo))
        return self._pipeline

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Pipeline]:
        """One transaction; the block itself ends it with COMMIT."""
        pipeline = self._connected()
        try:
            pipeline.send(begin)
            yield pipeline
        except BaseException:
            try:
                pipeline.roll_back()
            except StoreUnavailable:
                self.close()
            raise


class PostgresqlWriter(_PostgresqlConnection):
    """Runs jobs in one transaction, and one by one where that had no effect."""

    def __init__(self, info: str, node_id: str, company: Company) -> None:
        super().__init__(info, node_id)
        self._company = company

    def run(self, jobs: Sequence[Job]) -> None:
        """Run `jobs` and commit what the good ones did."""
        try:
            self._transact(jobs, is_first_try=True)
        except StoreUnavailable as error:
            if error.outcome_unknown:
                _fail(jobs, error)
            else:
                # The connection may have died since it was last used, or one of the jobs asks for too much.
                self._run_each(jobs)
        except Conflict:
            _step_aside(1)
            self._run_each(jobs)
        except (_Undone, StatementRefused):
            self._run_each(jobs)

    def tell_others(self, jobs: Sequence[Job]) -> None:
        """Send the events of `jobs` to other processes, if there are any; what is lost is found in the tables."""
        events = [event for job in jobs if job.uow is not None for event in job.uow.events]
        if self._pipeline is not None:
            with suppress(StoreUnavailable, StatementRefused):
                self._company.tell(self._pipeline, events)

    def _run_each(self, jobs: Sequence[Job]) -> None:
        for number, job in enumerate(jobs):
            try:
                self._connected()
            except StoreUnavailable as error:
                _fail(jobs[number:], error)
                return
            self._run_one(job)

    def _run_one(self, job: Job) -> None:
        for tries_count in range(1, MOST_TRIES_COUNT + 1):
            try:
                self._transact([job], is_first_try=False)
                return
            except (Conflict, StatementRefused, StoreUnavailable) as error:
                job.fail(error)
            except _Undone:
                pass
            if not isinstance(job.error, Conflict):
                return
            _step_aside(tries_count)

    def _transact(self, jobs: Sequence[Job], *, is_first_try: bool) -> None:
        committing = False
        try:
            with self._transaction(_BEGIN) as pipeline:
                session = PostgresqlSession(pipeline, self._node_id, locking=True, is_first_try=is_first_try)
                for job in jobs:
                    _run_in(session, job)
                session.begin_work()
                write_histories(session, jobs)
                session.flush()
                committing = True
                # The commit point: COMMIT goes with the writes before it, which it does not survive, and the answer to the
                # sync says that everything is durable.
                pipeline.send("COMMIT")
                pipeline.sync()
        except StoreUnavailable as error:
            is_unknown = committing and self._pipeline is None
            raise StoreUnavailable(error.problem, outcome_unknown=is_unknown) from error


class PostgresqlReader(_PostgresqlConnection):
    """Runs jobs that only read, each on its own snapshot."""

    def run(self, jobs: Sequence[Job]) -> None:
        """Run `jobs` one after the other."""
        for job in jobs:
            try:
                self._read(job)
            except StoreUnavailable:
                # The connection may have died since it was last used.
                self._read_again(job)
            except BaseException as error:  # noqa: BLE001  whatever a unit of work raises belongs to its caller
                job.fail(error)

    def _read_again(self, job: Job) -> None:
        try:
            self._read(job)
        except BaseException as error:  # noqa: BLE001  as above
            job.fail(error)

    def _read(self, job: Job) -> None:
        with self._transaction(_BEGIN_READING) as pipeline:
            session = PostgresqlSession(pipeline, self._node_id, locking=False)
            job.run(session)
            session.end_work()
            session.flush()
            pipeline.send("COMMIT")
            pipeline.sync()


class PostgresqlGround:
    """The port `Ground`."""

    engine = "postgresql"
    text_type = 'TEXT COLLATE "C"'
    bytes_type = "BYTEA"
    numbered_type = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
    member_of_body = "body::json ->> 'NAME'"

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def execute(self, sql: str) -> None:
        self._pipeline.send(sql)

    def version(self, table: str) -> int | None:
        rows = self._pipeline.fetch(f"SELECT version FROM {table}")  # noqa: S608  a name of our own
        return rows[0][0] if rows else None


def _run_in(session: PostgresqlSession, job: Job) -> None:
    session.begin_work()
    try:
        job.run(session)
        session.end_work()
    except BaseException as error:
        uow = job.uow
        job.fail(error)
        if session.failure is not None:
            raise session.failure from error
        if session.has_sent_writes:
            raise _Undone from error
        # The usual refusal: it has only read, so that there is nothing to undo and the others go on.
        session.drop_work()
        # But whoever shows a token again must not learn what the answer would have been.
        if uow is not None and uow.records.took_a_seen_token_for_new():
            raise _Undone from error


def _step_aside(tries_count: int) -> None:
    """Two that were in each other's way must not meet again at once."""
    time.sleep(random.uniform(0.001, 0.002 * 2**tries_count))  # noqa: S311  not a secret


def _fail(jobs: Sequence[Job], error: Exception) -> None:
    for job in jobs:
        job.fail(error)
