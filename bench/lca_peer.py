"""The same database for the peer: bw2calc 3.1, the solver of Brightway, fed through a datapackage in memory.

Its fastest direct solver needs the package pypardiso, which is not among the locked ones because it brings MKL, a proprietary
library of 700 MB; a bench that finds it installed measures with it and says so.
"""

import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import bw_processing as bwp
import numpy as np
from numpy.typing import NDArray

from ashiato.apps.carbon.background.distributions import Distributions
from ashiato.apps.carbon.background.matrices import Exchanges

__all__ = ["FIRST_FLOW", "HAS_PARDISO", "INDICATOR", "bw2calc", "package", "scores"]

with warnings.catch_warnings():
    # Without pypardiso it warns at import, which is said in the figures instead.
    warnings.simplefilter("ignore")
    import bw2calc

HAS_PARDISO = find_spec("pypardiso") is not None
INDICATOR = ("climate change",)
# Numbers of flows begin where no product has one.
FIRST_FLOW = 10_000_000


def package(
    made: Exchanges,
    emitted: Exchanges,
    factors: NDArray[np.float64],
    spread: tuple[Distributions, Distributions] | None = None,
) -> bwp.Datapackage:
    """One datapackage with all three matrices; product and activity number n has the id n + 1."""
    data = bwp.create_datapackage(sum_intra_duplicates=True)
    spreads = spread or (None, None)
    _add(data, "technosphere_matrix", made.row + 1, made.column + 1, made.amount, spreads[0])
    _add(data, "biosphere_matrix", emitted.row + FIRST_FLOW, emitted.column + 1, emitted.amount, spreads[1])
    flow = np.flatnonzero(factors)
    indices = np.array([(at + FIRST_FLOW, 0) for at in flow], dtype=bwp.INDICES_DTYPE)
    data.add_persistent_vector(
        matrix="characterization_matrix",
        indices_array=indices,
        data_array=factors[flow],
        identifier=list(INDICATOR),
        name="factors",
    )
    return data


def _add(
    data: bwp.Datapackage,
    matrix: str,
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    amount: NDArray[np.float64],
    spread: Distributions | None,
) -> None:
    indices = np.empty(row.size, dtype=bwp.INDICES_DTYPE)
    indices["row"], indices["col"] = row, column
    more = {}
    if spread is not None:
        drawn = np.zeros(row.size, dtype=bwp.UNCERTAINTY_DTYPE)
        drawn["uncertainty_type"], drawn["loc"], drawn["scale"] = spread.kind, spread.location, spread.scale
        limited = spread.kind >= 4
        drawn["shape"] = np.nan
        drawn["minimum"] = np.where(limited, spread.low, np.nan)
        drawn["maximum"] = np.where(limited, spread.high, np.nan)
        more["distributions_array"] = drawn
    data.add_persistent_vector(
        matrix=matrix,
        indices_array=indices,
        data_array=np.abs(amount),
        flip_array=amount < 0,
        name=matrix,
        **more,
    )


def scores(data: bwp.Datapackage, demands: Sequence[Mapping[int, float]]) -> list[float]:
    """The scores by a direct solve for each demand, or by least residual where the peer has no fast solver."""
    lca = bw2calc.LCA({at + 1: amount for at, amount in demands[0].items()}, data_objs=[data])
    lca.lci()
    lca.lcia()
    found = [float(lca.score)]
    for demand in demands[1:]:
        lca.lci({at + 1: amount for at, amount in demand.items()})
        lca.lcia()
        found.append(float(lca.score))
    return found
