"""The footprint of a product: own processes + Σ quantity × the supplier's declaration, exact from end to end.

What suppliers declared is multiplied as it was declared and never rounded again. The result keeps the exact value; a scheme's
figure is made from it once (`declared_as`).
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from math import isqrt

import msgspec

from ashiato.apps.carbon.gases import GwpConversion, MixedGwpSets
from ashiato.apps.carbon.inventory import Assessment
from ashiato.apps.carbon.quality import QualityWeights
from ashiato.apps.carbon.rulesets import EXACT, Assumption, Rounding
from ashiato.facts.footprints import (
    ZERO,
    DataQuality,
    DeclaredFootprint,
    EndOfLifeBasis,
    PerDeclaredUnit,
    Stage,
    StageVector,
    Uncertainty,
    VerificationShares,
)
from ashiato.facts.quantities import Dimension, Quantity, UnitMismatch, decimal_exponent, round_decimals
from ashiato.law.provisions import Standing

SHARE_DECIMALS_COUNT = 5
"""Shares and ratings are declared with as many decimals as Ouranos takes (front end, `calcDqrValue`, 2025)."""
_SPREAD_DIGITS_COUNT = 3


class InputStanding(StrEnum):
    """Whether a supplier's declaration still holds."""

    CURRENT = "current"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    RESTS_ON_STALE = "rests_on_stale"
    """It holds itself, and says that something under it does not."""


class UnusableInput(ValueError):
    """A line of the bill cannot be computed with; whoever keeps it must mend `key`."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


class MixedBases(UnusableInput):
    """A declaration shares recycling by another rule than the result: added, its credits would count twice."""


class CyclicProduct(ValueError):
    """A product contains itself; whoever keeps the bills must mend one on the `path`."""

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(f"the product contains itself: {' → '.join(path)}")
        self.path = path


class Purchased(msgspec.Struct, frozen=True, kw_only=True):
    """An input with the declaration of whoever makes it.

    `quantity` is the net amount in the declared amount of the product; with `loss_share` more is taken in: net / (1 - loss).
    `stage` puts what a supplier declares up to distribution into that stage; None leaves its own stages. `by_mass` permits to
    convert an amount of mass by the product mass that the supplier declares. `without_recycling` says that neither recycled
    content nor a credit is in the supplier's figure, as the supplier states; then both rules of recycling give the same.
    `declaration_sha256` names the document.
    """

    key: str
    quantity: Quantity
    declared: DeclaredFootprint
    declaration_sha256: str = ""
    loss_share: Fraction = ZERO
    stage: Stage | None = None
    by_mass: bool = False
    without_recycling: bool = False
    standing: InputStanding = InputStanding.CURRENT


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one line adds: `factor` × `emissions`. `own` is a process of one's own, else an input that was declared."""

    key: str
    own: bool
    factor: Fraction
    emissions: StageVector
    weights: QualityWeights
    uncertainty: Uncertainty
    standing: InputStanding = InputStanding.CURRENT

    @property
    def total_kg(self) -> Fraction:
        """kgCO2e without uptake."""
        return self.factor * self.emissions.excluding_uptake_kg


class RollUp(msgspec.Struct, frozen=True, kw_only=True):
    """The exact footprint of `declared` of a product, with everything that it rests on."""

    declared: Quantity
    gwp_set: str
    basis: EndOfLifeBasis
    emissions: StageVector
    weights: QualityWeights
    uncertainty: Uncertainty
    rounding_bound_kg: Fraction
    contributions: tuple[Contribution, ...]
    assumptions: tuple[Assumption, ...]

    @property
    def stale(self) -> tuple[Contribution, ...]:
        """The inputs that do not hold any more, or rest on some that do not."""
        return tuple(one for one in self.contributions if one.standing is not InputStanding.CURRENT)


_ALIKE = Assumption(
    key="basis.inputs",
    value="inputs without recycled content and credits count alike on both bases",
    unit="",
    source="suppliers' statements",
    year=0,
    standing=Standing.ASSUMPTION,
)


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A product of one's own: own processes, what is bought, and which other own products go in (quantity net, loss share)."""

    own: Assessment
    bought: tuple[Purchased, ...] = ()
    parts: tuple[tuple[str, Quantity, Fraction], ...] = ()


