"""Bringing in a filled-in table: every row is looked at, then all of them are stored or none.

The same table again changes nothing.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from ashiato.apps.carbon.factors.plausibility import Warned
from ashiato.apps.carbon.factors.tables import Cell, Table
from ashiato.apps.carbon.templates.columns import Template
from ashiato.apps.carbon.templates.ports import CARBON_ROWS, KeptRow
from ashiato.apps.carbon.templates.reading import Found, RowFault
from ashiato.connector.offers import note
from ashiato.connector.ports import Moment, UnitOfWork

T = TypeVar("T")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came, or in a trial would come, of an import. With faults nothing was stored and the counts are 0.

    `warnings` are about factors that lie outside of what is published; they keep nothing out.
    """

    template: str
    rows_count: int
    is_trial: bool
    new_count: int = 0
    changed_count: int = 0
    same_count: int = 0
    faults: tuple[RowFault, ...] = ()
    further_count: int = 0
    warnings: tuple[Warned, ...] = ()


def import_rows(
    uow: UnitOfWork, template: Template, found: Found[T], moment: Moment, *, is_trial: bool = False
) -> Report:
    """Store every row of `found`, or none where one has a fault; `is_trial` only says what would come of it.

    One unit of work does all of it, so a table is never half there. The history notes what changed, without figures.
    """
    if found.faults:
        return Report(
            template=template.key,
            rows_count=found.rows_count,
            is_trial=is_trial,
            faults=found.faults,
            further_count=found.further_count,
        )
    room = uow.room(CARBON_ROWS)
    new_count = changed_count = 0
    for row in found.rows:
        kept = KeptRow(template.key, dict(row.texts)[template.id_key], row.texts)
        before = room.get(kept.template, kept.row_id)
        if before == kept:
            continue
        new_count += before is None
        changed_count += before is not None
        if not is_trial:
            room.put(kept)
    if not is_trial and (new_count or changed_count):
        details: dict[str, object] = {"new": new_count, "changed": changed_count}
        note(uow, moment, "carbon.imported", template.key, details)
    return Report(
        template=template.key,
        rows_count=found.rows_count,
        is_trial=is_trial,
        new_count=new_count,
        changed_count=changed_count,
        same_count=len(found.rows) - new_count - changed_count,
    )


def table_of(template: Template, rows: Sequence[KeptRow]) -> Table:
    """The table that says again what is kept: read it by the template, or write it to a file for people.

    Factors under a licence stand in it with their figures: leave out what `licences.may` does not let out.
    """
    head = tuple(Cell(column.key, "text") for column in template.columns)
    body = []
    for row in rows:
        texts = dict(row.texts)
        body.append(
            tuple(
                Cell(texts[column.key], "text") if column.key in texts else Cell()
                for column in template.columns
            )
        )
    return Table(template.key, (head, *body))
