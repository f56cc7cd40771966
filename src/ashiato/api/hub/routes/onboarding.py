"""What a company does for itself: apply, look at where its application stands, and who it is here."""

from fastapi import APIRouter

from ashiato.api.hub.calls import OnboardingCallOf, PartyCallOf
from ashiato.api.hub.models.parties import Company, Own, Party, PartyStep, PartyWithSteps
from ashiato.api.hub.routing import onboarding_router
from ashiato.api.hub.routing import party_router as router_for_parties
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.hub import registry

router: APIRouter = onboarding_router("onboarding")
party_router: APIRouter = router_for_parties("party")


@router.put(
    "/application",
    summary="Apply, or amend an application that waits",
    responses=problems("wrong-state", *WITH_JSON_BODY),
)
async def put_application(call: OnboardingCallOf, company: Company) -> Party:
    data = company.data()
    record = await call.run(
        lambda uow: registry.apply(uow, call.caller_id, data, call.caller_id, call.moment, is_proved=True)
    )
    return Party.shown(record)


@router.get("/application", summary="Where one's own application stands, with every step")
async def get_application(call: OnboardingCallOf) -> PartyWithSteps:
    record, steps = await call.read(lambda uow: registry.shown(uow, call.caller_id))
    return PartyWithSteps(party=Party.shown(record), steps=[PartyStep.shown(step) for step in steps])


@router.post("/application/confirm", summary="Confirm an application that the operator entered")
async def confirm_application(call: OnboardingCallOf) -> Party:
    return Party.shown(await call.run(lambda uow: registry.confirm(uow, call.caller_id, call.moment)))


@party_router.get("/self", summary="Who one is here")
async def get_self(call: PartyCallOf) -> Own:
    return Own(party=call.party.party_id, name=call.party.name, roles=sorted(call.party.roles))
