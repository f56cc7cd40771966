"""Linked inventories as a background database: binary floating point begins here; what is declared takes only decimals of it."""

from collections.abc import Mapping

import numpy as np

from ashiato.apps.carbon.background.matrices import Background, Floats, background, exchanges
from ashiato.apps.carbon.factors.datasets import Flow, Loss
from ashiato.apps.carbon.factors.greenhouse import indicator
from ashiato.apps.carbon.factors.gwp import GwpSet
from ashiato.apps.carbon.factors.linking import Matrices, Unlinked


class Incomplete(ValueError):
    """Inputs without a supplier or activities that must be allocated would be left out; who imports must add what is missing."""

    def __init__(self, unlinked: tuple[Unlinked, ...], left_out: tuple[str, ...]) -> None:
        super().__init__(
            f"{len(unlinked)} inputs have no supplier, {len(left_out)} activities not exactly one product"
        )
        self.unlinked = unlinked
        self.left_out = left_out


def background_of(matrices: Matrices, *, understating_what_is_missing: bool = False) -> Background:
    """The database; its products are the ids of the activities.

    Raises `Incomplete` unless the caller takes footprints that are too small, and `BackgroundRefused`.
    """
    if (matrices.unlinked or matrices.left_out) and not understating_what_is_missing:
        raise Incomplete(matrices.unlinked, matrices.left_out)
    technosphere, biosphere = (
        exchanges(
            [entry.row for entry in entries],
            [entry.column for entry in entries],
            [float(entry.amount) for entry in entries],
        )
        for entries in (matrices.technosphere, matrices.biosphere)
    )
    return background(matrices.activities, matrices.elementary_flows, technosphere, biosphere)


def weights_of(
    database: Background, flows: Mapping[str, Flow], gwp_set: GwpSet
) -> tuple[Floats, tuple[Loss, ...]]:
    """kg CO2e per unit of each flow of the database, in its order, and the flows that may warm and have no weight."""
    weights, losses = indicator((flows[flow_id] for flow_id in database.flows), gwp_set)
    return np.array([float(weights.get(flow_id, 0)) for flow_id in database.flows], dtype=np.float64), losses
