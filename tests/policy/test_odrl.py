"""How a policy is read: every spelling that peers use, and a refusal of what would be read too kindly."""

import pytest

from ashiato.facts.instants import DAY_MS, Duration
from ashiato.policy.builder import compare
from ashiato.policy.odrl import (
    MAX_CONSTRAINTS,
    MAX_DEPTH,
    MAX_RULES,
    Constraint,
    Logical,
    MalformedPolicy,
    Policy,
    parse_policy,
)
from ashiato.policy.terms import Kind
from tests.policy.asking import permission

PLAIN: dict[str, object] = {
    "@id": "urn:uuid:1",
    "@type": "Agreement",
    "target": "urn:uuid:asset",
    "assigner": "did:web:maker.example",
    "assignee": "did:web:cell.example",
    "timestamp": "2026-11-24T00:00:00Z",
    "profile": "https://w3id.org/catenax/2025/9/policy/",
    "conflict": "perm",
    "permission": [
        {
            "action": "use",
            "constraint": [
                {"leftOperand": "count", "operator": "lteq", "rightOperand": "3"},
                {"or": [compare("elapsedTime", "lteq", "P30D"), compare("recipient", "eq", "did:web:x")]},
            ],
            "duty": [{"action": "delete"}],
        }
    ],
    "prohibition": [{"action": "distribute"}],
    "obligation": [{"action": "inform"}],
}
FULL: dict[str, object] = {
    "@id": "urn:uuid:1",
    "@type": "odrl:Agreement",
    "odrl:target": {"@id": "urn:uuid:asset"},
    "http://www.w3.org/ns/odrl/2/assigner": {"@id": "did:web:maker.example", "@type": "odrl:Party"},
    "odrl:assignee": [{"uid": "did:web:cell.example"}],
    "odrl:profile": [{"@id": "https://w3id.org/catenax/2025/9/policy/"}],
    "odrl:conflict": {"@id": "odrl:perm"},
    "odrl:permission": {
        "odrl:action": {"@id": "http://www.w3.org/ns/odrl/2/use"},
        "odrl:constraint": {
            "@list": [
                {
                    "odrl:leftOperand": {"@id": "odrl:count"},
                    "odrl:operator": {"@id": "odrl:lteq"},
                    "odrl:rightOperand": 3,
                },
                {
                    "odrl:or": {
                        "@list": [
                            {
                                "http://www.w3.org/ns/odrl/2/leftOperand": "http://www.w3.org/ns/odrl/2/elapsedTime",
                                "operator": "odrl:lteq",
                                "rightOperand": {"@value": "P30D", "@type": "xsd:duration"},
                            },
                            {
                                "leftOperand": "odrl:recipient",
                                "operator": {"@id": "odrl:eq"},
                                "rightOperand": {"@id": "did:web:x"},
                            },
                        ]
                    }
                },
            ]
        },
        "odrl:duty": {"odrl:action": [{"rdf:value": {"@id": "odrl:delete"}}]},
    },
    "odrl:prohibition": [{"odrl:action": "odrl:distribute"}],
    "odrl:obligation": [{"action": "odrl:inform", "constraint": []}],
}


def only_constraint(document: dict[str, object]) -> Constraint:
    constraint = parse_policy(document).permissions[0].constraint
    assert isinstance(constraint, Constraint)
    return constraint


def test_an_agreement_is_read_into_one_frozen_value() -> None:
    policy = parse_policy(PLAIN)
    assert (policy.assigner, policy.assignee) == ("did:web:maker.example", "did:web:cell.example")
    assert (policy.target, policy.conflict) == ("urn:uuid:asset", "perm")
    assert policy.profile == ("https://w3id.org/catenax/2025/9/policy/",)
    (rule,) = policy.permissions
    assert (rule.action, [duty.action for duty in rule.duties]) == ("use", ["delete"])
    assert [rule.action for rule in policy.prohibitions + policy.obligations] == ["distribute", "inform"]
    assert isinstance(rule.constraint, Logical)
    count, either = rule.constraint.operands
    assert isinstance(count, Constraint)
    assert isinstance(either, Logical)
    assert (count.left_operand, count.operator, count.right_operand) == ("count", "lteq", "3")
    assert (count.kind, count.measured, count.path) == (Kind.COUNT, 3, "permission[0].constraint[0]")
    assert (either.connective, either.operands[0].path) == ("or", "permission[0].constraint[1].or[0]")
    elapsed = either.operands[0]
    assert isinstance(elapsed, Constraint)
    assert elapsed.measured == Duration(0, 0, 30 * DAY_MS)


