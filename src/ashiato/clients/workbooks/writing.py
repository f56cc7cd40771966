"""Writes workbooks in which every text is a text: no formula, no link, whatever it begins with."""

import io
from collections.abc import Sequence

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
        columns = sheet.template.columns
        page = book.add_worksheet(sheet.template.title(sheet.language))
        page.freeze_panes(1, 0)
        page.set_column(0, len(columns) - 1, _WIDTH_CHARS, text)
        for place, column in enumerate(columns):
            heading = column.heading(sheet.language) + ("*" if column.required else "")
            page.write_string(0, place, heading, needed if column.required else head)
            choices = list(column.choices_in(sheet.language))
            if choices:
                page.data_validation(
                    1, place, _MOST_LISTED_ROWS, place, {"validate": "list", "source": choices}
                )
        for number, row in enumerate(sheet.rows, start=1):
            texts = dict(row.texts)
            for place, column in enumerate(columns):
                page.write_string(number, place, texts.get(column.key, ""), text)
    book.close()
    return file.getvalue()
