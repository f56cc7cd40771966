"""What stands on page and table: the fields of the qualified invoice, in both languages, and nothing that a spreadsheet runs."""

import csv
import io
from datetime import date

import msgspec
import pytest

from ashiato.clients.typesetting.pages import glyphs
from ashiato.hub.billing.closing import REGISTRANTS
from ashiato.hub.billing.documents import Document, DocumentKind, issue
from ashiato.hub.billing.printing import CSV_COLUMNS, csv_of, page_of
from ashiato.hub.billing.tariffs import Fee
from ashiato.hub.billing.wording import LABELS, QUALIFIED, TITLES, UNITS, Language, notes_of
from tests.hub.billing.street import CAR, CELL, OPERATOR, PARTIES, SMALL
from tests.hub.billing.test_documents import drafts, line

ISSUED = date(2026, 12, 1)


def _documents() -> dict[DocumentKind, Document]:
    made = drafts(
        line(105),
        line(1005, seller=CELL, fee=Fee.DATA),
        line(200, "8"),
        line(-305, corrects="2026-10", first=date(2026, 10, 1), last=date(2026, 10, 31)),
        line(400, seller=CELL, buyer=OPERATOR, cause=REGISTRANTS),
    )
    return {kind: issue(draft, 1, ISSUED) for (kind, _, _), draft in made.items()}


def test_an_invoice_shows_each_field_that_the_law_names() -> None:
    page = page_of(_documents()[DocumentKind.INVOICE], "ja")
    assert page["title"] == "適格請求書"
    assert page["issuer"] == [PARTIES[OPERATOR].name, PARTIES[OPERATOR].address]
    assert page["registration"] == ["登録番号", PARTIES[OPERATOR].registration]
    assert page["recipient"] == ["東西自動車株式会社 御中", PARTIES[CAR].address]
    assert page["totals"] == [["8%※ 対象", "200", "16"], ["10% 対象", "1,110", "111"]]
    assert page["sums"] == [["税抜合計", "1,310"], ["消費税額等", "127"], ["合計（税込）", "1,437 円"]]
    rows = page["rows"]
    assert isinstance(rows, list)
    assert rows[1] == ["料金", "髙島セル製造株式会社", "2026-11-01 – 2026-11-30", "1 回", "10%", "1,005"]


def test_a_return_says_which_month_it_takes_back_and_has_no_due_date() -> None:
    page = page_of(_documents()[DocumentKind.RETURN], "en")
    assert page["title"] == "Qualified return invoice"
    rows, facts = page["rows"], page["facts"]
    assert isinstance(rows, list)
    assert isinstance(facts, list)
    assert rows[0][0] == "Fee (Corrects 2026-10)"
    assert "Due on" not in [fact[0] for fact in facts]


def test_a_statement_of_purchase_bears_the_sellers_number_and_how_it_is_confirmed() -> None:
    document = _documents()[DocumentKind.PURCHASE]
    assert page_of(document, "ja")["registration"] == ["相手方の登録番号", PARTIES[CELL].registration]
    assert "14日以内" in "".join(notes_of(document.draft, "ja"))


def test_who_is_not_registered_shows_no_number_no_tax_and_says_so() -> None:
    draft = drafts(line(1005, seller=SMALL, fee=Fee.DATA))[DocumentKind.INVOICE, SMALL, CAR]
    page = page_of(issue(draft, 1, ISSUED), "ja")
    assert page["title"] == "請求書"
    assert page["registration"] == []
    assert page["sums"] == [["合計", "1,005 円"]]
    assert "適格請求書等ではありません" in "".join(notes_of(draft, "ja"))


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_word_that_a_document_may_bear_has_its_glyphs(language: Language) -> None:
    words = [
        *TITLES[language].values(),
        *QUALIFIED[language].values(),
        *LABELS[language].values(),
        *UNITS[language].values(),
    ]
    for document in _documents().values():
        words += notes_of(document.draft, language)
    assert {character for word in words for character in word if ord(character) not in glyphs()} == set()
    assert LABELS["ja"].keys() == LABELS["en"].keys()


def test_the_table_has_one_row_for_each_line_with_its_sums() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_of(_documents()[DocumentKind.INVOICE], "ja"))))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["amount_yen"] for row in rows] == ["105", "1005", "200"]
    assert [(row["tax_percent"], row["rate_net_yen"], row["rate_tax_yen"]) for row in rows] == [
        ("10", "1110", "111"),
        ("10", "1110", "111"),
        ("8", "200", "16"),
    ]
    assert {row["gross_yen"] for row in rows} == {"1437"}
    assert rows[1]["seller"] == "髙島セル製造株式会社"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_a_name_that_a_spreadsheet_would_run_is_told_apart(name: str) -> None:
    parties = {**PARTIES, CAR: msgspec.structs.replace(PARTIES[CAR], name=name)}
    (draft,) = drafts(line(1), parties=parties).values()
    (row,) = csv.DictReader(io.StringIO(csv_of(issue(draft, 1, ISSUED), "ja")))
    assert row["recipient"] == f"'{name}"
