"""Requests for data to suppliers and from customers, the rules that answer, and the inbox."""

from typing import Annotated, Literal

from fastapi import Path, Query
from fastapi import Request as HttpRequest

from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.models.offering import access_of, access_shown
from ashiato.api.management.models.processes import WaitQuery
from ashiato.api.management.models.requests import (
    AnswerRuleBody,
    AnswerRuleShown,
    AnswerShown,
    AskedRequests,
    BranchShown,
    DataRequest,
    DataRequestAct,
    DataRequestActName,
    DataRequestBody,
    DataRequestDetail,
    DataRequestQuery,
    ReachBody,
    ReachShown,
    RequestCounts,
    RequestInbox,
    RequestInboxBody,
    ThingNamed,
    ThingShown,
    TierShown,
    TraceBody,
    TraceQuery,
    TraceShown,
    TraceStep,
    WantedPart,
    counts_of,
    shown,
    wanted_of,
)
from ashiato.api.management.models.shared import OwnId, Page, PageQuery, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.api.management.routing import participant_router
from ashiato.api.management.waiting import wait_until, while_connected
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.connector.records import Approval, Asset, Visibility
from ashiato.supply import (
    answering,
    asking,
    link_letters,
    offering,
    reach,
    reach_report,
    records,
    rules,
    trace_rights,
    tracing,
)
from ashiato.supply.messages import INBOX_ASSET_ID, Declaration, TracedThing
from ashiato.supply.ports import UnitOfWork as ChainUnitOfWork
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import AnswerRule, Side, SupplyRequest, Wanted, possible_acts
from ashiato.supply.telling import known

MOST_SHOWN_BELOW_COUNT = 100

router = participant_router("requests")

RequestId = Annotated[OwnId, Path()]
TreeId = Annotated[OwnId, Path()]
RuleId = Annotated[OwnId, Path()]
ThingId = Annotated[OwnId, Path()]
TraceKind = Annotated[Literal["batch", "item"], Path()]


@router.get("/requests", summary="List the requests for data that you made or received")
async def list_data_requests(call: CallOf, wanted: Annotated[DataRequestQuery, Query()]) -> Page[DataRequest]:
    side = None if wanted.side is None else Side(wanted.side)
    found = await call.read(
        lambda uow: uow.room(REQUESTS).page(
            wanted.cursor, wanted.limit + 1, side=side, state=wanted.state, tree_id=wanted.tree_id
        )
    )
    items = [DataRequest.of(request, **shown(request)) for request in found]
    return page_of(Page[DataRequest], items, wanted.limit, lambda request: request.own_id)


@router.post(
    "/requests",
    status_code=201,
    summary="Ask suppliers for a data item of their parts, also for a request that you received",
    responses=problems(*WITH_JSON_BODY, "wrong-state", "not-permitted"),
)
async def ask_suppliers(call: CallOf, body: DataRequestBody) -> AskedRequests:
    terms = asking.Terms(
        data_item=body.data_item, due_ms=body.due_ms, text=body.text, hops=body.hops, fetches=body.fetch
    )
    wanted = [_wanted(call, one, f"to.{at}") for at, one in enumerate(body.to)]

    def work(uow: ChainUnitOfWork) -> list[SupplyRequest]:
        for one in wanted:
            if one.part.link:
                link_letters.confirmed_link(uow, one.part.link, one.partner, records.Side.BUYER)
        offering.ensure_open(uow, call.moment)
        return asking.ask(uow, call.company, wanted, terms, call.moment, body.in_answer_to)

    asked = await call.run_chain(work)
    return AskedRequests(
        tree_id=asked[0].tree_id, items=[DataRequest.of(request, **shown(request)) for request in asked]
    )


@router.get(
    "/requests/{own_id}", summary="Show a request with its answers; with wait_s the answer waits for news"
)
async def get_data_request(
    call: CallOf, own_id: RequestId, wanted: Annotated[WaitQuery, Query()], request: HttpRequest
) -> DataRequestDetail:
    async def look() -> DataRequestDetail:
        return await call.read(lambda uow: _detail(uow, known(uow, own_id)))

    first = await look()
    if wanted.wait_s == 0:
        return first
    news = wait_until(
        look,
        lambda seen: (
            (seen.state, seen.version, seen.counts, seen.answers)
            != (first.state, first.version, first.counts, first.answers)
        ),
        lambda seen: [own_id],
        call.around.waiter,
        call.tenant.participant_id,
        wanted.wait_s,
    )
    return await while_connected(request, news, first)


@router.post(
    "/requests/{own_id}/{act}",
    summary="Begin, answer, reject, withdraw or let trace what you received; remind of or cancel what you asked",
    responses=problems(*WITH_JSON_BODY, "wrong-state"),
)
async def act_on_data_request(
    call: CallOf, own_id: RequestId, act: DataRequestActName, body: DataRequestAct
) -> DataRequestDetail:
    return await call.run(lambda uow: _detail(uow, _acted(uow, call, own_id, act, body)))


