"""Batches, serial items, what was built of them, trade links, and tables that bring all of it in."""

from asyncio import to_thread
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import Path, Query, Request, Response

from ashiato.api.management.bodies import check_media_type, read_body
from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.models.shared import OwnId, Page, PageQuery, page_of
from ashiato.api.management.models.supply import (
    Batch,
    BatchBody,
    BeginningQuery,
    BuiltKind,
    BuiltQuery,
    HoldingBody,
    HoldingShown,
    ImportQuery,
    ImportReport,
    Item,
    ItemBody,
    Link,
    LinkAct,
    LinkBody,
    LinkQuery,
    OfPartQuery,
    SheetQuery,
    texts,
)
from ashiato.api.management.openapi import WITH_JSON_BODY, problems, raw_answer, raw_body
from ashiato.api.management.routing import participant_router
from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.tables import text_rows
from ashiato.clients.workbooks.writing import empty_workbook
from ashiato.connector.problems import Invalid
from ashiato.supply import as_built, csv_text, items, link_letters, links, records, rows
from ashiato.supply.importing import Report, import_table, read_table
from ashiato.supply.offering import ensure_open
from ashiato.supply.ports import FIRST_PLACE, Place, UnitOfWork
from ashiato.supply.records import Holding, Side, Subject, SubjectKind

MOST_TABLE_BYTES = 32 * 1_048_576
WORKBOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TABLE_TYPES = ("text/csv", WORKBOOK_TYPE)

router = participant_router("chain")

BatchId = Annotated[OwnId, Path()]
ItemId = Annotated[OwnId, Path()]
ThingId = Annotated[OwnId, Path()]
LinkId = Annotated[OwnId, Path()]
Kind = Annotated[BuiltKind, Path()]
ActName = Annotated[Literal["confirm", "refuse", "withdraw"], Path()]
_PUT = problems(*WITH_JSON_BODY)
_DELETE = problems("wrong-state")


@router.get("/batches", summary="List your batches")
async def list_batches(call: CallOf, wanted: Annotated[OfPartQuery, Query()]) -> Page[Batch]:
    found = await call.read_chain(
        lambda uow: uow.supply.batches.page(wanted.cursor, wanted.limit + 1, of=wanted.part_id)
    )
    return page_of(Page[Batch], [_batch(one) for one in found], wanted.limit, lambda one: one.batch_id)


@router.put("/batches/{batch_id}", summary="Create or replace a batch", responses=_PUT)
async def put_batch(call: CallOf, batch_id: BatchId, body: BatchBody) -> Batch:
    record = records.Batch(
        batch_id=batch_id,
        part_id=body.part_id,
        plant_id=body.plant_id,
        quantity=body.quantity,
        made_ms=body.made_ms,
        properties=dict(body.properties),
        identifiers=body.names,
    )
    return _batch(await call.run_chain(lambda uow: items.put_batch(uow, record, call.moment)))


@router.get("/batches/{batch_id}", summary="Show a batch")
async def get_batch(call: CallOf, batch_id: BatchId) -> Batch:
    return _batch(await call.read_chain(lambda uow: items.BATCHES.get(uow, batch_id)))


@router.delete(
    "/batches/{batch_id}", status_code=204, summary="Forget a batch that nothing names", responses=_DELETE
)
async def delete_batch(call: CallOf, batch_id: BatchId) -> None:
    await call.run_chain(lambda uow: items.delete_batch(uow, batch_id, call.moment))


@router.get("/batches/{batch_id}/items", summary="List the serial items of a batch")
async def list_items_of_batch(
    call: CallOf, batch_id: BatchId, wanted: Annotated[PageQuery, Query()]
) -> Page[Item]:
    found = await call.read_chain(
        lambda uow: as_built.items_of_batch(uow, batch_id, wanted.cursor, wanted.limit + 1)
    )
    return page_of(Page[Item], [_item(one) for one in found], wanted.limit, lambda one: one.item_id)


@router.get("/items", summary="List your serial items")
async def list_items(call: CallOf, wanted: Annotated[OfPartQuery, Query()]) -> Page[Item]:
    found = await call.read_chain(
        lambda uow: uow.supply.items.page(wanted.cursor, wanted.limit + 1, of=wanted.part_id)
    )
    return page_of(Page[Item], [_item(one) for one in found], wanted.limit, lambda one: one.item_id)


@router.put("/items/{item_id}", summary="Create or replace a serial item", responses=_PUT)
async def put_item(call: CallOf, item_id: ItemId, body: ItemBody) -> Item:
    record = records.Item(
        item_id=item_id,
        part_id=body.part_id,
        serial=body.serial,
        batch_id=body.batch_id,
        plant_id=body.plant_id,
        made_ms=body.made_ms,
        properties=dict(body.properties),
        identifiers=body.names,
    )
    return _item(await call.run_chain(lambda uow: items.put_item(uow, record, call.moment)))


