"""Whether a policy permits a request, with every reason; and what of it this node would not hold.

Three values: a condition holds, does not hold, or cannot be known here (Kleene's logic). Only what holds
grants, only what certainly does not hold spares from a prohibition, and a policy that grants nothing permits
nothing. An unknown left operand, an operator that does not fit and a right operand that cannot be read are
"cannot be known"; a verified claim with the name of an unknown left operand is compared with it.

Where ODRL 2.2 leaves room or is left on purpose:

- A silent `conflict` means `prohibit` (ODRL: `invalid`). With `perm` a permission that applies wins over any
  prohibition. With `invalid` the policy is void for a request when a permission holds and a prohibition about
  an overlapping action is not certainly spared.
- A prohibition of an action that is not in the vocabulary may cover what is asked, and so cannot be judged. A
  prohibition to read stands against a request to use, because use begins with reading here.
- `andSequence` is judged like `and`: one instant has no order.
- `count` is the number of uses. At READ the use that is asked for is counted with, so `lteq 3` permits three;
  elsewhere the number is taken as given.
- `elapsedTime` counts from the agreement, which both parties know (ODRL: from the first use); `eq` means
  within the time, as in ODRL's example. Before an agreement exists (CATALOG, NEGOTIATION) it restricts
  nothing: the condition of a permission holds and that of a prohibition does not. Later a missing date cannot
  be known.
- A permission's duty does not have to be done first; it must still be possible. Obligations never stand in
  the way while they are understood. Duties of a permit are returned as pending.
"""

import operator
from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from ashiato.facts.decisions import Decision, Reason
from ashiato.facts.instants import Duration, add
from ashiato.policy.odrl import Constraint, Logical, Node, Policy, Rule, whole_number
from ashiato.policy.vocabulary import (
    DUTY_ACTIONS,
    LEFT_OPERANDS,
    Enforcement,
    Kind,
    bars,
    covers,
    is_known_action,
    overlap,
    prohibition_enforcement,
)

Truth = bool | None


class Checkpoint(StrEnum):
    """Where in an exchange the policy is asked: READ counts a use, RUNNING re-checks one already counted."""

    CATALOG = "catalog"
    NEGOTIATION = "negotiation"
    TRANSFER = "transfer"
    READ = "read"
    RUNNING = "running"


class Request(msgspec.Struct, frozen=True):
    """Who asks for what and when.

    `action` is a short name (`read` is covered by permissions to read and to use). `claims` are verified by
    the caller; a claim holds all values of its name.
    """

    checkpoint: Checkpoint
    action: str
    participant_id: str
    now_ms: int
    agreed_at_ms: int | None = None
    uses_count: int = 0
    claims: Mapping[str, frozenset[str]] = {}


_BEFORE_AGREEMENT = frozenset((Checkpoint.CATALOG, Checkpoint.NEGOTIATION))
_NOT_UNDERSTOOD = frozenset(("duty_unknown", "duty_unclear"))
_ORDER: Mapping[str, Callable[[int, int], bool]] = {
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}
_ELAPSED_ORDER: Mapping[str, Callable[[int, int], bool]] = {**_ORDER, "eq": operator.le}


def decide(policy: Policy, request: Request) -> Decision:
    """The decision for `request`; linear in the size of the policy, unless its conflict strategy is `invalid`."""
    if not policy.permissions:
        code = "no_permission" if policy.prohibitions or policy.obligations else "policy_empty"
        return Decision(False, (Reason(code, "permission", False),))
    refusals: list[Reason] = []
    granted: Reason | None = None
    duties: tuple[Rule, ...] = ()
    for rule in policy.permissions:
        reason = _permission(rule, policy, request)
        if reason.satisfied:
            granted, duties = reason, rule.duties
            break
        refusals.append(reason)
    forbidden = _forbidden(policy, request)
    if granted is None:
        return Decision(False, (*refusals, *forbidden))
    if forbidden and policy.conflict != "perm":
        return Decision(False, tuple(forbidden))
    # Unknown prohibited actions have denied above; left are known ones that this request does not ask for.
    if policy.conflict == "invalid" and (void := _void(policy, request)) is not None:
        return Decision(False, (void,))
    owed = [_duty(duty, request) for duty in policy.obligations]
    refused = tuple(reason for reason in owed if reason.code in _NOT_UNDERSTOOD)
    if refused:
        return Decision(False, refused)
    return Decision(True, (granted,), (*(_duty(duty, request) for duty in duties), *owed))


