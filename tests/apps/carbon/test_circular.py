from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.apps.carbon.circular import (
    CircularEmissions,
    CircularParameters,
    circular_footprint,
    cut_off,
    default_parameters,
    material_footprint,
)
from ashiato.apps.carbon.rulesets import NotInRuleset, ruleset
from ashiato.facts.footprints import EndOfLifeBasis, MalformedFootprint, Origin, Stage, StageVector

SHARES = st.integers(0, 20).map(lambda n: Fraction(n, 20))
KG = st.integers(0, 1000).map(lambda n: Fraction(n, 10))


@st.composite
def parameters(draw: st.DrawFn, a: Fraction | None = None, b: Fraction | None = None) -> CircularParameters:
    r2 = draw(SHARES)
    return CircularParameters(
        a=draw(SHARES) if a is None else a,
        b=draw(SHARES) if b is None else b,
        r1=draw(SHARES),
        r2=r2,
        r3=draw(SHARES) * (1 - r2),
        quality_in=draw(SHARES),
        quality_out=draw(SHARES),
    )


@st.composite
def figures(draw: st.DrawFn) -> dict[str, Fraction]:
    names = "virgin recycled recycling substituted disposal energy_recovery heat_credit power_credit".split()
    return {name: draw(KG) for name in names}


def emissions(kg: dict[str, Fraction]) -> CircularEmissions:
    return CircularEmissions(**{name: ((Origin.FOSSIL, value),) for name, value in kg.items()})


def staged(raw: Fraction, end: Fraction) -> StageVector:
    return StageVector.of(
        {(Stage.RAW_MATERIALS, Origin.FOSSIL): raw, (Stage.END_OF_LIFE, Origin.FOSSIL): end}
    )


@settings(max_examples=60)
@given(parameters(a=Fraction(1), b=Fraction(1)), figures())
def test_all_burdens_with_the_user_is_the_cut_off(p: CircularParameters, kg: dict[str, Fraction]) -> None:
    expected = staged((1 - p.r1) * kg["virgin"] + p.r1 * kg["recycled"], (1 - p.r2 - p.r3) * kg["disposal"])
    assert circular_footprint(emissions(kg), p) == expected
    assert cut_off(emissions(kg), p) == expected


@settings(max_examples=60)
@given(parameters(a=Fraction(0)), figures())
def test_no_burden_with_the_user_is_full_substitution(p: CircularParameters, kg: dict[str, Fraction]) -> None:
    # What is recycled replaces virgin material, and pays for what it took in with the virgin burden.
    raw = (1 - p.r1 + p.r1 * p.quality_in) * kg["virgin"]
    energy = (1 - p.b) * p.r3 * (kg["energy_recovery"] - kg["heat_credit"] - kg["power_credit"])
    end = (
        p.r2 * (kg["recycling"] - kg["substituted"] * p.quality_out)
        + energy
        + (1 - p.r2 - p.r3) * kg["disposal"]
    )
    assert circular_footprint(emissions(kg), p) == staged(raw, end)


@settings(max_examples=40)
@given(SHARES, SHARES, figures())
def test_without_any_recycling_it_is_virgin_and_disposal(
    a: Fraction, b: Fraction, kg: dict[str, Fraction]
) -> None:
    p = CircularParameters(a=a, b=b)
    assert circular_footprint(emissions(kg), p) == staged(kg["virgin"], kg["disposal"])
    assert cut_off(emissions(kg), p) == staged(kg["virgin"], kg["disposal"])


def test_aluminium_of_the_published_case_by_hand() -> None:
    # A 0.2, R1 0, R2 0.90, quality ratios 1; kgCO2e per kg set for the example: Ev = E*v = 10, ErecEoL = 1, ED = 0.5.
    p, _ = default_parameters(ruleset("CFB-EV-2023JRC"), "metals", r2=Fraction("0.90"))
    kg = {
        "virgin": Fraction(10),
        "recycling": Fraction(1),
        "substituted": Fraction(10),
        "disposal": Fraction("0.5"),
    }
    # 0.8 × 0.9 × (1 - 10) + 0.1 × 0.5 = -6.43.
    assert circular_footprint(emissions(kg), p) == staged(Fraction(10), Fraction("-6.43"))


def test_the_origins_of_the_gases_stay_apart() -> None:
    one = CircularEmissions(virgin=((Origin.FOSSIL, Fraction(2)), (Origin.LAND_USE, Fraction(1))))
    result = material_footprint(EndOfLifeBasis.CUT_OFF, one, CircularParameters(a=Fraction(1)))
    assert result.cell_kg(Stage.RAW_MATERIALS, Origin.LAND_USE) == 1


@pytest.mark.parametrize(
    "broken", [{"r1": 2}, {"a": -1}, {"r2": Fraction(3, 4), "r3": Fraction(1, 2)}, {"b": 5}]
)
def test_shares_outside_of_nought_to_one_are_refused(broken: dict[str, Fraction]) -> None:
    with pytest.raises(MalformedFootprint):
        CircularParameters(**{"a": Fraction(1, 5), **broken})


def test_default_parameters_tell_what_they_rest_on() -> None:
    p, notes = default_parameters(ruleset("CFB-EV-2023JRC"), "plastics")
    assert (p.a, p.b, p.r1) == (Fraction(1, 2), Fraction(0), Fraction(0))
    assert {note.key for note in notes} == {
        "circular.A.plastics",
        "circular.B",
        "circular.R1",
        "circular.quality_in",
    }
    with pytest.raises(NotInRuleset, match="PACT-3 sets no circular"):
        default_parameters(ruleset("PACT-3"), "metals")
