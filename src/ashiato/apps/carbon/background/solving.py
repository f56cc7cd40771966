"""Burdens of a chain: by iteration with a proof where there is one, else by elimination with an estimate, else a refusal."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import sparse

from ashiato.apps.carbon.background import bounds
from ashiato.apps.carbon.background.chains import Layer, Nodes, Parted, cyclic_components, parted
from ashiato.apps.carbon.background.errors import EndlessLoop, Undetermined
from ashiato.apps.carbon.background.iteration import estimate, settle
from ashiato.apps.carbon.background.loops import Eliminated, eliminated, endless
from ashiato.apps.carbon.background.matrices import Floats
from ashiato.apps.carbon.background.watch import Watch

RESIDUAL = 1e-10
ALLOWED_BYTES = 2 << 30

# The gross burden only has to be of the right size.
_ROUGH_RESIDUAL = 1e-3
_UNNOTICED = 1e-12
_REFINEMENTS_COUNT = 12
_SHRUNK = 1e-3
_NAMED_COUNT = 5


class Method(StrEnum):
    """How the loops were solved."""

    ITERATION = "iteration"
    ELIMINATION = "elimination"


@dataclass(frozen=True, eq=False)
class Own:
    """What one run of each activity emits itself: the sum, the sum of its parts taken as positive, and what rounding can have
    cost the sum."""

    net: Floats
    gross: Floats
    lost: Floats

    def at(self, nodes: Nodes) -> "Own":
        """The same for some of the activities."""
        net = self.net[nodes]
        return Own(net, net if self.gross is self.net else self.gross[nodes], self.lost[nodes])


@dataclass(frozen=True, eq=False)
class Solved:
    """Burdens of one run of each activity and how far each can be from the true one. `is_proved` is false where the distance is
    the estimate of a refinement with extra digits and no theorem stands behind it."""

    burden: Floats
    error_bound: Floats
    is_proved: bool
    method: Method


@dataclass(frozen=True, eq=False)
class Effort:
    """What a caller allows: how small the residual must be, how many bytes an elimination may take, and the watch."""

    watch: Watch
    residual: float = RESIDUAL
    allowed_bytes: int = ALLOWED_BYTES


def solved(
    shares: sparse.csr_array,
    own: Own,
    names: Sequence[str],
    effort: Effort,
    start: Floats | None = None,
) -> Solved:
    """All burdens, iterated from `start` where the caller has a better guess than the first tiers.

    Raises `EndlessLoop`, `Undetermined`, `TooLargeToEliminate` and `Cancelled`."""
    # What overflows or is no number is found in the result, where there is something to say about it.
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        parts = parted(shares)
        guess = None if start is None else start[parts.nodes]
        core = _core(parts.core, own.at(parts.nodes), _Named(names, parts.nodes), effort, guess)
        if not parts.layers:
            return core
        burden, bound = np.zeros(own.net.size), np.zeros(own.net.size)
        burden[parts.nodes], bound[parts.nodes] = core.burden, core.error_bound
        for layer in parts.layers:
            _add(layer, own.at(layer.nodes), burden, bound)
        return Solved(burden, bound, core.is_proved, core.method)


@dataclass(frozen=True, eq=False)
class _Named:
    """The products of the core by name, for an error."""

    names: Sequence[str]
    nodes: Nodes

    def some(self, members: Nodes) -> tuple[str, ...]:
        return tuple(self.names[int(node)] for node in self.nodes[members[:_NAMED_COUNT]])


def solved_near(parts: Parted, own: Own, start: Floats, scale: Floats, effort: Effort) -> Solved | None:
    """All burdens of a chain that resembles one whose burdens (`start`) and their magnitudes (`scale`) are known for its core;
    None where the iteration does not settle or its distance cannot be proved."""
    shares, inner = parts.core, own.at(parts.nodes)
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        settled = settle(shares, inner.net, start, scale, effort.residual, effort.watch)
        if not settled.is_settled:
            return None
        gross = bounds.absolute(shares)
        residual = bounds.residual(shares, gross, inner.net, inner.lost, settled.burden)
        found = bounds.envelope(gross, np.abs(settled.burden), residual)
        if found is None:
            return None
        burden, bound = np.zeros(own.net.size), np.zeros(own.net.size)
        burden[parts.nodes], bound[parts.nodes] = settled.burden, found.bound(residual)
        for layer in parts.layers:
            _add(layer, own.at(layer.nodes), burden, bound)
        return Solved(burden, bound, True, Method.ITERATION)


def _add(layer: Layer, own: Own, burden: Floats, bound: Floats) -> None:
    """Burdens of activities that buy only what is known, with what they inherit of its error."""
    gross, lost = bounds.absolute(layer.shares), bounds.lost(layer.shares)
    net = own.net + layer.shares @ burden
    terms = np.abs(own.net) + np.abs(net) + gross @ np.abs(burden)
    bound[layer.nodes] = (gross @ bound) * (1.0 + lost) + lost * terms + own.lost
    burden[layer.nodes] = net


def _core(shares: sparse.csr_array, own: Own, named: _Named, effort: Effort, guess: Floats | None) -> Solved:
    gross = bounds.absolute(shares)
    found = _iterated(shares, gross, own, effort, guess)
    if found is not None:
        return found
    components = cyclic_components(shares)
    for component in components:
        loop = shares[component][:, component]
        if loop.data.min() >= 0.0:
            gain = endless(loop, effort.watch)
            if gain is not None:
                raise EndlessLoop(named.some(component), gain)
    direct = eliminated(shares, effort.watch, allowed_bytes=effort.allowed_bytes)
    if direct.singular:
        raise Undetermined(named.some(direct.singular[0]))
    refined = _refined(direct, shares, own)
    if refined is None:
        raise Undetermined(named.some(components[0] if components else np.arange(shares.shape[0])))
    burden, distance = refined
    positive = np.abs(burden) if gross is shares else np.abs(direct.solve(own.gross))
    proof = _proved(shares, gross, own, burden, positive, effort.watch)
    return Solved(burden, distance if proof is None else proof, proof is not None, Method.ELIMINATION)


def _iterated(
    shares: sparse.csr_array, gross: sparse.csr_array, own: Own, effort: Effort, guess: Floats | None
) -> Solved | None:
    """The burdens by iteration, if they settle and their distance can be proved."""
    size = estimate(gross, own.gross)
    if not np.isfinite(size).all():
        return None
    scale = np.where(size > 0.0, size, 1.0)
    signed = gross is not shares or own.gross is not own.net
    start = guess
    if start is None:
        start = estimate(shares, own.net) if signed else size
    settled = settle(shares, own.net, start, scale, effort.residual, effort.watch)
    if not settled.is_settled:
        return None
    positive = settled.burden
    if signed:
        rough = settle(gross, own.gross, size, scale, _ROUGH_RESIDUAL, effort.watch)
        positive = rough.burden
    proof = _proved(shares, gross, own, settled.burden, positive, effort.watch)
    return None if proof is None else Solved(settled.burden, proof, True, Method.ITERATION)


def _proved(
    shares: sparse.csr_array,
    gross: sparse.csr_array,
    own: Own,
    burden: Floats,
    positive: Floats,
    watch: Watch,
) -> Floats | None:
    """How far each burden can be from the true one, if a theorem says so."""
    residual = bounds.residual(shares, gross, own.net, own.lost, burden)
    found = bounds.envelope(gross, _filled(gross, positive, watch), residual)
    if found is None:
        return None
    # Where nothing is emitted along the whole chain, nothing is the exact answer of equations that have only one.
    return np.where(positive == 0.0, 0.0, found.bound(residual))


def _filled(gross: sparse.csr_array, positive: Floats, watch: Watch) -> Floats:
    """The same vector with something positive where nothing is emitted along the whole chain.

    Such activities buy from their like only. They need a proof too, because a loop without emissions can still be endless."""
    silent = np.flatnonzero(positive == 0.0)
    if silent.size == 0:
        return positive
    among = gross[silent][:, silent]
    ones = np.ones(silent.size)
    size = estimate(among, ones)
    reach = settle(among, ones, size, size, _ROUGH_RESIDUAL, watch).burden
    filled = positive.copy()
    loudest = float(np.abs(reach).max())
    quietest = float(positive[positive > 0.0].min(initial=1.0))
    # Small enough not to be noticed by those who buy from them.
    filled[silent] = reach / loudest * quietest * _UNNOTICED
    return filled


def _refined(direct: Eliminated, shares: sparse.csr_array, own: Own) -> tuple[Floats, Floats] | None:
    """Burdens by elimination, corrected with residuals of extra digits until the corrections vanish, and how far they are then
    likely to be from the true ones (Demmel et al. 2006); None when the corrections do not shrink."""
    exact_shares = sparse.csr_array(
        (shares.data.astype(np.longdouble), shares.indices, shares.indptr), shape=shares.shape
    )
    exact_own = own.net.astype(np.longdouble)
    burden = direct.solve(own.net).astype(np.longdouble)
    before = np.inf
    for _ in range(_REFINEMENTS_COUNT):
        correction = direct.solve((exact_own - burden + exact_shares @ burden).astype(np.float64))
        largest = float(np.abs(burden).max(initial=0.0))
        step = float(np.abs(correction).max(initial=0.0))
        if not (np.isfinite(step) and np.isfinite(largest)):
            return None
        if step <= 2.0**-53 * largest or step > before / 2.0:
            break
        before = step
        burden = burden + correction
    if step > _SHRUNK * largest:
        return None
    found = burden.astype(np.float64)
    # The last correction was not made; it is as large for each activity as what is still wrong there, or as the worst.
    guess = 2.0 * np.abs(correction) + min(step, before) + 2.0**-52 * np.abs(found)
    return found, guess + np.abs(direct.solve(own.lost))
