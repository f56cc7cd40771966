"""The technosphere as shares: how much of a run of each supplier one run of an activity takes, and in which order to add up.

With D the diagonal of the technosphere A, N = I - A D⁻¹ read by rows is

    burden of one run of j  =  own emissions of j  +  Σ_i  share(j, i) × burden of one run of i

The division is by the supplier's own amount, so a waste treatment (whose product is negative, because it takes waste in) turns
into a service that is bought like any other, and its exchanges lose their minus sign.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from ashiato.apps.carbon.background.matrices import Background, Floats

Nodes = NDArray[np.intp]

# Below this share of all activities another round of taking off the outermost ones costs more than it saves.
_LAYER_SHARE = 0.02
_LAYERS_COUNT = 8


@dataclass(frozen=True, eq=False)
class Chain:
    """`shares[j, i]`: runs of activity i that one run of activity j takes (negative where it saves them); zero on the diagonal.
    `own`: what one run of each activity makes of its own product."""

    shares: sparse.csr_array
    own: Floats

    @property
    def count(self) -> int:
        return self.own.size


@dataclass(frozen=True, eq=False)
class Layer:
    """Activities whose products nobody in the core or in an earlier layer buys."""

    nodes: Nodes
    shares: sparse.csr_array


@dataclass(frozen=True, eq=False)
class Parted:
    """A chain in parts: `core` buys from itself only; the `layers` are added up after it, one after the other."""

    nodes: Nodes
    core: sparse.csr_array
    layers: tuple[Layer, ...]


def chain(database: Background) -> Chain:
    """The shares of a database, one pass over its exchanges."""
    return chain_of(database.technosphere)


def chain_of(technosphere: sparse.csc_array) -> Chain:
    """The shares of a technosphere whose diagonal has no zero."""
    own = technosphere.diagonal()
    shares = between(technosphere)
    shares.data /= -own[shares.indices]
    return Chain(shares, own)


def between(technosphere: sparse.csc_array) -> sparse.csr_array:
    """What activities take of each other's products, a row for each activity: the technosphere turned and without its diagonal,
    every entry of which must be there."""
    count = technosphere.shape[0]
    column = np.repeat(np.arange(count, dtype=technosphere.indices.dtype), np.diff(technosphere.indptr))
    kept = technosphere.indices != column
    starts = technosphere.indptr - np.arange(count + 1, dtype=technosphere.indptr.dtype)
    return sparse.csr_array(
        (technosphere.data[kept], technosphere.indices[kept], starts), shape=(count, count)
    )


def parted(shares: sparse.csr_array) -> Parted:
    """Take off, round by round, the activities whose products nobody buys: what is left is what has to be solved at once."""
    count = shares.shape[0]
    buyers = np.bincount(shares.indices, minlength=count)
    alive = np.ones(count, dtype=np.bool_)
    layers: list[Layer] = []
    while len(layers) < _LAYERS_COUNT:
        outermost = np.flatnonzero(alive & (buyers == 0))
        if outermost.size <= _LAYER_SHARE * count:
            break
        rows = shares[outermost]
        alive[outermost] = False
        buyers -= np.bincount(rows.indices, minlength=count)
        layers.append(Layer(outermost, rows))
    if not layers:
        return Parted(np.arange(count), shares, ())
    nodes = np.flatnonzero(alive)
    # Rows of one length stand together: a processor then knows where each ends, which saves a quarter of every product.
    nodes = nodes[np.argsort(np.diff(shares.indptr)[nodes], kind="stable")]
    number = np.zeros(count, dtype=shares.indices.dtype)
    number[nodes] = np.arange(nodes.size)
    rows = shares[nodes]
    core = sparse.csr_array((rows.data, number[rows.indices], rows.indptr), shape=(nodes.size, nodes.size))
    return Parted(nodes, core, tuple(reversed(layers)))


def cyclic_components(shares: sparse.csr_array) -> list[Nodes]:
    """The sets of activities that all depend on each other, two or more in each, the largest first."""
    _, label = csgraph.connected_components(shares, directed=True, connection="strong")
    sizes = np.bincount(label)
    order = np.argsort(label, kind="stable")
    ends = np.cumsum(sizes)
    found = [order[ends[at] - sizes[at] : ends[at]] for at in np.flatnonzero(sizes > 1)]
    return sorted(found, key=len, reverse=True)
