"""PostgreSQL's extended protocol as a pipeline: statements are collected, sent together and answered together.

The driver's own cursors speak to the socket once for every statement, even in its pipeline mode. Each time the thread gives up
the interpreter and has to wait for it. Here a unit of work speaks once for each read and once for its commit. The driver still
makes the connection and brings libpq.
"""

import select
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import psycopg
from psycopg import pq
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus

from ashiato.connector.ports import Conflict
from ashiato.stores.errors import StatementRefused, StoreUnavailable
from ashiato.stores.statements import Row

OnRows = Callable[[list[Row]], None]

_TEXT, _BINARY = 0, 1
_BYTEA_OID, _INT8_OID, _INT4_OID, _TEXT_OID, _VARCHAR_OID = 17, 20, 23, 25, 1043
# unique_violation, serialization_failure, deadlock_detected, lock_not_available: somebody was faster.
_CONFLICT_STATES = frozenset({"23505", "40001", "40P01", "55P03"})
# Connection, resources, operator intervention, system error: nothing that another statement would mend.
_UNAVAILABLE_CLASSES = frozenset({"08", "53", "57", "58", "XX"})
_GOOD = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK})


class UnsendableText(ValueError):
    """Text that PostgreSQL cannot hold (a NUL, half of a surrogate pair); nothing was sent."""


class _Answer(NamedTuple):
    """What the server owes us: the answer to a statement, to the preparation of `prepared`, or (`is_sync`) to a sync."""

    on_rows: OnRows | None = None
    prepared: str | None = None
    is_sync: bool = False


_PLAIN = _Answer()
_SYNC = _Answer(is_sync=True)


