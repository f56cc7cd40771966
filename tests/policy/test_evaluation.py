"""What a policy permits, by tables that are written by hand from ODRL 2.2 and the rules in `evaluation`."""

import pytest

from ashiato.facts.decisions import ENGLISH, JAPANESE, Reason
from ashiato.facts.instants import DAY_MS, format_datetime
from ashiato.policy.builder import compare, permit
from ashiato.policy.evaluation import Checkpoint, DutyState, Request, decide, unenforceable
from ashiato.policy.labels import labels_of
from ashiato.policy.odrl import parse_policy
from tests.policy.asking import ALICE, BOB, NOW_MS, asked, permission, permits

FAR = compare("dateTime", "lteq", "2099-01-01T00:00:00Z")
PAST = compare("dateTime", "lteq", "2020-01-01T00:00:00Z")
UNKNOWN = compare("moonPhase", "eq", "full")


def codes(reasons: tuple[Reason, ...]) -> list[str]:
    return [reason.code for reason in reasons]


@pytest.mark.parametrize(
    "document", [{}, {"prohibition": [{"action": "sell"}]}, {"obligation": [{"action": "inform"}]}]
)
def test_a_policy_that_grants_nothing_permits_nothing(document: dict[str, object]) -> None:
    decision = decide(parse_policy(document), asked())
    assert not decision.permitted
    assert codes(decision.reasons) == ["no_permission" if document else "policy_empty"]


@pytest.mark.parametrize(
    ("granted", "requested", "expected"),
    [
        ("use", "use", True),
        ("use", "read", True),
        ("read", "use", False),
        ("read", "read", True),
        ("use", "access", False),
        ("access", "use", False),
        ("access", "access", True),
        ("present", "display", True),
        ("play", "display", False),
        ("use", "display", True),
        ("use", "extract", True),
        ("reproduce", "extract", True),
        ("extract", "reproduce", False),
        ("transfer", "sell", True),
        ("use", "sell", False),
        ("transfer", "use", False),
        ("odrl:use", "read", True),
        ("http://www.w3.org/ns/odrl/2/use", "read", True),
        ("https://other.example/use", "read", False),
        ("https://other.example/use", "https://other.example/use", True),
    ],
)
def test_a_permission_covers_its_action_and_what_is_included_in_it(
    granted: str, requested: str, expected: bool
) -> None:
    assert permits(permit(granted), asked(action=requested)) is expected


@pytest.mark.parametrize(
    ("prohibited", "requested", "expected"),
    [
        ("use", "read", False),
        ("read", "read", False),
        ("read", "use", False),
        ("distribute", "use", True),
        ("distribute", "read", True),
        ("access", "use", True),
        ("sell", "use", True),
        ("https://other.example/act", "use", True),
    ],
)
def test_a_prohibition_stands_against_what_it_covers_and_what_this_node_would_do(
    prohibited: str, requested: str, expected: bool
) -> None:
    known = not prohibited.startswith("https:")
    document = {**permit("use"), "prohibition": [{"action": prohibited}]}
    assert permits(document, asked(action=requested)) is (expected and known)


@pytest.mark.parametrize("left", ["ashiato:participant", "recipient", "assignee", "odrl:recipient"])
@pytest.mark.parametrize(
    ("operator", "right", "alice", "bob"),
    [
        ("eq", ALICE, True, False),
        ("neq", ALICE, False, True),
        ("isAnyOf", [ALICE, "did:web:x"], True, False),
        ("isAnyOf", ALICE, True, False),
        ("isNoneOf", [ALICE, "did:web:x"], False, True),
        ("eq", ALICE + "x", False, False),
        ("isAnyOf", [], False, False),
        ("eq", [ALICE, BOB], False, False),
        ("isAllOf", [ALICE], False, False),
    ],
)
def test_a_named_participant_is_compared_whole(
    left: str, operator: str, right: str | list[str], alice: bool, bob: bool
) -> None:
    document = permission(compare(left, operator, right))
    assert permits(document, asked(by=ALICE)) is alice
    assert permits(document, asked(by=BOB)) is bob


