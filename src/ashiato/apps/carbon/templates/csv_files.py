"""Templates and kept rows as CSV files (RFC 4180), in UTF-8 with a mark or in Shift_JIS."""

import csv
from collections.abc import Sequence
from typing import Literal

from ashiato.apps.carbon.templates.columns import Language, Template
from ashiato.apps.carbon.templates.ports import KeptRow

Encoding = Literal["utf-8-sig", "cp932"]


class NotInEncoding(ValueError):
    """A text cannot be written in the encoding that was asked for; who asks must choose UTF-8. `text` is the cell."""

    def __init__(self, encoding: str, text: str) -> None:
        super().__init__(f"{text[:60]!r} cannot be written in {encoding}; choose UTF-8")
        self.text = text


def csv_file(
    template: Template, language: Language, encoding: Encoding = "utf-8-sig", rows: Sequence[KeptRow] = ()
) -> bytes:
    """The headings, required ones with a star that reading ignores, and the rows. Raises `NotInEncoding`."""
    texts = [[column.heading(language) + ("*" if column.required else "") for column in template.columns]]
    for row in rows:
        said = dict(row.texts)
        texts.append([said.get(column.key, "") for column in template.columns])
    lines = _Lines()
    csv.writer(lines).writerows(texts)
    whole = "".join(lines.written)
    try:
        return whole.encode(encoding)
    except UnicodeEncodeError as error:
        raise NotInEncoding(encoding, whole[error.start : error.end]) from None


class _Lines:
    """What `csv` writes to: it needs nothing of a file but this."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, line: str) -> None:
        """Keep the line."""
        self.written.append(line)