class Pipeline:
    """One connection in pipeline mode. Raises `Conflict`, `StoreUnavailable` and `StatementRefused`."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._names: dict[str, bytes] = {}
        self._prepared_count = 0
        self._owed: deque[_Answer] = deque()
        self._poll = select.poll()
        self._socket = self._pgconn.socket

    def is_alive(self) -> bool:
        """Whether the server has not closed the connection while nobody used it, as far as is known without asking."""
        try:
            # The first look may find the server's farewell, the second finds the end behind it.
            self._pgconn.consume_input()
            self._pgconn.consume_input()
        except psycopg.OperationalError:
            return False
        return self._is_connected

    @property
    def _is_connected(self) -> bool:
        return self._pgconn.status == ConnStatus.OK

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def send(self, sql: str, values: Sequence[object] = (), on_rows: OnRows | None = None) -> None:
        """Put a statement behind those that wait to be sent; raises `UnsendableText`."""
        parameters: list[bytes | None] = []
        formats: list[int] = []
        for value in values:
            if type(value) is bytes:
                parameters.append(value)
                formats.append(_BINARY)
            else:
                parameters.append(None if value is None else _text(value))
                formats.append(_TEXT)
        try:
            name = self._names.get(sql) or self._prepare(sql)
            self._pgconn.send_query_prepared(name, parameters, formats, result_format=_BINARY)
        except psycopg.OperationalError as error:
            raise StoreUnavailable(str(error)) from error
        self._owed.append(_PLAIN if on_rows is None else _Answer(on_rows))

    def answer(self) -> None:
        """Send what waits and hand out the rows of all of it. Raises the first error of any."""
        self._pgconn.send_flush_request()
        self._settle()

    def fetch(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """The rows of a statement, which is sent with all that waits. Raises the first error of any."""
        rows: list[Row] = []
        self.send(sql, values, rows.extend)
        self.answer()
        return rows

    def sync(self) -> None:
        """Send what waits and read every answer; the server is ready for a new start. Raises the first error."""
        try:
            self._pgconn.pipeline_sync()
        except psycopg.OperationalError as error:
            raise StoreUnavailable(str(error)) from error
        self._owed.append(_SYNC)
        self._settle()

    def roll_back(self) -> None:
        """End the transaction without effect, whatever has failed before. Raises `StoreUnavailable`."""
        # Behind a failure the first is skipped, as is everything up to the sync.
        with suppress(Conflict, StatementRefused):
            self.send("ROLLBACK")
            self.sync()
        if self._pgconn.transaction_status != TransactionStatus.IDLE:
            self.send("ROLLBACK")
            self.sync()

    def _prepare(self, sql: str) -> bytes:
        self._prepared_count += 1
        name = self._names[sql] = b"s%d" % self._prepared_count
        self._pgconn.send_prepare(name, sql.encode())
        self._owed.append(_Answer(prepared=sql))
        return name

    def _settle(self) -> None:
        """Send, wait for and hand out every answer that is owed; raise the first error."""
        problem: Exception | None = None
        try:
            self._flush()
            while self._owed:
                answer = self._owed.popleft()
                result = self._result()
                if answer.is_sync:
                    # Only a broken connection answers a sync with something else.
                    if result is None or result.status != ExecStatus.PIPELINE_SYNC:
                        raise StoreUnavailable(_message(result))
                    continue
                problem = self._take(answer, result) or problem
        except psycopg.OperationalError as error:
            raise StoreUnavailable(str(error)) from error
        if problem is not None:
            raise problem

    def _take(self, answer: _Answer, result: "pq.abc.PGresult | None") -> Exception | None:
        if result is None:
            raise StoreUnavailable("the connection broke")
        if result.status in _GOOD:
            if answer.on_rows is not None:
                answer.on_rows(_rows(result))
        elif answer.prepared is not None:
            # Refused, or skipped behind a failure: the server does not know the name.
            self._names.pop(answer.prepared, None)
        if self._result() is not None:
            raise StoreUnavailable("the server answered out of turn")
        if result.status in _GOOD or result.status == ExecStatus.PIPELINE_ABORTED:
            return None
        if not self._is_connected:
            raise StoreUnavailable(_message(result))
        return _error(result)

    def _result(self) -> "pq.abc.PGresult | None":
        while self._pgconn.is_busy():
            self._wait(select.POLLIN)
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _flush(self) -> None:
        while self._pgconn.flush():
            # Reading meanwhile, for the server may wait for us to take its answers.
            self._wait(select.POLLIN | select.POLLOUT)
            self._pgconn.consume_input()

    def _wait(self, events: int) -> None:
        self._poll.register(self._socket, events)
        self._poll.poll()


def _text(value: object) -> bytes:
    if type(value) is not str:
        return str(value).encode()
    try:
        encoded = value.encode()
    except UnicodeEncodeError as error:
        raise UnsendableText(str(error)) from None
    if b"\x00" in encoded:
        raise UnsendableText("PostgreSQL text holds no NUL")
    return encoded


def _text_of(value: bytes) -> str:
    return value.decode()


def _int_of(value: bytes) -> int:
    return int.from_bytes(value, signed=True)


_READERS: Final[dict[int, Callable[[bytes], object]]] = {
    _BYTEA_OID: bytes,
    _INT4_OID: _int_of,
    _INT8_OID: _int_of,
    _TEXT_OID: _text_of,
    _VARCHAR_OID: _text_of,
}


def _rows(result: "pq.abc.PGresult") -> list[Row]:
    rows_count = result.ntuples
    if not rows_count:
        return []
    columns = [(number, _READERS[result.ftype(number)]) for number in range(result.nfields)]
    get_value = result.get_value
    return [
        tuple(
            [None if (value := get_value(row, column)) is None else read(value) for column, read in columns]
        )
        for row in range(rows_count)
    ]


def _message(result: "pq.abc.PGresult | None") -> str:
    if result is None or result.error_message is None:
        return "the connection broke"
    return result.error_message.decode(errors="replace").strip() or "the connection broke"


def _error(result: "pq.abc.PGresult") -> Exception:
    """The server's error as one that names who must act."""
    state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
    if state in _CONFLICT_STATES:
        return Conflict(_message(result))
    if not state or state[:2] in _UNAVAILABLE_CLASSES:
        return StoreUnavailable(_message(result))
    return StatementRefused(_message(result))
