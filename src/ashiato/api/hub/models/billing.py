"""The bill, as it is told and as it is shown. Days are written 2026-11-01, months 2026-11, amounts of money are whole yen."""

from typing import Annotated, Literal, TypeVar

import msgspec
from pydantic import Field, StringConstraints

from ashiato.api.hub.models.parties import PartyId
from ashiato.api.management.models.shared import Instant, InstantShown, JsonObject, Model
from ashiato.facts.problems import Invalid
from ashiato.hub.billing.board import Contribution
from ashiato.hub.billing.ports import Counted
from ashiato.hub.billing.usage import Usage
from ashiato.statements.usage import LONGEST_TEXT_CHARS, UsageStatement

Text = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_TEXT_CHARS, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Optional = Annotated[str, StringConstraints(max_length=LONGEST_TEXT_CHARS, pattern=r"^[^\x00-\x1f\x7f]*$")]
Day = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    Field(description="A day in Tokyo.", examples=["2026-11-01"]),
]
MonthText = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}$"),
    Field(description="A month in Tokyo.", examples=["2026-11"]),
]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Field(description="A SHA-256.")]
Yen = Annotated[int, Field(ge=-(10**12), le=10**12, description="Whole yen without tax.")]
Price = Annotated[
    str,
    StringConstraints(pattern=r"^-?[0-9]{1,13}(\.[0-9]{1,12})?$"),
    Field(description="Decimal yen without tax.", examples=["0.035"]),
]
Share = Annotated[
    str, StringConstraints(pattern=r"^[0-9](\.[0-9]{1,12})?$"), Field(description="Of 1.", examples=["0.5"])
]
Tax = Literal["standard", "reduced", "exempt", "outside"]
RevenueModel = Literal["", "A", "B", "C", "D", "X"]
R = TypeVar("R", bound=msgspec.Struct)


class Told(Model):
    """What becomes a record of the inner room by its own names."""

    def record(self, kind: type[R], **more: object) -> R:
        """The record; raises `Invalid` for a day that is in no calendar."""
        try:
            return msgspec.convert(self.model_dump() | more, kind, strict=False)
        except msgspec.ValidationError as error:
            raise Invalid(f"{error}.") from None


class StatementTold(Told):
    """What the caller says of one delivery, use or gain."""

    side: Literal["provider", "consumer"]
    kind: Literal["received", "used", "gain"]
    agreement: Text
    provider: PartyId
    consumer: PartyId
    reference: Text
    item: Text
    """The data item under which it is priced."""
    at_ms: Instant
    quantity: Annotated[int, Field(ge=0, le=10**15)]
    data_sha256: Hash | Literal[""] = ""
    evidence_sha256: Hash | Literal[""] = ""
    """The hash of the caller's own signed record."""
    replaces: bool = False

    def statement(self) -> UsageStatement:
        """For the inner room."""
        return self.record(UsageStatement)


class Statements(Model):
    """Up to 500 statements of the caller."""

    statements: Annotated[list[StatementTold], Field(min_length=1, max_length=500)]


class StatementTaken(Model):
    """What became of a statement."""

    usage: Hash
    verdict: Literal["recorded", "confirmed", "disputed", "repeated", "contradicted", "settled"]


class StatementsTaken(Model):
    """In the order of the statements."""

    taken: list[StatementTaken]


class UsageShown(Model):
    """One usage with the words of both sides beside each other."""

    usage: Hash
    state: Literal["awaited", "confirmed", "disputed", "withdrawn"]
    kind: str
    agreement: str
    provider: str
    consumer: str
    reference: str
    provider_said: JsonObject | None
    consumer_said: JsonObject | None
    billed_in: MonthText | None
    withdrawn_by: list[str]

    @classmethod
    def shown(cls, usage: Usage) -> "UsageShown":
        """The model of a usage."""
        billed_in = None if usage.billed_in is None else str(usage.billed_in)
        return cls.of(usage, usage=usage.usage_id, billed_in=billed_in)


