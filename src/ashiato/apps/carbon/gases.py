"""Greenhouse gases made comparable: kilograms of a gas into kilograms of CO2 equivalent, by a named set of factors.

The factor belongs to gas and origin together: methane of fossil and of biogenic carbon differ. Figures on two sets are never
added as they are; a conversion is explicit, and stands in the result.
"""

from collections.abc import Mapping
from fractions import Fraction

import msgspec

from ashiato.apps.carbon.factors import gwp
from ashiato.apps.carbon.factors.model import EmissionFactor, Ownership
from ashiato.apps.carbon.rulesets import Assumption
from ashiato.facts.footprints import (
    ORIGINS,
    STAGES,
    WORST_SCORE,
    ZERO,
    DataQuality,
    Intensity,
    Origin,
    StageVector,
)
from ashiato.facts.quantities import KILOGRAM, Quantity, exact_text
from ashiato.law.provisions import Standing


class MixedGwpSets(ValueError):
    """The figure of `key` is on another set of factors than the result; ask for it on `wanted`, or give a conversion."""

    def __init__(self, key: str, found: str, wanted: str) -> None:
        super().__init__(
            f"{key} is on {found} and the result on {wanted}; give a conversion or ask for {wanted}"
        )
        self.key = key
        self.found = found
        self.wanted = wanted


class GwpConversion(msgspec.Struct, frozen=True, kw_only=True):
    """How figures on one set become figures on another: a factor for each origin, with its reason."""

    found: str
    wanted: str
    factors: tuple[tuple[Origin, Fraction], ...]
    source: str
    year: int

    def of(self, vector: StageVector) -> StageVector:
        """The vector on the wanted set; origins without a factor keep their figure."""
        factors = dict(self.factors)
        return StageVector.of(
            {
                (stage, origin): vector.cell_kg(stage, origin) * factors.get(origin, Fraction(1))
                for stage in STAGES
                for origin in ORIGINS
            }
        )

    @property
    def largest_factor(self) -> Fraction:
        return max((abs(factor) for _, factor in self.factors), default=Fraction(1))

    @property
    def note(self) -> Assumption:
        return Assumption(
            key=f"gwp.{self.found}.{self.wanted}",
            value=", ".join(f"{origin.value} × {exact_text(factor)}" for origin, factor in self.factors)
            or "the same figures",
            unit="",
            source=self.source,
            year=self.year,
            standing=Standing.STATED if not self.factors else Standing.ASSUMPTION,
        )


_SAME = "EF 3.1 takes the factors of AR6 unchanged (bw2io 0.9.17, LCIA methods of ecoinvent 3.9)"
SAME_FACTORS = (
    GwpConversion(found="AR6", wanted="EF-3.1", factors=(), source=_SAME, year=2022),
    GwpConversion(found="EF-3.1", wanted="AR6", factors=(), source=_SAME, year=2022),
)

_CARBON: Mapping[Origin, gwp.Origin] = {
    Origin.FOSSIL: gwp.Origin.FOSSIL,
    Origin.AIRCRAFT: gwp.Origin.FOSSIL,
    Origin.BIOGENIC: gwp.Origin.BIOGENIC,
    Origin.LAND_USE: gwp.Origin.LAND_USE_CHANGE,
}
_ORIGIN: Mapping[gwp.Origin, Origin] = {
    gwp.Origin.FOSSIL: Origin.FOSSIL,
    gwp.Origin.BIOGENIC: Origin.BIOGENIC,
    gwp.Origin.LAND_USE_CHANGE: Origin.LAND_USE,
    gwp.Origin.BIOGENIC_UPTAKE: Origin.UPTAKE,
}


def characterised(
    gwp_set_id: str, gas: gwp.Gas, origin: Origin, mass: Quantity
) -> tuple[Fraction, Assumption]:
    """kgCO2e of that mass of the gas, and the note of its factor; biogenic carbon dioxide (`UPTAKE`) counts as it is.

    Raises `factors.gwp.UnknownPotential`, `factors.gwp.UnknownGwpSet` and `UnitMismatch`.
    """
    gwp_set = gwp.find_gwp_set(gwp_set_id)
    if origin is Origin.UPTAKE and gas is not gwp.Gas.CO2:
        raise gwp.UnknownPotential(gwp_set_id, gas, gwp.Origin.BIOGENIC_UPTAKE)
    carbon = _CARBON.get(origin)
    factor = Fraction(1) if carbon is None else gwp_set.potential(gas, carbon)
    note = Assumption(
        key=f"gwp.{gas.value}.{origin.value}",
        value=exact_text(factor),
        unit="kgCO2e/kg",
        source=gwp_set.source,
        year=gwp_set.published,
        standing=Standing.STATED,
    )
    return mass.value_in(KILOGRAM) * factor, note


def intensity_of(
    factor: EmissionFactor, gwp_set_id: str, *, aircraft: bool = False, deviation_share: Fraction = ZERO
) -> Intensity:
    """An emission factor as the intensity to compute with, by that set of potentials.

    What the factor knows only as a total counts as fossil, and with `aircraft` all fossil gases are those of an aircraft. Ratings
    that nobody gave are the worst. Raises `factors.model.PotentialsDiffer` and `factors.gwp.UnknownGwpSet`.
    """
    gwp_set = gwp.find_gwp_set(gwp_set_id)
    # Refuses a total on another set, and a gas that the set does not know.
    factor.kgco2e(gwp_set)
    by_origin = {Origin.FOSSIL: factor.unsplit_kgco2e}
    for amount in factor.gases:
        if amount.gas is gwp.Gas.CO2 and amount.origin in _BIOGENIC_SIGNS:
            origin, kg = Origin.UPTAKE, amount.kg * _BIOGENIC_SIGNS[amount.origin]
        else:
            origin, kg = _ORIGIN[amount.origin], amount.kg * gwp_set.potential(amount.gas, amount.origin)
        by_origin[origin] = by_origin.get(origin, ZERO) + kg
    if aircraft:
        by_origin[Origin.AIRCRAFT] = by_origin.pop(Origin.FOSSIL)
    quality = factor.quality
    worst = Fraction(WORST_SCORE)
    return Intensity(
        per=factor.reference,
        kg_by_origin=tuple((origin, kg) for origin, kg in by_origin.items() if kg),
        gwp_set=gwp_set_id,
        source=factor.id,
        year=factor.reference_year or factor.source.published or 0,
        primary=factor.ownership is Ownership.OWN,
        quality=DataQuality(
            quality.technological or worst, quality.geographical or worst, quality.temporal or worst
        ),
        deviation_share=deviation_share,
    )


_BIOGENIC_SIGNS: Mapping[gwp.Origin, int] = {gwp.Origin.BIOGENIC: 1, gwp.Origin.BIOGENIC_UPTAKE: -1}
