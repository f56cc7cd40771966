import numpy as np
import pytest
from scipy import stats

from ashiato.apps.carbon.background.distributions import Distributions, Kind, distributions, sampler
from ashiato.apps.carbon.background.errors import BackgroundRefused, Cancelled
from ashiato.apps.carbon.background.matrices import exchanges
from ashiato.apps.carbon.background.simulation import UncertainBackground, simulate, uncertain_background

DRAWS_COUNT = 20_000


def certain(amounts: list[float]) -> Distributions:
    size = np.abs(amounts)
    nothing = np.zeros(len(amounts))
    return distributions([Kind.CERTAIN] * len(amounts), np.sign(amounts), size, nothing, nothing, nothing)


def power_and_steel(
    kind: Kind, location: float, scale: float, low: float, high: float
) -> UncertainBackground:
    """One kWh emits 0.5 kg and takes 0.1 kg of steel, the only amount that is not certain; steel takes 2 kWh and emits 1 kg."""
    made = exchanges([0, 1, 1, 0], [0, 1, 0, 1], [1.0, 1.0, -0.1, -2.0])
    spread = distributions(
        [1, 1, kind, 1],
        [1, 1, -1, -1],
        [1.0, 1.0, location, 2.0],
        [0, 0, scale, 0],
        [0, 0, low, 0],
        [0, 0, high, 0],
    )
    emitted = exchanges([0, 0], [0, 1], [0.5, 1.0])
    return uncertain_background(["power", "steel"], ["CO2"], (made, spread), (emitted, certain([0.5, 1.0])))


@pytest.mark.parametrize(
    ("kind", "parameters", "reference"),
    [
        (Kind.LOGNORMAL, (-2.0, 0.5, 0.0, 0.0), stats.lognorm(s=0.5, scale=np.exp(-2.0))),
        (Kind.NORMAL, (3.0, 0.25, 0.0, 0.0), stats.norm(3.0, 0.25)),
        (Kind.UNIFORM, (np.nan, 0.0, 1.0, 5.0), stats.uniform(1.0, 4.0)),
        (Kind.TRIANGULAR, (2.0, 0.0, 1.0, 5.0), stats.triang(0.25, 1.0, 4.0)),
        (Kind.TRIANGULAR, (5.0, 0.0, 1.0, 5.0), stats.triang(1.0, 1.0, 4.0)),
    ],
)
def test_draws_have_the_distribution_that_they_are_said_to_have(
    kind: Kind, parameters: tuple[float, float, float, float], reference: stats.rv_continuous
) -> None:
    location, scale, low, high = (np.full(DRAWS_COUNT, value) for value in parameters)
    given = distributions(np.full(DRAWS_COUNT, kind), np.ones(DRAWS_COUNT), location, scale, low, high)
    drawn = sampler(given).draw(np.random.Generator(np.random.SFC64(11)), np.empty(DRAWS_COUNT))
    # One in ten thousand right samplers would fail for this seed; a wrong parameter fails by many powers of ten.
    assert stats.kstest(drawn, reference.cdf).pvalue > 1e-4


def test_every_exchange_is_drawn_from_its_own_distribution_with_its_sign() -> None:
    given = distributions(
        [4, 1, 3, 5, 2],
        [-1, 1, -1, -1, -1],
        [0, 7.0, 10.0, 3.0, 2.0],
        [0, 0, 1e-6, 0, 1e-6],
        [5.0, 0, 0, 3.0, 0],
        [5.001, 0, 0, 3.001, 0],
    )
    made = sampler(given)
    drawn = made.draw(np.random.Generator(np.random.SFC64(1)), np.empty(5))[made.place]
    assert drawn == pytest.approx([-5.0, 7.0, -10.0, -3.0, -np.exp(2.0)], rel=1e-3)


def test_two_exchanges_at_one_coordinate_are_drawn_apart_and_add_up() -> None:
    # 0.06 and 0.04 kg of steel, each nearly certain, are the 0.1 kg of which power has 0.75 kg (see the other tests).
    made = exchanges([0, 1, 1, 0, 1], [0, 1, 0, 1, 0], [1.0, 1.0, -0.06, -2.0, -0.04])
    nothing = [0.0] * 5
    spread = distributions(
        [1, 1, 3, 1, 3],
        [1, 1, -1, -1, -1],
        [1.0, 1.0, 0.06, 2.0, 0.04],
        [0, 0, 1e-9, 0, 1e-9],
        nothing,
        nothing,
    )
    emitted = exchanges([0, 0], [0, 1], [0.5, 1.0])
    data = uncertain_background(["power", "steel"], ["CO2"], (made, spread), (emitted, certain([0.5, 1.0])))
    found = simulate(data, [1.0], [{0: 1.0}], iterations_count=3, seed=4)
    assert found.scores[:, 0] == pytest.approx([0.75] * 3, rel=1e-6)


