from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.apps.carbon.background.errors import (
    BackgroundRefused,
    Cancelled,
    EndlessLoop,
    TooLargeToEliminate,
    Undetermined,
)
from ashiato.apps.carbon.background.intensities import Intensities, agreement, intensities
from ashiato.apps.carbon.background.solving import Method
from tests.backgrounds import AMOUNTS, database, exact_intensities, settling_systems

Rows = list[list[float]]

# One kWh takes 0.1 kg of steel and emits 0.5 kg; one kg of steel takes 2 kWh and emits 1 kg:
# e = 0.5 + 0.1 s and s = 1 + 2 e, hence e = 0.75 and s = 2.5.
POWER_AND_STEEL: Rows = [[1.0, -2.0], [-0.1, 1.0]]
EMITTED: Rows = [[0.5, 1.0]]


def assert_within_bound(found: Intensities, exact: list[Fraction]) -> None:
    for at, value in enumerate(exact):
        distance = abs(Fraction(float(found.per_unit[at])) - value)
        assert distance <= Fraction(float(found.error_bound[at])), (at, found.per_unit[at], float(value))


def test_two_products_that_need_each_other() -> None:
    found = intensities(database(POWER_AND_STEEL, EMITTED), [1.0])
    assert found.per_unit == pytest.approx([0.75, 2.5], rel=1e-12)
    assert found.is_proved
    assert found.method is Method.ITERATION
    assert found.relative_error_bound().max() < 1e-9


def test_an_activity_that_makes_ten_counts_per_unit() -> None:
    found = intensities(database([[10.0]], [[5.0]]), [2.0])
    assert found.of("p0")[0] == pytest.approx(1.0, rel=1e-15)


def test_a_waste_treatment_is_a_service_with_the_other_sign() -> None:
    # Making 1 kg of foil leaves 0.2 kg of waste; treating 1 kg of waste (product -1) emits 3 kg: foil 1 + 0.2 × 3 = 1.6.
    found = intensities(database([[1.0, 0.0], [0.2, -1.0]], [[1.0, 3.0]]), [1.0])
    assert found.per_unit == pytest.approx([1.6, -3.0], rel=1e-12)
    assert found.is_proved


def test_a_waste_loop_is_solved_with_a_proof() -> None:
    # The furnace takes 0.6 of its own slag treatment, which takes 0.9 of the furnace: 1 + 0.6 × (2 + 0.9 f) = f.
    found = intensities(database([[1.0, -0.9], [0.6, -1.0]], [[1.0, 2.0]]), [1.0])
    assert found.per_unit == pytest.approx([2.2 / 0.46, -(2 + 0.9 * 2.2 / 0.46)], rel=1e-9)
    assert found.is_proved


@settings(max_examples=150, deadline=None)
@given(settling_systems())
def test_the_exact_value_is_within_the_proved_bound(system: tuple[Rows, Rows, list[float]]) -> None:
    technosphere, biosphere, factors = system
    exact = exact_intensities(technosphere, biosphere, factors)
    assert exact is not None
    found = intensities(database(technosphere, biosphere), factors)
    assert found.is_proved
    assert_within_bound(found, exact)
    gross = max(abs(value) for value in exact)
    assert float(found.error_bound.max()) <= 1e-6 * max(1.0, float(gross))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(1, 40), AMOUNTS)
def test_recycling_close_to_one_stays_within_the_bound(count: int, bits: int, emission: float) -> None:
    ring = [[0.0] * count for _ in range(count)]
    for at in range(count):
        ring[at][at] = 1.0
        ring[at][(at + 1) % count] = -(1.0 - 2.0**-bits)
    emitted = [[emission] + [0.0] * (count - 2) + [1.0]]
    exact = exact_intensities(ring, emitted, [1.0])
    assert exact is not None
    found = intensities(database(ring, emitted), [1.0])
    assert found.is_proved
    assert_within_bound(found, exact)


def test_credits_larger_than_what_is_made_are_eliminated_and_said_to_be_estimated() -> None:
    # Shares of +1.5 and -1.5: the series diverges, the system has one answer all the same: 1 / (1 + 2.25).
    technosphere = [[1.0, -1.5], [1.5, 1.0]]
    found = intensities(database(technosphere, [[1.0, 0.0]]), [1.0])
    exact = exact_intensities(technosphere, [[1.0, 0.0]], [1.0])
    assert exact is not None
    assert found.method is Method.ELIMINATION
    assert not found.is_proved
    assert_within_bound(found, exact)


def test_both_sides_agree() -> None:
    data = database(POWER_AND_STEEL, EMITTED)
    found = intensities(data, [1.0])
    both = agreement(data, [1.0], {0: 3.0, 1: -2.0}, found)
    assert both.adjoint == pytest.approx(3 * 0.75 - 2 * 2.5, rel=1e-12)
    assert both.relative_difference < 1e-9


