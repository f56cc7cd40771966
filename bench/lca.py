"""How fast all intensities, many demands and Monte Carlo are on a database of the usual size, and bw2calc on the same one.

Two databases are drawn from a seed (`lca_database.py`): one whose loops have a spectral radius of 0.82, and a twin with 0.992.
Both programs begin with their matrices in memory and with nothing solved or factorised. Figures depend on what else the machine
does; the ratios are taken within one run.

Times are processor time, of one thread on both sides; nothing here waits, so that is what passes on a machine that does nothing
else. The peer's direct solver would use more threads where they are free. `intensities_cold_wall_ms` is what the clock said.
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import bw_processing as bwp
import numpy as np
from threadpoolctl import threadpool_limits

from ashiato.apps.carbon.background.changes import recipe, swapped
from ashiato.apps.carbon.background.distributions import Distributions, distributions
from ashiato.apps.carbon.background.intensities import intensities
from ashiato.apps.carbon.background.matrices import Exchanges, exchanges
from ashiato.apps.carbon.background.scenarios import Scenarios
from ashiato.apps.carbon.background.simulation import (
    UncertainBackground,
    simulate,
    uncertain_background,
)
from bench import lca_database, lca_peer

SEED = 20_261_124
DEMANDS_COUNT = 200
RUNS_COUNT = 20
PEER_DRAWS_COUNT = 4
ROUNDS_COUNT = 4
DRAWS_COUNT = 60
GMRES_DEMANDS_COUNT = 10

Demands = list[dict[int, float]]


@dataclass(frozen=True)
class Database:
    """One drawn database, ready for both programs."""

    own: UncertainBackground
    factors: np.ndarray
    package: bwp.Datapackage
    demands: Demands


def _database(spectral_radius: float) -> Database:
    drawn = lca_database.draw(SEED, spectral_radius)
    made_spread, emitted_spread = lca_database.spread(drawn, SEED + 1)
    made = exchanges(drawn.row, drawn.column, drawn.amount)
    emitted = exchanges(drawn.flow, drawn.emitter, drawn.emission)
    spreads = _distributions(made_spread, made), _distributions(emitted_spread, emitted)
    own = uncertain_background(
        [f"product {at}" for at in range(lca_database.ACTIVITIES_COUNT)],
        [f"flow {at}" for at in range(lca_database.FLOWS_COUNT)],
        (made, spreads[0]),
        (emitted, spreads[1]),
    )
    dice = np.random.Generator(np.random.PCG64(SEED + 2))
    demands = [
        {
            int(at): float(dice.lognormal())
            for at in dice.choice(lca_database.ACTIVITIES_COUNT, 10, replace=False)
        }
        for _ in range(DEMANDS_COUNT)
    ]
    return Database(own, drawn.factors, lca_peer.package(made, emitted, drawn.factors, spreads), demands)


def _distributions(spread: lca_database.Spread, given: Exchanges) -> Distributions:
    sign = np.sign(given.amount)
    return distributions(spread.kind, sign, spread.location, spread.scale, spread.low, spread.high)


async def run() -> dict[str, float]:
    """The figures of both databases and the ratios to the peer's fastest way of doing the same."""
    threadpool_limits(1)
    usual, tight = _database(0.82), _database(0.992)
    figures = _own(usual)
    own_s, scores = _scored(usual)
    peer_s, peer_scores = _peer_scores(usual)
    difference = _difference(scores, peer_scores)
    tight_own_s, tight_scores = _scored(tight)
    tight_peer_s, tight_peer_scores = _peer_scores(tight)
    figures |= {
        "ratio_200_demands": round(peer_s / own_s, 1),
        "monte_carlo_ratio": round(_monte_carlo_ratio(usual), 1),
        "max_relative_difference": max(difference, _difference(tight_scores, tight_peer_scores)),
        "tight_ratio_200_demands": round(tight_peer_s / tight_own_s, 1),
        "tight_intensities_cold_ms": round(tight_own_s * 1000, 1),
        "tight_max_relative_bound": _worst_bound(tight),
        "peer_has_pardiso": lca_peer.HAS_PARDISO,
    }
    return figures


def _own(data: Database) -> dict[str, float]:
    database = data.own.likely
    intensities(database, data.factors)
    wall_s, cpu_s = [], []
    for _ in range(RUNS_COUNT):
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        found = intensities(database, data.factors)
        wall_s.append(time.perf_counter() - began_s)
        cpu_s.append(time.process_time() - began_cpu_s)
    _say(f"own, all intensities: {found.method} proved {found.is_proved}")
    draw_s, bound = _own_draws(data)
    return {
        "intensities_cold_ms": round(statistics.median(cpu_s) * 1000, 1),
        "intensities_cold_wall_ms": round(statistics.median(wall_s) * 1000, 1),
        "max_relative_bound": _worst_bound(data),
        "what_if_ms": round(_what_if_s(data) * 1000, 1),
        "monte_carlo_draw_ms": round(draw_s * 1000, 1),
        "monte_carlo_relative_bound": bound,
    }


def _own_draws(data: Database) -> tuple[float, float]:
    """The middle time of one draw, solved and scored, and the largest proved relative bound of a score."""
    told_s: list[float] = []

    def watch(stage: str, _done_ratio: float, /) -> bool:
        if stage == "drawing":
            told_s.append(time.process_time())
        return True

    found = simulate(
        data.own, data.factors, data.demands[:1], iterations_count=DRAWS_COUNT, seed=SEED, watch=watch
    )
    # The first draw also warms up what later ones use.
    draw_s = statistics.median(np.diff(told_s)[1:].tolist())
    _say(
        f"own, Monte Carlo: {draw_s * 1000:.1f} ms, unsolved {len(found.unsolved)}, proved {found.is_proved}"
    )
    return draw_s, float(np.max(found.error_bounds / np.abs(found.scores)))


