"""The contract master: standing contracts, single agreements and contracts on paper, per partner."""

import json
from collections.abc import Iterator
from typing import Annotated, cast

from fastapi import Path, Query, Response
from pydantic import JsonValue

from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.models.contracts import (
    Agreement,
    AgreementQuery,
    Contract,
    ContractQuery,
    Ending,
    Framework,
    FrameworkId,
    FrameworkProposal,
    FrameworkQuery,
    Paper,
    ProposedFramework,
    Renewal,
    Renewed,
    agreement_shown,
)
from ashiato.api.management.models.shared import ForeignId, Page, page_of
from ashiato.api.management.offers_of_partner import chosen_offer
from ashiato.api.management.openapi import WITH_JSON_BODY, WITH_PARTNER, problems
from ashiato.api.management.routing import participant_router
from ashiato.connector import agreement_files, frameworks, negotiations, transfers
from ashiato.connector.agreements import RENEWS_MEMBER
from ashiato.connector.negotiations import Partner
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound, WrongState
from ashiato.connector.records import FrameworkContract
from ashiato.dsp.states import Role

MOST_DID_CHANGES_COUNT = 1000
KINDS = ("framework", "paper", "agreement")
# What a proposal says; the rest of the record is what became of it.
PROPOSED_MEMBERS = (
    "role", "peer_id", "title", "policy", "from_ms", "until_ms", "data_item", "part_group", "purpose", "paper_sha256",
)  # fmt: skip

router = participant_router("contracts")

AgreementId = Annotated[ForeignId, Path()]
FrameworkPath = Annotated[FrameworkId, Path()]


@router.get("/contracts", summary="List all contracts: standing ones, those on paper, single agreements")
async def list_contracts(call: CallOf, wanted: Annotated[ContractQuery, Query()]) -> Page[Contract]:
    found = await call.read(lambda uow: list(_contracts(uow, wanted)))
    page = page_of(Page[Contract], found, wanted.limit, _cursor_of)
    in_use = [one for one in page.items if one.agreement is None or not one.agreement.is_retired]
    return Page[Contract](items=in_use, next_cursor=page.next_cursor)


@router.get("/agreements", summary="List the agreements")
async def list_agreements(call: CallOf, wanted: Annotated[AgreementQuery, Query()]) -> Page[Agreement]:
    found = await call.read(
        lambda uow: uow.contracts.list_agreements(
            wanted.cursor, wanted.limit + 1, peer_id=wanted.partner, framework_id=wanted.framework_id
        )
    )
    shown = [agreement_shown(agreement) for agreement in found]
    page = page_of(Page[Agreement], shown, wanted.limit, lambda agreement: agreement.agreement_id)
    visible = [agreement for agreement in page.items if wanted.retired or not agreement.is_retired]
    return Page[Agreement](items=visible, next_cursor=page.next_cursor)


@router.post(
    "/agreements/{agreement_id:foreign_id}/terminate",
    summary="End an agreement: nothing is served or fetched under it any more, its transfers end",
    responses=problems(*WITH_JSON_BODY, "wrong-state"),
)
async def terminate_agreement(call: CallOf, agreement_id: AgreementId, body: Ending) -> Agreement:
    ended = await call.run(
        lambda uow: transfers.end_agreement(uow, call.company, agreement_id, body.reason, call.moment)
    )
    return agreement_shown(ended)


