"""What companies say to each other about requests for data: the messages that are posted to a partner's inbox, on the wire.

A message is one strict JSON object with `schema`, which names the version, and `type`. Members that the version does not know
are refused: nobody may believe that something was said which the other side did not read. Instants are epoch milliseconds.

Nothing in a message names anybody behind the two companies that exchange it. A request carries the id of the tree that it
belongs to, salted anew by every company that asks on (`onward_tree_id`), and `marks`: random texts that only the company which
put them there can tell from others, so that a request which comes back to it is known.
"""

from hashlib import sha256
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from ashiato.facts.strict_json import MalformedJson, parse_strict

SCHEMA: Final = "urn:ashiato:supply:1"
INBOX_ASSET_ID = "urn:ashiato:supply:inbox"
MEDIA_TYPE = "application/json"

MOST_MESSAGE_BYTES = 131_072
MOST_HOPS_COUNT = 32
MOST_MARKS_COUNT = 64
MOST_TRADES_COUNT = 1_000_000_000
MOST_SERIALS_COUNT = 500
MOST_NAMED_COUNT = 500
MOST_TIERS_COUNT = MOST_HOPS_COUNT + 2

Id = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[!-~]+$")]
Text = Annotated[str, Meta(max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
Line = Annotated[str, Meta(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Serial = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
Lot = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
Count = Annotated[int, Meta(ge=0, le=MOST_TRADES_COUNT)]
Instant = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]


class MalformedSupplyMessage(ValueError):
    """The partner's bytes are no message that this version knows; `problem` says why, for the partner."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class _Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of a message have in common."""


class Part(_Struct, frozen=True, kw_only=True):
    """A part of the supplier: by the trade link that both sides confirmed, or by the supplier's own id of it."""

    link: Line = ""
    part_id: Line = ""


class Counts(_Struct, frozen=True, kw_only=True):
    """How far a tree of requests is: so many requests to suppliers, answered, and ended without an answer.

    Requests are counted and not companies, so a supplier of two branches counts in each. Nothing says who they are.
    """

    trades: int = 0
    completed: int = 0
    closed: int = 0

    @property
    def open(self) -> int:
        """Requests that may still be answered."""
        return self.trades - self.completed - self.closed

    def capped(self) -> "Counts":
        """The counts as they may travel: suppliers that tell enormous ones must not make our own message malformed."""
        trades = min(self.trades, MOST_TRADES_COUNT)
        completed = min(self.completed, trades)
        return Counts(trades=trades, completed=completed, closed=min(self.closed, trades - completed))


class Declaration(_Struct, frozen=True, kw_only=True):
    """A declaration that lies elsewhere, by its id and its hexadecimal SHA-256."""

    declaration_id: Id
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class TracedThing(_Struct, frozen=True, kw_only=True):
    """A batch or an item of the answering company that it names: by its own id of the part, and the serial number or the lot."""

    kind: Literal["batch", "item"]
    part: Lot
    name: Lot


class TraceTier(_Struct, frozen=True, kw_only=True):
    """What is known of one tier, as numbers that name nobody.

    `things` are batches and items that were reached, `ends` those at which the trail ends there, `unanswered` those of which the
    next tier said nothing; `branches` are the questions to the next tier, and `silent` those of them without an answer.
    """

    things: Count = 0
    ends: Count = 0
    unanswered: Count = 0
    branches: Count = 0
    silent: Count = 0


class TraceReach(_Struct, frozen=True, kw_only=True):
    """How far a trail was followed: which of the things that were asked about the answering company had (`known`, `known_lots`),
    its own tier and those behind it, and things of its own tier that it chose to name.
    """

    known: Annotated[tuple[Serial, ...], Meta(max_length=MOST_SERIALS_COUNT)] = ()
    known_lots: Annotated[tuple[Lot, ...], Meta(max_length=MOST_SERIALS_COUNT)] = ()
    tiers: Annotated[tuple[TraceTier, ...], Meta(max_length=MOST_TIERS_COUNT)] = ()
    named: Annotated[tuple[TracedThing, ...], Meta(max_length=MOST_NAMED_COUNT)] = ()


class TraceResult(_Struct, frozen=True, kw_only=True):
    """Which of the asker's serial numbers hold what was asked about, and how many branches below gave no answer.

    Where it was asked how far things reach, `reach` says it, and `unanswered` counts the things of which nothing is known.
    """

    found: Annotated[tuple[Serial, ...], Meta(max_length=MOST_SERIALS_COUNT)] = ()
    unanswered: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    reach: TraceReach | None = None


class _Message(_Struct, frozen=True, kw_only=True, tag_field="type"):
    schema: Literal["urn:ashiato:supply:1"] = SCHEMA
    message_id: Id


class DataRequest(_Message, frozen=True, kw_only=True):
    """A buyer asks its supplier for a data item of a part, until `due_ms`; where things went a supplier asks its customer.

    A question of tracing says what it is `about` (a batch or an item, by an identifier that both may know) and `among` which
    serial numbers of the part the asker looks for it; or which serial numbers (`among`) and `lots` of the part it follows.
    """

    request_id: Id
    tree_id: Id
    data_item: Name
    part: Part
    due_ms: Instant
    hops: Annotated[int, Meta(ge=0, le=MOST_HOPS_COUNT)]
    about: Line = ""
    among: Annotated[tuple[Serial, ...], Meta(max_length=MOST_SERIALS_COUNT)] = ()
    lots: Annotated[tuple[Lot, ...], Meta(max_length=MOST_SERIALS_COUNT)] = ()
    marks: Annotated[tuple[Id, ...], Meta(max_length=MOST_MARKS_COUNT)] = ()
    text: Text = ""


class Reminder(_Message, frozen=True, kw_only=True):
    """The buyer asks again for the answer that it still wants."""

    request_id: Id
    text: Text = ""


class Cancellation(_Message, frozen=True, kw_only=True):
    """The buyer wants no answer any more."""

    request_id: Id
    text: Text = ""


class Status(_Message, frozen=True, kw_only=True):
    """The supplier says how far it is, and how far those are whom it asked in turn."""

    request_id: Id
    state: Literal["received", "in-progress", "asked-on", "answered"]
    counts: Counts = Counts()


class Answer(_Message, frozen=True, kw_only=True):
    """The data can be had: as the supplier's asset under an agreement, as a declaration by its hash; or the trace is known.

    `part` is the one that was asked about. A `version` above 1 corrects or renews the one before it.
    """

    request_id: Id
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    part: Part
    asset_id: Line = ""
    declaration: Declaration | None = None
    trace: TraceResult | None = None
    counts: Counts = Counts()
    text: Text = ""


class Rejection(_Message, frozen=True, kw_only=True):
    """The supplier will not answer, and says why."""

    request_id: Id
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]
    counts: Counts = Counts()


class Withdrawal(_Message, frozen=True, kw_only=True):
    """The supplier takes back what it answered, up to this version."""

    request_id: Id
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


class StandingNotice(_Message, frozen=True, kw_only=True):
    """What the sender declared in this asset does not hold any more as it did: the fact, without reason or name."""

    asset_id: Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    standing: Literal["rests-on-stale", "superseded", "withdrawn"]


class LinkProposal(_Message, frozen=True, kw_only=True):
    """The sender says that a part of its own is a part of the receiver's; `side` is the sender's in the trade."""

    link_id: Id
    side: Literal["buyer", "supplier"]
    part_id: Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
    part_name: Line = ""
    unit: Line = ""
    partner_part_id: Line = ""
    text: Text = ""


class LinkConfirmation(_Message, frozen=True, kw_only=True):
    """The receiver of a proposal says yes, with its own part."""

    link_id: Id
    part_id: Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
    part_name: Line = ""
    unit: Line = ""


class LinkRefusal(_Message, frozen=True, kw_only=True):
    """The receiver of a proposal says no."""

    link_id: Id
    reason: Text = ""


class LinkWithdrawal(_Message, frozen=True, kw_only=True):
    """The proposal is taken back, or the link ended."""

    link_id: Id
    reason: Text = ""


Message = (
    DataRequest
    | Reminder
    | Cancellation
    | Status
    | Answer
    | Rejection
    | Withdrawal
    | StandingNotice
    | LinkProposal
    | LinkConfirmation
    | LinkRefusal
    | LinkWithdrawal
)


class Receipt(_Struct, frozen=True, kw_only=True, tag_field="type"):
    """What the receiver answers at once to a message that it took: `already-asked` ends a request that went in a circle."""

    schema: Literal["urn:ashiato:supply:1"] = SCHEMA
    message_id: Id
    outcome: Literal["taken", "already-asked", "kept-without-effect"]
    text: Text = ""


class Refusal(_Struct, frozen=True, kw_only=True, tag_field="type"):
    """What the receiver answers at once to a message that it did not take; its sender must mend what `reason` says."""

    schema: Literal["urn:ashiato:supply:1"] = SCHEMA
    code: Name
    reason: Text


_encode = msgspec.json.Encoder().encode


def encode(message: Message | Receipt | Refusal) -> bytes:
    """The bytes of a message."""
    return _encode(message)


def decode(body: bytes) -> Message:
    """The message in `body`; raises `MalformedSupplyMessage` with the path of the first fault."""
    message: Message = _decoded(body, Message)
    if isinstance(message, DataRequest | Answer) and bool(message.part.link) is bool(message.part.part_id):
        raise MalformedSupplyMessage("part: give either `link` or `part_id`")
    if isinstance(message, Answer):
        given = (bool(message.asset_id), message.declaration is not None, message.trace is not None)
        if sum(given) != 1:
            raise MalformedSupplyMessage("give one of `asset_id`, `declaration` and `trace`")
    counts = message.counts if isinstance(message, Status | Answer | Rejection) else Counts()
    told = (counts.trades, counts.completed, counts.closed, counts.open)
    if not all(0 <= count <= MOST_TRADES_COUNT for count in told):
        raise MalformedSupplyMessage(
            f"counts: 0 to {MOST_TRADES_COUNT}, and no more requests have ended than there are"
        )
    return message


def decode_reply(body: bytes) -> Receipt | Refusal:
    """What a receiver answered; raises `MalformedSupplyMessage` when it is no inbox that spoke."""
    reply: Receipt | Refusal = _decoded(body, Receipt | Refusal)
    return reply


def onward_tree_id(tree_id: str, salt: str) -> str:
    """The id under which a tree goes on to the next tier: without the salt nobody can tell that both are one tree."""
    return f"urn:sha256:{sha256(f'{salt} {tree_id}'.encode()).hexdigest()}"


def _decoded(body: bytes, kind: Any) -> Any:
    try:
        value = parse_strict(body, max_bytes=MOST_MESSAGE_BYTES, max_depth=8)
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            raise MalformedSupplyMessage(f"a message is a JSON object with schema {SCHEMA!r}")
        return msgspec.convert(value, kind)
    except MalformedJson as error:
        raise MalformedSupplyMessage(error.problem) from None
    except msgspec.ValidationError as error:
        raise MalformedSupplyMessage(str(error)[:500]) from None
