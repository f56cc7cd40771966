"""A whole parts master at once in binary floating point: for screens and what-if, with a proved bound, never for declarations.

What is declared is computed exactly (`rollup`). Here

    total(p) = own(p) + Σ quantity(p, c) × total(c)

runs over all parts, tier by tier from the bottom, in any number of channels (four stages, primary kilograms, three weighted
ratings, ...). A changed supplier moves every part above it by a multiple of one vector, so one pass with single numbers is
enough to follow it.

The bound counts roundings (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002, section 3.1): a part of m lines
adds m + 2 to the k of what goes in, and a computed total lies within k·u / (1 - k·u) of the sum of absolute contributions.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ashiato.apps.carbon.rollup import CyclicProduct, UnusableInput

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]
Counts = NDArray[np.signedinteger]

_UNIT_ROUNDOFF = 2.0**-53
# Where more than this share of a tier is reached, asking every part of it is cheaper than handing on to each user.
_MANY_SHARE = 0.1
MOST_CHANGES_COUNT = 64
"""After so many changes everything is computed anew, so that their roundings do not add up."""


@dataclass(frozen=True, eq=False)
class BulkPlan:
    """Bills of material in the order in which they are added up: parts by tier, and in each tier by how many lines they have.

    `order` names the part at each place, `place` is its inverse, `starts` are the first places of the tiers. `tiers` are the
    quantities of what stands below in each tier above the lowest, `users` all quantities by what is used; `roundings` is the k
    of each tier.
    """

    order: Numbers
    place: Numbers
    starts: tuple[int, ...]
    tiers: tuple[sparse.csr_array, ...]
    users: sparse.csr_array
    roundings: tuple[int, ...]

    @property
    def parts_count(self) -> int:
        return self.order.size


def plan_of(parts_count: int, parents: Numbers, children: Numbers, quantities: Floats) -> BulkPlan:
    """The plan of bills with one line for each parent, child and quantity (loss included) in the child's declared unit.

    Parts are numbered from 0. Raises `UnusableInput` for a line that cannot be, and `CyclicProduct` with the path of numbers.
    """
    _check(parts_count, parents, children, quantities)
    tier = _tiers(parts_count, parents, children)
    degrees = np.bincount(parents, minlength=parts_count)
    order = np.lexsort((degrees, tier))
    place = np.empty(parts_count, dtype=np.intp)
    place[order] = np.arange(parts_count)
    starts = np.concatenate(([0], np.cumsum(np.bincount(tier))))
    by_parent = np.argsort(place[parents], kind="stable")
    columns = place[children][by_parent].astype(np.int32)
    data = quantities[by_parent]
    ends = np.concatenate(([0], np.cumsum(degrees[order]))).astype(np.int32)
    blocks, roundings = [], [1]
    for first, last in pairwise(starts[1:]):
        pointers = ends[first : last + 1]
        low, high = int(pointers[0]), int(pointers[-1])
        blocks.append(
            sparse.csr_array(
                (data[low:high], columns[low:high], pointers - low), shape=(int(last - first), int(first))
            )
        )
        roundings.append(roundings[-1] + int(np.diff(pointers).max()) + 2)
    by_child = np.argsort(columns, kind="stable")
    rows = np.repeat(np.arange(parts_count, dtype=np.int32), degrees[order])
    pointers = np.concatenate(([0], np.cumsum(np.bincount(columns, minlength=parts_count)))).astype(np.int32)
    users = sparse.csr_array((data[by_child], rows[by_child], pointers), shape=(parts_count, parts_count))
    return BulkPlan(
        order, place, tuple(int(start) for start in starts), tuple(blocks), users, tuple(roundings)
    )


@dataclass(frozen=True, eq=False)
class _Reach:
    """How much of one part stands in each other: few `places` with their `amounts`, and from `first` on all, in `rest`."""

    places: Numbers
    amounts: Floats
    first: int
    rest: Floats

    @property
    def count(self) -> int:
        return self.places.size + int(np.count_nonzero(self.rest))

    def add_to(self, totals: Floats, vector: Floats) -> None:
        totals[self.places] += np.multiply.outer(self.amounts, vector)
        totals[self.first :] += np.multiply.outer(self.rest, vector)


class BulkRollUp:
    """The totals of all parts under one plan; one changed supplier is followed without computing all anew."""

    def __init__(self, plan: BulkPlan, own_kg: Floats) -> None:
        """`own_kg` has a row for each part, by its number, and a column for each channel."""
        if own_kg.ndim != 2 or own_kg.shape[0] != plan.parts_count or not np.isfinite(own_kg).all():
            raise UnusableInput("own", "give finite kilograms for each part and channel")
        self.plan = plan
        self._own = own_kg[plan.order]
        self._totals = _rolled_up(plan, self._own)
        self._changes: list[tuple[_Reach, Floats]] = []
        self._amounts = np.zeros(plan.parts_count)

    @property
    def totals_kg(self) -> Floats:
        """The totals of all parts, by their numbers."""
        return self._totals[self.plan.place]

    def total_kg(self, part: int) -> Floats:
        """The totals of one part."""
        total_kg: Floats = self._totals[self.plan.place[part]].copy()
        return total_kg

    def change(self, part: int, own_kg: Floats) -> int:
        """Give a part other kilograms of its own; returns how many parts that moved, itself included."""
        if own_kg.shape != self._own.shape[1:] or not np.isfinite(own_kg).all():
            raise UnusableInput(str(part), "give finite kilograms for each channel")
        plan, place = self.plan, int(self.plan.place[part])
        difference = own_kg - self._own[place]
        self._own[place] = own_kg
        reach = _reach(plan, place, self._amounts)
        self._changes.append((reach, np.abs(difference)))
        if len(self._changes) > MOST_CHANGES_COUNT:
            self._totals = _rolled_up(plan, self._own)
            self._changes.clear()
        else:
            reach.add_to(self._totals, difference)
        return reach.count

    def bounds_kg(self) -> Floats:
        """How far each total can be from the exact one, by the numbers of the parts.

        It takes what was given as the exact numbers rounded once to the nearest.
        """
        plan = self.plan
        gross = np.abs(self._totals) if (self._own >= 0).all() else _rolled_up(plan, np.abs(self._own))
        for reach, size in self._changes:
            reach.add_to(gross, 2 * size)
        # A change rounds its product, its sum and the difference itself; eight more cover the arithmetic of the bound.
        extra_count = 3 * len(self._changes) + 8
        bounds = np.empty_like(gross)
        for tier, count in enumerate(plan.roundings):
            rows = slice(plan.starts[tier], plan.starts[tier + 1])
            share = (count + extra_count) * _UNIT_ROUNDOFF
            bounds[rows] = gross[rows] * (share / (1 - share))
        return bounds[plan.place]


def _rolled_up(plan: BulkPlan, own: Floats) -> Floats:
    """The totals in the order of the plan."""
    totals = own.copy()
    for first, last, block in zip(plan.starts[1:-1], plan.starts[2:], plan.tiers, strict=True):
        totals[first:last] += block @ totals[:first]
    return totals


def _reach(plan: BulkPlan, place: int, amounts: Floats) -> _Reach:
    """How much of the part at `place` stands in every other.

    As long as few parts are reached, each hands on to those that use it; from the tier where they become many, every part asks
    what stands below it. `amounts` is room to work in, zero before and after.
    """
    amounts[place] = 1.0
    own_tier = bisect_right(plan.starts, place) - 1
    tiers_count = len(plan.starts) - 1
    found: list[Numbers] = []
    tier = own_tier
    while tier < tiers_count:
        first, end = plan.starts[tier], plan.starts[tier + 1]
        reached = np.array([place]) if tier == own_tier else np.flatnonzero(amounts[first:end] != 0) + first
        if tier > own_tier and reached.size > _MANY_SHARE * (end - first):
            break
        found.append(reached)
        _hand_on(plan.users, reached, amounts)
        tier += 1
    for above in range(tier, tiers_count):
        first, end = plan.starts[above], plan.starts[above + 1]
        amounts[first:end] = plan.tiers[above - 1] @ amounts[:first]
    places = np.concatenate(found)
    rest_first = plan.starts[tier]
    reach = _Reach(places, amounts[places], rest_first, amounts[rest_first:].copy())
    amounts[places] = 0.0
    amounts[rest_first:] = 0.0
    return reach


def _hand_on(users: sparse.csr_array, reached: Numbers, amounts: Floats) -> None:
    lows = users.indptr[reached]
    counts = users.indptr[reached + 1] - lows
    lines = _ranges(lows, counts)
    np.add.at(amounts, users.indices[lines], users.data[lines] * np.repeat(amounts[reached], counts))


def _ranges(lows: Counts, counts: Counts) -> Numbers:
    """The numbers `low`, `low` + 1, ... of each range, one range after the other."""
    ends = np.cumsum(counts)
    total_count = int(ends[-1]) if ends.size else 0
    numbers: Numbers = np.repeat(lows - (ends - counts), counts) + np.arange(total_count)
    return numbers


def _check(parts_count: int, parents: Numbers, children: Numbers, quantities: Floats) -> None:
    if not parents.size == children.size == quantities.size:
        raise UnusableInput("lines", "each line has a parent, a child and a quantity")
    if parts_count < 1:
        raise UnusableInput("parts", "there is no part")
    for numbers in (parents, children):
        if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < parts_count:
            raise UnusableInput("lines", f"parts are numbered from 0 to {parts_count - 1}")
    wrong = np.flatnonzero(~(np.isfinite(quantities) & (quantities >= 0)))
    if wrong.size:
        line = int(wrong[0])
        raise UnusableInput(
            f"line {line}", f"the quantity of {children[line]} in {parents[line]} is not a finite amount ≥ 0"
        )


def _tiers(parts_count: int, parents: Numbers, children: Numbers) -> Numbers:
    """How many levels of bills stand under each part."""
    by_child = np.argsort(children, kind="stable")
    users = parents[by_child]
    ends = np.concatenate(([0], np.cumsum(np.bincount(children, minlength=parts_count))))
    waiting = np.bincount(parents, minlength=parts_count)
    tier = np.full(parts_count, -1, dtype=np.intp)
    ready = np.flatnonzero(waiting == 0)
    level = 0
    while ready.size:
        tier[ready] = level
        reached = users[_ranges(ends[ready], ends[ready + 1] - ends[ready])]
        waiting -= np.bincount(reached, minlength=parts_count)
        ready = np.unique(reached[waiting[reached] == 0])
        level += 1
    if (tier < 0).any():
        raise CyclicProduct(_cycle(tier, parents, children))
    return tier


def _cycle(tier: Numbers, parents: Numbers, children: Numbers) -> tuple[str, ...]:
    """A way from a part to itself among the parts that never became ready: each of them has a child of that kind."""
    stuck = (tier[parents] < 0) & (tier[children] < 0)
    inner = dict(zip(parents[stuck].tolist(), children[stuck].tolist(), strict=True))
    path: list[int] = [next(iter(inner))]
    while path.count(path[-1]) == 1:
        path.append(inner[path[-1]])
    return tuple(str(part) for part in path[path.index(path[-1]) :])
