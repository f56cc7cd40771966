"""Prices worked out by hand, and the rules by which one tariff displaces another."""

from datetime import date
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ashiato.hub.billing.tariffs import (
    Fee,
    Form,
    Measure,
    Payer,
    Tariff,
    Tier,
    UnusableTariff,
    applying,
    check_tariff,
    holding,
    price,
)
from tests.hub.billing.street import CAR, CELL, MINE, tariff

TIERS = (
    Tier(up_to=100, price_yen="10"),
    Tier(up_to=1000, price_yen="8", flat_yen="50"),
    Tier(up_to=None, price_yen="5"),
)
GRADUATED = tariff("g", Fee.DATA, Measure.DELIVERIES, Form.GRADUATED, tiers=TIERS)
VOLUME = tariff("v", Fee.DATA, Measure.DELIVERIES, Form.VOLUME, tiers=TIERS)


@pytest.mark.parametrize(
    ("count", "graduated", "volume"),
    [
        (0, 0, 0),
        (1, 10, 10),
        (100, 1000, 1000),
        # 100 x 10, then 50 for entering the second tier and 1 x 8; by volume 50 and 101 x 8.
        (101, 1058, 858),
        (1000, 8250, 8050),
        # 1000 + 50 + 900 x 8 + 500 x 5 = 10 750; by volume 1500 x 5.
        (1500, 10_750, 7500),
    ],
)
def test_tiers_price_what_lies_in_them_or_the_whole(count: int, graduated: int, volume: int) -> None:
    assert price(GRADUATED, count) == graduated
    assert price(VOLUME, count) == volume


def test_a_price_per_million_bytes_is_exact_below_a_million() -> None:
    per_mb = tariff("b", Fee.DATA, Measure.BYTES, Form.PER_UNIT, "0.035", per=1_000_000)
    assert price(per_mb, 1_500_001) == Fraction("0.035") * 1_500_001 / 1_000_000


def test_what_is_free_costs_nothing_and_what_is_fixed_does_not_count() -> None:
    assert price(tariff("f", Fee.DATA, Measure.USES, Form.FREE), 10**9) == 0
    fixed = tariff("m", Fee.PLATFORM, Measure.MONTH, Form.FIXED, "30000")
    assert price(fixed, 5) == 30_000
    assert price(fixed, 0, Fraction(10, 30)) == 10_000


def test_a_minimum_and_a_maximum_bound_the_month() -> None:
    bounded = tariff("x", Fee.DATA, Measure.USES, Form.PER_UNIT, "3", minimum_yen=100, maximum_yen=1000)
    assert [price(bounded, count) for count in (0, 33, 34, 333, 334)] == [100, 100, 102, 999, 1000]


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_a_graduated_price_never_falls_when_more_is_used(one: int, more: int) -> None:
    assert price(GRADUATED, one + more) >= price(GRADUATED, one)


def _ids(provider: str, consumer: str, item: str, *tariffs: Tariff) -> list[str]:
    held = holding(tariffs, date(2026, 11, 1))
    return sorted(each.tariff_id for each in applying(held, provider, consumer, item))


def test_the_most_specific_tariff_holds_and_the_consumer_weighs_more_than_provider_and_item() -> None:
    general = tariff("any", Fee.DATA, Measure.USES, Form.PER_UNIT, "1")
    item = tariff("item", Fee.DATA, Measure.USES, Form.PER_UNIT, "2", item="D-01")
    provider = tariff("provider", Fee.DATA, Measure.USES, Form.PER_UNIT, "3", provider=CELL)
    consumer = tariff("consumer", Fee.DATA, Measure.USES, Form.PER_UNIT, "4", consumer=CAR)
    both = tariff("both", Fee.DATA, Measure.USES, Form.PER_UNIT, "5", provider=CELL, item="D-01")
    every = (general, item, provider, consumer)
    assert _ids(CELL, CAR, "D-01", *every) == ["consumer"]
    assert _ids(CELL, CAR, "D-01", *every, both) == ["both"]
    assert _ids(CELL, MINE, "D-01", *every) == ["provider"]
    assert _ids(MINE, CELL, "D-01", *every) == ["item"]
    assert _ids(MINE, CELL, "D-09", *every) == ["any"]


def test_a_fixed_and_a_metered_fee_and_the_platforms_stand_beside_each_other() -> None:
    fees = (
        tariff("metered", Fee.DATA, Measure.USES, Form.PER_UNIT, "1"),
        tariff("fixed", Fee.DATA, Measure.MONTH, Form.FIXED, "500"),
        tariff("platform", Fee.PLATFORM, Measure.USES, Form.PER_UNIT, "1"),
        tariff("seller", Fee.PLATFORM, Measure.USES, Form.PER_UNIT, "1", payer=Payer.PROVIDER),
    )
    assert _ids(CELL, CAR, "D-01", *fees) == ["fixed", "metered", "platform", "seller"]


def test_a_free_tariff_displaces_a_price_that_is_less_specific() -> None:
    general = tariff("any", Fee.DATA, Measure.USES, Form.PER_UNIT, "1")
    free = tariff("free", Fee.DATA, Measure.USES, Form.FREE, consumer=CAR)
    assert _ids(CELL, CAR, "D-01", general, free) == ["free"]


def test_a_tariff_holds_from_its_first_day_until_before_its_last() -> None:
    old = tariff("old", Fee.DATA, Measure.USES, Form.PER_UNIT, "1", until_day=date(2026, 11, 1))
    new = tariff("new", Fee.DATA, Measure.USES, Form.PER_UNIT, "2", from_day=date(2026, 11, 1))
    check_tariff(new, [old])
    assert [each.tariff_id for each in holding([old, new], date(2026, 10, 31))] == ["old"]
    assert [each.tariff_id for each in holding([old, new], date(2026, 11, 1))] == ["new"]


def test_two_prices_for_the_same_at_the_same_time_are_refused() -> None:
    one = tariff("one", Fee.DATA, Measure.USES, Form.PER_UNIT, "1")
    other = tariff("other", Fee.DATA, Measure.USES, Form.PER_UNIT, "2", from_day=date(2026, 1, 1))
    check_tariff(one, [one])
    with pytest.raises(UnusableTariff, match="same time"):
        check_tariff(other, [one])


@pytest.mark.parametrize(
    "members",
    [
        {"from_day": date(2026, 1, 2)},
        {"until_day": date(2019, 1, 1)},
        {"price_yen": "ten"},
        {"price_yen": "10000000000000"},
        {"per": 0},
        {"minimum_yen": 2, "maximum_yen": 1},
        {"tiers": TIERS},
        {"form": Form.VOLUME},
        {"form": Form.FIXED},
        {"measure": Measure.MONTH},
        {"payer": Payer.PROVIDER},
        {"payer": Payer.MEMBER, "fee": Fee.PLATFORM},
        {"title_ja": ""},
        {"form": Form.VOLUME, "tiers": TIERS[:2]},
        {"form": Form.VOLUME, "tiers": (TIERS[1], TIERS[0], TIERS[2])},
        {"form": Form.VOLUME, "tiers": (Tier(up_to=0, price_yen="1"), TIERS[2])},
    ],
)
def test_a_tariff_that_contradicts_itself_is_refused(members: dict[str, object]) -> None:
    good = tariff("t", Fee.DATA, Measure.USES, Form.PER_UNIT, "1")
    check_tariff(good, [])
    with pytest.raises(UnusableTariff):
        check_tariff(msgspec.structs.replace(good, **members), [])
