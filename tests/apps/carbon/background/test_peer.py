"""The same datapackages through bw2calc, the solver of Brightway."""

from fractions import Fraction

import numpy as np
import pytest

from ashiato.apps.carbon.background.intensities import agreement, intensities
from ashiato.apps.carbon.background.matrices import Background
from bench import lca_peer
from tests.backgrounds import coordinates, database, exact_intensities

Made = np.ndarray


def looped(gain: float, seed: int) -> tuple[Made, Made]:
    """Forty activities, a quarter of them waste treatments, with recycling pairs that give back this share of what they take."""
    dice = np.random.Generator(np.random.PCG64(seed))
    count = 40
    made = -np.where(dice.random((count, count)) < 0.08, dice.lognormal(-4.0, 1.0, (count, count)), 0.0)
    for first in range(0, 20, 2):
        made[first, first + 1] = -np.sqrt(gain) * dice.uniform(0.9, 1.0)
        made[first + 1, first] = -np.sqrt(gain) * dice.uniform(0.9, 1.0)
    made[0, 1] = made[1, 0] = -np.sqrt(gain)
    # The tightest pair stands alone, so that its gain is the spectral radius squared.
    made[2:, :2] = made[:2, 2:] = 0.0
    made[0, 2] = -0.25
    np.fill_diagonal(made, 1.0)
    made[::4] *= -1.0
    return made, dice.lognormal(0.0, 2.0, (3, count))


def peer_scores(
    made: Made, emitted: Made, factors: list[float], demands: list[dict[int, float]]
) -> list[float]:
    return lca_peer.scores(
        lca_peer.package(coordinates(made), coordinates(emitted), np.array(factors)), demands
    )


DEMANDS = [{0: 1.0}, {3: 2.0, 17: -0.5}, {39: 1.0, 8: 3.0, 2: 0.1}]


@pytest.mark.parametrize("gain", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("seed", [1, 2])
def test_scores_equal_those_of_the_peer(gain: float, seed: int) -> None:
    made, emitted = looped(gain, seed)
    found = intensities(database(made.tolist(), emitted.tolist()), [1.0, 29.8, 273.0])
    scores, _ = found.scores(DEMANDS)
    assert found.is_proved
    assert scores == pytest.approx(peer_scores(made, emitted, [1.0, 29.8, 273.0], DEMANDS), rel=1e-9)


def test_where_the_peer_loses_digits_the_bound_says_so_of_us_and_holds() -> None:
    """A pair that gives back all but 2⁻³⁰ of what it takes: both are right to some digits only, and ours says to which."""
    made, emitted = looped(1.0, 3)
    made[0, 1], made[1, 0] = -np.sign(made[0, 0]) * (1 - 2.0**-30), -np.sign(made[1, 1]) * 1.0
    exact = exact_intensities(made.tolist(), emitted.tolist(), [1.0, 0.0, 0.0])
    assert exact is not None
    found = intensities(database(made.tolist(), emitted.tolist()), [1.0, 0.0, 0.0])
    assert abs(Fraction(float(found.per_unit[0])) - exact[0]) <= Fraction(float(found.error_bound[0]))
    peer = peer_scores(made, emitted, [1.0, 0.0, 0.0], [{0: 1.0}])[0]
    assert found.of("p0")[0] == pytest.approx(peer, rel=1e-5)
    assert found.relative_error_bound()[0] < 1e-4


def test_a_waste_loop_with_credits_beyond_a_proof_agrees_with_the_peer() -> None:
    made = np.array([[1.0, -1.4, 0.0], [1.2, 1.0, -0.5], [-0.1, 0.0, -1.0]])
    emitted = np.array([[1.0, 0.5, 2.0]])
    data: Background = database(made.tolist(), emitted.tolist())
    found = intensities(data, [1.0])
    assert not found.is_proved
    assert found.scores([{0: 1.0, 2: -3.0}])[0][0] == pytest.approx(
        peer_scores(made, emitted, [1.0], [{0: 1.0, 2: -3.0}])[0], rel=1e-9
    )
    assert agreement(data, [1.0], {0: 1.0, 2: -3.0}, found).relative_difference < 1e-9