@router.get("/items/{item_id}", summary="Show a serial item")
async def get_item(call: CallOf, item_id: ItemId) -> Item:
    return _item(await call.read_chain(lambda uow: items.ITEMS.get(uow, item_id)))


@router.delete(
    "/items/{item_id}", status_code=204, summary="Forget an item that was never built in", responses=_DELETE
)
async def delete_item(call: CallOf, item_id: ItemId) -> None:
    await call.run_chain(lambda uow: items.delete_item(uow, item_id, call.moment))


@router.get("/built/{kind}/{thing_id}/holds", summary="List what an item or a batch holds, now, then or ever")
async def list_holds(
    call: CallOf, kind: Kind, thing_id: ThingId, wanted: Annotated[BuiltQuery, Query()]
) -> Page[HoldingShown]:
    holder, after = _subject(kind, thing_id), _place(wanted.cursor)
    found = await call.read_chain(
        lambda uow: as_built.holds_of(uow, holder, wanted.as_of_ms, after, wanted.limit + 1)
    )
    return _relations(
        found, wanted.limit, lambda one: f"{one.from_ms} {one.component_kind}:{one.component_id}"
    )


@router.get("/built/{kind}/{thing_id}/held-in", summary="List what an item or a batch is held in")
async def list_held_in(
    call: CallOf, kind: Kind, thing_id: ThingId, wanted: Annotated[BuiltQuery, Query()]
) -> Page[HoldingShown]:
    component, after = _subject(kind, thing_id), _place(wanted.cursor)
    found = await call.read_chain(
        lambda uow: as_built.held_in(uow, component, wanted.as_of_ms, after, wanted.limit + 1)
    )
    return _relations(found, wanted.limit, lambda one: f"{one.from_ms} {one.holder_kind}:{one.holder_id}")


@router.put(
    "/built/{kind}/{thing_id}/holds/{component_kind}/{component_id}",
    summary="Write down that something was built in, or when it left",
    responses=_PUT,
)
async def put_holding(
    call: CallOf,
    kind: Kind,
    thing_id: ThingId,
    component_kind: Kind,
    component_id: ThingId,
    body: HoldingBody,
) -> HoldingShown:
    holding = Holding(
        holder=_subject(kind, thing_id),
        component=_subject(component_kind, component_id),
        quantity=body.quantity,
        unit=body.unit,
        from_ms=body.from_ms,
        until_ms=body.until_ms,
    )
    stored = await call.run_chain(lambda uow: as_built.put_holding(uow, holding, call.moment))
    return HoldingShown.of_record(stored)


@router.delete(
    "/built/{kind}/{thing_id}/holds/{component_kind}/{component_id}",
    status_code=204,
    summary="Take back what was written down by mistake",
)
async def delete_holding(
    call: CallOf,
    kind: Kind,
    thing_id: ThingId,
    component_kind: Kind,
    component_id: ThingId,
    wanted: Annotated[BeginningQuery, Query()],
) -> None:
    holder, component = _subject(kind, thing_id), _subject(component_kind, component_id)
    await call.run_chain(
        lambda uow: as_built.delete_holding(uow, holder, component, wanted.from_ms, call.moment)
    )


@router.get("/trade-links", summary="List your trade links")
async def list_links(call: CallOf, wanted: Annotated[LinkQuery, Query()]) -> Page[Link]:
    found = await call.read_chain(
        lambda uow: uow.supply.links.page(wanted.cursor, wanted.limit + 1, of=wanted.partner)
    )
    return page_of(Page[Link], [_link(one) for one in found], wanted.limit, lambda one: one.link_id)


@router.put(
    "/trade-links/{link_id}",
    summary="Propose that a part of yours is a part of a partner's",
    responses=problems(*WITH_JSON_BODY, "wrong-state"),
)
async def propose_link(call: CallOf, link_id: LinkId, body: LinkBody) -> Link:
    link = records.TradeLink(
        link_id=link_id,
        side=Side(body.side),
        partner_id=body.partner,
        is_ours=True,
        own_part_id=body.own_part_id,
        partner_part_id=body.partner_part_id,
        message=body.message,
    )

    def work(uow: UnitOfWork) -> records.TradeLink:
        ensure_open(uow, call.moment)
        return link_letters.propose(uow, link, call.moment)

    return _link(await call.run_chain(work))


@router.get("/trade-links/{link_id}", summary="Show a trade link")
async def get_link(call: CallOf, link_id: LinkId) -> Link:
    return _link(await call.read_chain(lambda uow: links.link_of(uow, link_id)))