def _forbidden(policy: Policy, request: Request) -> list[Reason]:
    """The prohibitions that apply to the request or could."""
    judged = (
        _prohibition(rule, policy, request, bars(rule.action, request.action)) for rule in policy.prohibitions
    )
    return [reason for reason in judged if reason is not None]


def _permission(rule: Rule, policy: Policy, request: Request) -> Reason:
    if covers(rule.action, request.action):
        return _grant(rule, policy, request)
    fields = (("action", rule.action), ("requested", request.action))
    return Reason("permission_action", rule.path, False, (), fields)


def _grant(rule: Rule, policy: Policy, request: Request) -> Reason:
    """Whether the permission applies, its action aside."""
    stranger = _stranger(rule, policy, request)
    if stranger is not None:
        addressed = (("assignee", stranger), ("participant", request.participant_id))
        return Reason("permission_assignee", rule.path, False, (), addressed)
    fields = (("action", rule.action),)
    children: tuple[Reason, ...] = ()
    if rule.constraint is not None:
        condition = _weigh(rule.constraint, request, True)
        children = (condition,)
        if not condition.satisfied:
            return Reason("permission_constraint", rule.path, condition.satisfied, children, fields)
    if rule.duties:
        owed = [_duty(duty, request) for duty in rule.duties]
        hindered = tuple(reason for reason in owed if reason.code != "duty_pending")
        if hindered:
            return Reason("permission_duty", rule.path, False, hindered, fields)
    return Reason("permission_applies", rule.path, True, children, fields)


def _prohibition(rule: Rule, policy: Policy, request: Request, barred: Truth) -> Reason | None:
    """The prohibition when it applies or could; `barred` tells whether its action does (see `bars`)."""
    if barred is False or _stranger(rule, policy, request) is not None:
        return None
    applies: Truth = barred
    children: tuple[Reason, ...] = ()
    if rule.constraint is not None:
        condition = _weigh(rule.constraint, request, False)
        children = (condition,)
        applies = _combine("and", [barred, condition.satisfied])
    if applies is False:
        return None
    code = "prohibition_applies" if applies else "prohibition_unclear"
    return Reason(code, rule.path, applies, children, (("action", rule.action),))


def _void(policy: Policy, request: Request) -> Reason | None:
    """Why the policy contradicts itself now for this participant, whatever action is asked for."""
    granted = {rule.action for rule in policy.permissions if _grant(rule, policy, request).satisfied}
    for rule in policy.prohibitions:
        if not any(overlap(action, rule.action) for action in granted):
            continue
        barred = _prohibition(rule, policy, request, True)
        if barred is not None:
            return Reason("policy_void", rule.path, True, (barred,))
    return None


def _stranger(rule: Rule, policy: Policy, request: Request) -> str | None:
    """The party whom the rule addresses when it is not the one who asks."""
    for assignee in (policy.assignee, rule.assignee):
        if assignee is not None and assignee != request.participant_id:
            return assignee
    return None


def _duty(rule: Rule, request: Request) -> Reason:
    fields = (("action", rule.action),)
    if rule.action not in DUTY_ACTIONS:
        return Reason("duty_unknown", rule.path, None, (), fields)
    if rule.constraint is None:
        return Reason("duty_pending", rule.path, None, (), fields)
    condition = _weigh(rule.constraint, request, True)
    if _has_unknown(condition):
        return Reason("duty_unclear", rule.path, None, (condition,), fields)
    code = "duty_impossible" if _reachable(rule.constraint, request) is False else "duty_pending"
    return Reason(code, rule.path, None, (condition,), fields)


