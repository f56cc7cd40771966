"""What was used, as both sides say it: only what both confirm alike is billable, the rest stands side by side as a dispute.

A provider knows what it handed over (its access records), a consumer what came in and how it was used (its receipts). Each
tells the operator in a `UsageStatement`; two statements about the same delivery, use or gain make one `Usage`. The operator
adds nothing of its own.
"""

from enum import StrEnum
from hashlib import sha256

import msgspec

from ashiato.facts.instants import DAY_MS
from ashiato.hub.billing.months import Month, day_number, day_of, month_of
from ashiato.statements.receipts import ReceiptKind, VerifiedReceipt

LONGEST_TEXT_CHARS = 512
LARGEST_QUANTITY = 10**15
MOST_APART_MS = DAY_MS
"""The two sides may tell of one event a day apart: a long download ends later than it began, and clocks differ."""
MOST_AHEAD_MS = 300_000


class UsageKind(StrEnum):
    """What is counted."""

    RECEIVED = "received"
    """Data came in whole; the quantity is its bytes, the reference the provider's pid of the transfer with the data's hash."""
    USED = "used"
    """Data that came in was used; the quantity is the uses (1), the reference the number of the use under the agreement."""
    GAIN = "gain"
    """Both agree on what the data saved or earned (成果報酬); the quantity is yen, the reference their own number of it."""


class Side(StrEnum):
    """Who says it."""

    PROVIDER = "provider"
    CONSUMER = "consumer"

    @property
    def other(self) -> "Side":
        """The other side."""
        return Side.CONSUMER if self is Side.PROVIDER else Side.PROVIDER


class UsageState(StrEnum):
    """What is known of a usage."""

    AWAITED = "awaited"
    """One side has spoken, the other not yet."""
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    WITHDRAWN = "withdrawn"
    """Both sides took it back."""


class Verdict(StrEnum):
    """What became of a statement."""

    RECORDED = "recorded"
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    REPEATED = "repeated"
    """It says what was said before; nothing changed."""
    CONTRADICTED = "contradicted"
    """This side said something else before, and did not say that it replaces it; nothing changed."""
    SETTLED = "settled"
    """It is confirmed or withdrawn already and cannot be said anew; nothing changed."""


