"""A declared footprint as the life-cycle assessment of the next level takes it: a battery in a vehicle, a cell in a pack.

The same footprint is told per declared unit, per piece or kilogram, and for a battery per kilowatt-hour of capacity and
delivered. These are measures of one thing and never parts of a sum; which of them may go into the sum of the next level, and
on what condition, is said with them.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Literal

import msgspec

from ashiato.apps.carbon.declarations import (
    MAX_DOCUMENT_BYTES,
    FootprintDeclaration,
    read_declaration,
    standing_of,
)
from ashiato.apps.carbon.rollup import InputStanding
from ashiato.apps.carbon.rulesets import Rounding
from ashiato.facts.footprints import STAGES, Origin, Stage, StageVector
from ashiato.facts.quantities import KILOGRAM, PIECE, Quantity, Unit, exact_text
from ashiato.facts.strict_json import MalformedJson, parse_strict

SHOWN = Rounding("significant", 6)
"""Figures for another amount than the declared one are for reading: six digits. One computes with the declared ones."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """kgCO2e of `amount` `unit` by stage; `total` is without biogenic uptake."""

    amount: str
    unit: str
    stages: dict[Stage, str]
    total: str
    is_declared: bool = False
    """True where the figures are those of the declaration itself; false where they are made of it, with six digits."""


class PerEnergy(msgspec.Struct, frozen=True, kw_only=True):
    """kgCO2e per kilowatt-hour by stage, as the issuer declared it."""

    measure: Literal["per_kwh_of_rated_capacity", "per_kwh_delivered"]
    stages: dict[str, str]
    total: str


class _Measure(msgspec.Struct, frozen=True):
    stages_kg_co2e: dict[str, str] = msgspec.field(name="stagesKgCo2e")
    total_kg_co2e: str = msgspec.field(name="totalKgCo2e")


class _BatteryFigures(msgspec.Struct, frozen=True):
    """What is read of the app's result of a battery."""

    declaration_sha256: str = msgspec.field(name="declarationSha256")
    per_kwh_delivered: _Measure = msgspec.field(name="perKwhDelivered")
    per_kwh_of_rated_capacity: _Measure = msgspec.field(name="perKwhOfRatedCapacity")


class Rule(msgspec.Struct, frozen=True):
    """What may or may not be done with the figures: a code, and what it is about.

    `add_once`: one of these goes into the sum of the next level, once. `never_add`: measures of one thing. `same_basis_only` and
    `same_gwp_set_only`: into a sum on the same rule of recycling and the same potentials. `credits_are_inside`: the end of life
    is counted already, with its credits. `use_is_outside`: losses and charging in use are the next level's own.
    `uptake_is_apart`: the total with biogenic uptake stands beside, and is not part of the other. `does_not_hold`: why not.
    """

    code: Literal[
        "add_once",
        "never_add",
        "same_basis_only",
        "credits_are_inside",
        "same_gwp_set_only",
        "use_is_outside",
        "uptake_is_apart",
        "does_not_hold",
    ]
    about: tuple[str, ...] = ()


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the next level needs of one declaration."""

    declaration_id: str
    declaration_sha256: str
    issuer: str
    product: str
    ruleset: str
    gwp_set: str
    basis: str
    valid_from_ms: int
    valid_until_ms: int
    primary_data_share: str
    bound_kg: str
    figures: tuple[Figure, ...]
    per_energy: tuple[PerEnergy, ...]
    rules: tuple[Rule, ...]


def handover(declaration: bytes, battery: bytes | None, now_ms: int) -> Handover:
    """The figures of a declaration for the next level; `battery` counts only if it was made of this declaration.

    Raises `MalformedDeclaration`.
    """
    document, declared = read_declaration(declaration)
    emissions, amount = declared.footprint.emissions, declared.footprint.declared
    digest = sha256(declaration).hexdigest()
    figures = [
        Figure(
            amount=document.amount,
            unit=document.unit,
            stages={stage: exact_text(emissions.stage_kg(stage)) for stage in STAGES},
            total=document.total_kg,
            is_declared=True,
        )
    ]
    for unit, of in ((PIECE, amount), (KILOGRAM, amount), (KILOGRAM, declared.product_mass)):
        made = _for_one(emissions, of, unit)
        if made is not None and all((one.amount, one.unit) != (made.amount, made.unit) for one in figures):
            figures.append(made)
    per_energy = () if battery is None else _per_energy(battery, digest)
    return Handover(
        declaration_id=document.id,
        declaration_sha256=digest,
        issuer=document.issuer,
        product=document.product,
        ruleset=f"{document.ruleset.id} {document.ruleset.edition}",
        gwp_set=document.gwp_set,
        basis=document.basis.value,
        valid_from_ms=document.valid_from_ms,
        valid_until_ms=document.valid_until_ms,
        primary_data_share=document.primary_data_share,
        bound_kg=document.rounding.bound_kg,
        figures=tuple(figures),
        per_energy=per_energy,
        rules=_rules(document, emissions, figures, per_energy, now_ms),
    )


def _for_one(emissions: StageVector, amount: Quantity | None, unit: Unit) -> Figure | None:
    """The footprint of one `unit`, where `amount` of the product is an amount of that kind."""
    if amount is None or amount.dimension is not unit.dimension or amount.value <= 0:
        return None
    one = emissions.scaled(1 / amount.value_in(unit))
    return Figure(
        amount="1",
        unit=unit.symbol,
        stages={stage: exact_text(SHOWN.of(one.stage_kg(stage))) for stage in STAGES},
        total=exact_text(SHOWN.of(one.excluding_uptake_kg)),
    )


def _per_energy(battery: bytes, declaration_sha256: str) -> tuple[PerEnergy, ...]:
    try:
        document = msgspec.convert(parse_strict(battery, max_bytes=MAX_DOCUMENT_BYTES), _BatteryFigures)
    except (MalformedJson, msgspec.ValidationError):
        return ()
    if document.declaration_sha256 != declaration_sha256:
        return ()
    capacity, delivered = document.per_kwh_of_rated_capacity, document.per_kwh_delivered
    return (
        PerEnergy(
            measure="per_kwh_of_rated_capacity",
            stages=capacity.stages_kg_co2e,
            total=capacity.total_kg_co2e,
        ),
        PerEnergy(
            measure="per_kwh_delivered", stages=delivered.stages_kg_co2e, total=delivered.total_kg_co2e
        ),
    )


def _rules(
    document: FootprintDeclaration,
    emissions: StageVector,
    figures: Sequence[Figure],
    per_energy: Sequence[PerEnergy],
    now_ms: int,
) -> tuple[Rule, ...]:
    amounts = tuple(f"{one.amount} {one.unit}" for one in figures)
    rules = [
        Rule("add_once", amounts),
        Rule("never_add", (*amounts, *(one.measure for one in per_energy))),
        Rule("same_basis_only", (document.basis.value,)),
        Rule("same_gwp_set_only", (document.gwp_set,)),
        Rule("use_is_outside"),
    ]
    if emissions.stage_kg(Stage.END_OF_LIFE) < 0:
        rules.append(Rule("credits_are_inside", (Stage.END_OF_LIFE.value,)))
    if emissions.origin_kg(Origin.UPTAKE):
        rules.append(Rule("uptake_is_apart", (document.total_with_uptake_kg,)))
    if standing_of(document, now_ms) is not InputStanding.CURRENT:
        rules.append(Rule("does_not_hold", (standing_of(document, now_ms).value,)))
    return tuple(rules)
