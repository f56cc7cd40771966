import operator
from fractions import Fraction
from typing import Any

import pytest

from ashiato.apps.carbon.functional_unit import (
    ServiceLife,
    UnfitBattery,
    Warranty,
    per_kwh_capacity,
    per_kwh_delivered,
    service_life,
)
from ashiato.apps.carbon.rulesets import NotInRuleset, Rounding, ruleset
from ashiato.facts.footprints import (
    Origin,
    PerDeclaredUnit,
    PerKwhCapacity,
    PerKwhDelivered,
    Stage,
    StageVector,
)
from ashiato.facts.quantities import PIECE, Quantity, UnitMismatch, parse_quantity

RULES = ruleset("CFB-EV-2023JRC")
PACK_KWH = parse_quantity("60", "kWh")
# 75 kgCO2e per kWh of 60 kWh.
PACK = PerDeclaredUnit(
    StageVector.of({(Stage.MAIN_PRODUCTION, Origin.FOSSIL): 4500}), Quantity(Fraction(1), PIECE)
)


def warranty(years: int | None = 8, km: int | None = None, capacity: str = "0.7") -> Warranty:
    return Warranty(
        years=None if years is None else Fraction(years),
        distance_km=None if km is None else Fraction(km),
        capacity_share=Fraction(capacity),
    )


@pytest.mark.parametrize(
    ("given", "grams"),
    [
        # 75 / (60 × 8) = 0.15625 and 75 / (60 × 5) = 0.25 kg, the example of the method notes.
        (warranty(8), "156.25"),
        (warranty(5), "250"),
        (None, "250"),
        # 100 000 km at 20 000 a year are five years, and the shorter counts.
        (warranty(8, 100_000), "250"),
        (warranty(8, 400_000), "156.25"),
        (warranty(None, 160_000), "156.25"),
        # A warranty for 60 % of the capacity does not count.
        (warranty(8, None, "0.6"), "250"),
    ],
)
def test_the_years_of_the_warranty_decide(given: Warranty | None, grams: str) -> None:
    life = service_life(RULES, "M1", PACK_KWH, given)
    assert per_kwh_delivered(PACK, life).emissions.excluding_uptake_kg * 1000 == Fraction(grams)


def test_what_the_life_rests_on_is_told() -> None:
    keys = {note.key for note in service_life(RULES, "M1", PACK_KWH, warranty(8, 100_000)).assumptions}
    assert keys == {"equivalent_cycles.M1", "service_life.least_capacity", "service_life.distance.light"}


@pytest.mark.parametrize(("category", "cycles"), [("N1", 60), ("L", 20), ("M2", 250), ("N3", 250)])
def test_cycles_a_year_belong_to_the_vehicle(category: str, cycles: int) -> None:
    assert service_life(RULES, category, PACK_KWH, warranty()).equivalent_cycles_per_year == cycles


def test_another_category_needs_justified_cycles() -> None:
    with pytest.raises(NotInRuleset):
        service_life(RULES, "stationary", PACK_KWH, warranty())
    life = service_life(RULES, "stationary", PACK_KWH, warranty(10), justified_cycles_per_year=Fraction(365))
    assert life.delivered == parse_quantity("219000", "kWh")


def test_capacity_and_delivered_energy_give_two_types_that_never_meet() -> None:
    life = service_life(RULES, "M1", PACK_KWH, warranty())
    capacity = per_kwh_capacity(PACK, PACK_KWH, usable=True)
    delivered = per_kwh_delivered(PACK, life)
    assert capacity.emissions.excluding_uptake_kg == 75
    pairs: list[tuple[Any, Any]] = [
        *((capacity, delivered), (capacity, PACK), (delivered, PACK), (capacity, capacity))
    ]
    for left, right in pairs:
        with pytest.raises(TypeError):
            operator.add(left, right)
        with pytest.raises(TypeError):
            operator.lt(left, right)
    empty: list[Any] = [PerKwhCapacity(StageVector(), True), PerKwhDelivered(StageVector())]
    assert empty[0] != empty[1]


def test_the_stages_of_the_published_case_add_up_to_its_total() -> None:
    # pefdpp, CFB-EV case of an NMC111 battery: kgCO2e per kWh delivered by stage, in all 0.1548, and 0.00687583 kg of pack.
    stages = dict(zip(Stage, ("0.107882", "0.0495404", "0.00384565", "-0.00643165"), strict=True))
    case = StageVector.of({(stage, Origin.FOSSIL): Fraction(kg) for stage, kg in stages.items()})
    assert Rounding("decimals", 4).of(case.excluding_uptake_kg) == Fraction("0.1548")
    assert Rounding("significant", 3).of(case.excluding_uptake_kg / Fraction("0.00687583")) == Fraction(
        "22.5"
    )
    # A thousand cycles: the pack of one kWh has a thousand times the figure.
    pack = PerDeclaredUnit(case.scaled(1000), Quantity(Fraction(1), PIECE))
    life = ServiceLife(
        usable_energy=parse_quantity("1", "kWh"),
        equivalent_cycles_per_year=Fraction(100),
        duration_years=Fraction(10),
    )
    assert per_kwh_delivered(pack, life).emissions == case
    capacity = per_kwh_capacity(pack, parse_quantity("1", "kWh"), usable=True).emissions
    assert Rounding("significant", 3).of(capacity.excluding_uptake_kg) == 155


def test_a_footprint_of_kilograms_gives_no_figure_per_kwh() -> None:
    per_kg = PerDeclaredUnit(PACK.emissions, parse_quantity("1", "kg"))
    with pytest.raises(UnfitBattery, match="pieces"):
        per_kwh_capacity(per_kg, PACK_KWH, usable=True)
    with pytest.raises(UnitMismatch):
        per_kwh_capacity(PACK, parse_quantity("60", "kg"), usable=True)
    with pytest.raises(UnfitBattery):
        per_kwh_capacity(PACK, parse_quantity("0", "kWh"), usable=True)
    with pytest.raises(UnfitBattery):
        ServiceLife(
            usable_energy=PACK_KWH, equivalent_cycles_per_year=Fraction(60), duration_years=Fraction(0)
        )
