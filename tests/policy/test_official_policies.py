"""Policies that others published: Catena-X, the Dataspace Protocol's examples, and the ODRL test suite of SolidLab.

The suite (68 cases) says for each rule whether it is active for a request in a state of the world. This engine judges a
policy for one asset; so the test keeps the rules about the asset that is asked for, and puts members in the place of
their collection, as the state of the world says. Two of its policies have rules without an action, which ODRL 2.2 does
not allow and this engine refuses.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ashiato.facts.instants import parse_datetime
from ashiato.policy.evaluation import Checkpoint, Request, decide, unenforceable
from ashiato.policy.identity import policy_hash, same_rules
from ashiato.policy.odrl import MalformedPolicy, parse_policy
from tests.policy.asking import ALICE, asked, permission
from tests.policy.turtle import Graph, read_turtle

Document = dict[str, Any]

CATENA_X_CLAIMS = {
    "AffiliatesBpnl": ["BPNL489012567123"],
    "AffiliatesRegion": ["cx.region.europe:1"],
    "BusinessPartnerNumber": ["BPNL012345678910"],
    "ConfidentialInformationMeasures": ["cx.confidentiality.measures:1"],
    "ConfidentialInformationSharing": ["cx.sharing.affiliates:1"],
    "ContractReference": [
        "ContractID250620197", "AGB9832", "ContractConstraint_Warranty", "ContractConstraint_DataQuality",
    ],
    "DataFrequency": ["cx.dataFrequency.unlimited:1"],
    "DataProvisioningEndDate": ["2027-12-15T12:00:00Z", "2023-10-04T12:30:00Z"],
    "DataUsageEndDefinition": ["cx.dataUsageEnd.unlimited:1", "cx.dataUsageEnd.unlimited"],
    "ExclusiveUsage": ["cx.exclusiveUsage.dataConsumer:1"],
    "FrameworkAgreement": ["DataExchangeGovernance:1.0"],
    "JurisdictionLocationReference": ["cx.location.contractReference:1"],
    "Liability": ["cx.grossNegligence:1"],
    "ManagedLegalEntityBpnl": ["BPNL125671234890"],
    "Membership": ["active"],
    "Precedence": ["cx.precedence.contractReference:1"],
    "UsagePurpose": ["cx.pcf.base:1"],
    "UsageRestriction": [],
    "VersionChanges": ["cx.versionChanges.minor:1"],
    "Warranty": ["cx.warranty.contractReference:1"],
    "WarrantyDurationMonths": ["6"],
}  # fmt: skip


def catena_x(conformance: Path) -> dict[str, Document]:
    folder = conformance / "cx-policy" / "schema" / "samples"
    return {path.name: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}


def test_every_catena_x_sample_is_read_and_denied_with_a_reason_while_nobody_vouches(
    conformance: Path,
) -> None:
    samples = catena_x(conformance)
    assert len(samples) == 33
    for name, sample in samples.items():
        document: Document = permission(sample) if "leftOperand" in sample else sample
        decision = decide(parse_policy(document), asked(action=document["permission"][0]["action"]))
        assert not decision.permitted, name
        assert "is not known here" in decision.summary(), name
        assert unenforceable(parse_policy(document)), name
        assert same_rules(document, json.loads(json.dumps(document))), name
        assert len(policy_hash(document)) == 64, name


@pytest.mark.parametrize(
    ("name", "needless"),
    [
        ("access-policy.json", set()),
        ("usage-policy-sample.json", set()),
        # Its prohibition also asks for a region that the claims rule out, so it is spared in any case.
        ("usage-policy-comprehensive-sample.json", {"UsageRestriction"}),
    ],
)
def test_a_catena_x_policy_permits_once_every_operand_that_matters_is_vouched_for(
    conformance: Path, name: str, needless: set[str]
) -> None:
    sample = catena_x(conformance)[name]
    policy = parse_policy(sample)
    action = sample["permission"][0]["action"]
    assert decide(policy, asked(action=action, claims=CATENA_X_CLAIMS)).permitted
    permitted_without = set()
    for missing in {atom["leftOperand"] for atom in atoms(sample)}:
        claims = {claim: values for claim, values in CATENA_X_CLAIMS.items() if claim != missing}
        if decide(policy, asked(action=action, claims=claims)).permitted:
            permitted_without.add(missing)
    assert permitted_without == needless


def atoms(node: Any) -> list[Document]:
    if isinstance(node, list):
        return [leaf for item in node for leaf in atoms(item)]
    if not isinstance(node, dict):
        return []
    return [node] if "leftOperand" in node else [leaf for item in node.values() for leaf in atoms(item)]


def test_a_catena_x_usage_policy_denies_when_a_restriction_applies(conformance: Path) -> None:
    restricted = CATENA_X_CLAIMS | {
        "UsageRestriction": ["cx.thirdParty.forbidden:1", "cx.manipulation.forbidden:1"]
    }
    policy = parse_policy(catena_x(conformance)["usage-policy-sample.json"])
    assert decide(policy, asked(claims=restricted)).reasons[0].code == "prohibition_applies"


def test_the_examples_of_the_dataspace_protocol_are_read(conformance: Path) -> None:
    folder = conformance / "dsp" / "negotiation" / "example"
    messages = [json.loads(path.read_bytes()) for path in folder.glob("*.json")]
    policies = [message[key] for message in messages for key in ("offer", "agreement") if key in message]
    assert len(policies) == 6
    for document in policies:
        # The constrained examples write instants without seconds, which is no xsd:dateTime, or operands that nobody
        # defines.
        free = "constraint" not in document["permission"][0]
        request = asked(by=document.get("assignee", ALICE))
        assert decide(parse_policy(document), request).permitted is free


@cache
def suite(folder: Path) -> dict[str, Graph]:
    """Every graph of the folder by the name of its first subject."""
    graphs = [read_turtle(path.read_text("utf-8")) for path in sorted(folder.glob("*.ttl"))]
    return {next(iter(graph)): graph for graph in graphs}


def as_document(graph: Graph, rule_id: str, party: str, asset: str, world: Graph) -> Document | None:
    """The rule as plain JSON, or None when it is about another asset."""
    rule = graph[rule_id]
    if not set(rule.get("odrl:target", [asset])) <= {asset, *world[asset].get("odrl:partOf", [])}:
        return None
    assignees = [
        party if name in world[party].get("odrl:partOf", []) else name for name in rule["odrl:assignee"]
    ]
    document: Document = {"action": rule["odrl:action"]}
    document["constraint"] = [as_constraint(graph, name) for name in rule["odrl:constraint"]]
    document["duty"] = [{"action": graph[name]["odrl:action"]} for name in rule["odrl:duty"]]
    return document | ({"assignee": assignees} if assignees else {})


def as_constraint(graph: Graph, name: str) -> Document:
    node = graph[name]
    for connective in ("odrl:and", "odrl:or", "odrl:xone"):
        if connective in node:
            return {connective: [as_constraint(graph, operand) for operand in node[connective]]}
    return {name: node[name][0] for name in ("odrl:leftOperand", "odrl:operator", "odrl:rightOperand")}


def is_active(kind: str, rule: Document | None, request: Request) -> bool:
    if rule is None:
        return False
    if kind == "report:PermissionReport":
        return decide(parse_policy({"permission": rule}), request).permitted
    everything = {"permission": [{"action": request.action}], "prohibition": rule}
    return not decide(parse_policy(everything), request).permitted


def test_the_published_odrl_suite_agrees_on_every_rule_that_odrl_allows(conformance: Path) -> None:
    folder = conformance / "odrl" / "force"
    policies, requests, worlds = (
        suite(folder / "policies"),
        suite(folder / "requests"),
        suite(folder / "sotw"),
    )
    agreed, no_action, differing = 0, 0, []
    for case_id, case in suite(folder / "test_cases").items():
        links = {name: values[0] for name, values in case[case_id].items()}
        world = worlds[links["ex:sotw"]]
        wish = requests[links["ex:request"]]
        (asking,) = (wish[name] for name in wish[links["ex:request"]]["odrl:permission"])
        party, asset, action = (asking[f"odrl:{name}"][0] for name in ("assignee", "target", "action"))
        now_ms = parse_datetime(world["temp:currentTime"]["dct:issued"][0])
        request = Request(Checkpoint.RUNNING, action.removeprefix("odrl:"), party, now_ms)
        for report in list(case.values()):
            if "report:activationState" not in report or report["a"][0] == "report:DutyReport":
                continue
            rule = as_document(policies[links["ex:policy"]], report["report:rule"][0], party, asset, world)
            expected = report["report:activationState"] == ["report:Active"]
            if rule is not None and rule["action"] == []:
                with pytest.raises(MalformedPolicy, match="exactly one action"):
                    parse_policy({"permission": rule})
                no_action += 1
                continue
            agrees = is_active(report["a"][0], rule, request) is expected
            agreed += agrees
            differing += [] if agrees else [links["dct:title"]]
    assert differing == VIOLATED_DUTY
    assert (agreed, no_action) == (61, 6)


# That a duty was violated is knowledge about the past, which a request here does not carry yet; the suite's own engine
# fails this case too.
VIOLATED_DUTY = [
    "Read request from Alice to resource X returns into yes, if duty is not violated (Alice Request Read X - duty violated)."
]
