"""From a company's own inventory and the declarations that it received to its declaration, by arithmetic alone.

Nothing but the arguments enters: the same documents under the same program give the same bytes, which is what lets a verifier
compute a result again. What a supplier declared counts only if it came from that supplier, about the product that was bought.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from hashlib import sha256
from typing import NamedTuple

import msgspec
import rfc8785

from ashiato.apps.carbon.allocation import UnallocableProducts
from ashiato.apps.carbon.attestations import Party, verified_by
from ashiato.apps.carbon.commitments import Opening, commit, kept_lines, line_documents, open_line
from ashiato.apps.carbon.declarations import (
    LEAST_VALIDITY_MS,
    FootprintDeclaration,
    Issue,
    MalformedDeclaration,
    UndeclarableResult,
    calculation_record,
    canonical,
    declare,
    read_declaration,
    standing_of,
)
from ashiato.apps.carbon.electricity import DisputedElectricity
from ashiato.apps.carbon.explain import gap_report
from ashiato.apps.carbon.factors.gwp import UnknownGwpSet, UnknownPotential
from ashiato.apps.carbon.functional_unit import (
    ServiceLife,
    UnfitBattery,
    per_kwh_capacity,
    per_kwh_delivered,
    service_life,
)
from ashiato.apps.carbon.gases import SAME_FACTORS, MixedGwpSets
from ashiato.apps.carbon.inventory import FaultyLine, assess
from ashiato.apps.carbon.inventory_documents import (
    Battery,
    MalformedInventory,
    OwnInventory,
    Part,
    read_inventory,
)
from ashiato.apps.carbon.rollup import InputStanding, Purchased, RollUp, UnusableInput, roll_up
from ashiato.apps.carbon.rulesets import NotInRuleset, Ruleset, counted
from ashiato.facts.footprints import STAGES, DeclaredFootprint, PerDeclaredUnit, StageVector
from ashiato.facts.quantities import KILOWATT_HOUR, UnitMismatch, exact_text, fixed_text
from ashiato.statements.signed_words import WordStanding

INVENTORY, FOOTPRINT, BATTERY, CALCULATION, CONTRIBUTIONS, LINES = (
    "carbon-inventory-",
    "carbon-footprint-",
    "carbon-battery-",
    "carbon-calculation-",
    "carbon-contributions-",
    "carbon-lines-",
)
"""How the ids of assets begin: what the app reads of its own company, and the five results of a calculation.

The lines are named by the hash of the declaration, the others by the product.
"""
VERIFICATION = "carbon-verification-"
"""How a verifier's statement is called among the inputs of a calculation."""


class MissingDeclaration(LookupError):
    """No declaration of the supplier about what was bought is there; ask the supplier for it, or mend the bill of material."""

    def __init__(self, product: str, part: str, supplier: str, unreadable_count: int) -> None:
        told = f"; {unreadable_count} documents of it cannot be read" if unreadable_count else ""
        super().__init__(f"{product}: {supplier} has declared nothing about {part}{told}")
        self.product = product
        self.part = part
        self.supplier = supplier
        self.unreadable_count = unreadable_count


REFUSALS = (
    MalformedInventory,
    MissingDeclaration,
    FaultyLine,
    UnallocableProducts,
    DisputedElectricity,
    MixedGwpSets,
    UnknownGwpSet,
    UnknownPotential,
    UnusableInput,
    UnitMismatch,
    NotInRuleset,
    UnfitBattery,
    UndeclarableResult,
)
"""All that `calculate` raises: each tells in a sentence what whoever keeps the inventory must mend."""


class NotCommitted(ValueError):
    """The inventory has no secret, so its declaration commits to nothing; give the next version one."""

    def __init__(self, product: str) -> None:
        super().__init__(f"the inventory of {product} has no commitmentSecret; give its next version one")
        self.product = product


class Attested(NamedTuple):
    """What a verifier whom this company believes signed about a declaration, by the hash of the statement."""

    verifier: str
    party: Party
    at_ms: int
    valid_until_ms: int
    sha256: str

    def counts(self, on_ms: int) -> bool:
        """Whether it does on that day."""
        return not self.valid_until_ms or on_ms < self.valid_until_ms


class Received(NamedTuple):
    """A declaration as it came: from whom, when, its hexadecimal SHA-256 and its canonical bytes.

    `standing` is what is known of it since, `attested` what verifiers signed about it. Nothing here checks a signature: that is
    `accepting`.
    """

    partner: str
    received_ms: int
    sha256: str
    content: bytes
    standing: WordStanding = WordStanding.HOLDS
    attested: tuple[Attested, ...] = ()


class Revision(NamedTuple):
    """The names of a declaration that the app makes by itself, because something under the inventory's own one changed."""

    id: str
    supersedes: str


