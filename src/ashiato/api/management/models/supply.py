"""The chain of a company: partners, plants, parts, bills of material, batches and items, what was built, trade links."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ashiato.api.management.models.shared import (
    Address,
    Instant,
    InstantShown,
    JsonObject,
    Line,
    Model,
    OwnId,
    PageQuery,
    Partner,
    PartnerShown,
)
from ashiato.facts.identifiers import Identifier
from ashiato.supply import records
from ashiato.supply.importing import Report
from ashiato.supply.naming import read_identifier
from ashiato.supply.records import BillLine

MOST_IDENTIFIERS_COUNT = 50
MOST_LINES_COUNT = 10_000

Name = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
IdentifierText = Annotated[
    str,
    StringConstraints(min_length=3, max_length=800, pattern=r"^[a-z0-9_]+:[^\x00-\x1f\x7f]+$"),
    Field(
        description="`kind:value`, or `kind:value@scope` for a number of a partner (its DID) or of a register (its name).",
        examples=["gtin:06291041500213", "partner_number:C-77@did:web:pack.example"],
    ),
]
Identifiers = Annotated[list[IdentifierText], Field(max_length=MOST_IDENTIFIERS_COUNT)]
Decimal = Annotated[
    str,
    StringConstraints(min_length=1, max_length=60, pattern=r"^[0-9.eE+-]+$"),
    Field(description="A decimal number, as text so that no digit is lost."),
]
Sourcing = Literal["own", "purchased"]
Properties = Annotated[
    JsonObject, Field(max_length=100, description="What other systems keep with it; carried, never read.")
]
UnitName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=30),
    Field(description="A unit such as `piece`, `kg` or `m2`; docs/supply.md lists them."),
]
BuiltKind = Literal["item", "batch"]
Part = Annotated[OwnId, Field(description="The id of a part of your parts master.")]
OptionalId = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x20\x7f/\\?#%]*$")]


class Query(BaseModel):
    """Not strict: in a query everything is text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Named(Model):
    """What carries identifiers."""

    identifiers: Identifiers = Field(default=[])

    @property
    def names(self) -> tuple[Identifier, ...]:
        """The identifiers, checked; raises `Invalid` that names the member."""
        return tuple(
            read_identifier(text, f"identifiers[{place}]") for place, text in enumerate(self.identifiers)
        )


class _Shown(Model):
    """What is stored, with its identifiers and instants."""

    identifiers: list[str]
    created_ms: InstantShown
    updated_ms: InstantShown


def texts(names: Sequence[Identifier]) -> list[str]:
    """The identifiers as they are written."""
    return [one.text for one in names]


class TradingPartnerBody(_Named):
    """A supplier or customer."""

    name: Name = ""
    address: Address | None = None
    is_supplier: bool = False
    is_customer: bool = False


class TradingPartner(_Shown):
    """A supplier or customer as it is stored."""

    partner: PartnerShown
    name: str
    address: str | None
    is_supplier: bool
    is_customer: bool


class PlantBody(_Named):
    """A place where parts are made."""

    name: Name = ""
    address: Name = ""
    country: Annotated[
        str,
        StringConstraints(pattern=r"^([A-Z]{2})?$"),
        Field(description="Two capitals of ISO 3166-1, or empty."),
    ] = ""


class Plant(_Shown):
    """A plant as it is stored."""

    plant_id: str
    name: str
    address: str
    country: str


class PartBody(_Named):
    """A line of the parts master."""

    name: Name = ""
    sourcing: Sourcing = "own"
    unit: UnitName = "piece"
    revision: Name = ""
    plant_id: OptionalId = ""
    properties: Properties = Field(default={})


class PartShown(_Shown):
    """A line of the parts master as it is stored."""

    part_id: str
    name: str
    sourcing: Sourcing
    unit: str
    revision: str
    plant_id: str
    properties: JsonObject


class PartQuery(PageQuery):
    """Which parts are wanted."""

    plant_id: Annotated[str | None, Field(max_length=256, description="Only those of this plant.")] = None


class BillLineBody(Model):
    """One component."""

    component_id: Part
    quantity: Decimal
    unit: UnitName
    loss: Decimal = "0"
    """The share of what goes in that is lost on the way: quantity / (1 - loss) is needed."""
    position: Name = ""
    """Tells two lines with the same component apart."""


class BillBody(Model):
    """What goes into a part."""

    lines: Annotated[list[BillLineBody], Field(min_length=1, max_length=MOST_LINES_COUNT)]
    output: Decimal = "1"
    """How much of the part the lines make, in its own unit."""
    valid_from_ms: Instant = 0
    valid_until_ms: Instant | None = None

    def record(self, part_id: str, version: str) -> records.Bill:
        """The bill that it describes."""
        return records.Bill(
            part_id=part_id,
            version=version,
            lines=tuple(BillLine(**line.model_dump()) for line in self.lines),
            output=self.output,
            valid_from_ms=self.valid_from_ms,
            valid_until_ms=self.valid_until_ms,
        )


class LineShown(Model):
    """One component as it is stored."""

    component_id: str
    quantity: str
    unit: str
    loss: str
    position: str


class BillShown(Model):
    """A bill of material as it is stored."""

    part_id: str
    version: str
    output: str
    lines: list[LineShown]
    valid_from_ms: InstantShown
    valid_until_ms: InstantShown | None
    created_ms: InstantShown
    updated_ms: InstantShown


class BillQuery(Query):
    """When the bill shall count."""

    at_ms: Annotated[
        int | None, Field(ge=0, description="The version that counts at this instant; left out, now.")
    ] = None


class BillsQuery(PageQuery):
    """Which bills are wanted."""

    part_id: Annotated[str | None, Field(max_length=256, description="Only the versions of this part.")] = (
        None
    )


