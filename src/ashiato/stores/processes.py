"""What negotiations and transfers have in common in SQL: both are processes with a pid on either side."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
from sqlalchemy import Table, bindparam, select, update

from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import Role
from ashiato.dsp.transfer import TransferProcess
from ashiato.stores.schema import OF_PARTICIPANT
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Row, Statement, Values, insert, upsert

P = TypeVar("P", ContractNegotiation, TransferProcess)

_NO_CONTEXT = "{}"
_context = msgspec.json.Decoder(dict[str, object]).decode


class ProcessStatements:
    """Statements over one table of processes and the table of what our side remembers beside them."""

    def __init__(self, table: Table, context: Table) -> None:
        columns = table.c
        mine = columns.participant_id == OF_PARTICIPANT
        self.insert = insert(table)
        self.get = Statement(
            select(columns.body).where(mine, columns.own_pid == bindparam("own_pid")), locks=True
        )
        self.find_by_peer = Statement(
            select(columns.body).where(
                mine,
                columns.peer_id == bindparam("peer_id"),
                columns.peer_pid == bindparam("peer_pid"),
                columns.role == bindparam("role"),
            ),
            locks=True,
        )
        # Only what a transition may change: an engine that keeps old row versions then leaves the indexes alone.
        changed = ("peer_pid", "state", "is_open", "body")
        self.update = Statement(
            update(table)
            .where(mine, columns.own_pid == bindparam("of_pid"))
            .values({name: bindparam(name) for name in changed})
        )
        self.page = (
            select(columns.body)
            .where(mine, columns.own_pid > bindparam("after_id"))
            .order_by(columns.own_pid)
            .limit(bindparam("limit_count"))
        )
        self.put_context = upsert(context)
        self.context = Statement(
            select(context.c.body).where(
                context.c.participant_id == OF_PARTICIPANT, context.c.own_pid == bindparam("own_pid")
            )
        )


class SqlProcesses(Generic[P]):
    """The processes of one kind and one participant.

    A unit of work reads a process once: it is locked from then on, and what it becomes is known.
    """

    __slots__ = ("_bodies", "_contexts", "_participant_id", "_session")

    _statements: ProcessStatements
    _decode: Callable[[str], P]

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id
        self._bodies: dict[str, str] = {}
        self._contexts: dict[str, str] = {}

    def get(self, own_pid: str) -> P | None:
        body = self._bodies.get(own_pid)
        if body is not None:
            return self._decode(body)
        # With the context, because whoever takes up a process wants both. By a statement of its own behind the first: one that
        # joins them would, after waiting for the lock, bring the context of before.
        row, context = self._session.pair(
            self._statements.get,
            self._statements.context,
            {"participant_id": self._participant_id, "own_pid": own_pid},
        )
        if row is None:
            return None
        self._contexts[own_pid] = _NO_CONTEXT if context is None else context[0]
        self._bodies[own_pid] = row[0]
        return self._decode(row[0])

    def find_by_peer(self, role: Role, peer_id: str, peer_pid: str) -> P | None:
        row = self._session.one(
            self._statements.find_by_peer,
            {
                "participant_id": self._participant_id,
                "role": role.value,
                "peer_id": peer_id,
                "peer_pid": peer_pid,
            },
        )
        if row is None:
            return None
        process = self._decode(row[0])
        self._bodies[process.own_pid] = row[0]
        return process

    def insert(self, process: P) -> None:
        body = self._bodies[process.own_pid] = to_json(process)
        self._session.write(
            self._statements.insert,
            {
                "participant_id": self._participant_id,
                "own_pid": process.own_pid,
                "role": process.role.value,
                "peer_id": process.peer_id,
                "peer_pid": process.peer_pid,
                "state": process.state.value,
                "is_open": 0 if process.state.is_terminal else 1,
                "body": body,
                **self._further_columns(process),
            },
        )

    def update(self, process: P) -> None:
        body = to_json(process)
        if process.own_pid in self._bodies:
            self._bodies[process.own_pid] = body
        self._session.write_last(
            self._statements.update,
            {
                "participant_id": self._participant_id,
                "of_pid": process.own_pid,
                "peer_pid": process.peer_pid,
                "state": process.state.value,
                "is_open": 0 if process.state.is_terminal else 1,
                "body": body,
            },
            key=process.own_pid,
        )

    def put_context(self, own_pid: str, context: dict[str, object]) -> None:
        body = self._contexts[own_pid] = to_json(context)
        self._session.write_last(
            self._statements.put_context,
            {"participant_id": self._participant_id, "own_pid": own_pid, "body": body},
            key=own_pid,
        )

    def context(self, own_pid: str) -> dict[str, object]:
        body = self._contexts.get(own_pid)
        if body is None:
            row = self._session.one(
                self._statements.context, {"participant_id": self._participant_id, "own_pid": own_pid}
            )
            body = self._contexts[own_pid] = _NO_CONTEXT if row is None else row[0]
        return _context(body)

    def _further_columns(self, process: P) -> Values:
        return {}

    def _rows(self, statement: Statement, values: Values) -> list[Row]:
        return self._session.all(statement, {"participant_id": self._participant_id, **values})

    def _page(self, statement: Statement, values: Values) -> list[P]:
        return [self._decode(body) for (body,) in self._rows(statement, values)]
