"""The declaration of a footprint as a document, and who signs what about it.

A declaration is canonical JSON (RFC 8785) whose numbers are decimal text; its SHA-256 names it, and its issuer signs exactly
these bytes. A new version names the one that it supersedes. Figures are rounded once by the scheme that the document names, and
`rounding_bound_kg` is the most by which all rounding, up to the first tier, can have moved the total: every tier adds half a
unit in the last place of each figure to the sum of quantity × bound of what it takes in.
"""

from collections.abc import Collection, Mapping
from fractions import Fraction
from hashlib import sha256
from typing import Literal

import msgspec
import rfc8785

from ashiato.apps.carbon.commitments import Commitment
from ashiato.apps.carbon.rollup import SHARE_DECIMALS_COUNT, InputStanding, RollUp, declared_as
from ashiato.apps.carbon.rulesets import EXACT, MOST_PLACES_COUNT, Assumption, Rounding, Ruleset, counted
from ashiato.facts.footprints import (
    CELLS,
    DataQuality,
    DeclaredFootprint,
    EndOfLifeBasis,
    MalformedFootprint,
    Origin,
    PerDeclaredUnit,
    Stage,
    StageVector,
    Uncertainty,
    VerificationShares,
)
from ashiato.facts.instants import DAY_MS
from ashiato.facts.quantities import (
    KILOGRAM,
    MalformedNumber,
    NoDecimalText,
    Quantity,
    UnknownUnit,
    decimal_exponent,
    decimal_text,
    exact_text,
    find_unit,
    parse_decimal,
    parse_exact,
    round_decimals,
)
from ashiato.facts.strict_json import MalformedJson, parse_strict

VERSION = 1
MAX_DOCUMENT_BYTES = 262_144
LEAST_VALIDITY_MS = 90 * DAY_MS
"""Who may ask for a new figure every day can solve for the recipe behind it."""
MOST_ASSUMPTIONS_COUNT = 200
MOST_CAUSES_COUNT = 64
_LONGEST_TEXT_CHARS = 2048
_BOUND_DIGITS_COUNT = 3


class MalformedDeclaration(ValueError):
    """The supplier's bytes are no declaration; `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class UndeclarableResult(ValueError):
    """The result cannot be declared so; whoever declares must mend `field`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    pass


class NamedRuleset(_Document, frozen=True, kw_only=True):
    """By which rules the figures were computed."""

    id: str
    edition: str


class DeclaredRounding(_Document, frozen=True, kw_only=True):
    """How each figure was rounded, and by how much all rounding so far can have moved the total, in kgCO2e."""

    kind: Literal["none", "decimals", "significant"]
    digits: int
    bound_kg: str


class DeclaredQuality(_Document, frozen=True, kw_only=True):
    """Three ratings as decimal text."""

    technological: str
    geographical: str
    temporal: str


class DeclaredVerification(_Document, frozen=True, kw_only=True):
    """Four shares as decimal text."""

    program: str
    third_party: str
    second_party: str
    first_party: str


class FootprintDeclaration(_Document, frozen=True, kw_only=True):
    """One declaration: kgCO2e of `amount` `unit` of a product of a plant, made in the reference period.

    `emissions_kg` holds the figures by stage and origin without those that are zero; from these the next tier computes.
    `total_kg` (without biogenic uptake) and `total_with_uptake_kg` are rounded from the exact totals, so they may differ from the
    sum of the rounded figures. `headline` says whether electricity counts by market or by location. `stale_inputs` is how many
    inputs no longer held. Empty text stands for what is not told.
    """

    version: int = VERSION
    type: Literal["FootprintDeclaration"] = "FootprintDeclaration"
    id: str
    issuer: str
    product: str
    plant: str = ""
    supersedes: str = ""
    amount: str
    unit: str
    product_mass_kg: str = ""
    emissions_kg: dict[Stage, dict[Origin, str]]
    total_kg: str
    total_with_uptake_kg: str
    gwp_set: str
    basis: EndOfLifeBasis
    ruleset: NamedRuleset
    rounding: DeclaredRounding
    primary_data_share: str = ""
    quality: DeclaredQuality | None = None
    verification: DeclaredVerification
    uncertainty_kg: dict[str, str] = {}
    exempted_share: str = ""
    headline: Literal["market", "location"]
    geography: str = ""
    assumptions: tuple[Assumption, ...] = ()
    reference_from_ms: int
    reference_until_ms: int
    valid_from_ms: int
    valid_until_ms: int
    inventory: Commitment | None = None
    stale_inputs: int = 0


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """What the issuer adds to a result to declare it. `exempted_share` is what was left out, as a share of the emissions."""

    id: str
    issuer: str
    product: str
    reference_from_ms: int
    reference_until_ms: int
    valid_from_ms: int
    valid_until_ms: int
    plant: str = ""
    supersedes: str = ""
    product_mass: Quantity | None = None
    geography: str = ""
    exempted_share: Fraction | None = None
    inventory: Commitment | None = None


