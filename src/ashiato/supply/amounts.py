"""Amounts of parts: exact, above nothing, and of a size that something made can have."""

from fractions import Fraction

from ashiato.connector.problems import Invalid
from ashiato.facts.quantities import (
    MalformedNumber,
    Quantity,
    Unit,
    UnknownUnit,
    find_unit,
    parse_decimal,
    parse_quantity,
)

MOST_AMOUNT = 10**12
LEAST_AMOUNT = Fraction(1, 10**15)
"""In the base unit of the dimension: a billion tonnes and a picogram are the ends of what a part can be an amount of."""


def unit_of(name: str, path: str) -> Unit:
    """The unit of that name; raises `Invalid` that names the member `path`."""
    try:
        return find_unit(name)
    except UnknownUnit as error:
        raise Invalid(f"{error}.", path=path, unit=name[:60]) from None


def amount_of(text: str, unit_name: str, path: str, unit_path: str) -> Quantity:
    """The amount, above nothing and not absurd; raises `Invalid` that names the member."""
    unit_of(unit_name, unit_path)
    try:
        amount = parse_quantity(text, unit_name)
    except MalformedNumber as error:
        raise Invalid(f"{error}.", path=path, value=text[:60]) from None
    if not LEAST_AMOUNT <= amount.in_base <= MOST_AMOUNT:
        raise Invalid(
            f"{text[:60]} {unit_name} is no amount of a part: it must be above nothing, at least 10^-15 and at most 10^12.",
            path=path,
            value=text[:60],
        )
    return amount


def loss_of(text: str, path: str) -> Fraction:
    """The share that is lost, 0 to below 1; raises `Invalid` that names the member."""
    try:
        loss = parse_decimal(text)
    except MalformedNumber as error:
        raise Invalid(f"{error}.", path=path, value=text[:60]) from None
    if not 0 <= loss < 1:
        raise Invalid(
            f"A loss is a share from 0 to below 1, such as 0.05 for 5 %; it cannot be {text[:60]}.",
            path=path,
            value=text[:60],
        )
    return loss


def check_same_dimension(given: Unit, wanted: Unit, path: str, what: str) -> None:
    """Refuse an amount of something in a unit that does not measure it; raises `Invalid`."""
    if given.dimension is not wanted.dimension:
        raise Invalid(
            f"{what} is counted in {wanted.symbol}, which measures {wanted.dimension}; {given.symbol} measures "
            f"{given.dimension}. Give a unit of {wanted.dimension}.",
            path=path,
            unit=given.symbol,
            expected_unit=wanted.symbol,
        )
