"""The examples of W3C's ODRL formal semantics: nine evaluation requests with the compliance report that each must give.

The examples are for a closed world, which is also what this engine assumes: a duty of which nothing is known is not done.
Their rules name the target themselves; the test puts it into the policy, where the Dataspace Protocol has it.

Four cases hold an error, and the test says which. With the error mended they give the expected report.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ashiato.facts.instants import parse_datetime
from ashiato.policy.evaluation import Checkpoint, DutyState, Request, decide
from ashiato.policy.odrl import parse_policy

Document = dict[str, Any]
DOTS = "resolution in http://dbpedia.org/resource/Dots_per_inch"
CASES = ["A11", "A12", "B11", "B12", "C11", "C12", "C21", "C22", "C23"]
# The requests of C1 and C2 come from `party/billie1`, while the policies are for `party/billie` and the payments of C12 and C23
# are made by `party/billie`: as it is written, nobody is permitted anything, which is what only C11 and C22 expect.
WRONG_PARTY = {"C12", "C21", "C23"}
# The report of B12 says Active and Deny of one rule, and that its refinement is not satisfied (1300 dots against at most 1200).
WRONG_REPORT = {"B12"}


def load(folder: Path, name: str) -> tuple[Document, Document, Document, bool]:
    (here,) = [path for path in folder.glob("*/*/*") if path.is_dir() and path.name == name]
    (policy,) = here.parent.glob("policy*.json")
    (wish,) = here.glob("evaluationrequest*.json")
    (report,) = here.glob("compliancereport*.json")
    has_state = bool(list(here.glob("state*.json")))
    return (*(json.loads(path.read_bytes()) for path in (policy, wish, report)), has_state)


def as_policy(document: Document) -> Document:
    (rule,) = document["permission"]
    return {"permission": [{**rule, "target": None}], "target": rule["target"]}


def as_request(wish: Document, *, paid: bool, party: str | None = None) -> Request:
    parameter = wish["requestParameters"]
    claims, facts, now_ms = {}, {}, 0
    value = parameter["value"]
    if parameter["describesFeature"] == "sotw:CurrentXSDDateTime":
        now_ms = parse_datetime(value["@value"] + "Z")
        day = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%A")
        claims["ex:dayOfWeek"] = frozenset((day,))
    else:
        # The value stands where an identifier belongs.
        facts[DOTS] = frozenset((value["@id"],))
    return Request(
        Checkpoint.READ,
        wish["evaluatedAction"].removeprefix("odrl:"),
        party or wish.get("evaluatedParty", "urn:anybody"),
        now_ms,
        now_ms,
        claims=claims,
        facts=facts,
        duties={"permission[0].duty[0]": DutyState.FULFILLED} if paid else {},
    )


def expected(report: Document) -> bool:
    (rule,) = [node for node in report.values() if isinstance(node, dict) and "report:controlState" in node]
    active, permit = rule["report:activationState"], rule["report:controlState"]
    assert (active, permit) in (
        ("report:Active", "report:Permit"),
        ("report:Inactive", "report:Deny"),
        ("report:Active", "report:Deny"),
    )
    return bool(permit == "report:Permit")


@pytest.mark.parametrize("name", CASES)
def test_each_example_gives_the_expected_report(conformance: Path, name: str) -> None:
    document, wish, report, paid = load(conformance / "odrl" / "w3c-formal-semantics", name)
    policy = parse_policy(as_policy(document))
    if name in WRONG_PARTY:
        assert not decide(policy, as_request(wish, paid=paid)).permitted
    party = policy.permissions[0].assignee
    decision = decide(policy, as_request(wish, paid=paid, party=party))
    assert decision.permitted is expected(report)
    if name in WRONG_REPORT:
        assert "report:Active" in json.dumps(report)
        assert not decision.permitted


@pytest.mark.parametrize("name", CASES)
def test_each_example_judges_its_constraint_as_expected(conformance: Path, name: str) -> None:
    document, wish, report, paid = load(conformance / "odrl" / "w3c-formal-semantics", name)
    states = [
        node["report:satisfactionState"]
        for node in report.values()
        if isinstance(node, dict) and "report:satisfactionState" in node
    ]
    policy = as_policy(document)
    duties = policy["permission"][0].get("duty", [{}])
    if name.startswith("C"):
        # What the report says of the condition is said of the constraint of its duty.
        policy["permission"] = [{"action": "play", "constraint": duties[0].get("constraint", [])}]
    if states:
        decision = decide(parse_policy(policy), as_request(wish, paid=paid))
        assert decision.permitted is (states == ["report:Satisfied"])
    else:
        assert name in ("C11", "C12")


def test_every_example_with_a_request_is_tried(conformance: Path) -> None:
    folder = conformance / "odrl" / "w3c-formal-semantics"
    assert sorted(path.parent.name for path in folder.glob("*/*/*/evaluationrequest*.json")) == CASES


def test_the_example_without_a_request_is_read_as_well(conformance: Path) -> None:
    (path,) = (conformance / "odrl" / "w3c-formal-semantics").glob("*/A2*/policyA2.json")
    (rule,) = json.loads(path.read_bytes())["prohibition"]
    document = {"permission": [{"action": "use"}], "prohibition": [{**rule, "target": None}]}
    policy = parse_policy({**document, "target": rule["target"]})
    party = rule["assignee"]
    for year, permitted in ((2024, False), (2026, True)):
        now_ms = parse_datetime(f"{year}-06-01T00:00:00Z")
        assert decide(policy, Request(Checkpoint.READ, "archive", party, now_ms)).permitted is permitted
