"""What a duty changes in the data on its way out: described as values, applied by the data plane."""

import re
from enum import StrEnum

import msgspec

from ashiato.facts.decisions import Decision
from ashiato.policy.odrl import Constraint, Policy, Rule, decimal, is_before_use
from ashiato.policy.request import DutyState
from ashiato.policy.terms import Kind

_STEP = r"(?:\.[A-Za-z_][A-Za-z0-9_-]*|\.\*|\.\.[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]{1,6}\]|\[\*\]|\['[^'\\\]]{1,200}'\])"
_JSON_PATH = re.compile(rf"\$(?:{_STEP}){{1,32}}")
GRAINS = ("year", "month", "day", "hour")


class Method(StrEnum):
    """DROP removes the member; BLUR puts `replacement` (or null) in its place; ROUND takes a number to the nearest multiple
    of `grain`; COARSEN cuts an instant or date down to `grain`: year, month, day or hour.
    """

    DROP = "drop"
    BLUR = "blur"
    ROUND = "round"
    COARSEN = "coarsen"


class Transformation(msgspec.Struct, frozen=True):
    """One change: what `json_paths` point at (RFC 9535: names, indexes, wildcards, descendants by name) is changed.

    `path` points at the duty in the policy. Data in which a path finds nothing stays as it is there.
    """

    path: str
    method: Method
    json_paths: tuple[str, ...]
    replacement: str | None = None
    grain: str | None = None


def transformations_of(policy: Policy) -> tuple[Transformation, ...]:
    """Every change that some permission demands, in the order to apply them.

    Whoever is able to make them says so by `announced`, and applies those that `to_apply` finds in the decision. A duty that
    cannot be understood is not among them; its permission never grants.
    """
    return tuple(
        change
        for rule in policy.permissions
        for duty in rule.duties
        if duty.action == "anonymize" and (change := transformation(duty)) is not None
    )


def announced(policy: Policy) -> dict[str, DutyState]:
    """What a request holds in `duties` when all changes that the policy demands will be made on the way out."""
    return {change.path: DutyState.FULFILLED for change in transformations_of(policy)}


def to_apply(policy: Policy, decision: Decision) -> tuple[Transformation, ...]:
    """The changes that a permit demands: those of the permission that granted it, as far as they are owed now."""
    owed = {duty.path for duty in decision.duties if duty.code == "duty_fulfilled"}
    return tuple(change for change in transformations_of(policy) if change.path in owed)


def transformation(duty: Rule) -> Transformation | None:
    """The change that the duty describes; None when it says too little or what is not known here."""
    said: dict[str, Constraint] = {}
    for leaf in duty.description:
        if is_before_use(leaf):
            continue
        if leaf.kind is not Kind.DESCRIPTION or leaf.measured is None or leaf.left_operand in said:
            return None
        said[leaf.left_operand] = leaf
    json_paths = _texts(said.pop("jsonPath", None))
    replacement = _text(said.pop("replaceWith", None))
    name = _text(said.pop("method", None)) or "blur"
    grain = _text(said.pop("grain", None))
    if said or not json_paths or not all(_JSON_PATH.fullmatch(path) for path in json_paths):
        return None
    if name not in tuple(Method) or not _fits(Method(name), replacement, grain):
        return None
    return Transformation(duty.path, Method(name), json_paths, replacement, grain)


def is_described(duty: Rule) -> bool:
    """Whether everything that says how the duty is done is understood here."""
    if duty.action == "anonymize" and duty.path.startswith("permission["):
        return transformation(duty) is not None
    return all(leaf.kind is not None and leaf.right_operand is not None for leaf in duty.description)


def _fits(method: Method, replacement: str | None, grain: str | None) -> bool:
    if replacement is not None and method is not Method.BLUR:
        return False
    if method is Method.ROUND:
        step = None if grain is None else decimal(grain)
        return step is not None and step > 0
    return grain in GRAINS if method is Method.COARSEN else grain is None


def _texts(leaf: Constraint | None) -> tuple[str, ...]:
    if leaf is None or leaf.right_operand is None:
        return ()
    return (leaf.right_operand,) if isinstance(leaf.right_operand, str) else leaf.right_operand


def _text(leaf: Constraint | None) -> str | None:
    texts = _texts(leaf)
    return texts[0] if len(texts) == 1 else None
