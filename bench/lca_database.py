"""A background database drawn from a seed: as large and as looped as the usual licensed one, with nothing of it inside.

The shape is that of ecoinvent 3.10.1 as the documentation of bw2calc 3.1 gives it (23 523 activities, 293 000 exchanges between
them). Everything else is an assumption: heavy-tailed amounts, a few products that nearly everybody buys, one cyclic component
over more than half of the activities with four hundred loops of two steps and one loop of three that is as tight as it takes for
the wanted spectral radius, raw materials before it, products behind it, and waste treatments whose product is negative.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

ACTIVITIES_COUNT = 23_500
EXCHANGES_COUNT = 293_000
CYCLIC_COUNT = 12_900
UPSTREAM_COUNT = 3_600
FLOWS_COUNT = 2_000
EMISSIONS_COUNT = 276_000
LOOPS_COUNT = 400
TIGHT_LOOP = [0, 1]
RAW_SHARE = 0.1
POPULAR_COUNT = 150
POPULAR_SHARE = 0.55
FAR_SHARE = 0.005
SECTOR_COUNT = 40
BULK_SHARE = 0.6
LOOP_GAIN = 0.4
WASTE_COUNT = 700

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """Exchanges as coordinates; `amount` has the sign that the matrix has (inputs negative, outputs positive)."""

    row: Ints
    column: Ints
    amount: Floats
    flow: Ints
    emitter: Ints
    emission: Floats
    factors: Floats


@dataclass(frozen=True)
class Spread:
    """Parameters of the distributions of the sizes of amounts; the sign is that of the amount."""

    kind: Ints
    location: Floats
    scale: Floats
    low: Floats
    high: Floats


def draw(seed: int, spectral_radius: float) -> Drawn:
    """One database whose loops have this spectral radius, the same for the same arguments."""
    dice = np.random.Generator(np.random.PCG64(seed))
    row, column = _pattern(dice)
    share = dice.lognormal(-3.0, 2.0, row.size)
    share *= BULK_SHARE * spectral_radius / _radius(row, column, share)
    _plant_loops(dice, row, column, share, spectral_radius)
    _tighten(row, column, share, spectral_radius)
    produced = dice.lognormal(0.0, 0.5, ACTIVITIES_COUNT)
    produced[dice.choice(ACTIVITIES_COUNT, WASTE_COUNT, replace=False)] *= -1.0
    nodes = np.arange(ACTIVITIES_COUNT)
    flow, emitter, emission = _emissions(dice)
    factors = dice.lognormal(0.0, 2.0, FLOWS_COUNT)
    return Drawn(
        row=np.concatenate((nodes, row)),
        column=np.concatenate((nodes, column)),
        # An input is a share of what one run of the supplier makes, so a waste treatment's input has the other sign.
        amount=np.concatenate((produced, -share * produced[row])),
        flow=flow,
        emitter=emitter,
        emission=emission,
        factors=factors,
    )


def spread(drawn: Drawn, seed: int) -> tuple[Spread, Spread]:
    """A distribution for each exchange and each emission, by the codes and parameters of stats_arrays: 85 % lognormal, the rest
    normal, uniform and triangular; what an activity makes is certain. The larger a share, the better it is known (an
    assumption), so that no draw closes the tight loop."""
    dice = np.random.Generator(np.random.PCG64(seed))
    produced = np.abs(drawn.amount[:ACTIVITIES_COUNT])
    share = np.minimum(np.abs(drawn.amount) / produced[drawn.row], 1.0)
    made = _spread(dice, drawn.amount, 0.02 + 0.28 * (1.0 - share))
    made.kind[:ACTIVITIES_COUNT] = 1
    made.location[:ACTIVITIES_COUNT] = np.abs(drawn.amount[:ACTIVITIES_COUNT])
    return made, _spread(dice, drawn.emission, np.full(drawn.emission.size, 0.25))


def _spread(dice: np.random.Generator, amount: Floats, deviation: Floats) -> Spread:
    size = np.abs(amount)
    kind = dice.choice(np.array([2, 3, 4, 5]), amount.size, p=[0.85, 0.05, 0.05, 0.05])
    return Spread(
        kind=kind,
        location=np.where(kind == 2, np.log(size), size),
        scale=np.where(kind == 2, deviation, deviation * size),
        low=(1.0 - deviation) * size,
        high=(1.0 + deviation) * size,
    )


def _pattern(dice: np.random.Generator) -> tuple[Ints, Ints]:
    """Who buys from whom, each pair once: upstream < cyclic < downstream, and a ring that holds the cyclic part together."""
    first, last = UPSTREAM_COUNT, UPSTREAM_COUNT + CYCLIC_COUNT
    ring = np.arange(first, last)
    wanted_count = EXCHANGES_COUNT - ACTIVITIES_COUNT
    buyer = dice.integers(0, ACTIVITIES_COUNT, 3 * wanted_count)
    # Raw materials buy earlier raw materials only; the others are drawn to what everybody buys, to their own sector, or anywhere.
    is_raw = (buyer < first) | (dice.random(buyer.size) < RAW_SHARE)
    start, end = (
        np.where(is_raw, 0, first),
        np.where(is_raw, np.minimum(buyer, first), np.maximum(buyer, last)),
    )
    anywhere = start + ((end - start) * dice.random(buyer.size)).astype(np.int64)
    popular = start + dice.geometric(1.0 / POPULAR_COUNT, buyer.size)
    near = buyer // SECTOR_COUNT * SECTOR_COUNT + dice.integers(0, SECTOR_COUNT, buyer.size)
    chosen = dice.random(buyer.size)
    supplier = np.where(chosen < POPULAR_SHARE, popular, np.where(chosen < 1.0 - FAR_SHARE, near, anywhere))
    fits = (supplier < end) & (supplier >= start) & (supplier != buyer)
    pairs = np.concatenate(
        (np.roll(ring, 1) * ACTIVITIES_COUNT + ring, supplier[fits] * ACTIVITIES_COUNT + buyer[fits])
    )
    _, kept = np.unique(pairs, return_index=True)
    pairs = pairs[np.sort(kept)][:wanted_count]
    return pairs // ACTIVITIES_COUNT, pairs % ACTIVITIES_COUNT


def _plant_loops(
    dice: np.random.Generator, row: Ints, column: Ints, share: Floats, spectral_radius: float
) -> None:
    """Separate loops of two steps along the ring, where the second exchange of the buyer is bent back to its supplier."""
    inputs = np.full(ACTIVITIES_COUNT, -1)
    inputs[column[CYCLIC_COUNT:]] = np.arange(CYCLIC_COUNT, row.size)
    taken = {int(at) for at in row[TIGHT_LOOP]} | {int(at) for at in column[TIGHT_LOOP]}
    present = set((row * ACTIVITIES_COUNT + column).tolist())
    planted_count = 0
    for step in dice.permutation(CYCLIC_COUNT):
        supplier, buyer = int(row[step]), int(column[step])
        back = int(inputs[supplier])
        if back < 0 or not taken.isdisjoint((supplier, buyer)):
            continue
        if buyer * ACTIVITIES_COUNT + supplier in present:
            continue
        taken |= {supplier, buyer}
        row[back] = buyer
        share[[step, back]] = np.sqrt(spectral_radius * dice.uniform(0.02, LOOP_GAIN))
        planted_count += 1
        if planted_count == LOOPS_COUNT:
            return


def _tighten(row: Ints, column: Ints, share: Floats, spectral_radius: float) -> None:
    """Make one loop as strong as it takes for the spectral radius to be the wanted one, by bisection."""
    back = np.flatnonzero(column == row[TIGHT_LOOP[0]])[-1]
    row[back] = column[TIGHT_LOOP[-1]]
    low, high = 0.0, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        share[[*TIGHT_LOOP, back]] = middle
        low, high = (middle, high) if _radius(row, column, share) < spectral_radius else (low, middle)


def _radius(row: Ints, column: Ints, share: Floats) -> float:
    """The spectral radius of the loops, by power iteration."""
    shares = sparse.csr_matrix((share, (row, column)), shape=(ACTIVITIES_COUNT, ACTIVITIES_COUNT))
    first, last = UPSTREAM_COUNT, UPSTREAM_COUNT + CYCLIC_COUNT
    loops = shares[first:last, first:last]
    vector = np.ones(CYCLIC_COUNT)
    radius = 0.0
    for _ in range(200):
        # One half of the old vector keeps a loop of even length from swinging for ever.
        vector = loops @ vector + 0.5 * vector
        radius = float(vector.sum()) - 0.5
        vector /= vector.sum()
    return radius


def _emissions(dice: np.random.Generator) -> tuple[Ints, Ints, Floats]:
    pairs = np.unique(dice.integers(0, FLOWS_COUNT * ACTIVITIES_COUNT, EMISSIONS_COUNT + 20_000))
    pairs = np.sort(dice.permutation(pairs)[:EMISSIONS_COUNT])
    return pairs // ACTIVITIES_COUNT, pairs % ACTIVITIES_COUNT, dice.lognormal(-4.0, 2.5, pairs.size)
