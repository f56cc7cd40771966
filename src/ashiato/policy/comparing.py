"""Whether one comparison holds, with its reason, in three values.

`permits` tells a permission's condition from a prohibition's. What is only promised, what the partner's connector attests
and what is not asked yet at this point of the exchange restricts nothing here: as the condition of a permission it holds,
as that of a prohibition it does not.
"""

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ashiato.facts.decisions import Reason
from ashiato.facts.instants import Duration, Span, add
from ashiato.policy.odrl import LEVELS, Constraint, decimal, whole_number
from ashiato.policy.purposes import with_wider as wider_purposes
from ashiato.policy.regions import with_wider as wider_places
from ashiato.policy.request import Request, Side
from ashiato.policy.terms import Kind, operand
from ashiato.policy.vocabulary import Checkpoint, Enforcement

Truth = bool | None
_Told = tuple[str, str | int | tuple[str, ...]]

BEFORE_AGREEMENT = frozenset((Checkpoint.CATALOG, Checkpoint.NEGOTIATION))
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}
_ELAPSED_ORDER = {**_ORDER, "eq": operator.le}
_ANY = frozenset(("eq", "isAnyOf"))


def compare(node: Constraint, request: Request, permits: bool) -> Reason:
    """The reason of one comparison."""
    return _JUDGES[node.kind](node, request, permits)


def uses_count(request: Request) -> int:
    """The uses so far; a read that asks for one counts it with."""
    return request.uses_count + 1 if request.checkpoint is Checkpoint.READ else request.uses_count


def _participant(node: Constraint, request: Request, permits: bool) -> Reason:
    measured = node.measured
    if not isinstance(measured, frozenset):
        return _unreadable(node)
    held = (request.participant_id in measured) is (node.comparison in _ANY)
    return _told("constraint", node, held, ("actual", request.participant_id))


def _instant(node: Constraint, request: Request, permits: bool) -> Reason:
    measured = node.measured
    now_ms = request.now_ms
    if isinstance(measured, int):
        return _told("instant", node, _ORDER[node.comparison](now_ms, measured), ("actual_ms", now_ms))
    if not isinstance(measured, Span):
        return _unreadable(node)
    held = _span_holds(node.comparison, now_ms, measured)
    if held is None:
        return Reason("zone_missing", node.path, None, (), (*node.fields, ("actual_ms", now_ms)))
    return _told("instant", node, held, ("actual_ms", now_ms))


def _span_holds(comparison: str, now_ms: int, span: Span) -> Truth:
    """A date is reached with its first instant and over after its last; within the slack nothing can be said."""
    if comparison in ("eq", "neq"):
        begun, over = _reached(now_ms, span.first_ms, span), _reached(now_ms, span.last_ms + 1, span)
        if begun is False or over is True:
            return comparison == "neq"
        return None if begun is None or over is None else comparison == "eq"
    edge_ms = span.first_ms if comparison in ("lt", "gteq") else span.last_ms + 1
    reached = _reached(now_ms, edge_ms, span)
    return reached if reached is None or comparison in ("gt", "gteq") else not reached


def _reached(now_ms: int, edge_ms: int, span: Span) -> Truth:
    if now_ms >= edge_ms + span.slack_ms:
        return True
    return False if now_ms < edge_ms - span.slack_ms else None


def _elapsed(node: Constraint, request: Request, permits: bool) -> Reason:
    measured = node.measured
    if not isinstance(measured, Duration):
        return _unreadable(node)
    agreed_at_ms = request.agreed_at_ms
    if agreed_at_ms is None:
        early = request.checkpoint in BEFORE_AGREEMENT
        code = "before_agreement" if early else "agreement_missing"
        return Reason(code, node.path, permits if early else None, (), node.fields)
    held = _ELAPSED_ORDER[node.comparison](request.now_ms, add(agreed_at_ms, measured))
    return _told("instant", node, held, ("actual_ms", request.now_ms))


def _count(node: Constraint, request: Request, permits: bool) -> Reason:
    measured = node.measured
    if not isinstance(measured, int):
        return _unreadable(node)
    if request.checkpoint in BEFORE_AGREEMENT:
        return Reason("before_agreement", node.path, permits, (), node.fields)
    uses = uses_count(request)
    return _told("constraint", node, _ORDER[node.comparison](uses, measured), ("actual", uses))


def _claim(node: Constraint, request: Request, permits: bool) -> Reason:
    claims = request.claims
    for name in node.claims:
        actual = claims.get(name)
        if actual is not None:
            return _set(node, actual)
    return Reason("left_operand_unknown", node.path, None, (), node.fields)


def _set(node: Constraint, actual: frozenset[str]) -> Reason:
    measured = node.measured
    if not isinstance(measured, frozenset):
        return _unreadable(node)
    told = ("actual", tuple(sorted(actual)))
    held = _holds(node.comparison, actual, measured)
    if held is None:
        return Reason("claim_incomparable", node.path, None, (), (*node.fields, told))
    return _told("constraint", node, held, told)


def _holds(comparison: str, actual: frozenset[str], right: frozenset[str]) -> Truth:
    """`eq` is met when one of the values is the right operand; only single whole numbers are ordered."""
    if comparison in ("eq", "neq"):
        if len(right) != 1:
            return None
        return (right <= actual) is (comparison == "eq")
    if comparison == "isAnyOf":
        return not actual.isdisjoint(right)
    if comparison == "isNoneOf":
        return actual.isdisjoint(right)
    if comparison == "isAllOf":
        return right <= actual
    order = _ORDER.get(comparison)
    if order is None or len(actual) != 1 or len(right) != 1:
        return None
    mine, bound = whole_number(*actual), whole_number(*right)
    return None if mine is None or bound is None else order(mine, bound)


