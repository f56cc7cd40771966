"""The inventory of a company's own processes for one product, plant and period, and what it adds up to.

What is bought as a part with a declaration of its supplier stands in the bill of materials (`rollup`), not here. Each line has
its evidence by hash and its data quality. A line counts as primary only when both its amount was measured and its intensity
is the supplier's own; electricity with the part of its emissions that a certificate or a direct line covers.
"""

from collections.abc import Iterable
from enum import StrEnum
from fractions import Fraction
from typing import Literal

import msgspec

from ashiato.apps.carbon.allocation import Allocation, Output, allocate
from ashiato.apps.carbon.circular import CircularEmissions, CircularParameters, material_footprint
from ashiato.apps.carbon.electricity import ElectricityUse, electricity, require_single_use
from ashiato.apps.carbon.factors.gwp import Gas
from ashiato.apps.carbon.gases import GwpConversion, MixedGwpSets, characterised
from ashiato.apps.carbon.quality import QualityWeights
from ashiato.apps.carbon.rulesets import Assumption, Ruleset
from ashiato.facts.footprints import (
    ZERO,
    DataQuality,
    EndOfLifeBasis,
    Intensity,
    Origin,
    Stage,
    StageVector,
    Uncertainty,
)
from ashiato.facts.quantities import Quantity


class Kind(StrEnum):
    """What a line is about; its scope of the GHG Protocol follows from it."""

    MATERIAL = "material"
    FUEL = "fuel"
    """Burnt at the plant."""
    FUEL_SUPPLY = "fuel_supply"
    """Extraction and refining of fuels, and losses of the grid."""
    ELECTRICITY = "electricity"
    HEAT = "heat"
    DIRECT = "direct"
    """Gases that leave the process itself."""
    TRANSPORT = "transport"
    WASTE = "waste"


Scope = Literal[1, 2, 3]
_SCOPES: dict[Kind, Scope] = {Kind.FUEL: 1, Kind.DIRECT: 1, Kind.ELECTRICITY: 2, Kind.HEAT: 2}


class FaultyLine(ValueError):
    """A line of the inventory cannot be; whoever keeps it must mend `key`."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


class Evidence(msgspec.Struct, frozen=True):
    """A document that stands behind a line: its SHA-256 in hexadecimal and what it is (`power_bill`, `invoice`, ...)."""

    sha256: str
    document: str


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    stage: Stage
    measured: bool
    quality: DataQuality
    evidence: tuple[Evidence, ...] = ()
    flow: str = ""


class ActivityLine(_Line, frozen=True, kw_only=True):
    """An amount of an activity times its intensity. `flow` names it where a ruleset excludes such flows (`capital_goods`)."""

    kind: Kind
    amount: Quantity
    intensity: Intensity


class MaterialLine(_Line, frozen=True, kw_only=True):
    """A material whose recycling counts: `emissions` are those of the whole amount, for both rules of end of life."""

    amount: Quantity
    emissions: CircularEmissions
    parameters: CircularParameters
    gwp_set: str
    primary: bool = False


class DirectLine(_Line, frozen=True, kw_only=True):
    """A gas that the process itself gives off."""

    gas: Gas
    origin: Origin
    mass: Quantity


class ElectricityLine(_Line, frozen=True, kw_only=True):
    """Electricity with its certificates."""

    use: ElectricityUse


Line = ActivityLine | MaterialLine | DirectLine | ElectricityLine


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What one plant used and gave off from `from_ms` until `until_ms` to make `output` of a product.

    `products` are all products of the process with masses and prices, the main one first; without co-products one is enough.
    """

    plant: str
    product: str
    from_ms: int
    until_ms: int
    output: Quantity
    products: tuple[Output, ...]
    lines: tuple[Line, ...]


class LineResult(msgspec.Struct, frozen=True):
    """What one line adds to the declared amount of the main product, and the scope that it belongs to."""

    key: str
    kind: Kind
    emissions: StageVector
    weights: QualityWeights
    uncertainty: Uncertainty
    evidence: tuple[Evidence, ...]

    @property
    def scope(self) -> Scope:
        return scope_of(self.kind)


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """The own share of a product's footprint, for `declared` of it.

    `lines` have electricity as the ruleset's headline wants it; `by_location` and `by_market` are the whole either way.
    """

    declared: Quantity
    lines: tuple[LineResult, ...]
    by_location: StageVector
    by_market: StageVector
    allocation: Allocation
    excluded: tuple[str, ...]
    refused_certificates: tuple[str, ...]
    gwp_set: str
    basis: EndOfLifeBasis
    weighed_stages: frozenset[Stage]
    assumptions: tuple[Assumption, ...]

    @property
    def emissions(self) -> StageVector:
        return StageVector.sum_of([(Fraction(1), line.emissions) for line in self.lines])


