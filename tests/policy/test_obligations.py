"""What is owed under a policy, as values that can be kept and counted down."""

import pytest

from ashiato.facts.instants import DAY_MS, Duration, parse_datetime
from ashiato.policy.builder import compare, permit
from ashiato.policy.evaluation import DutyState, decide
from ashiato.policy.obligations import Obligation, Trigger, obligations_of
from ashiato.policy.odrl import parse_policy
from ashiato.policy.vocabulary import Enforcement
from tests.policy.asking import ALICE, NOW_MS, asked, permission
from tests.policy.drawing import Document

EURO = "http://dbpedia.org/resource/Euro"
HOUR_MS = 3_600_000


def owed(document: Document) -> tuple[Obligation, ...]:
    return obligations_of(parse_policy(document))


def of_duty(action: str, *constraint: object, **more: object) -> Obligation:
    (found,) = owed(permission(duty=[{"action": action, "constraint": list(constraint), **more}]))
    return found


@pytest.mark.parametrize(
    ("described", "due_ms"),
    [
        ([], NOW_MS),
        ([compare("delayPeriod", "eq", "P30D")], NOW_MS + 30 * DAY_MS),
        ([compare("dateTime", "lteq", "2026-12-01T00:00:00Z")], parse_datetime("2026-12-01T00:00:00Z")),
        ([compare("dateTime", "lt", "2026-12-01T00:00:00Z")], parse_datetime("2026-12-01T00:00:00Z") - 1),
        ([compare("dateTime", "lteq", "2026-12-01Z")], parse_datetime("2026-12-02T00:00:00Z") - 1),
        # The end of the day in the zone where it ends first.
        ([compare("dateTime", "lteq", "2026-12-01")], parse_datetime("2026-12-01T10:00:00Z") - 1),
        ([compare("dateTime", "lt", "2026-12-01")], parse_datetime("2026-11-30T10:00:00Z") - 1),
        ([compare("elapsedTime", "lteq", "P1M")], parse_datetime("2026-12-23T12:00:00Z")),
        (
            [compare("delayPeriod", "eq", "P30D"), compare("dateTime", "lteq", "2026-12-01T00:00:00Z")],
            parse_datetime("2026-12-01T00:00:00Z"),
        ),
        ([{"andSequence": [compare("event", "gt", "odrl:policyUsage"), compare("idsc:DELAY", "eq", "PT1H")]}],
         NOW_MS + HOUR_MS),
        ([compare("dateTime", "lteq", "2027-01-01T00:00:00Z"), compare("dateTime", "lteq", "2026-12-01T00:00:00Z")],
         parse_datetime("2026-12-01T00:00:00Z")),
    ],
)  # fmt: skip
def test_data_is_to_be_deleted_after_use_after_a_delay_or_by_a_deadline(
    described: list[object], due_ms: int
) -> None:
    duty = of_duty("delete", *described)
    assert (duty.action, duty.trigger, duty.enforcement) == ("delete", Trigger.USE, Enforcement.ATTESTED)
    assert duty.due_ms(NOW_MS, NOW_MS - DAY_MS) == due_ms
    assert not duty.has_conditions


def test_what_says_no_time_has_no_date() -> None:
    assert of_duty("inform").due_ms(NOW_MS, NOW_MS) is None


def test_refinements_of_the_action_say_the_same_as_constraints_of_the_duty() -> None:
    refined = {
        "rdf:value": {"@id": "odrl:delete"},
        "refinement": [compare("delayPeriod", "eq", "P30D"), compare("dateTime", "lteq", "2026-12-01T00:00:00Z")],
    }  # fmt: skip
    (duty,) = owed(permission(duty=[{"action": [refined]}]))
    assert duty.delay == Duration(ms=30 * DAY_MS)
    assert duty.deadline_ms == parse_datetime("2026-12-01T00:00:00Z")


def test_the_details_of_a_duty_are_passed_on_with_the_parties_in_it() -> None:
    duty = of_duty(
        "inform",
        compare("notificationLevel", "eq", "idsc:ON_ALLOW"),
        compare("systemDevice", "eq", "ch.example"),
        informedParty="did:web:maker",
        assignee=ALICE,
    )
    assert duty.parties == (("informedParty", "did:web:maker"),)
    assert duty.details == (("notificationLevel", "idsc:ON_ALLOW"), ("systemDevice", "ch.example"))
    assert duty.assignee == ALICE