@pytest.mark.parametrize("place", ["policy", "rule"])
def test_a_permission_with_an_assignee_is_for_that_participant(place: str) -> None:
    document = permit()
    if place == "policy":
        document["assignee"] = ALICE
    else:
        document = permission(assignee=ALICE)
    assert permits(document, asked(by=ALICE))
    refused = decide(parse_policy(document), asked(by=BOB))
    assert (refused.permitted, codes(refused.reasons)) == (False, ["permission_assignee"])


def test_a_prohibition_with_an_assignee_is_for_that_participant() -> None:
    document = {**permit(), "prohibition": [{"action": "use", "assignee": BOB}]}
    assert permits(document, asked(by=ALICE))
    assert not permits(document, asked(by=BOB))


@pytest.mark.parametrize(
    ("operator", "before", "at", "after"),
    [
        ("lt", True, False, False),
        ("lteq", True, True, False),
        ("gt", False, False, True),
        ("gteq", False, True, True),
        ("eq", False, True, False),
        ("neq", True, False, True),
    ],
)
def test_an_instant_is_compared_to_the_millisecond(
    operator: str, before: bool, at: bool, after: bool
) -> None:
    document = permission(compare("dateTime", operator, format_datetime(NOW_MS)))
    answers = [permits(document, asked(now_ms=NOW_MS + step)) for step in (-1, 0, 1)]
    assert answers == [before, at, after]


@pytest.mark.parametrize(
    ("operator", "before", "at", "after"),
    [
        ("lt", True, False, False),
        ("lteq", True, True, False),
        ("eq", True, True, False),
        ("gt", False, False, True),
        ("gteq", False, True, True),
    ],
)
def test_elapsed_time_counts_from_the_agreement(operator: str, before: bool, at: bool, after: bool) -> None:
    document = permission(compare("elapsedTime", operator, "P30D"))
    end_ms = NOW_MS + 30 * DAY_MS
    answers = [permits(document, asked(now_ms=end_ms + step, agreed_at_ms=NOW_MS)) for step in (-1, 0, 1)]
    assert answers == [before, at, after]


def test_elapsed_months_follow_the_calendar() -> None:
    document = permission(compare("elapsedTime", "lteq", "P1M"))
    end_ms = NOW_MS + 30 * DAY_MS
    assert permits(document, asked(now_ms=end_ms, agreed_at_ms=NOW_MS))
    assert not permits(document, asked(now_ms=end_ms + 1, agreed_at_ms=NOW_MS))


@pytest.mark.parametrize("operator", ["lteq", "gteq"])
def test_elapsed_time_restricts_nothing_before_an_agreement_exists(operator: str) -> None:
    limit = compare("elapsedTime", operator, "P30D")
    barred: dict[str, object] = {**permit(), "prohibition": [{"action": "use", "constraint": [limit]}]}
    for early in (Checkpoint.CATALOG, Checkpoint.NEGOTIATION):
        assert permits(permission(limit), asked(early, agreed_at_ms=None))
        assert permits(barred, asked(early, agreed_at_ms=None))
    for late in (Checkpoint.TRANSFER, Checkpoint.READ, Checkpoint.RUNNING):
        assert not permits(permission(limit), asked(late, agreed_at_ms=None))
        assert not permits(barred, asked(late, agreed_at_ms=None))


def test_three_uses_permit_the_third_read_and_refuse_the_fourth() -> None:
    document = permit(max_uses=3)
    reads = [permits(document, asked(uses_count=uses)) for uses in range(5)]
    assert reads == [True, True, True, False, False]
    running = [permits(document, asked(Checkpoint.RUNNING, uses_count=uses)) for uses in range(5)]
    assert running == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("lt", [True, False, False]),
        ("lteq", [True, True, False]),
        ("eq", [False, True, False]),
        ("neq", [True, False, True]),
        ("gteq", [False, True, True]),
        ("gt", [False, False, True]),
    ],
)
def test_a_count_is_compared_as_a_number(operator: str, expected: list[bool]) -> None:
    document = permission(compare("count", operator, "10"))
    assert [
        permits(document, asked(Checkpoint.TRANSFER, uses_count=uses)) for uses in (9, 10, 11)
    ] == expected