def assess(
    inventory: Inventory,
    declared: Quantity,
    rules: Ruleset,
    *,
    basis: EndOfLifeBasis | None = None,
    conversions: Iterable[GwpConversion] = (),
) -> Assessment:
    """The own share of `declared` of the main product under the ruleset, on its basis for recycling or on another.

    Raises `FaultyLine`, `UnallocableProducts`, `DisputedElectricity`, `MixedGwpSets`, `UnknownPotential` or `UnitMismatch`.
    """
    _check(inventory)
    allocation = allocate(inventory.products, rules)
    factor = allocation.share_of(inventory.products[0].product) * (declared / inventory.output)
    reckoning = _Reckoning(rules, basis or rules.basis, {(one.found, one.wanted): one for one in conversions})
    excluded_flows = rules.excluded_flows
    counted = [line for line in inventory.lines if line.flow not in excluded_flows]
    if len(counted) < len(inventory.lines):
        reckoning.note("excluded_flows")
    by_location, by_market, lines = [], [], []
    for line in counted:
        location, market = reckoning.both(line)
        by_location.append((factor, location))
        by_market.append((factor, market))
        lines.append(reckoning.result(line, (market if reckoning.market_leads else location).scaled(factor)))
    return Assessment(
        declared=declared,
        lines=tuple(lines),
        by_location=StageVector.sum_of(by_location),
        by_market=StageVector.sum_of(by_market),
        allocation=allocation,
        excluded=tuple(line.key for line in inventory.lines if line.flow in excluded_flows),
        refused_certificates=tuple(reckoning.refused),
        gwp_set=rules.gwp_set,
        basis=reckoning.basis,
        weighed_stages=rules.weighed_stages,
        assumptions=tuple(sorted({*rules.base_notes(), *allocation.assumptions, *reckoning.notes})),
    )


def line_emissions(
    inventory: Inventory, rules: Ruleset, *, conversions: Iterable[GwpConversion] = ()
) -> list[tuple[Line, StageVector, StageVector]]:
    """Each line with what it gives off by location and by market, for the whole output of all products.

    Lines that the ruleset excludes from a product's footprint are among them. Raises what `assess` raises for a line.
    """
    _check(inventory)
    reckoning = _Reckoning(rules, rules.basis, {(one.found, one.wanted): one for one in conversions})
    return [(line, *reckoning.both(line)) for line in inventory.lines]


def kind_of(line: Line) -> Kind:
    """What a line is about."""
    return _traits(line)[0]


def scope_of(kind: Kind) -> Scope:
    """The scope of the GHG Protocol."""
    return _SCOPES.get(kind, 3)


def scopes(assessment: Assessment) -> dict[Scope, Fraction]:
    """kgCO2e without uptake by scope of the GHG Protocol, for the declared amount; ask for a year's output to see a year."""
    sums: dict[Scope, Fraction] = {1: ZERO, 2: ZERO, 3: ZERO}
    for line in assessment.lines:
        sums[line.scope] += line.emissions.excluding_uptake_kg
    return sums