class Calculation(NamedTuple):
    """What is made of one inventory, each as canonical JSON; `battery` is None for what is no battery.

    `declaration` and `battery` are made to be shown to customers. `record`, `contributions` and `lines` tell of suppliers and
    recipe, and stay in the company; `lines` is None for an inventory without a secret. `rests_on` are the declarations that it
    was computed from, as supplier and hash. `own` and the exact `result` stay too: explanations are
    made from them.
    """

    product: str
    declaration: bytes
    battery: bytes | None
    record: bytes
    contributions: bytes
    own: OwnInventory
    result: RollUp
    lines: bytes | None = None
    rests_on: tuple[tuple[str, str], ...] = ()


class _Choice(NamedTuple):
    """The declaration that a part of the bill is computed with."""

    received: Received
    document: FootprintDeclaration
    declared: DeclaredFootprint
    superseded: frozenset[str]

    @property
    def there_ms(self) -> int:
        """From when it can be computed with: it had come, and its validity had begun."""
        return max(self.received.received_ms, self.document.valid_from_ms)


def calculate(
    content: bytes,
    received: Sequence[Received],
    issuer: str,
    program: str,
    revision: Revision | None = None,
) -> Calculation:
    """The calculation of the inventory in `content` for the company `issuer`; `program` names app, version and digest.

    Whether an input still holds is judged for the day from which the new declaration is valid. A revision is valid from when
    the newest declaration under it was there and valid. Raises one of `REFUSALS`.
    """
    own = read_inventory(content)
    choices = {part.document.key: _chosen(part, received, own) for part in own.parts}
    from_ms, until_ms = own.document.issue.valid_from_ms, own.document.issue.valid_until_ms
    if revision is not None:
        from_ms = max([from_ms, *(choice.there_ms for choice in choices.values())])
        until_ms = max(until_ms, from_ms + LEAST_VALIDITY_MS)
    bought = [_purchased(part, choices[part.document.key], from_ms) for part in own.parts]
    assessment = assess(own.inventory, own.declared, own.rules, conversions=SAME_FACTORS)
    result = roll_up(assessment, bought, conversions=SAME_FACTORS)
    lines = line_documents(own.inventory.lines, bought)
    document = own.document
    declaration = declare(
        result,
        own.rules,
        Issue(
            id=document.issue.id if revision is None else revision.id,
            issuer=issuer,
            product=document.product,
            plant=document.plant,
            supersedes=document.issue.supersedes if revision is None else revision.supersedes,
            geography=document.geography,
            product_mass=own.product_mass,
            reference_from_ms=document.reference_from_ms,
            reference_until_ms=document.reference_until_ms,
            valid_from_ms=from_ms,
            valid_until_ms=until_ms,
            inventory=commit(lines, own.commitment_secret) if own.commitment_secret else None,
        ),
    )
    shown = canonical(declaration)
    hashes = {INVENTORY + document.product: sha256(content).hexdigest()} | {
        f"{FOOTPRINT}{part.document.product} {part.document.supplier}": choices[
            part.document.key
        ].received.sha256
        for part in own.parts
    }
    hashes |= {
        f"{VERIFICATION}{part.document.product} {part.document.supplier} {attested.verifier}": attested.sha256
        for part in own.parts
        for attested in choices[part.document.key].received.attested
        if attested.counts(from_ms)
    }
    used = {(part.document.supplier, choices[part.document.key].received.sha256): None for part in own.parts}
    return Calculation(
        product=document.product,
        declaration=shown,
        battery=None if own.battery is None else _battery(result, own.rules, own.battery, shown),
        record=calculation_record(result, own.rules, program, hashes),
        contributions=_contributions(result, shown),
        own=own,
        result=result,
        lines=kept_lines(shown, lines, own.commitment_secret) if own.commitment_secret else None,
        rests_on=tuple(used),
    )


def suppliers_of(contents: Iterable[bytes]) -> frozenset[str]:
    """The suppliers that inventories name; a document that cannot be read names none."""
    named: set[str] = set()
    for content in contents:
        with suppress(MalformedInventory):
            named |= {part.document.supplier for part in read_inventory(content).parts}
    return frozenset(named)


def open_line_of(content: bytes, received: Sequence[Received], index: int) -> Opening:
    """One line or part of an inventory (lines first, in their order) with what proves that it stands in the commitment.

    Raises IndexError for a line that is not there, `NotCommitted`, `MalformedInventory` and `MissingDeclaration`.
    """
    own = read_inventory(content)
    if not own.commitment_secret:
        raise NotCommitted(own.document.product)
    from_ms = own.document.issue.valid_from_ms
    bought = [_purchased(part, _chosen(part, received, own), from_ms) for part in own.parts]
    return open_line(line_documents(own.inventory.lines, bought), own.commitment_secret, index)