def test_scores_are_sums_over_the_demand_with_their_bound() -> None:
    found = intensities(database(POWER_AND_STEEL, EMITTED), [1.0])
    values, errors = found.scores([{0: 2.0}, {0: 1.0, 1: 1.0}, {}])
    assert values == pytest.approx([1.5, 3.25, 0.0], rel=1e-12)
    assert abs(values[1] - 3.25) <= errors[1] < 1e-8
    assert errors[2] == 0.0


@pytest.mark.parametrize("demand", [{2: 1.0}, {-1: 1.0}, {0: float("nan")}])
def test_a_demand_that_does_not_fit_is_refused(demand: dict[int, float]) -> None:
    found = intensities(database(POWER_AND_STEEL, EMITTED), [1.0])
    with pytest.raises(BackgroundRefused):
        found.scores([demand])


def test_parts_that_have_nothing_to_do_with_each_other_are_both_right() -> None:
    made = np.eye(5)
    made[0, 1], made[1, 0], made[3, 4] = -2.0, -0.1, -0.5
    found = intensities(database(made.tolist(), [[0.5, 1.0, 7.0, 4.0, 0.0]]), [1.0])
    assert found.per_unit == pytest.approx([0.75, 2.5, 7.0, 4.0, 2.0], rel=1e-9)


def test_what_emits_nothing_along_its_chain_is_exactly_nothing() -> None:
    found = intensities(database(POWER_AND_STEEL, [[0.0, 0.0]]), [1.0])
    assert found.per_unit.tolist() == [0.0, 0.0]
    assert found.error_bound.tolist() == [0.0, 0.0]
    assert found.is_proved


@pytest.mark.parametrize("emission", [0.0, 1.0])
@pytest.mark.parametrize("gain", [1.0, 1.25, 40.0])
def test_a_loop_that_takes_all_that_it_makes_is_named(gain: float, emission: float) -> None:
    made = [[1.0, -gain, 0.0], [-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]
    with pytest.raises(EndlessLoop) as caught:
        intensities(database(made, [[emission, 0.0, 1.0]]), [1.0])
    assert caught.value.products == ("p0", "p1")
    assert caught.value.gain >= 1.0 - 1e-12


@pytest.mark.parametrize("tenth", [0.25, 0.1])
def test_a_loop_without_one_answer_is_refused(tenth: float) -> None:
    """The third activity is the sum of the first two."""
    first, second = np.array([1.0, -0.5, tenth]), np.array([0.5, 1.0, -2 * tenth])
    with pytest.raises(Undetermined) as caught:
        intensities(database(np.array([first, second, first + second]).T.tolist(), [[1.0, 0.0, 0.0]]), [1.0])
    assert set(caught.value.products) == {"p0", "p1", "p2"}


def test_a_watch_can_stop_the_iteration_and_the_elimination() -> None:
    count = 600
    ring = np.eye(count) - 0.999999 * np.roll(np.eye(count), 1, axis=0)
    with pytest.raises(Cancelled):
        intensities(database(ring.tolist(), [[1.0] * count]), [1.0], watch=lambda _stage, _done: False)
    twisted = ring.copy()
    twisted[0, 1], twisted[1, 0] = -1.5, 1.5
    seen: list[tuple[str, float]] = []

    def watch(stage: str, done_ratio: float, /) -> bool:
        seen.append((stage, done_ratio))
        return not (stage == "eliminating a loop" and done_ratio > 0.5)

    with pytest.raises(Cancelled) as caught:
        intensities(database(twisted.tolist(), [[1.0] * count]), [1.0], watch=watch)
    assert caught.value.stage == "eliminating a loop"
    done = [ratio for stage, ratio in seen if stage == "eliminating a loop"]
    assert done == sorted(done)


def test_an_elimination_that_takes_too_much_memory_is_refused_before_it_begins() -> None:
    with pytest.raises(TooLargeToEliminate) as caught:
        intensities(database([[1.0, -1.5], [1.5, 1.0]], [[1.0, 0.0]]), [1.0], allowed_bytes=31)
    assert caught.value.needed_bytes == 32


def test_amounts_beyond_all_sense_give_no_number() -> None:
    with pytest.raises((Undetermined, EndlessLoop)):
        intensities(database([[1.0, -1e300], [-1e300, 1.0]], [[1e300, 1e300]]), [1.0])


@pytest.mark.parametrize("factors", [[], [1.0, 2.0], [float("inf")]])
def test_factors_that_do_not_fit_are_refused(factors: list[float]) -> None:
    with pytest.raises(BackgroundRefused):
        intensities(database(POWER_AND_STEEL, EMITTED), factors)
