"""Rules by which requests are answered without a person."""

import msgspec

from ashiato.connector.company import Company
from ashiato.connector.offers import check_id
from ashiato.connector.offers import note as note_of_owner
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, Problem
from ashiato.connector.records import Visibility
from ashiato.supply import answering, asking
from ashiato.supply.offering import ensure_open
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import AnswerRule, SupplyRequest
from ashiato.supply.telling import note, put
from ashiato.supply.trace_rights import TRACE_ITEMS


def put_rule(uow: UnitOfWork, rule: AnswerRule, moment: Moment) -> AnswerRule:
    """Create or replace a rule; raises `Invalid` where no partner could see its answer."""
    check_id("rule", rule.rule_id)
    asset = uow.assets.asset(rule.asset_id) if rule.asset_id else None
    is_there = asset is not None and asset.visibility is not Visibility.HIDDEN
    if is_there is (rule.data_item in TRACE_ITEMS):
        raise Invalid(
            f"A rule names an asset that a partner can see, and only one for {', '.join(sorted(TRACE_ITEMS))} names none.",
            path="asset_id",
        )
    if rule.names and rule.data_item not in TRACE_ITEMS:
        raise Invalid("Only a trace names things or does not.", path="names")
    if any(wanted.partner == uow.participant_id for wanted in rule.ask_on):
        raise Invalid("A company does not ask itself.", path="ask_on")
    room = uow.room(REQUESTS)
    other = room.rule_for_exactly(rule.data_item, rule.part_id)
    if other is not None and other.rule_id != rule.rule_id:
        raise Invalid(f"The rule {other.rule_id!r} answers this already.", path="part_id")
    rule = msgspec.structs.replace(rule, created_ms=moment.now_ms)
    room.put_rule(rule)
    note_of_owner(uow, moment, "request-rule.stored", rule.rule_id, {"asset_id": rule.asset_id})
    return rule


def rule_of(uow: UnitOfWork, rule_id: str) -> AnswerRule:
    """The rule with that id; raises `NotFound`."""
    rule = uow.room(REQUESTS).rule(rule_id)
    if rule is None:
        raise NotFound(f"There is no rule {rule_id!r}.", id=rule_id)
    return rule


def delete_rule(uow: UnitOfWork, rule_id: str, moment: Moment) -> None:
    """Answer no more by this rule; requests that wait for suppliers under it are left to a person."""
    if not uow.room(REQUESTS).delete_rule(rule_id):
        raise NotFound(f"There is no rule {rule_id!r}.", id=rule_id)
    note_of_owner(uow, moment, "request-rule.withdrawn", rule_id, {})


def answer_if_ruled(
    uow: UnitOfWork, company: Company, request: SupplyRequest, own_part_id: str, moment: Moment
) -> None:
    """Answer a request that just came in about that part of ours, or ask the suppliers that the rule names."""
    room = uow.room(REQUESTS)
    exact = room.rule_for_exactly(request.data_item, own_part_id) if own_part_id else None
    rule = exact or room.rule_for_exactly(request.data_item, "")
    if rule is None or not rule.answers(request.peer_id):
        return
    if not rule.ask_on:
        answering.answer_by_rule(uow, company, request, rule.asset_id, moment)
        return
    request = put(uow, msgspec.structs.replace(request, rule_id=rule.rule_id), moment)
    terms = asking.Terms(data_item=request.data_item, due_ms=request.due_ms, hops=max(request.hops - 1, 0))
    try:
        ensure_open(uow, moment)
        asked = asking.ask(uow, company, rule.ask_on, terms, moment, above_id=request.own_id)
    except Problem as problem:
        note(uow, company, request, "needs-a-person", moment, reason=problem.sentence)
        return
    # Suppliers that were asked in this tree before may all have answered by now.
    answering.roll_up(uow, company, asked[0], moment)
