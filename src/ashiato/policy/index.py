"""What a policy can be looked up by, whom and when it may permit at all; and when to ask it again.

`audience_keys` and `window` are never too narrow: what they leave out is certainly refused. They are for
choosing rows before each is decided, not for deciding.
"""

import msgspec

from ashiato.facts.instants import Duration, add
from ashiato.policy.evaluation import decide
from ashiato.policy.odrl import Constraint, Logical, Node, Policy, Rule
from ashiato.policy.request import Request
from ashiato.policy.terms import Kind

ANY = "any"
_NEVER = (0, -1)
# More look-aheads than this cost more than asking again at a limit that turns out to change nothing.
_MAX_LOOKAHEADS = 32

Window = tuple[int | None, int | None]


def audience_keys(policy: Policy) -> frozenset[str]:
    """`{"any"}`, or `participant:<id>` for each that could be permitted; empty when nobody can be."""
    keys: set[str] = set()
    for rule in policy.permissions:
        audience = _rule_audience(rule, policy)
        if audience is None:
            return frozenset((ANY,))
        keys.update(f"participant:{participant_id}" for participant_id in audience)
    return frozenset(keys)


def window(policy: Policy) -> Window:
    """The first and the last instant at which the policy could permit, both included, None for an open end.

    A policy that can never permit has a window whose end lies before its start.
    """
    hull: Window = _NEVER
    for rule in policy.permissions:
        hull = _hull(hull, (None, None) if rule.constraint is None else _open(rule.constraint))
    return hull


def next_change_ms(policy: Policy, request: Request) -> int | None:
    """The first instant after `request.now_ms` at which a permit may turn into a denial, if time alone does that.

    Before that instant no permit is lost, everything else in `request` unchanged. The instant is exact except
    for a policy with very many limits, where it may come early: ask again then.
    """
    limits = sorted(_limits(policy, request))
    permitted = bool(limits) and decide(policy, request).permitted
    for index, limit_ms in enumerate(limits):
        if index == _MAX_LOOKAHEADS:
            return limit_ms
        later = decide(policy, msgspec.structs.replace(request, now_ms=limit_ms)).permitted
        if permitted and not later:
            return limit_ms
        permitted = later
    return None


def _rule_audience(rule: Rule, policy: Policy) -> frozenset[str] | None:
    audience = None if rule.constraint is None else _audience(rule.constraint)
    for assignee in (policy.assignee, rule.assignee):
        if assignee is not None:
            audience = _both(audience, frozenset((assignee,)))
    return audience


def _audience(node: Node) -> frozenset[str] | None:
    """Who could meet `node`; None is everybody."""
    if isinstance(node, Constraint):
        if node.kind is not Kind.PARTICIPANT or node.operator in ("neq", "isNoneOf"):
            return None
        return node.measured if isinstance(node.measured, frozenset) else frozenset()
    audiences = [_audience(operand) for operand in node.operands]
    if node.connective in ("or", "xone"):
        named = [audience for audience in audiences if audience is not None]
        return frozenset().union(*named) if len(named) == len(audiences) else None
    meeting: frozenset[str] | None = None
    for part in audiences:
        meeting = _both(meeting, part)
    return meeting


def _both(left: frozenset[str] | None, right: frozenset[str] | None) -> frozenset[str] | None:
    if left is None or right is None:
        return right if left is None else left
    return left & right


def _open(node: Node) -> Window:
    """When `node` could hold."""
    if isinstance(node, Constraint):
        if node.kind is not Kind.INSTANT:
            return (None, None)
        return _open_instant(node.operator, node.measured) if isinstance(node.measured, int) else _NEVER
    if node.connective in ("or", "xone"):
        hull: Window = _NEVER
        for operand in node.operands:
            hull = _hull(hull, _open(operand))
        return hull
    starts, ends = zip(*(_open(operand) for operand in node.operands), strict=True)
    return (
        max((start for start in starts if start is not None), default=None),
        min((end for end in ends if end is not None), default=None),
    )


def _open_instant(operator: str, bound_ms: int) -> Window:
    return {
        "lt": (None, bound_ms - 1),
        "lteq": (None, bound_ms),
        "gt": (bound_ms + 1, None),
        "gteq": (bound_ms, None),
        "eq": (bound_ms, bound_ms),
    }.get(operator, (None, None))


def _hull(left: Window, right: Window) -> Window:
    if _is_never(left) or _is_never(right):
        return right if _is_never(left) else left
    starts = (left[0], right[0])
    ends = (left[1], right[1])
    return (
        None if None in starts else min(start for start in starts if start is not None),
        None if None in ends else max(end for end in ends if end is not None),
    )


def _is_never(hull: Window) -> bool:
    return hull[0] is not None and hull[1] is not None and hull[1] < hull[0]


def _limits(policy: Policy, request: Request) -> set[int]:
    """The later instants at which any comparison with time changes its value."""
    pending: list[Node] = []
    for rule in (*policy.permissions, *policy.prohibitions, *policy.obligations):
        pending.extend(part.constraint for part in (rule, *rule.duties) if part.constraint is not None)
    limits: set[int] = set()
    while pending:
        node = pending.pop()
        if isinstance(node, Logical):
            pending.extend(node.operands)
            continue
        bound_ms = _bound_ms(node, request)
        if bound_ms is not None:
            limits.update(instant for instant in (bound_ms, bound_ms + 1) if instant > request.now_ms)
    return limits


def _bound_ms(node: Constraint, request: Request) -> int | None:
    if node.kind is Kind.INSTANT and isinstance(node.measured, int):
        return node.measured
    if isinstance(node.measured, Duration) and request.agreed_at_ms is not None:
        return add(request.agreed_at_ms, node.measured)
    return None
