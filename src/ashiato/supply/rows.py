"""The tables in which a company brings in its masters: their columns in English and Japanese, and what one row says.

Nothing here knows a file format: a row is a list of texts, wherever it was read.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import msgspec

from ashiato.connector.problems import Invalid, Problem
from ashiato.facts.instants import MalformedInstant, parse_datetime
from ashiato.facts.quantities import MalformedNumber, decimal_text, parse_decimal
from ashiato.supply.naming import read_identifier
from ashiato.supply.records import Sourcing, Subject, SubjectKind

LANGUAGES = ("en", "ja")
LONGEST_CELL_CHARS = 4096


class Column(msgspec.Struct, frozen=True):
    """One column: the member that it fills, what it is called in Japanese, and how its text is read."""

    name: str
    japanese: str
    read: Callable[[str], object]
    is_required: bool = False

    def called(self, language: str) -> str:
        """The header in that language."""
        return self.japanese if language == "ja" else self.name


class Sheet(msgspec.Struct, frozen=True):
    """One kind of table."""

    name: str
    japanese: str
    columns: tuple[Column, ...]


class Layout(msgspec.Struct, frozen=True):
    """How the columns of one table stand: for each cell its column, None = an empty header."""

    sheet: Sheet
    columns: tuple[Column | None, ...]
    headers: tuple[str, ...]

    def header_of(self, member: str) -> str:
        """The header of the column that fills the member, as it stands in the table; "" = there is none."""
        found = (
            head
            for head, column in zip(self.headers, self.columns, strict=True)
            if column and column.name == member
        )
        return next(found, "")


class BadTable(Problem):
    """The table cannot be read at all; whoever made it must mend it."""

    code = "invalid"


class BadCell(Exception):
    """One cell says nothing that can be read. `column` is its header, `problem` what is expected."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(problem)
        self.column = column
        self.problem = problem


def _text(text: str) -> str:
    # A spreadsheet that opens the table later would compute it.
    if text[:1] in "=@+" and text:
        raise ValueError("begins like a formula; write plain text")
    return text


def _plain(text: str) -> str:
    """Wide digits and letters of Japanese keyboards as plain ones."""
    return unicodedata.normalize("NFKC", text).strip()


def _number(text: str) -> str:
    found = _plain(text)
    try:
        parse_decimal(found)
    except MalformedNumber as error:
        raise ValueError(error.problem) from None
    return found


def _share(text: str) -> str:
    found = _plain(text)
    if not found.endswith("%"):
        return _number(found or "0")
    try:
        return decimal_text(parse_decimal(found[:-1].strip()) / Fraction(100))
    except MalformedNumber as error:
        raise ValueError(error.problem) from None


def _amount_or_none(text: str) -> str | None:
    return _number(text) if text else None


_DAY = re.compile(r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})")


def _instant_ms(text: str) -> int:
    found = _plain(text)
    day = _DAY.fullmatch(found)
    if day is not None:
        found = f"{day[1]}-{int(day[2]):02d}-{int(day[3]):02d}T00:00:00Z"
    try:
        return parse_datetime(found)
    except MalformedInstant as error:
        raise ValueError(f"write a day such as 2026-04-01 or an instant; {error.problem}") from None


def _optional_ms(text: str) -> int | None:
    return _instant_ms(text) if text else None


def _beginning_ms(text: str) -> int:
    return _instant_ms(text) if text else 0


