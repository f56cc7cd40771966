"""The names of ODRL, of IDS usage control and of Catena-X as one vocabulary, and which action includes which."""

from collections.abc import Mapping
from enum import StrEnum

ODRL = "http://www.w3.org/ns/odrl/2/"
PARTICIPANT = "ashiato:participant"
_OWN = "https://w3id.org/ashiato/2026/1/policy/"
_OWN_PREFIX = "ashiato:"
_IDS = ("idsc:", "https://w3id.org/idsa/code/")
# 2025/9, the profiles of 2024, and the names that the Tractus-X connectors put into older agreements.
_CATENA_X = (
    "https://w3id.org/catenax/2025/9/policy/",
    "https://w3id.org/catenax/policy/",
    "cx-policy:",
    "https://w3id.org/tractusx/v0.0.1/ns/",
    "tx:",
)

OPERATORS = frozenset(
    "eq gt gteq lteq hasPart isA isAllOf isAnyOf isNoneOf isPartOf lt term-lteq neq".split()
)


class Enforcement(StrEnum):
    """Who holds a right: this process, the partner's connector (which signs), or nobody but a promise."""

    ENFORCED = "enforced"
    ATTESTED = "attested"
    CONTRACTUAL = "contractual"


class Checkpoint(StrEnum):
    """Where in an exchange the policy is asked: READ counts a use, RUNNING re-checks one already counted."""

    CATALOG = "catalog"
    NEGOTIATION = "negotiation"
    TRANSFER = "transfer"
    READ = "read"
    RUNNING = "running"


# Written without a prefix, these are the words that credentials and owners use here.
OWN_NAMES = frozenset(
    "role location certification app_certification security_profile framework_agreement membership group credential "
    "organization organization_identifier "
    "connector application state artifact_state classification jsonPath method grain replaceWith logLevel "
    "notificationLevel log".split()
)
CATENA_X_NAMES = frozenset(
    "Membership FrameworkAgreement BusinessPartnerNumber BusinessPartnerGroup UsagePurpose ContractReference "
    "AffiliatesBpnl AffiliatesRegion ManagedLegalEntityBpnl ManagedLegalEntityRegion DataFrequency DataUsageEndDate "
    "DataUsageEndDurationDays DataUsageEndDefinition DataProvisioningEndDate DataProvisioningEndDurationDays "
    "UsageRestriction ConfidentialInformationMeasures ConfidentialInformationSharing ContractTermination ExclusiveUsage "
    "Warranty WarrantyDefinition WarrantyDurationMonths Liability JurisdictionLocation JurisdictionLocationReference "
    "Precedence VersionChanges".split()
)
# The IDS information model's words for what ODRL or this vocabulary names already.
_IDS_NAMES: Mapping[str, str] = {
    "ABSOLUTE_SPATIAL_POSITION": "spatial",
    "ANONYMIZE": "anonymize",
    "APPLICATION": "application",
    "ARTIFACT_STATE": "artifact_state",
    "CONNECTOR": "connector",
    "COUNT": "count",
    "DATE_TIME": "dateTime",
    "DELAY": "delayPeriod",
    "DELETE": "delete",
    "DISTRIBUTE": "distribute",
    "ELAPSED_TIME": "elapsedTime",
    "EVENT": "event",
    "JSON_PATH": "jsonPath",
    "LOG": "log",
    "log": "log",
    "LOG_LEVEL": "logLevel",
    "NOTIFICATION_LEVEL": "notificationLevel",
    "NOTIFY": "inform",
    "PAY_AMOUNT": "payAmount",
    "POLICY_EVALUATION_TIME": "dateTime",
    "PURPOSE": "purpose",
    "READ": "read",
    "RECIPIENT": "recipient",
    "REPLACE": "anonymize",
    "REPLACE_WITH": "replaceWith",
    "ROLE": "role",
    "SECURITY_LEVEL": "security_profile",
    "STATE": "state",
    "state": "state",
    "USE": "use",
}

# ODRL Vocabulary 2.2 (`includedIn`): the wider action and those that it includes. `write` is its
# deprecated word for `modify`. `access` is Catena-X's word for seeing an offer; it is no part of `use`, nor
# the other way round. `log` is the IDS word for keeping a record of a use.
_INCLUDES: Mapping[str, frozenset[str]] = {
    "use": frozenset(
        "acceptTracking aggregate annotate anonymize archive attribute compensate concurrentUse delete "
        "derive digitize distribute ensureExclusivity execute grantUse include index inform install log modify "
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
    """The short form of a name that this vocabulary knows; every other name stays as it is.

    ODRL's terms lose their namespace whatever they are; names of IDS, Catena-X and our own do when they are known.
    """
    if ":" not in name:
        return name
    if name.startswith(ODRL):
        return name[len(ODRL) :]
    if name.startswith("odrl:"):
        return name[len("odrl:") :]
    return _FOREIGN.get(name, name)


def _foreign() -> dict[str, str]:
    found = {prefix + name: short for prefix in _IDS for name, short in _IDS_NAMES.items()}
    found |= {prefix + name: name for prefix in _CATENA_X for name in CATENA_X_NAMES}
    found |= {prefix + name: name for prefix in (_OWN, _OWN_PREFIX) for name in OWN_NAMES}
    found[f"{_OWN}participant"] = PARTICIPANT
    found["ids:artifact_state"] = "artifact_state"
    return found


_FOREIGN: Mapping[str, str] = _foreign()


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
