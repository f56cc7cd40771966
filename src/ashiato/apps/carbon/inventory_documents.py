"""A company's own inventory of one product as a document: what its people keep, and what the app computes from.

Strict JSON, numbers as decimal text, instants in epoch milliseconds. One document is one product of one plant in one period,
with its bill of material: parts of suppliers stand by product and supplier, and their figures come from the declarations of
these suppliers, never from here.
"""

from fractions import Fraction
from typing import Literal, NamedTuple

import msgspec

from ashiato.apps.carbon.allocation import Output
from ashiato.apps.carbon.circular import CircularEmissions, default_parameters
from ashiato.apps.carbon.commitments import LEAST_SECRET_BYTES
from ashiato.apps.carbon.electricity import ElectricityUse, Instrument, MarketBasis
from ashiato.apps.carbon.factors.gwp import Gas
from ashiato.apps.carbon.functional_unit import Warranty
from ashiato.apps.carbon.inventory import (
    ActivityLine,
    DirectLine,
    ElectricityLine,
    Evidence,
    Inventory,
    Kind,
    Line,
    MaterialLine,
)
from ashiato.apps.carbon.rulesets import NotInRuleset, Ruleset, ruleset
from ashiato.facts.footprints import DataQuality, Intensity, MalformedFootprint, Origin, Stage
from ashiato.facts.quantities import (
    KILOGRAM,
    MalformedNumber,
    Quantity,
    UnknownUnit,
    parse_decimal,
    parse_quantity,
)
from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.law.provisions import UnknownRulebook

VERSION = 1
MOST_DOCUMENT_BYTES = 16 * 1_048_576
MOST_LINES_COUNT = 10_000


class MalformedInventory(ValueError):
    """The company's own document cannot be read; whoever keeps it must mend what `problem` names."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    pass


class AmountDocument(_Document, frozen=True, kw_only=True):
    """An amount with its unit."""

    value: str
    unit: str

    def read(self) -> Quantity:
        return parse_quantity(self.value, self.unit)


class IntensityDocument(_Document, frozen=True, kw_only=True):
    """A factor: kgCO2e by origin for `per`, and where it comes from."""

    per: AmountDocument
    kg_by_origin: dict[Origin, str]
    gwp_set: str
    source: str
    year: int
    primary: bool = False
    quality: tuple[str, str, str] = ("5", "5", "5")
    deviation_share: str = "0"

    def read(self) -> Intensity:
        return Intensity(
            per=self.per.read(),
            kg_by_origin=tuple((origin, parse_decimal(kg)) for origin, kg in self.kg_by_origin.items()),
            gwp_set=self.gwp_set,
            source=self.source,
            year=self.year,
            primary=self.primary,
            quality=_quality(self.quality),
            deviation_share=parse_decimal(self.deviation_share),
        )


class _LineDocument(_Document, frozen=True, kw_only=True, tag_field="type"):
    key: str
    stage: Stage
    measured: bool
    quality: tuple[str, str, str]
    evidence: tuple[Evidence, ...] = ()
    flow: str = ""


class ActivityDocument(_LineDocument, frozen=True, kw_only=True, tag="activity"):
    """An amount of an activity and its factor."""

    kind: Kind
    amount: AmountDocument
    intensity: IntensityDocument


class MaterialDocument(_LineDocument, frozen=True, kw_only=True, tag="material"):
    """A material whose recycling counts. `recycled` is the factor of the recycled material, `kind` the one that names A.

    What takes the place of primary material is counted as `virgin`. `r1` is the recycled share that goes in: beyond the ruleset's
    it needs evidence. `disposal` is the factor of what is neither recycled nor burnt for energy.
    """

    amount: AmountDocument
    virgin: IntensityDocument
    recycled: IntensityDocument
    kind: str
    r1: str = ""
    r2: str = "0"
    r3: str = "0"
    disposal: IntensityDocument | None = None


class DirectDocument(_LineDocument, frozen=True, kw_only=True, tag="direct"):
    """A gas that the process gives off."""

    gas: Gas
    origin: Origin
    mass: AmountDocument


class InstrumentDocument(_Document, frozen=True, kw_only=True):
    """A certificate, contract or direct line that covers some of the electricity."""

    certificate: str
    basis: MarketBasis
    energy: AmountDocument
    intensity: IntensityDocument
    region: str
    from_ms: int
    until_ms: int
    evidence_sha256: str


class ElectricityDocument(_LineDocument, frozen=True, kw_only=True, tag="electricity"):
    """Electricity of a grid in the period of the document."""

    energy: AmountDocument
    region: str
    grid: IntensityDocument
    residual: IntensityDocument | None = None
    instruments: tuple[InstrumentDocument, ...] = ()


AnyLine = ActivityDocument | MaterialDocument | DirectDocument | ElectricityDocument


class PartDocument(_Document, frozen=True, kw_only=True):
    """A supplier's product in the bill: net quantity, and the share that is lost on the way."""

    key: str
    product: str
    supplier: str
    quantity: AmountDocument
    loss_share: str = "0"
    stage: Stage | None = None
    by_mass: bool = False
    without_recycling: bool = False
    link: str = ""
    """The trade link in which both sides agreed that the supplier's product is this part."""


