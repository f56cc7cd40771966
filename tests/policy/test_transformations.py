"""What is changed on the way out is described completely, or nothing is handed out."""

import pytest

from ashiato.policy.builder import compare
from ashiato.policy.evaluation import Side, decide, unenforceable
from ashiato.policy.odrl import parse_policy
from ashiato.policy.transformations import Method, Transformation, announced, to_apply, transformations_of
from ashiato.policy.vocabulary import Checkpoint
from tests.policy.asking import asked, permission
from tests.policy.drawing import Document

PATH = compare("jsonPath", "eq", "$.cells[*].resistance")


def changing(*described: object) -> Document:
    return permission(duty=[{"action": "anonymize", "constraint": list(described)}])


def method(name: str) -> Document:
    return compare("method", "eq", name)


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ([PATH], (Method.BLUR, ("$.cells[*].resistance",), None, None)),
        ([PATH, compare("replaceWith", "eq", "xxxx")], (Method.BLUR, ("$.cells[*].resistance",), "xxxx", None)),
        ([PATH, method("drop")], (Method.DROP, ("$.cells[*].resistance",), None, None)),
        ([PATH, method("round"), compare("grain", "eq", "0.5")], (Method.ROUND, ("$.cells[*].resistance",), None, "0.5")),
        ([PATH, method("coarsen"), compare("grain", "eq", "month")],
         (Method.COARSEN, ("$.cells[*].resistance",), None, "month")),
        ([compare("jsonPath", "isAnyOf", ["$.a", "$..b", "$['c d'][0]"]), method("drop")],
         (Method.DROP, ("$.a", "$..b", "$['c d'][0]"), None, None)),
        ([compare("event", "lt", "odrl:policyUsage"), {"and": [PATH, method("drop")]}],
         (Method.DROP, ("$.cells[*].resistance",), None, None)),
    ],
)  # fmt: skip
def test_a_change_is_read_into_one_value(
    described: list[object], expected: tuple[Method, tuple[str, ...], str | None, str | None]
) -> None:
    policy = parse_policy(changing(*described))
    assert transformations_of(policy) == (Transformation("permission[0].duty[0]", *expected),)
    assert unenforceable(policy) == ()


@pytest.mark.parametrize(
    "described",
    [
        [],
        [method("drop")],
        [PATH, method("shred")],
        [PATH, method("round")],
        [PATH, method("round"), compare("grain", "eq", "0")],
        [PATH, method("round"), compare("grain", "eq", "-1")],
        [PATH, method("round"), compare("grain", "eq", "month")],
        [PATH, method("coarsen"), compare("grain", "eq", "0.5")],
        [PATH, method("coarsen")],
        [PATH, method("drop"), compare("grain", "eq", "month")],
        [PATH, method("drop"), compare("replaceWith", "eq", "x")],
        [PATH, PATH],
        [PATH, compare("logLevel", "eq", "x")],
        [PATH, compare("event", "gt", "odrl:policyUsage")],
        [compare("jsonPath", "eq", "cells")],
        [compare("jsonPath", "eq", "$")],
        [compare("jsonPath", "eq", "$.a[?(@.b)]")],
        [compare("jsonPath", "eq", "$" + ".a" * 33)],
        [compare("jsonPath", "isAnyOf", ["$.a", "b"])],
        [compare("jsonPath", "isAnyOf", [])],
        [compare("jsonPath", "lt", "$.a")],
    ],
)
def test_a_change_that_is_not_described_to_the_end_hands_out_nothing(described: list[object]) -> None:
    policy = parse_policy(changing(*described))
    assert transformations_of(policy) == ()
    assert [gap.code for gap in unenforceable(policy)] == ["duty_undescribed"]
    refused = decide(policy, asked())
    assert refused.reasons[0].children[0].code == "duty_undescribed"


def test_nothing_is_handed_out_by_who_does_not_say_that_it_makes_the_change() -> None:
    policy = parse_policy(changing(PATH, method("drop")))
    for checkpoint in (Checkpoint.CATALOG, Checkpoint.NEGOTIATION, Checkpoint.TRANSFER):
        assert decide(policy, asked(checkpoint)).permitted
    for checkpoint in (Checkpoint.READ, Checkpoint.RUNNING):
        assert decide(policy, asked(checkpoint)).reasons[0].children[0].code == "duty_unapplied"
        granted = decide(policy, asked(checkpoint, duties=announced(policy)))
        assert granted.permitted
        assert to_apply(policy, granted) == transformations_of(policy)
    assert decide(policy, asked(side=Side.CONSUMER)).permitted


def test_only_the_changes_of_the_permission_that_grants_are_applied() -> None:
    drop = {"action": "anonymize", "constraint": [PATH, method("drop")]}
    document: Document = {
        "permission": [
            {"action": "use", "constraint": [compare("role", "eq", "insider")]},
            {"action": "use", "duty": [drop]},
        ]
    }
    policy = parse_policy(document)
    for role, changes_count in (("insider", 0), ("other", 1)):
        decision = decide(policy, asked(claims={"role": [role]}, duties=announced(policy)))
        assert decision.permitted
        assert len(to_apply(policy, decision)) == changes_count


def test_a_change_under_a_condition_is_made_only_while_the_condition_holds() -> None:
    policy = parse_policy(changing(PATH, method("drop"), compare("role", "neq", "insider")))
    for role, changes_count in (("insider", 0), ("other", 1)):
        decision = decide(policy, asked(claims={"role": [role]}, duties=announced(policy)))
        assert decision.permitted
        assert len(to_apply(policy, decision)) == changes_count
    unknown = decide(policy, asked(duties=announced(policy)))
    assert unknown.reasons[0].children[0].code == "duty_unclear"
