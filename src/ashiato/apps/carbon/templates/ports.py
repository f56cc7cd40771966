"""The room of filled-in tables in a unit of work."""

from typing import Protocol

import msgspec

from ashiato.connector.ports import Room


class KeptRow(msgspec.Struct, frozen=True):
    """One row as it was understood: for each column that was not empty its text, numbers in plain decimal form.

    `template` is the key of its template, `row_id` the text of that template's `id_key`.
    """

    template: str
    row_id: str
    texts: tuple[tuple[str, str], ...]


class CarbonRows(Protocol):
    """The rows of one participant's tables."""

    def put(self, row: KeptRow) -> None:
        """Insert or replace by (template, row_id)."""

    def get(self, template: str, row_id: str) -> KeptRow | None: ...
    def page(self, template: str, after_id: str, limit_count: int) -> list[KeptRow]:
        """In the order of the row id."""

    def delete(self, template: str, row_id: str) -> None: ...


CARBON_ROWS: Room[CarbonRows] = Room("carbon_rows")