def _has_unknown(reason: Reason) -> bool:
    if reason.children:
        return any(_has_unknown(child) for child in reason.children)
    return reason.satisfied is None


def _reachable(node: Node, request: Request) -> Truth:
    """False when `node` does not hold and never will; what time or further uses may change is None."""
    if isinstance(node, Logical):
        return _combine(node.connective, [_reachable(operand, request) for operand in node.operands])
    measured = node.measured
    settled = True
    if isinstance(measured, Duration):
        agreed_at_ms = request.agreed_at_ms
        settled = agreed_at_ms is not None and _settled(
            node.operator, request.now_ms, add(agreed_at_ms, measured)
        )
    elif isinstance(measured, int):
        actual = request.now_ms if node.kind is Kind.INSTANT else _uses_count(request)
        settled = _settled(node.operator, actual, measured)
    return _weigh(node, request, True).satisfied if settled else None


def _settled(comparison: str, actual: int, bound: int) -> bool:
    """Whether the comparison keeps its value while `actual` only grows."""
    return actual >= bound if comparison in ("lt", "gteq") else actual > bound


def _weigh(node: Node, request: Request, permits: bool) -> Reason:
    """The truth of `node` with its reasons; `permits` tells a permission's condition from a prohibition's."""
    if isinstance(node, Constraint):
        return _compare(node, request, permits)
    children = tuple([_weigh(operand, request, permits) for operand in node.operands])
    truth = _combine(node.connective, [child.satisfied for child in children])
    return Reason(node.connective, node.path, truth, children)


def _combine(connective: str, truths: list[Truth]) -> Truth:
    if connective == "or":
        return True if True in truths else None if None in truths else False
    if connective == "xone":
        held = truths.count(True)
        return False if held > 1 else None if None in truths else held == 1
    return False if False in truths else None if None in truths else True


def _compare(node: Constraint, request: Request, permits: bool) -> Reason:
    kind = node.kind
    measured = node.measured
    if kind is None:
        return _compare_claim(node, request)
    if measured is None:
        code = "right_operand_unreadable" if _fits(node) else "operator_unsupported"
        return Reason(code, node.path, None, (), node.fields)
    if isinstance(measured, frozenset):
        inside = request.participant_id in measured
        held = inside if node.operator in ("eq", "isAnyOf") else not inside
        return _told("constraint", node, held, ("actual", request.participant_id))
    if isinstance(measured, Duration):
        agreed_at_ms = request.agreed_at_ms
        if agreed_at_ms is None:
            early = request.checkpoint in _BEFORE_AGREEMENT
            code = "before_agreement" if early else "agreement_missing"
            return Reason(code, node.path, permits if early else None, (), node.fields)
        held = _ELAPSED_ORDER[node.operator](request.now_ms, add(agreed_at_ms, measured))
        return _told("instant", node, held, ("actual_ms", request.now_ms))
    if kind is Kind.INSTANT:
        held = _ORDER[node.operator](request.now_ms, measured)
        return _told("instant", node, held, ("actual_ms", request.now_ms))
    uses_count = _uses_count(request)
    return _told("constraint", node, _ORDER[node.operator](uses_count, measured), ("actual", uses_count))


def _uses_count(request: Request) -> int:
    return request.uses_count + 1 if request.checkpoint is Checkpoint.READ else request.uses_count


def _told(code: str, node: Constraint, held: bool, actual: tuple[str, str | int | tuple[str, ...]]) -> Reason:
    outcome = "_holds" if held else "_fails"
    return Reason(code + outcome, node.path, held, (), (*node.fields, actual))


def _fits(node: Constraint) -> bool:
    known = LEFT_OPERANDS.get(node.left_operand)
    return known is not None and node.operator in known.operators