def _one_of(words: Mapping[str, object], default: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        found = _plain(text).lower() or default
        if found not in words:
            raise ValueError(f"write one of {', '.join(words)}")
        return words[found]

    return read


def _identifiers(text: str) -> object:
    words = [word for word in re.split(r"[;；\n]", text) if word.strip()]
    try:
        return tuple(read_identifier(word.strip(), "identifiers") for word in words)
    except Invalid as error:
        raise ValueError(error.sentence) from None


_sourcing = _one_of(
    {"own": Sourcing.OWN, "purchased": Sourcing.PURCHASED, "自社": Sourcing.OWN, "購入": Sourcing.PURCHASED},
    "own",
)
_built = _one_of(
    {
        "item": SubjectKind.ITEM,
        "batch": SubjectKind.BATCH,
        "個体": SubjectKind.ITEM,
        "ロット": SubjectKind.BATCH,
    },
    "item",
)
_yes = _one_of(
    {"yes": True, "no": False, "true": True, "false": False, "1": True, "0": False, "○": True, "×": False}
    | {"はい": True, "いいえ": False},
    "no",
)


def _or(default: str, read: Callable[[str], object]) -> Callable[[str], object]:
    return lambda text: read(text or default)


_IDENTIFIERS = Column("identifiers", "識別子", _identifiers)
_PART = Column("part_id", "部品番号", _text, is_required=True)
_PLANT = Column("plant_id", "事業所", _text)
_MADE = Column("made", "製造日", _optional_ms)

PARTS = Sheet(
    "parts",
    "部品マスタ",
    (
        _PART,
        Column("name", "部品名", _text),
        Column("sourcing", "区分", _sourcing),
        Column("unit", "単位", _or("piece", _text)),
        Column("revision", "版", _text),
        _PLANT,
        _IDENTIFIERS,
    ),
)
BOM = Sheet(
    "bom",
    "部品構成",
    (
        Column("parent_id", "親部品番号", _text, is_required=True),
        Column("component_id", "子部品番号", _text, is_required=True),
        Column("quantity", "数量", _number, is_required=True),
        Column("unit", "単位", _or("piece", _text)),
        Column("loss", "ロス率", _share),
        Column("position", "位置", _text),
        Column("version", "構成版", _or("1", _text)),
        Column("output", "出来高", _or("1", _number)),
        Column("valid_from", "有効開始", _beginning_ms),
        Column("valid_until", "有効終了", _optional_ms),
    ),
)
PLANTS = Sheet(
    "plants",
    "事業所",
    (
        Column("plant_id", "事業所", _text, is_required=True),
        Column("name", "事業所名", _text),
        Column("address", "所在地", _text),
        Column("country", "国", _plain),
        _IDENTIFIERS,
    ),
)
PARTNERS = Sheet(
    "partners",
    "取引先",
    (
        Column("partner_id", "取引先DID", _text, is_required=True),
        Column("name", "取引先名", _text),
        Column("address", "接続先", _text),
        Column("is_supplier", "仕入先", _yes),
        Column("is_customer", "納入先", _yes),
        _IDENTIFIERS,
    ),
)
BATCHES = Sheet(
    "batches",
    "ロット",
    (
        Column("batch_id", "ロット番号", _text, is_required=True),
        _PART,
        Column("quantity", "数量", _amount_or_none),
        _PLANT,
        _MADE,
        _IDENTIFIERS,
    ),
)
ITEMS = Sheet(
    "items",
    "個体",
    (
        Column("item_id", "個体番号", _text, is_required=True),
        _PART,
        Column("serial", "シリアル番号", _text, is_required=True),
        Column("batch_id", "ロット番号", _text),
        _PLANT,
        _MADE,
        _IDENTIFIERS,
    ),
)
AS_BUILT = Sheet(
    "as-built",
    "構成実績",
    (
        Column("holder_kind", "親区分", _built),
        Column("holder_id", "親番号", _text, is_required=True),
        Column("component_kind", "子区分", _built),
        Column("component_id", "子番号", _text, is_required=True),
        Column("quantity", "数量", _or("1", _number)),
        Column("unit", "単位", _or("piece", _text)),
        Column("from", "組込日", _beginning_ms),
        Column("until", "取外日", _optional_ms),
    ),
)
SHEETS: Mapping[str, Sheet] = {
    sheet.name: sheet for sheet in (PARTS, BOM, PLANTS, PARTNERS, BATCHES, ITEMS, AS_BUILT)
}


def headers(sheet: Sheet, language: str) -> list[str]:
    """The header row of an empty table."""
    return [column.called(language) for column in sheet.columns]


def layout_of(header: Sequence[str]) -> Layout:
    """Which table a header row begins, and how its columns stand, in either language and any order. Raises `BadTable`."""
    cells = [_key(cell) for cell in header]
    while cells and not cells[-1]:
        cells.pop()
    named = [cell for cell in cells if cell]
    fitting = [sheet for sheet in SHEETS.values() if _fits(sheet, named)]
    if len(fitting) != 1 or len(set(named)) != len(named):
        raise BadTable(_why_not(named), path="header", header=list(header)[:50])
    columns = _by_header(fitting[0])
    found = tuple(columns[cell] if cell else None for cell in cells)
    names = [column.name for column in found if column is not None]
    for name in names:
        if names.count(name) > 1:
            raise BadTable(f"The column {name} stands twice, in English and in Japanese.", path="header")
    return Layout(fitting[0], found, tuple(cell.strip() for cell in header[: len(cells)]))


def members_of(layout: Layout, cells: Sequence[str]) -> dict[str, object]:
    """What one row says, by member. Raises `BadCell` for the first cell that says nothing that can be read."""
    if len(cells) < len(layout.columns):
        missing = layout.headers[len(cells)]
        raise BadCell(missing, f"The row ends before this column: it has {len(cells)} cells.")
    if any(cell.strip() for cell in cells[len(layout.columns) :]):
        raise BadCell("", "The row has more cells than the header.")
    found: dict[str, object] = {}
    for header, column, cell in zip(layout.headers, layout.columns, cells, strict=False):
        if column is None:
            if cell.strip():
                raise BadCell("", "A cell stands below no header.")
            continue
        text = cell.strip()
        if column.is_required and not text:
            raise BadCell(header, "This cannot be empty.")
        if len(text) > LONGEST_CELL_CHARS or "\0" in text:
            raise BadCell(header, f"A cell has at most {LONGEST_CELL_CHARS} characters, none of them U+0000.")
        try:
            found[column.name] = column.read(text)
        except ValueError as error:
            raise BadCell(header, f"{text[:60]!r}: {error}.".replace("..", ".")) from None
    return found


def subject_of(kind: object, subject_id: object) -> Subject:
    """The thing of a row of the as-built table."""
    return Subject(SubjectKind(str(kind)), str(subject_id))


def _key(cell: str) -> str:
    return re.sub(r"[\s_-]+", "_", _plain(cell).lower().removeprefix("\ufeff"))


def _by_header(sheet: Sheet) -> dict[str, Column]:
    return {_key(called): column for column in sheet.columns for called in (column.name, column.japanese)}


def _fits(sheet: Sheet, named: Sequence[str]) -> bool:
    columns = _by_header(sheet)
    if not all(cell in columns for cell in named):
        return False
    present = {columns[cell].name for cell in named}
    return all(column.name in present for column in sheet.columns if column.is_required)


def _why_not(named: Sequence[str]) -> str:
    nearest = max(SHEETS.values(), key=lambda sheet: sum(cell in _by_header(sheet) for cell in named))
    columns = _by_header(nearest)
    unknown = [cell for cell in named if cell not in columns]
    missing = [
        column.name
        for column in nearest.columns
        if column.is_required and not {_key(column.name), _key(column.japanese)} & set(named)
    ]
    if unknown:
        return f"The first row is no header that is known here; nearest is {nearest.name}, which has no {', '.join(unknown[:5])}."
    if missing:
        return f"The first row is nearest to the header of {nearest.name}, but lacks {', '.join(missing)}."
    return "A column stands twice in the first row."
