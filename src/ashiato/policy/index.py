"""What a policy can be looked up by, whom and when it may permit at all; and when to ask it again.

`audience_keys` and `window` are never too narrow: what they leave out is certainly refused. They are for
choosing rows before each is decided, not for deciding.
"""

from collections.abc import Mapping

import msgspec

from ashiato.facts.instants import Duration, Span, add
from ashiato.policy.evaluation import decide
from ashiato.policy.odrl import LEVELS, Constraint, Logical, Node, Policy, Rule
from ashiato.policy.request import Request
from ashiato.policy.terms import Kind

ANY = "any"
_PARTICIPANT = "participant:"
_MAX_KEY_CHARS = 512
_NEVER = (0, -1)
# The comparisons that only somebody can meet who holds one of the values, or a level above them.
_NEEDS_ONE = {
    Kind.CLAIM: frozenset(("eq", "isAnyOf")),
    Kind.LEVEL: frozenset(("eq", "isAnyOf", "gteq", "gt")),
}
# More look-aheads than this cost more than asking again at a limit that turns out to change nothing.
_MAX_LOOKAHEADS = 32

Window = tuple[int | None, int | None]


def audience_keys(policy: Policy) -> frozenset[str]:
    """`{"any"}`, or keys of which everybody who could be permitted has at least one; empty when nobody can be.

    A participant has the keys of `keys_of`: its own name and one for each value of each verified claim.
    """
    keys: set[str] = set()
    for rule in policy.permissions:
        audience = _rule_audience(rule, policy)
        if audience is None:
            return frozenset((ANY,))
        keys.update(audience)
    return frozenset(keys)


def keys_of(participant_id: str, claims: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The keys under which a participant with these verified claims is looked up, without order or repetition."""
    held = {claim_key(name, value) for name, values in claims.items() for value in values}
    return (ANY, _participant_key(participant_id), *sorted(held))


def claim_key(name: str, value: str) -> str:
    """`claim:<name>=<value>`; a long value is cut, which only makes the key less selective."""
    return f"claim:{name}={value}"[:_MAX_KEY_CHARS]


def _participant_key(participant_id: str) -> str:
    return f"{_PARTICIPANT}{participant_id}"


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
            audience = _both(audience, frozenset((_participant_key(assignee),)))
    return audience


def _audience(node: Node) -> frozenset[str] | None:
    """Keys of which whoever meets `node` has one; None is everybody."""
    if isinstance(node, Constraint):
        return _atom_audience(node)
    audiences = [_audience(operand) for operand in node.operands]
    if node.connective in ("or", "xone"):
        named = [audience for audience in audiences if audience is not None]
        return frozenset().union(*named) if len(named) == len(audiences) else None
    meeting: frozenset[str] | None = None
    for part in audiences:
        meeting = _both(meeting, part)
    return meeting


def _atom_audience(node: Constraint) -> frozenset[str] | None:
    if node.kind not in (Kind.PARTICIPANT, Kind.CLAIM, Kind.LEVEL):
        return None
    if not isinstance(node.measured, frozenset):
        return frozenset()
    if node.kind is Kind.PARTICIPANT:
        return (
            frozenset(map(_participant_key, node.measured)) if node.comparison in ("eq", "isAnyOf") else None
        )
    wanted = node.measured
    if node.comparison == "isAllOf":
        # Whoever holds all of them holds the first; an empty list is met by everybody who has the claim.
        wanted = frozenset(sorted(wanted)[:1])
        if not wanted:
            return None
    elif node.comparison not in _NEEDS_ONE[node.kind]:
        return None
    if node.kind is Kind.LEVEL:
        lowest = min((LEVELS.index(level) for level in wanted), default=len(LEVELS))
        wanted = frozenset(LEVELS[lowest + (node.comparison == "gt") :])
    return frozenset(claim_key(name, value) for name in node.claims for value in wanted)


def _both(left: frozenset[str] | None, right: frozenset[str] | None) -> frozenset[str] | None:
    """Keys for who needs one of each: two lists of names are cut down to their common ones, else the better list counts."""
    if left is None or right is None:
        return right if left is None else left
    of_names = [all(key.startswith(_PARTICIPANT) for key in keys) for keys in (left, right)]
    if all(of_names):
        return left & right
    if any(of_names):
        return left if of_names[0] else right
    return min(left, right, key=len)


def _open(node: Node) -> Window:
    """When `node` could hold."""
    if isinstance(node, Constraint):
        if node.kind is not Kind.INSTANT:
            return (None, None)
        measured = node.measured
        if isinstance(measured, int):
            measured = Span(measured, measured)
        return _open_instant(node.comparison, measured) if isinstance(measured, Span) else _NEVER
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


def _open_instant(comparison: str, span: Span) -> Window:
    first_ms, last_ms, slack_ms = span.first_ms, span.last_ms, span.slack_ms
    return {
        "lt": (None, first_ms + slack_ms - 1),
        "lteq": (None, last_ms + slack_ms),
        "gt": (last_ms - slack_ms + 1, None),
        "gteq": (first_ms - slack_ms, None),
        "eq": (first_ms - slack_ms, last_ms + slack_ms),
    }.get(comparison, (None, None))


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
        for bound_ms in _bounds_ms(node, request):
            limits.update(instant for instant in (bound_ms, bound_ms + 1) if instant > request.now_ms)
    return limits


def _bounds_ms(node: Constraint, request: Request) -> tuple[int, ...]:
    measured = node.measured
    if isinstance(measured, Span):
        slack_ms = measured.slack_ms
        edges = (measured.first_ms, measured.last_ms)
        return tuple(edge_ms + shift_ms for edge_ms in edges for shift_ms in (-slack_ms, slack_ms))
    if node.kind is Kind.INSTANT and isinstance(measured, int):
        return (measured,)
    if node.kind is Kind.ELAPSED and isinstance(measured, Duration) and request.agreed_at_ms is not None:
        return (add(request.agreed_at_ms, measured),)
    return ()
