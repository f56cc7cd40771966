"""What one unit of every product of a database emits, along its whole chain, for one indicator.

One solve from the side of the indicator (adjoint) gives all products at once; a demand is then a sum over its products. The same
number can be had from the side of the demand (primal): how often every activity runs for it, times what it emits itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from ashiato.apps.carbon.background import bounds
from ashiato.apps.carbon.background.chains import Chain, chain
from ashiato.apps.carbon.background.errors import BackgroundRefused
from ashiato.apps.carbon.background.matrices import Background, Floats
from ashiato.apps.carbon.background.solving import ALLOWED_BYTES, Effort, Method, Own, Solved, solved
from ashiato.apps.carbon.background.watch import Watch, unwatched

_UNIT_ROUNDOFF = 2.0**-53

Demand = Mapping[int, float]


@dataclass(frozen=True, eq=False)
class Intensities:
    """`per_unit` of each product, in the unit of the indicator per unit of the product, and how far each can be from the true
    value. With `is_proved` that distance is a theorem, rounding included; without it, an estimate (`Method.ELIMINATION`)."""

    products: tuple[str, ...]
    per_unit: Floats
    error_bound: Floats
    is_proved: bool
    method: Method

    def of(self, product: str) -> tuple[float, float]:
        """One product's intensity and its error bound; raises `BackgroundRefused` for a name that the database has not."""
        if product not in self.products:
            raise BackgroundRefused("no product has this name", where=repr(product))
        at = self.products.index(product)
        return float(self.per_unit[at]), float(self.error_bound[at])

    def relative_error_bound(self) -> Floats:
        """The error bounds as parts of the intensities; 0 where both are 0, without limit where only the intensity is."""
        size = np.abs(self.per_unit)
        missing = np.where(self.error_bound > 0.0, np.inf, 0.0)
        return np.divide(self.error_bound, size, out=missing, where=size > 0.0)

    def scores(self, demands: Sequence[Demand]) -> tuple[Floats, Floats]:
        """The score of each demand (amounts by product number) and its error bound. Raises `BackgroundRefused` for a product
        that is not there or an amount that is no finite number."""
        starts = np.zeros(len(demands) + 1, dtype=np.int64)
        np.cumsum([len(demand) for demand in demands], out=starts[1:])
        products = np.fromiter((at for demand in demands for at in demand), np.int64, int(starts[-1]))
        amounts = np.fromiter(
            (amount for demand in demands for amount in demand.values()), np.float64, int(starts[-1])
        )
        if products.size and not 0 <= products.min() <= products.max() < len(self.products):
            raise BackgroundRefused("a demand names a product that is not there", where="demand")
        if not np.isfinite(amounts).all():
            raise BackgroundRefused("a demand is no finite number", where="demand")
        shape = (len(demands), len(self.products))
        wanted = sparse.csr_array((amounts, products, starts), shape=shape)
        gross = abs(wanted)
        rounding = bounds.lost(wanted) * (gross @ np.abs(self.per_unit))
        inherited = (gross @ self.error_bound) * (1.0 + bounds.lost(wanted))
        return np.asarray(wanted @ self.per_unit), np.asarray(inherited + rounding)


@dataclass(frozen=True, eq=False)
class Agreement:
    """One score from both sides. They are computed from different unknowns, so a gross fault of either shows as a difference."""

    adjoint: float
    primal: float

    @property
    def relative_difference(self) -> float:
        size = max(abs(self.adjoint), abs(self.primal))
        return abs(self.adjoint - self.primal) / size if size else 0.0


def intensities(
    database: Background,
    factors: ArrayLike,
    *,
    watch: Watch = unwatched,
    allowed_bytes: int = ALLOWED_BYTES,
) -> Intensities:
    """All intensities of the indicator whose `factors` are given for each flow of the database, 0 where it does not count.

    Raises `BackgroundRefused` (the factors do not fit), `EndlessLoop`, `Undetermined`, `TooLargeToEliminate` (the iteration did
    not settle and the loops are too many for `allowed_bytes`) and `Cancelled` (the watch said stop)."""
    links = chain(database)
    own = own_emissions(database.biosphere, checked_factors(database, factors))
    return intensities_of(links, own, database.products, Effort(watch, allowed_bytes=allowed_bytes))


def intensities_of(
    links: Chain, own: Own, products: tuple[str, ...], effort: Effort, start: Floats | None = None
) -> Intensities:
    """The same for a chain that is already there; `start` is a guess of the intensities."""
    guess = None if start is None else start * links.own
    return per_unit(solved(links.shares, own, products, effort, guess), links.own, products)


def per_unit(found: Solved, own: Floats, products: tuple[str, ...]) -> Intensities:
    """Burdens of one run as intensities of one unit; `own` is what one run makes."""
    intensity = found.burden / own
    bound = found.error_bound / np.abs(own) * (1.0 + 4 * _UNIT_ROUNDOFF) + _UNIT_ROUNDOFF * np.abs(intensity)
    return Intensities(products, intensity, bound, found.is_proved, found.method)


def checked_factors(database: Background, factors: ArrayLike) -> Floats:
    """The factors as numbers; raises `BackgroundRefused` when they are not one finite number for each flow."""
    given = np.asarray(factors, dtype=np.float64)
    if given.shape != (len(database.flows),):
        raise BackgroundRefused(
            f"an indicator has one factor for each of the {len(database.flows)} flows",
            where=f"factors of shape {given.shape}",
        )
    broken = np.flatnonzero(~np.isfinite(given))
    if broken.size:
        raise BackgroundRefused("a factor is no finite number", where=database.flows[int(broken[0])])
    return given


def own_emissions(emissions: sparse.csc_array, factors: Floats) -> Own:
    """What one run of each activity emits itself, weighted by the factors."""
    net = emissions.T @ factors
    is_signed = factors.min(initial=0.0) < 0.0 or emissions.data.min(initial=0.0) < 0.0
    gross = abs(emissions).T @ np.abs(factors) if is_signed else net
    return Own(net, gross, bounds.lost_in_own(np.diff(emissions.indptr), gross))


def agreement(
    database: Background, factors: ArrayLike, demand: Demand, found: Intensities, *, watch: Watch = unwatched
) -> Agreement:
    """The score of one demand from the intensities and, solved anew, from the runs of every activity. Raises what `intensities`
    raises."""
    links = chain(database)
    weights = checked_factors(database, factors)
    wanted = np.zeros(links.count)
    for product, amount in demand.items():
        wanted[product] += amount / links.own[product]
    gross = np.abs(wanted) if wanted.min(initial=0.0) < 0.0 else wanted
    needed = Own(wanted, gross, bounds.lost_in_own(np.zeros(links.count, dtype=np.intp), gross))
    runs = solved(links.shares.T.tocsr(), needed, database.products, Effort(watch)).burden
    emitted = database.biosphere @ runs
    return Agreement(float(found.scores([demand])[0][0]), float(weights @ emitted))
