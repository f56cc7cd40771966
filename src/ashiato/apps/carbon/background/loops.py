"""Chains solved component by component, and loops that have no end."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from ashiato.apps.carbon.background.bounds import lost
from ashiato.apps.carbon.background.chains import Nodes
from ashiato.apps.carbon.background.elimination import Factors, factorise
from ashiato.apps.carbon.background.matrices import Floats
from ashiato.apps.carbon.background.watch import Watch, tell

_TURNS_COUNT = 3_000


@dataclass(frozen=True, eq=False)
class _Stage:
    """Components that buy from earlier stages and from themselves only."""

    nodes: Nodes
    shares: sparse.csr_array
    loops: tuple[tuple[Nodes, Factors], ...]


@dataclass(frozen=True, eq=False)
class Eliminated:
    """A chain whose cyclic components have been eliminated: burdens follow by substitution, stage by stage."""

    count: int
    stages: tuple[_Stage, ...]
    singular: tuple[Nodes, ...]

    def solve(self, own: Floats) -> Floats:
        """The burdens whose own emissions these are."""
        burden = np.zeros(self.count)
        for stage in self.stages:
            burden[stage.nodes] = own[stage.nodes] + stage.shares @ burden
            for nodes, factors in stage.loops:
                burden[nodes] = factors.solve(burden[nodes])
        return burden


def eliminated(shares: sparse.csr_array, watch: Watch, *, allowed_bytes: int) -> Eliminated:
    """Eliminate every cyclic component. Raises `TooLargeToEliminate` and `Cancelled`."""
    count = shares.shape[0]
    components_count, found = csgraph.connected_components(shares, directed=True, connection="strong")
    label = found.astype(np.intp)
    sizes = np.bincount(label, minlength=components_count)
    level = _levels(shares, label, components_count)
    stages: list[_Stage] = []
    singular: list[Nodes] = []
    for at in range(int(level.max(initial=-1)) + 1):
        nodes = np.flatnonzero(level[label] == at)
        rows = shares[nodes]
        loops: list[tuple[Nodes, Factors]] = []
        for component in np.unique(label[nodes[sizes[label[nodes]] > 1]]):
            members = np.flatnonzero(label == component)
            factors = factorise(shares[members][:, members], watch, allowed_bytes=allowed_bytes)
            loops.append((members, factors))
            if factors.is_singular:
                singular.append(members)
        stages.append(_Stage(nodes, rows, tuple(loops)))
    return Eliminated(count, tuple(stages), tuple(singular))


def _levels(shares: sparse.csr_array, label: Nodes, components_count: int) -> Nodes:
    """For each component the number of the stage in which everything that it buys is known."""
    buyer = np.repeat(label, np.diff(shares.indptr))
    supplier = label[shares.indices]
    between = buyer != supplier
    edges = sparse.csr_array(
        (np.ones(int(between.sum())), (supplier[between], buyer[between])),
        shape=(components_count, components_count),
    )
    edges.sum_duplicates()
    open_count = np.bincount(edges.indices, minlength=components_count)
    level = np.zeros(components_count, dtype=np.intp)
    ready = np.flatnonzero(open_count == 0)
    stages_count = 0
    while ready.size:
        level[ready] = stages_count
        sold = edges[ready].indices
        np.subtract.at(open_count, sold, 1)
        ready = np.unique(sold[open_count[sold] == 0])
        stages_count += 1
    return level


def endless(loop: sparse.csr_array, watch: Watch) -> float | None:
    """How much of itself one turn of a cyclic component takes, if that is at least 1 up to rounding, else None.

    Collatz-Wielandt: with any p > 0 the smallest (N p)/p is a lower bound of the spectral radius and the largest an upper one.
    Holds for shares that are not negative."""
    slack = lost(loop)
    vector = np.ones(loop.shape[0])
    for turn in range(_TURNS_COUNT):
        if turn % 100 == 99:
            tell(watch, "looking for endless loops", turn / _TURNS_COUNT)
        taken = loop @ vector
        low = float((taken * (1.0 - slack) / vector).min())
        if low >= 1.0 - 4.0 * float(slack.max()):
            return low
        if float((taken * (1.0 + slack) / vector).max()) < 1.0:
            return None
        # Half of the old vector keeps a loop of even length from swinging for ever.
        vector = taken + 0.5 * vector
        vector /= vector.max()
    return None