class OutputDocument(_Document, frozen=True, kw_only=True):
    """One of several products of the process."""

    product: str
    mass: AmountDocument
    price_per_kg: str = ""


class WarrantyDocument(_Document, frozen=True, kw_only=True):
    """The commercial warranty."""

    capacity_share: str
    years: str = ""
    distance_km: str = ""


class BatteryDocument(_Document, frozen=True, kw_only=True):
    """What the figures per kWh need."""

    vehicle_category: str
    rated_energy: AmountDocument
    usable_energy: AmountDocument
    warranty: WarrantyDocument | None = None


class IssueDocument(_Document, frozen=True, kw_only=True):
    """The names and dates of the declaration that is to be made."""

    id: str
    valid_from_ms: int
    valid_until_ms: int
    supersedes: str = ""


class InventoryDocument(_Document, frozen=True, kw_only=True):
    """The whole document. `output` of the product was made from all that the lines and parts name; `declared` is declared.

    `commitment_secret` is 64 or more random hexadecimal digits, one for each document: with it the declaration commits to the
    lines and parts, so that single ones can be shown to a verifier later. `on_change` is what the app does by itself when a
    declaration under it changes: nothing, compute a new version that waits for a person, or put it in the place of the old one.
    """

    type: Literal["CarbonInventory"] = "CarbonInventory"
    version: int = VERSION
    product: str
    plant: str
    geography: str
    ruleset: str
    reference_from_ms: int
    reference_until_ms: int
    declared: AmountDocument
    output: AmountDocument
    issue: IssueDocument
    product_mass: AmountDocument | None = None
    lines: tuple[AnyLine, ...] = ()
    parts: tuple[PartDocument, ...] = ()
    co_products: tuple[OutputDocument, ...] = ()
    battery: BatteryDocument | None = None
    commitment_secret: str = ""
    on_change: Literal["off", "recompute", "offer"] = "recompute"


class Battery(NamedTuple):
    """The values of a `BatteryDocument`."""

    vehicle_category: str
    rated_energy: Quantity
    usable_energy: Quantity
    warranty: Warranty | None


class Part(NamedTuple):
    """The values of a `PartDocument`, for the declared amount of the product."""

    document: PartDocument
    quantity: Quantity
    loss_share: Fraction


class OwnInventory(NamedTuple):
    """A document as the engine takes it."""

    document: InventoryDocument
    rules: Ruleset
    inventory: Inventory
    declared: Quantity
    product_mass: Quantity | None
    parts: tuple[Part, ...]
    battery: Battery | None
    commitment_secret: bytes


def read_inventory(data: bytes) -> OwnInventory:
    """The inventory in `data`; raises `MalformedInventory`."""
    try:
        document = msgspec.convert(parse_strict(data, max_bytes=MOST_DOCUMENT_BYTES), InventoryDocument)
    except (MalformedJson, msgspec.ValidationError) as error:
        raise MalformedInventory(f"it is no inventory: {error}") from None
    if document.version != VERSION:
        raise MalformedInventory(f"version {document.version} is not known; write {VERSION}")
    if len(document.lines) + len(document.parts) > MOST_LINES_COUNT:
        raise MalformedInventory(f"an inventory has at most {MOST_LINES_COUNT} lines and parts")
    keys = [part.key for part in document.parts]
    if len(set(keys)) != len(keys):
        raise MalformedInventory("a part stands twice; add up its quantities")
    try:
        return _own(document)
    except (
        MalformedNumber,
        UnknownUnit,
        MalformedFootprint,
        UnknownRulebook,
        NotInRuleset,
        ValueError,
    ) as error:
        raise MalformedInventory(str(error)) from None


def _own(document: InventoryDocument) -> OwnInventory:
    rules = ruleset(document.ruleset)
    declared, output = document.declared.read(), document.output.read()
    if output.value <= 0 or declared.value <= 0:
        raise MalformedInventory("output and declared amount must be positive")
    inventory = Inventory(
        plant=document.plant,
        product=document.product,
        from_ms=document.reference_from_ms,
        until_ms=document.reference_until_ms,
        output=output,
        products=_outputs(document),
        lines=tuple(_line(line, document, rules) for line in document.lines),
    )
    # The bill, like the lines, is for the whole output.
    times = declared / output
    return OwnInventory(
        document=document,
        rules=rules,
        inventory=inventory,
        declared=declared,
        product_mass=None if document.product_mass is None else document.product_mass.read(),
        parts=tuple(
            Part(part, part.quantity.read() * times, parse_decimal(part.loss_share))
            for part in document.parts
        ),
        battery=None if document.battery is None else _battery(document.battery),
        commitment_secret=_secret(document.commitment_secret),
    )


