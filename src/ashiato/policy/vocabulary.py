"""The words of ODRL that this node knows and how far each is held: the tables that later rights are added to."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

ODRL = "http://www.w3.org/ns/odrl/2/"
_ODRL_PREFIX = "odrl:"
PARTICIPANT = "ashiato:participant"
_PARTICIPANT_IRI = "https://w3id.org/ashiato/2026/1/policy/participant"


class Enforcement(StrEnum):
    """Who holds a right: this process, the partner's connector (which signs), or nobody but a promise."""

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
    "eq gt gteq lteq hasPart isA isAllOf isAnyOf isNoneOf isPartOf lt term-lteq neq".split()
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
    "elapsedTime": LeftOperand(Kind.ELAPSED, Enforcement.ENFORCED, _ORDER - {"neq"}),
    "count": LeftOperand(Kind.COUNT, Enforcement.ENFORCED, _ORDER),
}

# ODRL Vocabulary 2.2 (`includedIn`): the wider action and those that it includes. `write` is its
# deprecated word for `modify`. `access` is Catena-X's word for seeing an offer; it is no part of `use`, nor
# the other way round.
_INCLUDES: Mapping[str, frozenset[str]] = {
    "use": frozenset(
        "acceptTracking aggregate annotate anonymize archive attribute compensate concurrentUse delete "
        "derive digitize distribute ensureExclusivity execute grantUse include index inform install modify "
        "move nextPolicy obtainConsent present read reproduce reviewPolicy stream synchronize textToSpeech "
        "transform translate uninstall watermark write".split()
    ),
    "present": frozenset(("display", "play", "print")),
    "reproduce": frozenset(("extract",)),
    "transfer": frozenset(("give", "sell")),
    "access": frozenset(),
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


def _covered_by() -> dict[str, frozenset[str]]:
    """For each action itself and all that include it."""
    covered: dict[str, frozenset[str]] = {}
    pending = [(action, frozenset((action,))) for action in ("use", "transfer", "access")]
    while pending:
        action, line = pending.pop()
        covered[action] = line
        pending.extend((narrower, line | {narrower}) for narrower in _INCLUDES.get(action, ()))
    return covered


_COVERED_BY: Mapping[str, frozenset[str]] = _covered_by()


def term(name: str) -> str:
    """The short form of ODRL's terms and of our own operand; every other name stays as it is."""
    if name.startswith(ODRL):
        return name[len(ODRL) :]
    if name.startswith(_ODRL_PREFIX):
        return name[len(_ODRL_PREFIX) :]
    return PARTICIPANT if name == _PARTICIPANT_IRI else name


def covers(action: str, requested: str) -> bool:
    """Whether a rule about `action` also speaks about `requested` (ODRL 2.2, 2.4: `includedIn`)."""
    return action == requested or action in _COVERED_BY.get(requested, ())


def is_known_action(action: str) -> bool:
    """Whether the vocabulary says what includes `action`; nothing can be concluded about other names."""
    return action in _COVERED_BY


def bars(action: str, requested: str) -> bool | None:
    """Whether a prohibition of `action` stands against `requested`; None when an unknown action could be meant.

    It does when it covers the request, and when it names what this node does to fulfil a wider request:
    handing out for use is reading.
    """
    if covers(action, requested) or (action in _AT_THE_DOOR and covers(requested, action)):
        return True
    return False if is_known_action(action) else None


def overlap(granted: str, prohibited: str) -> bool:
    """Whether a permission and a prohibition of these actions could speak about the same deed."""
    return covers(granted, prohibited) or covers(prohibited, granted)


def prohibition_enforcement(action: str) -> Enforcement:
    """Who holds a prohibition of `action`: this process at its own door, or only the partner's promise."""
    return Enforcement.ENFORCED if action in _AT_THE_DOOR else Enforcement.CONTRACTUAL
