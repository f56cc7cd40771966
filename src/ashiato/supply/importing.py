"""Bringing in a whole table: every row is looked at, and either all of them are stored or none.

The same table again changes nothing. A column that the table does not have leaves what is stored as it is; an empty cell
of a column that it has empties it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from ashiato.connector.offers import note
from ashiato.connector.ports import Moment
from ashiato.supply import bills
from ashiato.supply.as_built import store_holdings
from ashiato.supply.faults import Fault
from ashiato.supply.items import BATCHES, ITEMS
from ashiato.supply.keeping import Keeping, Outcome
from ashiato.supply.parts import PARTNERS, PARTS, PLANTS
from ashiato.supply.ports import Shelf, UnitOfWork
from ashiato.supply.records import Batch, Bill, BillLine, Holding, Item, PartType, Plant, TradingPartner
from ashiato.supply.rows import BadCell, BadTable, Layout, layout_of, members_of, subject_of

MOST_ROWS_COUNT = 100_000
MOST_SHOWN_FAULTS_COUNT = 500

Row = tuple[int, Mapping[str, object]]
K = TypeVar("K", TradingPartner, Plant, PartType, Batch, Item)


class RowFault(msgspec.Struct, frozen=True, order=True):
    """What is wrong in one cell: its row counted from 1, its header ("" = the whole row), and what to do."""

    row: int
    column: str
    problem: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an import came to; with faults nothing was stored. `further_count` faults are not shown."""

    sheet: str
    rows_count: int
    new_count: int = 0
    changed_count: int = 0
    same_count: int = 0
    faults: tuple[RowFault, ...] = ()
    further_count: int = 0


class Table(msgspec.Struct, frozen=True):
    """A table that was read: its layout, the rows that can be read, and what is wrong with the others."""

    layout: Layout
    rows: tuple[Row, ...]
    faults: tuple[RowFault, ...]
    rows_count: int


def read_table(rows: Iterable[tuple[int, Sequence[str]]]) -> Table:
    """The table in rows of cells, of which the first is the header. Touches no store. Raises `BadTable`."""
    given = iter(rows)
    first = next(given, None)
    if first is None:
        raise BadTable("The table is empty.", path="file")
    layout = layout_of(first[1])
    found: list[Row] = []
    faults: list[RowFault] = []
    rows_count = 0
    for number, cells in given:
        rows_count += 1
        if rows_count > MOST_ROWS_COUNT:
            raise BadTable(
                f"The table has more than {MOST_ROWS_COUNT} rows; bring it in in several parts.", path="file"
            )
        try:
            found.append((number, members_of(layout, cells)))
        except BadCell as bad:
            faults.append(RowFault(number, bad.column, bad.problem))
    return Table(layout, tuple(found), tuple(faults), rows_count)


def import_table(uow: UnitOfWork, table: Table, moment: Moment, *, is_trial: bool = False) -> Report:
    """Store every row of the table, or none when one of them has a fault; `is_trial` only says what would come of it."""
    sheet = table.layout.sheet.name
    # One bad cell keeps everything out; what is wrong with the other rows is said all the same.
    outcome, faults = _IMPORTS[sheet](uow, table, moment, is_trial or bool(table.faults))
    every = sorted({*table.faults, *faults})
    if every:
        shown = tuple(every[:MOST_SHOWN_FAULTS_COUNT])
        return Report(
            sheet=sheet, rows_count=table.rows_count, faults=shown, further_count=len(every) - len(shown)
        )
    if not is_trial and (outcome.new_count or outcome.changed_count):
        details: dict[str, object] = {"new": outcome.new_count, "changed": outcome.changed_count}
        note(uow, moment, "supply.imported", sheet, details)
    return Report(
        sheet=sheet,
        rows_count=table.rows_count,
        new_count=outcome.new_count,
        changed_count=outcome.changed_count,
        same_count=outcome.same_count,
    )


Import = Callable[[UnitOfWork, Table, Moment, bool], tuple[Outcome, list[RowFault]]]
# The members of records whose column has another name.
_COLUMN_OF = {
    "made_ms": "made",
    "valid_from_ms": "valid_from",
    "valid_until_ms": "valid_until",
    "from_ms": "from",
    "until_ms": "until",
    "part_id": "parent_id",
}


