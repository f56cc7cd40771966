"""JP PINT 1.1.3: the fields and the arithmetic that its rules ask for (docs.peppol.eu/poac/jp), each named by its rule."""

from datetime import date
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from ashiato.hub.billing.closing import REGISTRANTS
from ashiato.hub.billing.documents import Document, DocumentKind, issue
from ashiato.hub.billing.jp_pint import NotInJpPint, jp_pint_of
from ashiato.hub.billing.tariffs import Fee
from ashiato.law.consumption_tax import TaxCategory
from tests.hub.billing.street import CAR, CELL, MINISTRY, OPERATOR, PARTIES, SMALL
from tests.hub.billing.test_documents import drafts, line

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
NAMES = {
    "i": f"{_UBL}Invoice-2",
    "cac": f"{_UBL}CommonAggregateComponents-2",
    "cbc": f"{_UBL}CommonBasicComponents-2",
}


def _document(kind: DocumentKind, recipient: str = CAR) -> Document:
    made = drafts(
        line(105),
        line(1005, seller=CELL, fee=Fee.DATA),
        line(200, "8"),
        line(500, "0", tax=TaxCategory.EXEMPT),
        line(-305, corrects="2026-10", first=date(2026, 10, 1), last=date(2026, 10, 31)),
        line(400, seller=CELL, buyer=OPERATOR, cause=REGISTRANTS),
        line(40_000, "0", buyer=MINISTRY, tax=TaxCategory.OUTSIDE),
    )
    return issue(made[kind, OPERATOR, recipient], 3, date(2026, 12, 1))


DOCUMENTS = [
    _document(DocumentKind.INVOICE),
    _document(DocumentKind.INVOICE, MINISTRY),
    _document(DocumentKind.RETURN),
    _document(DocumentKind.PURCHASE, CELL),
]


def _root(document: Document) -> ElementTree.Element:
    return ElementTree.fromstring(jp_pint_of(document))


def _texts(root: ElementTree.Element, path: str) -> list[str]:
    return [each.text or "" for each in root.findall(path, NAMES)]


def _amount(root: ElementTree.Element, path: str) -> Decimal:
    (text,) = _texts(root, path)
    return Decimal(text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: f"{each.draft.kind}-{each.recipient_id}")
def test_the_sums_are_those_of_the_lines_and_rates(document: Document) -> None:
    root = _root(document)
    total = "cac:LegalMonetaryTotal/cbc:"
    lines = [Decimal(text) for text in _texts(root, "cac:InvoiceLine/cbc:LineExtensionAmount")]
    taxes = [Decimal(text) for text in _texts(root, "cac:TaxTotal/cac:TaxSubtotal/cbc:TaxAmount")]
    # ibr-co-10, ibr-co-13, ibr-co-14, ibr-co-15, ibr-co-16
    assert _amount(root, f"{total}LineExtensionAmount") == sum(lines)
    assert _amount(root, f"{total}TaxExclusiveAmount") == sum(lines)
    assert _amount(root, "cac:TaxTotal/cbc:TaxAmount") == sum(taxes)
    assert _amount(root, f"{total}TaxInclusiveAmount") == sum(lines) + sum(taxes)
    assert _amount(root, f"{total}PayableAmount") == sum(lines) + sum(taxes)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: f"{each.draft.kind}-{each.recipient_id}")
def test_each_rate_has_one_group_whose_tax_lies_between_floor_and_ceiling(document: Document) -> None:
    groups = _root(document).findall("cac:TaxTotal/cac:TaxSubtotal", NAMES)
    seen = set()
    for group in groups:
        category = _texts(group, "cac:TaxCategory/cbc:ID")[0]
        percent = _texts(group, "cac:TaxCategory/cbc:Percent")
        seen.add((category, *percent))
        exact = _amount(group, "cbc:TaxableAmount") * Decimal(percent[0] if percent else 0) / 100
        # aligned-ibrp-051-jp; without a rate where nothing is taxed: aligned-ibrp-048, aligned-ibrp-o-05.
        assert abs(_amount(group, "cbc:TaxAmount") - exact) < 1
        assert bool(percent) is (category != "O")
        assert category in {"AA", "E", "S", "G", "O"}
    assert len(seen) == len(groups)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: f"{each.draft.kind}-{each.recipient_id}")