def test_prefixes_addresses_and_opened_objects_read_like_short_names() -> None:
    assert parse_policy(FULL) == parse_policy(PLAIN)


def test_silence_about_conflicts_means_that_prohibitions_win() -> None:
    assert parse_policy({}) == Policy()
    assert Policy().conflict == "prohibit"


@pytest.mark.parametrize(
    ("right_operand", "expected"),
    [
        (5, "5"),
        (1.5, "1.5"),
        (True, "true"),
        ("5", "5"),
        ({"@value": "5", "@type": "xsd:integer"}, "5"),
        ({"@value": 5}, "5"),
        ({"@id": "did:web:x"}, "did:web:x"),
        (["a", {"@id": "b"}, 3], ("a", "b", "3")),
        ({"@list": ["a", "b"]}, ("a", "b")),
        ([], ()),
        (None, None),
        ({"some": "object"}, None),
        ({"@id": "x", "more": 1}, None),
        ([["nested"]], None),
        (["a", None], None),
    ],
)
def test_a_right_operand_is_text_or_a_list_of_texts_or_not_readable(
    right_operand: object, expected: object
) -> None:
    document = permission({"leftOperand": "x:y", "operator": "eq", "rightOperand": right_operand})
    assert only_constraint(document).right_operand == expected


@pytest.mark.parametrize("changer", ["unit", "status", "rightOperandReference", "odrl:unit"])
def test_a_member_that_changes_what_is_compared_makes_the_operand_unreadable(changer: str) -> None:
    constraint = only_constraint(permission({**compare("count", "lteq", "3"), changer: "x"}))
    assert (constraint.right_operand, constraint.measured) == (None, None)


@pytest.mark.parametrize(
    ("left", "operator", "right"),
    [
        ("dateTime", "lteq", "2023-12-31T06:00Z"),
        ("dateTime", "lteq", "2018-01-32"),
        ("dateTime", "isAnyOf", "2026-01-01T00:00:00Z"),
        ("elapsedTime", "lteq", "30 days"),
        ("elapsedTime", "neq", "P30D"),
        ("count", "lteq", "three"),
        ("count", "lteq", "-1"),
        ("count", "lteq", "3.5"),
        ("count", "lteq", "٣"),
        ("count", "lteq", "9" * 16),
        ("recipient", "lt", "did:web:x"),
    ],
)
def test_an_enforced_comparison_that_cannot_be_judged_is_kept_without_a_measure(
    left: str, operator: str, right: str
) -> None:
    constraint = only_constraint(permission(compare(left, operator, right)))
    assert constraint.measured is None
    assert constraint.right_operand == right


def test_equality_with_several_participants_cannot_be_judged_and_any_of_them_can() -> None:
    several = ["did:web:a", "did:web:b"]
    assert only_constraint(permission(compare("recipient", "eq", several))).measured is None
    assert only_constraint(permission(compare("recipient", "isAnyOf", several))).measured == frozenset(
        several
    )


def test_our_own_operand_is_known_by_its_address_too() -> None:
    address = "https://w3id.org/ashiato/2026/1/policy/participant"
    assert only_constraint(permission(compare(address, "eq", "did:web:x"))).kind is Kind.PARTICIPANT


def test_the_action_of_a_policy_is_the_action_of_its_rules() -> None:
    policy = parse_policy({"action": "read", "permission": [{}], "prohibition": [{"action": "sell"}]})
    assert (policy.permissions[0].action, policy.prohibitions[0].action) == ("read", "sell")


def test_the_refinement_of_an_action_is_a_condition_of_its_rule() -> None:
    action = {
        "@id": "urn:1",
        "rdf:value": {"@id": "odrl:print"},
        "refinement": [compare("resolution", "lteq", "1200")],
    }
    (rule,) = parse_policy({"permission": [{"action": [action]}]}).permissions
    assert isinstance(rule.constraint, Constraint)
    assert (rule.action, rule.constraint.path) == ("print", "permission[0].action.refinement[0]")


