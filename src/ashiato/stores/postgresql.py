"""PostgreSQL: connections on which units of work share a transaction, a pipeline and one commit.

A pipeline sends what needs no answer together with the next question, so that a unit of work costs one round trip for each
read and one for all of its writes with the commit. A transaction with one writing unit of work takes 0.54 ms without and
0.27 ms with it (four together).
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import Dialect, create_engine

from ashiato.connector.ports import Conflict
from ashiato.connector.records import Event
from ashiato.stores.errors import StatementRefused, StoreUnavailable
from ashiato.stores.jobs import Job, write_histories
from ashiato.stores.migrations import CONNECTOR, migrate
from ashiato.stores.notifications import Company, Listener
from ashiato.stores.outbox import release_leases
from ashiato.stores.statements import Row, Statement, Values

CONNECT_TIMEOUT_S = 5
MOST_TRIES_COUNT = 5
PREPARED_STATEMENTS_COUNT = 500
MIGRATION_LOCK = 0x61736869_61746F00
# A node that hangs must not hold its locks for ever, and none waits for them for ever.
SETTINGS = "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"

_DIALECT: Final[Dialect] = create_engine("postgresql+psycopg://", paramstyle="format").dialect
_SOMEBODY_WAS_FASTER = (
    errors.UniqueViolation,
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
)
_ERRORS_OF_THE_SERVER = (psycopg.Error, Conflict, StoreUnavailable, StatementRefused)
_Connection = psycopg.Connection[Row]


class PostgresqlDatabase:
    """A database that any number of processes may share."""

    def __init__(self, url: str, node_id: str) -> None:
        self._conninfo = conninfo(url)
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
        connection = connect(self._conninfo)
        try:
            self._migrate(connection)
        except psycopg.Error as error:
            raise named(error) from error
        finally:
            connection.close()

    def _migrate(self, connection: _Connection) -> None:
        with connection.transaction():
            # Processes that start together migrate one after the other; the lock ends with the transaction.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            migrate(_Ground(connection), CONNECTOR)
            session = PostgresqlSession(connection, self._node_id, locking=True)
            release_leases(session, all_nodes=False)
            session.end_work()
            session.flush()

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
        "application_name": "ashiato",
        "options": SETTINGS,
    }
    try:
        return make_conninfo(**{**defaults, **conninfo_to_dict(url)})
    except psycopg.ProgrammingError as error:
        raise StoreUnavailable(f"the URL is malformed: {error}") from None


def connect(info: str) -> _Connection:
    """A connection that leaves the transactions to us. Raises `StoreUnavailable`."""
    try:
        connection: _Connection = psycopg.connect(info, autocommit=True)
    except psycopg.Error as error:
        raise StoreUnavailable(str(error)) from error
    connection.prepared_max = PREPARED_STATEMENTS_COUNT
    return connection


class PostgresqlSession:
    """The port `Session` on one connection; writes are held back until a read or the end of the transaction."""

    def __init__(self, connection: _Connection, node_id: str, *, locking: bool) -> None:
        self.node_id = node_id
        self.failure: Exception | None = None
        self.has_sent_writes = False
        self._connection = connection
        self._locking = locking
        self._cursor = connection.cursor()
        self._held: list[tuple[str, tuple[object, ...], Callable[[Row], None] | None]] = []
        self._held_before_work_count = 0
        self._awaited: list[tuple[psycopg.Cursor[Row], Callable[[Row], None]]] = []

    def one(self, statement: Statement, values: Values) -> Row | None:
        rows = self.all(statement, values)
        return rows[0] if rows else None

    def all(self, statement: Statement, values: Values) -> list[Row]:
        sql, in_order = statement.on(_DIALECT, self._locking)
        try:
            self.flush()
            self.has_sent_writes = self.has_sent_writes or statement.writes
            try:
                self._cursor.execute(sql, in_order(values))
            except (psycopg.DataError, UnicodeEncodeError):
                if statement.writes:
                    raise
                # Text that no row can hold (half of a surrogate pair, a NUL) is found in none.
                return []
            return self._cursor.fetchall()
        except (psycopg.Error, UnicodeEncodeError) as error:
            raise self._failed(error) from error

    def write(self, statement: Statement, values: Values) -> None:
        sql, in_order = statement.on(_DIALECT, self._locking)
        self._held.append((sql, in_order(values), None))

    def write_many(self, statement: Statement, rows: Sequence[Values]) -> None:
        sql, in_order = statement.on(_DIALECT, self._locking)
        self._held.extend((sql, in_order(values), None) for values in rows)

    def write_then(self, statement: Statement, values: Values, on_row: Callable[[Row], None]) -> None:
        sql, in_order = statement.on(_DIALECT, self._locking)
        self._held.append((sql, in_order(values), on_row))

    def begin_work(self) -> None:
        """A unit of work begins."""
        self.failure = None
        self.has_sent_writes = False
        self._held_before_work_count = len(self._held)

    def end_work(self) -> None:
        """Keep what it did; raises its failure, which it may have swallowed."""
        if self.failure is not None:
            raise self.failure

    def drop_work(self) -> None:
        """Forget the writes of this unit of work that were not sent yet."""
        del self._held[self._held_before_work_count :]

    def flush(self) -> None:
        """Send the writes that were held back."""
        if not self._held:
            return
        self.has_sent_writes = self.has_sent_writes or len(self._held) > self._held_before_work_count
        self._held_before_work_count = 0
        held, self._held = self._held, []
        for sql, parameters, on_row in held:
            if on_row is None:
                self._cursor.execute(sql, parameters)
            else:
                cursor = self._connection.cursor()
                cursor.execute(sql, parameters)
                self._awaited.append((cursor, on_row))

    def give_rows(self) -> None:
        """Hand out the rows that were waited for; after the commit."""
        for cursor, on_row in self._awaited:
            for row in cursor.fetchall():
                on_row(row)
        self._awaited = []

    def _failed(self, error: Exception) -> Exception:
        self.failure = named(error)
        return self.failure


class _Undone(Exception):
    """The transaction had no effect because of one of its units of work."""


class _PostgresqlConnection:
    """A connection that is made when it is needed and again when it broke."""

    def __init__(self, info: str, node_id: str) -> None:
        self._conninfo = info
        self._node_id = node_id
        self._connection: _Connection | None = None

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> _Connection:
        if self._connection is not None and (self._connection.closed or self._connection.broken):
            self.close()
        if self._connection is None:
            self._connection = connect(self._conninfo)
        return self._connection

    @property
    def _is_lost(self) -> bool:
        return self._connection is None or self._connection.closed or self._connection.broken

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[_Connection]:
        """One transaction in one pipeline; the block itself ends it with COMMIT. Raises the store's own errors."""
        connection = self._connected()
        is_in_order = False
        try:
            with connection.pipeline() as pipeline:
                try:
                    connection.execute(begin)
                    yield connection
                except BaseException as error:
                    with suppress(psycopg.Error):
                        pipeline.sync()
                        is_in_order = not isinstance(error, _ERRORS_OF_THE_SERVER)
                    raise
        except BaseException as error:
            if is_in_order:
                # The driver need not forget what it prepared, which is why it is not told.
                connection.pgconn.exec_(b"ROLLBACK")
            else:
                self._undo_failed(connection)
            if isinstance(error, psycopg.Error | UnicodeEncodeError):
                raise named(error) from error
            raise

    def _undo_failed(self, connection: _Connection) -> None:
        """Undo after an error of the server: what it skipped behind the error, the driver takes for prepared."""
        try:
            if self._is_lost or connection.info.transaction_status is TransactionStatus.IDLE:
                self.close()
            else:
                connection.rollback()
        except psycopg.Error:
            self.close()


