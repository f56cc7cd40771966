"""History, replay memory and webhooks in SQL."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import bindparam, delete, literal_column, select, tuple_

from ashiato.connector.records import HistoryEntry, Webhook
from ashiato.stores.schema import HISTORY, HISTORY_COUNTER, OF_PARTICIPANT, SEEN_TOKEN, WEBHOOK
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Statement, Values, insert, insert_unless_known, upsert, upsert_adding

_webhook = msgspec.json.Decoder(Webhook).decode
_details = msgspec.json.Decoder(dict[str, object]).decode

_P = OF_PARTICIPANT
_H, _C, _S, _W = HISTORY.c, HISTORY_COUNTER.c, SEEN_TOKEN.c, WEBHOOK.c

_COUNT_UP = upsert_adding(HISTORY_COUNTER, "last_sequence")
_ADD = Statement(
    HISTORY.insert().values(
        {column.name: bindparam(column.name) for column in HISTORY.c if column.name != "sequence"}
        | {
            "sequence": select(_C.last_sequence).where(_C.participant_id == _P).scalar_subquery()
            - bindparam("behind_count", type_=_C.last_sequence.type)
        }
    )
)
_COLUMNS = (_H.sequence, _H.at_ms, _H.event, _H.process_id, _H.peer_id, _H.details)
_HISTORY = (
    select(*_COLUMNS)
    .where(_H.participant_id == _P, _H.sequence > bindparam("after_sequence"))
    .order_by(_H.sequence)
    .limit(bindparam("limit_count"))
)
_LIST = {
    False: Statement(_HISTORY),
    True: Statement(_HISTORY.where(_H.process_id == bindparam("process_id"))),
}
_LAST = Statement(select(_C.last_sequence).where(_C.participant_id == _P))
_REMEMBER = insert_unless_known(SEEN_TOKEN, "token_id")
_REMEMBER_NEW = insert(SEEN_TOKEN)
_TOKEN = tuple_(_S.participant_id, _S.issuer, _S.token_id)
_IS_SEEN = Statement(
    select(_S.token_id).where(
        _S.participant_id == _P, _S.issuer == bindparam("issuer"), _S.token_id == bindparam("token_id")
    )
)
_FORGET_EXPIRED = Statement(
    delete(SEEN_TOKEN)
    .where(
        _TOKEN.in_(
            select(_S.participant_id, _S.issuer, _S.token_id)
            .where(_S.expires_ms <= bindparam("now_ms"))
            .order_by(_S.expires_ms)
            .limit(bindparam("limit_count"))
        )
    )
    .returning(literal_column("1"))
)
_PUT_WEBHOOK = upsert(WEBHOOK)
_LIST_WEBHOOKS = Statement(select(_W.body).where(_W.participant_id == _P).order_by(_W.webhook_id))
_DELETE_WEBHOOK = Statement(
    delete(WEBHOOK)
    .where(_W.participant_id == _P, _W.webhook_id == bindparam("webhook_id"))
    .returning(_W.webhook_id)
)


class SqlRecords:
    """The port `Records` of one participant.

    History is held back in `pending` until the transaction ends: the counter of a participant, which makes the sequence
    without a gap, is then locked for the commit only, and always in the same order of participants.
    """

    __slots__ = ("_participant_id", "_remembered", "_session", "pending")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id
        self._remembered: set[tuple[str, str]] = set()
        self.pending: list[Values] = []

    def add_history(
        self, at_ms: int, event: str, process_id: str, peer_id: str, details: dict[str, object]
    ) -> None:
        self.pending.append(
            {
                "participant_id": self._participant_id,
                "at_ms": at_ms,
                "event": event,
                "process_id": process_id,
                "peer_id": peer_id,
                "details": to_json(details),
            }
        )

    def list_history(
        self, after_sequence: int, limit_count: int, *, process_id: str | None = None
    ) -> list[HistoryEntry]:
        write_history(self._session, self._participant_id, self.pending)
        self.pending = []
        rows = self._session.all(
            _LIST[process_id is not None],
            {
                "participant_id": self._participant_id,
                "after_sequence": after_sequence,
                "limit_count": limit_count,
                "process_id": process_id,
            },
        )
        return [_entry(*row) for row in rows]

    def last_sequence(self) -> int:
        row = self._session.one(_LAST, {"participant_id": self._participant_id})
        return (0 if row is None else int(row[0])) + len(self.pending)

    def remember_token(self, issuer: str, token_id: str, expires_ms: int) -> bool:
        values = {
            "participant_id": self._participant_id,
            "issuer": issuer,
            "token_id": token_id,
            "expires_ms": expires_ms,
        }
        if not self._session.is_first_try:
            return self._session.one(_REMEMBER, values) is not None
        # Nearly every token is new. One that is not conflicts, and then the unit of work is run again.
        if (issuer, token_id) in self._remembered:
            return False
        self._remembered.add((issuer, token_id))
        self._session.write(_REMEMBER_NEW, values)
        return True

    def took_a_seen_token_for_new(self) -> bool:
        """Whether `remember_token` said of a token that it is new, in good hope, and it is not."""
        return any(
            self._session.one(
                _IS_SEEN, {"participant_id": self._participant_id, "issuer": issuer, "token_id": token_id}
            )
            for issuer, token_id in self._remembered
        )

    def put_webhook(self, webhook: Webhook) -> None:
        self._session.write(
            _PUT_WEBHOOK,
            {
                "participant_id": self._participant_id,
                "webhook_id": webhook.webhook_id,
                "body": to_json(webhook),
            },
        )

    def list_webhooks(self) -> list[Webhook]:
        rows = self._session.all(_LIST_WEBHOOKS, {"participant_id": self._participant_id})
        return [_webhook(body) for (body,) in rows]

    def delete_webhook(self, webhook_id: str) -> bool:
        values = {"participant_id": self._participant_id, "webhook_id": webhook_id}
        return self._session.one(_DELETE_WEBHOOK, values) is not None


def write_history(session: Session, participant_id: str, entries: Sequence[Values]) -> None:
    """Append entries of one participant; their sequence has no gap and follows the order of the commits."""
    if not entries:
        return
    count = len(entries)
    session.write(_COUNT_UP, {"participant_id": participant_id, "last_sequence": count})
    session.write_many(
        _ADD,
        [{**entry, "behind_count": count - number} for number, entry in enumerate(entries, start=1)],
    )


def forget_expired_tokens(session: Session, now_ms: int, limit_count: int) -> int:
    """Forget token ids whose tokens nobody would accept any more; returns how many, at most `limit_count`."""
    return len(session.all(_FORGET_EXPIRED, {"now_ms": now_ms, "limit_count": limit_count}))


def _entry(
    sequence: int, at_ms: int, event: str, process_id: str, peer_id: str, details: str
) -> HistoryEntry:
    return HistoryEntry(
        sequence=sequence,
        at_ms=at_ms,
        event=event,
        process_id=process_id,
        peer_id=peer_id,
        details=_details(details),
    )
