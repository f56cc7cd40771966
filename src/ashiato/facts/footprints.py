"""Greenhouse gas footprints as values: exact kilograms of CO2 equivalent by life-cycle stage and by origin of the gas.

Three metrics are in use and differ by orders of magnitude: per declared unit (between tiers), per kWh of capacity (cradle to
gate) and per kWh delivered over the service life (the functional unit of Regulation (EU) 2023/1542, Annex II). Each is a
type of its own without arithmetic, so they can be neither added nor compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from functools import cache
from math import lcm
from typing import Final

import msgspec

from ashiato.facts.quantities import Quantity

ZERO: Final = Fraction(0)
BEST_SCORE, WORST_SCORE = 1, 5


class Stage(StrEnum):
    """The life-cycle stages of Annex II to Regulation (EU) 2023/1542; the use stage is not counted."""

    RAW_MATERIALS = "raw_materials"
    """Acquisition and pre-processing, up to active materials, separator, electrolyte, casings and electronics."""
    MAIN_PRODUCTION = "main_production"
    DISTRIBUTION = "distribution"
    END_OF_LIFE = "end_of_life"


class Origin(StrEnum):
    """Where the gas comes from; the five never overlap, so their sum is the whole."""

    FOSSIL = "fossil"
    """Fossil greenhouse gases without those of aircraft."""
    BIOGENIC = "biogenic"
    """Biogenic gases other than carbon dioxide, methane above all."""
    LAND_USE = "land_use"
    """Land use and its change."""
    AIRCRAFT = "aircraft"
    UPTAKE = "uptake"
    """Biogenic carbon dioxide, given off (positive) less taken up (negative); left out of the figure that schemes compare."""


class EndOfLifeBasis(StrEnum):
    """How recycling is shared between product systems. Results on two bases are never added: credits would count twice."""

    CUT_OFF = "cut_off"
    CIRCULAR_FOOTPRINT_FORMULA = "circular_footprint_formula"


class MalformedFootprint(ValueError):
    """A value lies outside of what it can be; whoever declares it must mend it. `field` and `problem` say what and why."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


STAGES: Final = tuple(Stage)
ORIGINS: Final = tuple(Origin)
CELLS: Final = tuple((stage, origin) for stage in STAGES for origin in ORIGINS)
_PLACE: Final[Mapping[tuple[Stage, Origin], int]] = {cell: place for place, cell in enumerate(CELLS)}
_COUNTED_PLACES: Final = tuple(place for cell, place in _PLACE.items() if cell[1] is not Origin.UPTAKE)
_TO_GATE_PLACES: Final = tuple(place for place in _COUNTED_PLACES if CELLS[place][0] is not Stage.END_OF_LIFE)


@cache
def _counted_places(stages: frozenset[Stage]) -> tuple[int, ...]:
    return tuple(place for place in _COUNTED_PLACES if CELLS[place][0] in stages)


