"""Small background databases, their exact solution by rational elimination, and the same database for bw2calc."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from ashiato.apps.carbon.background.matrices import Background, Exchanges, background, exchanges

Rows = Sequence[Sequence[float]]
# Sums of few of these are exact in binary, so that the database as stored is the database as drawn.
AMOUNTS = st.integers(0, 2**20).map(lambda whole: whole / 2**20)


def database(technosphere: Rows, biosphere: Rows) -> Background:
    """Products p0, p1, … and flows f0, f1, … from full matrices."""
    made, emitted = np.array(technosphere, dtype=float), np.array(biosphere, dtype=float)
    return background(
        [f"p{at}" for at in range(made.shape[1])],
        [f"f{at}" for at in range(emitted.shape[0])],
        coordinates(made),
        coordinates(emitted),
    )


def coordinates(full: np.ndarray) -> Exchanges:
    """The entries of a full matrix that are not 0."""
    row, column = np.nonzero(full)
    return exchanges(row, column, full[row, column])


def exact_intensities(technosphere: Rows, biosphere: Rows, factors: Sequence[float]) -> list[Fraction] | None:
    """λ with Aᵀ λ = Bᵀ c in rational numbers by Gauss-Jordan, or None when A is singular."""
    count = len(technosphere)
    own = [
        sum(
            (Fraction(factor) * Fraction(line[at]) for factor, line in zip(factors, biosphere, strict=True)),
            Fraction(),
        )
        for at in range(count)
    ]
    rows = [[Fraction(technosphere[i][j]) for i in range(count)] + [own[j]] for j in range(count)]
    for column in range(count):
        pivot = next((row for row in range(column, count) if rows[row][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column][column]
        rows[column] = [value / head for value in rows[column]]
        for row in range(count):
            factor = rows[row][column]
            if row != column and factor:
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column], strict=True)]
    return [row[-1] for row in rows]


@st.composite
def settling_systems(draw: st.DrawFn) -> tuple[list[list[float]], list[list[float]], list[float]]:
    """Databases in which each activity takes less than it makes (column by column), with waste treatments, credits and sinks
    of carbon among them: their series converges, so a proof must be found."""
    count = draw(st.integers(1, 7))
    sign = [draw(st.sampled_from((1.0, 1.0, -1.0))) for _ in range(count)]
    made = [draw(st.sampled_from((0.5, 1.0, 2.0, 8.0))) for _ in range(count)]
    technosphere = [[0.0] * count for _ in range(count)]
    for buyer in range(count):
        suppliers = draw(st.lists(st.integers(0, count - 1), max_size=4, unique=True))
        for supplier in suppliers:
            if supplier != buyer:
                credit = draw(st.sampled_from((1.0, 1.0, 1.0, -1.0)))
                share = draw(AMOUNTS) / len(suppliers) * 0.9375
                technosphere[supplier][buyer] = -credit * share * made[supplier] * sign[supplier]
        technosphere[buyer][buyer] = made[buyer] * sign[buyer]
    biosphere = [[draw(st.sampled_from((0.0, 0.0, 1.0, -0.25, 3.5))) for _ in range(count)] for _ in range(2)]
    return technosphere, biosphere, [1.0, draw(st.sampled_from((0.0, 29.75, -1.0)))]
