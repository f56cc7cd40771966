"""From a table of cells to rows that say something, with every fault of every row told."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Generic, TypeVar

import msgspec

from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.tables import EMPTY, Cell, Table
from ashiato.apps.carbon.templates.columns import CellFault, Column, Language, Template, day, plain
from ashiato.apps.carbon.templates.texts import sentence
from ashiato.facts.instants import format_datetime
from ashiato.facts.quantities import Quantity, Unit, decimal_text

MOST_TOLD_COUNT = 1000
T = TypeVar("T")


class RowFault(msgspec.Struct, frozen=True):
    """What is wrong in one cell: its row, counted from 1 as spreadsheets do, and its heading ("" means the whole row)."""

    row: int
    column: str
    code: str
    fields: tuple[tuple[str, str], ...] = ()

    def text(self, language: Language) -> str:
        """The sentence in that language."""
        return sentence(self.code, dict(self.fields), language)


class Row(msgspec.Struct, Generic[T], frozen=True):
    """One row that could be read, what it says, and the texts of its cells as they were understood (`1,200` as `1200`)."""

    number: int
    value: T
    texts: tuple[tuple[str, str], ...]


class Found(msgspec.Struct, Generic[T], frozen=True):
    """What a table says. With faults, nothing of it may be stored. `further_count` faults are not told."""

    rows: tuple[Row[T], ...]
    faults: tuple[RowFault, ...] = ()
    further_count: int = 0
    rows_count: int = 0


class Members:
    """What the cells of one row said, by column. An absent one is "", None or what is named as `default`."""

    def __init__(self, said: Mapping[str, object]) -> None:
        self._said = said

    def text(self, key: str) -> str:
        """The text, "" where the cell was empty."""
        return str(self._said.get(key, ""))

    def number(self, key: str) -> Fraction | None:
        """The number, None where the cell was empty."""
        found = self._said.get(key)
        return found if isinstance(found, Fraction) else None

    def whole(self, key: str) -> int | None:
        """The year or instant, None where the cell was empty."""
        found = self._said.get(key)
        return found if isinstance(found, int) else None

    def quantity(self, amount_key: str, unit_key: str, default: Fraction | None = None) -> Quantity | None:
        """The amount in its unit; None where one of the two is missing."""
        amount, unit = self.number(amount_key), self._said.get(unit_key)
        amount = default if amount is None else amount
        return Quantity(amount, unit) if amount is not None and isinstance(unit, Unit) else None


Make = Callable[[Members], T]


def read_table(table: Table, template: Template, make: Make[T]) -> Found[T]:
    """Every row below the headings, in whichever of the two languages these are, in any order of columns.

    `make` turns what a row says into its value and may raise `CellFault` about the whole row.
    Raises `UnreadableSource` where the headings are not those of the template.
    """
    head, body = _split(table)
    columns = _columns(template, head)
    rows: list[Row[T]] = []
    faults: list[RowFault] = []
    seen: dict[object, int] = {}
    rows_count = 0
    for number, cells in body:
        if all(cell.kind == "empty" for cell in cells):
            continue
        rows_count += 1
        members, wrong = _members(number, cells, columns)
        known = (
            seen.setdefault(members.get(template.id_key), number) if template.id_key in members else number
        )
        if known != number:
            heading = next(text for text, column in columns if column.key == template.id_key)
            wrong.append(RowFault(number, heading, "row_twice", (("row", str(known)), ("column", heading))))
        if not wrong:
            try:
                rows.append(Row(number, make(Members(members)), _understood(members, columns)))
            except CellFault as fault:
                wrong.append(RowFault(number, "", fault.code, tuple(fault.fields.items())))
        faults += wrong
    return Found(
        tuple(rows), tuple(faults[:MOST_TOLD_COUNT]), max(0, len(faults) - MOST_TOLD_COUNT), rows_count
    )


def _split(table: Table) -> tuple[Sequence[Cell], list[tuple[int, Sequence[Cell]]]]:
    for place, cells in enumerate(table.rows):
        if any(cell.kind != "empty" for cell in cells):
            return cells, list(enumerate(table.rows[place + 1 :], start=place + 2))
    raise UnreadableSource("table_empty", "the table is empty")


def _columns(template: Template, head: Sequence[Cell]) -> list[tuple[str, Column]]:
    """The heading and column of each cell of the head, up to the last one that is not empty."""
    names = {
        plain(name).lower(): column
        for column in template.columns
        for name in (column.key, column.english, column.japanese)
    }
    texts = [cell.text.rstrip("*＊ ") for cell in head]
    while texts and not texts[-1]:
        texts.pop()
    unknown = [text for text in texts if plain(text).lower() not in names]
    if unknown:
        raise UnreadableSource(
            "heading_unknown", f"{template.english} has no column {unknown[0][:60]!r}; take a fresh template"
        )
    columns = [(text, names[plain(text).lower()]) for text in texts]
    keys = [column.key for _, column in columns]
    missing = [column.english for column in template.columns if column.required and column.key not in keys]
    if missing or len(set(keys)) != len(keys):
        problem = f"the column {missing[0]!r} is missing" if missing else "a column stands twice"
        raise UnreadableSource("heading_missing", problem)
    return columns


def _members(
    number: int, cells: Sequence[Cell], columns: Sequence[tuple[str, Column]]
) -> tuple[dict[str, object], list[RowFault]]:
    members: dict[str, object] = {}
    faults: list[RowFault] = []
    if any(cell.kind != "empty" for cell in cells[len(columns) :]):
        faults.append(RowFault(number, "", "row_long"))
    for place, (heading, column) in enumerate(columns):
        cell = cells[place] if place < len(cells) else EMPTY
        if cell.kind == "empty":
            if column.required:
                faults.append(RowFault(number, heading, "required"))
        elif cell.kind in {"formula", "error"}:
            faults.append(RowFault(number, heading, cell.kind))
        else:
            try:
                members[column.key] = column.read(cell)
            except CellFault as fault:
                faults.append(RowFault(number, heading, fault.code, tuple(fault.fields.items())))
    return members, faults


def _understood(
    members: Mapping[str, object], columns: Sequence[tuple[str, Column]]
) -> tuple[tuple[str, str], ...]:
    """The cells in a form that reads the same again, in a fixed order, so that equal rows are equal texts."""
    by_key = {column.key: column for _, column in columns}
    return tuple((key, _text_of(by_key[key], value)) for key, value in sorted(members.items()))


def _text_of(column: Column, value: object) -> str:
    match value:
        case Fraction():
            return decimal_text(value)
        case Unit():
            return value.symbol
        case int() if column.read is day:
            return format_datetime(value)[:10]
    return str(value)
