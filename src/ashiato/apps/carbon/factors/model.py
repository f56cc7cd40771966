"""What an emission factor is: greenhouse gases per amount of something, and where the figure comes from."""

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction

import msgspec

from ashiato.apps.carbon.factors.gwp import Gas, GwpSet, Origin, UnknownPotential, find_gwp_set
from ashiato.apps.carbon.factors.licences import Licence
from ashiato.facts.quantities import Quantity, exact_text


class Ownership(StrEnum):
    """Whose work the figure is: measured by the company itself (原単位 独自), bought under a licence, or published."""

    OWN = "own"
    BOUGHT = "bought"
    PUBLIC = "public"


class FactorSource(msgspec.Struct, frozen=True):
    """Where a figure stands: the database or document, its version and year, and the place inside."""

    title: str
    version: str = ""
    published: int | None = None
    dataset_id: str = ""


class GasAmount(msgspec.Struct, frozen=True):
    """Kilograms of one gas of one origin."""

    gas: Gas
    origin: Origin
    kg: Fraction


class PotentialsDiffer(ValueError):
    """The figure rests on another set of potentials and cannot be converted; who asks must choose another factor or set."""

    def __init__(self, factor_id: str, known_as: str, wanted: str) -> None:
        super().__init__(
            f"the factor {factor_id} is known only as a total by {known_as}; by {wanted} it cannot be given"
        )
        self.factor_id = factor_id
        self.known_as = known_as
        self.wanted = wanted


class ContradictoryFactor(ValueError):
    """The gases and the total of a factor do not belong together; its author must mend one of them."""

    def __init__(self, factor_id: str, problem: str) -> None:
        super().__init__(f"factor {factor_id}: {problem}")
        self.factor_id = factor_id
        self.problem = problem


class DataQuality(msgspec.Struct, frozen=True):
    """Ratings from 1 (best) to 5: technological, geographical, temporal; None where nobody rated."""

    technological: Fraction | None = None
    geographical: Fraction | None = None
    temporal: Fraction | None = None


class EmissionFactor(msgspec.Struct, frozen=True):
    """Emissions for `reference` of something.

    `gases` is what is known gas by gas; `unsplit_kgco2e` is what is known only as a sum, by the set `gwp_set_id`. Both count.
    `region` is ISO 3166-1 alpha-2 or the code of the source (GLO, RER); `reference_year` the year that the figure describes.
    What it looks like in a log shows no figure: see `__repr__`.
    """

    id: str
    name: str
    reference: Quantity
    ownership: Ownership
    source: FactorSource
    licence: Licence
    gwp_set_id: str
    gases: tuple[GasAmount, ...] = ()
    unsplit_kgco2e: Fraction = Fraction(0)
    region: str = ""
    reference_year: int | None = None
    material: str = ""
    quality: DataQuality = DataQuality()
    valid_until_ms: int | None = None
    comment: str = ""

    def __repr__(self) -> str:
        """Without figures: a factor may be licensed, and a log is read by many."""
        return f"EmissionFactor(id={self.id!r}, source={self.source.title!r}, licence={self.licence.id!r})"

    @property
    def known_gas_by_gas(self) -> bool:
        return self.unsplit_kgco2e == 0

    def kgco2e(self, gwp_set: GwpSet) -> Fraction:
        """kg CO2e for `reference` by `gwp_set`. Raises `PotentialsDiffer` where only a total by another set is known."""
        if not self.known_gas_by_gas and gwp_set.id != self.gwp_set_id:
            raise PotentialsDiffer(self.id, self.gwp_set_id, gwp_set.id)
        try:
            return self.unsplit_kgco2e + sum(
                (amount.kg * gwp_set.potential(amount.gas, amount.origin) for amount in self.gases),
                Fraction(0),
            )
        except UnknownPotential as unknown:
            raise PotentialsDiffer(self.id, self.gwp_set_id, gwp_set.id) from unknown

    def kgco2e_for(self, amount: Quantity, gwp_set: GwpSet) -> Fraction:
        """kg CO2e of `amount`; raises `UnitMismatch` where the factor is for another dimension, or `PotentialsDiffer`."""
        return self.kgco2e(gwp_set) * (amount / self.reference)


def gases_from(amounts: Mapping[tuple[Gas, Origin], Fraction]) -> tuple[GasAmount, ...]:
    """The split in a fixed order, without zeros, so that equal splits are equal values."""
    return tuple(
        GasAmount(gas, origin, amounts[gas, origin])
        for gas, origin in sorted(amounts)
        if amounts[gas, origin]
    )


def check_factor(factor: EmissionFactor) -> EmissionFactor:
    """`factor` itself, if it can be used; raises `ContradictoryFactor` or `UnknownGwpSet`.

    The reference is more than nothing, and every gas has a potential in the factor's own set.
    """
    gwp_set = find_gwp_set(factor.gwp_set_id)
    if factor.reference.value <= 0:
        raise ContradictoryFactor(
            factor.id, f"the reference amount {factor.reference} is not more than nothing"
        )
    if len({(amount.gas, amount.origin) for amount in factor.gases}) != len(factor.gases):
        raise ContradictoryFactor(factor.id, "a gas of one origin stands twice in the split")
    for amount in factor.gases:
        try:
            gwp_set.potential(amount.gas, amount.origin)
        except UnknownPotential as unknown:
            raise ContradictoryFactor(factor.id, str(unknown)) from None
    return factor


def with_total(
    factor: EmissionFactor, total_kgco2e: Fraction, tolerance: Fraction = Fraction(1, 200)
) -> EmissionFactor:
    """`factor` where the source also states a total: what the split does not explain becomes `unsplit_kgco2e`.

    Sources round, so a difference of at most `tolerance` of the total is rounding and the split stands alone. A split that
    explains more than the total contradicts it: raises `ContradictoryFactor`.
    """
    if not factor.gases:
        return msgspec.structs.replace(factor, unsplit_kgco2e=total_kgco2e)
    rest = total_kgco2e - factor.kgco2e(find_gwp_set(factor.gwp_set_id))
    if abs(rest) <= abs(total_kgco2e) * tolerance:
        return factor
    if rest < 0:
        raise ContradictoryFactor(
            factor.id, f"the gases by {factor.gwp_set_id} come to more than the stated total"
        )
    return msgspec.structs.replace(factor, unsplit_kgco2e=rest)


def factor_to_builtins(factor: EmissionFactor) -> dict[str, object]:
    """Plain values for a store or a file, numbers as exact text. It shows everything: ask `licences` first."""
    return {
        "id": factor.id,
        "name": factor.name,
        "reference": {"value": exact_text(factor.reference.value), "unit": factor.reference.unit.symbol},
        "ownership": factor.ownership.value,
        "source": msgspec.to_builtins(factor.source),
        "licence": msgspec.to_builtins(factor.licence),
        "gwpSet": factor.gwp_set_id,
        "gases": [
            {"gas": amount.gas.value, "origin": amount.origin.value, "kg": exact_text(amount.kg)}
            for amount in factor.gases
        ],
        "unsplitKgco2e": exact_text(factor.unsplit_kgco2e),
        "region": factor.region,
        "referenceYear": factor.reference_year,
        "material": factor.material,
        "quality": [
            None if rating is None else exact_text(rating)
            for rating in (factor.quality.technological, factor.quality.geographical, factor.quality.temporal)
        ],
        "validUntilMs": factor.valid_until_ms,
        "comment": factor.comment,
    }
