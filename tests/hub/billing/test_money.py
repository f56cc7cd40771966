"""Whole yen: the one rounding, and splits that lose nothing."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ashiato.hub.billing.money import Rounding, rounded, split

YEN = st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**4)
WEIGHTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any)


@pytest.mark.parametrize(
    ("amount", "down", "half_up", "up"),
    [
        (Fraction(21648, 10), 2164, 2165, 2165),
        (Fraction(1, 2), 0, 1, 1),
        (Fraction(49, 100), 0, 0, 1),
        (Fraction(7), 7, 7, 7),
        (Fraction(0), 0, 0, 0),
        (Fraction(-1, 2), 0, -1, -1),
        (Fraction(-21648, 10), -2164, -2165, -2165),
    ],
)
def test_a_fraction_of_a_yen_is_settled_by_the_amount_and_not_by_the_sign(
    amount: Fraction, down: int, half_up: int, up: int
) -> None:
    assert [rounded(amount, each) for each in (Rounding.DOWN, Rounding.HALF_UP, Rounding.UP)] == [
        down,
        half_up,
        up,
    ]


@given(YEN, st.sampled_from(Rounding))
def test_what_is_rounded_is_less_than_a_yen_away_and_a_credit_is_the_charge_taken_back(
    amount: Fraction, rounding: Rounding
) -> None:
    assert abs(rounded(amount, rounding) - amount) < 1
    assert rounded(-amount, rounding) == -rounded(amount, rounding)


def test_a_hundred_yen_in_three_leave_one_for_the_first() -> None:
    assert split(100, [1, 1, 1]) == (34, 33, 33)


def test_what_is_left_over_goes_to_the_largest_remainders() -> None:
    # 10 x 5/12 = 4.17, 10 x 4/12 = 3.33, 10 x 3/12 = 2.5: one yen is left, and the last has the largest remainder.
    assert split(10, [5, 4, 3]) == (4, 3, 3)
    assert split(-10, [5, 4, 3]) == (-4, -3, -3)


@given(st.integers(-(10**12), 10**12), WEIGHTS)
def test_the_parts_are_the_whole_and_none_is_a_yen_away_from_its_share(
    total: int, weights: list[int]
) -> None:
    parts = split(total, weights)
    assert sum(parts) == total
    assert all(
        abs(part - Fraction(total * weight, sum(weights))) < 1
        for part, weight in zip(parts, weights, strict=True)
    )
    assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0)


def test_yen_that_nobody_takes_are_not_lost_in_silence() -> None:
    assert split(0, [0, 0]) == (0, 0)
    with pytest.raises(ValueError, match="nobody"):
        split(5, [0, 0])
    with pytest.raises(ValueError, match="negative"):
        split(5, [2, -1])
