"""Groups of partners, declared facts, obligations, and what the policy of an agreement answers now."""

from typing import Annotated

from fastapi import Path, Query

from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.rights import (
    DecisionShown,
    Fact,
    FactBody,
    FactName,
    FactQuery,
    Group,
    GroupBody,
    Obligation,
    ObligationAct,
    ObligationActName,
    ObligationQuery,
    ReasonShown,
)
from ashiato.api.management.models.shared import ForeignId, Line, OwnId, Page, PageQuery, page_of
from ashiato.api.management.models.terms import terms_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.api.management.routing import participant_router
from ashiato.connector import declarations, obligations, records
from ashiato.connector.agreements import decide_served
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.connector.records import ObligationState
from ashiato.dsp.states import Role
from ashiato.facts.decisions import JAPANESE, Reason
from ashiato.policy.vocabulary import Checkpoint
from ashiato.trust.standing import Standing

router = participant_router("rights")

GroupId = Annotated[OwnId, Path()]
ObligationId = Annotated[ForeignId, Path()]
AgreementId = Annotated[ForeignId, Path()]

_STATE_OF = {
    "fulfil": ObligationState.FULFILLED,
    "void": ObligationState.VOID,
    "reopen": ObligationState.PENDING,
}


@router.get("/groups", summary="List your groups of partners")
async def list_groups(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[Group]:
    found = await call.read(lambda uow: uow.declarations.list_groups())
    later = [Group.of(group) for group in found if group.group_id > wanted.cursor]
    return page_of(Page[Group], later[: wanted.limit + 1], wanted.limit, lambda group: group.group_id)


@router.put(
    "/groups/{group_id}", summary="Create or replace a group of partners", responses=problems(*WITH_JSON_BODY)
)
async def put_group(call: CallOf, group_id: GroupId, body: GroupBody) -> Group:
    group = records.PartnerGroup(
        group_id=group_id, title=body.title, members=tuple(dict.fromkeys(body.members))
    )
    return Group.of(await call.run(lambda uow: declarations.put_group(uow, group, call.moment)))


@router.get("/groups/{group_id}", summary="Show a group of partners")
async def get_group(call: CallOf, group_id: GroupId) -> Group:
    return Group.of(await call.read(lambda uow: declarations.group_of(uow, group_id)))


@router.delete(
    "/groups/{group_id}", status_code=204, summary="Forget a group; policies let in nobody by it any more"
)
async def delete_group(call: CallOf, group_id: GroupId) -> None:
    await call.run(lambda uow: declarations.delete_group(uow, group_id, call.moment))


@router.get("/facts", summary="List what you declared for policies")
async def list_facts(call: CallOf, wanted: Annotated[FactQuery, Query()]) -> Page[Fact]:
    found = await call.read(lambda uow: uow.declarations.list_facts(wanted.agreement_id))
    later = [Fact.of(fact) for fact in found if f"{fact.agreement_id} {fact.name}" > wanted.cursor]
    return page_of(
        Page[Fact], later[: wanted.limit + 1], wanted.limit, lambda fact: f"{fact.agreement_id} {fact.name}"
    )


@router.put(
    "/facts/{name}",
    summary="Declare which events go on, or what was paid under an agreement",
    responses=problems(*WITH_JSON_BODY),
)
async def put_fact(call: CallOf, name: Annotated[FactName, Path()], body: FactBody) -> Fact:
    fact = records.DeclaredFact(
        name=name,
        values=tuple(dict.fromkeys(body.values)),
        agreement_id=body.agreement_id,
        note=body.note,
    )
    return Fact.of(await call.run(lambda uow: declarations.put_fact(uow, fact, call.moment)))


@router.delete("/facts/{name}", status_code=204, summary="Withdraw what you declared")
async def delete_fact(
    call: CallOf, name: Annotated[FactName, Path()], agreement_id: Annotated[Line, Query()] = ""
) -> None:
    await call.run(lambda uow: declarations.delete_fact(uow, name, agreement_id, call.moment))


@router.get("/obligations", summary="List what is owed under agreements, by you and by partners")
async def list_obligations(call: CallOf, wanted: Annotated[ObligationQuery, Query()]) -> Page[Obligation]:
    state = None if wanted.state is None else ObligationState(wanted.state)
    found = await call.read(
        lambda uow: uow.obligations.page(
            wanted.cursor, wanted.limit + 1, agreement_id=wanted.agreement_id, state=state
        )
    )
    shown = [Obligation.of(owed) for owed in found]
    return page_of(Page[Obligation], shown, wanted.limit, lambda owed: owed.obligation_id)


@router.post(
    "/obligations/{obligation_id:obligation_id}/{act}",
    summary="Say that it was done (fulfil), that nobody owes it (void), or that it is owed again (reopen)",
    responses=problems(*WITH_JSON_BODY, "wrong-state"),
)
async def act_on_obligation(
    call: CallOf, obligation_id: ObligationId, act: ObligationActName, body: ObligationAct
) -> Obligation:
    settled = await call.run(
        lambda uow: obligations.settle(uow, obligation_id, _STATE_OF[act], body.reason, call.moment)
    )
    return Obligation.of(settled)


@router.get("/obligations/{obligation_id:obligation_id}", summary="Show an obligation")
async def get_obligation(call: CallOf, obligation_id: ObligationId) -> Obligation:
    found = await call.read(lambda uow: uow.obligations.get(obligation_id))
    if found is None:
        raise NotFound(f"There is no obligation {obligation_id!r}.", id=obligation_id)
    return Obligation.of(found)


@router.get(
    "/agreements/{agreement_id:foreign_id}/decision",
    summary="What the policy of an agreement of which you are the provider answers to a read now, with every reason",
)
async def decide_now(call: CallOf, agreement_id: AgreementId) -> DecisionShown:
    agreement = await call.read(lambda uow: _provided(uow, agreement_id))
    consumer = await call.standing(agreement.peer_id)

    def work(uow: UnitOfWork) -> DecisionShown:
        return _decided(uow, _provided(uow, agreement_id), consumer, call.moment.now_ms)

    return await call.read(work)


def _provided(uow: UnitOfWork, agreement_id: str) -> records.AgreementRecord:
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is None or agreement.role is not Role.PROVIDER:
        raise NotFound(
            f"There is no agreement {agreement_id!r} of which you are the provider.", id=agreement_id
        )
    return agreement


def _decided(
    uow: UnitOfWork, agreement: records.AgreementRecord, consumer: Standing, now_ms: int
) -> DecisionShown:
    asset = uow.assets.asset(agreement.asset_id)
    decision = decide_served(uow, agreement, asset, consumer, Checkpoint.READ, "read", now_ms).decision
    return DecisionShown(
        agreement_id=agreement.agreement_id,
        partner=agreement.peer_id,
        permitted=decision.permitted,
        summary=decision.summary(),
        reasons=[_reason(reason) for reason in decision.reasons],
        duties=[_reason(reason) for reason in decision.duties],
        terms=terms_of(agreement.document),
    )


def _reason(reason: Reason) -> ReasonShown:
    return ReasonShown(
        code=reason.code,
        path=reason.path,
        satisfied=reason.satisfied,
        sentence=reason.text,
        sentence_ja=reason.text_in(JAPANESE),
        children=[_reason(child) for child in reason.children],
    )