class _Reckoning:
    """The lines of one inventory under one ruleset, and the notes that fall on the way."""

    def __init__(
        self, rules: Ruleset, basis: EndOfLifeBasis, conversions: dict[tuple[str, str], GwpConversion]
    ) -> None:
        self.rules = rules
        self.basis = basis
        self.conversions = conversions
        self.notes: set[Assumption] = set()
        self.refused: list[str] = []
        self.market_leads = rules.words("electricity.headline")[0] == ("market",)
        self.supplier_shares: dict[str, Fraction] = {}

    def both(self, line: Line) -> tuple[StageVector, StageVector]:
        """The emissions of a line by location and by market, which differ for electricity only."""
        if isinstance(line, ElectricityLine):
            result = electricity(line.use, line.stage, self.rules)
            self.notes.update(result.assumptions)
            self.note("electricity.headline")
            self.refused += result.refused
            self.supplier_shares[line.key] = result.supplier_share if self.market_leads else ZERO
            intensities = [share.intensity for share in result.market_shares]
            for found in {one.gwp_set for one in (line.use.grid, *intensities)}:
                if found != self.rules.gwp_set and self._conversion(line.key, found).factors:
                    raise MixedGwpSets(line.key, found, self.rules.gwp_set)
            return result.by_location, result.by_market
        emissions = self._emissions(line)
        return emissions, emissions

    def note(self, *keys: str) -> None:
        """The result rests on these values of the ruleset too."""
        self.notes.update(self.rules.note(key) for key in keys)

    def _emissions(self, line: ActivityLine | MaterialLine | DirectLine) -> StageVector:
        if isinstance(line, DirectLine):
            kg, note = characterised(self.rules.gwp_set, line.gas, line.origin, line.mass)
            self.notes.add(note)
            return StageVector.of({(line.stage, line.origin): kg})
        if isinstance(line, MaterialLine):
            vector = material_footprint(self.basis, line.emissions, line.parameters)
            if self.basis is EndOfLifeBasis.CIRCULAR_FOOTPRINT_FORMULA:
                # All of them, so that the notes do not tell what kinds of material are in the product.
                self.note(*(f"circular.{key}" for key in self.rules.keys("circular")))
            return self._on_set(line.key, line.gwp_set, vector)
        return self._on_set(line.key, line.intensity.gwp_set, line.intensity.of(line.amount, line.stage))

    def _on_set(self, key: str, found: str, vector: StageVector) -> StageVector:
        return vector if found == self.rules.gwp_set else self._conversion(key, found).of(vector)

    def _conversion(self, key: str, found: str) -> GwpConversion:
        conversion = self.conversions.get((found, self.rules.gwp_set))
        if conversion is None:
            raise MixedGwpSets(key, found, self.rules.gwp_set)
        self.notes.add(conversion.note)
        return conversion

    def result(self, line: Line, emissions: StageVector) -> LineResult:
        """The line's share with quality and uncertainty."""
        kind, primary_share, deviation_share, cause = _traits(line)
        if isinstance(line, ElectricityLine):
            primary_share = self.supplier_shares[line.key]
        base_kg = emissions.counted_kg(self.rules.weighed_stages)
        if emissions.to_distribution_kg < 0 or base_kg < 0:
            raise FaultyLine(line.key, "up to distribution its emissions are not negative; mend its figures")
        spread_kg = emissions.excluding_uptake_kg * deviation_share
        return LineResult(
            line.key,
            kind,
            emissions,
            QualityWeights.of(base_kg, primary_share if line.measured else ZERO, line.quality),
            Uncertainty(((cause, spread_kg),)) if spread_kg else Uncertainty(),
            line.evidence,
        )


def _traits(line: Line) -> tuple[Kind, Fraction, Fraction, str]:
    """Kind, which part of the intensity is primary (0 for electricity, of which its reckoning knows), its relative
    deviation, and what causes that.
    """
    if isinstance(line, ActivityLine):
        one = line.intensity
        return line.kind, Fraction(one.primary), one.deviation_share, one.source
    if isinstance(line, MaterialLine):
        return Kind.MATERIAL, Fraction(line.primary), ZERO, ""
    if isinstance(line, DirectLine):
        return Kind.DIRECT, Fraction(1), ZERO, ""
    grid = line.use.grid
    return Kind.ELECTRICITY, ZERO, grid.deviation_share, grid.source


def _check(inventory: Inventory) -> None:
    if inventory.output.value <= 0:
        raise FaultyLine("output", "the output must be positive")
    if inventory.from_ms >= inventory.until_ms:
        raise FaultyLine("period", "the period must end after its beginning")
    seen: set[str] = set()
    for line in inventory.lines:
        if line.key in seen:
            raise FaultyLine(line.key, "the key stands twice")
        seen.add(line.key)
        amount = line.mass if isinstance(line, DirectLine) else None
        if isinstance(line, ActivityLine | MaterialLine):
            amount = line.amount
        if amount is not None and amount.value < 0:
            raise FaultyLine(line.key, "an amount is not negative; a co-product stands among the products")
        if any(len(one.sha256) != 64 for one in line.evidence):
            raise FaultyLine(line.key, "evidence is named by its SHA-256 in 64 hexadecimal digits")
    require_single_use([line.use for line in inventory.lines if isinstance(line, ElectricityLine)])
