"""A month worked out by hand, and what must hold of every month."""

from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.hub.billing.closing import (
    MEMBER_FEE,
    REGISTRANTS,
    SUBSIDY,
    USER_PART,
    Charge,
    Line,
    Metered,
    Stretch,
    UsageTotal,
    close,
    stretches,
)
from ashiato.hub.billing.months import Month
from ashiato.hub.billing.schemes import members_and_users, subsidy_and_members, users_only
from ashiato.hub.billing.tariffs import Fee, Form, Measure, Payer, Tariff, Tier
from ashiato.law.consumption_tax import TaxCategory, read_rates
from ashiato.statements.usage import UsageKind
from tests.hub.billing.street import (
    CAR,
    CELL,
    MINE,
    MINISTRY,
    NOVEMBER,
    OPERATOR,
    SMALL,
    metered,
    party,
    rules,
    tariff,
    total,
)

DATA = tariff("data", Fee.DATA, Measure.DELIVERIES, Form.PER_UNIT, "12.5")
PLATFORM = tariff("platform", Fee.PLATFORM, Measure.DELIVERIES, Form.PER_UNIT, "1.5")
MEMBER = tariff("member", Fee.PLATFORM, Measure.MONTH, Form.FIXED, "10000", payer=Payer.MEMBER)


def _amounts(lines: tuple[Line, ...]) -> dict[tuple[str, str, str], int]:
    return {(line.seller, line.buyer, line.cause): line.amount_yen for line in lines}


def test_platform_and_data_fee_stand_apart_and_each_line_names_its_seller() -> None:
    closing = close(NOVEMBER, [metered(total(CELL, CAR, 3), total(MINE, CAR, 5))], rules(DATA, PLATFORM))
    # 3 x 12.5 = 37.5 and 5 x 12.5 = 62.5, both rounded down; the platform counts all 8: 12.
    assert _amounts(closing.lines) == {
        (CELL, CAR, "data"): 37,
        (MINE, CAR, "data"): 62,
        (OPERATOR, CAR, "platform"): 12,
    }
    assert {line.percent for line in closing.lines} == {"10"}


def test_each_measure_counts_its_own_kind_of_usage() -> None:
    by = {
        "bytes": tariff("bytes", Fee.DATA, Measure.BYTES, Form.PER_UNIT, "2", per=1000),
        "uses": tariff("uses", Fee.DATA, Measure.USES, Form.PER_UNIT, "7"),
        "gain": tariff("gain", Fee.DATA, Measure.GAIN_YEN, Form.PER_UNIT, "0.1"),
    }
    usage = metered(
        total(CELL, CAR, 2, 5500),
        total(CELL, CAR, 4, 4, kind=UsageKind.USED),
        total(CELL, CAR, 1, 1_000_009, kind=UsageKind.GAIN),
    )
    amounts = _amounts(close(NOVEMBER, [usage], rules(*by.values())).lines)
    assert amounts == {(CELL, CAR, "bytes"): 11, (CELL, CAR, "uses"): 28, (CELL, CAR, "gain"): 100_000}


def test_items_of_one_tariff_are_priced_together_and_those_of_two_apart() -> None:
    tiers = (Tier(up_to=10, price_yen="10"), Tier(up_to=None, price_yen="1"))
    both = tariff("both", Fee.DATA, Measure.DELIVERIES, Form.GRADUATED, tiers=tiers)
    own = tariff("own", Fee.DATA, Measure.DELIVERIES, Form.GRADUATED, tiers=tiers, item="D-03")
    usage = metered(
        total(CELL, CAR, 8, item="D-01"), total(CELL, CAR, 8, item="D-02"), total(CELL, CAR, 8, item="D-03")
    )
    # 16 together: 10 x 10 + 6 x 1; the 8 of D-03 alone: 8 x 10.
    amounts = _amounts(close(NOVEMBER, [usage], rules(both, own)).lines)
    assert amounts == {(CELL, CAR, "both"): 106, (CELL, CAR, "own"): 80}


def test_a_fee_that_names_both_sides_is_owed_without_use_and_a_general_one_with_use_only() -> None:
    named = tariff("named", Fee.DATA, Measure.MONTH, Form.FIXED, "500", provider=CELL, consumer=CAR)
    general = tariff("general", Fee.DATA, Measure.MONTH, Form.FIXED, "300")
    assert _amounts(close(NOVEMBER, [], rules(named, general)).lines) == {(CELL, CAR, "named"): 500}
    used = close(NOVEMBER, [metered(total(CELL, CAR, 9), total(MINE, CAR, 1))], rules(named, general))
    assert _amounts(used.lines) == {(CELL, CAR, "named"): 500, (MINE, CAR, "general"): 300}


def test_every_member_owes_the_member_fee_and_one_with_a_fee_of_its_own_owes_that() -> None:
    own = tariff("own", Fee.PLATFORM, Measure.MONTH, Form.FIXED, "2000", payer=Payer.MEMBER, consumer=SMALL)
    amounts = _amounts(close(NOVEMBER, [], rules(MEMBER, own)).lines)
    assert amounts == {
        (OPERATOR, MINE, "member"): 10_000,
        (OPERATOR, CELL, "member"): 10_000,
        (OPERATOR, CAR, "member"): 10_000,
        (OPERATOR, SMALL, "own"): 2000,
    }