def test_a_payment_comes_first_with_its_amount_and_period() -> None:
    amount = {**compare("payAmount", "eq", "500.00"), "unit": EURO}
    action = {"rdf:value": "odrl:compensate", "refinement": [amount, compare("timeInterval", "eq", "P1M")]}
    (duty,) = owed(permission(duty=[{"action": action, "compensatedParty": "did:web:maker"}]))
    assert duty.comes_first
    assert duty.period == Duration(months=1)
    assert duty.details == (("payAmount", "500.00"), ("payAmount unit", EURO))
    assert duty.parties == (("compensatedParty", "did:web:maker"),)


def test_anything_may_be_made_to_come_first() -> None:
    assert not of_duty("inform").comes_first
    assert of_duty("inform", compare("event", "lt", "odrl:policyUsage")).comes_first


def test_a_duty_under_conditions_says_that_it_has_some() -> None:
    duty = of_duty(
        "delete", compare("role", "eq", "trader"), compare("dateTime", "lteq", "2026-12-01T00:00:00Z")
    )
    assert duty.has_conditions
    assert duty.deadline_ms == parse_datetime("2026-12-01T00:00:00Z")
    either = of_duty("delete", {"or": [compare("dateTime", "lteq", "2026-12-01T00:00:00Z")]})
    assert (either.has_conditions, either.deadline_ms) == (True, None)


def test_obligations_remedies_and_consequences_begin_with_their_own_trigger() -> None:
    found = owed(
        {
            **permission(duty=[{"action": "delete", "consequence": [{"action": "compensate"}]}]),
            "prohibition": [{"action": "distribute", "remedy": [{"action": "inform"}]}],
            "obligation": [
                {"action": "log"},
                {"action": "inform", "constraint": [compare("event", "gt", "odrl:policyUsage")]},
                {"action": "use", "constraint": [compare("DataProvisioningEndDurationDays", "eq", 9)]},
                {"action": "x:dance"},
            ],
            "assignee": ALICE,
            "target": "urn:asset",
        }
    )
    assert [(duty.path, duty.action, duty.trigger) for duty in found] == [
        ("permission[0].duty[0]", "delete", Trigger.USE),
        ("prohibition[0].remedy[0]", "inform", Trigger.BREACH),
        ("obligation[0]", "log", Trigger.AGREEMENT),
        ("obligation[1]", "inform", Trigger.USE),
    ]
    assert [(duty.action, duty.trigger) for duty in found[0].consequences] == [("compensate", Trigger.BREACH)]
    assert {(duty.assignee, duty.target) for duty in found} == {(ALICE, "urn:asset")}


def test_catena_x_deletion_at_the_end_is_owed_then_and_keeping_is_not() -> None:
    deletion = compare("ContractTermination", "eq", "cx.data.deletion:1")
    (duty,) = owed(permission({"and": [deletion, compare("Membership", "eq", "active")]}))
    assert (duty.action, duty.trigger, duty.path) == (
        "delete", Trigger.AGREEMENT_END, "permission[0].constraint[0].and[0]",
    )  # fmt: skip
    assert duty.due_ms(NOW_MS, 0) == NOW_MS
    assert owed(permission(compare("ContractTermination", "eq", "cx.data.keeping:1"))) == ()


def test_changing_data_on_its_way_out_is_no_obligation_and_changing_it_at_rest_is_one() -> None:
    assert owed(permission(duty=[{"action": "anonymize"}])) == ()
    (duty,) = owed({**permit(), "obligation": [{"action": "anonymize"}]})
    assert (duty.action, duty.enforcement) == ("anonymize", Enforcement.ATTESTED)


@pytest.mark.parametrize(
    ("state", "permitted", "code"),
    [
        (None, True, "duty_pending"),
        (DutyState.FULFILLED, True, "duty_fulfilled"),
        (DutyState.VIOLATED, False, "duty_violated"),
    ],
)
def test_how_a_duty_stands_is_told_by_the_path_of_its_obligation(
    state: DutyState | None, permitted: bool, code: str
) -> None:
    policy = parse_policy(permission(duty=[{"action": "delete"}]))
    (duty,) = obligations_of(policy)
    decision = decide(policy, asked(duties={} if state is None else {duty.path: state}))
    assert decision.permitted is permitted
    found = decision.duties if permitted else decision.reasons[0].children
    assert [reason.code for reason in found] == [code]