class UserShown(Model):
    """A part with a bill that names another."""

    part_id: str


class BatchBody(_Named):
    """A lot of one part."""

    part_id: Part
    plant_id: OptionalId = ""
    quantity: Decimal | None = None
    """How much there was, in the unit of the part."""
    made_ms: Instant | None = None
    properties: Properties = Field(default={})


class Batch(_Shown):
    """A batch as it is stored."""

    batch_id: str
    part_id: str
    plant_id: str
    quantity: str | None
    made_ms: InstantShown | None
    properties: JsonObject


class ItemBody(_Named):
    """One serial item."""

    part_id: Part
    serial: Annotated[Line, Field(min_length=1, max_length=128)]
    """Unique among the items of the part."""
    batch_id: OptionalId = ""
    plant_id: OptionalId = ""
    made_ms: Instant | None = None
    properties: Properties = Field(default={})


class Item(_Shown):
    """A serial item as it is stored."""

    item_id: str
    part_id: str
    serial: str
    batch_id: str
    plant_id: str
    made_ms: InstantShown | None
    properties: JsonObject


class OfPartQuery(PageQuery):
    """Which batches or items are wanted."""

    part_id: Annotated[str | None, Field(max_length=256, description="Only those of this part.")] = None


class HoldingBody(Model):
    """How much is in, from when until when."""

    quantity: Decimal = "1"
    unit: UnitName = "piece"
    from_ms: Instant = 0
    """0 = since ever; it belongs to the identity of the relation."""
    until_ms: Instant | None = None
    """When it was taken out or replaced; left out, it is still in."""


class BeginningQuery(Query):
    """Which relation is meant."""

    from_ms: Annotated[int, Field(ge=0, description="When it began.")] = 0


class HoldingShown(Model):
    """One thing in another."""

    holder_kind: str
    holder_id: str
    component_kind: str
    component_id: str
    quantity: str
    unit: str
    from_ms: InstantShown
    until_ms: InstantShown | None

    @classmethod
    def of_record(cls, holding: records.Holding) -> "HoldingShown":
        """The relation with its two things by kind and id."""
        return cls(
            holder_kind=holding.holder.kind.value,
            holder_id=holding.holder.id,
            component_kind=holding.component.kind.value,
            component_id=holding.component.id,
            quantity=holding.quantity,
            unit=holding.unit,
            from_ms=holding.from_ms,
            until_ms=holding.until_ms,
        )


class BuiltQuery(PageQuery):
    """Which relations are wanted."""

    as_of_ms: Annotated[int | None, Field(ge=0, description="Those of this instant; left out, all ever.")] = (
        None
    )


class IdentifiedQuery(Query):
    """What is looked for."""

    identifier: IdentifierText


class Identified(Model):
    """What an identifier stands for."""

    identifier: str
    kind: Literal["partner", "plant", "part", "batch", "item"]
    id: str


class LinkBody(Model):
    """A proposal: this part of ours is that part of the partner's."""

    side: Literal["buyer", "supplier"]
    """Your side: `buyer` of a purchased part, or `supplier` of one of your own."""
    partner: Partner
    own_part_id: Part
    partner_part_id: Name = ""
    """What the partner calls the part, if you know."""
    message: Annotated[str, StringConstraints(max_length=1000)] = ""


class LinkAct(Model):
    """What goes with an answer."""

    own_part_id: OptionalId = ""
    """For `confirm`: your part that the proposal is about."""
    reason: Annotated[str, StringConstraints(max_length=1000)] = ""
    """For `refuse` and `withdraw`: why, in words that the partner may read."""


class Link(Model):
    """A trade link as this side sees it."""

    link_id: str
    side: Literal["buyer", "supplier"]
    partner: PartnerShown
    is_ours: bool
    """True when your company proposed it."""
    own_part_id: str
    partner_part_id: str
    partner_part_name: str
    partner_unit: str
    state: Literal["proposed", "confirmed", "refused", "withdrawn"]
    message: str
    reason: str
    created_ms: InstantShown
    updated_ms: InstantShown


class LinkQuery(PageQuery):
    """Which links are wanted."""

    partner: Annotated[str | None, Field(max_length=512, description="Only those with this partner.")] = None


class SheetQuery(Query):
    """Which template is wanted."""

    sheet: Literal["parts", "bom", "plants", "partners", "batches", "items", "as-built"]
    lang: Literal["en", "ja"] = "en"
    form: Literal["csv", "xlsx"] = "csv"


class ImportQuery(Query):
    """How a table is read."""

    dry_run: Annotated[bool, Field(description="Only say what would come of it.")] = False


class RowFaultShown(Model):
    """What is wrong in one cell."""

    row: int
    """Counted from 1, the header being 1."""
    column: str
    """By its header in the file; empty where the whole row is meant."""
    problem: str


class ImportReport(Model):
    """What an import came to."""

    sheet: str
    is_dry_run: bool
    is_good: bool
    """False: nothing was stored (or would be)."""
    rows: int
    new: int
    changed: int
    same: int
    errors: list[RowFaultShown]
    further_errors: int
    """How many more errors there are than are shown."""

    @classmethod
    def of_report(cls, report: Report, *, is_dry_run: bool) -> "ImportReport":
        """The report of an import."""
        return cls(
            sheet=report.sheet,
            is_dry_run=is_dry_run,
            is_good=not report.faults,
            rows=report.rows_count,
            new=report.new_count,
            changed=report.changed_count,
            same=report.same_count,
            errors=[
                RowFaultShown(row=one.row, column=one.column, problem=one.problem) for one in report.faults
            ],
            further_errors=report.further_count,
        )
