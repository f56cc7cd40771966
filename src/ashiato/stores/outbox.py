"""The outbox in SQL: deliveries in the order of their process, each leased to one node at a time."""

from collections.abc import Callable

import msgspec
from sqlalchemy import (
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    null,
    select,
    tuple_,
    update,
)

from ashiato.outbox.deliveries import LEASE_MS, Delivery, DeliveryKind
from ashiato.stores.schema import OF_PARTICIPANT, OUTBOX
from ashiato.stores.sessions import Session
from ashiato.stores.statements import Row, Statement, Values

_P = OF_PARTICIPANT
_O = OUTBOX.c
_FIELDS = (
    "delivery_id",
    "participant_id",
    "kind",
    "process_id",
    "sequence",
    "message_name",
    "address",
    "audience",
    "body",
    "created_ms",
    "due_ms",
    "attempts_count",
)
_COLUMNS = [_O[name] for name in _FIELDS]

# The lock on the last row makes whoever adds wait for whoever removes it at this moment, and the other way round: a delivery
# is either seen as the next one, or knows that it is the first.
_LAST_SEQUENCE = (
    select(_O.sequence)
    .where(_O.participant_id == _P, _O.process_id == bindparam("process_id"))
    .order_by(_O.sequence.desc())
    .limit(1)
    .with_for_update()
    .scalar_subquery()
)
_ADD = Statement(
    OUTBOX.insert()
    .values(
        {column.name: bindparam(column.name) for column in OUTBOX.c if column.name != "sequence"}
        | {"sequence": func.coalesce(_LAST_SEQUENCE, literal_column("0")) + literal_column("1")}
    )
    .returning(_O.sequence)
)
_OF_DELIVERY = and_(_O.participant_id == _P, _O.delivery_id == bindparam("delivery_id"))
_GET = Statement(select(*_COLUMNS).where(_OF_DELIVERY))
_LOCK = Statement(select(_O.sequence).where(_OF_DELIVERY), locks=True)
_DELETE = Statement(delete(OUTBOX).where(_OF_DELIVERY))
_THIS = OUTBOX.alias("this")
_IS_THIS = and_(_THIS.c.participant_id == _P, _THIS.c.delivery_id == bindparam("delivery_id"))
# Subqueries of one row instead of a join: PostgreSQL would plan the join without the process, over all that is in the outbox.
_NEXT = Statement(
    select(
        *_COLUMNS,
        _O.ready_ms,
        select(_THIS.c.sequence).where(_IS_THIS).scalar_subquery(),
        select(_THIS.c.ready_ms).where(_IS_THIS).scalar_subquery(),
    )
    .where(
        _O.participant_id == _P,
        _O.process_id == select(_THIS.c.process_id).where(_IS_THIS).scalar_subquery(),
        _O.sequence != select(_THIS.c.sequence).where(_IS_THIS).scalar_subquery(),
    )
    .order_by(_O.sequence)
    .limit(1)
)
_LEASE = Statement(
    update(OUTBOX)
    .where(_O.participant_id == _P, _O.delivery_id == bindparam("of_delivery_id"))
    .values(ready_ms=bindparam("until_ms"), node_id=bindparam("to_node_id"))
)
# Those behind it wait as long: else every search for due deliveries would look at them in vain.
_RESCHEDULE = Statement(
    update(OUTBOX)
    .where(
        _O.participant_id == _P,
        _O.process_id == select(_THIS.c.process_id).where(_IS_THIS).scalar_subquery(),
    )
    .values(
        ready_ms=bindparam("new_due_ms"),
        node_id=null(),
        due_ms=case((_O.delivery_id == bindparam("delivery_id"), bindparam("new_due_ms")), else_=_O.due_ms),
        attempts_count=case(
            (_O.delivery_id == bindparam("delivery_id"), bindparam("new_attempts_count")),
            else_=_O.attempts_count,
        ),
    )
)
_RENEW = Statement(
    update(OUTBOX)
    .where(
        _O.participant_id == _P,
        _O.delivery_id == bindparam("of_delivery_id"),
        _O.node_id == bindparam("of_node_id"),
    )
    .values(ready_ms=bindparam("until_ms"))
)
_OF_PROCESS = and_(_O.participant_id == _P, _O.process_id == bindparam("process_id"))
_LIST = Statement(select(*_COLUMNS).where(_OF_PROCESS).order_by(_O.sequence))
_DELETE_ALL = Statement(delete(OUTBOX).where(_OF_PROCESS))

