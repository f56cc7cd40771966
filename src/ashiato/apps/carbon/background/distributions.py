"""Amounts that are not known for certain, and draws of them.

Kinds and parameters are those that databases exchange (codes of stats_arrays): lognormal (location and scale of the logarithm),
normal, uniform, triangular. The sign is kept apart: a lognormal draw is positive, and an input stands negative in the matrix.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ashiato.apps.carbon.background.errors import BackgroundRefused
from ashiato.apps.carbon.background.matrices import Floats, Positions


class Kind(IntEnum):
    """How an amount is distributed, by the code that stats_arrays gives it."""

    UNDEFINED = 0
    CERTAIN = 1
    LOGNORMAL = 2
    NORMAL = 3
    UNIFORM = 4
    TRIANGULAR = 5


@dataclass(frozen=True, eq=False)
class Distributions:
    """One distribution for each exchange; the amount in the matrix is `sign` times the draw.

    `location`: the amount where it is certain, the mean, the mean of the logarithm, or the mode; `scale`: the standard deviation
    (of the logarithm); `low` and `high`: the ends of a uniform or triangular distribution. What a kind does not use is not
    looked at. Made by `distributions` only."""

    kind: NDArray[np.uint8]
    sign: Floats
    location: Floats
    scale: Floats
    low: Floats
    high: Floats

    @property
    def count(self) -> int:
        return self.kind.size


def distributions(
    kind: ArrayLike, sign: ArrayLike, location: ArrayLike, scale: ArrayLike, low: ArrayLike, high: ArrayLike
) -> Distributions:
    """Checked distributions. Raises `BackgroundRefused` with the number of the first exchange whose parameters are none: an
    unknown kind, a scale that is not positive, ends that are not in order, a number that is not finite."""
    kinds = np.asarray(kind)
    arrays = [np.asarray(values, dtype=np.float64) for values in (sign, location, scale, low, high)]
    if any(values.shape != kinds.shape or values.ndim != 1 for values in arrays):
        raise BackgroundRefused("parameters differ in number", where="distributions")
    signs, locations, scales, lows, highs = arrays
    spread = (kinds == Kind.LOGNORMAL) | (kinds == Kind.NORMAL)
    limited = (kinds == Kind.UNIFORM) | (kinds == Kind.TRIANGULAR)
    peaked = kinds == Kind.TRIANGULAR
    fine = np.isin(kinds, list(Kind)) & (np.abs(signs) == 1.0)
    fine &= np.isfinite(locations) | (kinds == Kind.UNIFORM)
    fine &= ~spread | (np.isfinite(scales) & (scales > 0.0))
    fine &= ~limited | (np.isfinite(lows) & np.isfinite(highs) & (lows < highs))
    fine &= ~peaked | ((lows <= locations) & (locations <= highs))
    broken = np.flatnonzero(~fine)
    if broken.size:
        at = int(broken[0])
        raise BackgroundRefused(
            f"kind {kinds[at]} with sign {signs[at]}, location {locations[at]}, scale {scales[at]}, "
            f"low {lows[at]} and high {highs[at]} is no distribution",
            where=f"exchange {at}",
        )
    return Distributions(kinds.astype(np.uint8), signs, locations, scales, lows, highs)


@dataclass(frozen=True, eq=False)
class _Group:
    """Exchanges of one kind, and where in the matrix each belongs."""

    kind: Kind
    slot: Positions
    sign: Floats
    first: Floats
    second: Floats
    third: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws the entries of a sparse matrix. Two exchanges at one coordinate are drawn apart and add up."""

    entries_count: int
    groups: tuple[_Group, ...]
    is_injective: bool

    def draw(self, dice: np.random.Generator) -> Floats:
        """One value for each entry."""
        data = np.zeros(self.entries_count)
        for group in self.groups:
            values = _drawn(group, dice)
            values *= group.sign
            if self.is_injective:
                data[group.slot] = values
            else:
                data += np.bincount(group.slot, values, self.entries_count)
        return data


def sampler(given: Distributions, slot: Positions, entries_count: int) -> Sampler:
    """A sampler for exchanges whose entries in the matrix are the `slot`s, each of which has at least one exchange."""
    is_injective = slot.size == entries_count
    groups = []
    for kind in (Kind.CERTAIN, Kind.LOGNORMAL, Kind.NORMAL, Kind.UNIFORM, Kind.TRIANGULAR):
        wanted = given.kind == kind
        if kind is Kind.CERTAIN:
            wanted |= given.kind == Kind.UNDEFINED
        members = np.flatnonzero(wanted)
        if members.size == 0:
            continue
        # In the order of the matrix, so that memory is written from front to back.
        members = members[np.argsort(slot[members], kind="stable")]
        first, second, third = _parameters(given, kind, members)
        groups.append(_Group(kind, slot[members], given.sign[members], first, second, third))
    return Sampler(entries_count, tuple(groups), is_injective)


def _parameters(
    given: Distributions, kind: Kind, members: Positions
) -> tuple[Floats, Floats, NDArray[np.floating]]:
    """Numbers that do not change from draw to draw."""
    location, scale = given.location[members], given.scale[members]
    low, high = given.low[members], given.high[members]
    if kind is Kind.UNIFORM:
        return low, high - low, low
    if kind is Kind.TRIANGULAR:
        return low, high, (location - low) / (high - low)
    first = np.exp(location) if kind is Kind.LOGNORMAL else location
    return first, scale, scale.astype(np.float32)


def _normals(dice: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Standard normal draws by Box and Muller (1958), with 24 bits: no distribution is known better than that.

    The whole array goes through each step, which takes half the time of a generator that draws number by number. Nothing is
    further out than 5.8, where one draw in 150 million would be."""
    pairs_count = (count + 1) // 2
    # From 0 to just under 1, turned round so that the logarithm is never asked for 0.
    length = np.subtract(1.0, dice.random(pairs_count, dtype=np.float32), dtype=np.float32)
    np.log(length, out=length)
    length *= np.float32(-2.0)
    np.sqrt(length, out=length)
    angle = dice.random(pairs_count, dtype=np.float32)
    angle *= np.float32(2.0 * np.pi)
    normals = np.empty(2 * pairs_count, dtype=np.float32)
    np.multiply(length, np.cos(angle), out=normals[:pairs_count])
    np.multiply(length, np.sin(angle), out=normals[pairs_count:])
    return normals[:count]


def _drawn(group: _Group, dice: np.random.Generator) -> Floats:
    count = group.first.size
    if group.kind is Kind.CERTAIN:
        return group.first.copy()
    if group.kind in (Kind.LOGNORMAL, Kind.NORMAL):
        normal = _normals(dice, count)
        normal *= group.third
        return (
            group.first * np.exp(normal, out=normal) if group.kind is Kind.LOGNORMAL else group.first + normal
        )
    part = dice.random(count)
    if group.kind is Kind.UNIFORM:
        part *= group.second
        part += group.first
        return part
    # The inverse of the distribution function, from the end that is nearer.
    low, high, turn = group.first, group.second, group.third
    width = high - low
    rising = low + width * np.sqrt(part * turn)
    falling = high - width * np.sqrt((1.0 - part) * (1.0 - turn))
    return np.where(part < turn, rising, falling)
