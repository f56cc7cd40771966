"""The process in which a workbook is opened: limits first, then a look at its parts, then the reader.

It gets the file on its standard input and answers with one JSON document on its standard output.
"""

import io
import posixpath
import resource
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from xml.parsers import expat

import msgspec
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.importers.archives import Archive, ArchiveBounds
from ashiato.apps.carbon.factors.importers.xml_tree import parse_xml
from ashiato.apps.carbon.factors.tables import EMPTY, Cell, Table
from ashiato.clients.workbooks.reading import MOST_WORKBOOK_BYTES, ApartAnswer

MEMORY_BYTES = 1536 * 1024**2
CPU_S = 45
MOST_SHEETS_COUNT = 50
MOST_ROWS = 200_000
MOST_COLUMNS_COUNT = 256
MOST_CELLS_COUNT = 4_000_000
_MOST_RANGES_COUNT = 1000
_BOUNDS = ArchiveBounds(
    most_members_count=2000,
    most_member_bytes=256 * 1024**2,
    most_total_bytes=512 * 1024**2,
    most_ratio=400,
)
_ERRORS = frozenset("#DIV/0! #N/A #NAME? #NULL! #NUM! #REF! #VALUE! #SPILL! #CALC!".split())
_OLE = b"\xd0\xcf\x11\xe0"
# Above it, a double no longer tells one integer from the next.
_LARGEST_INTEGER = 2**53


def main() -> None:
    """Answers for one workbook; whatever goes wrong inside the reader is an answer too."""
    _limit()
    data = sys.stdin.buffer.read(MOST_WORKBOOK_BYTES + 1)
    try:
        answer = ApartAnswer(tuple(tables_of(data)))
    except UnreadableSource as unreadable:
        answer = ApartAnswer(code=unreadable.code, problem=unreadable.problem)
    except MemoryError:
        answer = ApartAnswer(
            code="workbook_too_large", problem="the workbook needs more memory than may be given to it"
        )
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What zipfile looks up when it meets its first name must be loaded while files can still be opened.
    b"a".decode("cp437")
    # The three standard streams are open already; nothing else may be.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def tables_of(data: bytes) -> Iterator[Table]:
    """The sheets of an .xlsx workbook; raises `UnreadableSource` for macros, encryption, bombs and other formats."""
    if data.startswith(_OLE):
        raise UnreadableSource(
            "workbook_old", "the file is encrypted or of the old .xls form; save it as plain .xlsx"
        )
    archive = Archive(io.BytesIO(data), _BOUNDS)
    if any(name.lower().endswith("vbaproject.bin") for name in archive.names):
        raise UnreadableSource("workbook_macros", "the workbook holds macros; save it as .xlsx without them")
    if "xl/workbook.xml" not in archive.names:
        raise UnreadableSource("workbook_unknown", "this is no .xlsx workbook")
    for name in archive.names:
        # Unpacked once within bounds, so that the reader behind meets no member that lies about its length.
        archive.read(name)
    scans = {
        name: _scan(Archive(io.BytesIO(data), _BOUNDS).read(part)) for name, part in _parts(archive).items()
    }
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        for sheet in workbook.sheets_metadata:
            if sheet.typ == SheetTypeEnum.WorkSheet and sheet.name in scans:
                rows = workbook.get_sheet_by_name(sheet.name).to_python(skip_empty_area=False)
                yield Table(
                    sheet.name, tuple(_row(number, row, scans[sheet.name]) for number, row in enumerate(rows))
                )
    except CalamineError as error:
        raise UnreadableSource("workbook_broken", f"the workbook cannot be read: {error}") from None


def _parts(archive: Archive) -> dict[str, str]:
    """The member that holds each sheet."""
    relations = {}
    if "xl/_rels/workbook.xml.rels" in archive.names:
        for relation in parse_xml(archive.read("xl/_rels/workbook.xml.rels")).children:
            target = relation.get("Target")
            path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            relations[relation.get("Id")] = path
    sheets = parse_xml(archive.read("xl/workbook.xml")).find("sheets")
    named = list(sheets.all("sheet")) if sheets is not None else []
    if len(named) > MOST_SHEETS_COUNT:
        raise UnreadableSource("workbook_too_large", f"the workbook has more than {MOST_SHEETS_COUNT} sheets")
    parts = {sheet.get("name"): relations.get(sheet.get("id"), "") for sheet in named}
    return {name: part for name, part in parts.items() if part in archive.names and "worksheets" in part}


