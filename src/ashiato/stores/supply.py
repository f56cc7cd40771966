"""One company's chain in SQL."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec
from sqlalchemy import BindParameter, Column, Select, Table, bindparam, delete, literal_column, select, tuple_

from ashiato.facts.instants import FARTHEST_MS
from ashiato.stores.schema import (
    BATCH,
    BILL,
    BILL_LINE,
    CHAIN_CHANGE,
    HOLDING,
    ITEM,
    OF_PARTICIPANT,
    PART,
    PLANT,
    SUPPLY_IDENTIFIER,
    TRADE_LINK,
    TRADING_PARTNER,
)
from ashiato.stores.sessions import Session, to_json
from ashiato.stores.statements import Row, Statement, insert, upsert, upsert_adding
from ashiato.supply.ports import Place
from ashiato.supply.records import (
    Batch,
    Bill,
    Holding,
    Item,
    LinkStanding,
    PartType,
    Plant,
    Subject,
    TradeLink,
    TradingPartner,
)

R = TypeVar("R", bound=msgspec.Struct)

_IDS_AT_ONCE_COUNT = 100
_P = OF_PARTICIPANT
_I, _N, _T = ITEM.c, SUPPLY_IDENTIFIER.c, TRADE_LINK.c
_B, _L, _H = BILL.c, BILL_LINE.c, HOLDING.c
_LIMIT: BindParameter[int] = bindparam("limit_count")


def _among(column: "Column[str]") -> Callable[[Select[tuple[str, ...]]], Statement]:
    """Makes a statement ask for a hundred values of `column` at once."""
    wanted: list[BindParameter[str]] = [bindparam(f"id_{number}") for number in range(_IDS_AT_ONCE_COUNT)]
    return lambda core: Statement(core.where(column.in_(wanted)))


class _Kind(Generic[R]):
    """The statements of one table and the record in its rows."""

    def __init__(
        self,
        table: Table,
        record: type[R],
        id_of: Callable[[R], str],
        columns_of: Callable[[R], Mapping[str, str]],
    ) -> None:
        column = table.c
        own = column.participant_id == _P
        this = column.record_id == bindparam("record_id")
        page = (
            select(column.body)
            .where(own, column.record_id > bindparam("after_id"))
            .order_by(column.record_id)
            .limit(_LIMIT)
        )
        self.id_of = id_of
        self.columns_of = columns_of
        self.decode = msgspec.json.Decoder(record).decode
        self.put = upsert(table)
        self.get = Statement(select(column.body).where(own, this), locks=True)
        self.get_many = _among(column.record_id)(select(column.record_id, column.body).where(own))
        self.delete = Statement(delete(table).where(own, this).returning(column.record_id))
        self.page = Statement(page)
        self.page_of = Statement(page.where(column.of_id == bindparam("of_id")))


_PARTNERS = _Kind(TRADING_PARTNER, TradingPartner, lambda one: one.partner_id, lambda one: {"of_id": ""})
_PLANTS = _Kind(PLANT, Plant, lambda one: one.plant_id, lambda one: {"of_id": ""})
_PARTS = _Kind(PART, PartType, lambda one: one.part_id, lambda one: {"of_id": one.plant_id})
_BATCHES = _Kind(
    BATCH, Batch, lambda one: one.batch_id, lambda one: {"of_id": one.part_id, "plant_id": one.plant_id}
)
_ITEMS = _Kind(
    ITEM,
    Item,
    lambda one: one.item_id,
    lambda one: {
        "of_id": one.part_id,
        "serial": one.serial,
        "batch_id": one.batch_id,
        "plant_id": one.plant_id,
    },
)
_LINKS = _Kind(
    TRADE_LINK,
    TradeLink,
    lambda one: one.link_id,
    lambda one: {
        "of_id": one.partner_id,
        "part_id": one.own_part_id,
        "standing": LinkStanding.of(one),
    },
)

_link = msgspec.json.Decoder(TradeLink).decode
_item = msgspec.json.Decoder(Item).decode
_bill = msgspec.json.Decoder(Bill).decode

_NAMED = _among(_N.identifier)(select(_N.identifier, _N.subject).where(_N.participant_id == _P))
# An identifier that somebody else's transaction has just given away conflicts; then the unit of work is run again.
_PUT_NAME = insert(SUPPLY_IDENTIFIER)
_FORGET_NAMES = Statement(
    delete(SUPPLY_IDENTIFIER).where(_N.participant_id == _P, _N.subject == bindparam("of_subject"))
)
_BY_SERIAL = _among(_I.serial)(
    select(_I.serial, _I.record_id).where(_I.participant_id == _P, _I.of_id == bindparam("of_id"))
)
_OF_BATCH = Statement(
    select(_I.body)
    .where(
        _I.participant_id == _P,
        _I.batch_id == bindparam("batch_id"),
        _I.record_id > bindparam("after_id"),
    )
    .order_by(_I.record_id)
    .limit(_LIMIT)
)
_LINK_STANDS = Statement(
    select(_T.record_id)
    .where(_T.participant_id == _P, _T.of_id == bindparam("of_id"), _T.standing == bindparam("standing"))
    .limit(_LIMIT)
)
_CHANGE = upsert_adding(CHAIN_CHANGE, "changes_count")
_LINKS_OF = _among(_T.part_id)(
    select(_T.part_id, _T.body).where(_T.participant_id == _P).order_by(_T.part_id, _T.record_id)
)


def _at_plant(table: Table) -> Statement:
    """Along the index that holds only the rows which name a plant."""
    column = table.c
    return Statement(
        select(column.record_id)
        .where(
            column.participant_id == _P,
            column.plant_id == bindparam("plant_id"),
            column.plant_id != literal_column("''"),
        )
        .limit(1)
    )


_AT_PLANT = (_at_plant(BATCH), _at_plant(ITEM))

_PUT_BILL = upsert(BILL)
_PUT_LINE = insert(BILL_LINE)
_OF_BILL = (_B.participant_id == _P, _B.part_id == bindparam("part_id"), _B.version == bindparam("version"))
_LINES_OF_BILL = (
    _L.participant_id == _P,
    _L.part_id == bindparam("part_id"),
    _L.version == bindparam("version"),
)
_GET_BILL = Statement(select(_B.body).where(*_OF_BILL), locks=True)
_BILLS_OF = _among(_B.part_id)(
    select(_B.part_id, _B.body).where(_B.participant_id == _P).order_by(_B.part_id, _B.version)
)
_PAGE_BILLS = Statement(
    select(_B.body)
    .where(
        _B.participant_id == _P,
        tuple_(_B.part_id, _B.version) > tuple_(bindparam("after_id"), bindparam("after_version")),
    )
    .order_by(_B.part_id, _B.version)
    .limit(_LIMIT)
)
_DELETE_BILL = Statement(delete(BILL).where(*_OF_BILL).returning(_B.part_id))
_DELETE_LINES = Statement(delete(BILL_LINE).where(*_LINES_OF_BILL))
_COMPONENTS_OF = _among(_L.part_id)(
    select(_L.part_id, _L.component_id).where(_L.participant_id == _P).order_by(_L.part_id, _L.component_id)
)
_USERS_OF = Statement(
    select(_L.part_id)
    .where(
        _L.participant_id == _P,
        _L.component_id == bindparam("component_id"),
        _L.part_id > bindparam("after_id"),
    )
    .group_by(_L.part_id)
    .order_by(_L.part_id)
    .limit(_LIMIT)
)

_PUT_HOLDING = upsert(HOLDING)
_DELETE_HOLDING = Statement(
    delete(HOLDING)
    .where(
        _H.participant_id == _P,
        _H.holder == bindparam("holder"),
        _H.component == bindparam("component"),
        _H.from_ms == bindparam("from_ms"),
    )
    .returning(_H.holder)
)
_COLUMNS = (_H.holder, _H.component, _H.quantity, _H.unit, _H.from_ms, _H.until_ms)
_HOLDINGS_OF = _among(_H.component)(
    select(*_COLUMNS).where(_H.participant_id == _P).order_by(_H.component, _H.holder, _H.from_ms)
)
# All keys of batches lie between these two texts.
_BATCHES_HELD = _among(_H.holder)(
    select(*_COLUMNS)
    .where(
        _H.participant_id == _P,
        _H.component > literal_column("'batch:'"),
        _H.component < literal_column("'batch;'"),
    )
    .order_by(_H.holder, _H.component, _H.from_ms)
)
_COMPONENTS_HELD = _among(_H.holder)(
    select(_H.holder, _H.component).where(_H.participant_id == _P).order_by(_H.holder, _H.component)
)


def _relations(this: "Column[str]", other: "Column[str]", *, is_at: bool) -> Statement:
    """Relations of one thing along its index, so that the engine stops at the limit and sorts nothing."""
    statement = (
        select(*_COLUMNS)
        .where(
            _H.participant_id == _P,
            this == bindparam("this"),
            tuple_(other, _H.from_ms) > tuple_(bindparam("after_key"), bindparam("after_ms")),
        )
        .order_by(other, _H.from_ms)
        .limit(_LIMIT)
    )
    if is_at:
        statement = statement.where(_H.from_ms <= bindparam("as_of_ms"), _H.until_ms > bindparam("as_of_ms"))
    return Statement(statement)


_HOLDS = {is_at: _relations(_H.holder, _H.component, is_at=is_at) for is_at in (False, True)}
_HELD = {is_at: _relations(_H.component, _H.holder, is_at=is_at) for is_at in (False, True)}


class SqlSupplyShelf(Generic[R]):
    """The port `Shelf` of the supply room over one table of one participant."""

    __slots__ = ("_kind", "_participant_id", "_session")

    def __init__(self, session: Session, participant_id: str, kind: _Kind[R]) -> None:
        self._session = session
        self._participant_id = participant_id
        self._kind = kind

    def put(self, record: R) -> None:
        self._session.write(self._kind.put, self._values(record))

    def put_many(self, records: Sequence[R]) -> None:
        self._session.write_many(self._kind.put, [self._values(record) for record in records])

    def get(self, record_id: str) -> R | None:
        values = {"participant_id": self._participant_id, "record_id": record_id}
        row = self._session.one(self._kind.get, values)
        return None if row is None else self._kind.decode(row[0])

    def get_many(self, record_ids: Sequence[str]) -> dict[str, R]:
        rows = _rows_of(self._session, self._participant_id, self._kind.get_many, record_ids)
        return {record_id: self._kind.decode(body) for record_id, body in rows}

    def page(self, after_id: str, limit_count: int, *, of: str | None = None) -> list[R]:
        values = {
            "participant_id": self._participant_id,
            "after_id": after_id,
            "limit_count": limit_count,
            "of_id": of,
        }
        statement = self._kind.page if of is None else self._kind.page_of
        return [self._kind.decode(body) for (body,) in self._session.all(statement, values)]

    def delete(self, record_id: str) -> bool:
        values = {"participant_id": self._participant_id, "record_id": record_id}
        return self._session.one(self._kind.delete, values) is not None

    def _values(self, record: R) -> dict[str, object]:
        return {
            "participant_id": self._participant_id,
            "record_id": self._kind.id_of(record),
            "body": to_json(record),
            **self._kind.columns_of(record),
        }


class SqlSupply:
    """The port `Supply` of one participant."""

    __slots__ = ("_participant_id", "_session", "batches", "items", "links", "partners", "parts", "plants")

    def __init__(self, session: Session, participant_id: str) -> None:
        self._session = session
        self._participant_id = participant_id
        self.partners = SqlSupplyShelf(session, participant_id, _PARTNERS)
        self.plants = SqlSupplyShelf(session, participant_id, _PLANTS)
        self.parts = SqlSupplyShelf(session, participant_id, _PARTS)
        self.batches = SqlSupplyShelf(session, participant_id, _BATCHES)
        self.items = SqlSupplyShelf(session, participant_id, _ITEMS)
        self.links = SqlSupplyShelf(session, participant_id, _LINKS)

    def begin_change(self) -> None:
        self._session.write(_CHANGE, {"participant_id": self._participant_id, "changes_count": 1})

    def named(self, identifiers: Sequence[str]) -> dict[str, Subject]:
        rows = self._rows(_NAMED, identifiers)
        return {text: Subject.of_key(key) for text, key in rows}

    def put_identifiers(self, identifiers: Mapping[Subject, Sequence[str]]) -> None:
        own = {"participant_id": self._participant_id}
        self._session.write_many(
            _FORGET_NAMES, [{**own, "of_subject": subject.key} for subject in identifiers]
        )
        self._session.write_many(
            _PUT_NAME,
            [
                {**own, "identifier": text, "subject": subject.key}
                for subject, texts in identifiers.items()
                for text in texts
            ],
        )

    def items_by_serial(self, part_id: str, serials: Sequence[str]) -> dict[str, str]:
        return dict(self._rows(_BY_SERIAL, serials, of_id=part_id))

    def items_of_batch(self, batch_id: str, after_id: str, limit_count: int) -> list[Item]:
        values = {
            "participant_id": self._participant_id,
            "batch_id": batch_id,
            "after_id": after_id,
            "limit_count": limit_count,
        }
        return [_item(body) for (body,) in self._session.all(_OF_BATCH, values)]

    def links_of(self, part_ids: Sequence[str]) -> dict[str, list[TradeLink]]:
        found: dict[str, list[TradeLink]] = {}
        for part_id, body in self._rows(_LINKS_OF, part_ids):
            found.setdefault(part_id, []).append(_link(body))
        return found

    def count_links(self, partner_id: str, standing: LinkStanding, most_count: int) -> int:
        values = {
            "participant_id": self._participant_id,
            "of_id": partner_id,
            "standing": standing,
            "limit_count": most_count,
        }
        return len(self._session.all(_LINK_STANDS, values))

    def is_made_at(self, plant_id: str) -> bool:
        values = {"participant_id": self._participant_id, "plant_id": plant_id}
        return any(self._session.one(statement, values) is not None for statement in _AT_PLANT)

    def put_bills(self, bills: Sequence[Bill]) -> None:
        keys = [
            {"participant_id": self._participant_id, "part_id": bill.part_id, "version": bill.version}
            for bill in bills
        ]
        self._session.write_many(
            _PUT_BILL, [{**key, "body": to_json(bill)} for key, bill in zip(keys, bills, strict=True)]
        )
        self._session.write_many(_DELETE_LINES, keys)
        self._session.write_many(
            _PUT_LINE,
            [
                {**key, "component_id": component_id}
                for key, bill in zip(keys, bills, strict=True)
                for component_id in sorted({line.component_id for line in bill.lines})
            ],
        )

    def bill(self, part_id: str, version: str) -> Bill | None:
        values = {"participant_id": self._participant_id, "part_id": part_id, "version": version}
        row = self._session.one(_GET_BILL, values)
        return None if row is None else _bill(row[0])

    def bills_of(self, part_ids: Sequence[str]) -> dict[str, list[Bill]]:
        found: dict[str, list[Bill]] = {}
        for part_id, body in self._rows(_BILLS_OF, part_ids):
            found.setdefault(part_id, []).append(_bill(body))
        return found

    def page_bills(self, after: tuple[str, str], limit_count: int) -> list[Bill]:
        values = {
            "participant_id": self._participant_id,
            "after_id": after[0],
            "after_version": after[1],
            "limit_count": limit_count,
        }
        return [_bill(body) for (body,) in self._session.all(_PAGE_BILLS, values)]

    def delete_bill(self, part_id: str, version: str) -> bool:
        values = {"participant_id": self._participant_id, "part_id": part_id, "version": version}
        self._session.write(_DELETE_LINES, values)
        return self._session.one(_DELETE_BILL, values) is not None

    def components_of(self, part_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return _grouped(self._rows(_COMPONENTS_OF, part_ids))

    def users_of(self, component_id: str, after_id: str, limit_count: int) -> list[str]:
        values = {
            "participant_id": self._participant_id,
            "component_id": component_id,
            "after_id": after_id,
            "limit_count": limit_count,
        }
        return [part_id for (part_id,) in self._session.all(_USERS_OF, values)]

    def put_holdings(self, holdings: Sequence[Holding]) -> None:
        self._session.write_many(
            _PUT_HOLDING,
            [
                {
                    "participant_id": self._participant_id,
                    "holder": holding.holder.key,
                    "component": holding.component.key,
                    "from_ms": holding.from_ms,
                    "until_ms": FARTHEST_MS if holding.until_ms is None else holding.until_ms,
                    "quantity": holding.quantity,
                    "unit": holding.unit,
                }
                for holding in holdings
            ],
        )

    def delete_holding(self, holder: Subject, component: Subject, from_ms: int) -> bool:
        values = {
            "participant_id": self._participant_id,
            "holder": holder.key,
            "component": component.key,
            "from_ms": from_ms,
        }
        return self._session.one(_DELETE_HOLDING, values) is not None

    def holds_of(
        self, holder: Subject, as_of_ms: int | None, after: Place, limit_count: int
    ) -> list[Holding]:
        return self._related(_HOLDS, holder, as_of_ms, after, limit_count)

    def held_in(
        self, component: Subject, as_of_ms: int | None, after: Place, limit_count: int
    ) -> list[Holding]:
        return self._related(_HELD, component, as_of_ms, after, limit_count)

    def holdings_of(self, components: Sequence[Subject]) -> list[Holding]:
        return [_holding(*row) for row in self._rows(_HOLDINGS_OF, [one.key for one in components])]

    def batches_held(self, holders: Sequence[Subject]) -> list[Holding]:
        return [_holding(*row) for row in self._rows(_BATCHES_HELD, [one.key for one in holders])]

    def components_held(self, holders: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return _grouped(self._rows(_COMPONENTS_HELD, holders))

    def _related(
        self,
        statements: Mapping[bool, Statement],
        subject: Subject,
        as_of_ms: int | None,
        after: Place,
        limit_count: int,
    ) -> list[Holding]:
        values = {
            "participant_id": self._participant_id,
            "this": subject.key,
            "after_key": after[0],
            "after_ms": after[1],
            "as_of_ms": as_of_ms,
            "limit_count": limit_count,
        }
        return [_holding(*row) for row in self._session.all(statements[as_of_ms is not None], values)]

    def _rows(self, statement: Statement, ids: Sequence[str], **more: object) -> list[Row]:
        return _rows_of(self._session, self._participant_id, statement, ids, **more)


def _rows_of(
    session: Session, participant_id: str, statement: Statement, ids: Sequence[str], **more: object
) -> list[Row]:
    found: list[Row] = []
    wanted = list(dict.fromkeys(ids))
    for start in range(0, len(wanted), _IDS_AT_ONCE_COUNT):
        some = wanted[start : start + _IDS_AT_ONCE_COUNT]
        values: dict[str, object] = {"participant_id": participant_id, **more}
        for number in range(_IDS_AT_ONCE_COUNT):
            values[f"id_{number}"] = some[number] if number < len(some) else some[0]
        found += session.all(statement, values)
    return found


def _grouped(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for one, other in rows:
        found.setdefault(one, {})[other] = None
    return {one: tuple(others) for one, others in found.items()}


def _holding(holder: str, component: str, quantity: str, unit: str, from_ms: int, until_ms: int) -> Holding:
    return Holding(
        holder=Subject.of_key(holder),
        component=Subject.of_key(component),
        quantity=quantity,
        unit=unit,
        from_ms=from_ms,
        until_ms=None if until_ms == FARTHEST_MS else until_ms,
    )