_EARLIER = OUTBOX.alias("earlier")
_IS_FIRST = ~exists().where(
    _EARLIER.c.participant_id == _O.participant_id,
    _EARLIER.c.process_id == _O.process_id,
    _EARLIER.c.sequence < _O.sequence,
)
_KEY = (_O.participant_id, _O.process_id, _O.sequence)
_CLAIM = Statement(
    update(OUTBOX)
    .where(
        tuple_(*_KEY).in_(
            select(*_KEY)
            .where(_O.ready_ms <= bindparam("now_ms"), _IS_FIRST)
            .order_by(_O.ready_ms)
            .limit(bindparam("limit_count"))
            .with_for_update(skip_locked=True)
        )
    )
    .values(ready_ms=bindparam("until_ms"), node_id=bindparam("to_node_id"))
    .returning(*_COLUMNS)
)
_NEXT_READY = Statement(select(_O.ready_ms).where(_IS_FIRST).order_by(_O.ready_ms).limit(1))
_RELEASE_ALL = Statement(
    update(OUTBOX).where(_O.node_id.is_not(None)).values(ready_ms=_O.due_ms, node_id=null())
)
_RELEASE_OWN = Statement(
    update(OUTBOX).where(_O.node_id == bindparam("of_node_id")).values(ready_ms=_O.due_ms, node_id=null())
)


class SqlOutbox:
    """The port `Outbox` of one participant. `on_first` hears of each delivery that can be made after the commit."""

    __slots__ = ("_on_first", "_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str, on_first: Callable[[Delivery], None]) -> None:
        self._session = session
        self._participant_id = participant_id
        self._on_first = on_first

    def add(self, delivery: Delivery) -> None:
        """A delivery that is due later than it is made is left to whoever claims it then."""
        at_once = delivery.due_ms <= delivery.created_ms
        values = {
            **msgspec.structs.asdict(delivery),
            "kind": delivery.kind.value,
            "participant_id": self._participant_id,
            "ready_ms": delivery.due_ms + LEASE_MS if at_once else delivery.due_ms,
            "node_id": self._session.node_id if at_once else None,
        }

        def numbered(row: Row) -> None:
            if row[0] == 1 and at_once:
                self._on_first(
                    msgspec.structs.replace(delivery, participant_id=self._participant_id, sequence=1)
                )

        self._session.write_then(_ADD, values, numbered)

    def get(self, delivery_id: str) -> Delivery | None:
        rows = self._rows(_GET, {"delivery_id": delivery_id})
        return _delivery(rows[0]) if rows else None

    def remove(self, delivery_id: str) -> Delivery | None:
        """The lease of the one removed passes to the next."""
        values = {"participant_id": self._participant_id, "delivery_id": delivery_id}
        self._session.write(_LOCK, values)
        found = self._session.one(_NEXT, values)
        self._session.write(_DELETE, values)
        if found is None:
            return None
        following, ready_ms, this_sequence, this_ready_ms = _delivery(found[:-3]), *found[-3:]
        if following.sequence < this_sequence:
            return None
        self._session.write(
            _LEASE,
            {
                "participant_id": self._participant_id,
                "of_delivery_id": following.delivery_id,
                "until_ms": max(ready_ms, this_ready_ms),
                "to_node_id": self._session.node_id,
            },
        )
        return following

    def reschedule(self, delivery_id: str, attempts_count: int, due_ms: int) -> None:
        self._session.write(
            _RESCHEDULE,
            {
                "participant_id": self._participant_id,
                "delivery_id": delivery_id,
                "new_attempts_count": attempts_count,
                "new_due_ms": due_ms,
            },
        )

    def renew_lease(self, delivery_id: str, until_ms: int) -> None:
        self._session.write(
            _RENEW,
            {
                "participant_id": self._participant_id,
                "of_delivery_id": delivery_id,
                "of_node_id": self._session.node_id,
                "until_ms": until_ms,
            },
        )

    def of_process(self, process_id: str) -> list[Delivery]:
        return [_delivery(row) for row in self._rows(_LIST, {"process_id": process_id})]

    def remove_of_process(self, process_id: str) -> None:
        self._session.write(_DELETE_ALL, {"participant_id": self._participant_id, "process_id": process_id})

    def _rows(self, statement: Statement, values: Values) -> list[Row]:
        return self._session.all(statement, {"participant_id": self._participant_id, **values})


def claim_due(session: Session, now_ms: int, lease_until_ms: int, limit_count: int) -> list[Delivery]:
    """Lease due deliveries of any participant to this node, the longest due first."""
    rows = session.all(
        _CLAIM,
        {
            "now_ms": now_ms,
            "until_ms": lease_until_ms,
            "limit_count": limit_count,
            "to_node_id": session.node_id,
        },
    )
    return sorted((_delivery(row) for row in rows), key=lambda delivery: delivery.due_ms)


def next_due_ms(session: Session) -> int | None:
    """When the earliest first delivery of a process is due or its lease ends."""
    row = session.one(_NEXT_READY, {})
    return None if row is None else int(row[0])


def release_leases(session: Session, *, all_nodes: bool) -> None:
    """Give back what this node, or every node, had leased when it died."""
    session.write(_RELEASE_ALL if all_nodes else _RELEASE_OWN, {"of_node_id": session.node_id})


def _delivery(row: Row) -> Delivery:
    values = dict(zip(_FIELDS, row, strict=True))
    return Delivery(**{**values, "kind": DeliveryKind(values["kind"])})
