"""Monte Carlo: the scores of demands when every amount of a database is drawn anew, again and again.

Each draw is solved from the side of the indicator, so that any number of demands costs one solve, which starts from the solution
of the amounts as they are. Draw number i has dice of its own, made from the seed and i: a run can be cut and continued, and draw
17 is the same in every run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ashiato.apps.carbon.background import bounds
from ashiato.apps.carbon.background.chains import Nodes, between, chain, chain_of, parted
from ashiato.apps.carbon.background.distributions import Distributions, Sampler, sampler
from ashiato.apps.carbon.background.errors import BackgroundRefused, EndlessLoop, Undetermined
from ashiato.apps.carbon.background.intensities import (
    Demand,
    Intensities,
    checked_factors,
    intensities,
    own_emissions,
    per_unit,
)
from ashiato.apps.carbon.background.iteration import estimate
from ashiato.apps.carbon.background.matrices import Background, Exchanges, Floats, Positions, background
from ashiato.apps.carbon.background.solving import ALLOWED_BYTES, Effort, Own, solved, solved_near
from ashiato.apps.carbon.background.watch import Watch, tell, unwatched

# Gives proved bounds about a millionth of the score: far below what one draw more or less changes.
RESIDUAL = 3e-6


@dataclass(frozen=True, eq=False)
class UncertainBackground:
    """A database (`likely`: its amounts as they are) and how each of its exchanges is distributed. Made by
    `uncertain_background` only."""

    likely: Background
    technosphere: Exchanges
    biosphere: Exchanges
    technosphere_spread: Distributions
    biosphere_spread: Distributions


@dataclass(frozen=True, eq=False)
class Simulation:
    """`scores[i, d]` of demand d in draw i and how far each can be from the exact score of that draw. A draw in which a loop
    takes all that it makes has no score: its row is not a number and its number stands in `unsolved`."""

    scores: Floats
    error_bounds: Floats
    unsolved: tuple[int, ...]
    is_proved: bool


def uncertain_background(
    products: Sequence[str],
    flows: Sequence[str],
    technosphere: tuple[Exchanges, Distributions],
    biosphere: tuple[Exchanges, Distributions],
) -> UncertainBackground:
    """A checked database with distributions. Raises `BackgroundRefused` like `background`, and when an exchange lacks its
    distribution."""
    for name, (given, spread) in (("technosphere", technosphere), ("biosphere", biosphere)):
        if given.count != spread.count:
            raise BackgroundRefused(f"{given.count} exchanges have {spread.count} distributions", where=name)
    likely = background(products, flows, technosphere[0], biosphere[0])
    return UncertainBackground(likely, technosphere[0], biosphere[0], technosphere[1], biosphere[1])


def simulate(
    database: UncertainBackground,
    factors: ArrayLike,
    demands: Sequence[Demand],
    *,
    iterations_count: int,
    seed: int,
    first_iteration: int = 0,
    watch: Watch = unwatched,
    allowed_bytes: int = ALLOWED_BYTES,
) -> Simulation:
    """The scores of `iterations_count` draws from number `first_iteration` on. Raises what `intensities` raises for the amounts
    as they are, and `Cancelled` between two draws or within one."""
    weights = checked_factors(database.likely, factors)
    base = intensities(database.likely, weights, watch=watch, allowed_bytes=allowed_bytes)
    base.scores(demands)
    redraw = _Redraw(database, weights, base, Effort(watch, RESIDUAL, allowed_bytes))
    scores = np.full((iterations_count, len(demands)), np.nan)
    errors = np.full((iterations_count, len(demands)), np.nan)
    unsolved: list[int] = []
    is_proved = True
    for at in range(iterations_count):
        tell(watch, "drawing", at / iterations_count)
        number = first_iteration + at
        dice = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(number,))))
        try:
            found = redraw.solve(dice)
        except (EndlessLoop, Undetermined):
            unsolved.append(number)
        else:
            scores[at], errors[at] = found.scores(demands)
            is_proved = is_proved and found.is_proved
    return Simulation(scores, errors, tuple(unsolved), is_proved)


@dataclass(frozen=True, eq=False)
class _Technosphere:
    """The places of the matrix, column by column, and who fills them: the entry in place k is draw number `source[k]`. Where
    exchanges share a place, the draws `further` are first added to the draws `into`, one of each place: they are few."""

    indices: NDArray[np.int32]
    starts: NDArray[np.int32]
    source: Positions
    further: Positions
    into: Positions
    sampler: Sampler
    draws: Floats

    def drawn(self, dice: np.random.Generator) -> Floats:
        draws = self.sampler.draw(dice, self.draws)
        if self.further.size:
            np.add.at(draws, self.into, draws[self.further])
        return draws

    def filled(self, entries: Floats) -> sparse.csc_array:
        count = self.starts.size - 1
        return sparse.csc_array((entries, self.indices, self.starts), shape=(count, count))


def _summed(place: Positions, amounts: Floats, count: int) -> Floats:
    return np.bincount(place, amounts, count).astype(np.float64, copy=False)


def _technosphere(given: Exchanges, spread: Distributions, count: int) -> _Technosphere:
    key, slot = np.unique(given.column * count + given.row, return_inverse=True)
    starts = np.searchsorted(key, np.arange(count + 1, dtype=np.int64) * count)
    draws = sampler(spread)
    slot_of_draw = np.empty(slot.size, dtype=np.int64)
    slot_of_draw[draws.place] = slot
    order = np.argsort(slot_of_draw, kind="stable")
    is_first = np.diff(slot_of_draw[order], prepend=-1) > 0
    source, further = order[is_first], order[~is_first]
    # Narrow positions: what is read for each product with the matrix is a third less.
    indices, narrow = (key % count).astype(np.int32), starts.astype(np.int32)
    into = source[slot_of_draw[further]]
    return _Technosphere(indices, narrow, source, further, into, draws, np.empty(slot.size))


@dataclass(frozen=True, eq=False)
class _Emissions:
    """For each draw its activity; what is drawn is weighted by the factor of its flow already."""

    emitter: Positions
    emissions_count: Positions
    sampler: Sampler
    draws: Floats

    def drawn(self, dice: np.random.Generator) -> Own:
        weighted = self.sampler.draw(dice, self.draws)
        count = self.emissions_count.size
        net = gross = _summed(self.emitter, weighted, count)
        if weighted.min(initial=0.0) < 0.0:
            gross = _summed(self.emitter, np.abs(weighted), count)
        return Own(net, gross, bounds.lost_in_own(self.emissions_count, gross))


def _emissions(given: Exchanges, spread: Distributions, factors: Floats, count: int) -> _Emissions:
    draws = sampler(spread)
    emitter, factor = np.empty(given.count, dtype=np.int64), np.empty(given.count)
    emitter[draws.place] = given.column
    factor[draws.place] = factors[given.row]
    return _Emissions(
        emitter, np.bincount(emitter, minlength=count), draws.times(factor), np.empty(given.count)
    )


@dataclass(frozen=True, eq=False)
class _Filling:
    """Where each share of a part of the chain comes from: its draw and its supplier."""

    entry: Positions
    supplier: Nodes

    def fill(self, shares: sparse.csr_array, drawn: Floats, inverse: Floats) -> None:
        # Every entry is there; without "clip" numpy looks first and copies twice.
        np.take(drawn, self.entry, out=shares.data, mode="clip")
        shares.data *= inverse[self.supplier]


class _Redraw:
    """What stays the same from draw to draw, and the matrices that are filled anew in each."""

    def __init__(
        self, database: UncertainBackground, factors: Floats, base: Intensities, effort: Effort
    ) -> None:
        likely = database.likely
        count = likely.products_count
        self._products, self._effort = likely.products, effort
        self._made = _technosphere(database.technosphere, database.technosphere_spread, count)
        self._emitted = _emissions(database.biosphere, database.biosphere_spread, factors, count)
        self._base = base.per_unit
        numbered = self._made.filled(self._made.source.astype(np.float64) + 1.0)
        self._diagonal = numbered.diagonal().astype(np.int64) - 1
        self._parts = parted(between(numbered))
        self._core = _filling(self._parts.core, self._parts.nodes)
        self._layers = tuple(_filling(layer.shares, None) for layer in self._parts.layers)
        shares = chain(likely).shares[self._parts.nodes][:, self._parts.nodes]
        own = own_emissions(likely.biosphere, factors).at(self._parts.nodes)
        gross = bounds.absolute(shares)
        size = estimate(gross, own.gross)
        self._scale = np.where(size > 0.0, size, 1.0)

    def solve(self, dice: np.random.Generator) -> Intensities:
        """Draw all amounts and solve. Raises `EndlessLoop` and `Undetermined` when the draw has no answer."""
        drawn, own = self._made.drawn(dice), self._emitted.drawn(dice)
        amounts = drawn[self._diagonal]
        if not amounts.all():
            raise Undetermined((self._products[int(np.flatnonzero(amounts == 0.0)[0])],))
        inverse = -1.0 / amounts
        self._core.fill(self._parts.core, drawn, inverse)
        for layer, filling in zip(self._parts.layers, self._layers, strict=True):
            filling.fill(layer.shares, drawn, inverse)
        start = (self._base * amounts)[self._parts.nodes]
        found = solved_near(self._parts, own, start, self._scale, self._effort)
        if found is None:
            found = solved(
                chain_of(self._made.filled(drawn[self._made.source])).shares,
                own,
                self._products,
                self._effort,
            )
        return per_unit(found, amounts, self._products)


def _filling(part: sparse.csr_array, nodes: Nodes | None) -> _Filling:
    """Read back the numbers of the entries; `nodes` are the products behind the columns where those are the core's own."""
    supplier = part.indices if nodes is None else nodes[part.indices]
    return _Filling(part.data.astype(np.int64) - 1, supplier.astype(np.intp))
