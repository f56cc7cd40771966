import random
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.apps.carbon.bulk import MOST_CHANGES_COUNT, BulkPlan, BulkRollUp, plan_of
from ashiato.apps.carbon.rollup import CyclicProduct, UnusableInput

Line = tuple[int, int, Fraction]
CHANNELS_COUNT = 3


@st.composite
def bills(draw: st.DrawFn) -> tuple[list[list[Fraction]], list[Line]]:
    """Own kilograms of each part, some negative, and lines from parts to others in a random order without cycles."""
    numbers = draw(st.permutations(range(draw(st.integers(1, 14)))))
    kilograms = st.integers(-50, 5000).map(lambda n: Fraction(n, 7))
    own = [[draw(kilograms) for _ in range(CHANNELS_COUNT)] for _ in numbers]
    lines = [
        (numbers[above], numbers[below], Fraction(draw(st.integers(0, 900)), 300))
        for above in range(1, len(numbers))
        for below in draw(st.lists(st.integers(0, above - 1), max_size=4))
    ]
    return own, lines


def plan(parts_count: int, lines: list[Line]) -> BulkPlan:
    return plan_of(
        parts_count,
        np.array([line[0] for line in lines], dtype=np.intp),
        np.array([line[1] for line in lines], dtype=np.intp),
        np.array([float(line[2]) for line in lines]),
    )


def floats(own: list[list[Fraction]]) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    return np.array([[float(kg) for kg in row] for row in own])


def exact(own: list[list[Fraction]], lines: list[Line]) -> list[list[Fraction]]:
    """The totals by walking down from each part, in rational numbers."""

    def total(part: int) -> list[Fraction]:
        below = [(quantity, total(child)) for parent, child, quantity in lines if parent == part]
        return [
            own[part][channel] + sum((quantity * kg[channel] for quantity, kg in below), Fraction(0))
            for channel in range(CHANNELS_COUNT)
        ]

    return [total(part) for part in range(len(own))]


def assert_within_bounds(rolled: BulkRollUp, expected: list[list[Fraction]]) -> None:
    totals, bounds = rolled.totals_kg, rolled.bounds_kg()
    for part, row in enumerate(expected):
        for channel, kg in enumerate(row):
            error = abs(Fraction(float(totals[part, channel])) - kg)
            assert error <= Fraction(float(bounds[part, channel])), (part, channel)
    assert (bounds <= 1e-12 * (np.abs(totals).max(initial=0.0) + 1e6)).all()


@settings(max_examples=80, deadline=None)
@given(bills())
def test_every_total_lies_within_the_stated_bound_of_the_exact_one(
    given_bills: tuple[list[list[Fraction]], list[Line]],
) -> None:
    own, lines = given_bills
    assert_within_bounds(BulkRollUp(plan(len(own), lines), floats(own)), exact(own, lines))


