"""One fixed SELECT on the company's own database, streamed row by row as JSON or CSV.

Three locks stand before a write, so that a mistake in the query or in one of them still changes nothing: the connection is
read-only, the transaction is read-only, and the engine is told to refuse everything but reading.
"""

import asyncio
import base64
import csv
import io
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from datetime import date
from datetime import time as clock
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from ashiato.clients.sources.files import open_below
from ashiato.connector.sources import (
    Aside,
    Forwarded,
    ForwardedAnswer,
    ForwardRefused,
    Secrets,
    SourceDescription,
    SourceUnavailable,
    SqlPlace,
    UnknownSecret,
)

if TYPE_CHECKING:
    import psycopg

BATCH_ROWS = 2000
BATCH_BYTES = 4 * 1024**2
MOST_ROW_BYTES = 16 * 1024**2
# SQLite has a whole row in memory before one of its values can be looked at: the engine bounds values and columns itself.
MOST_SQLITE_VALUE_BYTES = 1024**2
MOST_SQLITE_COLUMNS_COUNT = 512
# PostgreSQL sends a batch whole: the next may have so many times the rows of the last, if the widest row seen leaves room for it.
_BATCH_GROWTH = 4
CONNECT_TIMEOUT_S = 5
IDLE_TRANSACTION_S = 120
# How many steps of SQLite's machine pass between two looks at the clock: some milliseconds.
_STEPS_PER_LOOK = 20_000

MEDIA_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8"}

T = TypeVar("T")
Row = Sequence[object]


class Rows(Protocol):
    """The rows of one query on one connection; everything but `interrupt` blocks and is called from one thread at a time."""

    def start(self) -> tuple[str, ...]:
        """Run the query; the names of its columns. Raises `SourceUnavailable`."""

    def fetch(self, most_rows: int) -> list[Row]:
        """The next rows, about `BATCH_BYTES` of them at most, none at the end. Raises `SourceUnavailable`."""

    def interrupt(self) -> None:
        """Make a call that is under way in another thread return soon."""

    def close(self) -> None: ...


class SqlSource:
    """One run of the query. Its length is not known beforehand and it cannot be resumed: each read is a new answer."""

    def __init__(self, place: SqlPlace, connect: Callable[[], Rows], threads: Executor) -> None:
        self._place = place
        self._connect = connect
        self._threads = threads
        self._rows: Rows | None = None
        self._working: asyncio.Future[Any] | None = None

    async def describe(self) -> SourceDescription:
        """Only the form: the rows are as they are when they are read."""
        return SourceDescription(media_type=MEDIA_TYPES[self._place.format])

    async def open(
        self, start_bytes: int, end_bytes: int | None, aside: Aside | None = None
    ) -> AsyncGenerator[bytes]:
        """The rows as one JSON array of objects, or as CSV with a header line (RFC 4180)."""
        rows = self._rows = self._connect()
        columns = await self._in_thread(rows.start)
        doubled = next((name for name in columns if columns.count(name) > 1), None)
        if doubled is not None:
            raise SourceUnavailable(f"two columns of the query have the name {doubled!r}")
        form = (_JsonForm if self._place.format == "json" else _CsvForm)(columns)
        if form.head:
            yield form.head
        sent_rows = 0
        while batch := await self._in_thread(rows.fetch, BATCH_ROWS):
            sent_rows += len(batch)
            if sent_rows > self._place.most_rows_count:
                raise SourceUnavailable(f"the query gives more than {self._place.most_rows_count} rows")
            yield await self._in_thread(form.encode, batch)
        if form.foot:
            yield form.foot

    async def digest(self) -> str | None:
        """The next run may give other rows."""
        return None

    def learn(self, sha256: str) -> None:
        """The next run may give other rows."""

    def vet(self, request: Forwarded) -> None:
        """A query takes nothing from the caller, so nothing of the caller's can reach its text."""
        raise ForwardRefused("This dataset is a fixed query; it takes only GET without path and query.")

    async def forward(self, request: Forwarded) -> ForwardedAnswer:
        """Never reached: `vet` refuses everything."""
        raise SourceUnavailable("a fixed query takes no requests")

    async def close(self) -> None:
        """Stops a query that is still running, waits for its thread and closes the connection."""
        if self._rows is None:
            return
        if self._working is not None and not self._working.done():
            # Not in our own threads: the query that is to be stopped may hold the last of them.
            await asyncio.to_thread(self._rows.interrupt)
            await asyncio.wait({self._working})
        await asyncio.to_thread(self._rows.close)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        working = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        self._working = working
        # A stop must not lose sight of the thread: `close` waits for it.
        return await asyncio.shield(working)


