"""Policies that others published: Catena-X, and the examples of the Dataspace Protocol."""

import json
from pathlib import Path
from typing import Any

import pytest

from ashiato.facts.instants import DAY_MS, parse_datetime
from ashiato.policy.builder import compare
from ashiato.policy.evaluation import Checkpoint, Request, decide, unenforceable
from ashiato.policy.identity import policy_hash, same_rules
from ashiato.policy.labels import labels_of
from ashiato.policy.odrl import parse_policy
from ashiato.policy.vocabulary import CATENA_X_NAMES as NAMES
from ashiato.policy.vocabulary import Enforcement
from tests.policy.asking import ALICE, NOW_MS, asked, permission

Document = dict[str, Any]

YEAR_MS = 365 * DAY_MS
EARLY_MS = parse_datetime("2023-01-01T00:00:00Z")
LATE_MS = parse_datetime("2099-01-01T00:00:00Z")
MEMBER = {
    "membership": ["active"],
    "framework_agreement": ["DataExchangeGovernance:1.0"],
    "BusinessPartnerNumber": ["BPNL012345678910", "BPNL00000003CRHK"],
    "group": [],
}
# What stands in the provider's way, by left operand: a request that fits, and one that does not.
ENFORCED: dict[str, tuple[Request, Request]] = {
    "Membership": (asked(claims={"membership": ["active"]}), asked(claims={"membership": ["suspended"]})),
    "FrameworkAgreement": (
        asked(claims={"framework_agreement": ["DataExchangeGovernance:1.0"]}),
        asked(claims={"framework_agreement": ["Pcf:1.0"]}),
    ),
    "BusinessPartnerNumber": (
        asked(claims={"BusinessPartnerNumber": ["BPNL012345678910"]}),
        asked(claims={"BusinessPartnerNumber": ["BPNL999999999999"]}),
    ),
    "BusinessPartnerGroup": (asked(claims={"group": ["GoldPartner"]}), asked(claims={"group": []})),
    "DataFrequency": (asked(), asked()),
    "DataUsageEndDate": (asked(now_ms=EARLY_MS), asked(now_ms=LATE_MS)),
    "DataUsageEndDurationDays": (asked(), asked(agreed_at_ms=NOW_MS - 10 * YEAR_MS)),
    "DataProvisioningEndDate": (asked(now_ms=EARLY_MS), asked(now_ms=LATE_MS)),
    "DataProvisioningEndDurationDays": (asked(), asked(agreed_at_ms=NOW_MS - 10 * YEAR_MS)),
}
ATTESTED = {"UsagePurpose", "ContractTermination"}


def catena_x(conformance: Path) -> dict[str, Document]:
    folder = conformance / "cx-policy" / "schema" / "samples"
    return {path.name: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}


def as_policy(sample: Document) -> Document:
    return permission(sample) if "leftOperand" in sample else sample


def test_every_catena_x_sample_is_read_labelled_and_told_apart(conformance: Path) -> None:
    samples = catena_x(conformance)
    assert len(samples) == 33
    hashes = set()
    for name, sample in samples.items():
        document = as_policy(sample)
        policy = parse_policy(document)
        assert unenforceable(policy) == (), name
        labels = labels_of(policy)
        assert all(label.enforcement is not None for label in labels), name
        assert [label.term for label in labels if label.term in NAMES] == [
            atom["leftOperand"] for atom in atoms(document)
        ], name
        again = json.loads(json.dumps(document))
        assert same_rules(document, again), name
        assert policy_hash(document) == policy_hash(again)
        hashes.add(policy_hash(document))
    assert len(hashes) >= 30


