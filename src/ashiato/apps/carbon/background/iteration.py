"""Solving `burden = own + shares · burden` by BiCGSTAB, in a norm in which small burdens count as much as large ones.

The usual residual test weighs an activity by the size of its burden, so that a result may be fine for steel works and a fifth
wrong for a screw. Here every inner product is divided by the square of a first estimate of each burden, which is the same as
solving for the ratio of the burden to that estimate.

What is iterated is a sweep over a few blocks of activities, each of which already sees the new burdens of those before it (block
Gauss-Seidel). It costs what one product with the matrix costs and goes a third further.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from ashiato.apps.carbon.background.matrices import Floats
from ashiato.apps.carbon.background.watch import Watch, tell

STEPS_COUNT = 2_000
_RESTARTS_COUNT = 6
_BLOCKS_COUNT = 4
_FLOOR = 2.0**-47
_FIRST_TIERS_COUNT = 4


@dataclass(frozen=True, eq=False)
class Settled:
    """The last iterate, whether its residual is as small as was asked, and how many sweeps it took."""

    burden: Floats
    is_settled: bool
    sweeps_count: int


def estimate(shares: sparse.csr_array, own: Floats) -> Floats:
    """Own emissions and those of a few tiers before: the order of magnitude of each burden where shares and emissions are not
    negative. Goes on as long as more activities are reached, so that 0 means that nothing is emitted along the whole chain."""
    total = own.copy()
    reached_count = -1
    tiers_count = 0
    while tiers_count < _FIRST_TIERS_COUNT or int(np.count_nonzero(total)) != reached_count:
        reached_count = int(np.count_nonzero(total))
        total = own + shares @ total
        tiers_count += 1
    return total


@dataclass(frozen=True, eq=False)
class Sweep:
    """The shares in blocks of rows with about as many exchanges each."""

    blocks: tuple[tuple[slice, sparse.csr_array], ...]

    def __call__(self, burden: Floats) -> Floats:
        """What the burdens add up to without own emissions."""
        swept = burden.copy()
        for rows, shares in self.blocks:
            swept[rows] = shares @ swept
        return swept

    def of_own(self, own: Floats) -> Floats:
        """The part of the result that comes from own emissions."""
        swept = np.zeros_like(own)
        for rows, shares in self.blocks:
            swept[rows] = own[rows] + shares @ swept
        return swept


def sweep(shares: sparse.csr_array) -> Sweep:
    """The blocks of a matrix; its arrays are shared, not copied."""
    starts = shares.indptr
    wanted = np.linspace(0, shares.nnz, _BLOCKS_COUNT + 1)[1:-1]
    cuts = [0, *np.searchsorted(starts, wanted).tolist(), shares.shape[0]]
    blocks = []
    for first, last in pairwise(cuts):
        if last > first:
            part = slice(starts[first], starts[last])
            arrays = (shares.data[part], shares.indices[part], starts[first : last + 1] - starts[first])
            block = sparse.csr_array(arrays, shape=(last - first, shares.shape[1]))
            blocks.append((slice(first, last), block))
    return Sweep(tuple(blocks))


def settle(
    shares: sparse.csr_array, own: Floats, start: Floats, scale: Floats, residual: float, watch: Watch
) -> Settled:
    """Iterate from `start` until the residual of the sweep, measured in `scale`, is at most `residual`. Never raises for a loop
    that does not settle: then `is_settled` is false. Raises `Cancelled`."""
    weights = 1.0 / np.square(scale)
    swept = sweep(shares)
    own = swept.of_own(own)
    burden = start.copy()
    sweeps_count = 0
    before = np.inf
    for _ in range(_RESTARTS_COUNT):
        rest = own - burden + swept(burden)
        sweeps_count += 1
        size = _norm(rest, weights)
        if size <= residual:
            return Settled(burden, True, sweeps_count)
        if not size < before / 2 or sweeps_count > STEPS_COUNT:
            # As small as rounding lets it be: nothing more can be had from here.
            floor = _FLOOR * np.sqrt(burden.size)
            return Settled(
                burden, _norm(rest, np.square(1.0 / (scale + np.abs(burden)))) <= floor, sweeps_count
            )
        before = size
        sweeps_count += _descend(swept, burden, rest, weights, residual, watch)
    return Settled(burden, False, sweeps_count)


def _descend(
    swept: Sweep, burden: Floats, rest: Floats, weights: Floats, residual: float, watch: Watch
) -> int:
    """One run of BiCGSTAB (van der Vorst 1992); `burden` and `rest` are changed in place. Returns the number of
    sweeps; ends at the wanted residual, at a breakdown or after `STEPS_COUNT` steps."""
    shadow = rest * weights
    overlap = _dot(shadow, rest)
    first = np.sqrt(overlap)
    direction = rest.copy()
    for step in range(STEPS_COUNT):
        if step % 16 == 15:
            tell(watch, "iterating", _progress(first, _norm(rest, weights), residual))
        moved = direction - swept(direction)
        slope = _dot(shadow, moved)
        if slope == 0.0 or not np.isfinite(slope):
            return 2 * step + 1
        along = overlap / slope
        moved *= along
        rest -= moved
        turned = rest - swept(rest)
        weighted = turned * weights
        length = _dot(weighted, turned)
        across = _dot(weighted, rest) / length if length > 0.0 else 0.0
        burden += along * direction
        burden += across * rest
        direction *= along
        direction -= across * moved
        rest -= across * turned
        size = _norm(rest, weights)
        if size <= 0.5 * residual or overlap * across == 0.0 or not np.isfinite(size):
            return 2 * step + 2
        after = _dot(shadow, rest)
        direction *= after / (overlap * across)
        direction += rest
        overlap = after
    return 2 * STEPS_COUNT


def _dot(left: Floats, right: Floats) -> float:
    # Not `left @ right`: for vectors of this size BLAS wakes threads that cost more than the sum.
    return float(np.einsum("i,i", left, right))


def _norm(rest: Floats, weights: Floats) -> float:
    return float(np.sqrt(np.einsum("i,i,i", rest, rest, weights)))


def _progress(first: float, left: float, wanted: float) -> float:
    """How far the logarithm of the residual has come."""
    if not 0.0 < left < first or wanted >= first:
        return 0.0
    return float(min(1.0, np.log(first / left) / np.log(first / wanted)))
