"""Recycling and end of life of one material, by two rules from the same figures: cut-off and Circular Footprint Formula.

The formula is that of Recommendation (EU) 2021/2279 (PEF method, 4.4.8.1), its symbols as there; it is computed for each
material and summed. The schemes between suppliers use cut-off, the European battery rules the formula. A result on the formula
never goes up a chain on cut-off, because its credits would count twice.
"""

from fractions import Fraction

import msgspec

from ashiato.apps.carbon.rulesets import Assumption, Ruleset
from ashiato.facts.footprints import (
    ZERO,
    EndOfLifeBasis,
    Origin,
    Stage,
    StageVector,
    require_share,
)

ByOrigin = tuple[tuple[Origin, Fraction], ...]


class CircularParameters(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of one material.

    `a` shares burdens and credits between the supplier and the user of recycled material, `b` those of energy recovery; `r1` is
    the recycled share that goes in, `r2` the share that will be recycled, `r3` the share that will be burnt for energy;
    `quality_in` is Qsin/Qp, `quality_out` is Qsout/Qp.
    """

    a: Fraction
    b: Fraction = ZERO
    r1: Fraction = ZERO
    r2: Fraction = ZERO
    r3: Fraction = ZERO
    quality_in: Fraction = Fraction(1)
    quality_out: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        for name in ("a", "b", "r1", "r2", "r3"):
            require_share(name, getattr(self, name))
        require_share("r2 + r3", self.r2 + self.r3)
        require_share("quality_in", self.quality_in)
        require_share("quality_out", self.quality_out)


class CircularEmissions(msgspec.Struct, frozen=True, kw_only=True):
    """kgCO2e by origin for the amount of material in the product, each symbol of the formula with its own figure.

    `virgin` is Ev, `recycled` Erec, `recycling` ErecEoL, `substituted` E*v, `disposal` ED; `energy_recovery` is EER, and
    `heat_credit` and `power_credit` are LHV × XER × ESE of heat and electricity.
    """

    virgin: ByOrigin
    recycled: ByOrigin = ()
    recycling: ByOrigin = ()
    substituted: ByOrigin = ()
    disposal: ByOrigin = ()
    energy_recovery: ByOrigin = ()
    heat_credit: ByOrigin = ()
    power_credit: ByOrigin = ()


def default_parameters(
    rules: Ruleset, kind: str, *, r2: Fraction = ZERO, r3: Fraction = ZERO
) -> tuple[CircularParameters, tuple[Assumption, ...]]:
    """The ruleset's parameters for a kind of material (`metals`, `plastics`, `low_demand`, `other`) and their notes.

    R1 is the ruleset's, which is 0 unless recycled content is traced and verified.
    """
    values = {
        name: rules.number(key)
        for name, key in (
            ("a", f"circular.A.{kind}"),
            ("b", "circular.B"),
            ("r1", "circular.R1"),
            ("quality_in", "circular.quality_in"),
        )
    }
    parameters = CircularParameters(
        a=values["a"][0],
        b=values["b"][0],
        r1=values["r1"][0],
        quality_in=values["quality_in"][0],
        r2=r2,
        r3=r3,
    )
    return parameters, tuple(note for _, note in values.values())


def material_footprint(
    basis: EndOfLifeBasis, emissions: CircularEmissions, parameters: CircularParameters
) -> StageVector:
    """The emissions of one material on that basis."""
    if basis is EndOfLifeBasis.CUT_OFF:
        return cut_off(emissions, parameters)
    return circular_footprint(emissions, parameters)


def circular_footprint(emissions: CircularEmissions, parameters: CircularParameters) -> StageVector:
    """The Circular Footprint Formula: what goes in belongs to the raw materials, the rest to the end of life."""
    p, e = parameters, emissions
    raw_materials = (
        (1 - p.r1, e.virgin),
        (p.r1 * p.a, e.recycled),
        (p.r1 * (1 - p.a) * p.quality_in, e.virgin),
    )
    end_of_life = (
        ((1 - p.a) * p.r2, e.recycling),
        (-(1 - p.a) * p.r2 * p.quality_out, e.substituted),
        ((1 - p.b) * p.r3, e.energy_recovery),
        (-(1 - p.b) * p.r3, e.heat_credit),
        (-(1 - p.b) * p.r3, e.power_credit),
        (1 - p.r2 - p.r3, e.disposal),
    )
    return _vector(raw_materials, end_of_life)


def cut_off(emissions: CircularEmissions, parameters: CircularParameters) -> StageVector:
    """Recycled material brings the burden of its recycling only; what is recycled or burnt for energy leaves without credit."""
    p, e = parameters, emissions
    return _vector(
        ((1 - p.r1, e.virgin), (p.r1, e.recycled)),
        ((1 - p.r2 - p.r3, e.disposal),),
    )


Terms = tuple[tuple[Fraction, ByOrigin], ...]


def _vector(raw_materials: Terms, end_of_life: Terms) -> StageVector:
    cells: dict[tuple[Stage, Origin], Fraction] = {}
    for stage, terms in ((Stage.RAW_MATERIALS, raw_materials), (Stage.END_OF_LIFE, end_of_life)):
        for factor, by_origin in terms:
            for origin, kg in by_origin:
                cells[stage, origin] = cells.get((stage, origin), ZERO) + factor * kg
    return StageVector.of(cells)
