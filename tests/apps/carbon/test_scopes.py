"""Scopes of a plant in a year, worked out by hand.

The plant makes 10 pieces in 2025. It burns 100 m3 of gas of 2 kg each (200), takes 1 000 kWh from the grid at 0.5 kg (500 by
location) of which a contract covers 400 kWh at 0 kg, and a residual mix of 0.6 kg the other 600 kWh (360 by market), buys 20 kg
of metal of 5 kg (100), has it brought (50 t.km of 0.1 = 5), pays for 4 kg of waste of 0.25 (1), lets go 2 kg of methane (29.8
each by EF 3.1: 59.6) and buys a machine (70), which the footprint of the product leaves out and the plant does not.
"""

from fractions import Fraction

from ashiato.apps.carbon.inventory import assess
from ashiato.apps.carbon.rollup import roll_up
from ashiato.apps.carbon.scopes import plant_years, scope_sheet
from ashiato.facts.footprints import EndOfLifeBasis
from tests.apps.carbon.suppliers import fossil
from tests.apps.carbon.suppliers import line as bought_line
from tests.footprints_kept import Json, activity, amount, calculated, intensity, line

CONTRACT = {
    "certificate": "c-1",
    "basis": "supplier_specific",
    "energy": amount("400", "kWh"),
    "intensity": intensity("0", "kWh"),
    "region": "JP",
    "fromMs": 1_735_689_600_000,
    "untilMs": 1_767_225_600_000,
    "evidenceSha256": "ab" * 32,
}
LINES: list[Json] = [
    activity("gas", "fuel", "100", "m3", "2"),
    line(
        "power",
        type="electricity",
        energy=amount("1000", "kWh"),
        region="JP",
        grid=intensity("0.5", "kWh"),
        residual=intensity("0.6", "kWh"),
        instruments=[CONTRACT],
    ),
    activity("metal", "material", "20", "kg", "5"),
    activity("lorry", "transport", "50", "t.km", "0.1"),
    activity("scrap", "waste", "4", "kg", "0.25"),
    line("leak", type="direct", gas="CH4", origin="fossil", mass=amount("2", "kg")),
    activity("press", "material", "1", "kg", "70", flow="capital_goods"),
]


def test_a_plants_year_is_told_by_scope_and_category_with_electricity_both_ways() -> None:
    made = calculated("pack", LINES)
    (year,) = plant_years([scope_sheet(made.own, made.result)])
    assert (year.plant, year.year, year.pro_rata) == ("plant-1", 2025, ())
    assert year.scope1_kg == 200 + Fraction("59.6")
    assert year.scope2_by_location_kg == 500
    assert year.scope2_by_market_kg == 360
    assert year.scope3_kg == {"1": 100, "2": 70, "4": 5, "5": 1}


def test_a_co_product_takes_nothing_from_the_plant() -> None:
    shared = {
        "coProducts": [
            {"product": "pack", "mass": amount("30", "kg")},
            {"product": "slag", "mass": amount("10", "kg")},
        ]
    }
    alone, together = calculated("pack", LINES), calculated("pack", LINES, **shared)
    assert scope_sheet(alone.own, alone.result) == scope_sheet(together.own, together.result)
    assert together.result.emissions.excluding_uptake_kg < alone.result.emissions.excluding_uptake_kg


def test_products_of_one_plant_add_up_and_a_period_over_two_years_is_shared_by_time() -> None:
    # From July 2025 to July 2026: 184 of 365 days lie in 2025.
    half = {"referenceFromMs": 1_751_328_000_000, "referenceUntilMs": 1_782_864_000_000}
    first, second = calculated("pack", LINES), calculated("cell", LINES[:1], **half)
    sheets = [scope_sheet(made.own, made.result) for made in (first, second)]
    years = plant_years(sheets)
    assert [(year.year, year.products, year.pro_rata) for year in years] == [
        (2025, ("cell", "pack"), ("cell",)),
        (2026, ("cell",), ("cell",)),
    ]
    assert years[0].scope1_kg == Fraction("259.6") + 200 * Fraction(184, 365)
    assert years[1].scope1_kg == 200 * Fraction(181, 365)
    assert [year.year for year in plant_years(sheets, "plant-1", 2026)] == [2026]
    assert plant_years(sheets, "another plant") == []


def test_what_a_supplier_declared_is_a_purchased_good_for_the_whole_output() -> None:
    # 3 kg of a part for the ten pieces, declared with 7 kg each: 21 kg in the plant's year, 2.1 kg in a piece.
    made = calculated("pack", LINES[:1])
    formula = EndOfLifeBasis.CIRCULAR_FOOTPRINT_FORMULA
    bought = bought_line(fossil("7", gwp_set="EF-3.1", basis=formula), amount="0.3")
    result = roll_up(assess(made.own.inventory, made.own.declared, made.own.rules), [bought])
    assert scope_sheet(made.own, result).scope3_kg == {"1": "21"}


def test_the_supply_of_fuels_and_losses_of_the_grid_are_the_third_category() -> None:
    made = calculated("pack", [activity("grid losses", "fuel_supply", "10", "kWh", "0.1")])
    assert scope_sheet(made.own, made.result).scope3_kg == {"3": "1"}
