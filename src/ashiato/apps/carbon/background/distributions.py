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

# Draws of a piece stay in the processor's cache from one step to the next.
_PIECE_COUNT = 16_384


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
    """Exchanges of one kind, and the numbers of their distributions that do not change from draw to draw."""

    kind: Kind
    sign: Floats
    first: Floats
    second: Floats
    turn: Floats
    deviation: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws amounts, kind by kind: the amount of exchange number i stands at `place[i]` of a draw."""

    groups: tuple[_Group, ...]
    place: Positions

    def draw(self, dice: np.random.Generator, amounts: Floats) -> Floats:
        """One amount, with its sign, for each exchange, written into `amounts`."""
        start = 0
        for group in self.groups:
            end = start + group.first.size
            _draw(group, dice, amounts[start:end])
            start = end
        return amounts

    def times(self, weights: Floats) -> "Sampler":
        """The sampler of the same amounts, each multiplied by its weight, in the order of a draw."""
        groups = []
        start = 0
        for group in self.groups:
            weight = weights[start : start + group.first.size]
            start += weight.size
            groups.append(_weighted(group, weight))
        return Sampler(tuple(groups), self.place)


def _weighted(group: _Group, weight: Floats) -> _Group:
    """What makes the amount is multiplied, and no step is added to a draw."""
    first, second, deviation, sign = group.first, group.second, group.deviation, group.sign
    if group.kind is Kind.TRIANGULAR:
        sign = sign * weight
    else:
        first = first * weight
    if group.kind is Kind.UNIFORM:
        second = second * weight
    elif group.kind is Kind.NORMAL:
        deviation = (deviation * weight).astype(np.float32)
    return _Group(group.kind, sign, first, second, group.turn, deviation)


def sampler(given: Distributions) -> Sampler:
    """A sampler of these distributions; exchanges of one kind keep their order."""
    kind = np.where(given.kind == Kind.UNDEFINED, Kind.CERTAIN, given.kind)
    order = np.argsort(kind, kind="stable")
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    groups: list[_Group] = []
    for code in np.unique(kind):
        members = order[kind[order] == code]
        groups += [
            _group(given, Kind(int(code)), members[start : start + _PIECE_COUNT])
            for start in range(0, members.size, _PIECE_COUNT)
        ]
    return Sampler(tuple(groups), place)


def _group(given: Distributions, kind: Kind, members: Positions) -> _Group:
    sign, location, scale = given.sign[members], given.location[members], given.scale[members]
    low, high = given.low[members], given.high[members]
    first, second, turn = sign * location, low, low
    if kind is Kind.LOGNORMAL:
        first = sign * np.exp(location)
    elif kind is Kind.UNIFORM:
        first, second = sign * low, sign * (high - low)
    elif kind is Kind.TRIANGULAR:
        first, second, turn = low, high, (location - low) / (high - low)
    deviation = np.where(kind == Kind.NORMAL, sign * scale, scale).astype(np.float32)
    return _Group(kind, sign, first, second, turn, deviation)


def _normals(dice: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Standard normal draws by Box and Muller (1958), with 24 bits: no distribution is known better than that.

    The whole array goes through each step, which takes half the time of a generator that draws number by number. Nothing is
    further out than 5.8, where one draw in 150 million would be."""
    pairs_count = (count + 1) // 2
    # The bits themselves: asking the generator for integers of a range takes twice as long for the same ones.
    whole = dice.bit_generator.random_raw(pairs_count).view(np.uint32) >> np.uint32(8)
    part = whole.astype(np.float32)
    length, angle = part[:pairs_count], part[pairs_count:]
    # From 1 to 2²⁴, so that the logarithm is never asked for 0.
    length += np.float32(1.0)
    length *= np.float32(2.0**-24)
    np.log(length, out=length)
    length *= np.float32(-2.0)
    np.sqrt(length, out=length)
    angle *= np.float32(2.0**-23 * np.pi)
    normals = np.empty(2 * pairs_count, dtype=np.float32)
    np.multiply(length, np.cos(angle), out=normals[:pairs_count])
    np.multiply(length, np.sin(angle), out=normals[pairs_count:])
    return normals[:count]


def _draw(group: _Group, dice: np.random.Generator, amounts: Floats) -> None:
    if group.kind is Kind.CERTAIN:
        amounts[:] = group.first
    elif group.kind in (Kind.LOGNORMAL, Kind.NORMAL):
        normal = _normals(dice, amounts.size)
        normal *= group.deviation
        if group.kind is Kind.LOGNORMAL:
            np.multiply(group.first, np.exp(normal, out=normal), out=amounts)
        else:
            np.add(group.first, normal, out=amounts)
    elif group.kind is Kind.UNIFORM:
        dice.random(out=amounts)
        amounts *= group.second
        amounts += group.first
    else:
        # The inverse of the distribution function, from the end that is nearer.
        low, high, turn = group.first, group.second, group.turn
        part = dice.random(amounts.size)
        rising = low + (high - low) * np.sqrt(part * turn)
        falling = high - (high - low) * np.sqrt((1.0 - part) * (1.0 - turn))
        np.multiply(group.sign, np.where(part < turn, rising, falling), out=amounts)