def _row_bytes(row: Row) -> int:
    """About how many bytes the row takes; raises `SourceUnavailable` when that is too much to handle."""
    size_bytes = sum(map(_value_bytes, row))
    if size_bytes > MOST_ROW_BYTES:
        raise SourceUnavailable(
            f"a row of the query has {size_bytes} bytes; at most {MOST_ROW_BYTES} are possible"
        )
    return size_bytes


def _value_bytes(value: object) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict | list):
        return len(_encode_json(value))
    return len(str(value)) if isinstance(value, Decimal) else 8


class _JsonForm:
    def __init__(self, columns: tuple[str, ...]) -> None:
        self.head = b"["
        self.foot = b"]"
        self._columns = columns
        self._is_first = True

    def encode(self, rows: list[Row]) -> bytes:
        joined = b",\n".join(_encode_json(dict(zip(self._columns, row, strict=True))) for row in rows)
        lead, self._is_first = (b"" if self._is_first else b",\n"), False
        return lead + joined


class _CsvForm:
    def __init__(self, columns: tuple[str, ...]) -> None:
        self.head = _csv_lines([columns])
        self.foot = b""

    def encode(self, rows: list[Row]) -> bytes:
        return _csv_lines([[_csv_cell(value) for value in row] for row in rows])


def _csv_lines(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8")


def _csv_cell(value: object) -> object:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, dict | list):
        return _encode_json(value).decode()
    return value.isoformat() if isinstance(value, date | clock) else value


def _encode_json(value: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)


class SqliteRows:
    """A query on a SQLite file, which is opened read-only and may do nothing but read."""

    def __init__(self, folder: Path, path: str, query: str, timeout_s: int) -> None:
        self._folder = folder
        self._path = path
        self._query = query
        self._timeout_s = timeout_s
        self._connection: sqlite3.Connection | None = None
        self._cursor: sqlite3.Cursor | None = None
        self._spent_s = self._started_s = 0.0
        self._is_stopped = False

    def start(self) -> tuple[str, ...]:
        """Open the file, which must lie below the folder, and run the query."""
        file = self._below_folder()
        with self._guarded():
            connection = sqlite3.connect(
                f"file:{quote(str(file))}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
            )
            self._connection = connection
            connection.execute("PRAGMA query_only = ON")
            connection.set_authorizer(_only_reading)
            connection.set_progress_handler(self._must_stop, _STEPS_PER_LOOK)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_SQLITE_VALUE_BYTES)
            connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, MOST_SQLITE_COLUMNS_COUNT)
            self._cursor = connection.execute(self._query)
            return tuple(column[0] for column in self._cursor.description)

    def fetch(self, most_rows: int) -> list[Row]:
        """The next rows."""
        batch: list[Row] = []
        size_bytes = 0
        with self._guarded():
            for row in self._cursor or ():
                batch.append(row)
                size_bytes += _row_bytes(row)
                if len(batch) >= most_rows or size_bytes >= BATCH_BYTES:
                    break
        return batch

    def interrupt(self) -> None:
        """The engine looks at this every few milliseconds."""
        self._is_stopped = True

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()

    def _below_folder(self) -> Path:
        # The descriptor only proves that the path is a regular file reached without links; the engine opens by name, because
        # it needs the write-ahead log beside the file.
        os.close(open_below(self._folder, self._path))
        return self._folder / self._path

    def _must_stop(self) -> int:
        spent_s = self._spent_s + time.monotonic() - self._started_s
        return int(self._is_stopped or spent_s > self._timeout_s)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """The time limit counts the engine's work, not the time that a reader takes between two batches."""
        self._started_s = time.monotonic()
        try:
            yield
        except sqlite3.DataError:
            raise SourceUnavailable(
                f"a value of the query has more than {MOST_SQLITE_VALUE_BYTES} bytes"
            ) from None
        except sqlite3.Error as error:
            raise SourceUnavailable(f"the query failed: {error}") from None
        finally:
            self._spent_s += time.monotonic() - self._started_s


