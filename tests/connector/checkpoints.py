"""Each enforced term with a policy that asks for it, a world in which it holds, and one in which it does not."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ashiato.policy.builder import compare

DAY_MS = 86_400_000
CELLS = "did:web:cells.example"
RIVAL = "did:web:rival.example"
# 30 days behind the beginning of the tests' clock (2027-01-15T08:00:00Z) every date below is over.
LATER_MS = 30 * DAY_MS


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What is so when the policy is asked: verified claims, the owner's words, the asset, the clock, the uses."""

    claims: Mapping[str, frozenset[str]] = {}
    groups: tuple[str, ...] = ()
    facts: Mapping[str, str] = {}
    classification: str = ""
    media_type: str = "application/json"
    passed_ms: int = 0
    uses_count: int = 0
    is_settled: bool = False


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """`rules` are asked in `good` and in `bad`; with `bad_rules` it is the rules that differ instead."""

    rules: dict[str, Any]
    good: World = World()
    bad: World = World()
    bad_rules: dict[str, Any] | None = None


def asks(name: str, operator: str, right: str | list[str]) -> dict[str, Any]:
    return {"permission": [{"action": "use", "constraint": [compare(name, operator, right)]}]}


def verified(**claims: str | tuple[str, ...]) -> World:
    held = {
        name: frozenset((values,) if isinstance(values, str) else values) for name, values in claims.items()
    }
    return World(claims=held)


def _party(name: str) -> Case:
    return Case(rules=asks(name, "eq", CELLS), bad_rules=asks(name, "isAnyOf", [RIVAL]))


def _duty(action: str) -> dict[str, Any]:
    return {"permission": [{"action": "use", "duty": [{"action": action}]}]}


def _barred(action: str) -> Case:
    """Dealers are barred, everybody else is permitted."""
    dealers = {"action": action, "constraint": [compare("role", "eq", "dealer")]}
    permitted = "access" if action == "access" else "use"
    return Case(
        rules={"permission": [{"action": permitted}], "prohibition": [dealers]},
        good=verified(role="recycler"),
        bad=verified(role=("recycler", "dealer")),
    )


_ROUND = [
    compare("ashiato:jsonPath", "eq", "$.mass_kg"),
    compare("ashiato:method", "eq", "round"),
    compare("ashiato:grain", "eq", "1"),
]

