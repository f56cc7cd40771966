"""Contract negotiations, and the inbox of those that wait for a person."""

from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import Path, Query, Response

from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.models.processes import (
    Approval,
    ConsumerNegotiation,
    Counter,
    Negotiation,
    NegotiationAct,
    NegotiationActName,
    NegotiationQuery,
    NegotiationRequest,
    ProviderNegotiation,
    Rejection,
)
from ashiato.api.management.models.shared import ForeignId, Page, PageQuery, page_of
from ashiato.api.management.offers_of_partner import chosen_offer
from ashiato.api.management.openapi import WITH_JSON_BODY, WITH_PARTNER, problems
from ashiato.api.management.repeats import process_iri, with_first_id
from ashiato.api.management.routing import participant_router
from ashiato.connector import negotiations, offers
from ashiato.connector.catalog import rules_of
from ashiato.connector.company import Company
from ashiato.connector.negotiations import Partner
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import Approvable
from ashiato.connector.strategies import Act, Reaction, acceptable_terms
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import Role
from ashiato.policy.odrl import parse_policy
from ashiato.trust.standing import Standing

router = participant_router("negotiations")

NegotiationPid = Annotated[ForeignId, Path()]


@router.get("/negotiations", summary="List the negotiations")
async def list_negotiations(call: CallOf, wanted: Annotated[NegotiationQuery, Query()]) -> Page[Negotiation]:
    def work(uow: UnitOfWork) -> list[Negotiation]:
        found = uow.negotiations.page(
            wanted.cursor, wanted.limit + 1, state=wanted.state, peer_id=wanted.partner
        )
        return [_shown(uow, negotiation) for negotiation in found]

    found = await call.read(work)
    return page_of(Page[Negotiation], found, wanted.limit, lambda negotiation: negotiation.negotiation_pid)


@router.post(
    "/negotiations",
    status_code=201,
    summary="Start a negotiation, as consumer or as provider",
    responses={
        200: {"model": Negotiation, "description": "A negotiation with this id was started before."},
        **problems(*WITH_JSON_BODY, *WITH_PARTNER, "not-permitted", "wrong-state", "quota-exceeded"),
    },
)
async def start_negotiation(call: CallOf, body: NegotiationRequest, response: Response) -> Negotiation:
    shown = None if body.id is None else await call.read(lambda uow: _started_before(uow, body))
    if shown is not None:
        response.status_code = 200
    elif isinstance(body, ConsumerNegotiation):
        shown = await _ask(call, body)
    else:
        shown = await _offer(call, body)
    response.headers["Location"] = call.location("negotiations", shown.negotiation_pid)
    return shown


@router.get("/negotiations/{negotiation_pid}", summary="Show a negotiation")
async def get_negotiation(call: CallOf, negotiation_pid: NegotiationPid) -> Negotiation:
    return await call.read(lambda uow: _shown(uow, negotiations.own(uow, negotiation_pid)))


@router.post(
    "/negotiations/{negotiation_pid}/{act}",
    summary="Take the next step in a negotiation",
    responses=problems(*WITH_JSON_BODY, "not-permitted", "wrong-state", "signer-unavailable"),
)
async def act_in_negotiation(
    call: CallOf, negotiation_pid: NegotiationPid, act: NegotiationActName, body: NegotiationAct
) -> Negotiation:
    rules = None
    if act in ("offer", "counter"):
        rules = _checked(body.policy, is_own=act == "offer")
    reaction = Reaction(act=Act(act), rules=rules, reason=body.reason)
    return await _done(call, negotiation_pid, reaction)