class PartyTold(Told):
    """A party as it stands on documents."""

    name: Text
    address: Text
    registration: Optional = ""
    """T and 13 digits; empty: not registered as issuer of qualified invoices."""
    registered_from: Day | None = None
    registered_until: Day | None = None
    is_natural_person: bool = False
    corporate_number: Optional = ""
    bills_through_hub: bool = False
    """It has told the operator of its registration and lets it issue in the operator's name (媒介者交付特例)."""
    is_member: bool = True
    member_from: Day | None = None
    member_until: Day | None = None
    shows_contribution: bool = False
    """It consents to stand on the contribution board."""


class TierTold(Model):
    """One tier of a price."""

    up_to: Annotated[int, Field(ge=1, le=10**18)] | None
    price_yen: Price
    flat_yen: Price = "0"


class TariffTold(Told):
    """A price; empty provider, consumer and item mean each."""

    title: Text
    title_ja: Text
    fee: Literal["platform", "data"]
    measure: Literal["month", "deliveries", "bytes", "uses", "gain_yen"]
    form: Literal["free", "fixed", "per_unit", "graduated", "volume"]
    from_day: Day
    until_day: Day | None = None
    price_yen: Price = "0"
    per: Annotated[int, Field(ge=1, le=10**12)] = 1
    tiers: Annotated[list[TierTold], Field(max_length=100)] = Field(default_factory=list)
    minimum_yen: Yen | None = None
    maximum_yen: Yen | None = None
    provider: Optional = ""
    consumer: Optional = ""
    item: Optional = ""
    payer: Literal["consumer", "provider", "member"] = "consumer"
    tax: Tax = "standard"
    revenue_model: RevenueModel = ""


class SchemeTold(Told):
    """Who carries the cost of the platform."""

    from_day: Day
    budget_yen: Annotated[int, Field(ge=0, le=10**12)]
    members: Share
    users: Share
    subsidy: Share
    user_part: Literal["by_tariff", "by_budget"]
    subsidy_payer: Optional = ""
    registrants_share: Share = "0"


class ChargeTold(Told):
    """A charge or, below 0, a reduction."""

    seller: PartyId
    buyer: PartyId
    title: Text
    title_ja: Text
    day: Day
    amount_yen: Yen
    fee: Literal["platform", "data"] = "platform"
    tax: Tax = "standard"
    revenue_model: RevenueModel = "X"


class PaymentTold(Told):
    """What was paid; below 0 what was paid back."""

    payment_id: Text
    on: Day
    amount_yen: Yen
    reference: Optional = ""


class RulesShown(Model):
    """What the bill follows."""

    parties: list[JsonObject]
    tariffs: list[JsonObject]
    schemes: list[JsonObject]
    charges: list[JsonObject]


class ContributionShown(Model):
    """What one party's data came to."""

    party: str
    name: str
    deliveries_count: int
    uses_count: int
    consumers_count: int
    items_count: int


class Board(Model):
    """Who shared how much in a closed month, of those who consented."""

    month: MonthText
    contributions: list[ContributionShown]

    @classmethod
    def shown(cls, month: str, board: tuple[Contribution, ...]) -> "Board":
        """The model of a board."""
        return cls(
            month=month, contributions=[ContributionShown.of(each, party=each.party_id) for each in board]
        )


class ClosedMonth(Model):
    """How a month came out; closing it again comes to the same digest."""

    month: MonthText
    digest: Hash
    lines_count: int
    documents_count: int
    closed_ms: InstantShown

    @classmethod
    def shown(cls, counted: Counted) -> "ClosedMonth":
        """The model of a closed month."""
        return cls.of(counted, month=str(counted.month))


class DocumentShown(Model):
    """A document in short."""

    document: Hash
    number: str
    kind: Literal["invoice", "return", "purchase", "settlement"]
    month: MonthText
    issuer: str
    recipient: str
    issued_on: str
    due_on: str
    is_qualified: bool
    net_yen: int
    tax_yen: int
    gross_yen: int


class WholeDocument(Model):
    """A document with its lines, and how far it is paid."""

    document: DocumentShown
    content: JsonObject
    payments: list[JsonObject]
    payment_status: Literal["open", "partly_paid", "paid", "overpaid", "overdue"]
