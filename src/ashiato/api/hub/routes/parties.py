"""The register as the operator works with it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from ashiato.api.hub.calls import OperatorCallOf
from ashiato.api.hub.models.parties import (
    Application,
    Decision,
    Party,
    PartyId,
    PartyStep,
    PartyWithSteps,
    State,
)
from ashiato.api.hub.routing import operator_router
from ashiato.api.management.models.shared import Page, PageQuery, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.hub import registry
from ashiato.hub.onboarding import Act
from ashiato.hub.ports import PARTIES

router: APIRouter = operator_router("parties")


class PartyQuery(PageQuery):
    """Which parties are wanted."""

    state: State | None = None


@router.get("/parties", summary="The parties, in the order of their DIDs")
async def list_parties(call: OperatorCallOf, query: Annotated[PartyQuery, Query()]) -> Page[Party]:
    found = await call.read(
        lambda uow: uow.room(PARTIES).page(query.cursor, query.limit + 1, state=query.state)
    )
    return page_of(Page[Party], [Party.shown(one) for one in found], query.limit, lambda one: one.party)


@router.post(
    "/applications",
    status_code=201,
    summary="Enter an application for a company",
    responses=problems("wrong-state", *WITH_JSON_BODY),
)
async def enter_application(call: OperatorCallOf, application: Application) -> Party:
    data = application.company.data()
    record = await call.run(
        lambda uow: registry.apply(uow, application.party, data, call.subject, call.moment, is_proved=False)
    )
    return Party.shown(record)


@router.get("/parties/{party}", summary="A party with every step of its life")
async def get_party(call: OperatorCallOf, party: Annotated[PartyId, Path()]) -> PartyWithSteps:
    record, steps = await call.read(lambda uow: registry.shown(uow, party))
    return PartyWithSteps(party=Party.shown(record), steps=[PartyStep.shown(step) for step in steps])


@router.post(
    "/parties/{party}/steps",
    summary="Review, admit, refuse, suspend, reinstate or expel",
    responses=problems("wrong-state", *WITH_JSON_BODY),
)
async def decide(call: OperatorCallOf, party: Annotated[PartyId, Path()], decision: Decision) -> Party:
    roles = None if decision.roles is None else tuple(decision.roles)
    record = await call.run(
        lambda uow: registry.decide(
            uow, party, Act(decision.act), call.subject, decision.reason, call.moment, roles=roles
        )
    )
    return Party.shown(record)
