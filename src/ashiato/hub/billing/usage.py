"""What was used, as both sides say it: only what both confirm alike is billable, the rest stands side by side as a dispute.

A provider knows what it handed over (its access records), a consumer what came in and how it was used (its receipts). Each
tells the operator in a `UsageStatement`; two statements about the same delivery, use or gain make one `Usage`. The operator
adds nothing of its own.
"""

from enum import StrEnum

import msgspec

from ashiato.facts.instants import DAY_MS
from ashiato.hub.billing.months import Month, day_number, day_of, month_of
from ashiato.statements.usage import Side, UnusableStatement, UsageKind, UsageStatement

MOST_APART_MS = DAY_MS
"""The two sides may tell of one event a day apart: a long download ends later than it began, and clocks differ."""


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