def _of_keeping(
    keeping: Keeping[K], shelf_of: Callable[[UnitOfWork], Shelf[K]], id_name: str, make: Callable[..., K]
) -> Import:
    """The import of a table with one record in each row."""

    def run(uow: UnitOfWork, table: Table, moment: Moment, is_trial: bool) -> tuple[Outcome, list[RowFault]]:
        known = shelf_of(uow).get_many([str(members[id_name]) for _, members in table.rows])
        records: list[K] = []
        for _, given in table.rows:
            members = {("made_ms" if name == "made" else name): value for name, value in given.items()}
            before = known.get(str(given[id_name]))
            records.append(make(**members) if before is None else msgspec.structs.replace(before, **members))
        outcome = keeping.store(uow, records, moment, is_trial=is_trial)
        return outcome, [
            _cell(table, table.rows[fault.index][0], id_name if fault.path == "id" else fault.path, fault)
            for fault in outcome.faults
        ]

    return run


def _import_bom(
    uow: UnitOfWork, table: Table, moment: Moment, is_trial: bool
) -> tuple[Outcome, list[RowFault]]:
    """Rows of one parent and version are one bill, which they replace as a whole."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for number, members in table.rows:
        key = (str(members["parent_id"]), str(members.get("version", "1")))
        groups.setdefault(key, []).append((number, members))
    faults: list[RowFault] = []
    for rows in groups.values():
        faults += _disagreements(table.layout, rows)
    made = [_bill(key, rows) for key, rows in groups.items()]
    outcome = bills.store_bills(uow, made, moment, is_trial=is_trial or bool(faults))
    grouped = list(groups.values())
    for fault in outcome.faults:
        rows = grouped[fault.index]
        place = re.match(r"lines\[(\d+)\](?:\.(.+))?", fault.path)
        row = rows[int(place[1])] if place else rows[0]
        faults.append(_cell(table, row[0], (place[2] or "component_id") if place else fault.path, fault))
    return outcome, faults


_OF_WHOLE_BILL = ("output", "valid_from", "valid_until")


def _disagreements(layout: Layout, rows: Sequence[Row]) -> list[RowFault]:
    first_number, first = rows[0]
    return [
        RowFault(
            number,
            layout.header_of(name),
            f"Row {first_number} says something else of the same bill; write the same in all its rows.",
        )
        for number, members in rows[1:]
        for name in _OF_WHOLE_BILL
        if members.get(name) != first.get(name)
    ]


def _bill(key: tuple[str, str], rows: Sequence[Row]) -> Bill:
    _, first = rows[0]
    names = ("component_id", "quantity", "unit", "loss", "position")
    lines = [{"unit": "piece", **{name: row[name] for name in names if name in row}} for _, row in rows]
    whole = {"output": first.get("output", "1"), "valid_from_ms": first.get("valid_from", 0)}
    return Bill(
        part_id=key[0],
        version=key[1],
        lines=tuple(BillLine(**line) for line in lines),  # type: ignore[arg-type]  # read by the columns of these members
        valid_until_ms=first.get("valid_until"),  # type: ignore[arg-type]  # the same
        **whole,  # type: ignore[arg-type]  # the same
    )


def _import_as_built(
    uow: UnitOfWork, table: Table, _: Moment, is_trial: bool
) -> tuple[Outcome, list[RowFault]]:
    holdings = [
        Holding(
            holder=subject_of(row.get("holder_kind", "item"), row["holder_id"]),
            component=subject_of(row.get("component_kind", "item"), row["component_id"]),
            quantity=str(row.get("quantity", "1")),
            unit=str(row.get("unit", "piece")),
            from_ms=row.get("from", 0),  # type: ignore[arg-type]  # read by the column of this member
            until_ms=row.get("until"),  # type: ignore[arg-type]  # the same
        )
        for _, row in table.rows
    ]
    outcome = store_holdings(uow, holdings, is_trial=is_trial)
    return outcome, [_cell(table, table.rows[fault.index][0], fault.path, fault) for fault in outcome.faults]


def _cell(table: Table, row: int, path: str, fault: Fault) -> RowFault:
    member = path.partition("[")[0]
    header = table.layout.header_of(member) or table.layout.header_of(_COLUMN_OF.get(member, member))
    return RowFault(row, header, fault.sentence)


_IMPORTS: Mapping[str, Import] = {
    "parts": _of_keeping(PARTS, lambda uow: uow.supply.parts, "part_id", PartType),
    "plants": _of_keeping(PLANTS, lambda uow: uow.supply.plants, "plant_id", Plant),
    "partners": _of_keeping(PARTNERS, lambda uow: uow.supply.partners, "partner_id", TradingPartner),
    "batches": _of_keeping(BATCHES, lambda uow: uow.supply.batches, "batch_id", Batch),
    "items": _of_keeping(ITEMS, lambda uow: uow.supply.items, "item_id", Item),
    "bom": _import_bom,
    "as-built": _import_as_built,
}