OPERANDS: Mapping[str, Case] = {
    "ashiato:participant": _party("ashiato:participant"),
    "recipient": _party("recipient"),
    "assignee": _party("assignee"),
    "connector": _party("connector"),
    "dateTime": Case(rules=asks("dateTime", "lteq", "2027-02-01T00:00:00Z"), bad=World(passed_ms=LATER_MS)),
    "elapsedTime": Case(rules=asks("elapsedTime", "lteq", "P10D"), bad=World(passed_ms=LATER_MS)),
    "count": Case(rules=asks("count", "lteq", "2"), good=World(uses_count=1), bad=World(uses_count=3)),
    "role": Case(
        rules=asks("role", "isAnyOf", ["recycler", "collector"]),
        good=verified(role=("carrier", "collector")),
        bad=verified(role="carrier"),
    ),
    "credential": Case(
        rules=asks("credential", "eq", "MembershipCredential"),
        good=verified(credential=("MembershipCredential", "RoleCredential")),
        bad=verified(credential="RoleCredential"),
    ),
    "certification": Case(
        rules=asks("certification", "isAllOf", ["ISO 9001", "IATF 16949"]),
        good=verified(certification=("ISO 9001", "IATF 16949")),
        bad=verified(certification="ISO 9001"),
    ),
    "organization": Case(
        rules=asks("organization", "eq", "Acme Cells K.K."),
        good=verified(organization="Acme Cells K.K."),
        bad=verified(organization="Acme Sales K.K."),
    ),
    "organization_identifier": Case(
        rules=asks("organization_identifier", "isAnyOf", ["NTRJP-0100-01-000001", "VATDE-123456789"]),
        good=verified(organization_identifier="NTRJP-0100-01-000001"),
        bad=verified(organization_identifier="NTRJP-0100-01-000002"),
    ),
    "app_certification": Case(
        rules=asks("app_certification", "eq", "carbon"),
        good=verified(app_certification="carbon"),
        bad=verified(app_certification="health"),
    ),
    "membership": Case(
        rules=asks("membership", "eq", "active"), good=verified(membership="active"), bad=World()
    ),
    "framework_agreement": Case(
        rules=asks("framework_agreement", "eq", "DataExchangeGovernance:1.0"),
        good=verified(framework_agreement="DataExchangeGovernance:1.0"),
        bad=verified(framework_agreement="DataExchangeGovernance:0.9"),
    ),
    "group": Case(
        rules=asks("group", "eq", "suppliers"),
        good=World(groups=("suppliers",)),
        # A claim of that name that somebody else verified is not the owner's own group.
        bad=World(claims={"group": frozenset({"suppliers"})}, groups=("customers",)),
    ),
    "security_profile": Case(
        rules=asks("security_profile", "gteq", "trust"),
        good=verified(security_profile=("base", "trust")),
        bad=verified(security_profile="base"),
    ),
    "location": Case(
        rules=asks("location", "isPartOf", "cx.region.asia:1"),
        good=verified(location="JP"),
        bad=verified(location="US"),
    ),
    "event": Case(rules=asks("event", "eq", "recall"), good=World(facts={"event": "recall"}), bad=World()),
    "classification": Case(
        rules=asks("classification", "neq", "secret"),
        good=World(classification="internal"),
        bad=World(classification="secret"),
    ),
    "payAmount": Case(
        rules=asks("payAmount", "gteq", "100"),
        good=World(facts={"payAmount": "100.00"}),
        bad=World(facts={"payAmount": "99.99"}),
    ),
    "Membership": Case(
        rules=asks("Membership", "eq", "active"), good=verified(Membership="active"), bad=verified(role="x")
    ),
    "FrameworkAgreement": Case(
        rules=asks("FrameworkAgreement", "eq", "DataExchangeGovernance:1.0"),
        good=verified(framework_agreement="DataExchangeGovernance:1.0"),
        bad=World(),
    ),
    "BusinessPartnerNumber": Case(
        rules=asks("BusinessPartnerNumber", "isAnyOf", ["BPNL000000000001"]),
        good=verified(BusinessPartnerNumber="BPNL000000000001"),
        bad=verified(BusinessPartnerNumber="BPNL000000000002"),
    ),
    "BusinessPartnerGroup": Case(
        rules=asks("BusinessPartnerGroup", "isAnyOf", ["gold"]),
        good=World(groups=("gold", "suppliers")),
        bad=World(groups=("suppliers",)),
    ),
    "DataFrequency": Case(
        rules=asks("DataFrequency", "eq", "cx.dataFrequency.once:1"), bad=World(uses_count=2)
    ),
    "DataUsageEndDate": Case(
        rules=asks("DataUsageEndDate", "eq", "2027-02-01T00:00:00Z"), bad=World(passed_ms=LATER_MS)
    ),
    "DataUsageEndDurationDays": Case(
        rules=asks("DataUsageEndDurationDays", "eq", "10"), bad=World(passed_ms=LATER_MS)
    ),
    "DataProvisioningEndDate": Case(
        rules=asks("DataProvisioningEndDate", "eq", "2027-02-01T00:00:00Z"), bad=World(passed_ms=LATER_MS)
    ),
    "DataProvisioningEndDurationDays": Case(
        rules=asks("DataProvisioningEndDurationDays", "eq", "10"), bad=World(passed_ms=LATER_MS)
    ),
}

DUTIES: Mapping[str, Case] = {
    "anonymize": Case(
        rules={"permission": [{"action": "use", "duty": [{"action": "anonymize", "constraint": _ROUND}]}]},
        bad=World(media_type="text/csv"),
    ),
    "compensate": Case(rules=_duty("compensate"), good=World(is_settled=True), bad=World()),
    "obtainConsent": Case(rules=_duty("obtainConsent"), good=World(is_settled=True), bad=World()),
    "use": Case(
        rules={
            "permission": [{"action": "use"}],
            "obligation": [
                {"action": "use", "constraint": [compare("dateTime", "lteq", "2027-02-01T00:00:00Z")]}
            ],
        },
        bad=World(passed_ms=LATER_MS),
    ),
}

PROHIBITIONS: Mapping[str, Case] = {action: _barred(action) for action in ("use", "read", "access")}