def _only_reading(
    action: int, argument: str | None, other: str | None, schema: str | None, by: str | None
) -> int:
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and other not in _UNSAFE_FUNCTIONS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


_UNSAFE_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})


class PostgresqlRows:
    """A query on PostgreSQL in a read-only transaction, through a cursor on the server's side."""

    def __init__(self, url: str, query: str, timeout_s: int) -> None:
        self._url = url
        self._query = query
        self._timeout_s = timeout_s
        self._connection: psycopg.Connection | None = None
        self._cursor: psycopg.ServerCursor[Row] | None = None
        self._spent_s = 0.0
        self._widest_bytes = 1
        self._next_count = 1

    def start(self) -> tuple[str, ...]:
        """Connect and declare the cursor; a cursor is one statement, and one that only reads."""
        import psycopg

        with self._guarded():
            self._connection = psycopg.connect(self._url, connect_timeout=CONNECT_TIMEOUT_S)
            self._connection.read_only = True
            for name, value_ms in (
                ("statement_timeout", self._timeout_s * 1000),
                ("lock_timeout", self._timeout_s * 1000),
                ("idle_in_transaction_session_timeout", IDLE_TRANSACTION_S * 1000),
            ):
                self._connection.execute("SELECT set_config(%s, %s, false)", (name, str(value_ms)))
            self._cursor = psycopg.ServerCursor(self._connection, "ashiato")
            # The text is the owner's own; without parameters the driver passes it on as it stands.
            self._cursor.execute(self._query.encode())
            return tuple(column.name for column in self._cursor.description or ())

    def fetch(self, most_rows: int) -> list[Row]:
        """The next rows."""
        asked_count = min(self._next_count, most_rows)
        with self._guarded():
            batch = [] if self._cursor is None else self._cursor.fetchmany(asked_count)
        self._widest_bytes = max([self._widest_bytes, *map(_row_bytes, batch)])
        self._next_count = max(1, min(asked_count * _BATCH_GROWTH, BATCH_BYTES // self._widest_bytes))
        return batch

    def interrupt(self) -> None:
        """Ask the server to stop what it is doing."""
        import psycopg

        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.cancel_safe(timeout=CONNECT_TIMEOUT_S)

    def close(self) -> None:
        """End the connection, and with it the transaction and the cursor on the server."""
        if self._connection is not None:
            self._connection.close()
        if self._cursor is not None:
            self._cursor.close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        import psycopg

        if self._spent_s > self._timeout_s:
            raise SourceUnavailable(f"the query took longer than {self._timeout_s} s")
        started_s = time.monotonic()
        try:
            yield
        except psycopg.Error as error:
            # The driver's texts may quote the address with its password: only the kind and the server's own words go on.
            told = error.diag.message_primary or type(error).__name__
            raise SourceUnavailable(f"the query failed: {told}") from None
        finally:
            self._spent_s += time.monotonic() - started_s


def sql_source(
    place: SqlPlace, participant_id: str, folder: Path | None, secrets: Secrets, threads: Executor
) -> SqlSource:
    """The source for a place that was checked: exactly one of file and URL is given."""

    def connect() -> Rows:
        if place.database is not None:
            if folder is None:
                raise SourceUnavailable("no folder is opened for this participant")
            return SqliteRows(folder, place.database, place.query, place.timeout_s)
        try:
            url = secrets.get(participant_id, place.database_url or "")
        except UnknownSecret as error:
            raise SourceUnavailable(str(error)) from None
        return PostgresqlRows(url, place.query, place.timeout_s)

    return SqlSource(place, connect, threads)
