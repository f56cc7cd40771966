"""Only what both sides confirm alike is billable; the rest stands side by side."""

import msgspec
import pytest

from ashiato.facts.instants import DAY_MS, parse_datetime
from ashiato.hub.billing.months import Month
from ashiato.hub.billing.usage import Usage, UsageState, Verdict, differences, take, withdraw
from ashiato.statements.usage import Side, UnusableStatement, UsageKind, UsageStatement, check

NOW_MS = parse_datetime("2026-11-24T09:00:00Z")
OPEN = Month(2026, 11)
CONSUMER = UsageStatement(
    side=Side.CONSUMER,
    kind=UsageKind.RECEIVED,
    agreement="urn:uuid:1",
    provider="did:web:cell.example",
    consumer="did:web:car.example",
    reference="urn:uuid:transfer " + "a" * 64,
    item="D-01",
    at_ms=parse_datetime("2026-11-10T00:00:00Z"),
    quantity=1000,
    data_sha256="a" * 64,
)
PROVIDER = msgspec.structs.replace(CONSUMER, side=Side.PROVIDER, at_ms=CONSUMER.at_ms - 900)


def _taken(*statements: UsageStatement, open_month: Month = OPEN) -> tuple[Usage, list[Verdict]]:
    usage, verdicts = None, []
    for statement in statements:
        usage, verdict = take(usage, statement, open_month)
        verdicts.append(verdict)
    assert usage is not None
    return usage, verdicts


@pytest.mark.parametrize("order", [(CONSUMER, PROVIDER), (PROVIDER, CONSUMER)])
def test_what_both_say_alike_is_confirmed_and_billed_in_its_month(order: tuple[UsageStatement, ...]) -> None:
    usage, verdicts = _taken(*order)
    assert verdicts == [Verdict.RECORDED, Verdict.CONFIRMED]
    assert usage.state is UsageState.CONFIRMED
    assert usage.billed_in == Month(2026, 11)


def test_one_side_alone_is_awaited_and_billed_nowhere() -> None:
    usage, _ = _taken(CONSUMER)
    assert usage.state is UsageState.AWAITED
    assert usage.billed_in is None


def test_the_same_statement_twice_changes_nothing() -> None:
    once, _ = _taken(CONSUMER, PROVIDER)
    twice, verdicts = _taken(CONSUMER, CONSUMER, PROVIDER, PROVIDER, CONSUMER)
    assert twice == once
    assert verdicts == [
        Verdict.RECORDED,
        Verdict.REPEATED,
        Verdict.CONFIRMED,
        Verdict.REPEATED,
        Verdict.REPEATED,
    ]


@pytest.mark.parametrize(
    ("member", "value"),
    [("quantity", 999), ("item", "D-02"), ("data_sha256", "b" * 64), ("at_ms", CONSUMER.at_ms - DAY_MS - 1)],
)
def test_what_they_say_differently_is_a_dispute_that_shows_both(member: str, value: object) -> None:
    usage, verdicts = _taken(CONSUMER, msgspec.structs.replace(PROVIDER, **{member: value}))
    assert verdicts[-1] is Verdict.DISPUTED
    assert usage.billed_in is None
    assert differences(usage) == (member,)
    assert getattr(usage.said(Side.PROVIDER), member) == value
    assert getattr(usage.said(Side.CONSUMER), member) == getattr(CONSUMER, member)


def test_a_day_apart_is_the_same_event() -> None:
    _, verdicts = _taken(CONSUMER, msgspec.structs.replace(PROVIDER, at_ms=CONSUMER.at_ms - DAY_MS))
    assert verdicts[-1] is Verdict.CONFIRMED


def test_a_dispute_ends_when_one_side_replaces_its_words_and_only_then() -> None:
    wrong = msgspec.structs.replace(PROVIDER, quantity=5)
    unasked, verdicts = _taken(CONSUMER, wrong, PROVIDER)
    assert verdicts[-1] is Verdict.CONTRADICTED
    assert unasked.state is UsageState.DISPUTED
    settled, verdicts = _taken(CONSUMER, wrong, msgspec.structs.replace(PROVIDER, replaces=True))
    assert verdicts[-1] is Verdict.CONFIRMED
    assert settled.counted.quantity == 1000


def test_what_is_confirmed_is_not_said_anew() -> None:
    usage, verdicts = _taken(CONSUMER, PROVIDER, msgspec.structs.replace(CONSUMER, quantity=1, replaces=True))
    assert verdicts[-1] is Verdict.SETTLED
    assert usage.counted.quantity == 1000


def test_what_is_confirmed_after_its_month_was_closed_is_billed_in_the_first_open_one() -> None:
    usage, _ = _taken(CONSUMER, PROVIDER, open_month=Month(2026, 12))
    assert usage.billed_in == Month(2026, 12)


def test_what_happens_at_the_last_millisecond_of_a_month_in_tokyo_is_of_that_month() -> None:
    last = parse_datetime("2026-10-31T14:59:59.999Z")
    both = [msgspec.structs.replace(each, at_ms=last) for each in (CONSUMER, PROVIDER)]
    assert _taken(*both, open_month=Month(2026, 10))[0].billed_in == Month(2026, 10)
    both = [msgspec.structs.replace(each, at_ms=last + 1) for each in (CONSUMER, PROVIDER)]
    assert _taken(*both, open_month=Month(2026, 10))[0].billed_in == Month(2026, 11)


def test_usage_is_taken_back_by_both_sides_or_not_at_all() -> None:
    usage, _ = _taken(CONSUMER, PROVIDER)
    once = withdraw(withdraw(usage, Side.CONSUMER), Side.CONSUMER)
    assert once.state is UsageState.CONFIRMED
    assert withdraw(once, Side.PROVIDER).state is UsageState.WITHDRAWN


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("agreement", ""),
        ("item", "x" * 513),
        ("reference", "a\nb"),
        ("consumer", CONSUMER.provider),
        ("at_ms", NOW_MS + 300_001),
        ("at_ms", -1),
        ("quantity", -1),
        ("quantity", 10**15 + 1),
        ("data_sha256", ""),
        ("data_sha256", "A" * 64),
        ("evidence_sha256", "short"),
    ],
)
def test_a_statement_that_names_nothing_or_too_much_is_refused(member: str, value: object) -> None:
    check(CONSUMER, NOW_MS)
    with pytest.raises(UnusableStatement):
        check(msgspec.structs.replace(CONSUMER, **{member: value}), NOW_MS)


def test_a_use_counts_once() -> None:
    use = msgspec.structs.replace(CONSUMER, kind=UsageKind.USED, reference="7", data_sha256="", quantity=1)
    check(use, NOW_MS)
    with pytest.raises(UnusableStatement, match="once"):
        check(msgspec.structs.replace(use, quantity=2), NOW_MS)


def test_other_agreements_kinds_and_references_are_other_usages() -> None:
    others = [
        ("agreement", "urn:uuid:2"),
        ("kind", UsageKind.GAIN),
        ("reference", "x"),
        ("provider", "did:web:p.example"),
    ]
    ids = {msgspec.structs.replace(CONSUMER, **{member: value}).usage_id for member, value in others}
    assert len(ids | {CONSUMER.usage_id}) == 5
    assert PROVIDER.usage_id == CONSUMER.usage_id
