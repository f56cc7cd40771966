"""Identities of parts, batches and items: asked for, found, listed."""

from typing import Annotated

from fastapi import APIRouter, Query

from ashiato.api.hub.calls import PartyCallOf
from ashiato.api.hub.models.identities import IdentifierText, Identity, NamedThings, ThingsToName
from ashiato.api.hub.routing import party_router
from ashiato.api.management.models.shared import Page, PageQuery, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.hub import identities
from ashiato.hub.identities import IDENTITIES

router: APIRouter = party_router("identities")


@router.post(
    "/identities",
    summary="The identities of things: new ones, or those that their identifiers stand for",
    responses=problems("wrong-state", *WITH_JSON_BODY),
)
async def register_things(call: PartyCallOf, wanted: ThingsToName) -> NamedThings:
    things = [one.thing() for one in wanted.things]
    party_id = call.party.party_id
    found = await call.run(lambda uow: identities.register(uow, party_id, things, call.moment))
    return NamedThings(identities=[Identity.shown(one, party_id) for one in found])


@router.get("/identities", summary="The identities that one registered, in the order of their ids")
async def list_identities(call: PartyCallOf, query: Annotated[PageQuery, Query()]) -> Page[Identity]:
    party_id = call.party.party_id
    found = await call.read(lambda uow: uow.room(IDENTITIES).page(party_id, query.cursor, query.limit + 1))
    shown = [Identity.shown(one, party_id) for one in found]
    return page_of(Page[Identity], shown, query.limit, lambda one: one.identity)


@router.get("/identities/find", summary="What an identifier stands for")
async def find_identity(call: PartyCallOf, identifier: Annotated[IdentifierText, Query()]) -> Identity:
    found = await call.read(lambda uow: identities.find(uow, identifier))
    return Identity.shown(found, call.party.party_id)