def _chosen(part: Part, received: Sequence[Received], own: OwnInventory) -> _Choice:
    """The newest declaration of the supplier that no other of its declarations supersedes."""
    wanted = part.document
    candidates: list[tuple[Received, FootprintDeclaration, DeclaredFootprint]] = []
    unreadable_count = 0
    for one in received:
        if one.partner != wanted.supplier:
            continue
        try:
            document, declared = read_declaration(one.content)
        except MalformedDeclaration:
            unreadable_count += 1
            continue
        if document.product == wanted.product and document.issuer == wanted.supplier:
            candidates.append((one, document, declared))
    superseded = frozenset(document.supersedes for _, document, _ in candidates if document.supersedes)
    standing = [candidate for candidate in candidates if candidate[1].id not in superseded] or candidates
    if not standing:
        raise MissingDeclaration(own.document.product, wanted.product, wanted.supplier, unreadable_count)
    newest = max(standing, key=lambda one: (one[1].valid_from_ms, one[0].received_ms, one[0].sha256))
    return _Choice(*newest, superseded)


def _purchased(part: Part, choice: _Choice, from_ms: int) -> Purchased:
    return Purchased(
        key=part.document.key,
        quantity=part.quantity,
        loss_share=part.loss_share,
        declared=_attested(choice, from_ms),
        declaration_sha256=choice.received.sha256,
        stage=part.document.stage,
        by_mass=part.document.by_mass,
        without_recycling=part.document.without_recycling,
        standing=_standing(choice, from_ms),
    )


def _standing(choice: _Choice, on_ms: int) -> InputStanding:
    """By what its issuer and its newer versions say; the gravest."""
    told, declared_id = choice.received.standing, choice.document.id
    superseded = {*choice.superseded, *([declared_id] if told is WordStanding.SUPERSEDED else [])}
    withdrawn = {declared_id} if told is WordStanding.WITHDRAWN else set()
    found = standing_of(choice.document, on_ms, superseded, withdrawn)
    if found is InputStanding.CURRENT and told is WordStanding.RESTS_ON_STALE:
        return InputStanding.RESTS_ON_STALE
    return found


def _attested(choice: _Choice, on_ms: int) -> DeclaredFootprint:
    declared = choice.declared
    for attested in choice.received.attested:
        if attested.counts(on_ms):
            declared = verified_by(declared, attested.party)
    return declared


def _battery(result: RollUp, rules: Ruleset, battery: Battery, declaration: bytes) -> bytes:
    """Both figures per kWh, each rounded once from the exact footprint."""
    footprint = PerDeclaredUnit(counted(result.emissions, rules), result.declared)
    life = service_life(rules, battery.vehicle_category, battery.usable_energy, battery.warranty)
    delivered = per_kwh_delivered(footprint, life).emissions
    capacity = per_kwh_capacity(footprint, battery.rated_energy, usable=False).emissions
    return rfc8785.dumps(
        {
            "type": "BatteryFootprint",
            "declarationSha256": sha256(declaration).hexdigest(),
            "ruleset": {"id": rules.id, "edition": rules.edition},
            "perKwhDelivered": _stages(delivered, rules),
            "perKwhOfRatedCapacity": _stages(capacity, rules),
            "serviceLife": _life(life),
            "assumptions": msgspec.to_builtins(life.assumptions),
        }
    )


def _stages(vector: StageVector, rules: Ruleset) -> dict[str, str | dict[str, str]]:
    figures = {stage.value: exact_text(rules.rounding.of(vector.stage_kg(stage))) for stage in STAGES}
    return {"stagesKgCo2e": figures, "totalKgCo2e": exact_text(rules.rounding.of(vector.excluding_uptake_kg))}


def _life(life: ServiceLife) -> dict[str, str]:
    return {
        "usableEnergyKwh": exact_text(life.usable_energy.value_in(KILOWATT_HOUR)),
        "equivalentCyclesPerYear": exact_text(life.equivalent_cycles_per_year),
        "years": exact_text(life.duration_years),
        "deliveredKwh": exact_text(life.delivered.value_in(KILOWATT_HOUR)),
    }


def _contributions(result: RollUp, declaration: bytes) -> bytes:
    """What each line adds and which of it rests on secondary data, for the company's own people, with six decimals.

    The exact figures stand in the record.
    """
    total_kg = result.emissions.excluding_uptake_kg
    gaps = gap_report(result)
    return rfc8785.dumps(
        {
            "type": "FootprintContributions",
            "declarationSha256": sha256(declaration).hexdigest(),
            "totalKgCo2e": _six(total_kg),
            "lines": [
                {
                    "key": one.key,
                    "own": one.own,
                    "kgCo2e": _six(one.total_kg),
                    "share": _six(one.total_kg / total_kg if total_kg else Fraction(0)),
                    "standing": one.standing.value,
                }
                for one in sorted(result.contributions, key=lambda one: (-one.total_kg, one.key))
            ],
            "secondaryShare": _six(gaps.secondary_share),
            "gaps": [{"key": gap.key, "share": _six(gap.share)} for gap in gaps.gaps],
        }
    )


def _six(value: Fraction) -> str:
    return fixed_text(value, 6)