@router.get("/request-trees/{tree_id}", summary="How far a tree of requests is, as counts")
async def count_tree(call: CallOf, tree_id: TreeId) -> RequestCounts:
    counts = await call.read(lambda uow: uow.room(REQUESTS).counts_of_tree(tree_id))
    if counts.trades == 0:
        raise NotFound(f"There is no tree {tree_id!r} in which you asked.", id=tree_id)
    return counts_of(counts)


@router.post(
    "/traces",
    status_code=201,
    summary="Ask which of your items hold a batch or an item that others made; the answer is that of the request",
    responses=problems(*WITH_JSON_BODY),
)
async def ask_trace(call: CallOf, body: TraceBody) -> DataRequestDetail:
    among = tuple(dict.fromkeys(body.serials))
    terms = asking.Terms(
        data_item=tracing.TRACE_ITEM, due_ms=body.due_ms, hops=body.hops, about=body.about, fetches=False
    )

    def work(uow: UnitOfWork) -> DataRequestDetail:
        offering.ensure_open(uow, call.moment)
        return _detail(uow, tracing.ask_own(uow, call.company, body.part_id, among, terms, call.moment))

    return await call.run(work)


@router.post(
    "/traces/{kind}/{thing_id}",
    status_code=201,
    summary="Follow a batch or an item through other companies: to its materials, or to where it went",
    responses=problems(*WITH_JSON_BODY),
)
async def ask_reach(call: CallOf, kind: TraceKind, thing_id: ThingId, body: ReachBody) -> ReachShown:
    start = records.Subject(records.SubjectKind(kind), thing_id)
    data_item = reach.MATERIALS_ITEM if body.direction == "down" else reach.WENT_ITEM
    terms = asking.Terms(
        data_item=data_item, due_ms=body.due_ms, text=body.text, hops=body.hops, fetches=False
    )

    def work(uow: UnitOfWork) -> ReachShown:
        offering.ensure_open(uow, call.moment)
        asked = reach.ask_own(uow, call.company, start, terms, call.moment)
        return _reached(reach_report.report(uow, asked.own_id))

    return await call.run(work)


@router.get(
    "/traces/{own_id}",
    summary="How far a thing reaches, how complete that is, and which of your partners did not answer; wait_s waits for news",
)
async def get_reach(
    call: CallOf, own_id: RequestId, wanted: Annotated[WaitQuery, Query()], request: HttpRequest
) -> ReachShown:
    async def look() -> ReachShown:
        return await call.read(lambda uow: _reached(reach_report.report(uow, own_id)))

    first = await look()
    if wanted.wait_s == 0:
        return first
    news = wait_until(
        look,
        lambda seen: seen != first,
        lambda seen: [own_id],
        call.around.waiter,
        call.tenant.participant_id,
        wanted.wait_s,
    )
    return await while_connected(request, news, first)


@router.get(
    "/traces/{kind}/{thing_id}",
    summary="Walk down or up from a batch or an item through what you built yourself",
)
async def walk_trace(
    call: CallOf, kind: TraceKind, thing_id: ThingId, wanted: Annotated[TraceQuery, Query()]
) -> TraceShown:
    start = records.Subject(records.SubjectKind(kind), thing_id)
    found = await call.read(
        lambda uow: tracing.walk(uow, start, down=wanted.direction == "down", as_of_ms=wanted.as_of_ms)
    )
    return TraceShown(
        steps=[
            TraceStep(
                depth=one.depth, holder=_thing(one.holding.holder), component=_thing(one.holding.component)
            )
            for one in found.steps
        ],
        borders=[_thing(subject) for subject in found.borders],
        is_whole=found.is_whole,
    )


