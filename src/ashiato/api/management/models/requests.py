"""Requests for data along the supply chain: what is asked, how far it is, what answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ashiato.api.management.models.offering import AccessForm
from ashiato.api.management.models.shared import (
    LONGEST_INSTANT_MS,
    Address,
    Instant,
    InstantShown,
    Line,
    Model,
    OwnId,
    PageQuery,
    Partner,
    PartnerShown,
)
from ashiato.supply import requests
from ashiato.supply.messages import Counts as TreeCounts
from ashiato.supply.messages import Part as PartNamed

DataItem = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$"),
    Field(description="What is asked for, for instance `footprint`.", examples=["footprint"]),
]
Text = Annotated[
    str,
    StringConstraints(max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$"),
    Field(description="Words for the other company, which reads them."),
]
PartName = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
SideName = Literal["asked", "received"]
StateName = Literal[
    "asked",
    "received",
    "in-progress",
    "asked-on",
    "answered",
    "rejected",
    "cancelled",
    "withdrawn",
    "already-asked",
    "undelivered",
]
DataRequestActName = Literal["begin", "answer", "reject", "withdraw", "trace", "remind", "cancel"]


class PartAsked(Model):
    """A part of the supplier; give one of the two."""

    link: PartName = ""
    """The trade link that both sides confirmed."""
    part_id: PartName = ""
    """The supplier's own id of the part."""


class RequestCounts(Model):
    """How far a tree is. It tells how many requests there are, and of whom it tells nothing."""

    trades: int
    completed: int
    closed: int
    """Ended without an answer: rejected, cancelled, withdrawn, undelivered, asked in a circle."""
    open: int


class WantedPart(Model):
    """A part at a supplier's."""

    partner: Partner
    part: PartAsked
    data_item: Annotated[str, StringConstraints(max_length=100)] = ""
    """Left out, it is that of the request."""
    address: Address | None = None


class DataRequestBody(Model):
    """What is asked, of whom, until when."""

    to: list[WantedPart] = Field(min_length=1, max_length=1000)
    data_item: DataItem
    due_ms: Instant
    text: Text = ""
    hops: Annotated[
        int, Field(ge=0, le=32, description="How many tiers below the first may be asked in turn.")
    ] = 8
    fetch: bool = True
    """Fetch the asset that answers, where its terms ask for no duty or stand in a framework contract."""
    in_answer_to: Annotated[str, StringConstraints(max_length=256)] = ""
    """The request of a customer for which you ask on; left out, a tree of your own begins."""


class DeclarationNamed(Model):
    """A declaration that lies elsewhere."""

    declaration_id: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[!-~]+$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class DataRequestAct(Model):
    """What goes with an act: an answer needs `asset_id` or `declaration`, a rejection and a withdrawal need `text`.

    `trace` lets a question of tracing be answered, with `names` also by the names of your things.
    """

    asset_id: Line = ""
    declaration: DeclarationNamed | None = None
    names: bool = False
    text: Text = ""


class ThingNamed(Model):
    """A batch or an item of a partner that it chose to name."""

    kind: Literal["batch", "item"]
    part: str
    """The partner's own id of the part."""
    name: str
    """The serial number, or the lot."""


class TierTold(Model):
    """What is known of one tier, as numbers that name nobody."""

    things: int
    """Batches and items that were reached."""
    ends: int
    """Those at which the trail ends there."""
    unanswered: int
    """Those of which the next tier said nothing."""
    branches: int
    """Questions to the next tier."""
    silent: int
    """Those of them without an answer."""


class ReachTold(Model):
    """How far things reach: what the answering company had of them, its tier and those behind it, and what it named."""

    known: list[str]
    known_lots: list[str]
    tiers: list[TierTold]
    named: list[ThingNamed]


class TraceFound(Model):
    """What a trace found."""

    found: list[str]
    """Which of the serial numbers that were asked about hold it."""
    unanswered: int
    """Branches below that gave no answer, or things of which nothing is known: with 0 the result is complete."""
    reach: ReachTold | None
    """Where it was asked how far things reach."""


class AnswerShown(Model):
    """One version of an answer."""

    version: int
    asset_id: str
    declaration: DeclarationNamed | None
    trace: TraceFound | None
    text: str
    is_late: bool
    """It came after you cancelled: kept, and without effect."""
    withdrawn_ms: InstantShown | None
    at_ms: InstantShown
    fetch_id: str
    received_id: str
    problem: str


class DataRequest(Model):
    """A request on either side."""

    own_id: str
    side: SideName
    partner: PartnerShown
    request_id: str
    tree_id: str
    data_item: str
    part: PartAsked
    due_ms: InstantShown
    is_overdue: bool
    hops: int
    text: str
    state: StateName
    reason: str
    version: int
    counts: RequestCounts
    """This request and everything below it."""
    created_ms: InstantShown
    updated_ms: InstantShown


class AskedRequests(Model):
    """The requests that were made, or were there already in this tree."""

    tree_id: str
    items: list[DataRequest]


class DataRequestDetail(DataRequest):
    """A request with its answers, and what was asked for it."""

    answers: list[AnswerShown]
    acts: list[str]
    """What is possible now."""
    asked_for_it: list[str]
    """The first hundred of your own requests to suppliers that were made for this one."""


