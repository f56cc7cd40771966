"""When data received has to be gone: read from the duties of its agreement.

| written as | the data must be gone |
|---|---|
| duty `delete` of a permission | after a use; with `delayPeriod` so long after it |
| obligation `delete` | when the agreement ends; with `delayPeriod` so long after the data came in |
| either with `dateTime` | at that instant |
| either with `elapsedTime` | so long after the agreement |
| either with anything else | when the agreement ends: what cannot be read is not taken for more than that |

Of several the earliest counts.
"""

from collections.abc import Iterator

import msgspec

from ashiato.facts.instants import Duration, MalformedInstant, add, parse_datetime, parse_duration
from ashiato.policy.odrl import Constraint, Logical, Node, Policy, Rule

DELETE = "delete"
_UNTIL = frozenset(("lt", "lteq", "eq"))


class DeletionTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an agreement says of deletion; everything empty when it says nothing."""

    deadlines_ms: tuple[int, ...] = ()
    after_use: tuple[Duration | None, ...] = ()
    """After a use: at once for None."""
    after_arrival: tuple[Duration, ...] = ()
    at_end: bool = False

    def due(self, received_ms: int, used_ms: int | None, ended_ms: int | None) -> tuple[int, str] | None:
        """The instant from which the data must be gone, and why; None when nothing says so yet."""
        found = [(deadline_ms, "deadline") for deadline_ms in self.deadlines_ms]
        found += [(add(received_ms, duration), "delay") for duration in self.after_arrival]
        if used_ms is not None:
            found += [
                (used_ms if duration is None else add(used_ms, duration), "after-use")
                for duration in self.after_use
            ]
        if self.at_end and ended_ms is not None:
            found.append((ended_ms, "agreement-ended"))
        return min(found, default=None)


def deletion_terms(policy: Policy, agreed_ms: int) -> DeletionTerms:
    """The terms in the duties of a policy."""
    terms = DeletionTerms()
    for rule in policy.permissions:
        for duty in rule.duties:
            terms = _with_duty(terms, duty, agreed_ms, is_of_use=True)
    for duty in policy.obligations:
        terms = _with_duty(terms, duty, agreed_ms, is_of_use=False)
    return terms


def _with_duty(terms: DeletionTerms, duty: Rule, agreed_ms: int, *, is_of_use: bool) -> DeletionTerms:
    if duty.action != DELETE:
        return terms
    replace = msgspec.structs.replace
    if duty.constraint is None:
        if is_of_use:
            return replace(terms, after_use=(*terms.after_use, None))
        return replace(terms, at_end=True)
    for constraint in _constraints(duty.constraint):
        match _measured(constraint, agreed_ms):
            case None:
                terms = replace(terms, at_end=True)
            case int() as deadline_ms:
                terms = replace(terms, deadlines_ms=(*terms.deadlines_ms, deadline_ms))
            case Duration() as delay if is_of_use:
                terms = replace(terms, after_use=(*terms.after_use, delay))
            case Duration() as delay:
                terms = replace(terms, after_arrival=(*terms.after_arrival, delay))
    return terms


def _constraints(node: Node) -> Iterator[Constraint]:
    if isinstance(node, Logical):
        for operand in node.operands:
            yield from _constraints(operand)
    else:
        yield node


def _measured(constraint: Constraint, agreed_ms: int) -> int | Duration | None:
    """An instant, a delay, or None for what cannot be read."""
    right = constraint.right_operand
    if constraint.operator not in _UNTIL or not isinstance(right, str):
        return None
    try:
        match constraint.left_operand:
            case "dateTime":
                return parse_datetime(right)
            case "elapsedTime":
                return add(agreed_ms, parse_duration(right))
            case "delayPeriod":
                return parse_duration(right)
    except MalformedInstant:
        return None
    return None