@router.get("/approvals", summary="List what waits for a person")
async def list_approvals(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[Approval]:
    found = await call.read(lambda uow: uow.negotiations.list_approvables(wanted.cursor, wanted.limit + 1))
    shown = [Approval.of(approvable) for approvable in found]
    return page_of(Page[Approval], shown, wanted.limit, lambda approval: approval.negotiation_pid)


@router.get("/approvals/{negotiation_pid}", summary="Show what waits for a person")
async def get_approval(call: CallOf, negotiation_pid: NegotiationPid) -> Approval:
    return Approval.of(await call.read(lambda uow: _waiting(uow, negotiation_pid)))


@router.post(
    "/approvals/{negotiation_pid}/approve",
    summary="Say yes: agree to the request, or accept the offer",
    responses=problems("not-permitted", "wrong-state", "signer-unavailable"),
)
async def approve(call: CallOf, negotiation_pid: NegotiationPid) -> Negotiation:
    return await _answer(call, negotiation_pid, ("agree", "accept"), None, "")


@router.post(
    "/approvals/{negotiation_pid}/counter",
    summary="Say which terms you would sign instead",
    responses=problems(*WITH_JSON_BODY, "wrong-state", "signer-unavailable"),
)
async def counter(call: CallOf, negotiation_pid: NegotiationPid, body: Counter) -> Negotiation:
    return await _answer(call, negotiation_pid, ("offer", "counter"), body.policy, "")


@router.post(
    "/approvals/{negotiation_pid}/reject",
    summary="Say no, with the reason",
    responses=problems(*WITH_JSON_BODY, "wrong-state", "signer-unavailable"),
)
async def reject(call: CallOf, negotiation_pid: NegotiationPid, body: Rejection) -> Negotiation:
    return await _answer(call, negotiation_pid, ("terminate",), None, body.reason)


async def _ask(call: Call, body: ConsumerNegotiation) -> Negotiation:
    partner = Partner(body.partner, await call.address_of(body.partner, body.address))
    if body.offer is None:
        document, told = await chosen_offer(call, partner, body.asset_id, body.offer_id)
        partner = partner if body.address else call.checked(told)
    else:
        document = _own_wording(body)
    acceptable = tuple(_checked(policy, is_own=False) for policy in body.acceptable)

    def work(uow: UnitOfWork, moment: Moment) -> ContractNegotiation:
        return negotiations.request(uow, call.company, partner, document, moment, acceptable)

    return await _started(call, process_iri(body.id), work)


async def _offer(call: Call, body: ProviderNegotiation) -> Negotiation:
    partner = Partner(body.partner, await call.address_of(body.partner, body.address))

    def work(uow: UnitOfWork, moment: Moment) -> ContractNegotiation:
        definition = uow.assets.offer(body.offer_id)
        asset = uow.assets.asset(body.asset_id)
        if definition is None or asset is None:
            raise NotFound(
                "There is no such asset, or no such offer.", asset_id=body.asset_id, offer_id=body.offer_id
            )
        if not offers.covers(definition, asset):
            raise Invalid(
                f"The offer {body.offer_id!r} does not cover the asset {body.asset_id!r}.", path="offer_id"
            )
        document = {
            "@id": offers.offering_id(body.offer_id, body.asset_id),
            "target": body.asset_id,
            **rules_of(acceptable_terms(uow, definition)[0]),
        }
        return negotiations.offer(uow, call.company, partner, document, body.offer_id, moment)

    return await _started(call, process_iri(body.id), work)


async def _started(
    call: Call, wanted_id: str | None, open_: Callable[[UnitOfWork, Moment], ContractNegotiation]
) -> Negotiation:
    def work(uow: UnitOfWork) -> Negotiation:
        known = uow.negotiations.get(wanted_id) if wanted_id else None
        return _shown(uow, known or open_(uow, with_first_id(call.moment, wanted_id)))

    return await call.run(work)


def _started_before(uow: UnitOfWork, body: ConsumerNegotiation | ProviderNegotiation) -> Negotiation | None:
    known = uow.negotiations.get(process_iri(body.id) or "")
    if known is None:
        return None
    if (known.role, known.peer_id, known.dataset_id) != (Role(body.role), body.partner, body.asset_id):
        raise WrongState(f"The id {body.id} belongs to another negotiation; choose another.", id=body.id)
    return _shown(uow, known)


def _own_wording(body: ConsumerNegotiation) -> dict[str, object]:
    document: dict[str, object] = dict(body.offer or {})
    if document.setdefault("@type", "Offer") != "Offer":
        raise Invalid("The offer's @type must be Offer.", path="offer.@type")
    if not isinstance(document.get("@id"), str) or not document["@id"]:
        raise Invalid("The offer needs the @id under which the partner published it.", path="offer.@id")
    if document.setdefault("target", body.asset_id) != body.asset_id:
        raise Invalid("The offer's target is another asset than asset_id.", path="offer.target")
    _checked(body.offer, is_own=False)
    return document


def _checked(policy: Mapping[str, object] | None, *, is_own: bool) -> dict[str, object]:
    """The rules of a policy that we would sign; what we propose as provider we must also be able to enforce."""
    rules = rules_of(dict(policy or {}))
    if not rules:
        raise Invalid("Give a policy with at least one permission or prohibition.", path="policy")
    if is_own:
        offers.checked_policy({"@type": "Offer", **rules})
    else:
        parse_policy({"@type": "Offer", **rules})
    return rules


async def _done(call: Call, negotiation_pid: str, reaction: Reaction) -> Negotiation:
    peer = await _peer(call, negotiation_pid) if reaction.act is Act.AGREE else None

    def work(uow: UnitOfWork, company: Company, moment: Moment) -> Negotiation:
        if peer is not None:
            negotiations.check_agreeable(uow, negotiation_pid, peer, moment.now_ms)
        return _shown(uow, negotiations.do(uow, company, negotiation_pid, reaction, moment))

    return await call.run_signing(work)


async def _peer(call: Call, negotiation_pid: str) -> Standing:
    """What is verified of the partner now, before a person's yes counts."""
    found = await call.read(lambda uow: negotiations.own(uow, negotiation_pid))
    return await call.standing(found.peer_id)


async def _answer(
    call: Call, negotiation_pid: str, acts: tuple[str, ...], policy: Mapping[str, object] | None, reason: str
) -> Negotiation:
    peer = await _peer(call, negotiation_pid) if Act.AGREE in acts else None

    def work(uow: UnitOfWork, company: Company, moment: Moment) -> Negotiation:
        waiting = _waiting(uow, negotiation_pid)
        act = next((act for act in acts if act in waiting.choices), None)
        if act is None:
            raise WrongState(
                f"That is not open here; the choices are {', '.join(waiting.choices)}.",
                choices=list(waiting.choices),
            )
        rules = _checked(policy, is_own=act == "offer") if act in ("offer", "counter") else None
        reaction = Reaction(act=Act(act), rules=rules, reason=reason)
        if peer is not None and reaction.act is Act.AGREE:
            negotiations.check_agreeable(uow, negotiation_pid, peer, moment.now_ms)
        return _shown(uow, negotiations.do(uow, company, negotiation_pid, reaction, moment))

    return await call.run_signing(work)


def _waiting(uow: UnitOfWork, negotiation_pid: str) -> Approvable:
    waiting = uow.negotiations.approvable(negotiation_pid)
    if waiting is None:
        raise NotFound(f"Nothing waits for a person in {negotiation_pid!r}.", id=negotiation_pid)
    return waiting


def _shown(uow: UnitOfWork, negotiation: ContractNegotiation) -> Negotiation:
    agreement_id = (negotiation.agreement or {}).get("@id")
    return Negotiation.of(
        negotiation,
        negotiation_pid=negotiation.own_pid,
        agreement_id=agreement_id if isinstance(agreement_id, str) else None,
        needs_approval=uow.negotiations.approvable(negotiation.own_pid) is not None,
    )