@router.get("/request-rules", summary="List the rules that answer requests without a person")
async def list_rules(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[AnswerRuleShown]:
    found = await call.read(lambda uow: uow.room(REQUESTS).list_rules(wanted.cursor, wanted.limit + 1))
    return page_of(
        Page[AnswerRuleShown], [_rule(rule) for rule in found], wanted.limit, lambda rule: rule.rule_id
    )


@router.put(
    "/request-rules/{rule_id}", summary="Create or replace a rule", responses=problems(*WITH_JSON_BODY)
)
async def put_rule(call: CallOf, rule_id: RuleId, body: AnswerRuleBody) -> AnswerRuleShown:
    rule = AnswerRule(
        rule_id=rule_id,
        data_item=body.data_item,
        part_id=body.part_id,
        asset_id=body.asset_id,
        ask_on=tuple(_wanted(call, one, f"ask_on.{at}") for at, one in enumerate(body.ask_on)),
        partners=tuple(body.partners),
        names=body.names,
    )
    return _rule(await call.run(lambda uow: rules.put_rule(uow, rule, call.moment)))


@router.get("/request-rules/{rule_id}", summary="Show a rule")
async def get_rule(call: CallOf, rule_id: RuleId) -> AnswerRuleShown:
    return _rule(await call.read(lambda uow: rules.rule_of(uow, rule_id)))


@router.delete("/request-rules/{rule_id}", status_code=204, summary="Answer no more by this rule")
async def delete_rule(call: CallOf, rule_id: RuleId) -> None:
    await call.run(lambda uow: rules.delete_rule(uow, rule_id, call.moment))


@router.put(
    "/request-inbox",
    summary="Offer your inbox for requests and answers, to everybody or to those whom `access` lets in",
    responses=problems(*WITH_JSON_BODY),
)
async def open_inbox(call: CallOf, body: RequestInboxBody) -> RequestInbox:
    access, approval = access_of(body.access), Approval(body.approval)
    return _inbox(await call.run(lambda uow: offering.open_inbox(uow, access, approval, call.moment)))


@router.get("/request-inbox", summary="Show whether your inbox is open, and to whom")
async def get_inbox(call: CallOf) -> RequestInbox:
    return _inbox(await call.read(lambda uow: uow.assets.asset(INBOX_ASSET_ID)))


@router.delete("/request-inbox", status_code=204, summary="Take no further requests and answers")
async def close_inbox(call: CallOf) -> None:
    await call.run(lambda uow: offering.close_inbox(uow, call.moment))


def _acted(
    uow: UnitOfWork, call: Call, own_id: str, act: DataRequestActName, body: DataRequestAct
) -> SupplyRequest:
    company, moment = call.company, call.moment
    match act:
        case "begin":
            return answering.begin(uow, company, own_id, moment)
        case "answer":
            named = body.declaration
            declaration = (
                None
                if named is None
                else Declaration(declaration_id=named.declaration_id, sha256=named.sha256)
            )
            given = answering.GivenAnswer(asset_id=body.asset_id, declaration=declaration, text=body.text)
            return answering.answer(uow, company, own_id, given, moment)
        case "reject":
            return answering.reject(uow, company, own_id, body.text, moment)
        case "withdraw":
            return answering.withdraw(uow, company, own_id, body.text, moment)
        case "trace":
            return trace_rights.let(uow, company, own_id, body.names, moment)
        case "remind":
            return asking.remind(uow, company, own_id, body.text, moment)
        case "cancel":
            if known(uow, own_id).peer_id == company.participant_id:
                return trace_rights.stop_own(uow, company, own_id, body.text, moment)
            return asking.cancel(uow, company, own_id, body.text, moment)


def _detail(uow: UnitOfWork, request: SupplyRequest) -> DataRequestDetail:
    room = uow.room(REQUESTS)
    return DataRequestDetail.of(
        request,
        **shown(request),
        answers=[AnswerShown.of(answer) for answer in room.answers(request.own_id)],
        acts=[
            *(act.value for act in possible_acts(request)),
            *(["trace"] if trace_rights.can_be_let(request) else []),
        ],
        asked_for_it=[below.own_id for below in room.below(request.own_id, "", MOST_SHOWN_BELOW_COUNT)],
    )


def _wanted(call: Call, body: WantedPart, path: str) -> Wanted:
    if bool(body.part.link) is bool(body.part.part_id):
        raise Invalid("Name the part by its link or by the supplier's id of it.", path=f"{path}.part")
    if body.address:
        call.check_address(body.address, f"{path}.address")
    return wanted_of(body)


def _rule(rule: AnswerRule) -> AnswerRuleShown:
    ask_on = [
        {
            "partner": one.partner,
            "part": {"link": one.part.link, "part_id": one.part.part_id},
            "data_item": one.data_item,
            "address": one.address or None,
        }
        for one in rule.ask_on
    ]
    return AnswerRuleShown.of(rule, ask_on=ask_on)


def _thing(subject: records.Subject) -> ThingShown:
    return ThingShown(kind="batch" if subject.kind is records.SubjectKind.BATCH else "item", id=subject.id)


def _reached(found: reach_report.Report) -> ReachShown:
    tiers = [
        TierShown.of(tier, tier=number, masked=masked) for number, (tier, masked) in enumerate(found.tiers)
    ]
    return ReachShown.of(
        found.request,
        direction="down" if found.is_down else "up",
        is_complete=found.is_complete,
        unanswered=found.unanswered,
        tiers=tiers,
        named=_names(found.named),
        branches=[_branch(branch) for branch in found.branches],
    )


def _branch(branch: reach_report.Branch) -> BranchShown:
    return BranchShown.of(
        branch.request,
        has_answered=branch.reach is not None,
        asked=branch.asked_count,
        known=branch.known_count,
        masked=branch.masked_count,
        named=_names(() if branch.reach is None else branch.reach.named),
    )


def _names(things: tuple[TracedThing, ...]) -> list[ThingNamed]:
    return [ThingNamed.of(thing) for thing in things]


def _inbox(asset: Asset | None) -> RequestInbox:
    is_open = asset is not None and asset.visibility is not Visibility.HIDDEN
    access = () if asset is None else asset.access
    return RequestInbox(asset_id=INBOX_ASSET_ID, is_open=is_open, access=access_shown(access))
