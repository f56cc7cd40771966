"""A page says what it was given, in a font that has every character, or is not made."""

import io

import pytest
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # the package ships no types
from noto_cjk_sans_jp_regular import FONT_PATH  # type: ignore[import-untyped]  # the package ships no types
from pypdf import PdfReader

from ashiato.clients.typesetting.pages import UnprintablePage, glyphs, pdf_of

PAGE: dict[str, object] = {
    "language": "ja",
    "title": "適格請求書",
    "facts": [["番号", "INV-000001"], ["発行日", "2026-12-01"]],
    "recipient": ["髙島セル製造株式会社 御中", "東京都千代田区霞が関一丁目1番1号"],
    "issuer": ["一般社団法人電池データ基盤", "大阪府吹田市𠮷野町"],
    "registration": ["登録番号", "T7000012050002"],
    "head": ["内容", "売手", "取引期間", "数量", "税率", "金額"],
    "rows": [["利用料", "鉱山素材", "2026-11-01", "3 件", "10%", "1,005"]],
    "totals_head": ["", "金額", "消費税額等"],
    "totals": [["10% 対象", "1,005", "100"]],
    "sums": [["合計", "1,105 円"]],
    "notes": ["※は軽減税率対象です。"],
}
AT_S = 1_796_000_000


def _text(pdf: bytes) -> str:
    # The character map of the font may name a compatibility form; spaces depend on how far apart the glyphs stand.
    return "".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


def test_the_page_says_every_text_it_was_given() -> None:
    said = _text(pdf_of(PAGE, AT_S))
    for text in (
        "適格請求書",
        "INV-000001",
        "髙島セル製造株式会社御中",
        "𠮷野町",
        "T7000012050002",
        "1,105円",
        "※は軽減税率対象です。",
    ):
        assert text in said


def test_the_font_is_embedded_and_no_other_is_asked_for() -> None:
    written = pdf_of(PAGE, AT_S)
    assert b"NotoSansCJKjp" in written
    assert written.count(b"/FontFile") == written.count(b"/BaseFont") // 2 > 0


def test_the_same_page_has_the_same_bytes() -> None:
    assert pdf_of(PAGE, AT_S) == pdf_of(PAGE, AT_S)


def test_the_glyphs_are_those_that_another_reader_of_the_font_finds() -> None:
    assert glyphs() == frozenset(TTFont(str(FONT_PATH)).getBestCmap())


def test_a_character_without_a_glyph_is_told_before_anything_is_set() -> None:
    with pytest.raises(UnprintablePage, match=r"U\+1F50B") as refused:
        pdf_of({**PAGE, "title": "電池\U0001f50b"}, AT_S)
    assert refused.value.characters == "\U0001f50b"


@pytest.mark.parametrize(
    "name", ["#panic()", "*太字*", "$x$", '#read("/etc/passwd")', "= 見出し", "@ref", "\\"]
)
def test_what_looks_like_markup_is_printed_as_it_is(name: str) -> None:
    said = _text(pdf_of({**PAGE, "recipient": [name, ""]}, AT_S))
    assert name.replace(" ", "") in said


def test_a_page_without_its_parts_is_refused() -> None:
    with pytest.raises(UnprintablePage, match="cannot be set"):
        pdf_of({"language": "ja"}, AT_S)


def test_a_thousand_lines_run_over_many_pages() -> None:
    pdf = pdf_of(
        {**PAGE, "rows": [["利用料", "鉱山素材", "2026-11-01", "3 件", "10%", "1,005"]] * 1000}, AT_S
    )
    assert len(PdfReader(io.BytesIO(pdf)).pages) > 10
