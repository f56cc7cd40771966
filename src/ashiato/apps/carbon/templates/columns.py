"""What a column of a template is, and how one cell of it is read."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Literal

import msgspec

from ashiato.apps.carbon.factors.numerals import parse_typed
from ashiato.apps.carbon.factors.tables import Cell
from ashiato.facts.instants import MalformedInstant, parse_datetime
from ashiato.facts.quantities import MalformedNumber, Unit, UnknownUnit, find_unit

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")
LONGEST_CELL_CHARS = 2000
_EARLIEST_YEAR, _LATEST_YEAR = 1900, 2100


class CellFault(ValueError):
    """A cell says nothing that can be used; who filled it in must mend it. `code` and `fields` make the sentence (`texts`)."""

    def __init__(self, code: str, **fields: str) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields


class Column(msgspec.Struct, frozen=True):
    """One column: the member that it fills, its headings, and how a cell that is not empty is read."""

    key: str
    english: str
    japanese: str
    read: Callable[[Cell], object]
    required: bool = False
    choices: Mapping[str, tuple[str, str]] = msgspec.field(default_factory=dict)

    def heading(self, language: Language) -> str:
        """The heading in that language."""
        return self.japanese if language == "ja" else self.english

    def choices_in(self, language: Language) -> tuple[str, ...]:
        """What can be chosen, in that language; empty where anything can be written."""
        return tuple(words[LANGUAGES.index(language)] for words in self.choices.values())


class Template(msgspec.Struct, frozen=True):
    """One kind of table. `id_key` is the column by which a row that comes again is known to be the same."""

    key: str
    english: str
    japanese: str
    columns: tuple[Column, ...]
    id_key: str

    def title(self, language: Language) -> str:
        """The name of the table in that language."""
        return self.japanese if language == "ja" else self.english


def plain(text: str) -> str:
    """Full-width digits, letters and signs of Japanese keyboards as the plain ones; ㎏ and ㎥ as kg and m3."""
    return unicodedata.normalize("NFKC", text).strip()


def text(cell: Cell) -> str:
    """The text as it stands. Raises `CellFault` for one that another program would run, or that cannot be kept."""
    written = cell.text
    if len(written) > LONGEST_CELL_CHARS:
        raise CellFault("text_long", limit=str(LONGEST_CELL_CHARS))
    if written.startswith(("=", "@", "+", "\t", "\r")) or (written.startswith("-") and len(written) > 1):
        raise CellFault("text_formula")
    return written


def identifier(cell: Cell) -> str:
    """A text without spaces around and inside lines of its own."""
    written = text(cell)
    if not written.isprintable():
        raise CellFault("text_unprintable")
    return written


def number(cell: Cell) -> Fraction:
    """The exact number of the cell."""
    if cell.kind not in {"text", "number"}:
        raise CellFault("number_kind", kind=cell.kind)
    try:
        return parse_typed(plain(cell.text))
    except MalformedNumber as malformed:
        raise CellFault("number_unreadable", problem=malformed.problem) from None


def not_negative(cell: Cell) -> Fraction:
    """A number that is 0 or more."""
    value = number(cell)
    if value < 0:
        raise CellFault("number_negative")
    return value


def positive(cell: Cell) -> Fraction:
    """A number above 0."""
    value = number(cell)
    if value <= 0:
        raise CellFault("number_not_positive")
    return value


def share(cell: Cell) -> Fraction:
    """A share from 0 to 1; `35%` is 0.35. A bare 35 is refused, as nobody can tell which of the two is meant."""
    written = plain(cell.text)
    percent = cell.kind == "text" and written.endswith("%")
    value = number(Cell(written[:-1], "text")) / 100 if percent else number(cell)
    if not 0 <= value <= 1:
        raise CellFault("share_range")
    return value


def rating(cell: Cell) -> Fraction:
    """A data quality rating from 1 (best) to 5."""
    value = number(cell)
    if not 1 <= value <= 5:
        raise CellFault("rating_range")
    return value


def year(cell: Cell) -> int:
    """A year of the common era, also with 年 behind it."""
    written = plain(cell.text).removesuffix("年").strip()
    if re.fullmatch(r"[0-9]{4}", written) is None or not _EARLIEST_YEAR <= int(written) <= _LATEST_YEAR:
        raise CellFault("year_unreadable")
    return int(written)


_DAY = re.compile(r"([0-9]{4})(?:-|/|年)([0-9]{1,2})(?:-|/|月)([0-9]{1,2})日?")


def day(cell: Cell) -> int:
    """The first instant of a day in UTC, in epoch milliseconds: 2026-04-01, 2026/4/1, 2026年4月1日."""
    found = _DAY.fullmatch(plain(cell.text))
    if cell.kind not in {"text", "date"} or found is None:
        raise CellFault("day_unreadable")
    try:
        return parse_datetime(f"{found[1]}-{int(found[2]):02d}-{int(found[3]):02d}T00:00:00Z")
    except MalformedInstant:
        raise CellFault("day_unreadable") from None


_UNIT_NAMES = {
    "個": "piece",
    "本": "piece",
    "pcs": "piece",
    "トン": "t",
    "キログラム": "kg",
    "グラム": "g",
    "リットル": "l",
    "L": "l",
    "tkm": "t.km",
    "t・km": "t.km",
    "トンキロ": "t.km",
    "時間": "h",
}


def unit(cell: Cell) -> Unit:
    """The unit by its symbol, its PACT name or one of the Japanese names in use."""
    written = plain(cell.text)
    try:
        return find_unit(_UNIT_NAMES.get(written, written))
    except UnknownUnit:
        raise CellFault("unit_unknown", unit=written[:60]) from None


def sha256(cell: Cell) -> str:
    """64 hexadecimal digits."""
    written = plain(cell.text).lower()
    if re.fullmatch(r"[0-9a-f]{64}", written) is None:
        raise CellFault("hash_unreadable")
    return written


def one_of(choices: Mapping[str, tuple[str, str]]) -> Callable[[Cell], str]:
    """A reader that takes a key, or its word in either language, and gives the key."""
    words = {plain(word).lower(): key for key, names in choices.items() for word in (key, *names)}

    def read(cell: Cell) -> str:
        found = words.get(plain(cell.text).lower())
        if found is None:
            raise CellFault("choice_unknown", choices=", ".join(choices))
        return found

    return read


def choice(
    key: str, english: str, japanese: str, choices: Mapping[str, tuple[str, str]], *, required: bool = False
) -> Column:
    """A column in which one of a few words is chosen."""
    return Column(key, english, japanese, one_of(choices), required, choices)