def test_who_joins_during_the_month_owes_the_fee_from_the_next_one() -> None:
    late = party("did:web:late.example", "新規参加株式会社", "412345678906", member_from=date(2026, 11, 2))
    parties = {late.party_id: late}
    assert close(NOVEMBER, [], rules(MEMBER, parties=parties)).lines == ()
    assert len(close(NOVEMBER.following, [], rules(MEMBER, parties=parties)).lines) == 1


def test_members_and_users_carry_the_budget_half_and_half() -> None:
    scheme = members_and_users("i", date(2026, 1, 1), 100_001)
    usage = metered(total(CELL, CAR, 2), total(MINE, CELL, 1))
    closing = close(NOVEMBER, [usage], rules(PLATFORM, schemes=(scheme,)))
    amounts = _amounts(closing.lines)
    # 50 001 over four members: 12 500 each, and one yen for the first in order; 50 000 by 2 to 1 uses.
    members = sorted([CAR, CELL, MINE, SMALL])
    assert [amounts[OPERATOR, member, MEMBER_FEE] for member in members] == [12_501, 12_500, 12_500, 12_500]
    assert amounts[OPERATOR, CAR, USER_PART] == 33_333
    assert amounts[OPERATOR, CELL, USER_PART] == 16_667
    assert (OPERATOR, CAR, "platform") not in amounts
    assert sum(amounts.values()) == 100_001


def test_users_only_pay_a_fixed_and_a_metered_fee() -> None:
    fixed = tariff("fixed", Fee.PLATFORM, Measure.MONTH, Form.FIXED, "5000")
    scheme = users_only("ii", date(2026, 1, 1))
    closing = close(NOVEMBER, [metered(total(CELL, CAR, 10))], rules(PLATFORM, fixed, schemes=(scheme,)))
    assert _amounts(closing.lines) == {(OPERATOR, CAR, "fixed"): 5000, (OPERATOR, CAR, "platform"): 15}


def test_a_subsidy_is_outside_the_tax_and_members_pay_the_other_half() -> None:
    scheme = subsidy_and_members("iii", date(2026, 1, 1), 80_000, MINISTRY)
    lines = close(NOVEMBER, [], rules(schemes=(scheme,))).lines
    subsidy = next(line for line in lines if line.cause == SUBSIDY)
    assert (subsidy.buyer, subsidy.amount_yen, subsidy.tax) == (MINISTRY, 40_000, TaxCategory.OUTSIDE)
    assert [line.amount_yen for line in lines if line.cause == MEMBER_FEE] == [10_000] * 4


def test_a_part_of_what_users_pay_returns_to_those_whose_data_was_used() -> None:
    scheme = msgspec.structs.replace(users_only("ii", date(2026, 1, 1)), registrants_share="0.2")
    fee = tariff("fee", Fee.PLATFORM, Measure.DELIVERIES, Form.PER_UNIT, "1001")
    closing = close(
        NOVEMBER, [metered(total(CELL, CAR, 2), total(MINE, CAR, 1))], rules(fee, schemes=(scheme,))
    )
    amounts = _amounts(closing.lines)
    # 3 x 1001 = 3003, a fifth of it 600.6: 600 to two and one thirds.
    assert amounts[CELL, OPERATOR, REGISTRANTS] == 400
    assert amounts[MINE, OPERATOR, REGISTRANTS] == 200


def test_late_usage_is_a_correction_at_the_prices_of_its_own_month() -> None:
    tiers = (Tier(up_to=10, price_yen="10"), Tier(up_to=None, price_yen="1"))
    old = tariff(
        "old", Fee.DATA, Measure.DELIVERIES, Form.GRADUATED, tiers=tiers, until_day=date(2026, 11, 1)
    )
    new = tariff("new", Fee.DATA, Measure.DELIVERIES, Form.PER_UNIT, "100", from_day=date(2026, 11, 1))
    october = metered(total(CELL, CAR, 14), month=Month(2026, 10), before=(total(CELL, CAR, 8),))
    closing = close(NOVEMBER, [october, metered(total(CELL, CAR, 1))], rules(old, new))
    # October was billed at 80 and is worth 104 now.
    assert [(line.cause, line.amount_yen, line.quantity, line.corrects) for line in closing.lines] == [
        ("new", 100, 1, ""),
        ("old", 24, 6, "2026-10"),
    ]


def test_usage_that_was_taken_back_is_a_credit() -> None:
    october = metered(total(CELL, CAR, 6), month=Month(2026, 10), before=(total(CELL, CAR, 8),))
    (line,) = close(NOVEMBER, [october], rules(DATA)).lines
    assert (line.amount_yen, line.quantity, line.corrects) == (-25, -2, "2026-10")
    nothing = metered(total(CELL, CAR, 0), month=Month(2026, 10), before=(total(CELL, CAR, 8),))
    assert close(NOVEMBER, [nothing], rules(DATA)).lines[0].amount_yen == -100