class PostgresqlWriter(_PostgresqlConnection):
    """Runs jobs in one transaction, and one by one where that had no effect."""

    def __init__(self, info: str, node_id: str, company: Company) -> None:
        super().__init__(info, node_id)
        self._company = company

    def run(self, jobs: Sequence[Job]) -> None:
        """Run `jobs` and commit what the good ones did."""
        try:
            self._transact(jobs)
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
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._company.tell(self._connection, events)

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
                self._transact([job])
                return
            except (Conflict, StatementRefused, StoreUnavailable) as error:
                job.fail(error)
            except _Undone:
                pass
            if not isinstance(job.error, Conflict):
                return
            _step_aside(tries_count)

    def _transact(self, jobs: Sequence[Job]) -> None:
        committing = False
        try:
            with self._transaction("BEGIN ISOLATION LEVEL READ COMMITTED") as connection:
                session = PostgresqlSession(connection, self._node_id, locking=True)
                for job in jobs:
                    _run_in(session, job)
                session.begin_work()
                write_histories(session, jobs)
                session.flush()
                committing = True
                # The commit point: it is sent with the writes before it, which it does not survive, and what comes back at
                # the end of the pipeline says that everything is durable.
                connection.execute("COMMIT")
        except StoreUnavailable as error:
            is_unknown = committing and self._is_lost
            raise StoreUnavailable(error.problem, outcome_unknown=is_unknown) from error
        session.give_rows()


class PostgresqlReader(_PostgresqlConnection):
    """Runs jobs that only read, each on its own snapshot."""

    def run(self, jobs: Sequence[Job]) -> None:
        """Run `jobs` one after the other."""
        for job in jobs:
            try:
                try:
                    self._read(job)
                except StoreUnavailable:
                    if not self._is_lost:
                        raise
                    self._read(job)
            except BaseException as error:  # noqa: BLE001  whatever a unit of work raises belongs to its caller
                job.fail(error)

    def _read(self, job: Job) -> None:
        with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY") as connection:
            session = PostgresqlSession(connection, self._node_id, locking=False)
            job.run(session)
            session.end_work()
            session.flush()
            connection.execute("COMMIT")


class _Ground:
    text_type = 'TEXT COLLATE "C"'
    bytes_type = "BYTEA"

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def execute(self, sql: str) -> None:
        self._connection.execute(sql.encode())

    def version(self) -> int | None:
        row = self._connection.execute("SELECT version FROM schema_version").fetchone()
        return None if row is None else int(row[0])


def _run_in(session: PostgresqlSession, job: Job) -> None:
    session.begin_work()
    try:
        job.run(session)
        session.end_work()
    except BaseException as error:
        job.fail(error)
        if session.failure is not None:
            raise session.failure from error
        if session.has_sent_writes:
            raise _Undone from error
        # The usual refusal: it has only read, so that there is nothing to undo and the others go on.
        session.drop_work()


def _step_aside(tries_count: int) -> None:
    """Two that were in each other's way must not meet again at once."""
    time.sleep(random.uniform(0.001, 0.002 * 2**tries_count))  # noqa: S311  not a secret


def _fail(jobs: Sequence[Job], error: Exception) -> None:
    for job in jobs:
        job.fail(error)


def named(error: Exception) -> Exception:
    """The driver's error as one that names who must act."""
    if isinstance(error, _SOMEBODY_WAS_FASTER):
        return Conflict(str(error))
    # The driver counts a value that is too large for an index among the troubles of the server.
    is_too_large = isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith("54")
    if isinstance(error, psycopg.OperationalError) and not is_too_large:
        return StoreUnavailable(str(error))
    return StatementRefused(str(error))
