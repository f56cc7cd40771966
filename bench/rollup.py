"""How long footprints take: a whole parts master in floating point, one changed supplier, and one exact product.

The parts master has 200 000 parts in twelve tiers and a million lines, drawn from a seed: most lines reach into the tier below,
the others anywhere under it, so most suppliers stand under thousands of parts. The plan (order of the tiers) is made once and
timed apart. The exact product has five tiers and sixty lines, each with eight figures and declared like those of a supplier;
it is rolled up from the bottom, nothing remembered.

Times are processor time of the one thread that works; nothing here waits, so that is what passes on a machine that does nothing
else.
"""

import statistics
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from ashiato.apps.carbon.allocation import Allocation, AllocationKey
from ashiato.apps.carbon.bulk import BulkPlan, BulkRollUp, Numbers, plan_of
from ashiato.apps.carbon.inventory import Assessment
from ashiato.apps.carbon.rollup import Purchased, RollUp, declared_as, roll_up
from ashiato.apps.carbon.rulesets import Rounding
from ashiato.facts.footprints import (
    CELLS,
    STAGES,
    DataQuality,
    DeclaredFootprint,
    EndOfLifeBasis,
    Origin,
    PerDeclaredUnit,
    Stage,
    StageVector,
)
from ashiato.facts.quantities import KILOGRAM, Quantity

PARTS_COUNT = 200_000
LINES_COUNT = 1_000_000
CHANNELS_COUNT = 8
SEED = 41
ROUNDS_COUNT = 25
# Parts in each tier, lowest first: far more is bought than made, and few are sold.
_WIDTHS = np.array([60, 40, 30, 20, 14, 10, 8, 6, 5, 3, 2.5, 1.5])
_NEAR_SHARE = 0.7
_EXACT_TIERS_COUNT = 5
_EXACT_LINES_COUNT = 12


async def run() -> dict[str, float]:
    """Medians: all totals, one changed supplier, one exact product; beside them the plan, the slowest change and the bound."""
    started_ns = time.thread_time_ns()
    plan = plan_of(PARTS_COUNT, *_lines())
    plan_ms = (time.thread_time_ns() - started_ns) / 1e6
    own_kg = np.random.default_rng(SEED).random((PARTS_COUNT, CHANNELS_COUNT))
    took_ms = _timed(lambda: BulkRollUp(plan, own_kg))
    changes_ms, moved_counts, relative = _changes(plan, own_kg)
    leaf = _leaf()
    exact_ms = _timed(lambda: _exact_product(leaf))
    return {
        "rollup_ms": round(statistics.median(took_ms), 2),
        "incremental_ms": round(statistics.median(changes_ms), 2),
        "exact_ms": round(statistics.median(exact_ms), 2),
        "rollup_plan_ms": round(plan_ms, 1),
        "incremental_slowest_ms": round(max(changes_ms), 2),
        "incremental_moved_median": int(statistics.median(moved_counts)),
        "rollup_relative_bound": relative,
    }


def _timed(act: Callable[[], object]) -> list[float]:
    act()
    took_ms = []
    for _ in range(ROUNDS_COUNT):
        start_ns = time.thread_time_ns()
        act()
        took_ms.append((time.thread_time_ns() - start_ns) / 1e6)
    return took_ms


def _lines() -> tuple[Numbers, Numbers, "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"]:
    """Parents, children and quantities, the numbers of the parts shuffled so that nothing is gained from their order."""
    dice = np.random.default_rng(SEED)
    widths = (_WIDTHS / _WIDTHS.sum() * PARTS_COUNT).astype(np.intp)
    widths[0] += PARTS_COUNT - widths.sum()
    starts = np.concatenate(([0], np.cumsum(widths)))
    tier = np.repeat(np.arange(widths.size), widths)
    made_count = PARTS_COUNT - int(widths[0])
    parents = widths[0] + np.arange(LINES_COUNT) % made_count
    below = tier[parents]
    near = starts[below - 1] + (dice.random(LINES_COUNT) * widths[below - 1]).astype(np.intp)
    far = (dice.random(LINES_COUNT) * starts[below]).astype(np.intp)
    children = np.where(dice.random(LINES_COUNT) < _NEAR_SHARE, near, far)
    number = dice.permutation(PARTS_COUNT)
    return number[parents], number[children], dice.random(LINES_COUNT) * 0.3


def _changes(
    plan: BulkPlan, own_kg: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"
) -> tuple[list[float], list[int], float]:
    """Times of changes of random bought parts, how many parts each moved, and the largest relative bound after them."""
    rolled = BulkRollUp(plan, own_kg)
    dice = np.random.default_rng(SEED + 1)
    bought = plan.order[: plan.starts[1]]
    took_ms, moved_counts = [], []
    for part in dice.choice(bought, 2 * ROUNDS_COUNT, replace=False):
        own = dice.random(CHANNELS_COUNT)
        start_ns = time.thread_time_ns()
        moved_counts.append(rolled.change(int(part), own))
        took_ms.append((time.thread_time_ns() - start_ns) / 1e6)
    relative = float((rolled.bounds_kg() / rolled.totals_kg).max())
    return took_ms, moved_counts, float(f"{relative:.2g}")


def _own(cells_kg: StageVector) -> Assessment:
    return Assessment(
        declared=Quantity(Fraction(1), KILOGRAM),
        lines=(),
        by_location=cells_kg,
        by_market=cells_kg,
        allocation=Allocation(AllocationKey.NONE, (("product", Fraction(1)),), None, ()),
        excluded=(),
        refused_certificates=(),
        gwp_set="AR6",
        basis=EndOfLifeBasis.CUT_OFF,
        weighed_stages=frozenset(STAGES) - {Stage.END_OF_LIFE},
        assumptions=(),
    )


def _leaf() -> DeclaredFootprint:
    """A supplier's kilogram: four stages and, beside them, primary share and three ratings."""
    cells = {
        cell: Fraction(12_345 + place, 1_000) for place, cell in enumerate(CELLS) if cell[1] is Origin.FOSSIL
    }
    return DeclaredFootprint(
        footprint=PerDeclaredUnit(StageVector.of(cells), Quantity(Fraction(1), KILOGRAM)),
        gwp_set="AR6",
        primary_data_share=Fraction("0.62"),
        quality=DataQuality(Fraction("1.7"), Fraction("2.3"), Fraction("2.9")),
    )


def _exact_product(leaf: DeclaredFootprint) -> RollUp:
    """Five tiers of twelve lines, one of them the tier below, each declared before the next takes it."""
    below = leaf
    for tier in range(_EXACT_TIERS_COUNT):
        lines = [
            Purchased(
                key=str(line),
                quantity=Quantity(Fraction(137 + 11 * line + tier, 1000), KILOGRAM),
                loss_share=Fraction(line, 200),
                declared=below if line == 0 else leaf,
            )
            for line in range(_EXACT_LINES_COUNT)
        ]
        result = roll_up(_own(StageVector()), lines)
        below = declared_as(result, Rounding("significant", 6))
    return result
