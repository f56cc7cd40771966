"""Suppliers' declarations and lines of a bill, as short as a test needs them."""

from fractions import Fraction
from typing import Any

import msgspec

from ashiato.apps.carbon.declarations import FootprintDeclaration, Issue, declare
from ashiato.apps.carbon.rollup import Purchased, roll_up
from ashiato.apps.carbon.rulesets import ruleset
from ashiato.facts.footprints import DeclaredFootprint, Origin, PerDeclaredUnit, Stage, StageVector
from ashiato.facts.instants import DAY_MS
from ashiato.facts.quantities import KILOGRAM, Quantity, parse_quantity
from tests.apps.carbon.chains import Part, assessed

ONE_KG = Quantity(Fraction(1), KILOGRAM)
# One kilogram takes 0.5 kgCO2e of its own process, measured, in the stage of the raw materials.
PLAIN = Part(
    Fraction(100),
    Fraction(0),
    (Fraction(1), Fraction(1)),
    ((0, Fraction(1), Fraction(50), True, (1, 2, 3)),),
    (),
)


def fossil(kg: str, **others: Any) -> DeclaredFootprint:
    """A supplier's kilogram with that many kgCO2e of its raw materials."""
    emissions = StageVector.of({(Stage.RAW_MATERIALS, Origin.FOSSIL): Fraction(kg)})
    return DeclaredFootprint(footprint=PerDeclaredUnit(emissions, ONE_KG), **{"gwp_set": "AR6", **others})


def line(declared: DeclaredFootprint, amount: str = "2", unit: str = "kg", **others: Any) -> Purchased:
    return Purchased(key="line", quantity=parse_quantity(amount, unit), declared=declared, **others)


ISSUE = Issue(
    id="urn:example:1",
    issuer="did:web:maker.example",
    product="cell",
    reference_from_ms=0,
    reference_until_ms=DAY_MS,
    valid_from_ms=0,
    valid_until_ms=365 * DAY_MS,
)


def declaration(**others: Any) -> FootprintDeclaration:
    """A declaration of 6.5 kgCO2e for a kilogram; `others` are fields of its issue."""
    rules = ruleset("PACT-3")
    result = roll_up(assessed(PLAIN, rules), [line(fossil("3"))])
    return declare(result, rules, msgspec.structs.replace(ISSUE, **others))
