"""CSV as spreadsheets of Japanese companies write it: UTF-8 or Shift_JIS, comma or tab (RFC 4180)."""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence

from ashiato.supply.rows import BadTable

_JAPANESE = "cp932"
"""Shift_JIS as Windows writes it (①, ㈱, 髙)."""
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def decode(data: bytes) -> str:
    """The text of the file: UTF-8 with or without a mark, else Shift_JIS. Raises `BadTable`."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise BadTable("This is no CSV; save the table as CSV in UTF-8 or Shift_JIS.", path="file")
    for encoding in ("utf-8-sig", _JAPANESE):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise BadTable("The text is neither UTF-8 nor Shift_JIS; save the CSV in one of the two.", path="file")


def read(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row that is not empty, the header being 1. Raises `BadTable`, also in the middle."""
    text = decode(data)
    first = text.split("\n", 1)[0]
    delimiter = "\t" if first.count("\t") > first.count(",") else ","
    # Only these end a line: a cell may hold the other characters at which `splitlines` splits.
    rows = csv.reader(_LINE.findall(text), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            raise BadTable(f"Row {number} is no CSV: {error}.", path="file", row=number) from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield number, cells


def write(rows: Sequence[Sequence[str]], encoding: str = "utf-8-sig") -> bytes:
    """The file; with a mark, by which spreadsheets know UTF-8."""
    lines: list[str] = []
    csv.writer(_Lines(lines)).writerows(rows)
    return "".join(lines).encode(encoding)


class _Lines:
    """Something that `csv` writes to."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, line: str) -> None:
        """Keep the line."""
        self._lines.append(line)
