"""Whether a policy permits a request, with every reason.

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
  elsewhere the number is taken as given. Like elapsed time it restricts nothing before an agreement exists.
- `elapsedTime` counts from the agreement, which both parties know (ODRL: from the first use); `eq` means
  within the time, as in ODRL's example. Before an agreement exists (CATALOG, NEGOTIATION) it restricts
  nothing: the condition of a permission holds and that of a prohibition does not. Later a missing date cannot
  be known.
- A duty of a permission that comes first (`DutyAction.first`, or `event lt policyUsage`) must be known to be fulfilled where
  it is held: an enforced one at the provider, an attested one in the partner's vault. A change of the data on its way out
  (`anonymize`) must be announced by whoever makes it: a request that does not say so in `duties` is refused. Every other
  duty does not have to be done first; its time must not be over, and it must not have been violated. One whose conditions do
  not hold is not owed (W3C's formal semantics, example C2).
- Obligations of the policy never stand in the way while they are understood, except Catena-X's obligation to use, which limits
  how long data is provided. Duties of a permit are returned.
"""

from ashiato.facts.decisions import Decision, Reason
from ashiato.facts.instants import Duration, Span, add
from ashiato.policy.comparing import BEFORE_AGREEMENT, Truth, compare, uses_count
from ashiato.policy.labels import unenforceable
from ashiato.policy.odrl import Constraint, Logical, Node, Policy, Rule, is_before_use
from ashiato.policy.request import DutyState, Request, Side
from ashiato.policy.terms import DutyAction, Kind, duty_action
from ashiato.policy.transformations import is_described
from ashiato.policy.vocabulary import Checkpoint, Enforcement, bars, covers, overlap

__all__ = ["Checkpoint", "DutyState", "Request", "Side", "decide", "unenforceable"]

_NOT_UNDERSTOOD = frozenset(("duty_unknown", "duty_unclear", "duty_undescribed", "provision_over"))
_KNOWN_TO_PROVIDER = frozenset(("duty_unfulfilled", "duty_unapplied"))
_HINDERS = _NOT_UNDERSTOOD | _KNOWN_TO_PROVIDER | {"duty_impossible", "duty_violated"}
_IN_USE = (Checkpoint.READ, Checkpoint.RUNNING)


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
        hindered = tuple(reason for reason in owed if reason.code in _HINDERS)
        if hindered:
            # Only the provider knows what was done first, so for others the answer stays open.
            is_open = all(reason.code in _KNOWN_TO_PROVIDER for reason in hindered)
            return Reason("permission_duty", rule.path, None if is_open else False, hindered, fields)
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
    """How the duty stands; `satisfied` is True once it is fulfilled and False once it was not or an end was reached."""
    in_permission = rule.path.startswith("permission[")
    known = duty_action(rule.action, in_permission=in_permission)
    fields = (("action", rule.action),)
    if known is None:
        return Reason("duty_unknown", rule.path, None, (), fields)
    if not is_described(rule):
        return Reason("duty_undescribed", rule.path, None, (), fields)
    state = request.duties.get(rule.path)
    is_change = in_permission and rule.action == "anonymize"
    if state is not None and not is_change:
        code, done = ("duty_fulfilled", True) if state is DutyState.FULFILLED else ("duty_violated", False)
        return Reason(code, rule.path, done, (), fields)
    comes_first = known.first or any(is_before_use(leaf) for leaf in rule.description)
    children: tuple[Reason, ...] = ()
    if rule.constraint is not None:
        condition = _weigh(rule.constraint, request, True)
        children = (condition,)
        if _has_unknown(condition):
            return Reason("duty_unclear", rule.path, None, children, fields)
        if rule.action == "use" and not in_permission:
            # Catena-X writes so until when its provider hands data out.
            code = "duty_pending" if condition.satisfied else "provision_over"
            return Reason(code, rule.path, condition.satisfied and None, children, fields)
        if not is_change and _reachable(rule.constraint, request, timed_only=True) is False:
            return Reason("duty_impossible", rule.path, None, children, fields)
        if condition.satisfied is False and (
            comes_first or is_change or _reachable(rule.constraint, request, timed_only=False) is False
        ):
            return Reason("duty_not_owed", rule.path, None, children, fields)
    if is_change and state is DutyState.FULFILLED:
        return Reason("duty_fulfilled", rule.path, True, children, fields)
    waits = (comes_first or is_change) and not request.is_open_world and _is_awaited(known, request)
    code = "duty_pending" if not waits else "duty_unapplied" if is_change else "duty_unfulfilled"
    return Reason(code, rule.path, None, children, fields)


def _is_awaited(known: DutyAction, request: Request) -> bool:
    """Whether the side that asks is the one that holds a duty that comes first, and holds it at this checkpoint."""
    if known.enforcement is Enforcement.ENFORCED:
        return request.side is Side.PROVIDER and request.checkpoint in known.checkpoints
    attested = known.enforcement is Enforcement.ATTESTED
    return attested and request.side is Side.CONSUMER and request.checkpoint in _IN_USE


def _has_unknown(reason: Reason) -> bool:
    if reason.children:
        return any(_has_unknown(child) for child in reason.children)
    return reason.satisfied is None


def _reachable(node: Node, request: Request, *, timed_only: bool) -> Truth:
    """False when `node` does not hold and never will; what time or further uses may change is None.

    With `timed_only` whatever does not depend on time or uses may change too.
    """
    if isinstance(node, Logical):
        parts = [_reachable(part, request, timed_only=timed_only) for part in node.operands]
        return _combine(node.connective, parts)
    measured = node.measured
    if isinstance(measured, Duration):
        agreed_at_ms = request.agreed_at_ms
        settled = agreed_at_ms is not None and _settled(
            node.comparison, request.now_ms, add(agreed_at_ms, measured)
        )
    elif isinstance(measured, Span):
        edge_ms = measured.first_ms if node.comparison in ("lt", "gteq") else measured.last_ms
        settled = _settled(node.comparison, request.now_ms, edge_ms + measured.slack_ms)
    elif isinstance(measured, int):
        if node.kind is Kind.COUNT and request.checkpoint in BEFORE_AGREEMENT:
            return None
        actual = request.now_ms if node.kind is Kind.INSTANT else uses_count(request)
        settled = _settled(node.comparison, actual, measured)
    else:
        settled = not timed_only
    return _weigh(node, request, True).satisfied if settled else None


def _settled(comparison: str, actual: int, bound: int) -> bool:
    """Whether the comparison keeps its value while `actual` only grows."""
    return actual >= bound if comparison in ("lt", "gteq") else actual > bound


def _weigh(node: Node, request: Request, permits: bool) -> Reason:
    """The truth of `node` with its reasons; `permits` tells a permission's condition from a prohibition's."""
    if isinstance(node, Constraint):
        return compare(node, request, permits)
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