def test_parties_have_address_name_and_electronic_address_and_the_seller_its_number(
    document: Document,
) -> None:
    root = _root(document)
    for side in ("cac:AccountingSupplierParty", "cac:AccountingCustomerParty"):
        # ibr-006 to ibr-011, ibr-079 to ibr-081
        (address,) = root.findall(f"{side}/cac:Party/cbc:EndpointID", NAMES)
        assert address.get("schemeID") == "0188"
        assert _texts(root, f"{side}/cac:Party/cac:PostalAddress/cac:Country/cbc:IdentificationCode") == [
            "JP"
        ]
        assert all(_texts(root, f"{side}/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName"))
    # aligned-ibr-jp-01, aligned-ibr-jp-04
    (number,) = _texts(root, "cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme/cbc:CompanyID")
    assert number == document.draft.registration
    assert _texts(root, "cac:InvoicePeriod/cbc:StartDate")


def test_the_head_names_specification_process_and_type() -> None:
    heads = [
        (
            *_texts(_root(document), "cbc:CustomizationID"),
            *_texts(_root(document), "cbc:ProfileID"),
            *_texts(_root(document), "cbc:InvoiceTypeCode"),
        )
        for document in DOCUMENTS
    ]
    billing = ("urn:peppol:pint:billing-1@jp-1", "urn:peppol:bis:billing", "380")
    assert heads == [
        billing,
        billing,
        billing,
        ("urn:peppol:pint:selfbilling-1@jp-1", "urn:peppol:bis:selfbilling", "389"),
    ]


def test_a_return_has_quantities_below_zero_and_prices_above() -> None:
    root = _root(DOCUMENTS[2])
    # ibr-027: a price is never below zero.
    assert _texts(root, "cac:InvoiceLine/cbc:InvoicedQuantity") == ["-1"]
    assert _texts(root, "cac:InvoiceLine/cac:Price/cbc:PriceAmount") == ["305"]
    assert _texts(root, "cac:LegalMonetaryTotal/cbc:PayableAmount") == ["-335"]
    assert _texts(root, "cbc:Note") == ["2026-10"]


def test_in_self_billing_the_provider_sells_and_the_operator_buys() -> None:
    root = _root(DOCUMENTS[3])
    name = "cac:Party/cac:PartyLegalEntity/cbc:RegistrationName"
    assert _texts(root, f"cac:AccountingSupplierParty/{name}") == [PARTIES[CELL].name]
    assert _texts(root, f"cac:AccountingCustomerParty/{name}") == [PARTIES[OPERATOR].name]


def test_signs_of_the_markup_in_a_name_stay_a_name() -> None:
    (draft,) = drafts(line(10, title_ja='A&B <"料金">')).values()
    root = _root(issue(draft, 1, date(2026, 12, 1)))
    assert _texts(root, "cac:InvoiceLine/cac:Item/cbc:Name") == ['A&B <"料金">']


def test_what_has_no_form_there_says_what_to_send_instead() -> None:
    made = drafts(
        line(1005, seller=CELL, fee=Fee.DATA), line(7, seller=SMALL, fee=Fee.DATA), line(7, buyer=SMALL)
    )
    for key in (
        (DocumentKind.SETTLEMENT, OPERATOR, CELL),
        (DocumentKind.INVOICE, SMALL, CAR),
        (DocumentKind.INVOICE, OPERATOR, SMALL),
    ):
        with pytest.raises(NotInJpPint):
            jp_pint_of(issue(made[key], 1, date(2026, 12, 1)))
