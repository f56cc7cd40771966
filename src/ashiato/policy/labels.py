"""How far each term of a policy is held, so that offer, agreement and decision can show it; and what cannot be held at all."""

import msgspec

from ashiato.facts.decisions import Reason
from ashiato.policy.odrl import Constraint, Node, Policy, Rule
from ashiato.policy.terms import Kind, LeftOperand, duty_action, operand
from ashiato.policy.transformations import is_described
from ashiato.policy.vocabulary import Checkpoint, Enforcement, is_known_action, prohibition_enforcement


class Label(msgspec.Struct, frozen=True):
    """One term: `path` points into the policy, like that of a `Reason`.

    `term` is the left operand, or the action of a duty or prohibition. `checkpoints` are where this process refuses by
    it; empty for what it never refuses. `enforcement` is None for what cannot be judged or held at all.
    """

    path: str
    term: str
    enforcement: Enforcement | None
    checkpoints: tuple[Checkpoint, ...] = ()

    @property
    def sentence(self) -> Reason:
        """The label in words, by the sentence tables of decisions."""
        code = "held_by_nobody" if self.enforcement is None else f"held_{self.enforcement}"
        return Reason(code, self.path, None, (), (("term", self.term),))


def labels_of(policy: Policy) -> tuple[Label, ...]:
    """The label of each constraint, duty and prohibition, in the policy's order."""
    found: list[Label] = []
    for rule in policy.permissions:
        found.extend(_rule_labels(rule))
    for rule in policy.prohibitions:
        enforcement = prohibition_enforcement(rule.action) if is_known_action(rule.action) else None
        at = tuple(Checkpoint) if enforcement is Enforcement.ENFORCED else ()
        found.append(Label(rule.path, rule.action, enforcement, at))
        found.extend(_rule_labels(rule))
    for rule in policy.obligations:
        found.extend(_duty_labels(rule))
    return tuple(found)


def unenforceable(policy: Policy) -> tuple[Reason, ...]:
    """What can neither be judged here nor held by anybody, in the policy's order; empty for a policy that may be offered.

    Listed are unknown left operands, operators and right operands that cannot be judged, duties that are not known or do
    not say how, unknown actions, and members that are not read. What is attested or only promised is not listed: see
    `labels_of`.
    """
    found: list[Reason] = []
    for rule in (*policy.permissions, *policy.prohibitions):
        if not is_known_action(rule.action):
            found.append(_gap("not_enforced_action", rule.path, action=rule.action))
        found.extend(_rule_gaps(rule))
    for rule in policy.obligations:
        found.extend(_duty_gaps(rule))
    return tuple(found)


def _rule_labels(rule: Rule) -> list[Label]:
    found = [] if rule.constraint is None else _constraint_labels(rule.constraint)
    for duty in (*rule.duties, *rule.remedies, *rule.consequences):
        found.extend(_duty_labels(duty))
    return found


def _duty_labels(rule: Rule) -> list[Label]:
    known = duty_action(rule.action, in_permission=rule.path.startswith("permission["))
    label = Label(
        rule.path,
        rule.action,
        known.enforcement if known is not None and is_described(rule) else None,
        () if known is None else known.checkpoints,
    )
    return [label, *_rule_labels(rule)]


def _constraint_labels(node: Node) -> list[Label]:
    if not isinstance(node, Constraint):
        return [label for part in node.operands for label in _constraint_labels(part)]
    held = node.measured is not None and node.kind not in (None, Kind.DESCRIPTION)
    if not held:
        return [Label(node.path, node.left_operand, None)]
    at = node.checkpoints if node.enforcement is Enforcement.ENFORCED else ()
    return [Label(node.path, node.left_operand, node.enforcement, at)]


def _duty_gaps(rule: Rule) -> list[Reason]:
    known = duty_action(rule.action, in_permission=rule.path.startswith("permission["))
    if known is None:
        return [_gap("not_enforced_duty", rule.path, action=rule.action), *_rule_gaps(rule)]
    if not is_described(rule):
        return [_gap("duty_undescribed", rule.path, action=rule.action), *_rule_gaps(rule)]
    return _rule_gaps(rule)


def _rule_gaps(rule: Rule) -> list[Reason]:
    found = [] if rule.constraint is None else _constraint_gaps(rule.constraint)
    for duty in (*rule.duties, *rule.remedies, *rule.consequences):
        found.extend(_duty_gaps(duty))
    found.extend(_gap("not_enforced_term", rule.path, term=name) for name in rule.unread)
    return found


def _constraint_gaps(node: Node) -> list[Reason]:
    if not isinstance(node, Constraint):
        return [reason for part in node.operands for reason in _constraint_gaps(part)]
    known = operand(node.left_operand)
    if known is None:
        return [_gap("not_enforced_left_operand", node.path, left=node.left_operand)]
    if known.kind is Kind.DESCRIPTION:
        return [_gap("no_condition", node.path, left=node.left_operand)]
    if node.measured is None:
        code = "operator_unsupported" if _misfits(known, node) else "right_operand_unreadable"
        return [_gap(code, node.path, left=node.left_operand, operator=node.operator)]
    return []


def _misfits(known: LeftOperand, node: Constraint) -> bool:
    return node.operator not in known.operators


def _gap(code: str, path: str, **fields: str) -> Reason:
    return Reason(code, path, False, (), tuple(fields.items()))
