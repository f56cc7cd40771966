"""Transfer processes, accesses, received data and fetches in SQL."""

import msgspec
from sqlalchemy import bindparam, func, literal_column, or_, select, tuple_

from ashiato.connector.records import AccessRecord, Fetch, ReceivedData
from ashiato.dsp.states import Role
from ashiato.dsp.transfer import TransferProcess
from ashiato.stores.processes import ProcessStatements, SqlProcesses
from ashiato.stores.schema import ACCESS, FETCH, OF_PARTICIPANT, RECEIVED, TRANSFER, TRANSFER_CONTEXT
from ashiato.stores.sessions import to_json
from ashiato.stores.statements import Statement, Values, upsert

_access = msgspec.json.Decoder(AccessRecord).decode
_received = msgspec.json.Decoder(ReceivedData).decode
_fetch = msgspec.json.Decoder(Fetch).decode

_P = OF_PARTICIPANT
_T, _A, _R, _F = TRANSFER.c, ACCESS.c, RECEIVED.c, FETCH.c

_STATEMENTS = ProcessStatements(TRANSFER, TRANSFER_CONTEXT)
_OF_STATE = _T.state == bindparam("state")
_OF_AGREEMENT = _T.agreement_id == bindparam("agreement_id")
_PAGES = {
    (False, False): Statement(_STATEMENTS.page),
    (True, False): Statement(_STATEMENTS.page.where(_OF_STATE)),
    (False, True): Statement(_STATEMENTS.page.where(_OF_AGREEMENT)),
    (True, True): Statement(_STATEMENTS.page.where(_OF_STATE, _OF_AGREEMENT)),
}
_PUT_ACCESS = upsert(ACCESS)
_START_OF_ACCESS = Statement(
    select(_A.started_ms).where(_A.participant_id == _P, _A.access_id == bindparam("access_id"))
)
_ACCESSES = (
    select(_A.body)
    .where(
        _A.participant_id == _P,
        tuple_(_A.started_ms, _A.access_id) > tuple_(bindparam("after_ms"), bindparam("after_id")),
    )
    .order_by(_A.started_ms, _A.access_id)
    .limit(bindparam("limit_count"))
)
_LIST_ACCESSES = {
    False: Statement(_ACCESSES),
    True: Statement(_ACCESSES.where(_A.agreement_id == bindparam("agreement_id"))),
}
_ACCESSES_OF_TRANSFER = Statement(
    select(_A.body)
    .where(_A.participant_id == _P, _A.transfer_pid == bindparam("transfer_pid"))
    .order_by(_A.started_ms, _A.access_id)
    .limit(bindparam("limit_count"))
)
_PUT_RECEIVED = upsert(RECEIVED)
_GET_RECEIVED = Statement(
    select(_R.body).where(_R.participant_id == _P, _R.received_id == bindparam("received_id"))
)
_LIST_RECEIVED = Statement(
    select(_R.body)
    .where(_R.participant_id == _P, _R.received_id > bindparam("after_id"))
    .order_by(_R.received_id)
    .limit(bindparam("limit_count"))
)
_PUT_FETCH = upsert(FETCH)
_GET_FETCH = Statement(
    select(_F.body).where(_F.participant_id == _P, _F.fetch_id == bindparam("fetch_id")), locks=True
)
_FETCH_OF_PROCESS = Statement(
    select(_F.body)
    .where(
        _F.participant_id == _P,
        or_(_F.negotiation_pid == bindparam("own_pid"), _F.transfer_pid == bindparam("own_pid")),
    )
    .order_by(_F.fetch_id)
    .limit(1),
    locks=True,
)
_LIST_FETCHES = Statement(
    select(_F.body)
    .where(_F.participant_id == _P, _F.fetch_id > bindparam("after_id"))
    .order_by(_F.fetch_id)
    .limit(bindparam("limit_count"))
)
# Up to a bound: a flood must not make each further request of it dearer.
_OPEN = (
    select(_T.own_pid)
    .where(
        _T.participant_id == _P,
        _T.peer_id == bindparam("peer_id"),
        _T.role == bindparam("role"),
        _T.is_open == literal_column("1"),
    )
    .limit(bindparam("most_count"))
    .subquery()
)
_COUNT_OPEN = Statement(select(func.count()).select_from(_OPEN))


