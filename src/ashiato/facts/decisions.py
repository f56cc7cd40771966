"""A decision and its reasons: codes and fields are kept, sentences are made when somebody reads them."""

from collections.abc import Mapping

import msgspec

from ashiato.facts.instants import format_datetime

_MAX_SHOWN_CHARS = 200
_MAX_SHOWN_ITEMS = 10

# One clause per code; another language is another table with the same keys.
ENGLISH: Mapping[str, str] = {
    "policy_empty": "the policy grants nothing, and what is not granted is refused",
    "no_permission": "the policy holds no permission, and what is not granted is refused",
    "policy_void": "a permission and a prohibition contradict each other, which voids this policy",
    "permission_applies": "the policy permits {action}",
    "permission_action": "the policy permits {action}, which does not cover {requested}",
    "permission_assignee": "the permission is given to {assignee}, not to {participant}",
    "permission_constraint": "the conditions of the permission to {action} are not met",
    "permission_duty": "a duty that the permission to {action} demands cannot be fulfilled",
    "prohibition_applies": "the policy prohibits {action}",
    "prohibition_unclear": "the policy prohibits {action} under conditions that cannot be judged here",
    "duty_pending": "{action} is owed",
    "duty_unknown": "the duty {action} is not known here",
    "duty_unclear": "the conditions of the duty {action} cannot be judged here",
    "duty_impossible": "the duty {action} can no longer be fulfilled",
    "constraint_holds": "{left} {operator} {right} holds for {actual}",
    "constraint_fails": "{left} {operator} {right} does not hold for {actual}",
    "instant_holds": "{left} {operator} {right} holds at {actual_ms}",
    "instant_fails": "{left} {operator} {right} does not hold at {actual_ms}",
    "before_agreement": "{left} {operator} {right} counts from the agreement, which does not exist yet",
    "agreement_missing": "{left} {operator} {right} counts from the agreement, whose date is missing",
    "left_operand_unknown": "{left} is not known here and no verified claim of that name was given",
    "operator_unsupported": "{operator} cannot be judged for {left}",
    "right_operand_unreadable": "the right operand of {left} {operator} cannot be read",
    "claim_incomparable": "{left} {operator} {right} cannot be compared with {actual}",
    "and": "all of the conditions together",
    "andSequence": "all of the conditions in their order",
    "or": "at least one of the conditions",
    "xone": "exactly one of the conditions",
    "not_enforced_left_operand": "{left} is not enforced by this node",
    "not_enforced_duty": "the duty {action} is not enforced by this node",
    "not_enforced_prohibition": "a prohibition of {action} is not enforced by this node",
    "not_enforced_action": "the action {action} is not known to this node",
    "not_enforced_term": "{term} is not read by this node",
}


class Reason(msgspec.Struct, frozen=True):
    """Why something holds or not: `path` points into the policy (`permission[0].constraint[1]`).

    `satisfied` says whether the thing at `path` holds or applies; None means that it cannot be known here. A
    prohibition with `satisfied=True` therefore speaks against the request. `fields` fill the sentence of
    `code`; a field whose name ends in `_ms` is an instant.
    """

    code: str
    path: str = ""
    satisfied: bool | None = None
    children: tuple["Reason", ...] = ()
    fields: tuple[tuple[str, str | int | tuple[str, ...]], ...] = ()

    @property
    def text(self) -> str:
        """One English clause, without capital and full stop."""
        return self.text_in(ENGLISH)

    def text_in(self, sentences: Mapping[str, str]) -> str:
        """The clause by the template that `sentences` has for the code; without one, the code itself."""
        template = sentences.get(self.code)
        if template is None:
            return self.code
        return template.format_map({name: _spoken(name, value) for name, value in self.fields})


class Decision(msgspec.Struct, frozen=True):
    """The answer of a policy. `duties` are what the receiver owes when it makes use of a permit."""

    permitted: bool
    reasons: tuple[Reason, ...]
    duties: tuple[Reason, ...] = ()

    def summary(self) -> str:
        """One English sentence with the reason that decided."""
        verdict = "Permitted" if self.permitted else "Denied"
        if not self.reasons:
            return f"{verdict}."
        first = self.reasons[0]
        leaf = None if self.permitted else _decisive(first)
        because = f", because {leaf.text}" if leaf is not None else ""
        others = len(self.reasons) - 1
        more = "" if others == 0 or self.permitted else f" (and {others} more)"
        return f"{verdict}: {first.text}{because}{more}."


def _decisive(reason: Reason) -> Reason | None:
    """The first leaf below `reason` that shares its parent's outcome all the way down, if there is any below."""
    current = reason
    while current.children:
        alike = (child for child in current.children if child.satisfied is current.satisfied)
        current = next(alike, current.children[0])
    return None if current is reason else current


def _spoken(name: str, value: str | int | tuple[str, ...]) -> str:
    """Fields come from strangers' policies: long ones are cut, and what does not print is replaced."""
    if isinstance(value, tuple):
        shown = ", ".join(_printable(item) for item in value[:_MAX_SHOWN_ITEMS])
        more = len(value) - _MAX_SHOWN_ITEMS
        return f"[{shown}, and {more} more]" if more > 0 else f"[{shown}]"
    if isinstance(value, int):
        return format_datetime(value) if name.endswith("_ms") else str(value)
    return _printable(value)


def _printable(text: str) -> str:
    cut = text if len(text) <= _MAX_SHOWN_CHARS else text[:_MAX_SHOWN_CHARS] + "…"
    return cut if cut.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in cut)