def _secret(digits: str) -> bytes:
    secret = bytes.fromhex(digits)
    if secret and len(secret) < LEAST_SECRET_BYTES:
        raise MalformedInventory(f"commitmentSecret has at least {2 * LEAST_SECRET_BYTES} hexadecimal digits")
    return secret


def _outputs(document: InventoryDocument) -> tuple[Output, ...]:
    """The main product first. Alone it bears everything, whatever its mass."""
    if not document.co_products:
        return (Output(document.product, Quantity(Fraction(1), KILOGRAM)),)
    return tuple(
        Output(one.product, one.mass.read(), parse_decimal(one.price_per_kg) if one.price_per_kg else None)
        for one in document.co_products
    )


def _line(line: AnyLine, document: InventoryDocument, rules: Ruleset) -> Line:
    quality = _quality(line.quality)
    if isinstance(line, DirectDocument):
        return DirectLine(
            key=line.key,
            stage=line.stage,
            measured=line.measured,
            quality=quality,
            evidence=line.evidence,
            flow=line.flow,
            gas=line.gas,
            origin=line.origin,
            mass=line.mass.read(),
        )
    if isinstance(line, ActivityDocument):
        return ActivityLine(
            key=line.key,
            stage=line.stage,
            measured=line.measured,
            quality=quality,
            evidence=line.evidence,
            flow=line.flow,
            kind=line.kind,
            amount=line.amount.read(),
            intensity=line.intensity.read(),
        )
    if isinstance(line, MaterialDocument):
        return _material(line, quality, rules)
    return ElectricityLine(
        key=line.key,
        stage=line.stage,
        measured=line.measured,
        quality=quality,
        evidence=line.evidence,
        flow=line.flow,
        use=ElectricityUse(
            energy=line.energy.read(),
            region=line.region,
            from_ms=document.reference_from_ms,
            until_ms=document.reference_until_ms,
            grid=line.grid.read(),
            residual=None if line.residual is None else line.residual.read(),
            instruments=tuple(_instrument(one) for one in line.instruments),
        ),
    )


def _material(line: MaterialDocument, quality: DataQuality, rules: Ruleset) -> MaterialLine:
    amount, virgin, recycled = line.amount.read(), line.virgin.read(), line.recycled.read()
    disposal = None if line.disposal is None else line.disposal.read()
    if {one.gwp_set for one in (virgin, recycled, disposal) if one is not None} != {virgin.gwp_set}:
        raise MalformedInventory(f"{line.key}: its factors must rest on the same potentials")
    parameters, _ = default_parameters(rules, line.kind, r2=parse_decimal(line.r2), r3=parse_decimal(line.r3))
    if line.r1 and (r1 := parse_decimal(line.r1)) > parameters.r1:
        if not line.evidence:
            raise MalformedInventory(
                f"{line.key}: recycled content counts with evidence only; name it by hash"
            )
        parameters = msgspec.structs.replace(parameters, r1=r1)
    primary_kg, recycled_kg = _by_origin(virgin, amount), _by_origin(recycled, amount)
    return MaterialLine(
        key=line.key,
        stage=line.stage,
        measured=line.measured,
        quality=quality,
        evidence=line.evidence,
        flow=line.flow,
        amount=amount,
        emissions=CircularEmissions(
            virgin=primary_kg,
            recycled=recycled_kg,
            recycling=recycled_kg,
            substituted=primary_kg,
            disposal=() if disposal is None else _by_origin(disposal, amount),
        ),
        parameters=parameters,
        gwp_set=virgin.gwp_set,
        primary=virgin.primary and (recycled.primary or not parameters.r1),
    )


def _by_origin(intensity: Intensity, amount: Quantity) -> tuple[tuple[Origin, Fraction], ...]:
    times = amount / intensity.per
    return tuple((origin, kg * times) for origin, kg in intensity.kg_by_origin)


def _instrument(document: InstrumentDocument) -> Instrument:
    return Instrument(
        certificate=document.certificate,
        basis=document.basis,
        energy=document.energy.read(),
        intensity=document.intensity.read(),
        region=document.region,
        from_ms=document.from_ms,
        until_ms=document.until_ms,
        evidence_sha256=document.evidence_sha256,
    )


def _battery(document: BatteryDocument) -> Battery:
    warranty = document.warranty
    return Battery(
        document.vehicle_category,
        document.rated_energy.read(),
        document.usable_energy.read(),
        None
        if warranty is None
        else Warranty(
            years=parse_decimal(warranty.years) if warranty.years else None,
            distance_km=parse_decimal(warranty.distance_km) if warranty.distance_km else None,
            capacity_share=parse_decimal(warranty.capacity_share),
        ),
    )


def _quality(ratings: tuple[str, str, str]) -> DataQuality:
    return DataQuality(*(parse_decimal(rating) for rating in ratings))
