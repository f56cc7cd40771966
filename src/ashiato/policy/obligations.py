"""What somebody owes under an agreement, described well enough to be kept, counted down and closed."""

from enum import StrEnum

import msgspec

from ashiato.facts.instants import Duration, Span, add
from ashiato.policy.odrl import Constraint, Logical, Node, Policy, Rule, is_about_use, is_before_use
from ashiato.policy.terms import Kind, duty_action
from ashiato.policy.vocabulary import Enforcement

_ENDS = frozenset(("lt", "lteq", "eq"))
_DELETION = "cx.data.deletion"


class Trigger(StrEnum):
    """What makes the obligation begin: each use (a read), the agreement, its end, or the breach of the rule above it."""

    USE = "use"
    AGREEMENT = "agreement"
    AGREEMENT_END = "agreement_end"
    BREACH = "breach"


class Obligation(msgspec.Struct, frozen=True):
    """One duty as something to be done.

    `path` is that of the duty in the policy, under which `Request.duties` tells how it stands. It is owed by
    `assignee` (None: the consumer), must be done before the use that it belongs to when `comes_first`, and otherwise
    `delay` after its trigger. `deadline_ms` and `deadline_after_agreement` are limits that the policy sets itself; a `period`
    makes it recur. `details` are the refinements that say how, by left operand; `parties` those with a function in it
    (`informedParty`). `has_conditions` says that it is only owed while its own conditions hold, which `decide` judges.
    `consequences` begin with its violation.
    """

    path: str
    action: str
    trigger: Trigger
    enforcement: Enforcement
    comes_first: bool = False
    assignee: str | None = None
    target: str | None = None
    delay: Duration | None = None
    deadline_ms: int | None = None
    deadline_after_agreement: Duration | None = None
    period: Duration | None = None
    parties: tuple[tuple[str, str], ...] = ()
    details: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    has_conditions: bool = False
    consequences: tuple["Obligation", ...] = ()

    def due_ms(self, trigger_ms: int, agreed_at_ms: int) -> int | None:
        """The last instant at which it is done in time; None when nothing sets one.

        Without any limit a `delete` is due at once, and what else is owed has no date.
        """
        limits = [] if self.deadline_ms is None else [self.deadline_ms]
        if self.delay is not None:
            limits.append(add(trigger_ms, self.delay))
        if self.deadline_after_agreement is not None:
            limits.append(add(agreed_at_ms, self.deadline_after_agreement))
        if not limits and self.action == "delete":
            return trigger_ms
        return min(limits, default=None)


def obligations_of(policy: Policy) -> tuple[Obligation, ...]:
    """What is owed under the policy: the duties of its permissions, its own, the remedies of its prohibitions.

    Catena-X's `ContractTermination eq cx.data.deletion` is the duty to delete at the end of the agreement. Its obligation
    to `use` is the provider's, whose end `decide` holds, and what is changed on the way out is no obligation either (see
    `transformations_of`). Duties that nobody knows are left out: their policy permits nothing.
    """
    found: list[Obligation | None] = []
    for rule in policy.permissions:
        found += [
            _obligation(duty, policy, Trigger.USE) for duty in rule.duties if duty.action != "anonymize"
        ]
        if rule.constraint is not None:
            found += _deletions(rule.constraint, policy)
    for rule in policy.prohibitions:
        found += [_obligation(duty, policy, Trigger.BREACH) for duty in rule.remedies]
    found += [
        _obligation(duty, policy, Trigger.AGREEMENT) for duty in policy.obligations if duty.action != "use"
    ]
    return tuple(obligation for obligation in found if obligation is not None)


def _obligation(rule: Rule, policy: Policy, trigger: Trigger) -> Obligation | None:
    known = duty_action(rule.action, in_permission=rule.path.startswith("permission["))
    if known is None:
        return None
    before = any(is_before_use(leaf) for leaf in rule.description)
    after = any(is_about_use(leaf) and leaf.operator in ("gt", "gteq") for leaf in rule.description)
    deadline_ms, deadline_after, has_conditions = _deadlines(rule.constraint)
    consequences = [_obligation(duty, policy, Trigger.BREACH) for duty in rule.consequences]
    return Obligation(
        path=rule.path,
        action=rule.action,
        trigger=Trigger.USE if after and trigger is Trigger.AGREEMENT else trigger,
        enforcement=known.enforcement,
        comes_first=known.first or before,
        assignee=rule.assignee or policy.assignee,
        target=policy.target,
        delay=_span(rule, "delayPeriod"),
        deadline_ms=deadline_ms,
        deadline_after_agreement=deadline_after,
        period=_span(rule, "timeInterval"),
        parties=rule.parties,
        details=_details(rule),
        has_conditions=has_conditions,
        consequences=tuple(duty for duty in consequences if duty is not None),
    )


def _details(rule: Rule) -> tuple[tuple[str, str | tuple[str, ...]], ...]:
    said: list[tuple[str, str | tuple[str, ...]]] = []
    for leaf in rule.description:
        if is_about_use(leaf) or leaf.left_operand in ("delayPeriod", "timeInterval"):
            continue
        values = dict(leaf.fields)
        said.append((leaf.left_operand, values.get("right", "")))
        if "unit" in values:
            said.append((f"{leaf.left_operand} unit", values["unit"]))
    return tuple(said)


def _span(rule: Rule, name: str) -> Duration | None:
    for leaf in rule.description:
        if leaf.left_operand == name and isinstance(leaf.measured, Duration):
            return leaf.measured
    return None


def _deadlines(node: Node | None) -> tuple[int | None, Duration | None, bool]:
    """The earliest fixed limit, the limit that counts from the agreement, and whether anything else is asked.

    Of several limits from the agreement the first counts, since months and days have no order.
    """
    fixed_ms: list[int] = []
    counted: list[Duration] = []
    others = False
    pending = [] if node is None else [node]
    while pending:
        part = pending.pop(0)
        if isinstance(part, Logical):
            if part.connective in ("and", "andSequence"):
                pending.extend(part.operands)
            else:
                others = True
        elif isinstance(part.measured, Duration) and part.comparison in _ENDS:
            counted.append(part.measured)
        elif part.kind is Kind.INSTANT and part.comparison in _ENDS:
            fixed_ms.append(_last_ms(part))
        else:
            others = True
    return min(fixed_ms, default=None), counted[0] if counted else None, others


def _last_ms(node: Constraint) -> int:
    """The last instant that certainly lies before the limit; a limit that cannot be read is over."""
    measured = node.measured
    if isinstance(measured, Span):
        edge_ms = measured.first_ms if node.comparison == "lt" else measured.last_ms
        end_ms = edge_ms - measured.slack_ms
    else:
        end_ms = measured if isinstance(measured, int) else 0
    return end_ms - 1 if node.comparison == "lt" else end_ms


def _deletions(node: Node, policy: Policy) -> list[Obligation | None]:
    if isinstance(node, Logical):
        return [found for part in node.operands for found in _deletions(part, policy)]
    right = node.right_operand
    if (
        node.left_operand != "ContractTermination"
        or not isinstance(right, str)
        or not right.startswith(_DELETION)
    ):
        return []
    return [
        Obligation(
            path=node.path,
            action="delete",
            trigger=Trigger.AGREEMENT_END,
            enforcement=Enforcement.ATTESTED,
            assignee=policy.assignee,
            target=policy.target,
        )
    ]
