"""The documents of a closing, as the qualified invoice system wants them (適格請求書等保存方式, in force since 1 October 2023).

An invoice names its issuer with registration number, the date of supply, the content, the amounts per rate, the tax per rate
and its recipient (Consumption Tax Act, article 57-4, paragraph 1). The tax is computed from the sum of each rate and rounded
once per rate and document (enforcement order, article 70-10). Where the operator bills for providers that are registered
and have told it so, it issues in its own name (媒介者交付特例, enforcement order, article 70-12) and gives each provider the
statement of what it billed (精算書). Reductions go out as return documents (適格返還請求書, paragraph 3), shares as statements of
purchase that the buyer makes out and the seller confirms (仕入明細書, article 30, paragraph 9). Who is not registered issues
documents without tax, which are not qualified.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from hashlib import sha256

import msgspec

from ashiato.facts.quantities import parse_exact
from ashiato.hub.billing.closing import REGISTRANTS, Closing, Line, Rules
from ashiato.hub.billing.money import Rounding, rounded
from ashiato.hub.billing.parties import Party
from ashiato.hub.billing.tariffs import Fee
from ashiato.law.consumption_tax import TaxCategory

PAYMENT_TERM_DAYS = 30
CONFIRMED_BY_SILENCE_DAYS = 14
"""A statement of purchase says that it counts as confirmed when nothing is said against it for so long (通達11-6-6)."""


class DocumentKind(StrEnum):
    """What a document is."""

    INVOICE = "invoice"
    """適格請求書, or an invoice that is not qualified."""
    RETURN = "return"
    """適格返還請求書: what is taken back or reduced."""
    PURCHASE = "purchase"
    """仕入明細書: the operator bought, and makes out what it owes."""
    SETTLEMENT = "settlement"
    """精算書: what the operator billed in its own name for a provider."""


SERIES: Mapping[DocumentKind, str] = {
    DocumentKind.INVOICE: "INV",
    DocumentKind.RETURN: "RET",
    DocumentKind.PURCHASE: "PUR",
    DocumentKind.SETTLEMENT: "SET",
}


class RateTotal(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of one rate, and its tax, rounded once."""

    tax: TaxCategory
    percent: str
    net_yen: int
    tax_yen: int


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A document before it has a number. Amounts of returns are positive here: they say how much is taken back.

    `issuer` makes it out; `seller` and `buyer` are the sides of the trade that it is about, and `registration` is the number
    that the law wants on it: the issuer's, of a statement of purchase the seller's. Empty: it is not qualified. `prepared_by`
    is who wrote it for the issuer, and `names` tells the names of all parties of its lines.
    """

    kind: DocumentKind
    issuer: Party
    recipient: Party
    registration: str
    month: str
    lines: tuple[Line, ...]
    totals: tuple[RateTotal, ...]
    net_yen: int
    tax_yen: int
    names: Mapping[str, str]
    is_intermediary: bool = False
    prepared_by: str = ""

    @property
    def gross_yen(self) -> int:
        """What is to be paid."""
        return self.net_yen + self.tax_yen

    @property
    def is_qualified(self) -> bool:
        """Whether its recipient may deduct the tax by it."""
        return bool(self.registration)


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document that was issued; it never changes. What was wrong with it is put right by another document.

    Numbers run without gaps for each issuer and series.
    """

    number: str
    sequence: int
    issued_on: date
    due_on: date
    draft: Draft
    digest: str

    @property
    def recipient_id(self) -> str:
        """Whose it is."""
        return self.draft.recipient.party_id


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """What was paid of a document; below 0 where it was paid back."""

    payment_id: str
    issuer: str
    number: str
    on: date
    amount_yen: int
    reference: str = ""


class PaymentStatus(StrEnum):
    """How far a document is paid."""

    OPEN = "open"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    OVERPAID = "overpaid"
    OVERDUE = "overdue"


class NoParty(LookupError):
    """A line names a party of which nothing is known for a document; the operator must enter it before the month is issued."""

    def __init__(self, party_id: str) -> None:
        super().__init__(
            f"enter name, address and registration of {party_id} first, so that it can stand on a document"
        )
        self.party_id = party_id


def drafts_of(closing: Closing, rules: Rules) -> tuple[Draft, ...]:
    """The documents of the closing in their order; raises `NoParty`. Lines of 0 yen stand in the closing only."""
    groups: dict[tuple[DocumentKind, str, str, str], list[Line]] = defaultdict(list)
    for line in closing.lines:
        if line.amount_yen:
            for key in _documents_of(line, rules):
                groups[key].append(line)
    return tuple(
        _draft(
            kind, issuer, recipient, prepared_by, groups[kind, issuer, recipient, prepared_by], closing, rules
        )
        for kind, issuer, recipient, prepared_by in sorted(groups)
    )


