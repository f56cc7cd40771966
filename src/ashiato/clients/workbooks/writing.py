"""Writes workbooks in which every text is a text: no formula, no link, whatever it begins with."""

import io
from collections.abc import Sequence
from typing import Any

import msgspec
import xlsxwriter  # type: ignore[import-untyped]  # the package ships no types

from ashiato.apps.carbon.templates.columns import Language, Template
from ashiato.apps.carbon.templates.ports import KeptRow


class Sheet(msgspec.Struct, frozen=True):
    """A table that people fill in: its template, the language of its headings, and rows that are there already."""

    template: Template
    language: Language
    rows: tuple[KeptRow, ...] = ()


_WIDTH_CHARS = 24
_MOST_LISTED_ROWS = 5000


def workbook(sheets: Sequence[Sheet]) -> bytes:
    """The .xlsx file. Cells are formatted as text, so that a number keeps the digits that are typed."""
    file, book = _book()
    for sheet in sheets:
        columns = sheet.template.columns
        language = sheet.language
        headings = [column.heading(language) + ("*" if column.required else "") for column in columns]
        texts = [dict(row.texts) for row in sheet.rows]
        page = _page(
            book,
            sheet.template.title(language),
            headings,
            [[said.get(column.key, "") for column in columns] for said in texts],
        )
        for place, column in enumerate(columns):
            choices = list(column.choices_in(language))
            if choices:
                page.data_validation(
                    1, place, _MOST_LISTED_ROWS, place, {"validate": "list", "source": choices}
                )
    book.close()
    return file.getvalue()


def empty_workbook(title: str, headings: Sequence[str]) -> bytes:
    """The .xlsx file with one sheet that has headings only."""
    file, book = _book()
    _page(book, title, headings, ())
    book.close()
    return file.getvalue()


def _book() -> tuple[io.BytesIO, Any]:
    file = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    return file, xlsxwriter.Workbook(file, options)


def _page(book: Any, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    text = book.add_format({"num_format": "@"})
    head = book.add_format({"bold": True, "num_format": "@", "bottom": 1})
    page = book.add_worksheet(title)
    page.freeze_panes(1, 0)
    page.set_column(0, len(headings) - 1, _WIDTH_CHARS, text)
    for place, heading in enumerate(headings):
        page.write_string(0, place, heading, head)
    for number, row in enumerate(rows, start=1):
        for place, value in enumerate(row):
            page.write_string(number, place, value, text)
    return page