def test_an_unknown_left_operand_denies_with_its_reason_at_every_checkpoint() -> None:
    policy = parse_policy(permission(UNKNOWN))
    for checkpoint in Checkpoint:
        refused = decide(policy, asked(checkpoint))
        assert not refused.permitted
        assert refused.reasons[0].children[0].code == "left_operand_unknown"
        assert refused.summary() == (
            "Denied: the conditions of the permission to use are not met, because moonPhase is not known "
            "here and no verified claim of that name was given."
        )


@pytest.mark.parametrize(
    ("operator", "right", "claim", "expected"),
    [
        ("eq", "gold", ["gold"], True),
        ("eq", "gold", ["gold", "silver"], True),
        ("eq", "gold", ["silver"], False),
        ("eq", "gold", [], False),
        ("eq", ["gold", "silver"], ["gold"], None),
        ("neq", "gold", ["gold", "silver"], False),
        ("neq", "gold", ["silver"], True),
        ("isAnyOf", ["gold", "silver"], ["silver", "tin"], True),
        ("isAnyOf", ["gold", "silver"], ["tin"], False),
        ("isNoneOf", ["gold"], ["tin"], True),
        ("isNoneOf", ["gold"], ["tin", "gold"], False),
        ("isAllOf", ["gold", "silver"], ["gold", "silver", "tin"], True),
        ("isAllOf", ["gold", "silver"], ["gold"], False),
        ("lteq", "12", ["6"], True),
        ("lteq", "12", ["13"], False),
        ("gt", "9", ["10"], True),
        ("lteq", "12", ["six"], None),
        ("lteq", "12", ["6", "7"], None),
        ("isA", "gold", ["gold"], None),
        ("hasPart", "gold", ["gold"], None),
    ],
)
def test_a_verified_claim_is_compared_with_the_operand_of_its_name(
    operator: str, right: str | list[str], claim: list[str], expected: bool | None
) -> None:
    decision = decide(
        parse_policy(permission(compare("Group", operator, right))), asked(claims={"Group": claim})
    )
    assert decision.permitted is (expected is True)
    assert decision.reasons[0].children[0].satisfied is expected


def test_a_claim_cannot_overrule_what_this_node_knows_itself() -> None:
    document = permission(compare("recipient", "eq", BOB))
    assert not permits(document, asked(by=ALICE, claims={"recipient": [BOB]}))


T, F, U = FAR, PAST, UNKNOWN


@pytest.mark.parametrize(
    ("connective", "operands", "expected"),
    [
        ("and", [T, T], True),
        ("and", [T, F], False),
        ("and", [T, U], None),
        ("and", [F, U], False),
        ("andSequence", [T, T], True),
        ("andSequence", [T, F], False),
        ("andSequence", [U, F], False),
        ("andSequence", [U, T], None),
        ("or", [F, F], False),
        ("or", [F, T], True),
        ("or", [U, T], True),
        ("or", [U, F], None),
        ("xone", [T], True),
        ("xone", [T, F], True),
        ("xone", [T, T], False),
        ("xone", [F, F], False),
        ("xone", [T, U], None),
        ("xone", [F, U], None),
        ("xone", [T, T, U], False),
    ],
)
def test_the_connectives_follow_three_valued_logic(
    connective: str, operands: list[object], expected: bool | None
) -> None:
    condition = {connective: operands}
    granted = decide(parse_policy(permission(condition)), asked())
    assert granted.permitted is (expected is True)
    assert granted.reasons[0].children[0].satisfied is expected
    barred: dict[str, object] = {**permit(), "prohibition": [{"action": "use", "constraint": [condition]}]}
    assert permits(barred, asked()) is (expected is False)


def test_several_constraints_of_a_rule_must_all_hold() -> None:
    assert permits(permission(T, T), asked())
    assert not permits(permission(T, F), asked())