@router.post(
    "/agreements/{agreement_id:foreign_id}/renew",
    summary="As the consumer: negotiate a new agreement that names this one as the one it renews",
    responses=problems(*WITH_JSON_BODY, *WITH_PARTNER, "not-permitted", "wrong-state", "quota-exceeded"),
)
async def renew_agreement(call: CallOf, agreement_id: AgreementId, body: Renewal) -> Renewed:
    agreement = await call.read(lambda uow: uow.contracts.agreement(agreement_id))
    if agreement is None:
        raise NotFound(f"There is no agreement {agreement_id!r}.", id=agreement_id)
    if agreement.role is not Role.CONSUMER or not agreement.finalized:
        raise WrongState("A final agreement is renewed by its consumer, who asks for it.", id=agreement_id)
    partner = Partner(agreement.peer_id, await call.address_of(agreement.peer_id, body.address))
    offer, told = await chosen_offer(call, partner, agreement.asset_id, body.offer_id)
    partner = partner if body.address else call.checked(told)
    document = {**offer, RENEWS_MEMBER: agreement_id}
    negotiation = await call.run(
        lambda uow: negotiations.request(uow, call.company, partner, document, call.moment)
    )
    return Renewed(predecessor_id=agreement_id, negotiation_pid=negotiation.own_pid)


@router.post(
    "/agreements/{agreement_id:foreign_id}/retire",
    summary="Take an ended agreement out of the lists; it is kept as evidence",
    responses=problems("wrong-state"),
)
async def retire_agreement(call: CallOf, agreement_id: AgreementId) -> Agreement:
    return agreement_shown(
        await call.run(lambda uow: transfers.retire_agreement(uow, call.company, agreement_id, call.moment))
    )


@router.get(
    "/agreements/{agreement_id:foreign_id}/export",
    summary="The agreement with its signatures as one self-contained file, which `ashiato verify` checks offline",
)
async def export_agreement(call: CallOf, agreement_id: AgreementId) -> dict[str, JsonValue]:
    agreement = await call.read(lambda uow: uow.contracts.agreement(agreement_id))
    if agreement is None:
        raise NotFound(f"There is no agreement {agreement_id!r}.", id=agreement_id)
    changes = await call.around.keys.did_changes(call.tenant.participant_id, 0, MOST_DID_CHANGES_COUNT)
    kids = {signature.kid for signature in agreement.signatures}
    own = [change for change in changes if any(f'"{kid}"' in change.document for kid in kids)]
    document = json.loads(own[-1].document) if own else None
    return cast("dict[str, JsonValue]", agreement_files.write(agreement, document))


@router.get("/agreements/{agreement_id:foreign_id}", summary="Show an agreement")
async def get_agreement(call: CallOf, agreement_id: AgreementId) -> Agreement:
    agreement = await call.read(lambda uow: uow.contracts.agreement(agreement_id))
    if agreement is None:
        raise NotFound(f"There is no agreement {agreement_id!r}.", id=agreement_id)
    return agreement_shown(agreement)


@router.get("/frameworks", summary="List the framework contracts")
async def list_frameworks(call: CallOf, wanted: Annotated[FrameworkQuery, Query()]) -> Page[Framework]:
    found = await call.read(lambda uow: list(_frameworks(uow, wanted.partner, wanted.cursor)))
    shown = [Framework.of(framework) for framework in found[: wanted.limit + 1]]
    return page_of(Page[Framework], shown, wanted.limit, lambda framework: framework.framework_id)


@router.post(
    "/frameworks",
    status_code=201,
    summary="Propose a framework contract to a partner",
    responses={
        200: {
            "model": ProposedFramework,
            "description": "The same proposal was made before; nothing was started.",
        },
        **problems(*WITH_JSON_BODY, *WITH_PARTNER, "wrong-state", "quota-exceeded"),
    },
)
async def propose_framework(call: CallOf, body: FrameworkProposal, response: Response) -> ProposedFramework:
    framework = FrameworkContract(
        framework_id=body.framework_id or frameworks.TARGET_PREFIX + call.moment.fresh_id(),
        role=Role(body.role),
        peer_id=body.partner,
        title=body.title,
        policy=dict(body.policy),
        from_ms=body.from_ms,
        until_ms=body.until_ms,
        data_item=body.data_item,
        part_group=body.part_group,
        purpose=body.purpose,
        paper_sha256=body.paper_sha256,
    )
    response.headers["Location"] = call.location("frameworks", framework.framework_id)
    known = await call.read(lambda uow: _proposed_before(uow, framework))
    if known is None:
        return await _propose(call, framework, body.address)
    response.status_code = 200
    return ProposedFramework(framework=Framework.of(known), negotiation_pid=None)


