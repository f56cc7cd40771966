"""Background databases in SQL: one row that describes each, and its content in pieces, in one transaction."""

import msgspec
from sqlalchemy import bindparam, delete, select

from ashiato.apps.carbon.databases.ports import KeptBackground
from ashiato.stores.schema import CARBON_BACKGROUND, CARBON_BACKGROUND_PIECE, OF_PARTICIPANT
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, insert, upsert

PIECE_BYTES = 1024**2

_kept = msgspec.json.Decoder(KeptBackground).decode

_B, _P = CARBON_BACKGROUND.c, CARBON_BACKGROUND_PIECE.c
_ONE = (_B.participant_id == OF_PARTICIPANT, _B.background_id == bindparam("background_id"))
_PIECES = (_P.participant_id == OF_PARTICIPANT, _P.background_id == bindparam("background_id"))
_PUT = upsert(CARBON_BACKGROUND)
_PUT_PIECE = insert(CARBON_BACKGROUND_PIECE)
_GET = Statement(select(_B.body).where(*_ONE), locks=True)
_DELETE = Statement(delete(CARBON_BACKGROUND).where(*_ONE))
_DELETE_PIECES = Statement(delete(CARBON_BACKGROUND_PIECE).where(*_PIECES))
_CONTENT = Statement(select(_P.content).where(*_PIECES).order_by(_P.number))
_PAGE = Statement(
    select(_B.body)
    .where(_B.participant_id == OF_PARTICIPANT, _B.background_id > bindparam("after_id"))
    .order_by(_B.background_id)
    .limit(bindparam("limit_count"))
)


class SqlBackgrounds:
    """The port `Backgrounds` of one participant."""

    __slots__ = ("_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id

    def put(self, kept: KeptBackground, content: bytes) -> None:
        one = self._one(kept.background_id)
        self._session.write(_DELETE_PIECES, one)
        self._session.write(_PUT, {**one, "body": to_json(kept)})
        starts = range(0, len(content), PIECE_BYTES)
        self._session.write_many(
            _PUT_PIECE,
            [
                {**one, "number": number, "content": content[start : start + PIECE_BYTES]}
                for number, start in enumerate(starts)
            ],
        )

    def get(self, background_id: str) -> KeptBackground | None:
        found = self._session.one(_GET, self._one(background_id))
        return None if found is None else _kept(found[0])

    def content(self, background_id: str) -> bytes:
        return b"".join(bytes(row[0]) for row in self._session.all(_CONTENT, self._one(background_id)))

    def page(self, after_id: str, limit_count: int) -> list[KeptBackground]:
        values = {
            "participant_id": self._participant_id,
            "after_id": after_id,
            "limit_count": limit_count,
        }
        return [_kept(row[0]) for row in self._session.all(_PAGE, values)]

    def delete(self, background_id: str) -> bool:
        was_there = self.get(background_id) is not None
        self._session.write(_DELETE_PIECES, self._one(background_id))
        self._session.write(_DELETE, self._one(background_id))
        return was_there

    def _one(self, background_id: str) -> dict[str, object]:
        return {"participant_id": self._participant_id, "background_id": background_id}
