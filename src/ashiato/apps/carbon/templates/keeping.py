"""What is kept of filled-in tables, as values again, and a table that comes in held against it."""

from collections.abc import Iterator, Mapping

from ashiato.apps.carbon.factors.licences import Act, Licence, Person, may
from ashiato.apps.carbon.factors.model import EmissionFactor
from ashiato.apps.carbon.factors.tables import Table
from ashiato.apps.carbon.templates.activity_rows import ACTIVITIES, read_activities
from ashiato.apps.carbon.templates.answer_rows import ANSWERS, read_answers
from ashiato.apps.carbon.templates.columns import Template
from ashiato.apps.carbon.templates.factor_rows import FACTORS, read_factors
from ashiato.apps.carbon.templates.importing import Report, import_rows, table_of
from ashiato.apps.carbon.templates.licence_rows import LICENCES, read_licences
from ashiato.apps.carbon.templates.ports import CARBON_ROWS, KeptRow
from ashiato.connector.ports import Moment, UnitOfWork

TEMPLATES: Mapping[str, Template] = {
    template.key: template for template in (LICENCES, FACTORS, ACTIVITIES, ANSWERS)
}
_PAGE_COUNT = 1000


def kept_licences(uow: UnitOfWork) -> dict[str, Licence]:
    """Every licence that the company entered, by its id."""
    found = read_licences(table_of(LICENCES, list(_every(uow, LICENCES))))
    return {row.value.id: row.value for row in found.rows}


def kept_factors(uow: UnitOfWork, after_id: str = "", limit_count: int | None = None) -> list[EmissionFactor]:
    """The factors in the order of their ids. One whose licence was taken away meanwhile is not among them."""
    rows = (
        list(_every(uow, FACTORS))
        if limit_count is None
        else uow.room(CARBON_ROWS).page(FACTORS.key, after_id, limit_count)
    )
    return [row.value for row in read_factors(table_of(FACTORS, rows), kept_licences(uow)).rows]


def bring_in(
    uow: UnitOfWork,
    template: Template,
    table: Table,
    person: Person,
    moment: Moment,
    *,
    gwp_set_id: str = "AR6",
    is_trial: bool = False,
) -> Report:
    """The table of that template, all of its rows or none.

    Factors need a licence that is kept; activities a factor that `person` may use, and are tried by `gwp_set_id`. Raises
    `UnreadableSource` where the headings are not those of the template.
    """
    if template is LICENCES:
        return import_rows(uow, template, read_licences(table), moment, is_trial=is_trial)
    if template is FACTORS:
        return import_rows(uow, template, read_factors(table, kept_licences(uow)), moment, is_trial=is_trial)
    if template is ANSWERS:
        return import_rows(uow, template, read_answers(table), moment, is_trial=is_trial)
    usable = {
        factor.id: factor
        for factor in kept_factors(uow)
        if may(Act.USE, factor.licence, person, moment.now_ms).permitted
    }
    return import_rows(uow, template, read_activities(table, usable, gwp_set_id), moment, is_trial=is_trial)


def _every(uow: UnitOfWork, template: Template) -> Iterator[KeptRow]:
    room, after_id = uow.room(CARBON_ROWS), ""
    while page := room.page(template.key, after_id, _PAGE_COUNT):
        yield from page
        after_id = page[-1].row_id