def roll_up(
    own: Assessment, bought: Sequence[Purchased], *, conversions: Iterable[GwpConversion] = ()
) -> RollUp:
    """The footprint of `own.declared` of the product.

    Co-products of the own process bear their share of what it takes in, as of what it gives off. Raises `UnusableInput`,
    `MixedBases` or `MixedGwpSets`.
    """
    by_sets = {(one.found, one.wanted): one for one in conversions}
    share = own.allocation.shares[0][1]
    notes: set[Assumption] = set(own.assumptions)
    contributions = [
        Contribution(
            key=line.key,
            own=True,
            factor=Fraction(1),
            emissions=line.emissions,
            weights=line.weights,
            uncertainty=line.uncertainty,
        )
        for line in own.lines
    ]
    bounds: list[tuple[Fraction, Fraction]] = []
    for line in bought:
        declared = _comparable(line, own, by_sets, notes)
        factor = share * _times(line)
        contributions.append(_contribution(line, declared, factor, own.weighed_stages))
        bounds.append((factor, declared.rounding_bound_kg))
    return RollUp(
        declared=own.declared,
        gwp_set=own.gwp_set,
        basis=own.basis,
        emissions=StageVector.sum_of([(one.factor, one.emissions) for one in contributions]),
        weights=QualityWeights.sum_of([(one.factor, one.weights) for one in contributions]),
        uncertainty=Uncertainty.sum_of([(one.factor, one.uncertainty) for one in contributions]),
        rounding_bound_kg=sum((factor * bound_kg for factor, bound_kg in bounds), ZERO),
        contributions=tuple(contributions),
        assumptions=tuple(sorted(notes)),
    )


def roll_up_all(
    products: Mapping[str, Product], *, conversions: Iterable[GwpConversion] = ()
) -> dict[str, RollUp]:
    """The footprints of own products of which one goes into another, lowest first; nothing is rounded between them.

    Raises `CyclicProduct`, `UnusableInput` for a part that is no product here, and what `roll_up` raises.
    """
    given = tuple(conversions)
    results: dict[str, RollUp] = {}
    for name in _lowest_first(products):
        product = products[name]
        inner = [
            Purchased(
                key=part,
                quantity=quantity,
                loss_share=loss_share,
                declared=declared_as(results[part], EXACT),
                standing=InputStanding.RESTS_ON_STALE if results[part].stale else InputStanding.CURRENT,
            )
            for part, quantity, loss_share in product.parts
        ]
        results[name] = roll_up(product.own, [*product.bought, *inner], conversions=given)
    return results


def declared_as(
    result: RollUp, rounding: Rounding, *, cause: str = "", product_mass: Quantity | None = None
) -> DeclaredFootprint:
    """What is declared of a result: each figure rounded once from the exact value, and the bound grown by that.

    Rounded, the uncertainty goes out as one number under the tag `cause`, so that nothing tells of the causes behind it.
    """
    emissions, bound_kg = rounding.of_vector(result.emissions)
    weights = result.weights
    share, quality, verification = weights.primary_data_share, weights.quality, weights.verification
    uncertainty = result.uncertainty
    if rounding.kind != "none":
        share = None if share is None else round_decimals(share, SHARE_DECIMALS_COUNT)
        quality = None if quality is None else DataQuality(*_rounded(quality.scores))
        verification = VerificationShares(*_rounded(verification.shares))
        uncertainty = collapsed(uncertainty, cause)
    return DeclaredFootprint(
        footprint=PerDeclaredUnit(emissions, result.declared),
        gwp_set=result.gwp_set,
        basis=result.basis,
        primary_data_share=share,
        quality=quality,
        verification=verification,
        uncertainty=uncertainty,
        rounding_bound_kg=result.rounding_bound_kg + bound_kg,
        product_mass=product_mass,
        rests_on_stale=bool(result.stale),
    )


