"""The intensities of changed databases, from those of the database as it is.

When k activities get another recipe, the new intensities differ from the old ones by a combination of k vectors, each of which
says how much of one of these activities every product needs (Sherman, Morrison, Woodbury). A vector is solved for when its
activity is changed for the first time and kept, so the next value of a mix costs no further solve. What the update gives is
only a start: the result carries the proof of a residual that was computed on the changed database.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ashiato.apps.carbon.background.chains import chain
from ashiato.apps.carbon.background.changes import Recipe, changed
from ashiato.apps.carbon.background.intensities import (
    Intensities,
    checked_factors,
    intensities_of,
    own_emissions,
)
from ashiato.apps.carbon.background.matrices import Background, Floats
from ashiato.apps.carbon.background.solving import ALLOWED_BYTES, RESIDUAL, Effort, Own
from ashiato.apps.carbon.background.watch import Watch, unwatched


class Scenarios:
    """One database and one indicator, about which what-if questions are asked. `base` are the intensities as they are."""

    def __init__(
        self,
        database: Background,
        factors: ArrayLike,
        *,
        watch: Watch = unwatched,
        allowed_bytes: int = ALLOWED_BYTES,
    ) -> None:
        """Raises what `intensities` raises."""
        self._database = database
        self._factors = checked_factors(database, factors)
        # A residual of its own size per step would add up over the steps of an update.
        self._effort = Effort(watch, RESIDUAL / 100, allowed_bytes)
        self._chain = chain(database)
        self._own = own_emissions(database.biosphere, self._factors)
        self._needs: dict[int, Floats] = {}
        self.base = intensities_of(self._chain, self._own, database.products, self._effort)

    def changed(self, recipes: Sequence[Recipe]) -> Intensities:
        """The intensities with these recipes. Raises what `intensities` raises for the changed database."""
        database = changed(self._database, recipes)
        own = own_emissions(database.biosphere, self._factors)
        start = self._updated([new.activity for new in recipes], database, own.net)
        effort = Effort(self._effort.watch, RESIDUAL, self._effort.allowed_bytes)
        return intensities_of(chain(database), own, database.products, effort, start)

    def _updated(self, activities: list[int], database: Background, own: Floats) -> Floats | None:
        """λ' = y - Z (I + Δᵀ Z)⁻¹ Δᵀ y with y = λ + Z δ, where Δ are the changed exchanges and δ the changed own emissions."""
        if not activities:
            return self.base.per_unit
        needs = np.stack([self._need(activity) for activity in activities], axis=1)
        delta = (database.technosphere[:, activities] - self._database.technosphere[:, activities]).T.tocsr()
        moved = self.base.per_unit + needs @ (own - self._own.net)[activities]
        small = np.eye(len(activities)) + delta @ needs
        try:
            start = moved - needs @ np.linalg.solve(small, delta @ moved)
        except np.linalg.LinAlgError:
            return None
        return start if np.isfinite(start).all() else None

    def _need(self, activity: int) -> Floats:
        """How many runs of an activity one unit of each product needs."""
        if activity not in self._needs:
            once = np.zeros(self._chain.count)
            once[activity] = 1.0
            single = Own(once, once, np.zeros_like(once))
            found = intensities_of(self._chain, single, self._database.products, self._effort)
            self._needs[activity] = found.per_unit
        return self._needs[activity]
