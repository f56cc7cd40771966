"""What a participant saw of logs that it witnesses."""

from sqlalchemy import bindparam, select

from ashiato.connector.witnessing import WitnessedLog
from ashiato.stores.schema import OF_PARTICIPANT, WITNESSED_LOG
from ashiato.stores.sessions import Session
from ashiato.stores.statements import Statement, insert, upsert

_C = WITNESSED_LOG.c
_GET = Statement(
    select(_C.origin, _C.size_count, _C.root, _C.note, _C.at_ms).where(
        _C.participant_id == OF_PARTICIPANT, _C.origin_sha256 == bindparam("origin_sha256")
    ),
    locks=True,
)
# The first one is inserted: of two that come at once the second is run again, and then sees it.
_ADD = insert(WITNESSED_LOG)
_REPLACE = upsert(WITNESSED_LOG)


class SqlWitnessed:
    """The port `WitnessedLogs`."""

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id

    def get(self, origin_sha256: str) -> WitnessedLog | None:
        row = self._session.one(
            _GET, {"participant_id": self._participant_id, "origin_sha256": origin_sha256}
        )
        return None if row is None else WitnessedLog(row[0], row[1], bytes(row[2]), row[3], row[4])

    def put(self, origin_sha256: str, log: WitnessedLog) -> None:
        values = {
            "participant_id": self._participant_id,
            "origin_sha256": origin_sha256,
            "origin": log.origin,
            "size_count": log.size_count,
            "root": log.root,
            "note": log.note,
            "at_ms": log.at_ms,
        }
        self._session.write(_ADD if self.get(origin_sha256) is None else _REPLACE, values)
