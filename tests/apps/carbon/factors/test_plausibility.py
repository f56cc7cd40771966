from fractions import Fraction

import msgspec
import pytest

from ashiato.apps.carbon.factors.gwp import AR5, AR6
from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.model import EmissionFactor, FactorSource, Ownership
from ashiato.apps.carbon.factors.plausibility import ASSUMPTION, BANDS, look_at
from ashiato.facts.quantities import parse_quantity


def factor(total: str, material: str = "graphite", amount: str = "1", unit: str = "kg") -> EmissionFactor:
    return EmissionFactor(
        id="f",
        name="f",
        reference=parse_quantity(amount, unit),
        ownership=Ownership.BOUGHT,
        source=FactorSource("s"),
        licence=Licence("l"),
        gwp_set_id="AR6",
        unsplit_kgco2e=Fraction(total),
        material=material,
    )


def codes(given: EmissionFactor) -> list[str]:
    return [warned.code for warned in look_at(given, AR6)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # The figure of a background of 2026 that the band is there for.
        (factor("47.6"), ["above_band"]),
        (factor("20"), []),
        (factor("5"), []),
        (factor("4.999"), ["below_band"]),
        (factor("10000", amount="1", unit="t"), []),
        (factor("10", unit="kWh"), ["unit_of_band"]),
        (factor("9999", material="unobtainium"), []),
        (factor("0.5", material="electricity", unit="kWh"), []),
        (factor("0.5", material="electricity", unit="MJ"), ["above_band"]),
    ],
)
def test_a_figure_outside_of_its_band_warns(given: EmissionFactor, expected: list[str]) -> None:
    assert codes(given) == expected


def test_a_total_of_another_set_is_told_apart_and_not_compared() -> None:
    assert [warned.code for warned in look_at(factor("10"), AR5)] == ["set_of_band"]


def test_a_warning_names_the_band_and_its_source_and_never_the_figure() -> None:
    (warned,) = look_at(factor("47.601"), AR6)
    for language in ("en", "ja"):
        assert "5" in warned.text(language)
        assert "47.601" not in warned.text(language)
    assert "47601" not in msgspec.json.encode(warned.code).decode()


def test_every_band_has_a_source_with_its_year_or_says_that_it_is_an_assumption() -> None:
    for band in BANDS.values():
        assert band.low_kgco2e < band.high_kgco2e
        assert band.source
        assert (band.published is None) == (band.source == ASSUMPTION)
