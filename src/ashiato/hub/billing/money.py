"""Whole yen out of exact fractions: the one rounding, and splits whose parts make up the whole."""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from math import floor


class Rounding(StrEnum):
    """How a fraction of a yen is settled; each is lawful, as long as it is the same for the whole document.

    The direction is taken by the amount, not by the sign: a credit is rounded as the charge that it takes back.
    """

    DOWN = "down"
    """切捨て: towards zero."""
    HALF_UP = "half_up"
    """四捨五入: to the nearest yen, a half away from zero."""
    UP = "up"
    """切上げ: away from zero."""


def rounded(amount_yen: Fraction | int, rounding: Rounding) -> int:
    """The amount in whole yen."""
    exact = Fraction(amount_yen)
    sign, size = (-1, -exact) if exact < 0 else (1, exact)
    whole = floor(size)
    rest = size - whole
    goes_up = rest > 0 if rounding is Rounding.UP else rest >= Fraction(1, 2) and rounding is Rounding.HALF_UP
    return sign * (whole + goes_up)


def split(total_yen: int, weights: Sequence[Fraction | int]) -> tuple[int, ...]:
    """The total in as many whole parts as there are weights, which together are the total again (largest remainder).

    Yen left over go one each to the largest remainders, among equals to the earlier. No weight may be negative; without any
    positive weight, or without parts, nothing but a total of 0 can be split. Raises `ValueError`: the caller must not ask.
    """
    whole = sum(weights, Fraction(0))
    if any(weight < 0 for weight in weights):
        raise ValueError("a weight is negative")
    if whole == 0:
        if total_yen:
            raise ValueError(f"{total_yen} yen have nobody to go to")
        return (0,) * len(weights)
    sign, size = (-1, -total_yen) if total_yen < 0 else (1, total_yen)
    exact = [size * Fraction(weight) / whole for weight in weights]
    parts = [floor(part) for part in exact]
    left = size - sum(parts)
    by_remainder = sorted(range(len(parts)), key=lambda place: (parts[place] - exact[place], place))
    for place in by_remainder[:left]:
        parts[place] += 1
    return tuple(sign * part for part in parts)
