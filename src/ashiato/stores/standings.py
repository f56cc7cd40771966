"""What counterparties presented, in SQL."""

import msgspec
from sqlalchemy import bindparam, delete, literal_column, select, tuple_

from ashiato.identity.presentations import StoredPresentation
from ashiato.stores.schema import OF_PARTICIPANT, PRESENTATION
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, upsert

_presentation = msgspec.json.Decoder(StoredPresentation).decode

_P = OF_PARTICIPANT
_C = PRESENTATION.c
_PUT = upsert(PRESENTATION)
_GET = Statement(select(_C.body).where(_C.participant_id == _P, _C.peer_id == bindparam("peer_id")))
_LIST = Statement(
    select(_C.body)
    .where(_C.participant_id == _P, _C.peer_id > bindparam("after_peer_id"))
    .order_by(_C.peer_id)
    .limit(bindparam("limit_count"))
)
_DELETE = Statement(
    delete(PRESENTATION)
    .where(_C.participant_id == _P, _C.peer_id == bindparam("peer_id"))
    .returning(_C.peer_id)
)
_KEY = tuple_(_C.participant_id, _C.peer_id)
_FORGET_OLD = Statement(
    delete(PRESENTATION)
    .where(
        _KEY.in_(
            select(_C.participant_id, _C.peer_id)
            .where(_C.fetched_ms < bindparam("before_ms"))
            .order_by(_C.fetched_ms)
            .limit(bindparam("limit_count"))
        )
    )
    .returning(literal_column("1"))
)


class SqlStandings:
    """The port `Standings` of one participant."""

    __slots__ = ("_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id

    def put(self, presentation: StoredPresentation) -> None:
        self._session.write(
            _PUT,
            {
                "participant_id": self._participant_id,
                "peer_id": presentation.peer_id,
                "fetched_ms": presentation.fetched_ms,
                "body": to_json(presentation),
            },
        )

    def get(self, peer_id: str) -> StoredPresentation | None:
        row = self._session.one(_GET, {"participant_id": self._participant_id, "peer_id": peer_id})
        return None if row is None else _presentation(row[0])

    def page(self, after_peer_id: str, limit_count: int) -> list[StoredPresentation]:
        rows = self._session.all(
            _LIST,
            {
                "participant_id": self._participant_id,
                "after_peer_id": after_peer_id,
                "limit_count": limit_count,
            },
        )
        return [_presentation(body) for (body,) in rows]

    def delete(self, peer_id: str) -> bool:
        values = {"participant_id": self._participant_id, "peer_id": peer_id}
        return self._session.one(_DELETE, values) is not None


def forget_old_presentations(session: Session, before_ms: int, limit_count: int) -> int:
    """Forget what was presented before an instant; returns how many, at most `limit_count`."""
    return len(session.all(_FORGET_OLD, {"before_ms": before_ms, "limit_count": limit_count}))
