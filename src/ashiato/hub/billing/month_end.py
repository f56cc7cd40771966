"""Closing a month: cut it, count it, write its documents. Each step can be run again and comes to the same.

0. Before the cut everything is counted on trial, so that a rule that cannot be followed is found while it can still be mended.
1. `cut`: from here on nothing more is billed in the month, and the rules that it follows are kept with it.
2. `count`: reads what is billed in it and makes lines and documents; it writes nothing, however long it takes.
3. `write`: closing and documents with their numbers, in one transaction. This is the point of no return: what is issued stays.

Whoever runs all three again, after a crash or for proof, comes to the same hash and writes nothing.
"""

from collections import defaultdict
from collections.abc import Callable

import msgspec

from ashiato.facts.problems import WrongState
from ashiato.hub.billing.board import Contribution, contributions
from ashiato.hub.billing.closing import Closing, Metered, Rules, Stretch, close, stretches
from ashiato.hub.billing.documents import Document, DocumentKind, Draft, drafts_of, issue
from ashiato.hub.billing.money import Rounding
from ashiato.hub.billing.months import Month, day_from_number, day_of, month_of, number_of
from ashiato.hub.billing.ports import BILLING, Billing, Counted, Cut
from ashiato.hub.ports import Store, UnitOfWork

LANE = "operator"


class DifferentResult(Exception):
    """A closing that was run again came out differently: rows were changed behind the program. The operator must find out how."""

    def __init__(self, month: Month, before: str, now: str) -> None:
        super().__init__(f"{month} was closed as {before} and would now be {now}; nothing was written")
        self.month = month
        self.before = before
        self.now = now


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A closing with its documents before they have numbers."""

    closing: Closing
    drafts: tuple[Draft, ...]
    board: tuple[Contribution, ...]


def rules_now(billing: Billing, operator: str, line_rounding: Rounding, tax_rounding: Rounding) -> Rules:
    """The rules as they are entered now."""
    return Rules(
        operator=operator,
        parties={party.party_id: party for party in billing.parties()},
        tariffs=tuple(billing.tariffs()),
        schemes=tuple(billing.schemes()),
        charges=tuple(billing.charges()),
        line_rounding=line_rounding,
        tax_rounding=tax_rounding,
    )


def cut(uow: UnitOfWork, month: Month, rules: Rules, now_ms: int) -> Cut:
    """Cut the month, or find that it was cut; raises `WrongState` before its end, and where an earlier one comes first."""
    billing = uow.room(BILLING)
    known = billing.cut(month)
    if known is not None:
        return known
    _check_turn(billing, month, now_ms)
    made = Cut(month=month, cut_ms=now_ms, rules=rules)
    billing.put_cut(made)
    return made


def awaits_cut(uow: UnitOfWork, month: Month, now_ms: int) -> bool:
    """Whether the month can be cut and was not yet; raises what `cut` raises."""
    billing = uow.room(BILLING)
    if billing.cut(month) is not None:
        return False
    _check_turn(billing, month, now_ms)
    return True


def _check_turn(billing: Billing, month: Month, now_ms: int) -> None:
    expected = billing.open_month() or billing.first_month_with_usage() or month
    if now_ms < month.end_ms:
        raise WrongState(f"{month} is not over in Tokyo.", month=str(month))
    if month != expected and (month > expected or billing.open_month() is not None):
        raise WrongState(f"Close {expected} first; months are closed in their order.", month=str(expected))


def count(billing: Billing, month: Month, rules: Rules) -> Result:
    """Lines and documents of what is billed in the month so far; the same for the same rows."""
    metered = _metered(billing, month)
    closing = close(month, metered, rules)
    own = (total for part in metered if part.stretch.first >= month.first for total in part.totals)
    return Result(closing=closing, drafts=drafts_of(closing, rules), board=contributions(own, rules.parties))


def write(uow: UnitOfWork, result: Result, now_ms: int) -> Counted:
    """Issue the documents and keep the closing; where that was done before, only compare. Raises `DifferentResult`."""
    billing = uow.room(BILLING)
    closing = result.closing
    known = billing.counted(closing.month)
    if known is not None:
        if known.digest != closing.digest:
            raise DifferentResult(closing.month, known.digest, closing.digest)
        return known
    documents = _numbered(billing, result.drafts, now_ms)
    counted = Counted(
        month=closing.month,
        digest=closing.digest,
        lines_count=len(closing.lines),
        documents_count=len(documents),
        closed_ms=now_ms,
        board=result.board,
    )
    billing.put_documents(documents)
    billing.put_closing(closing, counted)
    return counted


async def close_month(
    store: Store, month: Month, rules_of: Callable[[Billing], Rules], now_ms: int
) -> Counted:
    """All three steps, after a trial. Raises what they raise; what the trial raises has changed nothing."""

    def trial(uow: UnitOfWork) -> None:
        billing = uow.room(BILLING)
        count(billing, month, rules_of(billing))

    # A cut is for good, and with it the rules: a party that is missing then could never be entered any more.
    if await store.run(LANE, lambda uow: awaits_cut(uow, month, now_ms)):
        await store.read(LANE, trial)
    made = await store.run(LANE, lambda uow: cut(uow, month, rules_of(uow.room(BILLING)), now_ms))
    result = await store.read(LANE, lambda uow: count(uow.room(BILLING), month, made.rules))
    return await store.run(LANE, lambda uow: write(uow, result, now_ms))


def _metered(billing: Billing, month: Month) -> list[Metered]:
    """What happened in the month itself, and the stretches of earlier months of which something is billed late in it."""
    found = []
    late = {month_of(day_from_number(number)) for number in billing.days_billed_late(month)}
    for earlier in sorted(late):
        for stretch in stretches(earlier):
            first, last = _days(stretch)
            totals = billing.totals(first, last, None, month)
            before = billing.totals(first, last, None, month.preceding)
            found.append(Metered(stretch=stretch, totals=tuple(totals), before=tuple(before)))
    own = [
        Metered(stretch=stretch, totals=tuple(billing.totals(*_days(stretch), month, month)))
        for stretch in stretches(month)
    ]
    return [*found, *own]


def _days(stretch: Stretch) -> tuple[int, int]:
    return number_of(stretch.first), number_of(stretch.last)


def _numbered(billing: Billing, drafts: tuple[Draft, ...], now_ms: int) -> list[Document]:
    issued_on = day_of(now_ms)
    sequences: dict[tuple[str, DocumentKind], int] = defaultdict(int)
    documents = []
    for draft in drafts:
        key = (draft.issuer.party_id, draft.kind)
        if key not in sequences:
            sequences[key] = billing.last_sequence(*key)
        sequences[key] += 1
        documents.append(issue(draft, sequences[key], issued_on))
    return documents
