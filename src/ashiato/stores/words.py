"""Signed words of a company and notices of its partners in SQL."""

import msgspec
from sqlalchemy import bindparam, delete, or_, select

from ashiato.connector.words import Basis, KeptNotice, OwnWord
from ashiato.stores.schema import OF_PARTICIPANT, OWN_WORD, OWN_WORD_BASIS, WORD_NOTICE
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, insert, upsert

_word = msgspec.json.Decoder(OwnWord).decode
_notice = msgspec.json.Decoder(KeptNotice).decode

_P = OF_PARTICIPANT
_W, _B, _N = OWN_WORD.c, OWN_WORD_BASIS.c, WORD_NOTICE.c

_PUT = upsert(OWN_WORD)
_GET = Statement(select(_W.body).where(_W.participant_id == _P, _W.sha256 == bindparam("sha256")), locks=True)
_OF_SUBJECT = Statement(
    select(_W.body).where(
        _W.participant_id == _P, _W.kind == bindparam("kind"), _W.subject_id == bindparam("subject_id")
    ),
    locks=True,
)
_PAGE = Statement(
    select(_W.body)
    .where(_W.participant_id == _P, _W.sha256 > bindparam("after_id"))
    .order_by(_W.sha256)
    .limit(bindparam("limit_count"))
)
_PUT_BASIS = insert(OWN_WORD_BASIS)
_DELETE_BASES = Statement(
    delete(OWN_WORD_BASIS).where(_B.participant_id == _P, _B.sha256 == bindparam("sha256"))
)
_RESTING_ON = Statement(
    select(_W.body)
    .where(
        _W.participant_id == _P,
        _B.participant_id == _P,
        _W.sha256 == _B.sha256,
        _B.peer_id == bindparam("peer_id"),
        _B.basis_sha256 == bindparam("basis_sha256"),
    )
    .order_by(_W.sha256)
)
_PUT_NOTICE = upsert(WORD_NOTICE)
_GET_NOTICE = Statement(
    select(_N.body).where(
        _N.participant_id == _P, _N.peer_id == bindparam("peer_id"), _N.sha256 == bindparam("sha256")
    ),
    locks=True,
)
_PAGE_NOTICES = Statement(
    select(_N.body)
    .where(
        _N.participant_id == _P,
        or_(
            _N.peer_id > bindparam("after_peer"),
            (_N.peer_id == bindparam("after_peer")) & (_N.sha256 > bindparam("after_sha256")),
        ),
    )
    .order_by(_N.peer_id, _N.sha256)
    .limit(bindparam("limit_count"))
)


class SqlWords:
    """The port `Words` of one participant."""

    __slots__ = ("_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id

    def put(self, word: OwnWord) -> None:
        key = {"participant_id": self._participant_id, "sha256": word.sha256}
        self._session.write(
            _PUT, {**key, "kind": word.kind, "subject_id": word.subject_id, "body": to_json(word)}
        )
        self._session.write(_DELETE_BASES, key)
        for basis in dict.fromkeys(word.rests_on):
            self._session.write(_PUT_BASIS, {**key, "peer_id": basis.partner, "basis_sha256": basis.sha256})

    def get(self, sha256: str) -> OwnWord | None:
        row = self._session.one(_GET, {"participant_id": self._participant_id, "sha256": sha256})
        return None if row is None else _word(row[0])

    def of_subject(self, kind: str, subject_id: str) -> OwnWord | None:
        values = {"participant_id": self._participant_id, "kind": kind, "subject_id": subject_id}
        row = self._session.one(_OF_SUBJECT, values)
        return None if row is None else _word(row[0])

    def page(self, after_sha256: str, limit_count: int) -> list[OwnWord]:
        values = {
            "participant_id": self._participant_id,
            "after_id": after_sha256,
            "limit_count": limit_count,
        }
        return [_word(body) for (body,) in self._session.all(_PAGE, values)]

    def resting_on(self, basis: Basis) -> list[OwnWord]:
        values = {
            "participant_id": self._participant_id,
            "peer_id": basis.partner,
            "basis_sha256": basis.sha256,
        }
        return [_word(body) for (body,) in self._session.all(_RESTING_ON, values)]

    def put_notice(self, notice: KeptNotice) -> None:
        key = {"participant_id": self._participant_id, "peer_id": notice.peer_id, "sha256": notice.sha256}
        self._session.write(_PUT_NOTICE, {**key, "body": to_json(notice)})

    def notice(self, peer_id: str, sha256: str) -> KeptNotice | None:
        values = {"participant_id": self._participant_id, "peer_id": peer_id, "sha256": sha256}
        row = self._session.one(_GET_NOTICE, values)
        return None if row is None else _notice(row[0])

    def notices(self, after: tuple[str, str], limit_count: int) -> list[KeptNotice]:
        values = {
            "participant_id": self._participant_id,
            "after_peer": after[0],
            "after_sha256": after[1],
            "limit_count": limit_count,
        }
        return [_notice(body) for (body,) in self._session.all(_PAGE_NOTICES, values)]
