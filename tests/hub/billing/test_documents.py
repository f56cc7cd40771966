"""The documents of a closing: amounts and tax per rate, rounded once; who issues what in whose name."""

from datetime import date
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ashiato.hub.billing.closing import REGISTRANTS, Closing, Line, close, digest_of
from ashiato.hub.billing.documents import (
    DocumentKind,
    Draft,
    NoParty,
    Payment,
    PaymentStatus,
    drafts_of,
    issue,
    payment_status,
    rate_totals,
)
from ashiato.hub.billing.money import Rounding
from ashiato.hub.billing.tariffs import Fee, Form, Measure, RevenueModel
from ashiato.law.consumption_tax import TaxCategory
from tests.hub.billing.street import (
    CAR,
    CELL,
    MINE,
    MINISTRY,
    NOVEMBER,
    OPERATOR,
    PARTIES,
    SMALL,
    metered,
    rules,
    tariff,
    total,
)


def line(amount_yen: int, percent: str = "10", **members: object) -> Line:
    """A line of November between operator and car maker."""
    given_members: dict[str, object] = {
        "seller": OPERATOR, "buyer": CAR, "fee": Fee.PLATFORM, "cause": "c", "title": "Fee", "title_ja": "料金",
        "first": date(2026, 11, 1), "last": date(2026, 11, 30), "quantity": 1, "measure": Measure.USES,
        "tax": TaxCategory.STANDARD if percent == "10" else TaxCategory.REDUCED, "revenue_model": RevenueModel.NONE,
    }  # fmt: skip
    return Line(amount_yen=amount_yen, percent=percent, **{**given_members, **members})  # type: ignore[arg-type]  # each test names members of Line


def drafts(*lines: Line, **members: object) -> dict[tuple[DocumentKind, str, str], Draft]:
    """The drafts of a closing with these lines, by kind, issuer and recipient."""
    closing = Closing(month=NOVEMBER, lines=lines, digest=digest_of(NOVEMBER, lines))
    made = drafts_of(closing, msgspec.structs.replace(rules(), **members))
    return {(each.kind, each.issuer.party_id, each.recipient.party_id): each for each in made}


def test_the_tax_of_the_agencys_example_is_rounded_once_per_rate() -> None:
    # 国税庁「インボイス制度に関するQ&A」, the question on rounding (端数処理, 2023; recalled): four lines, two rates.
    # Rounded line by line the tax would be 1 108 + 1 055 and 438 + 2 376.
    totals = rate_totals(
        [line(13_861, "8"), line(13_199, "8"), line(4_389), line(23_769)], Rounding.DOWN, with_tax=True
    )
    assert [(each.percent, each.net_yen, each.tax_yen) for each in totals] == [
        ("8", 27_060, 2_164),
        ("10", 28_158, 2_815),
    ]


@given(
    st.lists(st.tuples(st.integers(1, 10**9), st.sampled_from(["8", "10"])), min_size=1),
    st.sampled_from(Rounding),
)
def test_totals_are_the_sum_of_the_lines_and_the_tax_lies_within_a_yen_of_its_rate(
    lines: list[tuple[int, str]], rounding: Rounding
) -> None:
    (draft,) = drafts(*(line(amount, percent) for amount, percent in lines), tax_rounding=rounding).values()
    assert draft.net_yen == sum(amount for amount, _ in lines)
    assert draft.gross_yen == draft.net_yen + sum(each.tax_yen for each in draft.totals)
    assert len(draft.totals) == len({percent for _, percent in lines})
    for each in draft.totals:
        assert abs(each.tax_yen - Fraction(each.net_yen * int(each.percent), 100)) < 1


def test_an_invoice_names_issuer_registration_recipient_and_the_days_of_supply() -> None:
    (draft,) = drafts(line(1000)).values()
    assert draft.kind is DocumentKind.INVOICE
    assert draft.registration == PARTIES[OPERATOR].registration
    assert draft.is_qualified
    assert draft.recipient == PARTIES[CAR]
    assert (draft.lines[0].first, draft.lines[0].last) == (date(2026, 11, 1), date(2026, 11, 30))


def test_the_operator_bills_for_providers_in_its_own_name_and_settles_with_each() -> None:
    data = tariff("data", Fee.DATA, Measure.USES, Form.PER_UNIT, "1").tariff_id
    made = drafts(
        line(105),
        line(1005, seller=CELL, fee=Fee.DATA, cause=data),
        line(1005, seller=MINE, fee=Fee.DATA, cause=data),
    )
    invoice = made[DocumentKind.INVOICE, OPERATOR, CAR]
    # 2115 x 10 % = 211.5, rounded once; each provider's own statement rounds its own sum.
    assert (invoice.net_yen, invoice.tax_yen, invoice.is_intermediary) == (2115, 211, True)
    assert [each.seller for each in invoice.lines] == [OPERATOR, CELL, MINE]
    settlement = made[DocumentKind.SETTLEMENT, OPERATOR, CELL]
    assert (settlement.net_yen, settlement.tax_yen, settlement.lines[0].buyer) == (1005, 100, CAR)
    assert len(made) == 3