@pytest.mark.parametrize(
    ("conflict", "expected"), [(None, False), ("prohibit", False), ("perm", True), ("invalid", False)]
)
def test_the_conflict_strategy_decides_between_permission_and_prohibition(
    conflict: str | None, expected: bool
) -> None:
    document: dict[str, object] = {**permit(), "prohibition": [{"action": "use"}]}
    if conflict is not None:
        document["conflict"] = conflict
    assert permits(document, asked()) is expected


@pytest.mark.parametrize("constraint", [T, F, U])
def test_an_invalid_policy_is_void_for_every_action_while_its_rules_contradict(constraint: object) -> None:
    prohibition = {"action": "distribute", "constraint": [constraint]}
    document: dict[str, object] = {**permit(), "prohibition": [prohibition], "conflict": "invalid"}
    decision = decide(parse_policy(document), asked(action="read"))
    assert decision.permitted is (constraint is F)
    assert codes(decision.reasons) == (["permission_applies"] if constraint is F else ["policy_void"])
    assert permits({**document, "conflict": "prohibit"}, asked(action="read"))


def test_a_permission_that_does_not_apply_contradicts_nothing() -> None:
    sleeping = {"action": "present", "constraint": [F]}
    document: dict[str, object] = {
        "permission": [{"action": "read"}, sleeping],
        "prohibition": [{"action": "display"}],
        "conflict": "invalid",
    }
    assert permits(document, asked(action="read"))


def test_rules_about_unrelated_actions_do_not_contradict() -> None:
    document: dict[str, object] = {**permit(), "prohibition": [{"action": "sell"}], "conflict": "invalid"}
    assert permits(document, asked())


def test_a_permission_that_does_not_apply_leaves_the_way_to_the_next() -> None:
    document: dict[str, object] = {"permission": [{"action": "use", "constraint": [F]}, {"action": "read"}]}
    assert permits(document, asked(action="read"))
    refused = decide(parse_policy(document), asked(action="use"))
    assert codes(refused.reasons) == ["permission_constraint", "permission_action"]


def test_the_duties_of_a_permit_are_returned_as_pending() -> None:
    document = {
        **permission(duty=[{"action": "delete", "constraint": [T]}]),
        "obligation": [{"action": "inform"}],
    }
    decision = decide(parse_policy(document), asked())
    assert decision.permitted
    assert [(duty.code, duty.path) for duty in decision.duties] == [
        ("duty_pending", "permission[0].duty[0]"),
        ("duty_pending", "obligation[0]"),
    ]
    assert decision.duties[0].text == "delete is owed"


@pytest.mark.parametrize("place", ["duty", "obligation"])
@pytest.mark.parametrize(
    ("duty", "code"),
    [
        ({"action": "https://other.example/dance"}, "duty_unknown"),
        ({"action": "delete", "constraint": [UNKNOWN]}, "duty_unclear"),
        ({"action": "delete", "constraint": [{"or": [T, UNKNOWN]}]}, "duty_unclear"),
    ],
)
def test_a_duty_that_is_not_understood_denies_with_its_reason(
    place: str, duty: dict[str, object], code: str
) -> None:
    document = permission(duty=[duty]) if place == "duty" else {**permit(), "obligation": [duty]}
    decision = decide(parse_policy(document), asked())
    assert not decision.permitted
    reason = decision.reasons[0]
    assert (reason.children[0].code if place == "duty" else reason.code) == code


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (compare("dateTime", "lt", format_datetime(NOW_MS)), False),
        (compare("dateTime", "lteq", format_datetime(NOW_MS)), True),
        (compare("dateTime", "lteq", format_datetime(NOW_MS - 1)), False),
        (compare("dateTime", "gteq", format_datetime(NOW_MS + DAY_MS)), True),
        (compare("dateTime", "eq", format_datetime(NOW_MS + DAY_MS)), True),
        (compare("dateTime", "eq", format_datetime(NOW_MS - 1)), False),
        (compare("elapsedTime", "lteq", "P1D"), False),
        (compare("elapsedTime", "lteq", "P3D"), True),
        (compare("elapsedTime", "gt", "P3D"), True),
        (compare("count", "gteq", "5"), True),
        (compare("count", "lt", "3"), False),
        # A duty of others is not owed.
        (compare("recipient", "eq", BOB), True),
        (compare("recipient", "eq", ALICE), True),
        ({"and": [compare("recipient", "eq", BOB), compare("elapsedTime", "lteq", "P1D")]}, False),
        ({"or": [compare("recipient", "eq", BOB), compare("elapsedTime", "lteq", "P1D")]}, True),
    ],
)
def test_a_duty_of_a_permission_must_still_be_possible(constraint: object, expected: bool) -> None:
    document = permission(duty=[{"action": "delete", "constraint": [constraint]}])
    request = asked(agreed_at_ms=NOW_MS - 2 * DAY_MS, uses_count=2)
    decision = decide(parse_policy(document), request)
    assert decision.permitted is expected
    if not expected:
        assert decision.reasons[0].children[0].code == "duty_impossible"


