"""A company's own footprints: what the app computed of them, why, how they stand, and what the next level takes."""

from typing import Annotated

from fastapi import Path, Query

from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.footprints import (
    FootprintExplanation,
    FootprintHandover,
    FootprintQuery,
    FootprintsQuery,
    OwnFootprint,
    PlantScopes,
    PlantScopesList,
    ScopesQuery,
)
from ashiato.api.management.models.shared import OwnId, Page, page_of
from ashiato.api.management.openapi import problems
from ashiato.api.management.routing import participant_router
from ashiato.apps.carbon import looking
from ashiato.apps.carbon.scopes import plant_years

router = participant_router("carbon")
Product = Annotated[OwnId, Path()]


@router.get("/carbon/footprints", summary="List the products whose footprint the app computes")
async def list_footprints(call: CallOf, wanted: Annotated[FootprintsQuery, Query()]) -> Page[OwnFootprint]:
    found = await call.read(lambda uow: looking.footprints(uow, wanted.cursor, wanted.limit + 1))
    views = [OwnFootprint.of_footprint(one, "en") for one in found]
    return page_of(Page[OwnFootprint], views, wanted.limit, lambda one: one.product)


@router.get(
    "/carbon/footprints/{product}",
    summary="Show a footprint: how it stands, what changed under it, and what it would give away",
    responses=problems("not-found"),
)
async def get_footprint(
    call: CallOf, product: Product, wanted: Annotated[FootprintQuery, Query()]
) -> OwnFootprint:
    found = await call.read(lambda uow: looking.footprint(uow, product))
    return OwnFootprint.of_footprint(found, wanted.lang)


@router.get(
    "/carbon/footprints/{product}/explanation",
    summary="Show why a footprint is what it is: contributions, hot spots, flows, gaps, and what changed",
    responses=problems("not-found"),
)
async def explain_footprint(call: CallOf, product: Product) -> FootprintExplanation:
    return FootprintExplanation.read(await call.read(lambda uow: looking.explanation(uow, product)))


@router.get(
    "/carbon/footprints/{product}/handover",
    summary="Show a declared footprint for the assessment of what the product goes into",
    responses=problems("not-found"),
)
async def hand_over_footprint(
    call: CallOf, product: Product, wanted: Annotated[FootprintQuery, Query()]
) -> FootprintHandover:
    found = await call.read(lambda uow: looking.handed_over(uow, product, call.moment.now_ms))
    return FootprintHandover.of_handover(found, wanted.lang)


@router.get("/carbon/scopes", summary="Show Scopes 1, 2 and 3 of your plants by year")
async def get_scopes(call: CallOf, wanted: Annotated[ScopesQuery, Query()]) -> PlantScopesList:
    found = await call.read(lambda uow: list(looking.sheets(uow)))
    years = plant_years(found, wanted.plant, wanted.year)
    return PlantScopesList(items=[PlantScopes.of_year(one, wanted.lang) for one in years])