class UnusableStatement(ValueError):
    """The statement cannot be taken; the side that made it must mend it. `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class UsageStatement(msgspec.Struct, frozen=True, kw_only=True):
    """What one side says of one event. `item` is the data item under which it is priced.

    `data_sha256` is the hash of the data received ("" where there is none), `evidence_sha256` the hash of the side's own
    signed record, by which a dispute finds it. `replaces` says that it takes the place of what this side said before.
    """

    side: Side
    kind: UsageKind
    agreement: str
    provider: str
    consumer: str
    reference: str
    item: str
    at_ms: int
    quantity: int
    data_sha256: str = ""
    evidence_sha256: str = ""
    replaces: bool = False

    @property
    def usage_id(self) -> str:
        """The hexadecimal hash by which the two sides' statements find each other."""
        named = (self.agreement, self.kind.value, self.provider, self.consumer, self.reference)
        return sha256(msgspec.json.encode(named)).hexdigest()


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One side's words about a usage."""

    item: str
    at_ms: int
    quantity: int
    data_sha256: str = ""
    evidence_sha256: str = ""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery, use or gain with what each side says of it.

    `billed_in` is the month whose closing counts it, set when it was confirmed; `withdrawn_by` the sides that take it back.
    """

    usage_id: str
    kind: UsageKind
    agreement: str
    provider: str
    consumer: str
    reference: str
    state: UsageState
    provider_said: Said | None = None
    consumer_said: Said | None = None
    billed_in: Month | None = None
    withdrawn_by: tuple[Side, ...] = ()

    @property
    def counted(self) -> Said:
        """The words that are billed: those of the consumer, at whose end the supply is made. Only of what is confirmed."""
        if self.consumer_said is None:
            raise UnusableStatement("the consumer has said nothing of this usage")
        return self.consumer_said

    def said(self, side: Side) -> Said | None:
        """What that side says."""
        return self.provider_said if side is Side.PROVIDER else self.consumer_said


def check(statement: UsageStatement, now_ms: int) -> None:
    """Raise `UnusableStatement` where the statement names nothing, too much, or what has not happened yet."""
    texts = {"agreement": statement.agreement, "reference": statement.reference, "item": statement.item}
    texts |= {"provider": statement.provider, "consumer": statement.consumer}
    for name, text in texts.items():
        if not text or len(text) > LONGEST_TEXT_CHARS or not text.isprintable():
            raise UnusableStatement(f"{name} must be 1 to {LONGEST_TEXT_CHARS} printable characters")
    for name, text in {
        "data_sha256": statement.data_sha256,
        "evidence_sha256": statement.evidence_sha256,
    }.items():
        if text and (len(text) != 64 or text.strip("0123456789abcdef")):
            raise UnusableStatement(f"{name} must be 64 hexadecimal digits in small letters, or empty")
    if statement.provider == statement.consumer:
        raise UnusableStatement("provider and consumer are the same; who uses its own data owes nothing")
    if not 0 <= statement.at_ms <= now_ms + MOST_AHEAD_MS:
        raise UnusableStatement("at_ms lies in the future, or before 1970")
    if not 0 <= statement.quantity <= LARGEST_QUANTITY:
        raise UnusableStatement(f"quantity must be between 0 and {LARGEST_QUANTITY}")
    if statement.kind is UsageKind.USED and statement.quantity != 1:
        raise UnusableStatement("a use counts once: its quantity is 1")
    if statement.kind is UsageKind.RECEIVED and not statement.data_sha256:
        raise UnusableStatement("say the hash of what was received in data_sha256")


def take(known: Usage | None, statement: UsageStatement, open_month: Month) -> tuple[Usage, Verdict]:
    """The usage with the statement in it, and what became of the statement.

    What is confirmed is billed in the month in which it happened or, where that one is closed, in `open_month`, the first
    month that is not.
    """
    usage = known or Usage(
        usage_id=statement.usage_id,
        kind=statement.kind,
        agreement=statement.agreement,
        provider=statement.provider,
        consumer=statement.consumer,
        reference=statement.reference,
        state=UsageState.AWAITED,
    )
    said = Said(
        item=statement.item,
        at_ms=statement.at_ms,
        quantity=statement.quantity,
        data_sha256=statement.data_sha256,
        evidence_sha256=statement.evidence_sha256,
    )
    before = usage.said(statement.side)
    if before == said:
        return usage, Verdict.REPEATED
    if usage.state in (UsageState.CONFIRMED, UsageState.WITHDRAWN):
        return usage, Verdict.SETTLED
    if before is not None and not statement.replaces:
        return usage, Verdict.CONTRADICTED
    if statement.side is Side.PROVIDER:
        usage = msgspec.structs.replace(usage, provider_said=said)
    else:
        usage = msgspec.structs.replace(usage, consumer_said=said)
    if usage.said(statement.side.other) is None:
        return usage, Verdict.RECORDED
    if differences(usage):
        return msgspec.structs.replace(usage, state=UsageState.DISPUTED), Verdict.DISPUTED
    happened = month_of(day_of(usage.counted.at_ms))
    billed_in = max(happened, open_month)
    return msgspec.structs.replace(usage, state=UsageState.CONFIRMED, billed_in=billed_in), Verdict.CONFIRMED


def differences(usage: Usage) -> tuple[str, ...]:
    """The names of what the two sides say differently; none where one of them is silent."""
    one, other = usage.provider_said, usage.consumer_said
    if one is None or other is None:
        return ()
    found = [
        name for name in ("item", "quantity", "data_sha256") if getattr(one, name) != getattr(other, name)
    ]
    if abs(one.at_ms - other.at_ms) > MOST_APART_MS:
        found.append("at_ms")
    return tuple(found)


def withdraw(usage: Usage, side: Side) -> Usage:
    """The usage after that side took it back; it counts no more when both did."""
    if side in usage.withdrawn_by:
        return usage
    by = tuple(sorted((*usage.withdrawn_by, side)))
    state = UsageState.WITHDRAWN if len(by) == len(Side) else usage.state
    return msgspec.structs.replace(usage, withdrawn_by=by, state=state)


def day_billed(usage: Usage) -> int:
    """The number of the day in Tokyo on which a confirmed usage happened: its tariff and its tax are those of that day."""
    return day_number(usage.counted.at_ms)


def statement_of_receipt(verified: VerifiedReceipt, item: str) -> UsageStatement | None:
    """What a consumer's signed receipt says about usage; None for a deletion, which nobody pays for."""
    receipt = verified.receipt
    if receipt.kind is ReceiptKind.DELETED:
        return None
    is_use = receipt.kind is ReceiptKind.USED
    return UsageStatement(
        side=Side.CONSUMER,
        kind=UsageKind.USED if is_use else UsageKind.RECEIVED,
        agreement=receipt.agreement,
        provider=receipt.provider,
        consumer=receipt.consumer,
        reference=str(receipt.use) if is_use else f"{receipt.transfer} {receipt.data_sha256}",
        item=item,
        at_ms=receipt.at_ms,
        quantity=1 if is_use else receipt.size_bytes,
        data_sha256="" if is_use else receipt.data_sha256,
        evidence_sha256=verified.sha256,
    )