def _level(node: Constraint, request: Request, permits: bool) -> Reason:
    actual = request.claims.get(node.claims[0])
    if actual is None:
        return Reason("left_operand_unknown", node.path, None, (), node.fields)
    measured = node.measured
    if not isinstance(measured, frozenset):
        return _unreadable(node)
    # Who reached a level holds the lower ones too, so "eq" is "at least".
    reached = max((LEVELS.index(level) for level in actual if level in LEVELS), default=-1)
    told = ("actual", tuple(sorted(actual)))
    ranks = [LEVELS.index(level) for level in measured]
    if node.comparison in ("eq", "isAnyOf", "neq", "isNoneOf"):
        held = (bool(ranks) and reached >= min(ranks)) is (node.comparison in _ANY)
    else:
        held = _ORDER[node.comparison](reached, ranks[0])
    return _told("constraint", node, held, told)


def _fact(node: Constraint, request: Request, permits: bool) -> Reason:
    actual = request.facts.get(node.fact)
    return _absent(node, request, permits) if actual is None else _set(node, actual)


def _application(node: Constraint, request: Request, permits: bool) -> Reason:
    return _each(node, request, permits, _alone)


def _purpose(node: Constraint, request: Request, permits: bool) -> Reason:
    return _each(node, request, permits, wider_purposes)


def _location(node: Constraint, request: Request, permits: bool) -> Reason:
    return _each(node, request, permits, lambda place: wider_places(place, request.now_ms))


def _alone(value: str) -> frozenset[str]:
    return frozenset((value,))


def _each(
    node: Constraint, request: Request, permits: bool, widened: Callable[[str], frozenset[str]]
) -> Reason:
    """Of several values a permission must fit every one, and a prohibition is met by any one."""
    actual = request.claims.get(node.claims[0]) if node.claims else request.facts.get(node.fact)
    if actual is None:
        return _absent(node, request, permits)
    measured = node.measured
    if not isinstance(measured, frozenset):
        return _unreadable(node)
    told = ("actual", tuple(sorted(actual)))
    comparison = node.comparison
    if comparison == "isAllOf":
        held = measured <= frozenset().union(*(widened(value) for value in actual))
        return _told("constraint", node, held, told)
    wanted = comparison in _ANY
    fits = [widened(value).isdisjoint(measured) is not wanted for value in actual]
    held = (not wanted) if not fits else all(fits) if permits else any(fits)
    return _told("constraint", node, held, told)


def _quantity(node: Constraint, request: Request, permits: bool) -> Reason:
    actual = request.facts.get(node.fact)
    if actual is None:
        return _absent(node, request, permits)
    measured = node.measured
    if not isinstance(measured, Decimal):
        return _unreadable(node)
    told = ("actual", tuple(sorted(actual)))
    number = decimal(*actual) if len(actual) == 1 else None
    if number is None:
        return Reason("claim_incomparable", node.path, None, (), (*node.fields, told))
    return _told("constraint", node, _ORDER[node.comparison](number, measured), told)


def _absent(node: Constraint, request: Request, permits: bool) -> Reason:
    if node.measured is None:
        return _unreadable(node)
    if node.claims:
        return Reason("left_operand_unknown", node.path, None, (), node.fields)
    if node.enforcement is Enforcement.ATTESTED and request.side is Side.PROVIDER:
        return Reason("left_to_partner", node.path, permits, (), node.fields)
    if request.checkpoint not in node.checkpoints:
        return Reason("not_asked_yet", node.path, permits, (), node.fields)
    return Reason("fact_unknown", node.path, None, (), node.fields)


def _promise(node: Constraint, request: Request, permits: bool) -> Reason:
    if node.measured is None:
        return _unreadable(node)
    code = "promised" if node.enforcement is Enforcement.CONTRACTUAL else "left_to_partner"
    return Reason(code, node.path, permits, (), node.fields)


def _description(node: Constraint, request: Request, permits: bool) -> Reason:
    return Reason("no_condition", node.path, None, (), node.fields)


def _unreadable(node: Constraint) -> Reason:
    known = operand(node.left_operand)
    fits = known is None or node.operator in known.operators
    code = "right_operand_unreadable" if fits else "operator_unsupported"
    return Reason(code, node.path, None, (), node.fields)


def _told(code: str, node: Constraint, held: bool, actual: _Told) -> Reason:
    return Reason(code + ("_holds" if held else "_fails"), node.path, held, (), (*node.fields, actual))


_JUDGES: Mapping[Kind | None, Callable[[Constraint, Request, bool], Reason]] = {
    None: _claim,
    Kind.CLAIM: _claim,
    Kind.PARTICIPANT: _participant,
    Kind.INSTANT: _instant,
    Kind.ELAPSED: _elapsed,
    Kind.COUNT: _count,
    Kind.LEVEL: _level,
    Kind.LOCATION: _location,
    Kind.PURPOSE: _purpose,
    Kind.APPLICATION: _application,
    Kind.FACT: _fact,
    Kind.QUANTITY: _quantity,
    Kind.PROMISE: _promise,
    Kind.DESCRIPTION: _description,
}