def declare(
    result: RollUp, rules: Ruleset, issue: Issue, *, rounding: Rounding | None = None
) -> FootprintDeclaration:
    """The declaration of a result: the stages that the ruleset counts, each figure rounded once by its rule.

    Raises `UndeclarableResult`.
    """
    _check(result, rules, issue)
    scheme = rules.rounding if rounding is None else rounding
    emissions = counted(result.emissions, rules)
    shown = msgspec.structs.replace(result, emissions=emissions)
    declared = declared_as(shown, scheme, cause=issue.id, product_mass=issue.product_mass)
    quality = declared.quality
    return FootprintDeclaration(
        id=issue.id,
        issuer=issue.issuer,
        product=issue.product,
        plant=issue.plant,
        supersedes=issue.supersedes,
        amount=_amount("amount", result.declared.value, scheme),
        unit=result.declared.unit.symbol,
        product_mass_kg=_amount("product_mass", issue.product_mass.value_in(KILOGRAM), scheme)
        if issue.product_mass
        else "",
        emissions_kg=_figures(declared.footprint.emissions),
        total_kg=exact_text(scheme.of(emissions.excluding_uptake_kg)),
        total_with_uptake_kg=exact_text(scheme.of(emissions.including_uptake_kg)),
        gwp_set=result.gwp_set,
        basis=result.basis,
        ruleset=NamedRuleset(id=rules.id, edition=rules.edition),
        rounding=DeclaredRounding(
            kind=scheme.kind,
            digits=scheme.digits_count,
            bound_kg=exact_text(_rounded_up(declared.rounding_bound_kg)),
        ),
        primary_data_share=_text(declared.primary_data_share),
        quality=None if quality is None else DeclaredQuality(**_texts(quality)),
        verification=DeclaredVerification(**_texts(declared.verification)),
        uncertainty_kg={cause: exact_text(kg) for cause, kg in declared.uncertainty.causes},
        exempted_share=_text(
            None
            if issue.exempted_share is None
            else round_decimals(issue.exempted_share, SHARE_DECIMALS_COUNT)
        ),
        headline="market" if rules.words("electricity.headline")[0] == ("market",) else "location",
        geography=issue.geography,
        assumptions=result.assumptions,
        reference_from_ms=issue.reference_from_ms,
        reference_until_ms=issue.reference_until_ms,
        valid_from_ms=issue.valid_from_ms,
        valid_until_ms=issue.valid_until_ms,
        inventory=issue.inventory,
        stale_inputs=len(result.stale),
    )


def canonical(document: msgspec.Struct) -> bytes:
    """The canonical JSON (RFC 8785): what is hashed and what is signed."""
    return rfc8785.dumps(msgspec.to_builtins(document))


def hash_of(document: msgspec.Struct) -> str:
    """The hexadecimal SHA-256 by which others name the document."""
    return sha256(canonical(document)).hexdigest()


def read_declaration(data: bytes) -> tuple[FootprintDeclaration, DeclaredFootprint]:
    """The declaration in foreign bytes and what a roll-up needs of it; raises `MalformedDeclaration`.

    Nothing is believed here about who issued it: that is the signature's part.
    """
    try:
        document = msgspec.convert(
            parse_strict(data, max_bytes=MAX_DOCUMENT_BYTES), FootprintDeclaration, strict=True
        )
    except (MalformedJson, msgspec.ValidationError) as error:
        raise MalformedDeclaration(f"it is no declaration: {error}") from None
    if document.version != VERSION:
        raise MalformedDeclaration(f"version {document.version} is not known")
    if document.valid_from_ms >= document.valid_until_ms:
        raise MalformedDeclaration("it is valid at no time")
    if document.reference_from_ms >= document.reference_until_ms:
        raise MalformedDeclaration("its reference period ends before it begins")
    if len(document.uncertainty_kg) > MOST_CAUSES_COUNT:
        raise MalformedDeclaration(f"it names more than {MOST_CAUSES_COUNT} causes of uncertainty")
    if len(document.assumptions) > MOST_ASSUMPTIONS_COUNT:
        raise MalformedDeclaration(f"it names more than {MOST_ASSUMPTIONS_COUNT} assumptions")
    require_plain(document)
    try:
        return document, _declared(document)
    except (MalformedNumber, UnknownUnit, MalformedFootprint) as error:
        raise MalformedDeclaration(str(error)) from None


def require_plain(document: msgspec.Struct) -> None:
    """Raise `MalformedDeclaration` for a text that is too long or does not print, or a number that JSON readers differ on."""
    pending: list[object] = [msgspec.to_builtins(document)]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += [*value, *value.values()]
        elif isinstance(value, list | tuple):
            pending += value
        elif isinstance(value, str) and (len(value) > _LONGEST_TEXT_CHARS or not value.isprintable()):
            raise MalformedDeclaration("a text is too long or does not print")
        elif isinstance(value, int) and abs(value) >= 1 << 53:
            raise MalformedDeclaration("a number is out of range")