@pytest.mark.parametrize("seller", ["not registered", "not told", "operator not registered"])
def test_without_both_registrations_and_the_notice_the_seller_issues_itself(seller: str) -> None:
    parties = dict(PARTIES)
    if seller == "not told":
        parties[CELL] = msgspec.structs.replace(parties[CELL], bills_through_hub=False)
    if seller == "operator not registered":
        parties[OPERATOR] = msgspec.structs.replace(parties[OPERATOR], registered_from=date(2026, 12, 1))
    if seller == "not registered":
        parties[CELL] = msgspec.structs.replace(parties[CELL], registered_until=date(2026, 11, 30))
    made = drafts(line(1005, seller=CELL, fee=Fee.DATA), parties=parties)
    draft = made[DocumentKind.INVOICE, CELL, CAR]
    assert draft.prepared_by == OPERATOR
    assert draft.is_qualified is (seller != "not registered")
    assert len(made) == 1


def test_who_is_not_registered_shows_no_tax() -> None:
    draft = drafts(line(1005, seller=SMALL, fee=Fee.DATA))[DocumentKind.INVOICE, SMALL, CAR]
    assert (draft.registration, draft.tax_yen, draft.gross_yen) == ("", 0, 1005)
    assert not draft.is_qualified


def test_what_is_taken_back_goes_out_as_a_return_document_with_positive_amounts() -> None:
    made = drafts(
        line(1000), line(-305, corrects="2026-10", first=date(2026, 10, 1), last=date(2026, 10, 31))
    )
    credit = made[DocumentKind.RETURN, OPERATOR, CAR]
    assert (credit.net_yen, credit.tax_yen, credit.lines[0].corrects) == (305, 30, "2026-10")
    assert made[DocumentKind.INVOICE, OPERATOR, CAR].net_yen == 1000


def test_a_share_is_a_statement_of_purchase_with_the_sellers_number() -> None:
    made = drafts(line(400, seller=CELL, buyer=OPERATOR, cause=REGISTRANTS))
    draft = made[DocumentKind.PURCHASE, OPERATOR, CELL]
    assert (draft.registration, draft.tax_yen) == (PARTIES[CELL].registration, 40)
    small = drafts(line(400, seller=SMALL, buyer=OPERATOR, cause=REGISTRANTS))[
        DocumentKind.PURCHASE, OPERATOR, SMALL
    ]
    assert (small.registration, small.tax_yen) == ("", 0)


def test_a_subsidy_bears_no_tax() -> None:
    draft = drafts(line(40_000, "0", buyer=MINISTRY, tax=TaxCategory.OUTSIDE))[
        DocumentKind.INVOICE, OPERATOR, MINISTRY
    ]
    assert (draft.net_yen, draft.tax_yen) == (40_000, 0)


def test_a_party_of_which_nothing_is_known_stops_the_documents() -> None:
    with pytest.raises(NoParty, match="stranger"):
        drafts(line(1, buyer="did:web:stranger.example"))


def test_the_documents_of_a_closing_say_its_whole_amount() -> None:
    fees = (
        tariff("data", Fee.DATA, Measure.DELIVERIES, Form.PER_UNIT, "12.5"),
        tariff("platform", Fee.PLATFORM, Measure.DELIVERIES, Form.PER_UNIT, "1.5"),
    )
    usage = metered(total(CELL, CAR, 301), total(MINE, CAR, 7), total(SMALL, CELL, 11))
    closing = close(NOVEMBER, [usage], rules(*fees))
    invoices = [each for each in drafts_of(closing, rules(*fees)) if each.kind is DocumentKind.INVOICE]
    assert sum(each.net_yen for each in invoices) == sum(each.amount_yen for each in closing.lines)


def test_a_document_has_its_number_and_a_hash_that_each_change_breaks() -> None:
    (draft,) = drafts(line(1000)).values()
    document = issue(draft, 7, date(2026, 12, 1))
    assert (document.number, document.due_on) == ("INV-000007", date(2026, 12, 31))
    assert issue(draft, 7, date(2026, 12, 1)) == document
    assert issue(msgspec.structs.replace(draft, net_yen=1), 7, date(2026, 12, 1)).digest != document.digest


@pytest.mark.parametrize(
    ("paid", "today", "status"),
    [
        ([], date(2026, 12, 31), PaymentStatus.OPEN),
        ([], date(2027, 1, 1), PaymentStatus.OVERDUE),
        ([1000], date(2026, 12, 2), PaymentStatus.PARTLY_PAID),
        ([1000], date(2027, 1, 1), PaymentStatus.OVERDUE),
        ([1000, 100], date(2027, 1, 1), PaymentStatus.PAID),
        ([1200], date(2026, 12, 2), PaymentStatus.OVERPAID),
        ([1200, -100], date(2026, 12, 2), PaymentStatus.PAID),
    ],
)
def test_the_status_follows_from_what_was_paid_and_the_day(
    paid: list[int], today: date, status: PaymentStatus
) -> None:
    (draft,) = drafts(line(1000)).values()
    document = issue(draft, 1, date(2026, 12, 1))
    payments = [
        Payment(
            payment_id=str(place),
            issuer=OPERATOR,
            number=document.number,
            on=date(2026, 12, 2),
            amount_yen=amount,
        )
        for place, amount in enumerate(paid)
    ]
    assert payment_status(document, payments, today) is status