def collapsed(uncertainty: Uncertainty, cause: str) -> Uncertainty:
    """All causes as one, its standard deviation rounded up to three significant digits."""
    variance_kg2 = uncertainty.variance_kg2
    if not variance_kg2:
        return Uncertainty()
    # The square root is about ten to half the exponent of its square.
    scale = Fraction(10) ** (_SPREAD_DIGITS_COUNT - 1 - decimal_exponent(variance_kg2) // 2)
    squared = variance_kg2 * scale * scale
    root = isqrt(squared.numerator // squared.denominator)
    return Uncertainty(((cause, Fraction(root if root * root >= squared else root + 1) / scale),))


def downstream_of(changed: Iterable[str], inputs: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The products that rest on what changed, by any number of steps; `inputs` names what goes into each product."""
    users: dict[str, list[str]] = {}
    for product, parts in inputs.items():
        for part in parts:
            users.setdefault(part, []).append(product)
    reached: set[str] = set()
    pending = list(changed)
    while pending:
        for user in users.get(pending.pop(), ()):
            if user not in reached:
                reached.add(user)
                pending.append(user)
    return frozenset(reached)


def _comparable(
    line: Purchased,
    own: Assessment,
    conversions: Mapping[tuple[str, str], GwpConversion],
    notes: set[Assumption],
) -> DeclaredFootprint:
    """The declaration on the basis and the factors of the result, in the stage that the line asks for."""
    declared = line.declared
    emissions = declared.footprint.emissions
    if declared.basis is not own.basis:
        if not line.without_recycling or any(emissions.only(frozenset({Stage.END_OF_LIFE})).cells_kg):
            raise MixedBases(
                line.key, f"it is declared on {declared.basis.value} and the result is on {own.basis.value}"
            )
        notes.add(_ALIKE)
    if declared.gwp_set != own.gwp_set:
        conversion = conversions.get((declared.gwp_set, own.gwp_set))
        if conversion is None:
            raise MixedGwpSets(line.key, declared.gwp_set, own.gwp_set)
        notes.add(conversion.note)
        largest = conversion.largest_factor
        emissions = conversion.of(emissions)
        declared = msgspec.structs.replace(
            declared,
            rounding_bound_kg=declared.rounding_bound_kg * largest,
            uncertainty=Uncertainty.sum_of(((largest, declared.uncertainty),)),
        )
    if line.stage is Stage.END_OF_LIFE:
        raise UnusableInput(line.key, "an input is counted in a stage before the end of life")
    if line.stage is not None:
        emissions = emissions.within(line.stage)
    footprint = PerDeclaredUnit(emissions, declared.footprint.declared)
    return msgspec.structs.replace(declared, footprint=footprint)


def _times(line: Purchased) -> Fraction:
    """How many declared amounts the process takes in."""
    if line.quantity.value < 0:
        raise UnusableInput(line.key, "a quantity is not negative")
    if not 0 <= line.loss_share < 1:
        raise UnusableInput(line.key, "a loss is a share from 0 to below 1 of what is taken in")
    reference = line.declared.footprint.declared
    if line.by_mass and line.quantity.dimension is Dimension.MASS is not reference.dimension:
        if line.declared.product_mass is None or line.declared.product_mass.value <= 0:
            raise UnusableInput(line.key, "its supplier declares no mass by which to convert")
        reference = line.declared.product_mass
    try:
        return line.quantity / reference / (1 - line.loss_share)
    except UnitMismatch as error:
        raise UnusableInput(line.key, str(error)) from None


def _contribution(
    line: Purchased, declared: DeclaredFootprint, factor: Fraction, weighed: frozenset[Stage]
) -> Contribution:
    standing = line.standing
    if standing is InputStanding.CURRENT and declared.rests_on_stale:
        standing = InputStanding.RESTS_ON_STALE
    return Contribution(
        key=line.key,
        own=False,
        factor=factor,
        emissions=declared.footprint.emissions,
        weights=QualityWeights.of_declared(declared, weighed),
        uncertainty=declared.uncertainty,
        standing=standing,
    )


def _rounded(values: Iterable[Fraction]) -> tuple[Fraction, ...]:
    return tuple(round_decimals(value, SHARE_DECIMALS_COUNT) for value in values)


def _lowest_first(products: Mapping[str, Product]) -> list[str]:
    """Each product after everything that goes into it, without recursion, so that no depth is too deep."""
    order: list[str] = []
    done: set[str] = set()
    for start in products:
        path: list[tuple[str, list[str]]] = []
        _enter(start, products, path, done)
        while path:
            name, parts = path[-1]
            if parts:
                _enter(parts.pop(), products, path, done)
            else:
                path.pop()
                if name not in done:
                    done.add(name)
                    order.append(name)
    return order


def _enter(
    name: str, products: Mapping[str, Product], path: list[tuple[str, list[str]]], done: set[str]
) -> None:
    if name in done:
        return
    on_way = [step for step, _ in path]
    if name in on_way:
        raise CyclicProduct((*on_way[on_way.index(name) :], name))
    if name not in products:
        raise UnusableInput(name, "no such product is computed here; declare it or add it")
    path.append((name, [part for part, _, _ in products[name].parts]))
