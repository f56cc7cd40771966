"""What a policy is looked up by never leaves out what it would permit; a limit is told to the millisecond."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from ashiato.facts.instants import DAY_MS, format_datetime
from ashiato.policy.builder import compare, permit
from ashiato.policy.evaluation import Checkpoint, Request, decide
from ashiato.policy.index import audience_keys, keys_of, next_change_ms, window
from ashiato.policy.odrl import parse_policy
from tests.policy.asking import ALICE, BOB, NOW_MS, asked, permission
from tests.policy.drawing import HOUR_MS, Document, documents, requests

ONLY_ALICE = compare("recipient", "eq", ALICE)
ONLY_BOB = compare("assignee", "isAnyOf", [BOB])
FAST = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, set()),
        (permit(), {"any"}),
        (permit(participants=[ALICE, BOB]), {f"participant:{ALICE}", f"participant:{BOB}"}),
        ({**permit(), "assignee": ALICE}, {f"participant:{ALICE}"}),
        (permission(assignee=ALICE), {f"participant:{ALICE}"}),
        (permission(ONLY_BOB, assignee=ALICE), set()),
        (permission(ONLY_ALICE, ONLY_BOB), set()),
        (permission({"or": [ONLY_ALICE, ONLY_BOB]}), {f"participant:{ALICE}", f"participant:{BOB}"}),
        (permission({"xone": [ONLY_ALICE, compare("count", "lt", "3")]}), {"any"}),
        (permission({"and": [ONLY_ALICE, compare("Membership", "eq", "x")]}), {f"participant:{ALICE}"}),
        (permission(compare("recipient", "neq", ALICE)), {"any"}),
        (permission(compare("recipient", "eq", [ALICE, BOB])), set()),
        ({"permission": [{"action": "use"}, {"action": "read", "assignee": ALICE}]}, {"any"}),
        ({**permit(), "prohibition": [{"action": "use", "assignee": BOB}]}, {"any"}),
        (permission(compare("role", "eq", "miner")), {"claim:role=miner"}),
        (
            permission(compare("role", "isPartOf", ["miner", "refiner"])),
            {"claim:role=miner", "claim:role=refiner"},
        ),
        (permission(compare("role", "isAllOf", ["refiner", "miner"])), {"claim:role=miner"}),
        (permission(compare("role", "isAllOf", [])), {"any"}),
        (permission(compare("role", "isNoneOf", ["miner"])), {"any"}),
        (permission(compare("role", "eq", ["a", "b"])), set()),
        (
            permission(compare("Membership", "eq", "active")),
            {"claim:membership=active", "claim:Membership=active"},
        ),
        (
            permission(compare("BusinessPartnerGroup", "isAnyOf", ["g"])),
            {"claim:group=g", "claim:BusinessPartnerGroup=g"},
        ),
        (permission(compare("RoleCredential.role", "eq", "x")), {"claim:RoleCredential.role=x"}),
        (
            permission(compare("idsc:SECURITY_LEVEL", "eq", "idsc:TRUST_SECURITY_PROFILE")),
            {"claim:security_profile=trust", "claim:security_profile=trust+"},
        ),
        (permission(compare("security_profile", "gt", "trust")), {"claim:security_profile=trust+"}),
        (permission(compare("security_profile", "lteq", "trust")), {"any"}),
        (permission(compare("location", "eq", "JP")), {"any"}),
        (permission(compare("purpose", "eq", "research")), {"any"}),
        (permission(compare("role", "eq", "miner"), ONLY_ALICE), {f"participant:{ALICE}"}),
        (permission(compare("role", "isAnyOf", ["a", "b"]), compare("group", "eq", "g")), {"claim:group=g"}),
        (
            permission({"or": [compare("role", "eq", "miner"), ONLY_ALICE]}),
            {"claim:role=miner", f"participant:{ALICE}"},
        ),
        (permission(compare("role", "eq", "x" * 600)), {("claim:role=" + "x" * 600)[:512]}),
    ],
)
def test_the_audience_is_everybody_or_the_keys_of_which_one_is_needed(
    document: Document, expected: set[str]
) -> None:
    assert audience_keys(parse_policy(document)) == frozenset(expected)


def instants(operator: str, instant_ms: int) -> Document:
    return compare("dateTime", operator, format_datetime(instant_ms))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (permit(), (None, None)),
        (permit(not_before_ms=5, until_ms=9), (5, 9)),
        (permission(instants("lt", 9)), (None, 8)),
        (permission(instants("gt", 5)), (6, None)),
        (permission(instants("eq", 5)), (5, 5)),
        (permission(instants("neq", 5)), (None, None)),
        (permission(compare("dateTime", "lteq", "1970-01-01Z")), (None, DAY_MS - 1)),
        (permission(compare("dateTime", "lt", "1970-01-02Z")), (None, DAY_MS - 1)),
        (permission(compare("dateTime", "gteq", "1970-01-01")), (-14 * HOUR_MS, None)),
        (permission(compare("dateTime", "eq", "1970-01-01")), (-14 * HOUR_MS, 38 * HOUR_MS - 1)),
        (permission(compare("DataUsageEndDate", "eq", "1970-01-01T00:00:01Z")), (None, 1000)),
        (permission({"or": [instants("eq", 5), instants("eq", 9)]}), (5, 9)),
        (permission({"or": [instants("eq", 5), compare("count", "lt", "3")]}), (None, None)),
        (
            permission({"xone": [instants("lteq", 5), {"and": [instants("gt", 7), instants("lt", 9)]}]}),
            (None, 8),
        ),
        (permission(instants("lteq", 9), compare("elapsedTime", "lteq", "P1D")), (None, 9)),
        ({"permission": permission(instants("lt", 9))["permission"], "obligation": []}, (None, 8)),
    ],
)
def test_the_window_is_the_outer_bound_of_the_permitted_time(
    document: Document, expected: tuple[int | None, int | None]
) -> None:
    assert window(parse_policy(document)) == expected


@pytest.mark.parametrize(
    "document",
    [
        {},
        permission(instants("lt", 5), instants("gt", 9)),
        permission(compare("dateTime", "lteq", "tomorrow")),
        permission({"or": [{"and": [instants("lt", 5), instants("gt", 9)]}, {"and": [instants("isA", 5)]}]}),
    ],
)
def test_a_policy_that_never_permits_has_a_window_that_ends_before_it_starts(document: Document) -> None:
    first_ms, last_ms = window(parse_policy(document))
    assert first_ms is not None
    assert last_ms is not None
    assert last_ms < first_ms


@FAST
@given(documents, requests)
def test_whom_a_policy_permits_is_in_its_audience_and_inside_its_window(
    document: Document, request: Request
) -> None:
    policy = parse_policy(document)
    for checkpoint in (Checkpoint.CATALOG, request.checkpoint):
        if decide(policy, msgspec.structs.replace(request, checkpoint=checkpoint)).permitted:
            assert audience_keys(policy) & {*keys_of(request.participant_id, request.claims)}
            first_ms, last_ms = window(policy)
            assert first_ms is None or first_ms <= request.now_ms
            assert last_ms is None or request.now_ms <= last_ms


@pytest.mark.parametrize(
    ("document", "expected_ms"),
    [
        (permit(), None),
        (permit(max_uses=3), None),
        (permit(until_ms=NOW_MS + 500), NOW_MS + 501),
        (permit(until_ms=NOW_MS), NOW_MS + 1),
        (permission(instants("lt", NOW_MS + 500)), NOW_MS + 500),
        (permit(until_ms=NOW_MS - 1), None),
        (permit(elapsed="P30D"), NOW_MS + 29 * DAY_MS + 1),
        (permit(elapsed="P30D", until_ms=NOW_MS + 500), NOW_MS + 501),
        (permit(not_before_ms=NOW_MS + 100, until_ms=NOW_MS + 500), NOW_MS + 501),
        (permission(compare("dateTime", "eq", "2026-11-24Z")), NOW_MS + DAY_MS // 2),
        (permission(compare("DataUsageEndDate", "eq", format_datetime(NOW_MS + 500))), NOW_MS + 501),
        (permission(compare("DataUsageEndDurationDays", "eq", 2)), NOW_MS + DAY_MS + 1),
        (permission({"or": [instants("lt", NOW_MS + 100), instants("lt", NOW_MS + 300)]}), NOW_MS + 300),
        (
            {**permit(), "prohibition": [{"action": "read", "constraint": [instants("gteq", NOW_MS + 700)]}]},
            NOW_MS + 700,
        ),
        (
            permission(duty=[{"action": "delete", "constraint": [instants("lteq", NOW_MS + 700)]}]),
            NOW_MS + 701,
        ),
    ],
)
def test_the_next_loss_of_a_permit_is_told_to_the_millisecond(
    document: Document, expected_ms: int | None
) -> None:
    assert next_change_ms(parse_policy(document), asked(agreed_at_ms=NOW_MS - DAY_MS)) == expected_ms


@FAST
@given(documents, requests)
def test_the_next_change_is_the_first_instant_at_which_a_permit_is_lost(
    document: Document, request: Request
) -> None:
    policy = parse_policy(document)
    lost_ms = None
    before = decide(policy, request).permitted
    # Every limit of the drawn world lies on a full hour around NOW_MS, or one millisecond after it.
    for hours in range(-6, 60):
        for step_ms in (-1, 0, 1, 2):
            instant_ms = NOW_MS + hours * HOUR_MS + step_ms
            if instant_ms <= request.now_ms or lost_ms is not None:
                continue
            now = decide(policy, msgspec.structs.replace(request, now_ms=instant_ms)).permitted
            if before and not now:
                lost_ms = instant_ms
            before = now
    assert next_change_ms(policy, request) == lost_ms


def test_a_policy_with_very_many_limits_may_ask_for_an_early_look_and_never_a_late_one() -> None:
    minutes = [
        {"and": [instants("gteq", NOW_MS + at * 60_000), instants("lt", NOW_MS + (at + 1) * 60_000)]}
        for at in range(50)
    ]
    policy = parse_policy(permission({"or": minutes}))
    end_ms = NOW_MS + 50 * 60_000
    asked_at_ms, looks_count = NOW_MS, 0
    while asked_at_ms < end_ms:
        change_ms = next_change_ms(policy, asked(now_ms=asked_at_ms))
        assert change_ms is not None
        assert asked_at_ms < change_ms <= end_ms
        asked_at_ms = change_ms
        looks_count += 1
    assert looks_count > 1
    assert not decide(policy, asked(now_ms=end_ms)).permitted
