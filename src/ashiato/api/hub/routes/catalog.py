"""The catalog: companies publish, withdraw and search, each by the token of its connector."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query

from ashiato.api.hub.calls import PartyCallOf
from ashiato.api.hub.models.catalog import Judged, Presence, Published, Publishing, Records, Search, Wanted
from ashiato.api.hub.routing import party_router
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.facts.problems import NotFound
from ashiato.hub.catalog import publishing, searching, showing
from ashiato.hub.catalog.ports import CATALOG
from ashiato.hub.node import Party
from ashiato.hub.onboarding import PartyState
from ashiato.hub.ports import PARTIES, UnitOfWork
from ashiato.statements.publications import CONTEXT, MalformedPublication, read_dcat
from ashiato.trust.standing import Standing

router: APIRouter = party_router("catalog")


@router.post(
    "/catalog/publications",
    summary="Publish and withdraw assets of one's own",
    responses=problems(*WITH_JSON_BODY),
)
async def publish(call: PartyCallOf, body: Publishing) -> Published:
    claims, now_ms, publisher = _standing(call.party).claims, call.moment.now_ms, call.party.party_id
    ready: list[publishing.Entry | MalformedPublication] = []
    for document in body.publications:
        try:
            ready.append(publishing.prepare(read_dcat(document, publisher), claims, now_ms))
        except MalformedPublication as error:
            ready.append(error)

    def work(uow: UnitOfWork) -> Published:
        rows = uow.room(CATALOG)
        rows.heard_of(publisher, now_ms)
        # Withdrawals first: what is published again in the same request stays.
        withdrawn = [
            publishing.withdraw(rows, publisher, one.asset_id, one.revision) for one in body.withdrawals
        ]
        entered = [
            Judged(outcome="malformed", path=one.path, problem=one.problem)
            if isinstance(one, MalformedPublication)
            else Judged(outcome=publishing.enter(rows, one).value)
            for one in ready
        ]
        return Published(publications=entered, withdrawals=[Judged(outcome=one.value) for one in withdrawn])

    return await call.run(work)


@router.post("/catalog/presence", summary="Say that one's connector is up")
async def be_present(call: PartyCallOf) -> Presence:
    await call.run(lambda uow: uow.room(CATALOG).heard_of(call.party.party_id, call.moment.now_ms))
    return Presence(offline_after_ms=showing.OFFLINE_AFTER_MS)


@router.get("/catalog/records", summary="Search the catalog")
async def search(call: PartyCallOf, query: Annotated[Search, Query()]) -> Records:
    caller, now_ms = _standing(call.party), call.moment.now_ms
    below = int(query.cursor) if query.cursor else searching.BEHIND_THE_LAST
    wanted = query.query()
    page = await call.read(
        lambda uow: searching.search(
            uow.room(CATALOG), caller, now_ms, wanted, below, query.limit, _standing_here(uow)
        )
    )
    catalog = showing.as_catalog(call.hub.hub_id, page.hits, caller.participant_id, now_ms)
    return Records(catalog=catalog, next_cursor=None if page.next_below is None else str(page.next_below))


@router.get("/catalog/record", summary="One record by its name")
async def get_record(
    call: PartyCallOf, iri: Annotated[Wanted, Query(description="The `@id` of the dataset.")]
) -> dict[str, Any]:
    caller, now_ms = _standing(call.party), call.moment.now_ms
    hit = await call.read(
        lambda uow: searching.one(uow.room(CATALOG), caller, now_ms, iri, _standing_here(uow))
    )
    if hit is None:
        raise NotFound("There is no record of that name for you.")
    return {"@context": CONTEXT, **showing.as_dataset(call.hub.hub_id, hit, caller.participant_id, now_ms)}


def _standing(party: Party) -> Standing:
    """What the register says of the party: the hub issues its roles itself, so no credential has to be shown for them."""
    return Standing(party.party_id, {"role": party.roles, "membership": frozenset({"active"})})


def _standing_here(uow: UnitOfWork) -> Callable[[str], bool]:
    """Whether a publisher may act here now: what a suspended party published is not shown until it is reinstated."""

    def stands(publisher: str) -> bool:
        record = uow.room(PARTIES).get(publisher)
        return record is not None and record.state is PartyState.ADMITTED

    return stands
