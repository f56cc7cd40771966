"""SQLite: one connection that writes, with group commit, and connections that only read."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy.dialects import sqlite as _sqlite_dialect
from sqlalchemy.engine import Dialect

from ashiato.connector.ports import Conflict
from ashiato.stores.errors import StatementRefused, StoreInUse, StoreUnavailable
from ashiato.stores.jobs import Job, write_histories
from ashiato.stores.migrations import CONNECTOR, Chain, migrate
from ashiato.stores.outbox import release_leases
from ashiato.stores.statements import Row, Statement, Values

BUSY_TIMEOUT_MS = 10_000
CACHED_STATEMENTS_COUNT = 512

_DIALECT: Final[Dialect] = _sqlite_dialect.dialect()
_TAKEN_KEY_CODES = frozenset({sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE})
_OPERATOR_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
    }
)


class SqliteFile:
    """The database file of one running process: no second one may write to it, for leases and wake-ups live in this one."""

    def __init__(self, path: Path, node_id: str, more_chains: Sequence[Chain] = ()) -> None:
        self._path = path
        self._node_id = node_id
        self._more_chains = more_chains
        self._lock = _lock(path)
        try:
            self._migrate()
        except BaseException:
            os.close(self._lock)
            raise

    def _migrate(self) -> None:
        connection = self._connect(read_only=False)
        session = SqliteSession(connection, self._node_id)
        try:
            connection.execute("BEGIN IMMEDIATE")
            migrate(SqliteGround(connection), CONNECTOR)
            for chain in self._more_chains:
                migrate(SqliteGround(connection), chain.versions, chain.table)
            release_leases(session, all_nodes=True)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _named(error) from error
        finally:
            connection.close()

    def writer(self) -> "SqliteWriter":
        """The only connection that writes."""
        return SqliteWriter(self._connect(read_only=False), self._node_id)

    def reader(self) -> "SqliteReader":
        """A connection that reads beside the writer."""
        return SqliteReader(self._connect(read_only=True), self._node_id)

    async def close(self) -> None:
        """Let another process have the file."""
        os.close(self._lock)

    def _connect(self, *, read_only: bool) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=CACHED_STATEMENTS_COUNT,
            )
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit is on the disk before anybody hears of it; WAL alone would only keep the file consistent.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA query_only = {int(read_only)}")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error
        return connection


class SqliteSession:
    """The port `Session` on one connection. Writes are made at once: there is no network to save."""

    engine = "sqlite"

    def __init__(self, connection: sqlite3.Connection, node_id: str) -> None:
        self.node_id = node_id
        self.is_first_try = False
        self.failure: Exception | None = None
        self._execute = connection.execute
        self._execute_many = connection.executemany
        self._undoable = False
        self._marked = False

    def one(self, statement: Statement, values: Values) -> Row | None:
        rows = self.all(statement, values)
        return rows[0] if rows else None

    def pair(self, first: Statement, second: Statement, values: Values) -> tuple[Row | None, Row | None]:
        return self.one(first, values), self.one(second, values)

    def all(self, statement: Statement, values: Values) -> list[Row]:
        sql, in_order = statement.on(_DIALECT, False)
        if statement.writes:
            self._mark()
        try:
            return self._execute(sql, in_order(values)).fetchall()
        except (sqlite3.Error, UnicodeEncodeError, OverflowError) as error:
            if isinstance(error, UnicodeEncodeError) and not statement.writes:
                return []
            raise self._failed(error) from error

    def write(self, statement: Statement, values: Values) -> None:
        self.all(statement, values)

    def write_last(
        self, statement: Statement, values: Values, key: str, *, completes: Statement | None = None
    ) -> None:
        self.all(statement, values)

    def write_then(self, statement: Statement, values: Values, on_row: Callable[[Row], None]) -> None:
        for row in self.all(statement, values):
            on_row(row)

    def write_many(self, statement: Statement, rows: Sequence[Values]) -> None:
        sql, in_order = statement.on(_DIALECT, False)
        self._mark()
        try:
            self._execute_many(sql, map(in_order, rows))
        except (sqlite3.Error, UnicodeEncodeError, OverflowError) as error:
            raise self._failed(error) from error

    def begin_work(self, *, undoable: bool) -> None:
        """A unit of work begins; with `undoable` it can be undone without undoing those before it."""
        self.failure = None
        self._undoable = undoable
        self._marked = False

    def end_work(self) -> None:
        """Keep what it did; raises its failure, which it may have swallowed."""
        if self.failure is not None:
            raise self.failure
        if self._marked:
            self._execute("RELEASE work")

    def undo_work(self) -> None:
        """Undo what it did since `begin_work`."""
        if self._marked:
            self._execute("ROLLBACK TO work")
            self._execute("RELEASE work")

    def _mark(self) -> None:
        if self._undoable and not self._marked:
            self._execute("SAVEPOINT work")
            self._marked = True

    def _failed(self, error: Exception) -> Exception:
        self.failure = _named(error)
        return self.failure


class SqliteWriter:
    """Runs jobs in one transaction: each can fail alone, and none is told of success before the commit is on the disk."""

    def __init__(self, connection: sqlite3.Connection, node_id: str) -> None:
        self._connection = connection
        self._session = SqliteSession(connection, node_id)

    def run(self, jobs: Sequence[Job]) -> None:
        """Run `jobs` and commit what the good ones did."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._run_one(job, undoable=len(jobs) > 1)
            self._session.begin_work(undoable=False)
            write_histories(self._session, jobs)
            # The commit point: before it nothing has happened, after it everything is on the disk and may be told.
            self._connection.execute("COMMIT")
        except (sqlite3.Error, StoreUnavailable, StatementRefused, Conflict) as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for job in jobs:
                job.fail(_named(error))

    def tell_others(self, jobs: Sequence[Job]) -> None:
        """There are none on the same file."""

    def _run_one(self, job: Job, *, undoable: bool) -> None:
        session = self._session
        session.begin_work(undoable=undoable)
        try:
            job.run(session)
            session.end_work()
        except BaseException as error:  # whatever a unit of work raises belongs to its caller
            job.fail(error)
            if not self._connection.in_transaction:
                raise StoreUnavailable(str(error)) from error
            if undoable:
                session.undo_work()
            else:
                self._connection.execute("ROLLBACK")
                self._connection.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Close the connection; the write-ahead log is folded into the file."""
        self._connection.close()


class SqliteReader:
    """Runs jobs that only read, each on its own snapshot."""

    def __init__(self, connection: sqlite3.Connection, node_id: str) -> None:
        self._connection = connection
        self._session = SqliteSession(connection, node_id)

    def run(self, jobs: Sequence[Job]) -> None:
        """Run `jobs` one after the other."""
        for job in jobs:
            self._session.begin_work(undoable=False)
            try:
                self._connection.execute("BEGIN")
                job.run(self._session)
                self._session.end_work()
            except sqlite3.Error as error:
                job.fail(_named(error))
            except BaseException as error:  # noqa: BLE001  whatever a unit of work raises belongs to its caller
                job.fail(error)
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class SqliteGround:
    """The port `Ground`."""

    engine = "sqlite"
    text_type = "TEXT"
    bytes_type = "BLOB"
    numbered_type = "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
    member_of_body = "json_extract(body, '$.NAME')"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str) -> None:
        self._connection.execute(sql)

    def version(self, table: str) -> int | None:
        row = self._connection.execute(f"SELECT version FROM {table}").fetchone()  # noqa: S608  a name of our own
        return None if row is None else int(row[0])


def _lock(path: Path) -> int:
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # SQLite would make the file for everybody to read; its log and index take their mode from it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StoreInUse(str(path)) from None
    return lock


def _named(error: Exception) -> Exception:
    """The driver's error as one that names who must act."""
    if not isinstance(error, sqlite3.Error | UnicodeEncodeError | OverflowError):
        return error
    if isinstance(error, sqlite3.IntegrityError) and error.sqlite_errorcode in _TAKEN_KEY_CODES:
        return Conflict(str(error))
    # The low byte is the class of the error; sqlite3 gives none to misuse of its own interface.
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OPERATOR_CODES:
        return StoreUnavailable(str(error))
    return StatementRefused(str(error))
