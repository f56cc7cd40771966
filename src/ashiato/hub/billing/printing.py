"""A document as rows of text: for the page (PDF) and for the table (CSV). What is printed is said by the document alone."""

import csv

from ashiato.hub.billing.closing import Line
from ashiato.hub.billing.documents import Document, DocumentKind
from ashiato.hub.billing.wording import LABELS, UNITS, Language, notes_of, rate_text, title_of

CSV_COLUMNS = (
    "document", "kind", "issued_on", "due_on", "month", "issuer", "registration", "recipient", "line", "seller_id", "seller",
    "buyer_id", "buyer", "fee", "cause", "revenue_model", "content", "from", "until", "quantity", "unit", "tax_category",
    "tax_percent", "amount_yen", "corrects", "rate_net_yen", "rate_tax_yen", "net_yen", "tax_yen", "gross_yen",
)  # fmt: skip
# What a spreadsheet would take for a formula is told apart by an apostrophe, as spreadsheets do themselves.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def page_of(document: Document, language: Language) -> dict[str, object]:
    """All that stands on the page, as texts in their order: what the typesetter fills its template with."""
    draft, labels = document.draft, LABELS[language]
    is_purchase = draft.kind is DocumentKind.PURCHASE
    with_tax = draft.is_qualified
    facts = [
        (labels["number"], document.number),
        (labels["issued_on"], document.issued_on.isoformat()),
        (labels["month"], draft.month),
    ]
    if draft.kind is not DocumentKind.RETURN:
        facts.append((labels["due_on"], document.due_on.isoformat()))
    registered = (labels["seller_registration" if is_purchase else "registration"], draft.registration)
    totals = [
        (
            f"{rate_text(each.tax, each.percent, language)} {labels['subtotal']}",
            _yen(each.net_yen),
            _yen(each.tax_yen),
        )
        for each in draft.totals
    ]
    return {
        "language": language,
        "title": title_of(draft, language),
        "facts": [[*fact] for fact in facts],
        "recipient": [draft.recipient.name + labels["honorific"], draft.recipient.address],
        "issuer": [draft.issuer.name, draft.issuer.address],
        "registration": [*registered] if draft.registration else [],
        "head": [
            labels["content"],
            labels["buyer" if draft.kind is DocumentKind.SETTLEMENT else "seller"],
            labels["period"],
            labels["quantity"],
            labels["rate"],
            labels["amount" if with_tax else "plain_amount"],
        ],
        "rows": [_row(line, document, language) for line in draft.lines],
        "totals_head": [
            "",
            labels["amount" if with_tax else "plain_amount"],
            labels["tax"] if with_tax else "",
        ],
        "totals": [[name, net, tax if with_tax else ""] for name, net, tax in totals],
        "sums": [
            *(
                [[labels["net"], _yen(draft.net_yen)], [labels["tax"], _yen(draft.tax_yen)]]
                if with_tax
                else []
            ),
            [labels["gross" if with_tax else "plain_gross"], f"{_yen(draft.gross_yen)} {labels['yen']}"],
        ],
        "notes": notes_of(draft, language),
    }


def csv_of(document: Document, language: Language) -> str:
    """One row for each line, each with the sums of its rate and of the document."""
    draft = document.draft
    sums = {(each.tax, each.percent): each for each in draft.totals}
    out = _Written()
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    for place, line in enumerate(draft.lines, 1):
        rate = sums[line.tax, line.percent]
        texts = (
            document.number, draft.kind.value, document.issued_on.isoformat(), document.due_on.isoformat(), draft.month,
            draft.issuer.name, draft.registration, draft.recipient.name, place, line.seller,
            draft.names[line.seller], line.buyer, draft.names[line.buyer], line.fee.value,
            line.cause, line.revenue_model.value, _title(line, language), line.first.isoformat(), line.last.isoformat(),
            line.quantity, line.measure.value, line.tax.value, line.percent, line.amount_yen, line.corrects,
            rate.net_yen, rate.tax_yen, draft.net_yen, draft.tax_yen, draft.gross_yen,
        )  # fmt: skip
        writer.writerow([_safe(text) if isinstance(text, str) else text for text in texts])
    return "".join(out.parts)


class _Written:
    """What `csv` writes to."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, text: str) -> None:
        self.parts.append(text)


def _row(line: Line, document: Document, language: Language) -> list[str]:
    labels = LABELS[language]
    title = _title(line, language)
    if line.corrects:
        title += f" ({labels['corrects']} {line.corrects})"
    other = line.buyer if document.draft.kind is DocumentKind.SETTLEMENT else line.seller
    period = (
        line.first.isoformat()
        if line.first == line.last
        else f"{line.first.isoformat()} – {line.last.isoformat()}"
    )
    quantity = f"{line.quantity:,} {UNITS[language][line.measure]}".rstrip()
    return [
        title,
        document.draft.names[other],
        period,
        quantity,
        rate_text(line.tax, line.percent, language),
        _yen(line.amount_yen),
    ]


def _title(line: Line, language: Language) -> str:
    return line.title_ja if language == "ja" else line.title


def _yen(amount: int) -> str:
    return f"{amount:,}"


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text