def test_every_constraint_sample_is_enforced_attested_or_promised_as_its_label_says(
    conformance: Path,
) -> None:
    seen = set()
    for name, sample in catena_x(conformance).items():
        if "leftOperand" not in sample:
            continue
        left = sample["leftOperand"]
        seen.add(left)
        policy = parse_policy(permission(sample))
        if left not in ENFORCED:
            (label,) = labels_of(policy)
            held = Enforcement.ATTESTED if left in ATTESTED else Enforcement.CONTRACTUAL
            assert (label.enforcement, label.checkpoints) == (held, ()), name
            assert all(decide(policy, asked(checkpoint)).permitted for checkpoint in Checkpoint), name
            continue
        fits, misfits = ENFORCED[left]
        if left == "BusinessPartnerGroup":
            fits = asked(claims={"group": sample["rightOperand"]})
        assert labels_of(policy)[0].enforcement is Enforcement.ENFORCED, name
        if sample["operator"] == "isNoneOf":
            fits, misfits = misfits, fits
        assert decide(policy, fits).permitted, name
        if "unlimited" not in str(sample["rightOperand"]):
            assert not decide(policy, misfits).permitted or left == "DataFrequency", name
    assert seen == NAMES


@pytest.mark.parametrize(
    "name", ["access-policy.json", "usage-policy-sample.json", "usage-policy-comprehensive-sample.json"]
)
def test_a_catena_x_policy_permits_a_member_and_nobody_else(conformance: Path, name: str) -> None:
    sample = catena_x(conformance)[name]
    policy = parse_policy(sample)
    action = sample["permission"][0]["action"]
    member = asked(action=action, now_ms=EARLY_MS, agreed_at_ms=EARLY_MS, claims=MEMBER)
    assert decide(policy, member).permitted
    refused = decide(policy, asked(action=action, now_ms=EARLY_MS, agreed_at_ms=EARLY_MS))
    assert not refused.permitted
    assert "is not known here" in refused.summary()


def test_catena_x_data_is_not_provided_after_the_end_of_provisioning(conformance: Path) -> None:
    policy = parse_policy(catena_x(conformance)["usage-policy-sample.json"])
    end_ms = parse_datetime("2023-10-04T12:30:00Z")
    for now_ms, permitted in ((end_ms, True), (end_ms + 1, False)):
        decision = decide(policy, asked(now_ms=now_ms, agreed_at_ms=now_ms, claims=MEMBER))
        assert decision.permitted is permitted
    assert decision.reasons[0].code == "provision_over"


def test_data_that_is_exchanged_once_is_handed_out_once() -> None:
    policy = parse_policy(permission(compare("DataFrequency", "eq", "cx.dataFrequency.once:1")))
    assert decide(policy, asked(uses_count=0)).permitted
    assert not decide(policy, asked(uses_count=1)).permitted
    assert decide(policy, asked(Checkpoint.RUNNING, uses_count=1)).permitted


LEGACY: Document = {
    "@type": "odrl:Set",
    "odrl:profile": {"@id": "cx-policy:profile2405"},
    "odrl:permission": {
        "odrl:action": {"@id": "odrl:use"},
        "odrl:constraint": {
            "odrl:and": [
                {
                    "odrl:leftOperand": {"@id": "cx-policy:FrameworkAgreement"},
                    "odrl:operator": {"@id": "odrl:eq"},
                    "odrl:rightOperand": "DataExchangeGovernance:1.0",
                },
                {
                    "odrl:leftOperand": {"@id": "https://w3id.org/catenax/policy/UsagePurpose"},
                    "odrl:operator": {"@id": "odrl:eq"},
                    "odrl:rightOperand": "cx.core.industrycore:1",
                },
            ]
        },
    },
}


def test_a_policy_under_the_profile_of_2024_is_judged_by_the_same_names() -> None:
    policy = parse_policy(LEGACY)
    assert policy.profile == ("cx-policy:profile2405",)
    assert [label.term for label in labels_of(policy)] == ["FrameworkAgreement", "UsagePurpose"]
    assert unenforceable(policy) == ()
    claims = {"framework_agreement": ["DataExchangeGovernance:1.0"]}
    assert decide(policy, asked(claims=claims)).permitted
    assert not decide(policy, asked()).permitted
    stated = {"purpose": ["cx.pcf.base:1"]}
    assert not decide(policy, asked(claims=claims, facts=stated)).permitted


def atoms(node: Any) -> list[Document]:
    if isinstance(node, list):
        return [leaf for item in node for leaf in atoms(item)]
    if not isinstance(node, dict):
        return []
    return [node] if "leftOperand" in node else [leaf for item in node.values() for leaf in atoms(item)]


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
