"""What a policy permits, by tables that are written by hand from ODRL 2.2 and the rules in `evaluation`."""

import pytest

from ashiato.facts.instants import DAY_MS, parse_datetime
from ashiato.policy.builder import compare, permit
from ashiato.policy.evaluation import Checkpoint, Request, decide
from ashiato.policy.odrl import parse_policy

NOW_MS = parse_datetime("2026-11-24T12:00:00Z")
ALICE = "did:web:alice.example"
BOB = "did:web:bob.example"


def asked(
    checkpoint=Checkpoint.READ, action="read", by=ALICE, now_ms=NOW_MS, agreed_at_ms=NOW_MS, uses=0, **claims
):
    known = {name: frozenset(values) for name, values in claims.items()}
    return Request(checkpoint, action, by, now_ms, agreed_at_ms, uses, known)


def test_a_policy_that_grants_nothing_permits_nothing():
    assert not decide(parse_policy({}), asked()).permitted
    assert not decide(parse_policy({"prohibition": [{"action": "sell"}]}), asked()).permitted


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
        ("transfer", "sell", True),
        ("use", "sell", False),
        ("odrl:use", "read", True),
        ("http://www.w3.org/ns/odrl/2/use", "read", True),
        ("https://other.example/use", "read", False),
    ],
)
def test_a_permission_covers_its_action_and_what_is_included_in_it(granted, requested, expected):
    assert decide(parse_policy(permit(granted)), asked(action=requested)).permitted is expected


def test_only_the_named_participants_are_permitted():
    policy = parse_policy(permit(participants=[ALICE]))
    assert decide(policy, asked(by=ALICE)).permitted
    assert not decide(policy, asked(by=BOB)).permitted
    assert not decide(policy, asked(by=ALICE + "x")).permitted


def test_three_uses_permit_the_third_read_and_refuse_the_fourth():
    policy = parse_policy(permit(max_uses=3))
    assert [decide(policy, asked(uses=uses)).permitted for uses in range(5)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert decide(policy, asked(Checkpoint.RUNNING, uses=3)).permitted


def test_thirty_days_count_from_the_agreement():
    policy = parse_policy(permit(elapsed="P30D"))
    agreed_at_ms = NOW_MS - 30 * DAY_MS
    assert decide(policy, asked(agreed_at_ms=agreed_at_ms)).permitted
    assert not decide(policy, asked(agreed_at_ms=agreed_at_ms - 1)).permitted
    assert decide(policy, asked(Checkpoint.NEGOTIATION, agreed_at_ms=None)).permitted
    assert not decide(policy, asked(Checkpoint.READ, agreed_at_ms=None)).permitted


def test_an_unknown_left_operand_denies_with_its_reason_unless_a_claim_is_given():
    policy = parse_policy(
        {"permission": [{"action": "use", "constraint": [compare("Membership", "eq", "active")]}]}
    )
    refused = decide(policy, asked())
    assert not refused.permitted
    assert refused.summary() == (
        "Denied: the conditions of the permission to use are not met, because Membership is not known "
        "here and no verified claim of that name was given."
    )
    assert decide(policy, asked(Membership=["active"])).permitted
    assert not decide(policy, asked(Membership=["suspended"])).permitted
