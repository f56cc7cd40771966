from fractions import Fraction

import pytest

from ashiato.apps.carbon.factors.gwp import (
    AR4,
    AR5,
    AR6,
    EF_3_1,
    Gas,
    Origin,
    UnknownGwpSet,
    UnknownPotential,
    find_gwp_set,
)
from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.model import (
    ContradictoryFactor,
    EmissionFactor,
    FactorSource,
    GasAmount,
    Ownership,
    PotentialsDiffer,
    check_factor,
    gases_from,
    with_total,
)
from ashiato.facts.quantities import UnitMismatch, parse_quantity


def factor(*gases: GasAmount, gwp_set_id: str = "AR6", total: str = "0") -> EmissionFactor:
    return EmissionFactor(
        id="nickel-sulfate",
        name="Nickel sulfate",
        reference=parse_quantity("1", "kg"),
        ownership=Ownership.OWN,
        source=FactorSource("Own measurement", "1"),
        licence=Licence("own"),
        gwp_set_id=gwp_set_id,
        gases=gases,
        unsplit_kgco2e=Fraction(total),
    )


CO2 = GasAmount(Gas.CO2, Origin.FOSSIL, Fraction("3.2"))
CH4 = GasAmount(Gas.CH4, Origin.FOSSIL, Fraction("0.01"))
CH4_BIO = GasAmount(Gas.CH4, Origin.BIOGENIC, Fraction("0.01"))


@pytest.mark.parametrize(
    ("gas", "origin", "expected"),
    [
        (Gas.CH4, Origin.FOSSIL, "29.8"),
        (Gas.CH4, Origin.BIOGENIC, "27"),
        (Gas.CH4, Origin.LAND_USE_CHANGE, "29.8"),
        (Gas.N2O, Origin.FOSSIL, "273"),
        (Gas.SF6, Origin.FOSSIL, "25200"),
        (Gas.CO2, Origin.BIOGENIC, "0"),
    ],
)
def test_ef_3_1_tells_methane_by_its_origin(gas: Gas, origin: Origin, expected: str) -> None:
    assert EF_3_1.potential(gas, origin) == Fraction(expected)


def test_a_gas_without_a_figure_is_refused_and_not_counted_as_nothing() -> None:
    with pytest.raises(UnknownPotential, match="SF6 of origin biogenic"):
        AR6.potential(Gas.SF6, Origin.BIOGENIC)


def test_a_set_that_is_not_known_is_named_in_the_refusal() -> None:
    with pytest.raises(UnknownGwpSet, match="AR7"):
        find_gwp_set("AR7")


def test_a_factor_known_gas_by_gas_is_given_by_every_set_exactly() -> None:
    known = factor(CO2, CH4)
    # 3.2 + 0.01 × 29.8 / 30 / 25
    assert known.kgco2e(AR6) == Fraction("3.498")
    assert known.kgco2e(AR5) == Fraction("3.5")
    assert known.kgco2e(AR4) == Fraction("3.45")


def test_a_total_of_one_set_is_never_read_as_one_of_another() -> None:
    total = factor(gwp_set_id="AR5", total="3.5")
    assert total.kgco2e(AR5) == Fraction("3.5")
    with pytest.raises(PotentialsDiffer, match="only as a total by AR5; by AR6"):
        total.kgco2e(AR6)


def test_the_amount_is_converted_in_its_dimension_only() -> None:
    assert factor(CO2).kgco2e_for(parse_quantity("250", "g"), AR6) == Fraction("0.8")
    with pytest.raises(UnitMismatch):
        factor(CO2).kgco2e_for(parse_quantity("1", "kWh"), AR6)


def test_what_the_split_does_not_explain_stays_a_total() -> None:
    stated = with_total(factor(CO2), Fraction("4"))
    assert stated.unsplit_kgco2e == Fraction("0.8")
    assert stated.kgco2e(AR6) == 4
    assert not stated.known_gas_by_gas


def test_a_rounded_total_leaves_the_split_alone() -> None:
    assert with_total(factor(CO2, CH4), Fraction("3.5")).known_gas_by_gas


def test_a_split_above_the_stated_total_is_a_contradiction() -> None:
    with pytest.raises(ContradictoryFactor, match="more than the stated total"):
        with_total(factor(CO2), Fraction("3"))


def test_a_reference_of_nothing_a_doubled_gas_and_an_impossible_gas_are_refused() -> None:
    with pytest.raises(ContradictoryFactor, match="stands twice"):
        check_factor(factor(CO2, CO2))
    with pytest.raises(ContradictoryFactor, match="no potential"):
        check_factor(factor(GasAmount(Gas.NF3, Origin.BIOGENIC, Fraction(1))))
    nothing = EmissionFactor(
        id="x",
        name="x",
        reference=parse_quantity("0", "kg"),
        ownership=Ownership.OWN,
        source=FactorSource("s"),
        licence=Licence("own"),
        gwp_set_id="AR6",
    )
    with pytest.raises(ContradictoryFactor, match="not more than nothing"):
        check_factor(nothing)


def test_equal_splits_are_equal_whatever_the_order() -> None:
    forward = {(Gas.CO2, Origin.FOSSIL): Fraction(1), (Gas.CH4, Origin.BIOGENIC): Fraction(2)}
    backward = {(Gas.CH4, Origin.BIOGENIC): Fraction(2), (Gas.CO2, Origin.FOSSIL): Fraction(1)}
    assert gases_from(forward) == gases_from(backward)
    assert gases_from({(Gas.CO2, Origin.FOSSIL): Fraction(0)}) == ()


def test_a_factor_in_a_log_shows_no_figure() -> None:
    assert "3.2" not in repr(factor(CO2))
    assert "16/5" not in repr(factor(CO2))