def test_a_duty_whose_conditions_do_not_hold_is_not_owed() -> None:
    document = permission(duty=[{"action": "inform", "constraint": [compare("role", "eq", "trader")]}])
    for role, code in (("trader", "duty_pending"), ("miner", "duty_not_owed")):
        decision = decide(parse_policy(document), asked(claims={"role": [role]}))
        assert (decision.permitted, codes(decision.duties)) == (True, [code])


def test_an_obligation_whose_time_is_over_stays_pending_business_and_does_not_deny() -> None:
    document: dict[str, object] = {**permit(), "obligation": [{"action": "delete", "constraint": [PAST]}]}
    decision = decide(parse_policy(document), asked())
    assert (decision.permitted, codes(decision.duties)) == (True, ["duty_impossible"])


@pytest.mark.parametrize(
    "document",
    [
        permit(participants=[ALICE], not_before_ms=0, until_ms=NOW_MS, elapsed="P1M", max_uses=3),
        {**permit("use"), "prohibition": [{"action": "read", "constraint": [FAR]}]},
        permission({"xone": [FAR, {"or": [PAST, compare("recipient", "isNoneOf", [BOB])]}]}),
        permit("print"),
    ],
)
def test_what_this_node_holds_itself_leaves_nothing_to_warn_about(document: dict[str, object]) -> None:
    assert unenforceable(parse_policy(document)) == ()


@pytest.mark.parametrize(
    ("document", "code", "path"),
    [
        (permission(UNKNOWN), "not_enforced_left_operand", "permission[0].constraint[0]"),
        (
            permission({"or": [FAR, UNKNOWN]}),
            "not_enforced_left_operand",
            "permission[0].constraint[0].or[1]",
        ),
        (
            permission(compare("count", "isAnyOf", ["3"])),
            "operator_unsupported",
            "permission[0].constraint[0]",
        ),
        (
            permission(compare("dateTime", "lteq", "2023-12-31T06:00Z")),
            "right_operand_unreadable",
            "permission[0].constraint[0]",
        ),
        (permission(duty=[{"action": "x:y"}]), "not_enforced_duty", "permission[0].duty[0]"),
        ({**permit(), "obligation": [{"action": "x:y"}]}, "not_enforced_duty", "obligation[0]"),
        (permission(duty=[{"action": "anonymize"}]), "duty_undescribed", "permission[0].duty[0]"),
        (permission(compare("jsonPath", "eq", "$.a")), "no_condition", "permission[0].constraint[0]"),
        ({**permit(), "prohibition": [{"action": "x:y"}]}, "not_enforced_action", "prohibition[0]"),
        (permit("x:y"), "not_enforced_action", "permission[0]"),
        (
            {**permit(), "prohibition": [{"action": "use", "duty": [{"action": "delete"}]}]},
            "not_enforced_term",
            "prohibition[0]",
        ),
    ],
)
def test_an_owner_is_told_each_thing_that_would_not_be_held(
    document: dict[str, object], code: str, path: str
) -> None:
    (gap,) = unenforceable(parse_policy(document))
    assert (gap.code, gap.path) == (code, path)
    assert gap.text != gap.code


