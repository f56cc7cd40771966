"""What is owed under agreements, in SQL."""

import msgspec
from sqlalchemy import bindparam, select

from ashiato.connector.records import ObligationRecord, ObligationState
from ashiato.stores.schema import OBLIGATION, OF_PARTICIPANT
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, upsert

MOST_OPEN_COUNT = 1000

_obligation = msgspec.json.Decoder(ObligationRecord).decode

_P = OF_PARTICIPANT
_O = OBLIGATION.c
_PUT = upsert(OBLIGATION)
_GET = Statement(
    select(_O.body).where(_O.participant_id == _P, _O.obligation_id == bindparam("obligation_id")), locks=True
)
_PAGE = (
    select(_O.body)
    .where(_O.participant_id == _P, _O.obligation_id > bindparam("after_id"))
    .order_by(_O.obligation_id)
    .limit(bindparam("limit_count"))
)
_OF_AGREEMENT = _O.agreement_id == bindparam("agreement_id")
_IN_STATE = _O.state == bindparam("state")
_PAGES = {
    (False, False): Statement(_PAGE),
    (True, False): Statement(_PAGE.where(_OF_AGREEMENT)),
    (False, True): Statement(_PAGE.where(_IN_STATE)),
    (True, True): Statement(_PAGE.where(_OF_AGREEMENT, _IN_STATE)),
}
_OPEN = Statement(
    select(_O.body)
    .where(_O.participant_id == _P, _OF_AGREEMENT, _O.is_open == 1)
    .order_by(_O.obligation_id)
    .limit(bindparam("limit_count"))
)


class SqlObligations:
    """The port `Obligations` of one participant."""

    __slots__ = ("_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id

    def put(self, obligation: ObligationRecord) -> None:
        stands = obligation.state in (ObligationState.PENDING, ObligationState.OVERDUE)
        self._session.write(
            _PUT,
            {
                "participant_id": self._participant_id,
                "obligation_id": obligation.obligation_id,
                "agreement_id": obligation.agreement_id,
                "state": obligation.state.value,
                "is_open": int(stands or (obligation.comes_first and not obligation.is_followed)),
                "body": to_json(obligation),
            },
        )

    def get(self, obligation_id: str) -> ObligationRecord | None:
        values = {"participant_id": self._participant_id, "obligation_id": obligation_id}
        row = self._session.one(_GET, values)
        return None if row is None else _obligation(row[0])

    def page(
        self,
        after_id: str,
        limit_count: int,
        *,
        agreement_id: str | None = None,
        state: ObligationState | None = None,
    ) -> list[ObligationRecord]:
        values = {
            "participant_id": self._participant_id,
            "after_id": after_id,
            "limit_count": limit_count,
            "agreement_id": agreement_id,
            "state": None if state is None else state.value,
        }
        rows = self._session.all(_PAGES[agreement_id is not None, state is not None], values)
        return [_obligation(body) for (body,) in rows]

    def of_agreement(self, agreement_id: str) -> list[ObligationRecord]:
        values = {
            "participant_id": self._participant_id,
            "agreement_id": agreement_id,
            "limit_count": MOST_OPEN_COUNT,
        }
        return [_obligation(body) for (body,) in self._session.all(_OPEN, values)]
