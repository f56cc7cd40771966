"""The words on the documents, in Japanese and English."""

from collections.abc import Mapping
from typing import Literal

from ashiato.hub.billing.documents import CONFIRMED_BY_SILENCE_DAYS, DocumentKind, Draft
from ashiato.hub.billing.tariffs import Measure
from ashiato.law.consumption_tax import TaxCategory

Language = Literal["ja", "en"]

TITLES: Mapping[Language, Mapping[DocumentKind, str]] = {
    "ja": {
        DocumentKind.INVOICE: "請求書",
        DocumentKind.RETURN: "返還請求書",
        DocumentKind.PURCHASE: "仕入明細書",
        DocumentKind.SETTLEMENT: "精算書",
    },
    "en": {
        DocumentKind.INVOICE: "Invoice",
        DocumentKind.RETURN: "Return invoice",
        DocumentKind.PURCHASE: "Statement of purchase",
        DocumentKind.SETTLEMENT: "Settlement statement",
    },
}
QUALIFIED: Mapping[Language, Mapping[DocumentKind, str]] = {
    "ja": {DocumentKind.INVOICE: "適格請求書", DocumentKind.RETURN: "適格返還請求書"},
    "en": {DocumentKind.INVOICE: "Qualified invoice", DocumentKind.RETURN: "Qualified return invoice"},
}
LABELS: Mapping[Language, Mapping[str, str]] = {
    "ja": {
        "number": "番号", "issued_on": "発行日", "due_on": "支払期限", "month": "対象月", "issuer": "発行者", "recipient": "宛先",
        "registration": "登録番号", "seller_registration": "相手方の登録番号", "honorific": " 御中", "content": "内容",
        "seller": "売手", "buyer": "買手", "period": "取引期間", "quantity": "数量", "rate": "税率", "amount": "金額（税抜）",
        "net": "税抜合計", "tax": "消費税額等", "gross": "合計（税込）", "subtotal": "対象", "yen": "円",
        "corrects": "訂正対象月", "plain_amount": "金額", "plain_gross": "合計",
    },
    "en": {
        "number": "Number", "issued_on": "Issued on", "due_on": "Due on", "month": "Month", "issuer": "Issuer",
        "recipient": "To", "registration": "Registration number", "seller_registration": "Seller's registration number",
        "honorific": "", "content": "Content", "seller": "Seller", "buyer": "Buyer", "period": "Period of supply",
        "quantity": "Quantity", "rate": "Rate", "amount": "Amount without tax", "net": "Total without tax",
        "tax": "Consumption tax", "gross": "Total with tax", "subtotal": "subject to", "yen": "JPY", "corrects": "Corrects",
        "plain_amount": "Amount", "plain_gross": "Total",
    },
}  # fmt: skip
UNITS: Mapping[Language, Mapping[Measure, str]] = {
    "ja": {
        Measure.MONTH: "式", Measure.DELIVERIES: "件", Measure.BYTES: "バイト", Measure.USES: "回", Measure.GAIN_YEN: "円",
    },
    "en": {
        Measure.MONTH: "", Measure.DELIVERIES: "deliveries", Measure.BYTES: "bytes", Measure.USES: "uses",
        Measure.GAIN_YEN: "JPY gained",
    },
}  # fmt: skip
REDUCED_MARK = "※"


def rate_text(tax: TaxCategory, percent: str, language: Language) -> str:
    """The rate as it stands on a line; the reduced rate is marked, as the law wants."""
    if tax is TaxCategory.EXEMPT:
        return "非課税" if language == "ja" else "exempt"
    if tax is TaxCategory.OUTSIDE:
        return "不課税" if language == "ja" else "not taxable"
    return f"{percent}%{REDUCED_MARK if tax is TaxCategory.REDUCED else ''}"


def title_of(draft: Draft, language: Language) -> str:
    """The title of the document."""
    qualified = QUALIFIED[language].get(draft.kind)
    return qualified if qualified and draft.is_qualified else TITLES[language][draft.kind]


def notes_of(draft: Draft, language: Language) -> list[str]:
    """What the law wants a reader to be told, and what makes the document mean what it means."""
    ja = language == "ja"
    notes = []
    if any(line.tax is TaxCategory.REDUCED for line in draft.lines):
        notes.append(
            f"{REDUCED_MARK}は軽減税率対象です。"
            if ja
            else f"{REDUCED_MARK} marks what bears the reduced rate."
        )
    if draft.is_intermediary:
        notes.append(
            "媒介者交付特例（消費税法施行令第70条の12）により、売手の明示された取引について発行者の名称および登録番号で交付します。"
            if ja
            else "For sellers named on lines, the issuer issues in its own name and number (Consumption Tax Act Enforcement "
            "Order, article 70-12)."
        )
    if draft.prepared_by:
        notes.append(
            "本書は発行者に代わり運営者が作成しました。"
            if ja
            else "The operator prepared this document for the issuer."
        )
    if draft.kind is DocumentKind.PURCHASE:
        notes.append(
            f"送付後{CONFIRMED_BY_SILENCE_DAYS}日以内に誤りのある旨の連絡がない場合には、記載内容のとおり確認があったものとします。"
            if ja
            else f"It counts as confirmed unless an error is reported within {CONFIRMED_BY_SILENCE_DAYS} days after it was sent."
        )
    if not draft.is_qualified:
        notes.append(
            "適格請求書発行事業者の登録がないため、本書は適格請求書等ではありません。"
            if ja
            else "The supplier is not registered as issuer of qualified invoices; this document is none."
        )
    return notes
