"""Tables of strangers as cells: what a CSV file or a sheet of a workbook holds, before anybody knows what it means."""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import msgspec

from ashiato.apps.carbon.factors.datasets import UnreadableSource

CellKind = Literal["empty", "text", "number", "date", "boolean", "formula", "error"]
MOST_BYTES = 64 * 1024**2
MOST_ROWS = 500_000
MOST_COLUMNS_COUNT = 256
# Control characters, and what the codec of cp932 makes of bytes that are no characters.
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\uf8f0-\uf8f3]")
# A line ends where the file says so and nowhere else: str.splitlines also breaks at form feeds and U+2028.
_LINE = re.compile(r"[^\n]*\n|[^\n]+$")


class Cell(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cell. `text` is what a person reads there; a number is in the shortest decimal form that means the stored value.

    A "formula" is refused wherever a value is wanted: its text is what the program that saved the file last thought it to be.
    """

    text: str = ""
    kind: CellKind = "empty"


EMPTY = Cell()


class Table(msgspec.Struct, frozen=True):
    """A sheet, or a CSV file as one. Row 1 is `rows[0]`; rows may differ in length."""

    name: str
    rows: tuple[tuple[Cell, ...], ...]


class WorkbookReader(Protocol):
    """Reads Excel workbooks somewhere where a hostile one does no harm."""

    async def read(self, data: bytes) -> Sequence[Table]:
        """The sheets of the workbook, in its order; raises `UnreadableSource`."""
        ...


def decode(data: bytes, other: str = "cp932") -> str:
    """The text in `data`: UTF-8 with or without mark, UTF-16 with mark, else the encoding `other` (Windows' Shift_JIS).

    Raises `UnreadableSource` where it is none of them, or holds characters that no text holds.
    """
    if len(data) > MOST_BYTES:
        raise UnreadableSource("file_too_large", f"the file has more than {MOST_BYTES} bytes")
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", other):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _NO_TEXT.search(text):
            break
        return text
    raise UnreadableSource("encoding_unknown", f"the text is neither UTF-8 nor {other}; save it as UTF-8")


def delimited_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """The rows of RFC 4180 text; raises `UnreadableSource` at a broken or too large one."""
    reader = csv.reader((found.group() for found in _LINE.finditer(text)), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UnreadableSource("csv_broken", f"line {reader.line_num}: {error}") from None
        if row is None:
            return
        if reader.line_num > MOST_ROWS:
            raise UnreadableSource("table_too_large", f"the file has more than {MOST_ROWS} lines")
        if len(row) > MOST_COLUMNS_COUNT:
            raise UnreadableSource(
                "table_too_large", f"line {reader.line_num} has more than {MOST_COLUMNS_COUNT} columns"
            )
        yield row


def csv_table(data: bytes, other: str = "cp932") -> Table:
    """The CSV file as a table of texts. Separated by comma, semicolon or tab, whichever the first line has most of."""
    text = decode(data, other)
    first = next(_LINE.finditer(text), None)
    head = first.group() if first is not None else ""
    delimiter = max(",;\t", key=head.count)
    rows = tuple(
        tuple(Cell(cell.strip(), "text") if cell.strip() else EMPTY for cell in row)
        for row in delimited_rows(text, delimiter)
    )
    return Table("CSV", rows)


def text_rows(table: Table) -> Iterator[tuple[int, list[str]]]:
    """Number and texts of each row that is not empty, for tables that know texts only (`supply.importing.read_table`).

    Raises `UnreadableSource` at a formula or an error value, whose text is not what the cell says.
    """
    for number, row in enumerate(table.rows, start=1):
        for place, cell in enumerate(row, start=1):
            if cell.kind in {"formula", "error"}:
                raise UnreadableSource(
                    cell.kind,
                    f"row {number}, column {place} holds a formula or an error; paste its value instead",
                )
        if any(cell.kind != "empty" for cell in row):
            yield number, [cell.text for cell in row]
