"""Contract negotiations and what waits for a person, in SQL."""

import msgspec
from sqlalchemy import bindparam, delete, func, literal_column, select

from ashiato.connector.records import Approvable
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.stores.processes import ProcessStatements, SqlProcesses
from ashiato.stores.schema import APPROVABLE, NEGOTIATION, NEGOTIATION_CONTEXT, OF_PARTICIPANT
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, upsert

_approvable = msgspec.json.Decoder(Approvable).decode

_P = OF_PARTICIPANT
_N, _A = NEGOTIATION.c, APPROVABLE.c

_STATEMENTS = ProcessStatements(NEGOTIATION, NEGOTIATION_CONTEXT)
_OF_STATE = _N.state == bindparam("state")
_OF_PEER = _N.peer_id == bindparam("peer_id")
_PAGES = {
    (False, False): Statement(_STATEMENTS.page),
    (True, False): Statement(_STATEMENTS.page.where(_OF_STATE)),
    (False, True): Statement(_STATEMENTS.page.where(_OF_PEER)),
    (True, True): Statement(_STATEMENTS.page.where(_OF_STATE, _OF_PEER)),
}
# The literal 1 lets the engine prove that the partial index holds the answer.
_COUNT_OPEN = Statement(
    select(func.count()).where(_N.participant_id == _P, _OF_PEER, _N.is_open == literal_column("1"))
)
_PUT_APPROVABLE = upsert(APPROVABLE)
_GET_APPROVABLE = Statement(
    select(_A.body).where(_A.participant_id == _P, _A.own_pid == bindparam("own_pid"))
)
_LIST_APPROVABLES = Statement(
    select(_A.body)
    .where(_A.participant_id == _P, _A.own_pid > bindparam("after_id"))
    .order_by(_A.own_pid)
    .limit(bindparam("limit_count"))
)
_DELETE_APPROVABLE = Statement(
    delete(APPROVABLE).where(_A.participant_id == _P, _A.own_pid == bindparam("own_pid"))
)


class SqlNegotiations(SqlProcesses[ContractNegotiation]):
    """The port `Negotiations` of one participant."""

    __slots__ = ("_waits",)

    _statements = _STATEMENTS
    _decode = msgspec.json.Decoder(ContractNegotiation).decode

    def __init__(self, session: Session, participant_id: str) -> None:
        super().__init__(session, participant_id)
        # Most negotiations never wait for a person: what is known of that saves a statement each time.
        self._waits: dict[str, bool] = {}

    def insert(self, process: ContractNegotiation) -> None:
        self._waits.setdefault(process.own_pid, False)
        super().insert(process)

    def page(
        self, after_id: str, limit_count: int, *, state: str | None = None, peer_id: str | None = None
    ) -> list[ContractNegotiation]:
        values = {"after_id": after_id, "limit_count": limit_count, "state": state, "peer_id": peer_id}
        return self._page(_PAGES[state is not None, peer_id is not None], values)

    def count_open(self, peer_id: str) -> int:
        return int(self._rows(_COUNT_OPEN, {"peer_id": peer_id})[0][0])

    def put_approvable(self, approvable: Approvable) -> None:
        self._waits[approvable.negotiation_pid] = True
        self._session.write(
            _PUT_APPROVABLE,
            {
                "participant_id": self._participant_id,
                "own_pid": approvable.negotiation_pid,
                "body": to_json(approvable),
            },
        )

    def approvable(self, own_pid: str) -> Approvable | None:
        if self._waits.get(own_pid) is False:
            return None
        rows = self._rows(_GET_APPROVABLE, {"own_pid": own_pid})
        return _approvable(rows[0][0]) if rows else None

    def list_approvables(self, after_id: str, limit_count: int) -> list[Approvable]:
        values = {"after_id": after_id, "limit_count": limit_count}
        return [_approvable(body) for (body,) in self._rows(_LIST_APPROVABLES, values)]

    def delete_approvable(self, own_pid: str) -> None:
        if self._waits.get(own_pid) is False:
            return
        self._waits[own_pid] = False
        self._session.write(_DELETE_APPROVABLE, {"participant_id": self._participant_id, "own_pid": own_pid})
