"""Every change of a hosted DID document, in order, with the document as it then was."""

import hashlib

import msgspec
from sqlalchemy import bindparam, select

from ashiato.stores.schema import DID_LOG, OF_PARTICIPANT
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, insert


class DidChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change: who made it (`actor`), what for, and the SHA-256 of the document before ("" for the first) and after."""

    sequence: int
    at_ms: int
    actor: str
    what: str
    before_sha256: str
    after_sha256: str
    document: str


_change = msgspec.json.Decoder(DidChange).decode

_D = DID_LOG.c
_INSERT = insert(DID_LOG)
_LAST = Statement(
    select(_D.body).where(_D.participant_id == OF_PARTICIPANT).order_by(_D.sequence.desc()).limit(1)
)
_PAGE = Statement(
    select(_D.body)
    .where(_D.participant_id == OF_PARTICIPANT, _D.sequence > bindparam("after_sequence"))
    .order_by(_D.sequence)
    .limit(bindparam("limit_count"))
)


class SqlDidLog:
    """The log of one participant's document."""

    __slots__ = ("_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id

    def last(self) -> DidChange | None:
        """The newest change."""
        row = self._session.one(_LAST, {"participant_id": self._participant_id})
        return None if row is None else _change(row[0])

    def page(self, after_sequence: int, limit_count: int) -> list[DidChange]:
        """In order, behind `after_sequence`."""
        values = {
            "participant_id": self._participant_id,
            "after_sequence": after_sequence,
            "limit_count": limit_count,
        }
        return [_change(body) for (body,) in self._session.all(_PAGE, values)]

    def add(self, at_ms: int, actor: str, what: str, document: bytes) -> DidChange | None:
        """Write down that the document is this one now; None when it was so already."""
        last = self.last()
        after_sha256 = hashlib.sha256(document).hexdigest()
        if last is not None and last.after_sha256 == after_sha256:
            return None
        change = DidChange(
            sequence=last.sequence + 1 if last else 1,
            at_ms=at_ms,
            actor=actor,
            what=what,
            before_sha256=last.after_sha256 if last else "",
            after_sha256=after_sha256,
            document=document.decode(),
        )
        self._session.write(
            _INSERT,
            {
                "participant_id": self._participant_id,
                "sequence": change.sequence,
                "body": to_json(change),
            },
        )
        return change
