"""A partner's catalog, and the one call "get this dataset from that company"."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.models.processes import (
    CatalogPage,
    CatalogQuery,
    Fetch,
    FetchRequest,
    WaitQuery,
)
from ashiato.api.management.models.shared import ForeignId, Page, PageQuery, page_of
from ashiato.api.management.offers_of_partner import all_datasets, chosen_offer, shown
from ashiato.api.management.openapi import WITH_JSON_BODY, WITH_PARTNER, problems
from ashiato.api.management.repeats import with_first_id
from ashiato.api.management.routing import participant_router
from ashiato.api.management.waiting import wait_until, while_connected
from ashiato.connector import fetching, records
from ashiato.connector.negotiations import Partner
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound, WrongState

FILTER_NAMES = {"asset_id": "id", "data_item": "dataItem", "part_group": "partGroup"}

router = participant_router("fetches")

FetchId = Annotated[ForeignId, Path()]


@router.post(
    "/catalog/query",
    summary="Ask a partner what it offers to you",
    responses=problems(*WITH_JSON_BODY, *WITH_PARTNER),
)
async def query_catalog(call: CallOf, body: CatalogQuery) -> CatalogPage:
    if body.address:
        call.check_address(body.address, "address")
    wanted = {wire_name: getattr(body, name) for name, wire_name in FILTER_NAMES.items()}
    items: list[object] = [{name: value} for name, value in wanted.items() if value is not None]
    page = await call.around.partners.catalog(
        call.tenant, body.partner, body.address, [*items, *body.filter], body.cursor or None
    )
    return CatalogPage(
        partner=body.partner,
        items=[shown(dataset) for dataset in all_datasets(page.catalog)],
        next_cursor=page.cursor,
    )


@router.get("/fetches", summary="List the fetches")
async def list_fetches(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[Fetch]:
    found = await call.read(lambda uow: uow.transfers.list_fetches(wanted.cursor, wanted.limit + 1))
    return page_of(
        Page[Fetch], [Fetch.of(fetch) for fetch in found], wanted.limit, lambda fetch: fetch.fetch_id
    )


@router.post(
    "/fetches",
    status_code=202,
    summary="Get a dataset from a company: catalog, negotiation and transfer to the end",
    responses={
        200: {"model": Fetch, "description": "A fetch with this id was started before."},
        **problems(*WITH_JSON_BODY, *WITH_PARTNER, "not-permitted", "wrong-state", "quota-exceeded"),
    },
)
async def begin_fetch(call: CallOf, body: FetchRequest, response: Response) -> Fetch:
    known = await call.read(lambda uow: _begun_before(uow, body))
    if known is not None:
        response.status_code = 200
    fetch = known or await _begin(call, body)
    response.headers["Location"] = call.location("fetches", fetch.fetch_id)
    return Fetch.of(fetch)


@router.get("/fetches/{fetch_id}", summary="Show a fetch; with wait_s the answer waits for news")
async def get_fetch(
    call: CallOf, fetch_id: FetchId, wanted: Annotated[WaitQuery, Query()], request: Request
) -> Fetch:
    async def look() -> records.Fetch:
        return await call.read(lambda uow: _fetch(uow, fetch_id))

    first = await look()
    if wanted.wait_s == 0 or first.state in fetching.ENDED:
        return Fetch.of(first)
    news = wait_until(
        look,
        lambda fetch: (fetch.state, fetch.received_bytes) != (first.state, first.received_bytes),
        lambda fetch: [pid for pid in (fetch.fetch_id, fetch.negotiation_pid, fetch.transfer_pid) if pid],
        call.around.waiter,
        call.tenant.participant_id,
        wanted.wait_s,
    )
    return Fetch.of(await while_connected(request, news, first))


@router.post(
    "/fetches/{fetch_id}/cancel",
    summary="Stop a fetch; its negotiation or transfer is ended on both sides",
    responses=problems("wrong-state"),
)
async def cancel_fetch(call: CallOf, fetch_id: FetchId) -> Fetch:
    return Fetch.of(await call.run(lambda uow: fetching.cancel(uow, call.company, fetch_id, call.moment)))


async def _begin(call: Call, body: FetchRequest) -> records.Fetch:
    partner = Partner(body.partner, await call.address_of(body.partner, body.address))
    offer = None
    if body.offer_id is not None or not await call.read(lambda uow: _may_go_on(uow, call, body)):
        offer, told = await chosen_offer(call, partner, body.asset_id, body.offer_id, body.format)
        partner = partner if body.address else call.checked(told)

    def work(uow: UnitOfWork) -> records.Fetch:
        moment = with_first_id(call.moment, body.id)
        known = _begun_before(uow, body)
        return known or fetching.begin(uow, call.company, partner, body.asset_id, offer, body.format, moment)

    return await call.run(work)


def _may_go_on(uow: UnitOfWork, call: Call, body: FetchRequest) -> bool:
    """Whether an agreement is at hand, so that the partner's catalog need not be asked."""
    return fetching.usable_agreement(uow, body.partner, body.asset_id, call.moment.now_ms) is not None


def _begun_before(uow: UnitOfWork, body: FetchRequest) -> records.Fetch | None:
    known = uow.transfers.fetch(body.id) if body.id else None
    if known is not None and (known.peer_id, known.asset_id) != (body.partner, body.asset_id):
        raise WrongState(f"The id {body.id} belongs to another fetch; choose another.", id=body.id)
    return known


def _fetch(uow: UnitOfWork, fetch_id: str) -> records.Fetch:
    fetch = uow.transfers.fetch(fetch_id)
    if fetch is None:
        raise NotFound(f"There is no fetch {fetch_id!r}.", id=fetch_id)
    return fetch
