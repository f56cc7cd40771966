"""Whether two policies say the same: an agreement must keep the rules of the offer that it answers (DSP
2025-1, 7.2.3).
"""

import msgspec

from ashiato.dsp.messages import Policy

_RULES = ("permission", "prohibition", "obligation")
_LOGICAL = ("and", "or", "xone")
_NAMES = frozenset({"@id", "@type"})


def differing_term(offer: Policy, agreement: Policy) -> str | None:
    """The first of permission, prohibition and obligation in which the two differ; None where the rules are
    the same.

    Without meaning, and so ignored: the ids and types of rules and constraints, empty arrays, the order of
    rules and constraints (but that of andSequence), and whether an integer right operand was written as a
    string.
    """
    for member in _RULES:
        mine, theirs = offer.get(member), agreement.get(member)
        if _text(mine) != _text(theirs) and _canonical_set(mine) != _canonical_set(theirs):
            return member
    return None


def _canonical_set(items: object) -> list[bytes]:
    return sorted(_text(_canonical(item)) for item in items) if isinstance(items, list) else []


def _text(value: object) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _canonical(node: object) -> object:
    if not isinstance(node, dict):
        return node
    canonical: dict[str, object] = {}
    for member, value in node.items():
        if member in _NAMES or value == []:
            continue
        canonical[member] = _canonical_member(member, value)
    return canonical


def _canonical_member(member: str, value: object) -> object:
    if member == "rightOperand":
        return str(value) if type(value) is int else value
    if member == "andSequence":
        return [_canonical(item) for item in value] if isinstance(value, list) else value
    if isinstance(value, list) and (member == "constraint" or member in _LOGICAL):
        return [item.decode() for item in _canonical_set(value)]
    return value