def _what_if_s(data: Database) -> float:
    """The middle time of a change to a mix that was changed before."""
    database = data.own.likely
    scenarios = Scenarios(database, data.factors)
    old = recipe(database, lca_database.UPSTREAM_COUNT + 5_000)
    supplier = next(at for at in old.products if at != old.activity)
    instead = lca_database.UPSTREAM_COUNT + 7_000
    took_s = []
    for step in range(10):
        began_s = time.process_time()
        scenarios.changed([swapped(old, supplier, instead, step / 10)])
        took_s.append(time.process_time() - began_s)
    return statistics.median(took_s)


def _worst_bound(data: Database) -> float:
    return float(intensities(data.own.likely, data.factors).relative_error_bound().max())


def _scored(data: Database) -> tuple[float, np.ndarray]:
    """The best time for all demands from matrices on, and the scores."""
    took_s = []
    for _ in range(5):
        began_s = time.process_time()
        values, _bounds = intensities(data.own.likely, data.factors).scores(data.demands)
        took_s.append(time.process_time() - began_s)
    return min(took_s), values


def _peer_scores(data: Database) -> tuple[float, np.ndarray]:
    """The time of the peer's fastest way to all demands, and the scores of that way."""
    found: list[tuple[float, np.ndarray]] = []
    demands = {str(at): _by_id(demand) for at, demand in enumerate(data.demands)}
    if lca_peer.HAS_PARDISO:
        for direction in ("adjoint", "forward"):
            multi = lca_peer.bw2calc.FastScoresOnlyMultiLCA(
                demands, {"impact_categories": [lca_peer.INDICATOR]}, [data.package], direction=direction
            )
            multi.load_lci_data()
            multi.build_demand_array()
            multi.load_lcia_data()
            multi.build_precalculated()
            took_s, scores = _timed(_all_scores, multi)
            _say(f"peer, {DEMANDS_COUNT} demands, {direction}: {took_s:.2f} s")
            found.append((took_s, scores))
            if direction == "adjoint" and took_s > 10.0:
                # On a machine as busy as this the other direction, which solves 200 times, would only take longer.
                break
    warnings.filterwarnings("ignore", message="No reference exchange flags")
    gmres = lca_peer.bw2calc.JacobiGMRESLCA(_by_id(data.demands[0]), data_objs=[data.package])
    gmres.load_lci_data()
    gmres.load_lcia_data()
    took_s, scores = _timed(_scores_one_by_one, gmres, data.demands[:GMRES_DEMANDS_COUNT])
    took_s *= DEMANDS_COUNT / GMRES_DEMANDS_COUNT
    _say(f"peer, {DEMANDS_COUNT} demands, GMRES: {took_s:.2f} s (from {GMRES_DEMANDS_COUNT})")
    found.append((took_s, scores))
    # The direct scores are the ones to compare with, whichever way was faster.
    return min(took_s for took_s, _ in found), found[0][1]


def _monte_carlo_ratio(data: Database) -> float:
    """One draw by the peer's fastest solver, sampling and building of matrices included, over one of ours.

    Both sides take turns, as what else the machine does to its caches changes within minutes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peers = {
            "BiCGSTAB": _drawing(data, lca_peer.bw2calc.IterativeLCA),
            "GMRES": _drawing(data, lca_peer.bw2calc.JacobiGMRESLCA),
        }
        took_s: dict[str, list[float]] = {name: [] for name in ("own", *peers)}
        for _ in range(ROUNDS_COUNT):
            took_s["own"].append(_own_draws(data)[0])
            for name, lca in peers.items():
                took_s[name] += [_timed(_next, lca)[0] for _ in range(PEER_DRAWS_COUNT)]
    middle_s = {name: statistics.median(times) for name, times in took_s.items()}
    for name, lca in peers.items():
        _say(f"peer, Monte Carlo, {name}: {middle_s[name] * 1000:.0f} ms, {dict(lca.solver_stats)}")
    return min(middle_s[name] for name in peers) / middle_s["own"]


def _drawing(data: Database, solver: Any) -> Any:
    lca = solver(
        _by_id(data.demands[0]),
        data_objs=[data.package],
        use_distributions=True,
        seed_override=SEED,
        direct_first_solve=False,
    )
    lca.lci()
    lca.lcia()
    return lca


def _next(lca: Any) -> np.ndarray:
    next(lca)
    return np.array([lca.score])


def _all_scores(multi: Any) -> np.ndarray:
    scores: np.ndarray = np.asarray(multi.calculate(), dtype=np.float64)[0]
    return scores


def _scores_one_by_one(lca: Any, demands: Demands) -> np.ndarray:
    scores = []
    for demand in demands:
        lca.lci(_by_id(demand))
        lca.lcia()
        scores.append(float(lca.score))
    return np.array(scores)


def _by_id(demand: Mapping[int, float]) -> dict[int, float]:
    return {at + 1: amount for at, amount in demand.items()}


def _timed(work: Callable[..., np.ndarray], *given: Any) -> tuple[float, np.ndarray]:
    began_s = time.process_time()
    result: np.ndarray = work(*given)
    return time.process_time() - began_s, result


def _difference(own: np.ndarray, peer: np.ndarray) -> float:
    """The largest relative difference of the scores that both have."""
    return float(np.max(np.abs(own[: peer.size] / peer - 1.0)))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