class SqlTransfers(SqlProcesses[TransferProcess]):
    """The port `Transfers` of one participant."""

    __slots__ = ()

    _statements = _STATEMENTS
    _decode = msgspec.json.Decoder(TransferProcess).decode

    def page(
        self, after_id: str, limit_count: int, *, state: str | None = None, agreement_id: str | None = None
    ) -> list[TransferProcess]:
        values = {
            "after_id": after_id,
            "limit_count": limit_count,
            "state": state,
            "agreement_id": agreement_id,
        }
        return self._page(_PAGES[state is not None, agreement_id is not None], values)

    def count_open(self, peer_id: str, most_count: int) -> int:
        values = {"peer_id": peer_id, "role": Role.PROVIDER.value, "most_count": most_count}
        return int(self._rows(_COUNT_OPEN, values)[0][0])

    def put_access(self, access: AccessRecord) -> None:
        self._session.write(
            _PUT_ACCESS,
            {
                "participant_id": self._participant_id,
                "access_id": access.access_id,
                "agreement_id": access.agreement_id,
                "transfer_pid": access.transfer_pid,
                "started_ms": access.started_ms,
                "body": to_json(access),
            },
        )

    def list_accesses(
        self, after_id: str, limit_count: int, *, agreement_id: str | None = None
    ) -> list[AccessRecord]:
        after_ms = -1
        if after_id:
            known = self._rows(_START_OF_ACCESS, {"access_id": after_id})
            if not known:
                return []
            after_ms = known[0][0]
        values = {
            "after_ms": after_ms,
            "after_id": after_id,
            "limit_count": limit_count,
            "agreement_id": agreement_id,
        }
        rows = self._rows(_LIST_ACCESSES[agreement_id is not None], values)
        return [_access(body) for (body,) in rows]

    def accesses_of_transfer(self, transfer_pid: str, limit_count: int) -> list[AccessRecord]:
        rows = self._rows(_ACCESSES_OF_TRANSFER, {"transfer_pid": transfer_pid, "limit_count": limit_count})
        return [_access(body) for (body,) in rows]

    def put_received(self, received: ReceivedData) -> None:
        self._session.write(
            _PUT_RECEIVED,
            {
                "participant_id": self._participant_id,
                "received_id": received.received_id,
                "body": to_json(received),
            },
        )

    def received(self, received_id: str) -> ReceivedData | None:
        rows = self._rows(_GET_RECEIVED, {"received_id": received_id})
        return _received(rows[0][0]) if rows else None

    def list_received(self, after_id: str, limit_count: int) -> list[ReceivedData]:
        rows = self._rows(_LIST_RECEIVED, {"after_id": after_id, "limit_count": limit_count})
        return [_received(body) for (body,) in rows]

    def put_fetch(self, fetch: Fetch) -> None:
        self._session.write(
            _PUT_FETCH,
            {
                "participant_id": self._participant_id,
                "fetch_id": fetch.fetch_id,
                "negotiation_pid": fetch.negotiation_pid,
                "transfer_pid": fetch.transfer_pid,
                "body": to_json(fetch),
            },
        )

    def fetch(self, fetch_id: str) -> Fetch | None:
        rows = self._rows(_GET_FETCH, {"fetch_id": fetch_id})
        return _fetch(rows[0][0]) if rows else None

    def fetch_of_process(self, own_pid: str) -> Fetch | None:
        rows = self._rows(_FETCH_OF_PROCESS, {"own_pid": own_pid})
        return _fetch(rows[0][0]) if rows else None

    def list_fetches(self, after_id: str, limit_count: int) -> list[Fetch]:
        rows = self._rows(_LIST_FETCHES, {"after_id": after_id, "limit_count": limit_count})
        return [_fetch(body) for (body,) in rows]

    def _further_columns(self, process: TransferProcess) -> Values:
        return {"agreement_id": process.agreement_id}
