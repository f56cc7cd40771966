"""Scopes 1, 2 and 3 of a plant in a year (GHG Protocol: Corporate Standard 2004, Scope 2 Guidance 2015, Scope 3 Standard 2011).

A plant gives off what all its processes give off, whichever product bears it: nothing is allocated here, and what a ruleset
leaves out of a product's footprint counts. Electricity is told by location and by market, and the two are never added. Biogenic
carbon dioxide stands outside of the scopes.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Literal

import msgspec

from ashiato.apps.carbon.allocation import allocate
from ashiato.apps.carbon.gases import SAME_FACTORS
from ashiato.apps.carbon.inventory import Kind, Line, kind_of, line_emissions, scope_of
from ashiato.apps.carbon.inventory_documents import OwnInventory
from ashiato.apps.carbon.rollup import RollUp
from ashiato.facts.footprints import ZERO, Origin, Stage
from ashiato.facts.instants import parse_datetime
from ashiato.facts.quantities import exact_text, parse_exact

PURCHASED_GOODS = "1"
UNNAMED = "unnamed"
_OF_FLOWS: Mapping[str, str] = {"capital_goods": "2", "business_travel": "6", "employee_commuting": "7"}
_OF_KINDS: Mapping[Kind, str] = {
    Kind.MATERIAL: PURCHASED_GOODS,
    Kind.FUEL_SUPPLY: "3",
    Kind.TRANSPORT: "4",
    Kind.WASTE: "5",
}
_END_OF_LIFE = "12"
CATEGORIES: Mapping[str, str] = {
    "1": "purchased goods and services",
    "2": "capital goods",
    "3": "fuel- and energy-related activities",
    "4": "upstream transportation and distribution",
    "5": "waste generated in operations",
    "6": "business travel",
    "7": "employee commuting",
    "12": "end-of-life treatment of sold products",
}
"""The categories of Scope 3 that an inventory can tell, by their number in the standard."""


class ScopeSheet(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one inventory says of its plant in its period, in kgCO2e as exact text."""

    plant: str
    product: str
    from_ms: int
    until_ms: int
    gwp_set: str
    scope1_kg: str
    scope2_by_location_kg: str
    scope2_by_market_kg: str
    scope3_kg: dict[str, str]
    biogenic_uptake_kg: str


class PlantYear(msgspec.Struct, frozen=True, kw_only=True):
    """A plant in a calendar year (UTC), in kgCO2e.

    `pro_rata` are products whose period is not within the year: of these the share of the time counts.
    """

    plant: str
    year: int
    gwp_sets: tuple[str, ...]
    products: tuple[str, ...]
    pro_rata: tuple[str, ...]
    scope1_kg: Fraction
    scope2_by_location_kg: Fraction
    scope2_by_market_kg: Fraction
    scope3_kg: Mapping[str, Fraction]
    biogenic_uptake_kg: Fraction


def scope_sheet(own: OwnInventory, result: RollUp) -> ScopeSheet:
    """The sheet of an inventory, with what suppliers declared among the purchased goods; raises what `assess` raises."""
    sums: dict[str, Fraction] = {}
    uptake_kg = ZERO
    by_location_kg, by_market_kg = ZERO, ZERO
    for line, location, market in line_emissions(own.inventory, own.rules, conversions=SAME_FACTORS):
        uptake_kg += market.origin_kg(Origin.UPTAKE)
        kg, place = market.excluding_uptake_kg, _place(line)
        if place == "scope2":
            by_location_kg += location.excluding_uptake_kg
            by_market_kg += kg
            continue
        ends_kg = market.stage_kg(Stage.END_OF_LIFE) if place != "scope1" else ZERO
        _add(sums, place, kg - ends_kg)
        _add(sums, _END_OF_LIFE, ends_kg)
    share = allocate(own.inventory.products, own.rules).shares[0][1]
    times = own.inventory.output / own.declared / share if share else ZERO
    for one in result.contributions:
        if not one.own:
            ends_kg = one.factor * one.emissions.stage_kg(Stage.END_OF_LIFE)
            _add(sums, PURCHASED_GOODS, times * (one.total_kg - ends_kg))
            _add(sums, _END_OF_LIFE, times * ends_kg)
            uptake_kg += times * one.factor * one.emissions.origin_kg(Origin.UPTAKE)
    document = own.document
    return ScopeSheet(
        plant=document.plant,
        product=document.product,
        from_ms=document.reference_from_ms,
        until_ms=document.reference_until_ms,
        gwp_set=result.gwp_set,
        scope1_kg=exact_text(sums.pop("scope1", ZERO)),
        scope2_by_location_kg=exact_text(by_location_kg),
        scope2_by_market_kg=exact_text(by_market_kg),
        scope3_kg={category: exact_text(kg) for category, kg in sorted(sums.items())},
        biogenic_uptake_kg=exact_text(uptake_kg),
    )