@settings(max_examples=50, deadline=None)
@given(bills(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_changed_suppliers_are_followed_within_the_bound(
    given_bills: tuple[list[list[Fraction]], list[Line]], count: int, dice: random.Random
) -> None:
    own, lines = given_bills
    rolled = BulkRollUp(plan(len(own), lines), floats(own))
    for _ in range(count):
        part = dice.randrange(len(own))
        own[part] = [Fraction(dice.randrange(1000), 3) for _ in range(CHANNELS_COUNT)]
        rolled.change(part, floats([own[part]])[0])
    assert_within_bounds(rolled, exact(own, lines))


def test_a_change_is_followed_through_wide_tiers_as_if_all_were_computed_anew() -> None:
    # Four tiers of 500 parts, two lines each into the tier below: few are reached low down, many further up.
    dice = np.random.default_rng(11)
    parents = np.repeat(np.arange(500, 2000), 2)
    children = parents // 500 * 500 - 500 + dice.integers(0, 500, parents.size)
    wide = plan_of(2000, parents, children, dice.random(parents.size))
    own = dice.random((2000, 2))
    rolled = BulkRollUp(wide, own)
    moved_counts = []
    for part in (3, 499, 700, 1200, 1999):
        own[part] = dice.random(2)
        moved_counts.append(rolled.change(part, own[part]))
    fresh = BulkRollUp(wide, own)
    assert (np.abs(rolled.totals_kg - fresh.totals_kg) <= rolled.bounds_kg() + fresh.bounds_kg()).all()
    assert moved_counts[-1] == 1
    assert max(moved_counts) > 10


def test_a_change_moves_what_stands_above_and_nothing_else() -> None:
    # 3 holds two of 1 and four of 2; 1 holds five of 0.
    lines = [(3, 1, Fraction(2)), (3, 2, Fraction(4)), (1, 0, Fraction(5))]
    rolled = BulkRollUp(plan(4, lines), np.ones((4, 1)))
    assert rolled.totals_kg[:, 0].tolist() == [1, 6, 1, 17]
    assert rolled.change(0, np.array([2.0])) == 3
    assert rolled.totals_kg[:, 0].tolist() == [2, 11, 1, 27]
    assert rolled.total_kg(3).tolist() == [27]
    assert rolled.change(3, np.array([0.0])) == 1
    assert rolled.total_kg(3).tolist() == [26]


def test_the_bound_counts_every_rounding() -> None:
    # Three lines into 3, then 3 alone into 4: 1, then 1 + 3 + 2, then 6 + 1 + 2.
    lines = [(3, 0, Fraction(1)), (3, 1, Fraction(1)), (3, 2, Fraction(1)), (4, 3, Fraction(1))]
    assert plan(5, lines).roundings == (1, 6, 9)


def test_after_many_changes_all_is_computed_anew() -> None:
    lines = [(1, 0, Fraction(1, 3))]
    rolled = BulkRollUp(plan(2, lines), np.ones((2, 1)))
    for number in range(MOST_CHANGES_COUNT + 1):
        rolled.change(0, np.array([number / 7]))
    fresh = BulkRollUp(plan(2, lines), np.array([[MOST_CHANGES_COUNT / 7], [1.0]]))
    assert rolled.totals_kg.tolist() == fresh.totals_kg.tolist()
    assert rolled.bounds_kg().tolist() == fresh.bounds_kg().tolist()


def test_a_cycle_is_refused_with_its_path() -> None:
    lines = [
        (0, 1, Fraction(1)),
        (1, 2, Fraction(1)),
        (2, 3, Fraction(1)),
        (3, 1, Fraction(1)),
        (3, 4, Fraction(1)),
    ]
    with pytest.raises(CyclicProduct) as refused:
        plan(5, lines)
    path = refused.value.path
    assert path[0] == path[-1]
    assert {(int(above), int(below)) for above, below in pairwise(path)} == {(1, 2), (2, 3), (3, 1)}


@pytest.mark.parametrize("quantity", [-1.0, float("nan"), float("inf")])
def test_impossible_quantities_are_refused_with_their_line(quantity: float) -> None:
    with pytest.raises(UnusableInput, match="line 1"):
        plan_of(3, np.array([2, 2]), np.array([0, 1]), np.array([1.0, quantity]))


def test_parts_and_kilograms_must_be_there() -> None:
    with pytest.raises(UnusableInput):
        plan_of(2, np.array([2]), np.array([0]), np.array([1.0]))
    with pytest.raises(UnusableInput):
        plan_of(2, np.array([1]), np.array([0]), np.array([1.0, 2.0]))
    with pytest.raises(UnusableInput):
        plan_of(0, np.array([], dtype=np.intp), np.array([], dtype=np.intp), np.array([]))
    for own in (np.ones((3, 1)), np.full((2, 1), np.nan), np.ones(2)):
        with pytest.raises(UnusableInput):
            BulkRollUp(plan(2, []), own)
    with pytest.raises(UnusableInput):
        BulkRollUp(plan(2, []), np.ones((2, 1))).change(0, np.array([np.inf]))
