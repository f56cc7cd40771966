"""Tables of the carbon footprint that people fill in: licences, factors, activity data, answers."""

from asyncio import to_thread
from typing import Annotated

from fastapi import Query, Request, Response

from ashiato.api.management.bodies import check_media_type, read_body, strict_document
from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.models.carbon import (
    CarbonAnswerGiven,
    CarbonAnswersBody,
    CarbonAnswersGiven,
    CarbonImportQuery,
    CarbonImportReport,
    CarbonInventoryMade,
    CarbonTemplateQuery,
    Factor,
    FactorsQuery,
    InventoryQuery,
)
from ashiato.api.management.models.shared import Page, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems, raw_answer, raw_body
from ashiato.api.management.routes.built import MOST_TABLE_BYTES, TABLE_TYPES, WORKBOOK_TYPE
from ashiato.api.management.routing import participant_router
from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.gwp import UnknownGwpSet, find_gwp_set
from ashiato.apps.carbon.factors.licences import Person
from ashiato.apps.carbon.factors.showing import shown
from ashiato.apps.carbon.factors.tables import Table, csv_table
from ashiato.apps.carbon.inventory_documents import MOST_DOCUMENT_BYTES
from ashiato.apps.carbon.templates.csv_files import Encoding, csv_file
from ashiato.apps.carbon.templates.given_answers import give_answers
from ashiato.apps.carbon.templates.inventories import make_inventory
from ashiato.apps.carbon.templates.keeping import TEMPLATES, bring_in, kept_factors
from ashiato.clients.workbooks.writing import Sheet, workbook
from ashiato.connector.problems import Invalid

router = participant_router("carbon")


@router.get(
    "/carbon/template",
    summary="Get an empty table to fill in, as CSV in UTF-8 or Shift_JIS, or as Excel",
    response_class=Response,
    responses={200: raw_answer("The headings.", *TABLE_TYPES)},
)
async def get_carbon_template(call: CallOf, wanted: Annotated[CarbonTemplateQuery, Query()]) -> Response:
    template = TEMPLATES[wanted.template]
    if wanted.form == "xlsx":
        return Response(workbook([Sheet(template, wanted.lang)]), media_type=WORKBOOK_TYPE)
    encoding: Encoding = "cp932" if wanted.encoding == "shift_jis" else "utf-8-sig"
    return Response(
        csv_file(template, wanted.lang, encoding), media_type=f"text/csv; charset={wanted.encoding}"
    )


@router.post(
    "/carbon/import",
    summary="Bring in licences, factors, activity data or answers as Excel or CSV: all rows, or none",
    responses=problems("too-large", "unsupported-media-type"),
    openapi_extra=raw_body(*TABLE_TYPES),
)
async def import_carbon_rows(
    call: CallOf, wanted: Annotated[CarbonImportQuery, Query()], request: Request
) -> CarbonImportReport:
    media_type = check_media_type(request, TABLE_TYPES)
    data = await read_body(request, MOST_TABLE_BYTES)
    try:
        find_gwp_set(wanted.gwp_set)
        table = await _table(call, media_type, data)
        report = await call.run(
            lambda uow: bring_in(
                uow,
                TEMPLATES[wanted.template],
                table,
                _person(call),
                call.moment,
                gwp_set_id=wanted.gwp_set,
                is_trial=wanted.dry_run,
            )
        )
    except UnknownGwpSet as unknown:
        raise Invalid(f"{unknown}.", path="gwp_set") from None
    except UnreadableSource as unreadable:
        raise Invalid(
            f"The table cannot be brought in: {unreadable.problem}.", path="file", reason=unreadable.code
        ) from None
    told = CarbonImportReport.of_report(report, wanted.lang)
    if report.faults and not wanted.dry_run:
        first = told.errors[0]
        raise Invalid(
            f"Nothing was stored. Row {first.row}, {first.column or 'the whole row'}: {first.problem}",
            errors=[{"path": f"{one.row}:{one.column}", **one.model_dump()} for one in told.errors],
            further_errors=told.further_errors,
        )
    return told


@router.get("/carbon/factors", summary="List your emission factors, with the figures that you may see")
async def list_factors(call: CallOf, wanted: Annotated[FactorsQuery, Query()]) -> Page[Factor]:
    found = await call.read(lambda uow: kept_factors(uow, wanted.cursor, wanted.limit + 1))
    views = [Factor.of_view(shown(factor, _person(call), call.moment.now_ms)) for factor in found]
    return page_of(Page[Factor], views, wanted.limit, lambda one: one.factor_id)


@router.post(
    "/carbon/inventories",
    summary="Make an inventory of the activities that were brought in for its product, plant and period",
    responses=problems("malformed", "too-large", "unsupported-media-type", "not-permitted"),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
    },
)
async def make_carbon_inventory(
    call: CallOf, wanted: Annotated[InventoryQuery, Query()], request: Request
) -> CarbonInventoryMade:
    check_media_type(request, ("application/json",))
    head = strict_document(await read_body(request, MOST_DOCUMENT_BYTES), MOST_DOCUMENT_BYTES)
    if not isinstance(head, dict):
        raise Invalid("The inventory is a JSON object.", path="body")
    made = await call.run(
        lambda uow: make_inventory(uow, dict(head), _person(call), call.moment, is_trial=wanted.dry_run)
    )
    return CarbonInventoryMade.of_made(made, wanted)


@router.post(
    "/carbon/answers",
    summary="Give the answers that were brought in to the requests that they are about: all of them, or none",
    responses=problems(*WITH_JSON_BODY, "wrong-state"),
)
async def give_carbon_answers(call: CallOf, body: CarbonAnswersBody) -> CarbonAnswersGiven:
    given = await call.run(
        lambda uow: give_answers(
            uow,
            call.company,
            tuple(dict.fromkeys(body.request_ids)),
            body.policy_id,
            call.moment,
            is_trial=body.dry_run,
        )
    )
    return CarbonAnswersGiven(is_dry_run=body.dry_run, items=[CarbonAnswerGiven.of(one) for one in given])


async def _table(call: Call, media_type: str, data: bytes) -> Table:
    if media_type != WORKBOOK_TYPE:
        return await to_thread(csv_table, data)
    sheets = await call.around.workbooks.read(data)
    if not sheets:
        raise UnreadableSource("table_empty", "the workbook has no sheet")
    return sheets[0]


def _person(call: Call) -> Person:
    return Person(call.tenant.participant_id, call.subject)
