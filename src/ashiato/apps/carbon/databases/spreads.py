"""The uncertainty of exchanges, as their sources declare it, as distributions to draw from."""

import math
from collections.abc import Sequence

import msgspec

from ashiato.apps.carbon.background.distributions import Distributions, Kind, distributions
from ashiato.apps.carbon.factors.linking import Entry


class _Line(msgspec.Struct, frozen=True):
    """One row of `distributions`: the sign apart, what a kind does not use left at 0."""

    kind: Kind
    location: float
    sign: float = 1.0
    scale: float = 0.0
    low: float = 0.0
    high: float = 0.0


def spread_of(entries: Sequence[Entry]) -> tuple[Distributions, int]:
    """A distribution for each entry, and how many declared ones are none (no width, ends out of order) and count as certain."""
    lines = [_line(entry) for entry in entries]
    flat_count = sum(
        1
        for entry, line in zip(entries, lines, strict=True)
        if entry.uncertainty is not None and line.kind is Kind.CERTAIN
    )
    found = distributions(
        [int(line.kind) for line in lines],
        [line.sign for line in lines],
        [line.location for line in lines],
        [line.scale for line in lines],
        [line.low for line in lines],
        [line.high for line in lines],
    )
    return found, flat_count


def _line(entry: Entry) -> _Line:
    certain = _Line(Kind.CERTAIN, float(entry.amount))
    declared = entry.uncertainty
    if declared is None:
        return certain
    # The values are those of the exchange; an input stands with the other sign in the matrix.
    sign = -1.0 if entry.negated else 1.0
    spread = float(declared.spread or 0)
    centre = float(entry.amount) * sign if declared.centre is None else float(declared.centre)
    if declared.distribution == "lognormal" and spread > 0.0 and centre != 0.0:
        return _Line(Kind.LOGNORMAL, math.log(abs(centre)), math.copysign(sign, sign * centre), scale=spread)
    if declared.distribution == "normal" and spread > 0.0:
        return _Line(Kind.NORMAL, centre, sign, scale=spread)
    if declared.minimum is None or declared.maximum is None or declared.minimum >= declared.maximum:
        return certain
    low, high = float(declared.minimum), float(declared.maximum)
    if declared.distribution == "uniform":
        return _Line(Kind.UNIFORM, 0.0, sign, low=low, high=high)
    if declared.distribution == "triangular" and low <= centre <= high:
        return _Line(Kind.TRIANGULAR, centre, sign, low=low, high=high)
    return certain