def _compare_claim(node: Constraint, request: Request) -> Reason:
    claim = request.claims.get(node.left_operand)
    if claim is None:
        return Reason("left_operand_unknown", node.path, None, (), node.fields)
    if node.right_operand is None:
        return Reason("right_operand_unreadable", node.path, None, (), node.fields)
    right = frozenset((node.right_operand,) if isinstance(node.right_operand, str) else node.right_operand)
    held = _claim_holds(node.operator, claim, right)
    actual = ("actual", tuple(sorted(claim)))
    if held is None:
        return Reason("claim_incomparable", node.path, None, (), (*node.fields, actual))
    return _told("constraint", node, held, actual)


def _claim_holds(comparison: str, claim: frozenset[str], right: frozenset[str]) -> Truth:
    """A claim meets `eq` when one of its values is the right operand; only single whole numbers are ordered."""
    if comparison in ("eq", "neq"):
        if len(right) != 1:
            return None
        return (right <= claim) is (comparison == "eq")
    if comparison == "isAnyOf":
        return not claim.isdisjoint(right)
    if comparison == "isNoneOf":
        return claim.isdisjoint(right)
    if comparison == "isAllOf":
        return right <= claim
    order = _ORDER.get(comparison)
    if order is None or len(claim) != 1 or len(right) != 1:
        return None
    mine, bound = whole_number(*claim), whole_number(*right)
    return None if mine is None or bound is None else order(mine, bound)


def unenforceable(policy: Policy) -> tuple[Reason, ...]:
    """Each constraint, duty and prohibition that this process does not enforce itself, in the policy's order.

    Empty means that everything the owner wrote is held. Listed are unknown left operands, operators and right
    operands that cannot be judged, every duty whose action is not enforced, prohibitions of what happens at
    the partner's, unknown actions, and `remedy` or `consequence`.
    """
    found: list[Reason] = []
    for rule in policy.permissions:
        if not is_known_action(rule.action):
            found.append(_gap("not_enforced_action", rule.path, action=rule.action))
        found.extend(_rule_gaps(rule))
    for rule in policy.prohibitions:
        if not is_known_action(rule.action):
            found.append(_gap("not_enforced_action", rule.path, action=rule.action))
        elif prohibition_enforcement(rule.action) is not Enforcement.ENFORCED:
            found.append(_gap("not_enforced_prohibition", rule.path, action=rule.action))
        found.extend(_rule_gaps(rule))
    for rule in policy.obligations:
        found.extend(_duty_gaps(rule))
    return tuple(found)


def _duty_gaps(rule: Rule) -> list[Reason]:
    if DUTY_ACTIONS.get(rule.action) is Enforcement.ENFORCED:
        return _rule_gaps(rule)
    return [_gap("not_enforced_duty", rule.path, action=rule.action), *_rule_gaps(rule)]


def _rule_gaps(rule: Rule) -> list[Reason]:
    found = [] if rule.constraint is None else _constraint_gaps(rule.constraint)
    for duty in rule.duties:
        found.extend(_duty_gaps(duty))
    found.extend(_gap("not_enforced_term", rule.path, term=name) for name in rule.unread)
    return found


def _constraint_gaps(node: Node) -> list[Reason]:
    if not isinstance(node, Constraint):
        return [reason for operand in node.operands for reason in _constraint_gaps(operand)]
    known = LEFT_OPERANDS.get(node.left_operand)
    if known is None or known.enforcement is not Enforcement.ENFORCED:
        return [_gap("not_enforced_left_operand", node.path, left=node.left_operand)]
    if node.operator not in known.operators:
        return [_gap("operator_unsupported", node.path, left=node.left_operand, operator=node.operator)]
    if node.measured is None:
        return [_gap("right_operand_unreadable", node.path, left=node.left_operand, operator=node.operator)]
    return []


def _gap(code: str, path: str, **fields: str) -> Reason:
    return Reason(code, path, False, (), tuple(fields.items()))