def weighted_sum(pairs: Iterable[tuple[Fraction, Fraction]]) -> Fraction:
    """The exact sum of the products, over one common denominator: many times faster than adding fraction by fraction."""
    products: list[tuple[int, int]] = []
    for left, right in pairs:
        above, below = left.as_integer_ratio()
        if above:
            factor, divisor = right.as_integer_ratio()
            if factor:
                products.append((above * factor, below * divisor))
    if not products:
        return ZERO
    denominator = lcm(*(below for _, below in products))
    return Fraction(sum(above * (denominator // below) for above, below in products), denominator)


def total(values: Iterable[Fraction]) -> Fraction:
    """The exact sum, over one common denominator."""
    ratios = [value.as_integer_ratio() for value in values if value]
    if len(ratios) < 2:
        return Fraction(*ratios[0]) if ratios else ZERO
    denominator = lcm(*(below for _, below in ratios))
    return Fraction(sum(above * (denominator // below) for above, below in ratios), denominator)


class StageVector(msgspec.Struct, frozen=True):
    """Kilograms of CO2 equivalent by stage and origin, in the order of `CELLS`."""

    cells_kg: tuple[Fraction, ...] = (ZERO,) * len(CELLS)

    def __post_init__(self) -> None:
        if len(self.cells_kg) != len(CELLS):
            raise MalformedFootprint("cells", f"a vector has {len(CELLS)} cells, not {len(self.cells_kg)}")

    @staticmethod
    def of(amounts_kg: Mapping[tuple[Stage, Origin], Fraction | int]) -> "StageVector":
        """The vector with these cells, the others zero."""
        return StageVector(tuple(Fraction(amounts_kg.get(cell, 0)) for cell in CELLS))

    @staticmethod
    def sum_of(terms: Sequence[tuple[Fraction, "StageVector"]]) -> "StageVector":
        """The exact sum of multiples of vectors."""
        factors = [factor for factor, _ in terms]
        columns = zip(*(vector.cells_kg for _, vector in terms), strict=True)
        return StageVector(
            tuple(weighted_sum(zip(column, factors, strict=True)) for column in columns)
            if terms
            else (ZERO,) * len(CELLS)
        )

    def cell_kg(self, stage: Stage, origin: Origin) -> Fraction:
        """Kilograms in one cell."""
        return self.cells_kg[_PLACE[stage, origin]]

    def stage_kg(self, stage: Stage) -> Fraction:
        """One stage without biogenic uptake."""
        return sum((self.cell_kg(stage, origin) for origin in ORIGINS if origin is not Origin.UPTAKE), ZERO)

    def origin_kg(self, origin: Origin) -> Fraction:
        """One origin over all stages."""
        return sum((self.cell_kg(stage, origin) for stage in STAGES), ZERO)

    @property
    def excluding_uptake_kg(self) -> Fraction:
        """The figure that schemes compare (`pcfExcludingBiogenicUptake` of PACT 3)."""
        return total(self.cells_kg[place] for place in _COUNTED_PLACES)

    @property
    def to_distribution_kg(self) -> Fraction:
        """The same without the end of life, whose credits would make shares of it senseless; cradle to gate it is the whole."""
        return total(self.cells_kg[place] for place in _TO_GATE_PLACES)

    def counted_kg(self, stages: frozenset[Stage]) -> Fraction:
        """What schemes compare, of these stages alone."""
        return total(self.cells_kg[place] for place in _counted_places(stages))

    @property
    def including_uptake_kg(self) -> Fraction:
        return total(self.cells_kg)

    def __add__(self, other: "StageVector") -> "StageVector":
        return StageVector(tuple(a + b for a, b in zip(self.cells_kg, other.cells_kg, strict=True)))

    def __sub__(self, other: "StageVector") -> "StageVector":
        return StageVector(tuple(a - b for a, b in zip(self.cells_kg, other.cells_kg, strict=True)))

    def scaled(self, factor: Fraction | int) -> "StageVector":
        """Each cell times `factor`."""
        return StageVector(tuple(kg * factor if kg else kg for kg in self.cells_kg))

    def within(self, stage: Stage) -> "StageVector":
        """All up to distribution counted in one stage, the origins kept; the end of life stays where it is."""
        last = Stage.END_OF_LIFE
        to_gate = {(stage, origin): self.origin_kg(origin) - self.cell_kg(last, origin) for origin in ORIGINS}
        return StageVector.of(to_gate) + self.only(frozenset({last}))

    def only(self, stages: frozenset[Stage]) -> "StageVector":
        """The cells of these stages, the others zero."""
        return StageVector(
            tuple(kg if cell[0] in stages else ZERO for cell, kg in zip(CELLS, self.cells_kg, strict=True))
        )


class PerDeclaredUnit(msgspec.Struct, frozen=True):
    """kgCO2e for `declared` (1 kg, 1 piece, ...): what suppliers hand on."""

    emissions: StageVector
    declared: Quantity


class PerKwhCapacity(msgspec.Struct, frozen=True):
    """kgCO2e per kWh of capacity, cradle to gate; `usable` says of which capacity (else the rated one)."""

    emissions: StageVector
    usable: bool


class PerKwhDelivered(msgspec.Struct, frozen=True):
    """kgCO2e per kWh of the total energy over the service life, the functional unit of Annex II."""

    emissions: StageVector


class DataQuality(msgspec.Struct, frozen=True):
    """Representativeness of data, each from 1 (best) to 5 (worst): technological, geographical, temporal."""

    technological: Fraction
    geographical: Fraction
    temporal: Fraction

    def __post_init__(self) -> None:
        for name, score in zip(self.__struct_fields__, self.scores, strict=True):
            if not BEST_SCORE <= score <= WORST_SCORE:
                raise MalformedFootprint(
                    name, f"a data quality rating lies between 1 and 5, not at {float(score):.6g}"
                )

    @property
    def scores(self) -> tuple[Fraction, Fraction, Fraction]:
        return self.technological, self.geographical, self.temporal


WORST_QUALITY: Final = DataQuality(Fraction(WORST_SCORE), Fraction(WORST_SCORE), Fraction(WORST_SCORE))


class VerificationShares(msgspec.Struct, frozen=True):
    """Which parts of a footprint, each from 0 to 1, are certified by program and verified by third, second, first party."""

    program: Fraction = ZERO
    third_party: Fraction = ZERO
    second_party: Fraction = ZERO
    first_party: Fraction = ZERO

    def __post_init__(self) -> None:
        for name, share in zip(self.__struct_fields__, self.shares, strict=True):
            require_share(name, share)

    @property
    def shares(self) -> tuple[Fraction, Fraction, Fraction, Fraction]:
        return self.program, self.third_party, self.second_party, self.first_party


class Uncertainty(msgspec.Struct, frozen=True):
    """The standard deviation of a total, split by what causes it: (tag, kgCO2e), each tag once and independent of the others.

    A tag that reaches a product by two ways is one cause, so its parts add up before they are squared.
    """

    causes: tuple[tuple[str, Fraction], ...] = ()

    def __post_init__(self) -> None:
        tags = [tag for tag, _ in self.causes]
        if len(set(tags)) != len(tags):
            raise MalformedFootprint("uncertainty", "a cause is named twice")

    @staticmethod
    def sum_of(terms: Iterable[tuple[Fraction, "Uncertainty"]]) -> "Uncertainty":
        """That of a sum of multiples; common causes are added with their signs."""
        parts: dict[str, Fraction] = {}
        for factor, uncertainty in terms:
            for tag, kg in uncertainty.causes:
                parts[tag] = parts.get(tag, ZERO) + factor * kg
        return Uncertainty(tuple(sorted(parts.items())))

    @property
    def variance_kg2(self) -> Fraction:
        return sum((kg * kg for _, kg in self.causes), ZERO)


def require_share(field: str, share: Fraction) -> None:
    """Raise `MalformedFootprint` unless the share lies between 0 and 1."""
    if not 0 <= share <= 1:
        raise MalformedFootprint(field, f"a share lies between 0 and 1, not at {float(share):.6g}")


class Intensity(msgspec.Struct, frozen=True, kw_only=True):
    """Emissions of one unit of an activity, as a factor gives them: kgCO2e by origin for `per`.

    `gwp_set` names the characterisation factors (`AR6`, `EF-3.1`), `source` with `year` where the figure comes from.
    `primary` is true for a figure of the supplier itself, false for one of a database. `deviation_share` is the standard
    deviation relative to the figure.
    """

    per: Quantity
    kg_by_origin: tuple[tuple[Origin, Fraction], ...]
    gwp_set: str
    source: str
    year: int
    primary: bool = False
    quality: DataQuality = WORST_QUALITY
    deviation_share: Fraction = ZERO

    def __post_init__(self) -> None:
        if self.per.value <= 0:
            raise MalformedFootprint("per", "an intensity is given for a positive amount")
        if self.kg < 0:
            raise MalformedFootprint(
                "kg_by_origin", "without uptake it is not negative; credits belong to recycling"
            )
        if len({origin for origin, _ in self.kg_by_origin}) != len(self.kg_by_origin):
            raise MalformedFootprint("kg_by_origin", "an origin is named twice")

    def of(self, amount: Quantity, stage: Stage) -> StageVector:
        """The emissions of that amount of the activity in a stage; raises `quantities.UnitMismatch`."""
        times = amount / self.per
        return StageVector.of({(stage, origin): kg * times for origin, kg in self.kg_by_origin})

    @property
    def kg(self) -> Fraction:
        """kgCO2e for `per`, without uptake."""
        return sum((kg for origin, kg in self.kg_by_origin if origin is not Origin.UPTAKE), ZERO)


class DeclaredFootprint(msgspec.Struct, frozen=True, kw_only=True):
    """What a supplier declares about an amount of its product, as far as the footprint of the next tier needs it.

    Shares and quality are those of the figure without biogenic uptake; None says that the supplier gave none.
    `rounding_bound_kg` is the most by which rounding, here and in all tiers above, can have moved the total.
    `product_mass` is the mass of the declared amount.
    """

    footprint: PerDeclaredUnit
    gwp_set: str
    basis: EndOfLifeBasis = EndOfLifeBasis.CUT_OFF
    primary_data_share: Fraction | None = None
    quality: DataQuality | None = None
    verification: VerificationShares = VerificationShares()
    uncertainty: Uncertainty = Uncertainty()
    rounding_bound_kg: Fraction = ZERO
    product_mass: Quantity | None = None
    rests_on_stale: bool = False

    def __post_init__(self) -> None:
        if self.footprint.declared.value <= 0:
            raise MalformedFootprint("declared", "a footprint is declared for a positive amount")
        if self.footprint.emissions.to_distribution_kg < 0:
            raise MalformedFootprint(
                "emissions", "up to distribution and without uptake they are not negative"
            )
        if self.primary_data_share is not None:
            require_share("primary_data_share", self.primary_data_share)
        if self.rounding_bound_kg < 0:
            raise MalformedFootprint("rounding_bound_kg", "a bound is not negative")