def test_a_month_in_which_the_tax_changes_is_cut_at_the_change() -> None:
    rates = read_rates(
        'id = "x"\ntitle = "x"\ntitle_ja = "x"\n'
        + "".join(
            f'[[rates]]\ncategory = "standard"\nfrom = "{first}"\n{until}percent = "{percent}"\n'
            'source = "a test"\nyear = 2026\nstanding = "assumption"\n'
            for first, until, percent in (
                ("2000-01-01", 'until = "2026-11-16"\n', "10"),
                ("2026-11-16", "", "12"),
            )
        )
    )
    parts = stretches(NOVEMBER, rates)
    assert parts == (
        Stretch(date(2026, 11, 1), date(2026, 11, 15)),
        Stretch(date(2026, 11, 16), date(2026, 11, 30)),
    )
    usage = [Metered(stretch=part, totals=(total(CELL, CAR, 4),)) for part in parts]
    closing = close(NOVEMBER, usage, rules(DATA, MEMBER), rates)
    assert [(line.percent, line.amount_yen) for line in closing.lines if line.cause == "data"] == [
        ("10", 50),
        ("12", 50),
    ]
    assert [line.amount_yen for line in closing.lines if line.buyer == CAR and line.cause == "member"] == [
        5000,
        5000,
    ]


def test_the_rate_of_eight_holds_to_the_end_of_september_2019_and_ten_from_october() -> None:
    old = msgspec.structs.replace(DATA, from_day=date(2019, 1, 1))
    for month, percent in ((Month(2019, 9), "8"), (Month(2019, 10), "10")):
        assert (
            close(month, [metered(total(CELL, CAR, 2), month=month)], rules(old)).lines[0].percent == percent
        )
    # Late usage of September, billed in October, keeps its rate.
    late = metered(total(CELL, CAR, 2), month=Month(2019, 9))
    assert close(Month(2019, 10), [late], rules(old)).lines[0].percent == "8"


def test_a_leap_february_is_one_month_of_twenty_nine_days() -> None:
    (line, *_) = close(Month(2028, 2), [], rules(MEMBER)).lines
    assert (line.first, line.last, line.amount_yen) == (date(2028, 2, 1), date(2028, 2, 29), 10_000)


@pytest.mark.parametrize(("day", "count"), [(date(2026, 11, 30), 1), (date(2026, 12, 1), 0)])
def test_a_charge_by_hand_belongs_to_the_month_of_its_day_and_may_be_a_reduction(
    day: date, count: int
) -> None:
    charge = Charge(
        charge_id="c1",
        seller=OPERATOR,
        buyer=CAR,
        title="Consulting",
        title_ja="運営支援",
        day=day,
        amount_yen=-700,
    )
    assert [line.amount_yen for line in close(NOVEMBER, [], rules(charges=(charge,))).lines] == [-700] * count


USAGE = st.lists(
    st.builds(
        total,
        st.sampled_from([CELL, MINE]),
        st.sampled_from([CAR, SMALL]),
        st.integers(0, 10**6),
        st.integers(0, 10**12),
        item=st.sampled_from(["D-01", "D-02"]),
        kind=st.sampled_from(UsageKind),
    ),
    max_size=8,
)
TARIFFS: tuple[Tariff, ...] = (
    DATA,
    PLATFORM,
    tariff("mb", Fee.DATA, Measure.BYTES, Form.PER_UNIT, "0.0351", per=1_000_000, minimum_yen=3),
)


def _doubled(totals: list[UsageTotal]) -> tuple[UsageTotal, ...]:
    return tuple(
        msgspec.structs.replace(each, events_count=2 * each.events_count, quantity=2 * each.quantity)
        for each in totals
    )


@settings(max_examples=60)
@given(USAGE, st.randoms(use_true_random=False))
def test_two_runs_agree_to_the_yen_in_whatever_order_the_usage_comes(
    usage: list[UsageTotal], random: object
) -> None:
    shuffled = list(usage)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis names no type for it
    the_rules = rules(*TARIFFS, MEMBER, schemes=(members_and_users("i", date(2026, 1, 1), 123_457),))
    assert close(NOVEMBER, [metered(*usage)], the_rules) == close(NOVEMBER, [metered(*shuffled)], the_rules)


@settings(max_examples=60)
@given(USAGE)
def test_what_is_billed_late_makes_up_exactly_what_would_have_been_billed_at_once(
    usage: list[UsageTotal],
) -> None:
    october = Month(2026, 10)
    at_once = close(october, [metered(*_doubled(usage), month=october)], rules(*TARIFFS))
    first = close(october, [metered(*usage, month=october)], rules(*TARIFFS))
    late = close(NOVEMBER, [metered(*_doubled(usage), month=october, before=tuple(usage))], rules(*TARIFFS))
    assert sum(line.amount_yen for line in (*first.lines, *late.lines)) == sum(
        line.amount_yen for line in at_once.lines
    )
