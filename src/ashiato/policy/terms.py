"""Every left operand and duty that can be judged or held: by whom, where in an exchange, and what it needs.

The labels say what this program does, not what a contract says. ENFORCED: the provider's own process refuses when the
condition does not hold, at the checkpoints that are named. ATTESTED: only the partner's connector can see it; it judges
the condition before each use and signs receipts, and the provider judges it where it has been told the fact.
CONTRACTUAL: no program holds it. What has left the provider's door is out of its reach whatever the label: ENFORCED
then goes on as ATTESTED in the partner's vault.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from ashiato.policy.vocabulary import PARTICIPANT, Checkpoint, Enforcement


class Kind(StrEnum):
    """What a left operand measures, which decides how its right operand is read and where its value comes from."""

    PARTICIPANT = "participant"
    INSTANT = "instant"
    ELAPSED = "elapsed"
    COUNT = "count"
    CLAIM = "claim"
    LEVEL = "level"
    LOCATION = "location"
    PURPOSE = "purpose"
    APPLICATION = "application"
    FACT = "fact"
    QUANTITY = "quantity"
    PROMISE = "promise"
    DESCRIPTION = "description"


class Reading(StrEnum):
    """How Catena-X writes a limit with `eq` that is meant as a bound."""

    PLAIN = "plain"
    UNTIL = "until"
    DAYS = "days"
    FREQUENCY = "frequency"


class LeftOperand(msgspec.Struct, frozen=True):
    """One left operand.

    `claims` are the verified claims that are compared, `fact` is the entry of `Request.facts`; `ids_classes` are the
    numbers of the IDS usage-control classes that it expresses.
    """

    kind: Kind
    enforcement: Enforcement
    operators: frozenset[str]
    checkpoints: tuple[Checkpoint, ...]
    claims: tuple[str, ...] = ()
    fact: str = ""
    ids_classes: tuple[int, ...] = ()
    reading: Reading = Reading.PLAIN


class DutyAction(msgspec.Struct, frozen=True):
    """One action of a duty. `first` says that it must be done before data is handed out, not afterwards."""

    enforcement: Enforcement
    checkpoints: tuple[Checkpoint, ...] = ()
    first: bool = False
    ids_classes: tuple[int, ...] = ()


_ORDER = frozenset(("lt", "lteq", "gt", "gteq", "eq", "neq"))
_MEMBERSHIP = frozenset(("eq", "neq", "isAnyOf", "isNoneOf"))
_SET = _MEMBERSHIP | {"isAllOf", "isPartOf", "isA"}
_SAID = frozenset(("eq", "isAnyOf", "isAllOf", "isNoneOf", "isPartOf", "neq"))
_EVERYWHERE = tuple(Checkpoint)
_AGREED = (Checkpoint.TRANSFER, Checkpoint.READ, Checkpoint.RUNNING)
_HANDING_OVER = (Checkpoint.READ, Checkpoint.RUNNING)
_ENFORCED, _ATTESTED, _CONTRACTUAL = Enforcement


def _party(*ids_classes: int) -> LeftOperand:
    return LeftOperand(
        Kind.PARTICIPANT, _ENFORCED, _MEMBERSHIP | {"isPartOf"}, _EVERYWHERE, ids_classes=ids_classes
    )


def _claim(*claims: str, ids_classes: tuple[int, ...] = ()) -> LeftOperand:
    return LeftOperand(Kind.CLAIM, _ENFORCED, _SET | _ORDER, _EVERYWHERE, claims, ids_classes=ids_classes)


def _told(
    fact: str, enforcement: Enforcement, checkpoints: tuple[Checkpoint, ...], *ids_classes: int
) -> LeftOperand:
    return LeftOperand(Kind.FACT, enforcement, _SET, checkpoints, (), fact, ids_classes)


_USAGE_PURPOSE = LeftOperand(Kind.PURPOSE, _ATTESTED, _SET, _HANDING_OVER, (), "purpose", (6,))

# `recipient` and `assignee` are the words that other connectors use for the party that receives the data. A connector is
# known by the DID with which it authenticates, which is that of its participant.
LEFT_OPERANDS: Mapping[str, LeftOperand] = {
    PARTICIPANT: _party(1),
    "recipient": _party(1),
    "assignee": _party(1),
    "connector": _party(2),
    "dateTime": LeftOperand(Kind.INSTANT, _ENFORCED, _ORDER, _EVERYWHERE, ids_classes=(9,)),
    "elapsedTime": LeftOperand(Kind.ELAPSED, _ENFORCED, _ORDER - {"neq"}, _AGREED, ids_classes=(10,)),
    "count": LeftOperand(Kind.COUNT, _ENFORCED, _ORDER, _AGREED, ids_classes=(11,)),
    "role": _claim("role", ids_classes=(4,)),
    "credential": _claim("credential"),
    "certification": _claim("certification"),
    "app_certification": _claim("app_certification"),
    "organization": _claim("organization"),
    "organization_identifier": _claim("organization_identifier"),
    "membership": _claim("membership", "Membership"),
    "framework_agreement": _claim("framework_agreement", "FrameworkAgreement"),
    "group": _claim("group"),
    "security_profile": LeftOperand(
        Kind.LEVEL, _ENFORCED, _MEMBERSHIP | _ORDER | {"isPartOf"}, _EVERYWHERE, ("security_profile",),
        ids_classes=(8,),
    ),
    "location": LeftOperand(Kind.LOCATION, _ENFORCED, _SET, _EVERYWHERE, ("location",), ids_classes=(22,)),
    "spatial": LeftOperand(Kind.LOCATION, _ATTESTED, _SET, _HANDING_OVER, (), "location", (5,)),
    "purpose": _USAGE_PURPOSE,
    "application": LeftOperand(Kind.APPLICATION, _ATTESTED, _SET, _HANDING_OVER, (), "application", (3,)),
    "state": _told("state", _ATTESTED, _HANDING_OVER, 21),
    "artifact_state": _told("artifact_state", _ATTESTED, _HANDING_OVER, 18),
    "event": _told("event", _ENFORCED, _AGREED, 7),
    "classification": _told("classification", _ENFORCED, _EVERYWHERE, 24),
    "payAmount": LeftOperand(Kind.QUANTITY, _ENFORCED, _ORDER, _AGREED, (), "payAmount", (19, 20)),
    "resolution": LeftOperand(Kind.QUANTITY, _ATTESTED, _ORDER, _HANDING_OVER, (), "resolution"),
    # Catena-X 2025/9 and its profiles of 2024.
    "Membership": _claim("membership", "Membership"),
    "FrameworkAgreement": _claim("framework_agreement", "FrameworkAgreement"),
    "BusinessPartnerNumber": _claim("BusinessPartnerNumber"),
    "BusinessPartnerGroup": _claim("group", "BusinessPartnerGroup"),
    "UsagePurpose": _USAGE_PURPOSE,
    "DataFrequency": LeftOperand(
        Kind.COUNT, _ENFORCED, frozenset(("eq",)), _AGREED, ids_classes=(11,), reading=Reading.FREQUENCY
    ),
    "DataUsageEndDate": LeftOperand(
        Kind.INSTANT, _ENFORCED, frozenset(("eq",)), _EVERYWHERE, ids_classes=(9,), reading=Reading.UNTIL
    ),
    "DataUsageEndDurationDays": LeftOperand(
        Kind.ELAPSED, _ENFORCED, frozenset(("eq",)), _AGREED, ids_classes=(10,), reading=Reading.DAYS
    ),
    "DataProvisioningEndDate": LeftOperand(
        Kind.INSTANT, _ENFORCED, frozenset(("eq",)), _EVERYWHERE, reading=Reading.UNTIL
    ),
    "DataProvisioningEndDurationDays": LeftOperand(
        Kind.ELAPSED, _ENFORCED, frozenset(("eq",)), _AGREED, reading=Reading.DAYS
    ),
    # The partner's vault deletes at the end of the contract, or keeps.
    "ContractTermination": LeftOperand(Kind.PROMISE, _ATTESTED, _SAID, (), ids_classes=(12,)),
    **dict.fromkeys(
        (
            "AffiliatesBpnl", "AffiliatesRegion", "ConfidentialInformationMeasures",
            "ConfidentialInformationSharing", "ContractReference", "DataUsageEndDefinition", "ExclusiveUsage",
            "JurisdictionLocation", "JurisdictionLocationReference", "Liability", "ManagedLegalEntityBpnl",
            "ManagedLegalEntityRegion", "Precedence", "UsageRestriction", "VersionChanges", "Warranty",
            "WarrantyDefinition", "WarrantyDurationMonths",
        ),
        LeftOperand(Kind.PROMISE, _CONTRACTUAL, _SAID, ()),
    ),
    # These say how a duty is done; in the condition of a rule they mean nothing.
    **dict.fromkeys(
        (
            "delayPeriod", "timeInterval", "jsonPath", "method", "grain", "replaceWith", "logLevel",
            "notificationLevel", "systemDevice",
        ),
        LeftOperand(Kind.DESCRIPTION, _ENFORCED, frozenset(("eq", "isAnyOf")), ()),
    ),
}  # fmt: skip

# Any member of a verified credential's subject, by the type of the credential: `RoleCredential.role`.
_CREDENTIAL_MEMBER = re.compile(r"[A-Z][A-Za-z0-9]{0,99}Credential\.[A-Za-z0-9_]{1,100}")

# `use` is here because Catena-X writes the end of provisioning as an obligation to use. In a permission `anonymize` is
# done by the provider's data plane before the data leaves; as an obligation of the whole policy it is the partner's.
DUTY_ACTIONS: Mapping[str, DutyAction] = {
    "anonymize": DutyAction(_ENFORCED, _HANDING_OVER, ids_classes=(13,)),
    "compensate": DutyAction(_ENFORCED, _AGREED, first=True, ids_classes=(19, 20)),
    "obtainConsent": DutyAction(_ENFORCED, _AGREED, first=True, ids_classes=(23,)),
    "use": DutyAction(_ENFORCED, _AGREED),
    "delete": DutyAction(_ATTESTED, ids_classes=(12,)),
    "inform": DutyAction(_ATTESTED, ids_classes=(16,)),
    "log": DutyAction(_ATTESTED, ids_classes=(15,)),
    "nextPolicy": DutyAction(_CONTRACTUAL, ids_classes=(17,)),
    "attribute": DutyAction(_CONTRACTUAL),
    "acceptTracking": DutyAction(_CONTRACTUAL),
    "ensureExclusivity": DutyAction(_CONTRACTUAL),
    "reviewPolicy": DutyAction(_CONTRACTUAL),
    "uninstall": DutyAction(_CONTRACTUAL),
    "watermark": DutyAction(_CONTRACTUAL),
}
# Modification at rest, in the partner's store (IDS class 14).
AT_REST = DutyAction(_ATTESTED, ids_classes=(14,))


def operand(name: str) -> LeftOperand | None:
    """What is known of a left operand; any member of a credential is a claim of its own name."""
    known = LEFT_OPERANDS.get(name)
    if known is None and _CREDENTIAL_MEMBER.fullmatch(name):
        return _claim(name)
    return known


def duty_action(action: str, *, in_permission: bool) -> DutyAction | None:
    """What is known of a duty; None for one that nobody here understands."""
    return AT_REST if action == "anonymize" and not in_permission else DUTY_ACTIONS.get(action)
