"""What this node would not hold although a policy says it: the owner is told before an offer is published."""

from ashiato.facts.decisions import Reason
from ashiato.policy.odrl import Constraint, Node, Policy, Rule
from ashiato.policy.vocabulary import (
    DUTY_ACTIONS,
    LEFT_OPERANDS,
    Enforcement,
    is_known_action,
    prohibition_enforcement,
)


def unenforceable(policy: Policy) -> tuple[Reason, ...]:
    """Each constraint, duty and prohibition that this process does not enforce itself, in the order of the
    policy.

    Empty means that everything the owner wrote is held. Listed are unknown left operands, operators and right
    operands that cannot be judged, every duty whose action is not enforced, prohibitions of what happens at
    the partner's, unknown actions, and `remedy` or `consequence`.
    """
    found: list[Reason] = []
    for rule in policy.permissions:
        if not is_known_action(rule.action):
            found.append(_reason("not_enforced_action", rule.path, action=rule.action))
        found.extend(_inside(rule))
    for rule in policy.prohibitions:
        if not is_known_action(rule.action):
            found.append(_reason("not_enforced_action", rule.path, action=rule.action))
        elif prohibition_enforcement(rule.action) is not Enforcement.ENFORCED:
            found.append(_reason("not_enforced_prohibition", rule.path, action=rule.action))
        found.extend(_inside(rule))
    for rule in policy.obligations:
        found.extend(_duty(rule))
    return tuple(found)


def _duty(rule: Rule) -> list[Reason]:
    if DUTY_ACTIONS.get(rule.action) is Enforcement.ENFORCED:
        return _inside(rule)
    return [_reason("not_enforced_duty", rule.path, action=rule.action), *_inside(rule)]


def _inside(rule: Rule) -> list[Reason]:
    found = [] if rule.constraint is None else _constraints(rule.constraint)
    for duty in rule.duties:
        found.extend(_duty(duty))
    found.extend(_reason("not_enforced_term", rule.path, term=name) for name in rule.unread)
    return found


def _constraints(node: Node) -> list[Reason]:
    if not isinstance(node, Constraint):
        return [reason for operand in node.operands for reason in _constraints(operand)]
    known = LEFT_OPERANDS.get(node.left_operand)
    if known is None or known.enforcement is not Enforcement.ENFORCED:
        return [_reason("not_enforced_left_operand", node.path, left=node.left_operand)]
    if node.operator not in known.operators:
        return [_reason("operator_unsupported", node.path, left=node.left_operand, operator=node.operator)]
    if node.measured is None:
        return [
            _reason("right_operand_unreadable", node.path, left=node.left_operand, operator=node.operator)
        ]
    return []


def _reason(code: str, path: str, **fields: str) -> Reason:
    return Reason(code, path, False, (), tuple(fields.items()))