def test_every_draw_is_solved_exactly() -> None:
    # Steel for power s = 0.05 + 0.1 u with u even in [0, 1]: power = (0.5 + s) / (1 - 2 s), steel = 1 + 2 power.
    found = simulate(
        power_and_steel(Kind.UNIFORM, np.nan, 0, 0.05, 0.15),
        [1.0],
        [{0: 1.0}, {1: 1.0}],
        iterations_count=200,
        seed=5,
    )
    power, steel = found.scores.T
    share = (power - 0.5) / (1 + 2 * power)
    assert found.is_proved
    assert found.unsolved == ()
    assert ((share >= 0.05) & (share <= 0.15)).all()
    assert share.std() == pytest.approx(0.1 / np.sqrt(12), rel=0.1)
    assert (np.abs(steel - (1 + 2 * power)) <= found.error_bounds[:, 1] + 2 * found.error_bounds[:, 0]).all()
    assert (found.error_bounds < 1e-5).all()


def test_a_draw_depends_on_the_seed_and_its_number_only() -> None:
    data = power_and_steel(Kind.LOGNORMAL, np.log(0.1), 0.3, 0, 0)
    whole = simulate(data, [1.0], [{0: 1.0}], iterations_count=6, seed=8).scores
    later = simulate(data, [1.0], [{0: 1.0}], iterations_count=2, seed=8, first_iteration=4).scores
    other = simulate(data, [1.0], [{0: 1.0}], iterations_count=6, seed=9).scores
    assert whole[4:].tolist() == later.tolist()
    assert not np.isclose(whole, other).any()


def test_a_draw_whose_loop_has_no_end_is_counted_and_has_no_score() -> None:
    # Half of the draws take 0.5 kg or more of steel, which takes 2 kWh for each.
    data = power_and_steel(Kind.UNIFORM, np.nan, 0, 0.1, 0.9)
    found = simulate(data, [1.0], [{0: 1.0}], iterations_count=60, seed=2)
    broken = np.isnan(found.scores[:, 0])
    assert 15 <= len(found.unsolved) <= 45
    assert np.flatnonzero(broken).tolist() == list(found.unsolved)
    assert (found.scores[~broken, 0] > 0.5).all()


def test_a_watch_stops_between_two_draws() -> None:
    data = power_and_steel(Kind.NORMAL, 0.1, 0.01, 0, 0)
    with pytest.raises(Cancelled) as caught:
        simulate(
            data,
            [1.0],
            [],
            iterations_count=4,
            seed=1,
            watch=lambda stage, done: not (stage == "drawing" and done > 0.4),
        )
    assert caught.value.done_ratio == 0.5


@pytest.mark.parametrize(
    "broken",
    [
        ([9], [1.0], [1.0], [1.0], [0.0], [0.0]),
        ([2], [1.0], [1.0], [0.0], [0.0], [0.0]),
        ([3], [1.0], [np.nan], [1.0], [0.0], [0.0]),
        ([4], [1.0], [0.0], [0.0], [2.0], [2.0]),
        ([5], [1.0], [9.0], [0.0], [1.0], [2.0]),
        ([3], [0.5], [1.0], [1.0], [0.0], [0.0]),
        ([3, 3], [1.0], [1.0], [1.0], [0.0], [0.0]),
    ],
)
def test_parameters_that_are_no_distribution_are_refused(broken: tuple[list[float], ...]) -> None:
    with pytest.raises(BackgroundRefused):
        distributions(*broken)


def test_an_exchange_without_distribution_is_refused() -> None:
    one = exchanges([0], [0], [1.0])
    with pytest.raises(BackgroundRefused, match="technosphere"):
        uncertain_background(["p"], [], (one, certain([])), (exchanges([], [], []), certain([])))


def test_a_weighted_sampler_draws_the_same_amounts_times_their_weights() -> None:
    kinds = [Kind.CERTAIN, Kind.LOGNORMAL, Kind.NORMAL, Kind.UNIFORM, Kind.TRIANGULAR] * 3
    count = len(kinds)
    spread = distributions(
        [int(kind) for kind in kinds],
        [-1.0, 1.0, -1.0] * 5,
        np.linspace(0.4, 0.6, count),
        np.full(count, 0.2),
        np.full(count, 0.1),
        np.full(count, 0.9),
    )
    plain = sampler(spread)
    weights = np.linspace(-2.0, 3.0, count)
    amounts = plain.draw(np.random.Generator(np.random.SFC64(5)), np.empty(count))
    weighted = plain.times(weights).draw(np.random.Generator(np.random.SFC64(5)), np.empty(count))
    assert weighted == pytest.approx(amounts * weights, rel=1e-6)