def every_reason(reasons: tuple[Reason, ...]) -> list[Reason]:
    return [found for reason in reasons for found in (reason, *every_reason(reason.children))]


def test_every_reason_that_is_given_can_be_told() -> None:
    told: set[str] = set()
    for document, request in TOLD:
        decision = decide(parse_policy(document), request)
        policy = parse_policy(document)
        labels = tuple(label.sentence for label in labels_of(policy))
        given = every_reason(decision.reasons + decision.duties + unenforceable(policy) + labels)
        assert decision.summary().endswith(".")
        assert decision.summary_ja().endswith("。")
        for sentences in (ENGLISH, JAPANESE):
            texts = [reason.text_in(sentences) for reason in given]
            assert all("{" not in text and text not in sentences for text in texts)
        told |= {reason.code for reason in given}
    # What a connector asks of every partner, whatever the policy: `connector.agreements` says that.
    assert told == set(ENGLISH) - {"credentials_missing"}


_ALL = [T, F, U, {"and": [T]}, {"or": [F]}, {"xone": [T]}, {"andSequence": [T]}]
TOLD: list[tuple[dict[str, object], Request]] = [
    ({}, asked()),
    ({"prohibition": [{"action": "x:y"}]}, asked()),
    (permission(*_ALL), asked()),
    (permission(compare("recipient", "eq", ALICE), compare("count", "eq", [])), asked()),
    (permission(compare("recipient", "eq", BOB), compare("count", "isA", "3")), asked()),
    (permission(compare("elapsedTime", "lt", "P1D")), asked(Checkpoint.CATALOG, agreed_at_ms=None)),
    (permission(compare("elapsedTime", "lt", "P1D")), asked(agreed_at_ms=None)),
    (permission(compare("Group", "isA", "x")), asked(claims={"Group": ["x"]})),
    (permission(assignee=BOB), asked()),
    (permit("access"), asked()),
    (permission(duty=[{"action": "x:y"}, {"action": "delete", "constraint": [U]}]), asked()),
    (permission(duty=[{"action": "delete", "constraint": [F]}]), asked()),
    ({**permit(), "obligation": [{"action": "delete"}]}, asked()),
    ({**permit(), "prohibition": [{"action": "use"}, {"action": "x:y", "duty": [{}]}]}, asked()),
    ({**permit(), "prohibition": [{"action": "sell"}, {"action": "print"}], "conflict": "invalid"}, asked()),
    (
        permission(
            compare("dateTime", "eq", "2026-11-24"),
            compare("event", "eq", "fair"),
            compare("purpose", "eq", "research"),
            compare("Liability", "eq", "cx.grossNegligence:1"),
            compare("jsonPath", "eq", "$.a"),
        ),
        asked(),
    ),
    (permission(compare("event", "eq", "fair")), asked(Checkpoint.CATALOG)),
    (permission(duty=[{"action": "compensate"}, {"action": "anonymize"}]), asked()),
    (
        permission(duty=[{"action": "anonymize", "constraint": [compare("jsonPath", "eq", "$.a")]}]),
        asked(),
    ),
    (permission(duty=[{"action": "compensate", "constraint": [compare("recipient", "eq", BOB)]}]), asked()),
    (
        permission(duty=[{"action": "inform"}, {"action": "delete"}]),
        asked(
            duties={
                "permission[0].duty[0]": DutyState.FULFILLED,
                "permission[0].duty[1]": DutyState.VIOLATED,
            }
        ),
    ),
    (
        {**permit(), "obligation": [{"action": "inform"}]},
        asked(duties={"obligation[0]": DutyState.FULFILLED}),
    ),
    (
        {
            **permit(),
            "obligation": [
                {
                    "action": "use",
                    "constraint": [compare("DataProvisioningEndDate", "eq", "2020-01-01T00:00:00Z")],
                }
            ],
        },
        asked(),
    ),
]
