from fractions import Fraction

import pytest

from ashiato.apps.carbon.rulesets import NotInRuleset, ruleset
from ashiato.apps.carbon.transport import Mode, carried, default_carriage
from ashiato.facts.quantities import UnitMismatch, parse_quantity

RULES = ruleset("CFB-EV-2023JRC")


def test_a_supplier_overseas_ships_by_the_default_distances() -> None:
    found = default_carriage(parse_quantity("500", "kg"), "supplier_overseas_ship", RULES)
    # Half a tonne over 1 000 km of road and 18 000 km of sea.
    assert {leg.mode: str(leg.work) for leg in found.legs} == {Mode.TRUCK: "500 t.km", Mode.SHIP: "9000 t.km"}
    assert "transport.utilisation" in {note.key for note in found.assumptions}


def test_a_supplier_in_europe_uses_road_rail_and_water() -> None:
    found = default_carriage(parse_quantity("1", "t"), "supplier_eu", RULES)
    assert {leg.mode: leg.work.value for leg in found.legs} == {
        Mode.TRUCK: 130,
        Mode.TRAIN: 240,
        Mode.BARGE: 270,
    }


def test_measured_distances_need_no_assumption() -> None:
    found = carried(parse_quantity("2000", "g"), [(Mode.AIRCRAFT, Fraction(9000))])
    assert (str(found.legs[0].work), found.assumptions) == ("18 t.km", ())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(NotInRuleset):
        default_carriage(parse_quantity("1", "t"), "to_the_moon", RULES)
    with pytest.raises(ValueError, match="not negative"):
        carried(parse_quantity("-1", "t"), [])
    with pytest.raises(UnitMismatch):
        carried(parse_quantity("1", "kWh"), [])
