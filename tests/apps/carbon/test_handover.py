"""A declared footprint for the next level: the same figure in its measures, and what may be done with them."""

import json
from fractions import Fraction

import msgspec

from ashiato.apps.carbon.handover import Handover, handover
from ashiato.facts.footprints import STAGES
from tests.footprints_kept import VALID_FROM_MS, activity, amount, calculated

# 10 pieces of 250 kg each took 1 000 kg of CO2 of materials and 250 kg of the process: 100 and 25 kg a piece.
LINES = [
    activity("metal", "material", "100", "kg", "10", stage="raw_materials"),
    activity("heat", "heat", "250", "kWh", "1"),
]
BATTERY = {
    "vehicleCategory": "M1",
    "ratedEnergy": amount("50", "kWh"),
    "usableEnergy": amount("50", "kWh"),
    "warranty": {"years": "8", "capacityShare": "0.7"},
}


def handed(now_ms: int = VALID_FROM_MS) -> Handover:
    made = calculated("pack", LINES, productMass=amount("250", "kg"), battery=BATTERY)
    return handover(made.declaration, made.battery, now_ms)


def about(found: Handover) -> dict[str, tuple[str, ...]]:
    return {rule.code: rule.about for rule in found.rules}


def test_one_footprint_is_told_per_piece_per_kilogram_and_per_kilowatt_hour() -> None:
    found = handed()
    piece, kilogram = found.figures
    assert (piece.amount, piece.unit, piece.is_declared) == ("1", "piece", True)
    assert [piece.stages[stage] for stage in STAGES] == ["100", "25", "0", "0"]
    assert piece.total == "125"
    assert (kilogram.amount, kilogram.unit, kilogram.is_declared) == ("1", "kg", False)
    assert Fraction(kilogram.total) == Fraction(125, 250)
    capacity, delivered = found.per_energy
    # 125 kg / 50 kWh; and 50 kWh x 60 cycles x 8 years = 24 000 kWh: 5.208 g, with three digits.
    assert (capacity.measure, capacity.total) == ("per_kwh_of_rated_capacity", "2.5")
    assert (delivered.measure, delivered.total) == ("per_kwh_delivered", "0.00521")


def test_it_says_which_of_the_measures_go_into_a_sum_and_that_they_are_never_added() -> None:
    rules = about(handed())
    assert rules["add_once"] == ("1 piece", "1 kg")
    assert rules["never_add"] == ("1 piece", "1 kg", "per_kwh_of_rated_capacity", "per_kwh_delivered")
    assert rules["same_basis_only"] == ("circular_footprint_formula",)
    assert rules["same_gwp_set_only"] == ("EF-3.1",)
    assert "use_is_outside" in rules
    assert "does_not_hold" not in rules


def test_a_declaration_that_does_not_hold_says_so() -> None:
    assert about(handed(VALID_FROM_MS - 1))["does_not_hold"] == ("expired",)


def test_a_credit_at_the_end_of_life_is_named() -> None:
    made = calculated("pack", LINES)
    document = json.loads(made.declaration)
    document["emissionsKg"]["end_of_life"] = {"fossil": "-12"}
    found = handover(msgspec.json.encode(document), None, VALID_FROM_MS)
    assert about(found)["credits_are_inside"] == ("end_of_life",)
    assert found.per_energy == ()


def test_figures_per_kilowatt_hour_of_another_declaration_are_left_out() -> None:
    made = calculated("pack", LINES, battery=BATTERY)
    other = calculated("pack", LINES[:1], battery=BATTERY)
    assert handover(made.declaration, other.battery, VALID_FROM_MS).per_energy == ()
