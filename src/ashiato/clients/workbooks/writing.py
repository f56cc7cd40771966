"""Writes workbooks in which every text is a text: no formula, no link, whatever it begins with."""

import io
from collections.abc import Sequence

import msgspec
import xlsxwriter  # type: ignore[import-untyped]  # the package ships no types


class Column(msgspec.Struct, frozen=True):
    """One column of a sheet to be filled in. `choices` become a list to choose from; `note` is shown at the heading."""

    heading: str
    note: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False


class Sheet(msgspec.Struct, frozen=True):
    """A sheet: headings in the first row, then rows of texts."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...] = ()


_WIDTH_CHARS = 24
_MOST_LISTED_ROWS = 5000


def workbook(sheets: Sequence[Sheet]) -> bytes:
    """The .xlsx file. Cells are formatted as text, so that a number keeps the digits that are typed."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(
        file,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    text = book.add_format({"num_format": "@"})
    head = book.add_format({"bold": True, "num_format": "@", "bottom": 1})
    needed = book.add_format({"bold": True, "num_format": "@", "bottom": 1, "bg_color": "#FFF2CC"})
    for sheet in sheets:
        page = book.add_worksheet(sheet.name)
        page.freeze_panes(1, 0)
        page.set_column(0, max(0, len(sheet.columns) - 1), _WIDTH_CHARS, text)
        for place, column in enumerate(sheet.columns):
            page.write_string(0, place, column.heading, needed if column.required else head)
            if column.note:
                page.write_comment(0, place, column.note)
            if column.choices:
                page.data_validation(
                    1, place, _MOST_LISTED_ROWS, place, {"validate": "list", "source": list(column.choices)}
                )
        for number, row in enumerate(sheet.rows, start=1):
            for place, value in enumerate(row):
                page.write_string(number, place, value, text)
    book.close()
    return file.getvalue()
