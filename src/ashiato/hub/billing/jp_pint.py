"""Documents in JP PINT, the Japanese specialisation of Peppol's international invoice (UBL 2.1), version 1.1.3.

What goes out: qualified invoices and return invoices as the billing document (`urn:peppol:pint:billing-1@jp-1`; a return has
quantities below zero, as the specification has one type code, 380, and no credit note), statements of purchase as the
self-billing one (`urn:peppol:pint:selfbilling-1@jp-1`, type 389). IBT- and IBG- numbers name the business terms.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from xml.sax.saxutils import escape

from ashiato.hub.billing.closing import Line
from ashiato.hub.billing.documents import Document, DocumentKind
from ashiato.hub.billing.parties import Party
from ashiato.law.consumption_tax import TaxCategory

_CUSTOMIZATION = {
    DocumentKind.INVOICE: ("urn:peppol:pint:billing-1@jp-1", "urn:peppol:bis:billing", "380"),
    DocumentKind.RETURN: ("urn:peppol:pint:billing-1@jp-1", "urn:peppol:bis:billing", "380"),
    DocumentKind.PURCHASE: ("urn:peppol:pint:selfbilling-1@jp-1", "urn:peppol:bis:selfbilling", "389"),
}
_CATEGORY = {
    TaxCategory.STANDARD: "S",
    TaxCategory.REDUCED: "AA",
    TaxCategory.EXEMPT: "E",
    TaxCategory.OUTSIDE: "O",
}
# UN/ECE Recommendation 20: one.
_ONE = "C62"
# ISO 6523 ICD 0188: Corporate Number of the National Tax Agency; 0221: number of the issuer of qualified invoices.
_CORPORATE_SCHEME, _REGISTRATION_SCHEME = "0188", "0221"
_NAMES = "urn:oasis:names:specification:ubl:schema:xsd:"


class NotInJpPint(ValueError):
    """The document has no form in JP PINT; `problem` says why, and what the operator can do."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class _Xml:
    """Elements in their order, with every text escaped."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def leaf(self, name: str, text: str, **attributes: str) -> None:
        told = "".join(f' {key}="{escape(value, {chr(34): "&quot;"})}"' for key, value in attributes.items())
        self._parts.append(f"<{name}{told}>{escape(text)}</{name}>")

    def yen(self, name: str, amount: int) -> None:
        self.leaf(name, str(amount), currencyID="JPY")

    @contextmanager
    def inside(self, name: str, attributes: str = "") -> Iterator[None]:
        self._parts.append(f"<{name}{attributes}>")
        yield
        self._parts.append(f"</{name}>")

    def text(self) -> str:
        return "".join(self._parts)


def jp_pint_of(document: Document) -> bytes:
    """The document as XML in UTF-8; raises `NotInJpPint` for a settlement, and for one without a registration number."""
    draft = document.draft
    if draft.kind not in _CUSTOMIZATION:
        raise NotInJpPint("a settlement statement is no invoice; send its PDF or CSV")
    if not draft.registration:
        raise NotInJpPint("a document of JP PINT needs a registration number; send its PDF or CSV")
    sign = -1 if draft.kind is DocumentKind.RETURN else 1
    seller, buyer = draft.issuer, draft.recipient
    if draft.kind is DocumentKind.PURCHASE:
        seller, buyer = buyer, seller
    xml = _Xml()
    names = (
        f' xmlns="{_NAMES}Invoice-2" xmlns:cac="{_NAMES}CommonAggregateComponents-2"'
        f' xmlns:cbc="{_NAMES}CommonBasicComponents-2"'
    )
    with xml.inside("Invoice", names):
        _head(xml, document)
        with xml.inside("cac:AccountingSupplierParty"):
            _party(xml, seller, draft.registration)
        with xml.inside("cac:AccountingCustomerParty"):
            _party(xml, buyer, "")
        _totals(xml, document, sign)
        for place, line in enumerate(draft.lines, 1):
            _line(xml, place, line, draft.names[line.seller], sign)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + xml.text().encode()


def _head(xml: _Xml, document: Document) -> None:
    draft = document.draft
    customization, profile, type_code = _CUSTOMIZATION[draft.kind]
    xml.leaf("cbc:CustomizationID", customization)
    xml.leaf("cbc:ProfileID", profile)
    xml.leaf("cbc:ID", document.number)
    xml.leaf("cbc:IssueDate", document.issued_on.isoformat())
    if draft.kind is not DocumentKind.RETURN:
        xml.leaf("cbc:DueDate", document.due_on.isoformat())
    xml.leaf("cbc:InvoiceTypeCode", type_code)
    corrected = sorted({line.corrects for line in draft.lines if line.corrects})
    if corrected:
        # A return invoice says when that was supplied which it takes back (Consumption Tax Act, article 57-4, paragraph 3).
        xml.leaf("cbc:Note", ", ".join(corrected))
    xml.leaf("cbc:DocumentCurrencyCode", "JPY")
    _period(xml, min(line.first for line in draft.lines), max(line.last for line in draft.lines))


def _party(xml: _Xml, party: Party, registration: str) -> None:
    with xml.inside("cac:Party"):
        if party.corporate_number:
            xml.leaf("cbc:EndpointID", party.corporate_number, schemeID=_CORPORATE_SCHEME)
        elif party.registration:
            xml.leaf("cbc:EndpointID", party.registration, schemeID=_REGISTRATION_SCHEME)
        else:
            raise NotInJpPint(f"enter the Corporate Number of {party.name}: it is the address in the network")
        with xml.inside("cac:PostalAddress"):
            with xml.inside("cac:AddressLine"):
                xml.leaf("cbc:Line", party.address)
            with xml.inside("cac:Country"):
                xml.leaf("cbc:IdentificationCode", "JP")
        if registration:
            with xml.inside("cac:PartyTaxScheme"):
                xml.leaf("cbc:CompanyID", registration)
                _scheme(xml)
        with xml.inside("cac:PartyLegalEntity"):
            xml.leaf("cbc:RegistrationName", party.name)


def _totals(xml: _Xml, document: Document, sign: int) -> None:
    draft = document.draft
    with xml.inside("cac:TaxTotal"):
        xml.yen("cbc:TaxAmount", sign * draft.tax_yen)
        for each in draft.totals:
            with xml.inside("cac:TaxSubtotal"):
                xml.yen("cbc:TaxableAmount", sign * each.net_yen)
                xml.yen("cbc:TaxAmount", sign * each.tax_yen)
                _category(xml, "cac:TaxCategory", each.tax, each.percent)
    with xml.inside("cac:LegalMonetaryTotal"):
        xml.yen("cbc:LineExtensionAmount", sign * draft.net_yen)
        xml.yen("cbc:TaxExclusiveAmount", sign * draft.net_yen)
        xml.yen("cbc:TaxInclusiveAmount", sign * draft.gross_yen)
        xml.yen("cbc:PayableAmount", sign * draft.gross_yen)


def _line(xml: _Xml, place: int, line: Line, seller: str, sign: int) -> None:
    """A line says its whole amount as the price of its whole: a tiered price has no price of one."""
    amount = sign * line.amount_yen
    with xml.inside("cac:InvoiceLine"):
        xml.leaf("cbc:ID", str(place))
        xml.leaf("cbc:Note", f"{line.quantity} {line.measure.value}; {seller}; {line.cause}")
        xml.leaf("cbc:InvoicedQuantity", "1" if amount >= 0 else "-1", unitCode=_ONE)
        xml.yen("cbc:LineExtensionAmount", amount)
        _period(xml, line.first, line.last)
        with xml.inside("cac:Item"):
            xml.leaf("cbc:Name", line.title_ja)
            _category(xml, "cac:ClassifiedTaxCategory", line.tax, line.percent)
        with xml.inside("cac:Price"):
            xml.yen("cbc:PriceAmount", abs(amount))


def _period(xml: _Xml, first: date, last: date) -> None:
    with xml.inside("cac:InvoicePeriod"):
        xml.leaf("cbc:StartDate", first.isoformat())
        xml.leaf("cbc:EndDate", last.isoformat())


def _category(xml: _Xml, name: str, tax: TaxCategory, percent: str) -> None:
    with xml.inside(name):
        xml.leaf("cbc:ID", _CATEGORY[tax])
        if tax is not TaxCategory.OUTSIDE:
            xml.leaf("cbc:Percent", percent)
        _scheme(xml)


def _scheme(xml: _Xml) -> None:
    with xml.inside("cac:TaxScheme"):
        xml.leaf("cbc:ID", "VAT")