def number_text(kind: DocumentKind, sequence: int) -> str:
    """The number of the document: its series and its place in it."""
    return f"{SERIES[kind]}-{sequence:06d}"


def issue(draft: Draft, sequence: int, issued_on: date) -> Document:
    """The document, with its number and the hash of its content."""
    number = number_text(draft.kind, sequence)
    due_on = issued_on + timedelta(days=PAYMENT_TERM_DAYS)
    digest = sha256(msgspec.json.encode((number, issued_on, due_on, draft), order="sorted")).hexdigest()
    return Document(
        number=number, sequence=sequence, issued_on=issued_on, due_on=due_on, draft=draft, digest=digest
    )


def payment_status(document: Document, payments: Sequence[Payment], today: date) -> PaymentStatus:
    """How far the document is paid, today."""
    paid = sum(payment.amount_yen for payment in payments)
    owed = document.draft.gross_yen
    if paid == owed:
        return PaymentStatus.PAID
    if paid > owed:
        return PaymentStatus.OVERPAID
    if today > document.due_on:
        return PaymentStatus.OVERDUE
    return PaymentStatus.PARTLY_PAID if paid else PaymentStatus.OPEN


def rate_totals(lines: Sequence[Line], rounding: Rounding, *, with_tax: bool) -> tuple[RateTotal, ...]:
    """The sums per category and rate, with the tax of each rounded once; without tax for who may not show any."""
    sums: dict[tuple[TaxCategory, str], int] = defaultdict(int)
    for line in lines:
        sums[line.tax, line.percent] += line.amount_yen
    return tuple(
        RateTotal(
            tax=tax,
            percent=percent,
            net_yen=net,
            tax_yen=rounded(net * parse_exact(percent) / Fraction(100), rounding) if with_tax else 0,
        )
        for (tax, percent), net in sorted(sums.items())
    )


def _documents_of(line: Line, rules: Rules) -> list[tuple[DocumentKind, str, str, str]]:
    """The kinds of documents a line stands in, each with issuer, recipient and who prepares it for the issuer."""
    operator = rules.operator
    kind = DocumentKind.INVOICE if line.amount_yen > 0 else DocumentKind.RETURN
    if line.cause == REGISTRANTS:
        return [(DocumentKind.PURCHASE, operator, line.seller, "")]
    if line.seller == operator:
        return [(kind, operator, line.buyer, "")]
    if line.fee is Fee.DATA and _is_billed_by_hub(line, rules):
        return [(kind, operator, line.buyer, ""), (DocumentKind.SETTLEMENT, operator, line.seller, "")]
    return [(kind, line.seller, line.buyer, operator)]


def _is_billed_by_hub(line: Line, rules: Rules) -> bool:
    """Both must be registered on the day of supply, and the provider must have told the operator so (施行令70条の12第1項)."""
    seller = _party(line.seller, rules)
    operator = _party(rules.operator, rules)
    return bool(
        seller.bills_through_hub and seller.registration_on(line.last) and operator.registration_on(line.last)
    )


def _draft(
    kind: DocumentKind,
    issuer_id: str,
    recipient_id: str,
    prepared_by: str,
    lines: Sequence[Line],
    closing: Closing,
    rules: Rules,
) -> Draft:
    issuer, recipient = _party(issuer_id, rules), _party(recipient_id, rules)
    registered = recipient if kind is DocumentKind.PURCHASE else issuer
    last = max(line.last for line in lines)
    registration = registered.registration_on(last)
    sign = -1 if kind is DocumentKind.RETURN else 1
    shown = tuple(msgspec.structs.replace(line, amount_yen=sign * line.amount_yen) for line in lines)
    totals = rate_totals(shown, rules.tax_rounding, with_tax=bool(registration))
    return Draft(
        kind=kind,
        issuer=issuer,
        recipient=recipient,
        registration=registration,
        month=str(closing.month),
        lines=shown,
        totals=totals,
        net_yen=sum(total.net_yen for total in totals),
        tax_yen=sum(total.tax_yen for total in totals),
        is_intermediary=kind is not DocumentKind.SETTLEMENT
        and any(line.seller != issuer_id for line in lines)
        and kind is not DocumentKind.PURCHASE,
        prepared_by=prepared_by,
        names={each: _party(each, rules).name for line in lines for each in (line.seller, line.buyer)},
    )


def _party(party_id: str, rules: Rules) -> Party:
    party = rules.parties.get(party_id)
    if party is None:
        raise NoParty(party_id)
    return party
