"""Bands in which published figures lie, per material: outside of one a person is warned, and nothing is refused."""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

import msgspec

from ashiato.apps.carbon.factors.gwp import GwpSet
from ashiato.apps.carbon.factors.model import EmissionFactor, PotentialsDiffer
from ashiato.facts.quantities import KILOGRAM, KILOWATT_HOUR, Quantity, Unit, UnitMismatch

ASSUMPTION = "assumption"


class Band(msgspec.Struct, frozen=True):
    """From `low_kgco2e` to `high_kgco2e` per one `unit` of the material, as `source` of the year `published` has it."""

    material: str
    unit: Unit
    low_kgco2e: Fraction
    high_kgco2e: Fraction
    source: str
    published: int | None


class Warned(msgspec.Struct, frozen=True):
    """Why a factor should be looked at. It names the band and not the factor's own figure, which may be licensed."""

    factor_id: str
    code: str
    band: Band

    def text(self, language: str) -> str:
        """One sentence in English or Japanese."""
        sentences = _JAPANESE if language == "ja" else _ENGLISH
        return sentences[self.code].format(
            factor=self.factor_id,
            material=self.band.material,
            low=float(self.band.low_kgco2e),
            high=float(self.band.high_kgco2e),
            unit=self.band.unit.symbol,
            source=self.band.source,
            published=self.band.published or ASSUMPTION,
        )


_PLACE_EN = "{low:g} to {high:g} kgCO2e/{unit} ({source}, {published})"
_PLACE_JA = "{low:g}〜{high:g} kgCO2e/{unit}（{source}、{published}）"
_ENGLISH: Mapping[str, str] = {
    "above_band": "{factor} lies above what is published for {material}: " + _PLACE_EN + ".",
    "below_band": "{factor} lies below what is published for {material}: " + _PLACE_EN + ".",
    "unit_of_band": "{factor} counts in another unit than the band of {material}: " + _PLACE_EN + ".",
    "set_of_band": "{factor} cannot be compared with the band of {material}: " + _PLACE_EN + ".",
}
_JAPANESE: Mapping[str, str] = {
    "above_band": "{factor} は {material} の公表値の範囲を上回っています：" + _PLACE_JA + "。",
    "below_band": "{factor} は {material} の公表値の範囲を下回っています：" + _PLACE_JA + "。",
    "unit_of_band": "{factor} の単位は {material} の範囲の単位と合いません：" + _PLACE_JA + "。",
    "set_of_band": "{factor} は {material} の範囲と比較できません：" + _PLACE_JA + "。",
}


def _band(material: str, unit: Unit, low: str, high: str, source: str, published: int | None) -> Band:
    return Band(material, unit, Fraction(low), Fraction(high), source, published)


BANDS: Mapping[str, Band] = MappingProxyType(
    {
        band.material: band
        for band in (
            # Synthetic graphite; a background of 2026 that stands far outside has 47.6.
            _band("graphite", KILOGRAM, "5", "20", ASSUMPTION, None),
            _band(
                "aluminium",
                KILOGRAM,
                "4.5",
                "22",
                "International Aluminium Institute, carbon footprint FAQ, survey of 2019",
                2019,
            ),
            _band(
                "electricity",
                KILOWATT_HOUR,
                "0.011",
                "0.82",
                "IPCC AR5 WGIII, Annex III, table A.III.2, medians of wind and coal",
                2014,
            ),
            _band(
                "battery_cell",
                KILOGRAM,
                "13.55",
                "16.51",
                "carculator_utils 1.1.1, cells of six chemistries on ecoinvent 3.8",
                2021,
            ),
            _band(
                "battery_pack",
                KILOGRAM,
                "10.29",
                "24.97",
                "Clemente, arXiv 2506.05531, median and deviation",
                2025,
            ),
            _band("lithium_carbonate", KILOGRAM, "2", "25", ASSUMPTION, None),
            _band("nickel_sulfate", KILOGRAM, "1", "30", ASSUMPTION, None),
            _band("cobalt_sulfate", KILOGRAM, "1", "40", ASSUMPTION, None),
            _band("copper", KILOGRAM, "1", "10", ASSUMPTION, None),
            _band("steel", KILOGRAM, "0.3", "4", ASSUMPTION, None),
        )
    }
)


def look_at(factor: EmissionFactor, gwp_set: GwpSet, bands: Mapping[str, Band] = BANDS) -> tuple[Warned, ...]:
    """What is odd about the factor of a material with a band; nothing where the material has none."""
    band = bands.get(factor.material)
    if band is None:
        return ()
    try:
        kgco2e = factor.kgco2e_for(Quantity(Fraction(1), band.unit), gwp_set)
    except UnitMismatch:
        return (Warned(factor.id, "unit_of_band", band),)
    except PotentialsDiffer:
        return (Warned(factor.id, "set_of_band", band),)
    if kgco2e > band.high_kgco2e:
        return (Warned(factor.id, "above_band", band),)
    if kgco2e < band.low_kgco2e:
        return (Warned(factor.id, "below_band", band),)
    return ()