def test_what_follows_a_breach_is_read_where_odrl_has_it_and_noted_elsewhere() -> None:
    document: dict[str, object] = {
        "prohibition": [{"action": "use", "remedy": [{"action": "delete"}], "duty": [{"action": "delete"}]}],
        "permission": [
            {
                "action": "use",
                "remedy": [{"action": "delete"}],
                "duty": [
                    {
                        "action": "delete",
                        "consequence": [{"action": "compensate"}],
                        "duty": [{"action": "inform"}],
                    }
                ],
            }
        ],
    }
    policy = parse_policy(document)
    (prohibition,), (rule,) = policy.prohibitions, policy.permissions
    assert prohibition.unread == ("duty",)
    assert [(duty.action, duty.path) for duty in prohibition.remedies] == [
        ("delete", "prohibition[0].remedy[0]")
    ]
    assert rule.unread == ("remedy",)
    (duty,) = rule.duties
    assert duty.unread == ("duty",)
    assert [(follow.action, follow.path) for follow in duty.consequences] == [
        ("compensate", "permission[0].duty[0].consequence[0]")
    ]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], ""),
        ({"permission": ["use"]}, "permission[0]"),
        ({"permission": [{}]}, "permission[0].action"),
        ({"permission": [{"action": ""}]}, "permission[0].action"),
        ({"permission": [{"action": 5}]}, "permission[0].action"),
        ({"permission": [{"action": ["use", "read"]}]}, "permission[0].action"),
        ({"permission": [{"action": {"@id": 5}}]}, "permission[0].action"),
        ({"permission": [{"action": "use"}], "odrl:permission": []}, ""),
        ({"permission": [{"action": "use", "odrl:action": "read"}]}, "permission[0]"),
        ({"conflict": "none"}, "conflict"),
        ({"conflict": ["perm"]}, "conflict"),
        ({"profile": [5]}, "profile"),
        ({"inheritFrom": "urn:uuid:2"}, "inheritFrom"),
        ({"constraint": [compare("count", "lt", "1")]}, "constraint"),
        ({"assignee": ["a", "b"]}, "assignee"),
        ({"assignee": {"@id": "a", "refinement": []}}, "assignee"),
        ({"assignee": {}}, "assignee"),
        ({"assignee": 5}, "assignee"),
        ({"target": "a", "permission": [{"action": "use", "target": "b"}]}, "permission[0].target"),
        ({"permission": [{"action": "use", "target": "b"}]}, "permission[0].target"),
        (permission("count lt 3"), "permission[0].constraint[0]"),
        (permission({}), "permission[0].constraint[0].leftOperand"),
        (permission({"leftOperand": "count", "rightOperand": "3"}), "permission[0].constraint[0].operator"),
        (permission({"leftOperand": "count", "operator": "lt"}), "permission[0].constraint[0].rightOperand"),
        (permission(compare("count", "less", "3")), "permission[0].constraint[0].operator"),
        (permission({"and": []}), "permission[0].constraint[0].and"),
        (permission({"and": None}), "permission[0].constraint[0].and"),
        (permission({"and": [{}], "or": [{}]}), "permission[0].constraint[0]"),
        (permission({"and": [{}], "leftOperand": "count"}), "permission[0].constraint[0]"),
        (
            permission({"or": [compare("count", "lt", "3"), {"xone": "x"}]}),
            "permission[0].constraint[0].or[1].xone[0]",
        ),
        (permission(duty=[{}]), "permission[0].duty[0].action"),
        (
            {"obligation": [{"action": "delete", "constraint": [{}]}]},
            "obligation[0].constraint[0].leftOperand",
        ),
    ],
)
def test_what_would_be_read_too_kindly_is_refused_with_its_place(
    document: dict[str, object], path: str
) -> None:
    with pytest.raises(MalformedPolicy) as refused:
        parse_policy(document)
    assert refused.value.path == path
    assert refused.value.problem


def nested(levels: int) -> dict[str, object]:
    node: dict[str, object] = compare("count", "lt", "3")
    for _ in range(levels - 1):
        node = {"and": [node]}
    return permission(node)


def test_the_bounds_are_held_and_named() -> None:
    atom = compare("count", "lt", "3")
    parse_policy(nested(MAX_DEPTH))
    with pytest.raises(MalformedPolicy, match="deeper than 32"):
        parse_policy(nested(MAX_DEPTH + 1))
    parse_policy(permission(*[atom] * MAX_CONSTRAINTS))
    with pytest.raises(MalformedPolicy, match="more than 1000 constraints"):
        parse_policy(permission(*[atom] * (MAX_CONSTRAINTS + 1)))
    parse_policy({"permission": [{"action": "use"}] * MAX_RULES})
    with pytest.raises(MalformedPolicy, match="more than 1000 rules"):
        parse_policy({"permission": [{"action": "use", "duty": [{"action": "delete"}]}] * 501})


def test_consequences_of_consequences_are_bounded() -> None:
    duty: dict[str, object] = {"action": "delete"}
    for _ in range(MAX_DEPTH):
        duty = {"action": "delete", "consequence": [duty]}
    parse_policy(permission(duty=[duty]))
    with pytest.raises(MalformedPolicy, match="consequences nested deeper"):
        parse_policy(permission(duty=[{"action": "delete", "consequence": [duty]}]))
