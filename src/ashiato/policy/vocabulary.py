"""The words of ODRL that this node knows, and for each how far it is held: one table that later rights are
added to.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

ODRL = "http://www.w3.org/ns/odrl/2/"
_ODRL_PREFIX = "odrl:"
PARTICIPANT = "ashiato:participant"
_PARTICIPANT_IRI = "https://w3id.org/ashiato/2026/1/policy/participant"


class Enforcement(StrEnum):
    """Who holds a right: this process refuses, the partner's connector does it and signs, or it is only
    promised.
    """

    ENFORCED = "enforced"
    ATTESTED = "attested"
    CONTRACTUAL = "contractual"


class Kind(StrEnum):
    """What a left operand measures, which decides how its right operand is read."""

    PARTICIPANT = "participant"
    INSTANT = "instant"
    ELAPSED = "elapsed"
    COUNT = "count"


class LeftOperand(msgspec.Struct, frozen=True):
    """What it measures, who holds it, and the operators that can be judged for it."""

    kind: Kind
    enforcement: Enforcement
    operators: frozenset[str]


OPERATORS = frozenset(
    (
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
    )
)
_ORDER = frozenset(("lt", "lteq", "gt", "gteq", "eq", "neq"))
_MEMBERSHIP = frozenset(("eq", "neq", "isAnyOf", "isNoneOf"))
_PARTY = LeftOperand(Kind.PARTICIPANT, Enforcement.ENFORCED, _MEMBERSHIP)

# `recipient` and `assignee` are the words that other connectors use for the party that receives the data.
LEFT_OPERANDS: Mapping[str, LeftOperand] = {
    PARTICIPANT: _PARTY,
    "recipient": _PARTY,
    "assignee": _PARTY,
    "dateTime": LeftOperand(Kind.INSTANT, Enforcement.ENFORCED, _ORDER),
    "elapsedTime": LeftOperand(Kind.ELAPSED, Enforcement.ENFORCED, _ORDER),
    "count": LeftOperand(Kind.COUNT, Enforcement.ENFORCED, _ORDER),
}

# ODRL Vocabulary 2.2, section 4: the action and the wider one that includes it. `access` is Catena-X's word
# for seeing an offer; it is neither part of `use` nor the other way round.
_INCLUDED_IN: Mapping[str, str | None] = {
    "use": None,
    "transfer": None,
    "access": None,
    "aggregate": "use",
    "annotate": "use",
    "anonymize": "use",
    "archive": "use",
    "concurrentUse": "use",
    "derive": "use",
    "digitize": "use",
    "display": "play",
    "distribute": "use",
    "execute": "use",
    "extract": "reproduce",
    "give": "transfer",
    "index": "use",
    "modify": "use",
    "move": "use",
    "play": "use",
    "present": "use",
    "print": "use",
    "read": "use",
    "reproduce": "use",
    "sell": "transfer",
    "stream": "use",
    "synchronize": "use",
    "textToSpeech": "use",
    "transform": "use",
    "translate": "use",
}

# What a data plane does itself when it hands data over. It refuses these; whatever else a prohibition names
# happens at the partner's and is only promised.
_AT_THE_DOOR = frozenset(("use", "access", "read"))

# Duties that are understood, so that a foreign agreement which holds them can be read, and that nobody
# performs yet. `use` is here because Catena-X writes the end of provisioning as an obligation to use.
DUTY_ACTIONS: Mapping[str, Enforcement] = {
    "anonymize": Enforcement.CONTRACTUAL,
    "attribute": Enforcement.CONTRACTUAL,
    "compensate": Enforcement.CONTRACTUAL,
    "delete": Enforcement.CONTRACTUAL,
    "ensureExclusivity": Enforcement.CONTRACTUAL,
    "inform": Enforcement.CONTRACTUAL,
    "nextPolicy": Enforcement.CONTRACTUAL,
    "obtainConsent": Enforcement.CONTRACTUAL,
    "reviewPolicy": Enforcement.CONTRACTUAL,
    "uninstall": Enforcement.CONTRACTUAL,
    "use": Enforcement.CONTRACTUAL,
    "watermark": Enforcement.CONTRACTUAL,
}


def _line(action: str) -> frozenset[str]:
    line = [action]
    while (wider := _INCLUDED_IN[line[-1]]) is not None:
        line.append(wider)
    return frozenset(line)


_COVERED_BY: Mapping[str, frozenset[str]] = {action: _line(action) for action in _INCLUDED_IN}


def term(name: str) -> str:
    """`name` in short: ODRL terms lose prefix or namespace, our own operand its address; other names stay as
    they are.
    """
    if name.startswith(ODRL):
        return name[len(ODRL) :]
    if name.startswith(_ODRL_PREFIX):
        return name[len(_ODRL_PREFIX) :]
    return PARTICIPANT if name == _PARTICIPANT_IRI else name


def covers(action: str, requested: str) -> bool:
    """Whether a rule about `action` also speaks about `requested` (ODRL Information Model 2.2, 2.4:
    `includedIn`).
    """
    return action == requested or action in _COVERED_BY.get(requested, ())


def is_known_action(action: str) -> bool:
    """Whether the vocabulary says what includes `action`; nothing can be concluded about other names."""
    return action in _INCLUDED_IN


def prohibition_enforcement(action: str) -> Enforcement:
    """Who holds a prohibition of `action`: this process at its own door, or only the partner's promise."""
    return Enforcement.ENFORCED if action in _AT_THE_DOOR else Enforcement.CONTRACTUAL
