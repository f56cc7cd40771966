"""The ODRL test suite of SolidLab (FORCE): 68 cases of policy, request and state of the world with the expected report.

This engine judges a policy for one asset; so the test keeps the rules about the asset that is asked for, and puts members
in the place of their collection, as the state of the world says. The suite takes a duty of which nothing is known for one
that does not stand in the way: it sees an open world.

Six cases are in error: the rules of their two policies have no action, but a Permission and a Prohibition "MUST have one
action property value" (ODRL Information Model 2.2, 2.6.1 and 2.6.2). The policies are refused as they are written. Since
they mean every action, the test puts in the one that is asked for, and then expects the report of the case as well.
"""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ashiato.facts.decisions import Reason
from ashiato.facts.instants import parse_datetime
from ashiato.policy.evaluation import Checkpoint, DutyState, Request, decide
from ashiato.policy.odrl import MalformedPolicy, parse_policy
from tests.policy.turtle import Graph, read_turtle

Document = dict[str, Any]
CASES_COUNT = 68
WITHOUT_ACTION = [f"testcase-00{number}" for number in range(1, 7)]
STATES = {"report:Fulfilled": DutyState.FULFILLED, "report:Violated": DutyState.VIOLATED}


class Case(NamedTuple):
    """One case as the suite tells it."""

    name: str
    policy: Graph
    wish: dict[str, list[str]]
    world: Graph
    reports: Graph


@cache
def suite(folder: Path) -> dict[str, Graph]:
    """Every graph of the folder by the name of its first subject."""
    graphs = [read_turtle(path.read_text("utf-8")) for path in sorted(folder.glob("*.ttl"))]
    return {next(iter(graph)): graph for graph in graphs}


def cases(folder: Path) -> list[Case]:
    policies, requests, worlds = (suite(folder / name) for name in ("policies", "requests", "sotw"))
    found = []
    for path in sorted((folder / "test_cases").glob("*.ttl")):
        reports = read_turtle(path.read_text("utf-8"))
        links = next(node for node in reports.values() if "ex:expectedReport" in node)
        request_id = links["ex:request"][0]
        wishes = requests[request_id]
        found.append(
            Case(
                path.stem[: len("testcase-000")],
                policies[links["ex:policy"][0]],
                wishes[wishes[request_id]["odrl:permission"][0]],
                worlds[links["ex:sotw"][0]],
                reports,
            )
        )
    return found


def rule_reports(case: Case) -> list[dict[str, list[str]]]:
    kinds = ("report:PermissionReport", "report:ProhibitionReport")
    return [node for node in case.reports.values() if node.get("a", [""])[0] in kinds]


def as_document(case: Case, rule_id: str) -> Document | None:
    """The rule as plain JSON, or None when it is about another asset."""
    rule = case.policy[rule_id]
    party, asset = (case.wish[f"odrl:{name}"][0] for name in ("assignee", "target"))
    if not set(rule.get("odrl:target", [asset])) <= {asset, *case.world[asset].get("odrl:partOf", [])}:
        return None
    collections = case.world[party].get("odrl:partOf", [])
    assignees = [party if name in collections else name for name in rule["odrl:assignee"]]
    document: Document = {"action": rule["odrl:action"]}
    document["constraint"] = [as_constraint(case.policy, name) for name in rule["odrl:constraint"]]
    document["duty"] = [{"action": case.policy[name]["odrl:action"]} for name in rule["odrl:duty"]]
    return document | ({"assignee": assignees} if assignees else {})


def as_constraint(graph: Graph, name: str) -> Document:
    node = graph[name]
    for connective in ("odrl:and", "odrl:or", "odrl:xone"):
        if connective in node:
            return {connective: [as_constraint(graph, operand) for operand in node[connective]]}
    return {name: node[name][0] for name in ("odrl:leftOperand", "odrl:operator", "odrl:rightOperand")}


def as_request(case: Case, rule_id: str) -> Request:
    party, action = (case.wish[f"odrl:{name}"][0] for name in ("assignee", "action"))
    duties = case.policy[rule_id]["odrl:duty"]
    standing = {
        node["report:rule"][0]: STATES.get(node["report:deonticState"][0])
        for node in case.world.values()
        if node.get("a") == ["report:DutyReport"]
    }
    states = {f"permission[0].duty[{at}]": standing.get(duty_id) for at, duty_id in enumerate(duties)}
    return Request(
        Checkpoint.RUNNING,
        action.removeprefix("odrl:"),
        party,
        parse_datetime(case.world["temp:currentTime"]["dct:issued"][0]),
        duties={path: state for path, state in states.items() if state is not None},
        is_open_world=True,
    )


def is_active(kind: str, rule: Document | None, request: Request) -> bool:
    if rule is None:
        return False
    if kind == "report:PermissionReport":
        return decide(parse_policy({"permission": rule}), request).permitted
    everything = {"permission": [{"action": request.action}], "prohibition": rule}
    return not decide(parse_policy(everything), request).permitted


def test_every_case_gives_the_expected_state_of_each_rule(conformance: Path) -> None:
    found = cases(conformance / "odrl" / "force")
    assert len(found) == CASES_COUNT
    agreed, refused = 0, []
    for case in found:
        reports = rule_reports(case)
        assert reports, case.name
        for report in reports:
            rule_id = report["report:rule"][0]
            rule, request = as_document(case, rule_id), as_request(case, rule_id)
            if rule is not None and rule["action"] == []:
                with pytest.raises(MalformedPolicy, match="exactly one action"):
                    parse_policy({"permission": rule})
                refused.append(case.name)
                rule["action"] = request.action
            expected = report["report:activationState"] == ["report:Active"]
            assert is_active(report["a"][0], rule, request) is expected, case.name
            agreed += 1
    assert refused == WITHOUT_ACTION
    assert agreed == CASES_COUNT


def leaves(reason: Reason) -> list[Reason]:
    return [leaf for child in reason.children for leaf in leaves(child)] or [reason]


def test_every_constraint_gives_the_expected_state_of_satisfaction(conformance: Path) -> None:
    told = 0
    for case in cases(conformance / "odrl" / "force"):
        expected = {
            node["report:constraint"][0]: node["report:satisfactionState"] == ["report:Satisfied"]
            for node in case.reports.values()
            if node.get("a") == ["report:ConstraintReport"]
        }
        for report in rule_reports(case):
            rule_id = report["report:rule"][0]
            constraint_ids = case.policy[rule_id]["odrl:constraint"]
            asked = [name for name in expected if name in constraint_ids]
            request = as_request(case, rule_id)
            for name in asked:
                document = {"action": request.action, "constraint": [as_constraint(case.policy, name)]}
                decision = decide(parse_policy({"permission": [document]}), request)
                assert decision.permitted is expected[name], (case.name, name)
                assert all(leaf.satisfied is not None for leaf in leaves(decision.reasons[0])), case.name
                told += 1
    assert told > 20
