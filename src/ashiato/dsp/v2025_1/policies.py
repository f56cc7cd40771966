"""The shape of ODRL policies in messages and catalogs (DSP 2025-1, contract-schema.json).

One leniency: an atomic constraint's `rightOperand` may be an integer, as Catena-X writes it. It stays an
integer in the value (hashes cover what was received) and leaves as a string, because the protocol's schema
refuses numbers. The checks return True where such an integer stands somewhere inside.
"""

import re

from ashiato.dsp.v2025_1.wire import (
    Refusal,
    at,
    optional_text,
    refuse,
    require_const,
    require_object,
    require_text,
)

_OPERATORS = frozenset(
    {
        "eq",
        "gt",
        "gteq",
        "lteq",
        "hasPart",
        "isA",
        "isAllOf",
        "isAnyOf",
        "isNoneOf",
        "isPartOf",
        "lt",
        "term-lteq",
        "neq",
    }
)
_LOGICAL = ("and", "or", "xone", "andSequence")
_LOGICAL_MEMBERS = frozenset(_LOGICAL)
_OPERAND_TYPES = frozenset({str, dict, list, int})
_ATOMIC_PROBLEMS = {
    "leftOperand": "must be a string",
    "operator": "must be one of the protocol's operators",
    "rightOperand": "must be a string, an object or an array",
}
_RULES = ("permission", "prohibition", "obligation")
# The schema's xsd:dateTime pattern; like every JSON Schema pattern it may match anywhere in the string.
_TIMESTAMP = re.compile(
    r"-?([1-9][0-9]{3,}|0[0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?|(24:00:00(\.0+)?))"
    r"(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
)


def check_message_offer(value: object, path: str, *, target_required: bool) -> bool:
    """An offer inside a message: it says what it is and, in a ContractOfferMessage, of which dataset it
    speaks.
    """
    offer = require_object(value, path)
    require_const(offer, "@type", "Offer", path)
    if target_required:
        require_text(offer, "target", path)
    else:
        optional_text(offer, "target", path)
    return _check_policy(offer, path)


def check_catalog_offer(value: object, path: str) -> bool:
    """An offer inside a dataset: its target is the dataset that holds it, so it must name none."""
    offer = require_object(value, path)
    if "@type" in offer:
        require_const(offer, "@type", "Offer", path)
    if "target" in offer:
        refuse(at(path, "target"), "must not stand in a catalog's offer")
    return _check_policy(offer, path)


def check_agreement(value: object, path: str) -> bool:
    """An agreement: its parties and its dataset are named; the timestamp, where there is one, is an
    xsd:dateTime.
    """
    agreement = require_object(value, path)
    require_const(agreement, "@type", "Agreement", path)
    for member in ("target", "assigner", "assignee"):
        require_text(agreement, member, path)
    timestamp = optional_text(agreement, "timestamp", path)
    if timestamp is not None and _TIMESTAMP.search(timestamp) is None:
        refuse(at(path, "timestamp"), "must be an xsd:dateTime")
    return _check_policy(agreement, path)


def _check_policy(policy: dict[str, object], path: str) -> bool:
    require_text(policy, "@id", path)
    if "profile" in policy:
        _check_profile(policy["profile"], at(path, "profile"))
    if "permission" not in policy and "prohibition" not in policy:
        refuse(path, "must hold a permission or a prohibition")
    integers = False
    for member in _RULES:
        if member not in policy:
            continue
        rules = policy[member]
        rules_path = at(path, member)
        if type(rules) is not list or not rules:
            refuse(rules_path, "must be an array of at least one rule")
        for index, rule in enumerate(rules):
            integers |= _check_rule(rule, f"{rules_path}[{index}]")
    return integers


def _check_profile(profile: object, path: str) -> None:
    if type(profile) is str:
        return
    if type(profile) is not list or not all(type(item) is str for item in profile):
        refuse(path, "must be a string or an array of strings")


def _check_rule(value: object, path: str) -> bool:
    rule = require_object(value, path)
    if type(rule.get("action")) is not str:
        refuse(f"{path}.action", "must be a string")
    if "constraint" not in rule:
        return False
    return _check_constraints(rule["constraint"], f"{path}.constraint")


def _check_constraints(constraints: object, path: str) -> bool:
    if type(constraints) is not list:
        refuse(path, "must be an array")
    integers = False
    for index, constraint in enumerate(constraints):
        integers |= _check_constraint(constraint, f"{path}[{index}]")
    return integers


def _check_constraint(value: object, path: str) -> bool:
    constraint = require_object(value, path)
    if _LOGICAL_MEMBERS.isdisjoint(constraint):
        return _check_atomic(constraint, path)
    return _check_mixed(constraint, path)


def _check_atomic(constraint: dict[str, object], path: str) -> bool:
    faulty = _faulty_member(constraint)
    if faulty is not None:
        refuse(f"{path}.{faulty}", _ATOMIC_PROBLEMS[faulty])
    return type(constraint["rightOperand"]) is int


def _faulty_member(constraint: dict[str, object]) -> str | None:
    if type(constraint.get("leftOperand")) is not str:
        return "leftOperand"
    operator = constraint.get("operator")
    if type(operator) is not str or operator not in _OPERATORS:
        return "operator"
    return "rightOperand" if type(constraint.get("rightOperand")) not in _OPERAND_TYPES else None


def _check_mixed(constraint: dict[str, object], path: str) -> bool:
    """The schema's oneOf: a whole logical constraint or a whole atomic one, never both; a broken half may lie
    beside, whose integers count too.
    """
    logical = [member for member in _LOGICAL if member in constraint]
    is_atomic = _faulty_member(constraint) is None
    if len(logical) > 1:
        return is_atomic or refuse(path, f"may hold only one of {', '.join(logical)}")
    try:
        integers = _check_constraints(constraint[logical[0]], f"{path}.{logical[0]}")
    except Refusal:
        if is_atomic:
            return True
        raise
    if is_atomic:
        refuse(path, "must be either a logical or an atomic constraint")
    return integers or type(constraint.get("rightOperand")) is int


def with_text_operands(policy: dict[str, object]) -> dict[str, object]:
    """A copy of a checked policy with its integer right operands as strings; nothing else differs."""
    sendable = dict(policy)
    for member in _RULES:
        if member in policy:
            sendable[member] = [_rewritten(rule, ("constraint",)) for rule in _items(policy[member])]
    return sendable


def _rewritten(holder: object, members: tuple[str, ...]) -> object:
    if type(holder) is not dict:
        return holder
    copy = dict(holder)
    for member in members:
        if type(copy.get(member)) is list:
            copy[member] = [_rewritten(constraint, _LOGICAL) for constraint in _items(copy[member])]
    if members is _LOGICAL and type(copy.get("rightOperand")) is int:
        copy["rightOperand"] = str(copy["rightOperand"])
    return copy


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []
