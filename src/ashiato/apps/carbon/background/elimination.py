"""Solving loops directly: Gaussian elimination by blocks, between which it tells how far it is and can be stopped.

The shares between the activities of one cyclic component are taken as a full matrix. A sparse elimination of such a component
fills up nearly as far, is several times slower (no use of the processor's matrix units) and cannot be stopped.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ashiato.apps.carbon.background.errors import TooLargeToEliminate
from ashiato.apps.carbon.background.matrices import Floats
from ashiato.apps.carbon.background.watch import Watch, tell

_BLOCK_COUNT = 192
_FLOAT_BYTES = 8


@dataclass(frozen=True, eq=False)
class Factors:
    """L and U of I - N in one matrix, and the row that each step took as its pivot."""

    packed: Floats
    pivots: NDArray[np.intp]
    is_singular: bool

    def solve(self, own: Floats) -> Floats:
        """The burdens whose own emissions these are."""
        return linalg.lu_solve((self.packed, self.pivots), own, check_finite=False)


def factorise(shares: sparse.csr_array, watch: Watch, *, allowed_bytes: int) -> Factors:
    """Eliminate I - N of one cyclic component. Raises `TooLargeToEliminate` before anything is taken, and `Cancelled`."""
    count = shares.shape[0]
    needed_bytes = count * count * _FLOAT_BYTES
    if needed_bytes > allowed_bytes:
        raise TooLargeToEliminate(needed_bytes, allowed_bytes)
    full = np.asfortranarray((sparse.eye_array(count, format="csr") - shares).toarray())
    pivots = np.empty(count, dtype=np.intp)
    is_singular = False
    for first in range(0, count, _BLOCK_COUNT):
        # What is left shrinks with the cube of the rows that are left.
        tell(watch, "eliminating a loop", 1.0 - ((count - first) / count) ** 3)
        last = min(first + _BLOCK_COUNT, count)
        panel, swaps, info = linalg.lapack.dgetrf(full[first:, first:last])
        is_singular = is_singular or info > 0
        full[first:, first:last] = panel
        pivots[first:last] = swaps[: last - first] + first
        _swap(full, pivots, first, last)
        if last < count:
            corner = full[first:last, first:last]
            full[first:last, last:] = linalg.solve_triangular(
                corner, full[first:last, last:], lower=True, unit_diagonal=True, check_finite=False
            )
            full[last:, last:] -= full[last:, first:last] @ full[first:last, last:]
    return Factors(full, pivots, is_singular)


def _swap(full: Floats, pivots: NDArray[np.intp], first: int, last: int) -> None:
    """Carry the row changes of one panel to the columns on both sides of it."""
    for row in range(first, last):
        other = int(pivots[row])
        if other != row:
            for columns in (slice(0, first), slice(last, None)):
                full[[row, other], columns] = full[[other, row], columns]