@router.post(
    "/frameworks/{framework_id}/end",
    summary="End a framework contract: no further agreements under it, those that exist stay",
    responses=problems(*WITH_JSON_BODY, "wrong-state"),
)
async def end_framework(call: CallOf, framework_id: FrameworkPath, body: Ending) -> Framework:
    ended = await call.run(lambda uow: frameworks.end(uow, framework_id, body.reason, call.moment))
    return Framework.of(ended)


@router.get("/frameworks/{framework_id}", summary="Show a framework contract")
async def get_framework(call: CallOf, framework_id: FrameworkPath) -> Framework:
    framework = await call.read(lambda uow: uow.contracts.framework(framework_id))
    if framework is None:
        raise NotFound(f"There is no framework contract {framework_id!r}.", id=framework_id)
    return Framework.of(framework)


async def _propose(call: Call, framework: FrameworkContract, address: str | None) -> ProposedFramework:
    partner_address = await call.address_of(framework.peer_id, address)

    def work(uow: UnitOfWork) -> ProposedFramework:
        negotiation = negotiations.propose_framework(
            uow, call.company, partner_address, framework, call.moment
        )
        stored = uow.contracts.framework(framework.framework_id)
        return ProposedFramework(
            framework=Framework.of(stored or framework), negotiation_pid=negotiation.own_pid
        )

    return await call.run(work)


def _proposed_before(uow: UnitOfWork, framework: FrameworkContract) -> FrameworkContract | None:
    known = uow.contracts.framework(framework.framework_id)
    if known is None or all(getattr(known, name) == getattr(framework, name) for name in PROPOSED_MEMBERS):
        return known
    raise WrongState(
        f"There is another framework contract {framework.framework_id!r}; choose another id.",
        id=framework.framework_id,
    )


def _contracts(uow: UnitOfWork, wanted: ContractQuery) -> Iterator[Contract]:
    """One more than asked for, where there is one more; kind by kind, each by id."""
    first_kind, _, after_id = wanted.cursor.partition(":")
    kinds = KINDS[KINDS.index(first_kind) :] if first_kind in KINDS else KINDS
    left_count = wanted.limit + 1
    for kind in kinds:
        if left_count <= 0 or wanted.kind not in (None, kind):
            continue
        for contract in _of_kind(
            uow, kind, wanted.partner, after_id if kind == first_kind else "", left_count
        ):
            left_count -= 1
            yield contract


def _of_kind(
    uow: UnitOfWork, kind: str, partner: str | None, after_id: str, limit_count: int
) -> list[Contract]:
    if kind == "framework":
        found = list(_frameworks(uow, partner, after_id))[:limit_count]
        return [Contract(kind="framework", framework=Framework.of(framework)) for framework in found]
    if kind == "paper":
        papers = sorted(uow.contracts.list_papers(partner), key=lambda paper: paper.paper_id)
        later = [paper for paper in papers if paper.paper_id > after_id]
        return [Contract(kind="paper", paper=Paper.of(paper)) for paper in later[:limit_count]]
    agreements = uow.contracts.list_agreements(after_id, limit_count, peer_id=partner)
    return [Contract(kind="agreement", agreement=agreement_shown(agreement)) for agreement in agreements]


def _frameworks(uow: UnitOfWork, partner: str | None, after_id: str) -> Iterator[FrameworkContract]:
    known = uow.contracts.list_frameworks(partner)
    return (
        framework
        for framework in sorted(known, key=lambda framework: framework.framework_id)
        if framework.framework_id > after_id
    )


def _cursor_of(contract: Contract) -> str:
    if contract.framework is not None:
        return f"framework:{contract.framework.framework_id}"
    if contract.paper is not None:
        return f"paper:{contract.paper.paper_id}"
    return f"agreement:{contract.agreement.agreement_id if contract.agreement else ''}"
