"""A proof of how far a computed burden can be from the true one, rounding included.

If a vector w > 0 has v = w - |N| w > 0, then I - N is invertible, the series of |N| converges, and with a residual R for every
activity

    |burden - true burden|  ≤  w · max(R / v)

(comparison matrices; Ostrowski 1937, Neumaier 1990, section 3.7). The residual is that of the burden as computed, enlarged by
what its own computation may have lost (Higham 2002, section 3.1), so the bound holds for the database as stored. For the same
reason a w proves that no loop takes as much as it makes.

Such a w costs a handful of products with the matrix: the gross burden x (all emissions and shares taken as positive) is larger
than what |N| makes of it, and w = x + |N| x + … + |N|ᵐ x has v = x - |N|ᵐ⁺¹ x.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ashiato.apps.carbon.background.matrices import Floats

_UNIT_ROUNDOFF = 2.0**-53
# One rounding when a share is divided, one when its amount was summed, four around each sum of products.
_EXTRA_ROUNDINGS = 6
_TIERS_COUNT = 256
_GOOD_ENOUGH = 0.7


@dataclass(frozen=True, eq=False)
class Envelope:
    """`width` > 0 of which |N| takes away less than all; `left` is a lower bound of what remains."""

    width: Floats
    left: Floats

    def bound(self, residual: Floats) -> Floats:
        """How far each burden can be from the true one when its residual is at most this."""
        worst = float((residual / self.left).max(initial=0.0))
        # Three roundings more: of the quotient, of the product and of this factor.
        return np.asarray(worst * (1.0 + 8 * _UNIT_ROUNDOFF) * self.width, dtype=np.float64)


def absolute(shares: sparse.csr_array) -> sparse.csr_array:
    """|N|, without a copy where nothing is negative."""
    return shares if shares.nnz == 0 or shares.data.min() >= 0.0 else abs(shares)


def lost(shares: sparse.csr_array) -> Floats:
    """The share of the terms of each row sum that rounding can have lost."""
    roundings = np.diff(shares.indptr).astype(np.float64) + _EXTRA_ROUNDINGS
    return roundings * _UNIT_ROUNDOFF / (1.0 - roundings * _UNIT_ROUNDOFF)


def lost_in_own(emissions_count: NDArray[np.integer], gross_own: Floats) -> Floats:
    """What rounding can have taken from or added to the sum of an activity's own emissions, of which it has so many."""
    roundings = emissions_count.astype(np.float64) + 2.0
    return roundings * _UNIT_ROUNDOFF / (1.0 - roundings * _UNIT_ROUNDOFF) * gross_own


def residual(
    shares: sparse.csr_array, gross: sparse.csr_array, own: Floats, own_lost: Floats, burden: Floats
) -> Floats:
    """An upper bound of |own + N · burden - burden| for the exact numbers, row by row."""
    added: Floats = shares @ burden
    terms = added if gross is shares and burden.min(initial=0.0) >= 0.0 else gross @ np.abs(burden)
    rounding: Floats = lost(shares) * (np.abs(own) + np.abs(burden) + terms) + own_lost
    return np.abs(own - burden + added) + rounding


def envelope(gross: sparse.csr_array, positive: Floats, residuals: Floats) -> Envelope | None:
    """The envelope that grows from a positive vector, or None when none is found: then nothing is proved.

    `residuals` say where it has to be tight."""
    if positive.size == 0:
        return Envelope(positive, positive)
    if not (positive > 0.0).all():
        return None
    width = positive.copy()
    reached = gross @ positive
    best = np.inf
    rounding = 4.0 * lost(gross) * positive
    for tiers in range(2, _TIERS_COUNT):
        left = positive - reached - tiers * rounding
        if left.min() > 0.0:
            price = float((residuals / left).max()) * tiers
            if not price < _GOOD_ENOUGH * best:
                break
            best = price
        width += reached
        reached = gross @ reached
    return verified(gross, width)


def verified(gross: sparse.csr_array, width: Floats) -> Envelope | None:
    """The envelope of this width, if what |N| leaves of it is positive whatever rounding did."""
    taken = gross @ width
    left = (width - taken) - lost(gross) * (width + taken)
    return Envelope(width, left) if width.size == 0 or (left.min() > 0.0 and width.min() > 0.0) else None