class _Scan:
    """Where a sheet has formulas, and how far it reaches; raises as soon as it reaches too far."""

    def __init__(self) -> None:
        self.formulas: set[tuple[int, int]] = set()
        self.ranges: list[tuple[int, int, int, int]] = []
        self._last_row = 0
        self._last_column = 0
        self._cell = (0, 0)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition("}")[2]
        if local == "c":
            self._cell = _place(attributes.get("r", ""))
            self._reach(*self._cell)
        elif local == "f":
            self.formulas.add(self._cell)
            if attributes.get("t") == "array" and ":" in attributes.get("ref", ""):
                if len(self.ranges) >= _MOST_RANGES_COUNT:
                    raise UnreadableSource("workbook_too_large", "the workbook has too many array formulas")
                first, _, last = attributes["ref"].partition(":")
                self.ranges.append((*_place(first), *_place(last)))

    def refuse_doctype(self, *_declaration: object) -> None:
        raise UnreadableSource("xml_doctype", "a sheet declares a document type; entities are not read here")

    def is_formula(self, row: int, column: int) -> bool:
        if (row, column) in self.formulas:
            return True
        return any(
            top <= row <= bottom and left <= column <= right for top, left, bottom, right in self.ranges
        )

    def _reach(self, row: int, column: int) -> None:
        self._last_row = max(self._last_row, row + 1)
        self._last_column = max(self._last_column, column + 1)
        if (
            self._last_row > MOST_ROWS
            or self._last_column > MOST_COLUMNS_COUNT
            or self._last_row * self._last_column > MOST_CELLS_COUNT
        ):
            raise UnreadableSource("workbook_too_large", "a sheet reaches further than may be read")


def _scan(sheet: bytes) -> _Scan:
    scan = _Scan()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = scan.start
    parser.StartDoctypeDeclHandler = scan.refuse_doctype
    try:
        parser.Parse(sheet, True)
    except expat.ExpatError as error:
        raise UnreadableSource("workbook_broken", f"a sheet is no well-formed XML: {error}") from None
    return scan


def _place(reference: str) -> tuple[int, int]:
    """Row and column, from 0, of a reference such as `B3`."""
    letters = reference.rstrip("0123456789")
    digits = reference[len(letters) :]
    if not (1 <= len(letters) <= 3 and letters.isascii() and letters.isalpha() and 1 <= len(digits) <= 7):
        raise UnreadableSource("workbook_broken", "a cell of a sheet has no place")
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(digits) - 1, column - 1


def _row(number: int, row: Sequence[object], scan: _Scan) -> tuple[Cell, ...]:
    return tuple(
        Cell(_text(value), "formula") if scan.is_formula(number, column) else _cell(value)
        for column, value in enumerate(row)
    )


def _cell(value: object) -> Cell:
    match value:
        case bool():
            return Cell("TRUE" if value else "FALSE", "boolean")
        case int() | float():
            return Cell(_text(value), "number")
        case datetime() | date() | time() | timedelta():
            return Cell(_text(value), "date")
        case str() if (
            value.startswith("#") and value.rstrip("!?").removeprefix("#").replace("/", "").isupper()
        ):
            return Cell(value, "error")
        case str() if value.strip():
            return Cell(value.strip(), "text")
    return EMPTY


def _text(value: object) -> str:
    """A double as the shortest decimal that means it: what was typed, up to 15 digits."""
    match value:
        case float() if value.is_integer() and abs(value) < _LARGEST_INTEGER:
            return str(int(value))
        case float():
            return repr(value)
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime() | date() | time():
            return value.isoformat()
    return str(value).strip()


if __name__ == "__main__":
    main()