def plant_years(sheets: Iterable[ScopeSheet], plant: str = "", year: int | None = None) -> list[PlantYear]:
    """The years of each plant that the sheets reach into, or those that are asked for, in order."""
    wanted = [sheet for sheet in sheets if not plant or sheet.plant == plant]
    pairs = sorted(
        {
            (sheet.plant, number)
            for sheet in wanted
            for number in (_years(sheet) if year is None else (year,))
            if _part_in(sheet, number)
        }
    )
    return [
        _plant_year([sheet for sheet in wanted if sheet.plant == name], name, number)
        for name, number in pairs
    ]


def _plant_year(sheets: list[ScopeSheet], plant: str, year: int) -> PlantYear:
    parts = [(sheet, part) for sheet in sheets if (part := _part_in(sheet, year))]
    categories = sorted({category for sheet, _ in parts for category in sheet.scope3_kg})
    return PlantYear(
        plant=plant,
        year=year,
        gwp_sets=tuple(sorted({sheet.gwp_set for sheet, _ in parts})),
        products=tuple(sorted({sheet.product for sheet, _ in parts})),
        pro_rata=tuple(sorted({sheet.product for sheet, part in parts if part != 1})),
        scope1_kg=_sum(parts, "scope1_kg"),
        scope2_by_location_kg=_sum(parts, "scope2_by_location_kg"),
        scope2_by_market_kg=_sum(parts, "scope2_by_market_kg"),
        scope3_kg={
            category: sum(
                (
                    part * parse_exact(sheet.scope3_kg[category])
                    for sheet, part in parts
                    if category in sheet.scope3_kg
                ),
                ZERO,
            )
            for category in categories
        },
        biogenic_uptake_kg=_sum(parts, "biogenic_uptake_kg"),
    )


def _sum(
    parts: list[tuple[ScopeSheet, Fraction]],
    field: Literal["scope1_kg", "scope2_by_location_kg", "scope2_by_market_kg", "biogenic_uptake_kg"],
) -> Fraction:
    return sum((part * parse_exact(getattr(sheet, field)) for sheet, part in parts), ZERO)


def _place(line: Line) -> str:
    """The scope, or the category of Scope 3."""
    if line.flow in _OF_FLOWS:
        return _OF_FLOWS[line.flow]
    kind = kind_of(line)
    scope = scope_of(kind)
    return f"scope{scope}" if scope != 3 else _OF_KINDS.get(kind, UNNAMED)


def _add(sums: dict[str, Fraction], place: str, kg: Fraction) -> None:
    if kg:
        sums[place] = sums.get(place, ZERO) + kg


def _years(sheet: ScopeSheet) -> range:
    """From the year in which the period begins to that in which its last millisecond lies; at most a century."""
    first = next(year for year in range(1970, 10_000) if sheet.from_ms < _begin_ms(year + 1))
    last = next(year for year in range(first, first + 101) if sheet.until_ms <= _begin_ms(year + 1))
    return range(first, last + 1)


def _part_in(sheet: ScopeSheet, year: int) -> Fraction:
    """Which share of the period lies in the year."""
    overlap_ms = min(sheet.until_ms, _begin_ms(year + 1)) - max(sheet.from_ms, _begin_ms(year))
    return Fraction(max(overlap_ms, 0), sheet.until_ms - sheet.from_ms)


def _begin_ms(year: int) -> int:
    return parse_datetime(f"{year:04}-01-01T00:00:00Z")