def standing_of(
    declaration: FootprintDeclaration,
    now_ms: int,
    superseded: Collection[str] = (),
    withdrawn: Collection[str] = (),
) -> InputStanding:
    """Whether the declaration holds now; the collections hold ids of declarations. The gravest reason is told."""
    if declaration.id in withdrawn:
        return InputStanding.WITHDRAWN
    if declaration.id in superseded:
        return InputStanding.SUPERSEDED
    if not declaration.valid_from_ms <= now_ms < declaration.valid_until_ms:
        return InputStanding.EXPIRED
    return InputStanding.RESTS_ON_STALE if declaration.stale_inputs else InputStanding.CURRENT


def calculation_record(
    result: RollUp, rules: Ruleset, program: str, input_sha256s: Mapping[str, str]
) -> bytes:
    """The canonical JSON of a result for one's own store: exact figures, inputs by hash, ruleset and program.

    The same inputs under the same program give the same bytes again.
    """
    return rfc8785.dumps(
        {
            "type": "FootprintCalculation",
            "program": program,
            "ruleset": {"id": rules.id, "edition": rules.edition},
            "declared": {"value": exact_text(result.declared.value), "unit": result.declared.unit.symbol},
            "gwpSet": result.gwp_set,
            "basis": result.basis.value,
            "emissionsKg": [exact_text(kg) for kg in result.emissions.cells_kg],
            "weightsKg": [exact_text(kg) for kg in result.weights.channels_kg],
            "roundingBoundKg": exact_text(result.rounding_bound_kg),
            "inputs": dict(input_sha256s),
        }
    )


def _check(result: RollUp, rules: Ruleset, issue: Issue) -> None:
    if result.basis is not rules.basis:
        raise UndeclarableResult("basis", f"{rules.id} wants {rules.basis.value}, not {result.basis.value}")
    if result.gwp_set != rules.gwp_set:
        raise UndeclarableResult("gwp_set", f"{rules.id} wants {rules.gwp_set}, not {result.gwp_set}")
    if issue.valid_until_ms - issue.valid_from_ms < LEAST_VALIDITY_MS:
        raise UndeclarableResult("valid_until_ms", "a declaration is valid for at least 90 days")
    if issue.reference_from_ms >= issue.reference_until_ms:
        raise UndeclarableResult("reference_until_ms", "the reference period must end after its beginning")
    if issue.supersedes == issue.id:
        raise UndeclarableResult("supersedes", "a new version has an id of its own")


def _figures(emissions: StageVector) -> dict[Stage, dict[Origin, str]]:
    figures: dict[Stage, dict[Origin, str]] = {}
    for (stage, origin), kg in zip(CELLS, emissions.cells_kg, strict=True):
        if kg:
            figures.setdefault(stage, {})[origin] = exact_text(kg)
    return figures


def _declared(document: FootprintDeclaration) -> DeclaredFootprint:
    """Exact text (`1/3`) is taken only from a document that says it rounds nothing."""
    read = _read_exact if document.rounding.kind == EXACT.kind else parse_decimal
    cells = {
        (stage, origin): read(kg)
        for stage, by_origin in document.emissions_kg.items()
        for origin, kg in by_origin.items()
    }
    quality, verification = document.quality, document.verification
    return DeclaredFootprint(
        footprint=PerDeclaredUnit(
            StageVector.of(cells), Quantity(read(document.amount), find_unit(document.unit))
        ),
        gwp_set=document.gwp_set,
        basis=document.basis,
        primary_data_share=read(document.primary_data_share) if document.primary_data_share else None,
        quality=None
        if quality is None
        else DataQuality(read(quality.technological), read(quality.geographical), read(quality.temporal)),
        verification=VerificationShares(
            read(verification.program),
            read(verification.third_party),
            read(verification.second_party),
            read(verification.first_party),
        ),
        uncertainty=Uncertainty(
            tuple(sorted((cause, read(kg)) for cause, kg in document.uncertainty_kg.items()))
        ),
        rounding_bound_kg=read(document.rounding.bound_kg),
        product_mass=Quantity(read(document.product_mass_kg), KILOGRAM) if document.product_mass_kg else None,
        rests_on_stale=document.stale_inputs > 0,
    )


def _read_exact(text: str) -> Fraction:
    return parse_exact(text, max_chars=_LONGEST_TEXT_CHARS)


def _amount(field: str, value: Fraction, scheme: Rounding) -> str:
    """Amounts are never rounded: what has no decimal text is declared for another amount."""
    if scheme == EXACT:
        return exact_text(value)
    try:
        return decimal_text(value)
    except NoDecimalText:
        raise UndeclarableResult(field, "declare an amount that has a finite decimal form") from None


def _text(value: Fraction | None) -> str:
    return "" if value is None else exact_text(value)


def _texts(value: DataQuality | VerificationShares) -> dict[str, str]:
    return {name: exact_text(getattr(value, name)) for name in value.__struct_fields__}


def _rounded_up(bound_kg: Fraction) -> Fraction:
    """The bound with three significant digits, never smaller than it is."""
    if not bound_kg:
        return bound_kg
    places = min(_BOUND_DIGITS_COUNT - 1 - decimal_exponent(bound_kg), MOST_PLACES_COUNT)
    scale = Fraction(10) ** places
    return Fraction(-(-(bound_kg * scale).numerator // (bound_kg * scale).denominator)) / scale
