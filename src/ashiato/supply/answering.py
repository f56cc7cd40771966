"""The supplier's side of a request: to take it, to answer, to refuse, to take an answer back; and what rises from below."""

import msgspec

from ashiato.connector.company import Company
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import Visibility
from ashiato.supply.messages import (
    Answer,
    Counts,
    DataRequest,
    Declaration,
    Rejection,
    TraceResult,
    Withdrawal,
)
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import Act, KeptAnswer, RequestState, Side, SupplyRequest, step
from ashiato.supply.telling import close_date, known, note, put, schedule, send, tell_progress

MOST_BELOW_PER_PAGE_COUNT = 500


class GivenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered: an asset of ours, a declaration by its hash, or what a trace found."""

    asset_id: str = ""
    declaration: Declaration | None = None
    trace: TraceResult | None = None
    text: str = ""


def take(
    uow: UnitOfWork, company: Company, sender_id: str, message: DataRequest, moment: Moment
) -> SupplyRequest:
    """Keep a request that came in, and let the company know of it."""
    request = SupplyRequest(
        own_id=moment.fresh_iri(),
        side=Side.RECEIVED,
        peer_id=sender_id,
        request_id=message.request_id,
        tree_id=message.tree_id,
        data_item=message.data_item,
        part=message.part,
        due_ms=message.due_ms,
        hops=message.hops,
        text=message.text,
        marks=message.marks,
        about=message.about,
        among=message.among,
        lots=message.lots,
        told=(RequestState.RECEIVED.value, Counts()),
        created_ms=moment.now_ms,
        updated_ms=moment.now_ms,
    )
    request = put(uow, request, moment)
    schedule(uow, request, moment)
    note(uow, company, request, "received", moment, due_ms=request.due_ms, part=_named(request))
    return request


def begin(uow: UnitOfWork, company: Company, own_id: str, moment: Moment) -> SupplyRequest:
    """Somebody of the company works at it: the asker sees that."""
    request = put(uow, step(known(uow, own_id, Side.RECEIVED), Act.BEGIN), moment)
    note(uow, company, request, "begun", moment)
    tell_progress(uow, request, moment)
    return request


def answer(
    uow: UnitOfWork, company: Company, own_id: str, given: GivenAnswer, moment: Moment
) -> SupplyRequest:
    """Answer a request, or give a new version of the answer; raises `NotFound` for an asset that is not there or hidden."""
    request = known(uow, own_id, Side.RECEIVED)
    if sum((bool(given.asset_id), given.declaration is not None, given.trace is not None)) != 1:
        raise Invalid("Answer with an asset or with a declaration.", path="asset_id")
    asset = uow.assets.asset(given.asset_id) if given.asset_id else None
    if given.asset_id and (asset is None or asset.visibility is Visibility.HIDDEN):
        raise NotFound(
            f"There is no asset {given.asset_id!r} that a partner could see; store it and offer it first.",
            id=given.asset_id,
        )
    version = request.version + 1
    answered = put(uow, msgspec.structs.replace(step(request, Act.ANSWER), version=version), moment)
    kept = KeptAnswer(
        own_id=own_id,
        version=version,
        asset_id=given.asset_id,
        declaration=given.declaration,
        trace=given.trace,
        text=given.text,
        at_ms=moment.now_ms,
    )
    uow.room(REQUESTS).put_answer(kept)
    close_date(uow, answered)
    message = Answer(
        message_id=moment.fresh_iri(),
        request_id=request.request_id,
        version=version,
        part=request.part,
        asset_id=given.asset_id,
        declaration=given.declaration,
        trace=given.trace,
        counts=request.counts.capped(),
        text=given.text,
    )
    answered = put(uow, _as_told(answered), moment)
    send(uow, answered, message, moment)
    note(uow, company, answered, "corrected" if version > 1 else "answered", moment, version=version)
    return answered


def reject(uow: UnitOfWork, company: Company, own_id: str, reason: str, moment: Moment) -> SupplyRequest:
    """Say no, with a reason that the asker reads."""
    request = known(uow, own_id, Side.RECEIVED)
    if not reason.strip():
        raise Invalid("A rejection needs a reason.", path="reason")
    rejected = put(uow, msgspec.structs.replace(step(request, Act.REJECT), reason=reason), moment)
    close_date(uow, rejected)
    message = Rejection(
        message_id=moment.fresh_iri(),
        request_id=request.request_id,
        reason=reason,
        counts=request.counts.capped(),
    )
    send(uow, rejected, message, moment)
    note(uow, company, rejected, "rejected", moment, reason=reason)
    return rejected


def withdraw(uow: UnitOfWork, company: Company, own_id: str, reason: str, moment: Moment) -> SupplyRequest:
    """Take back what was answered; a later answer is a new version."""
    request = known(uow, own_id, Side.RECEIVED)
    if not reason.strip():
        raise Invalid("A withdrawal needs a reason.", path="reason")
    withdrawn = put(uow, msgspec.structs.replace(step(request, Act.WITHDRAW), reason=reason), moment)
    mark_withdrawn(uow, own_id, request.version, moment)
    message = Withdrawal(
        message_id=moment.fresh_iri(),
        request_id=request.request_id,
        version=request.version,
        reason=reason,
    )
    send(uow, withdrawn, message, moment)
    note(uow, company, withdrawn, "withdrawn", moment, version=request.version, reason=reason)
    return withdrawn


def mark_withdrawn(uow: UnitOfWork, own_id: str, version: int, moment: Moment) -> None:
    """The versions up to this one do not count any more."""
    room = uow.room(REQUESTS)
    for kept in room.answers(own_id):
        if kept.version <= version and kept.withdrawn_ms is None:
            room.put_answer(msgspec.structs.replace(kept, withdrawn_ms=moment.now_ms))


def cancelled(
    uow: UnitOfWork, company: Company, request: SupplyRequest, text: str, moment: Moment
) -> SupplyRequest:
    """The asker wants no answer any more. What was answered or ended before stays as it is."""
    if not request.is_open:
        return request
    ended = put(uow, msgspec.structs.replace(step(request, Act.CANCEL), reason=text), moment)
    close_date(uow, ended)
    note(uow, company, ended, "cancelled", moment, reason=text)
    return ended


def asked_on(uow: UnitOfWork, company: Company, own_id: str, moment: Moment) -> SupplyRequest:
    """Our own suppliers were asked for it: the asker sees that, and how many they are."""
    request = step(known(uow, own_id, Side.RECEIVED), Act.ASK_ON)
    counts = uow.room(REQUESTS).counts_below(own_id)
    request = put(uow, msgspec.structs.replace(request, counts=counts), moment)
    note(uow, company, request, "asked-on", moment, trades=counts.trades)
    tell_progress(uow, request, moment)
    return request


def roll_up(uow: UnitOfWork, company: Company, below: SupplyRequest, moment: Moment) -> None:
    """What changed in a request of ours counts for those that it was made for, and may let a rule answer them."""
    room = uow.room(REQUESTS)
    for own_id in room.above(below.own_id):
        request = room.get(own_id)
        if request is None:
            continue
        counts = room.counts_below(own_id)
        if counts != request.counts:
            request = put(uow, msgspec.structs.replace(request, counts=counts), moment)
        if not _answers_by_rule(uow, company, request, moment):
            tell_progress(uow, request, moment)


def _answers_by_rule(uow: UnitOfWork, company: Company, request: SupplyRequest, moment: Moment) -> bool:
    """Whether the rule under which the suppliers were asked has answered now."""
    room = uow.room(REQUESTS)
    if not request.rule_id or request.state is not RequestState.ASKED_ON:
        return False
    below = room.below(request.own_id, "", MOST_BELOW_PER_PAGE_COUNT)
    rule = room.rule(request.rule_id)
    if any(child.state is not RequestState.ANSWERED for child in below):
        return False
    if rule is None or len(below) == MOST_BELOW_PER_PAGE_COUNT:
        return False
    return answer_by_rule(uow, company, request, rule.asset_id, moment)


def answer_by_rule(
    uow: UnitOfWork, company: Company, request: SupplyRequest, asset_id: str, moment: Moment
) -> bool:
    """Answer with the published asset; where it cannot be, the request waits for a person and the history says why."""
    try:
        answer(uow, company, request.own_id, GivenAnswer(asset_id=asset_id), moment)
    except (NotFound, WrongState) as problem:
        note(uow, company, request, "needs-a-person", moment, reason=problem.sentence)
        return False
    return True


def _as_told(request: SupplyRequest) -> SupplyRequest:
    return msgspec.structs.replace(request, told=(request.state.value, request.counts))


def _named(request: SupplyRequest) -> str:
    return request.part.link or request.part.part_id