@router.post(
    "/trade-links/{link_id}/{act}",
    summary="Confirm or refuse what a partner proposed, or withdraw a link",
    responses=problems(*WITH_JSON_BODY, "wrong-state"),
)
async def act_on_link(call: CallOf, link_id: LinkId, act: ActName, body: LinkAct) -> Link:
    return _link(await call.run_chain(lambda uow: _acted(uow, call, link_id, act, body)))


@router.get(
    "/supply/template",
    summary="Get an empty table to fill in, as CSV in UTF-8 or as Excel",
    response_class=Response,
    responses={200: raw_answer("The header row.", *TABLE_TYPES)},
)
async def get_template(call: CallOf, wanted: Annotated[SheetQuery, Query()]) -> Response:
    sheet = rows.SHEETS[wanted.sheet]
    header = rows.headers(sheet, wanted.lang)
    if wanted.form == "xlsx":
        title = sheet.japanese if wanted.lang == "ja" else sheet.name
        return Response(empty_workbook(title, header), media_type=WORKBOOK_TYPE)
    return Response(csv_text.write([header]), media_type="text/csv; charset=utf-8")


@router.post(
    "/supply/import",
    summary="Bring in a table as Excel, or as CSV in UTF-8 or Shift_JIS: all of its rows, or none",
    responses=problems("too-large", "unsupported-media-type"),
    openapi_extra=raw_body(*TABLE_TYPES),
)
async def import_rows(
    call: CallOf, wanted: Annotated[ImportQuery, Query()], request: Request
) -> ImportReport:
    media_type = check_media_type(request, TABLE_TYPES)
    data = await read_body(request, MOST_TABLE_BYTES)
    given = await _first_sheet(call, data) if media_type == WORKBOOK_TYPE else csv_text.read(data)
    table = await to_thread(lambda: read_table(given))
    if wanted.dry_run:
        report = await call.read_chain(lambda uow: import_table(uow, table, call.moment, is_trial=True))
    else:
        report = await call.run_chain(lambda uow: import_table(uow, table, call.moment))
        _refuse(report)
    return ImportReport.of_report(report, is_dry_run=wanted.dry_run)


async def _first_sheet(call: Call, data: bytes) -> list[tuple[int, list[str]]]:
    """The rows of the first sheet of a workbook; other sheets are the writer's own. Raises `BadTable`."""
    try:
        sheets = await call.around.workbooks.read(data)
        return list(text_rows(sheets[0])) if sheets else []
    except UnreadableSource as unreadable:
        raise rows.BadTable(
            f"The workbook cannot be brought in: {unreadable.problem}.", path="file", reason=unreadable.code
        ) from None


def _refuse(report: Report) -> None:
    """Raises `Invalid` that names every cell at fault, when there is one."""
    if not report.faults:
        return
    errors = [
        {
            "path": f"{one.row}:{one.column}" if one.column else f"{one.row}",
            "row": one.row,
            "column": one.column,
            "problem": one.problem,
        }
        for one in report.faults
    ]
    first = report.faults[0]
    where = f"Row {first.row}, {first.column}" if first.column else f"Row {first.row}"
    more_count = len(report.faults) + report.further_count - 1
    more = f" ({more_count} more.)" if more_count else ""
    raise Invalid(
        f"Nothing was stored. {where}: {first.problem}{more}",
        errors=errors,
        further_errors=report.further_count,
    )


def _acted(uow: UnitOfWork, call: Call, link_id: str, act: str, body: LinkAct) -> records.TradeLink:
    if act == "confirm":
        return link_letters.confirm(uow, link_id, body.own_part_id, call.moment)
    if act == "refuse":
        return link_letters.refuse(uow, link_id, body.reason, call.moment)
    return link_letters.withdraw(uow, link_id, body.reason, call.moment)


def _subject(kind: BuiltKind, thing_id: str) -> Subject:
    return Subject(SubjectKind(kind), thing_id)


def _place(cursor: str) -> Place:
    """The place that a cursor `from_ms key` names."""
    if not cursor:
        return FIRST_PLACE
    from_ms, space, key = cursor.partition(" ")
    if not space or not from_ms.isascii() or not from_ms.isdigit() or len(from_ms) > 18:
        raise Invalid("Give the `next_cursor` of the page before.", path="cursor")
    return key, int(from_ms)


def _relations(
    found: list[Holding], limit_count: int, cursor_of: Callable[[HoldingShown], str]
) -> Page[HoldingShown]:
    shown = [HoldingShown.of_record(one) for one in found]
    return page_of(Page[HoldingShown], shown, limit_count, cursor_of)


def _batch(record: records.Batch) -> Batch:
    return Batch.of(record, identifiers=texts(record.identifiers))


def _item(record: records.Item) -> Item:
    return Item.of(record, identifiers=texts(record.identifiers))


def _link(record: records.TradeLink) -> Link:
    return Link.of(record, partner=record.partner_id)
