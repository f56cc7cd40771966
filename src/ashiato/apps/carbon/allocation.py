"""How the emissions of a process are shared among its products (Battery Pass carbon footprint rules, p. 38).

A process that can be subdivided is subdivided before it comes here. Then: where the dearest product costs more than four times
the cheapest per kilogram, by value; else by mass. A co-product of at most 3 % of the mass does not count in that ratio.
"""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction

import msgspec

from ashiato.apps.carbon.rulesets import Assumption, Ruleset
from ashiato.facts.quantities import KILOGRAM, Quantity
from ashiato.law.provisions import Standing

_NO_PRICES = Assumption(
    key="allocation.prices",
    value="none given, so mass decides",
    unit="",
    source="inventory",
    year=0,
    standing=Standing.ASSUMPTION,
)


class AllocationKey(StrEnum):
    """By what emissions are shared."""

    NONE = "none"
    """There is one product only."""
    MASS = "mass"
    ECONOMIC = "economic"


class UnallocableProducts(ValueError):
    """The outputs cannot be allocated; whoever keeps the inventory must mend `product`."""

    def __init__(self, product: str, problem: str) -> None:
        super().__init__(f"{product}: {problem}")
        self.product = product
        self.problem = problem


class Output(msgspec.Struct, frozen=True):
    """One product of a process: its mass in the period and its mean price per kilogram in any one currency."""

    product: str
    mass: Quantity
    price_per_kg: Fraction | None = None


class Allocation(msgspec.Struct, frozen=True):
    """The share of each product, which add up to 1, and by what rule; without prices `price_ratio` is None."""

    key: AllocationKey
    shares: tuple[tuple[str, Fraction], ...]
    price_ratio: Fraction | None
    assumptions: tuple[Assumption, ...]

    def share_of(self, product: str) -> Fraction:
        """The share of one product; KeyError for one that is not made."""
        return dict(self.shares)[product]


def allocate(outputs: Sequence[Output], rules: Ruleset) -> Allocation:
    """The shares of all products of one process, of which the first is the main one; raises `UnallocableProducts`.

    Without any prices mass decides, and the result says so; some prices without the others are refused.
    """
    masses_kg = _masses_kg(outputs)
    if len(outputs) == 1:
        return Allocation(AllocationKey.NONE, ((outputs[0].product, Fraction(1)),), None, ())
    limit, limit_note = rules.number("allocation.price_ratio")
    negligible_share, negligible_note = rules.number("allocation.negligible")
    notes = [limit_note, negligible_note]
    whole_kg = sum(masses_kg)
    compared = [
        output
        for output, kg in zip(outputs, masses_kg, strict=True)
        if output is outputs[0] or kg > negligible_share * whole_kg
    ]
    prices = _prices(compared)
    if not prices:
        notes.append(_NO_PRICES)
    dearest, cheapest = max(prices, default=Fraction(0)), min(prices, default=Fraction(0))
    economic = dearest > limit * cheapest
    weights = (
        [kg * (output.price_per_kg or 0) for output, kg in zip(outputs, masses_kg, strict=True)]
        if economic
        else masses_kg
    )
    whole = sum(weights)
    return Allocation(
        AllocationKey.ECONOMIC if economic else AllocationKey.MASS,
        tuple((output.product, weight / whole) for output, weight in zip(outputs, weights, strict=True)),
        dearest / cheapest if cheapest else None,
        tuple(notes),
    )


def _masses_kg(outputs: Sequence[Output]) -> list[Fraction]:
    if not outputs:
        raise UnallocableProducts("", "a process makes at least one product")
    names = [output.product for output in outputs]
    for output in outputs:
        if names.count(output.product) > 1:
            raise UnallocableProducts(output.product, "it is listed twice")
        if output.mass.value <= 0:
            raise UnallocableProducts(output.product, "its mass must be positive")
        if output.price_per_kg is not None and output.price_per_kg < 0:
            raise UnallocableProducts(output.product, "what one pays to be rid of is waste, no co-product")
    return [output.mass.value_in(KILOGRAM) for output in outputs]


def _prices(compared: Sequence[Output]) -> list[Fraction]:
    """The prices of the products that are compared; none where no product has one."""
    given = [output.price_per_kg for output in compared if output.price_per_kg is not None]
    missing = [output.product for output in compared if output.price_per_kg is None]
    if given and missing:
        raise UnallocableProducts(missing[0], "give its price too, so that the prices can be compared")
    return given
