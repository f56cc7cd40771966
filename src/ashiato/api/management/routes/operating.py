"""The node itself: its health, its participants, and what a participant is told of itself."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from ashiato.api.management.addresses import HEALTH_PATH, RESERVED_SLUGS
from ashiato.api.management.calls import CallOf, OperatorCall, OperatorCallOf
from ashiato.api.management.gate import fresh_key, key_sha256
from ashiato.api.management.models.operations import (
    CreatedParticipant,
    Health,
    NewParticipant,
    Participant,
    Slug,
)
from ashiato.api.management.models.shared import Page, PageQuery, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.api.management.routing import operator_router, participant_router
from ashiato.connector.node import Tenant
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.trust.did import InvalidDid, did_web_url

health_router = APIRouter(tags=["health"])
router = operator_router()
own_router = participant_router("participant")

SlugPath = Annotated[Slug, Path()]


@health_router.get(HEALTH_PATH, summary="Whether the node answers; the only address that needs no key")
async def health() -> Health:
    return Health(status="ok")


@router.get("", summary="List the participants of this node")
async def list_participants(call: OperatorCallOf, wanted: Annotated[PageQuery, Query()]) -> Page[Participant]:
    tenants = sorted(call.around.node.tenants.all(), key=lambda tenant: tenant.slug)
    later = [_shown(tenant) for tenant in tenants if tenant.slug > wanted.cursor]
    return page_of(Page[Participant], later, wanted.limit, lambda participant: participant.slug)


@router.post(
    "",
    status_code=201,
    summary="Serve a new participant; its API key is shown only in this answer",
    responses=problems(*WITH_JSON_BODY, "wrong-state"),
)
async def add_participant(
    call: OperatorCallOf, body: NewParticipant, response: Response
) -> CreatedParticipant:
    if body.slug in RESERVED_SLUGS or call.around.node.tenants.by_slug(body.slug) is not None:
        raise WrongState(f"The slug {body.slug!r} is taken; choose another.", slug=body.slug)
    _check_did(body.did)
    api_key = fresh_key()
    tenant = await call.around.admin.add(body.slug, body.name, body.did, key_sha256(api_key))
    response.headers["Location"] = f"/v1/participants/{tenant.slug}"
    return CreatedParticipant(participant=_shown(tenant), api_key=api_key)


@router.get("/{slug}", summary="Show a participant of this node")
async def get_participant(call: OperatorCallOf, slug: SlugPath) -> Participant:
    return _shown(_tenant(call, slug))


@router.delete("/{slug}", status_code=204, summary="Stop serving a participant; its data stays")
async def suspend_participant(call: OperatorCallOf, slug: SlugPath) -> None:
    _tenant(call, slug)
    await call.around.admin.suspend(slug)


@own_router.get("", summary="Show who this participant is")
async def get_own(call: CallOf) -> Participant:
    return _shown(call.tenant)


def _check_did(did: str | None) -> None:
    try:
        if did is not None:
            did_web_url(did, allow_loopback=True)
    except InvalidDid as error:
        raise Invalid(f"The DID cannot be served here: {error.problem}.", path="did") from None


def _tenant(call: OperatorCall, slug: str) -> Tenant:
    tenant = call.around.node.tenants.by_slug(slug)
    if tenant is None:
        raise NotFound(f"There is no participant {slug!r}.", slug=slug)
    return tenant


def _shown(tenant: Tenant) -> Participant:
    return Participant(
        slug=tenant.slug,
        name=tenant.name,
        participant_id=tenant.participant_id,
        address=tenant.company.callback_address,
    )