class DataRequestQuery(PageQuery):
    """Which requests are wanted."""

    side: Annotated[SideName | None, Field(description="Only those that you made, or received.")] = None
    state: Annotated[StateName | None, Field(description="Only those in this state.")] = None
    tree_id: Annotated[str | None, Field(max_length=256, description="Only those of this tree.")] = None


class AnswerRuleBody(Model):
    """What is answered without a person."""

    data_item: DataItem
    part_id: PartName = ""
    """Left out, the rule is for every part."""
    asset_id: Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00-\x20\x7f/\\?#%]*$")] = ""
    """An asset that partners can see; for `trace:holds`, `trace:materials` and `trace:went` none: the answer is worked out."""
    ask_on: list[WantedPart] = Field(default=[], max_length=1000)
    """These suppliers are asked first; the answer goes out when all of them have answered."""
    partners: list[Partner] = Field(default=[], max_length=1000)
    """Whom it answers; left out, whoever may write to the inbox."""
    names: bool = False
    """Let the answer to `trace:materials` or `trace:went` name your things; without it, it counts them."""


class AnswerRuleShown(Model):
    """A rule as it is stored."""

    rule_id: str
    data_item: str
    part_id: str
    asset_id: str
    ask_on: list[WantedPart]
    partners: list[str]
    names: bool
    created_ms: InstantShown


class RequestInboxBody(Model):
    """Who may write to the inbox, and who agrees to it."""

    access: AccessForm | list[AccessForm] = Field(default=[])
    """Left out, every company that proves who it is."""
    approval: Literal["automatic", "manual"] = "automatic"


class RequestInbox(Model):
    """The inbox as it is offered."""

    asset_id: str
    is_open: bool
    access: list[AccessForm]


def counts_of(counts: TreeCounts) -> RequestCounts:
    """The counts as the API shows them."""
    return RequestCounts(
        trades=counts.trades, completed=counts.completed, closed=counts.closed, open=counts.open
    )


def shown(request: requests.SupplyRequest) -> dict[str, object]:
    """What a request is shown with beside its own members."""
    return {"counts": counts_of(requests.total(request))}


def wanted_of(body: WantedPart) -> requests.Wanted:
    """The part at a supplier's as the inner rooms know it."""
    part = PartNamed(link=body.part.link, part_id=body.part.part_id)
    return requests.Wanted(
        partner=body.partner, part=part, data_item=body.data_item, address=(body.address or "").rstrip("/")
    )


class TraceBody(Model):
    """Which of your items of a part hold something that others made."""

    about: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
    """The batch or item, by an identifier that those who handled it know."""
    part_id: OwnId
    """Your own part."""
    serials: list[Annotated[str, StringConstraints(min_length=1, max_length=128)]] = Field(
        min_length=1, max_length=500
    )
    due_ms: Instant
    hops: Annotated[int, Field(ge=0, le=32)] = 8


class ReachBody(Model):
    """Which way a thing is followed through other companies, and until when."""

    direction: Literal["down", "up"]
    """To its materials, or to where it went."""
    due_ms: Instant
    hops: Annotated[int, Field(ge=0, le=32)] = 8
    text: Text = ""


class TierShown(TierTold):
    """One tier: 0 is this company, 1 its partners, and so on."""

    tier: int
    masked: int
    """Those of its things that nobody named here."""


class BranchShown(Model):
    """A question to one partner, and what it said."""

    own_id: str
    """The request; its answers stand there."""
    partner: PartnerShown
    part: PartAsked
    state: StateName
    is_overdue: bool
    reason: str
    has_answered: bool
    asked: int
    """Things that it was asked about."""
    known: int
    """Those that it had."""
    masked: int
    """Things of its own that it counted and did not name."""
    named: list[ThingNamed]


class ReachShown(Model):
    """How far a thing reaches, as far as it is known now."""

    own_id: str
    direction: Literal["down", "up"]
    state: StateName
    due_ms: InstantShown
    version: int
    is_complete: bool
    """Every branch has answered and every thing is accounted for."""
    unanswered: int
    """Things of which nothing is known."""
    tiers: list[TierShown]
    named: list[ThingNamed]
    """Things of your own on the way, 500 at most."""
    branches: list[BranchShown]
    """The questions to your own partners; who stands behind them stays masked."""


class TraceQuery(BaseModel):
    """Which way is walked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    direction: Annotated[
        Literal["down", "up"], Field(description="What it holds, or what it is held in.")
    ] = "down"
    as_of_ms: Annotated[
        int | None, Field(ge=0, le=LONGEST_INSTANT_MS, description="As it was built then; left out: ever.")
    ] = None


class ThingShown(Model):
    """A batch or an item."""

    kind: Literal["batch", "item"]
    id: str


class TraceStep(Model):
    """One relation that was walked."""

    depth: int
    holder: ThingShown
    component: ThingShown


class TraceShown(Model):
    """What this company knows of a thing; what lies behind a border another company knows."""

    steps: list[TraceStep]
    borders: list[ThingShown]
    """Down: what others made, of which nothing is known here. Up: what nothing of yours holds."""
    is_whole: bool
