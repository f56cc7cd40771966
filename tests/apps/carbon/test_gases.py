from fractions import Fraction
from typing import Any

import pytest

from ashiato.apps.carbon.factors.gwp import Gas, UnknownPotential
from ashiato.apps.carbon.factors.gwp import Origin as Carbon
from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.model import (
    EmissionFactor,
    FactorSource,
    GasAmount,
    Ownership,
    PotentialsDiffer,
)
from ashiato.apps.carbon.gases import SAME_FACTORS, characterised, intensity_of
from ashiato.facts.footprints import Origin, Stage, StageVector
from ashiato.facts.quantities import parse_quantity


def test_methane_counts_by_where_its_carbon_comes_from() -> None:
    # AR6, table 7.15: 29.8 of fossil, 27.0 of other origin.
    kilogram = parse_quantity("1", "kg")
    assert characterised("AR6", Gas.CH4, Origin.FOSSIL, kilogram)[0] == Fraction("29.8")
    assert characterised("AR6", Gas.CH4, Origin.BIOGENIC, kilogram)[0] == 27
    kg, note = characterised("AR6", Gas.N2O, Origin.AIRCRAFT, parse_quantity("10", "g"))
    assert kg == Fraction("2.73")
    assert (note.key, note.value, note.year) == ("gwp.N2O.aircraft", "273", 2021)
    with pytest.raises(UnknownPotential):
        characterised("AR6", Gas.CH4, Origin.UPTAKE, kilogram)


def test_ef_and_ar6_have_the_same_figures() -> None:
    vector = StageVector.of(
        {(Stage.RAW_MATERIALS, Origin.FOSSIL): 3, (Stage.RAW_MATERIALS, Origin.UPTAKE): -1}
    )
    assert [one.of(vector) for one in SAME_FACTORS] == [vector, vector]


def factor(**others: object) -> EmissionFactor:
    fields: dict[str, Any] = {
        "id": "f",
        "name": "wood",
        "reference": parse_quantity("2", "kg"),
        "ownership": Ownership.PUBLIC,
        "source": FactorSource("example", published=2020),
        "licence": Licence("example", open_to_all=True),
        "gwp_set_id": "AR6",
        **others,
    }
    return EmissionFactor(**fields)


def test_a_factor_becomes_an_intensity_with_its_gases_by_origin() -> None:
    gases = (
        GasAmount(Gas.CO2, Carbon.FOSSIL, Fraction(5)),
        GasAmount(Gas.CH4, Carbon.FOSSIL, Fraction(1)),
        GasAmount(Gas.CH4, Carbon.BIOGENIC, Fraction(1)),
        GasAmount(Gas.CO2, Carbon.LAND_USE_CHANGE, Fraction(2)),
        GasAmount(Gas.CO2, Carbon.BIOGENIC_UPTAKE, Fraction(9)),
        GasAmount(Gas.CO2, Carbon.BIOGENIC, Fraction(4)),
    )
    one = intensity_of(factor(gases=gases, unsplit_kgco2e=Fraction(1)), "AR6")
    assert dict(one.kg_by_origin) == {
        Origin.FOSSIL: Fraction("35.8"),
        Origin.BIOGENIC: 27,
        Origin.LAND_USE: 2,
        Origin.UPTAKE: -5,
    }
    assert (one.primary, one.year, one.quality.technological) == (False, 2020, Fraction(5))


def test_what_an_aircraft_burns_is_an_origin_of_its_own() -> None:
    one = intensity_of(factor(unsplit_kgco2e=Fraction(3)), "AR6", aircraft=True)
    assert dict(one.kg_by_origin) == {Origin.AIRCRAFT: 3}


def test_a_total_on_another_set_is_refused_and_single_gases_are_counted_anew() -> None:
    with pytest.raises(PotentialsDiffer):
        intensity_of(factor(unsplit_kgco2e=Fraction(3)), "AR5")
    methane = (GasAmount(Gas.CH4, Carbon.FOSSIL, Fraction(1)),)
    assert dict(intensity_of(factor(gases=methane), "AR5").kg_by_origin) == {Origin.FOSSIL: 30}
