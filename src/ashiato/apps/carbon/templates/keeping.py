"""What is kept of filled-in tables, as values again, and a table that comes in held against it."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from ashiato.apps.carbon.factors.gwp import find_gwp_set
from ashiato.apps.carbon.factors.licences import Act, Licence, Person, may
from ashiato.apps.carbon.factors.model import EmissionFactor
from ashiato.apps.carbon.factors.plausibility import Warned, look_at
from ashiato.apps.carbon.factors.tables import Table
from ashiato.apps.carbon.templates.activity_rows import ACTIVITIES, read_activities
from ashiato.apps.carbon.templates.answer_rows import ANSWERS, read_answers
from ashiato.apps.carbon.templates.columns import Template
from ashiato.apps.carbon.templates.factor_rows import FACTORS, read_factors
from ashiato.apps.carbon.templates.importing import Report, import_rows, table_of
from ashiato.apps.carbon.templates.licence_rows import LICENCES, read_licences
from ashiato.apps.carbon.templates.ports import CARBON_ROWS, KeptRow
from ashiato.apps.carbon.templates.reading import MOST_TOLD_COUNT
from ashiato.connector.ports import Moment, UnitOfWork

TEMPLATES: Mapping[str, Template] = {
    template.key: template for template in (LICENCES, FACTORS, ACTIVITIES, ANSWERS)
}
_PAGE_COUNT = 1000


def kept_licences(uow: UnitOfWork) -> dict[str, Licence]:
    """Every licence that the company entered, by its id."""
    found = read_licences(table_of(LICENCES, list(every_row(uow, LICENCES))))
    return {row.value.id: row.value for row in found.rows}


def kept_factors(uow: UnitOfWork, after_id: str = "", limit_count: int | None = None) -> list[EmissionFactor]:
    """The factors in the order of their ids. One whose licence was taken away meanwhile is not among them."""
    rows = (
        list(every_row(uow, FACTORS))
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
        factors = read_factors(table, kept_licences(uow))
        report = import_rows(uow, template, factors, moment, is_trial=is_trial)
        return msgspec.structs.replace(report, warnings=odd(row.value for row in factors.rows))
    if template is ANSWERS:
        return import_rows(uow, template, read_answers(table), moment, is_trial=is_trial)
    usable = usable_factors(uow, person, moment.now_ms)
    activities = read_activities(table, usable, gwp_set_id)
    report = import_rows(uow, template, activities, moment, is_trial=is_trial)
    named = dict.fromkeys(dict(row.texts).get("factor_id", "") for row in activities.rows)
    return msgspec.structs.replace(report, warnings=odd(usable[name] for name in named if name in usable))


def usable_factors(uow: UnitOfWork, person: Person, now_ms: int) -> dict[str, EmissionFactor]:
    """The kept factors that the person may compute with, by their ids."""
    return {
        factor.id: factor
        for factor in kept_factors(uow)
        if may(Act.USE, factor.licence, person, now_ms).permitted
    }


def odd(factors: Iterable[EmissionFactor]) -> tuple[Warned, ...]:
    """Which of the factors lie outside of what is published for their material, each by its own set of potentials."""
    warned = [one for factor in factors for one in look_at(factor, find_gwp_set(factor.gwp_set_id))]
    return tuple(warned[:MOST_TOLD_COUNT])


def every_row(uow: UnitOfWork, template: Template) -> Iterator[KeptRow]:
    """All that is kept of the template, in the order of the ids."""
    room, after_id = uow.room(CARBON_ROWS), ""
    while page := room.page(template.key, after_id, _PAGE_COUNT):
        yield from page
        after_id = page[-1].row_id
