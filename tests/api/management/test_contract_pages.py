"""The page of a contract: what a person reads before signing, and keeps afterwards."""

import io
from html.parser import HTMLParser

import msgspec
import pytest
from pypdf import PdfReader

from ashiato.api.management.contract_pages import PAPER, ContractPage, html_of, page_of
from ashiato.clients.typesetting.pages import pdf_of
from ashiato.connector.records import AgreementSignature
from ashiato.law.contract_templates import template
from ashiato.statements.contract_texts import fill
from tests.stores.samples import MAKER, TAKER, agreement

EVIL = "<script>alert(1)</script>"
TEXT = fill(
    template("framework-1"),
    {
        "provider_name": EVIL,
        "consumer_name": "北斗セル",
        "data": "CFP",
        "purposes": "legal_reporting",
        "until": "2099-12-31",
    },
)
# Both signed on 1 January 2026, 00:00:00 UTC and a second later.
SIGNATURES = tuple(
    AgreementSignature(
        signer_id=signer,
        kid=f"{signer}#key-1",
        jwk={},
        jws=f"e30..{signer[-3:]}",
        signed_ms=1_767_225_600_000 + more_ms,
    )
    for signer, more_ms in ((MAKER, 0), (TAKER, 1000))
)


class Seen(HTMLParser):
    """The tags of a page and its words."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def seen(language: str = "en", *, is_said: bool = True) -> Seen:
    reader = Seen()
    reader.feed(html_of(signed(language, is_said=is_said)))
    return reader


def signed(language: str, *, is_said: bool = True) -> ContractPage:
    both = msgspec.structs.replace(agreement(), signatures=SIGNATURES)
    return page_of(TEXT, language, both, is_said=is_said, owner_id=MAKER)


def printed(language: str) -> str:
    """The words on paper, without spaces: how far glyphs stand apart is the typesetter's."""
    pdf = pdf_of(msgspec.to_builtins(signed(language)), 1_767_225_600, PAPER)
    words = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    return "".join(words.replace("\u200b", "").split())


def test_both_signatures_with_their_keys_and_hours_and_the_hash_of_the_text_are_there() -> None:
    words = seen().words
    for signature in SIGNATURES:
        assert {signature.signer_id, signature.kid, signature.jws} <= set(words)
    assert {"2026-01-01 00:00:00 UTC", "2026-01-01 00:00:01 UTC", TEXT.sha256} <= set(words)


def test_the_parties_stand_in_their_parts() -> None:
    words = seen().words
    assert words[words.index("Provider") + 1] == MAKER
    assert words[words.index("Consumer") + 1] == TAKER


@pytest.mark.parametrize(("language", "heading"), [("en", "17. Confidentiality"), ("ja", "17. 秘密保持")])
def test_the_clauses_are_numbered_in_the_language_of_the_page(language: str, heading: str) -> None:
    assert heading in seen(language).words


def test_nothing_that_was_filled_in_becomes_a_part_of_the_page() -> None:
    reader = seen()
    assert "script" not in reader.tags
    assert EVIL in reader.words


def test_rules_that_are_not_those_of_the_text_are_warned_of() -> None:
    warning = "The rules of the agreement are not those of this text."
    assert warning in seen(is_said=False).words
    assert warning not in seen().words


def test_an_unsigned_agreement_says_so() -> None:
    shown = page_of(TEXT, "ja", agreement(), is_said=True, owner_id=MAKER)
    assert "署名はまだない。" in html_of(shown)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_paper_says_every_clause_and_both_signatures(language: str) -> None:
    words, page = printed(language), signed(language)
    for clause in page.clauses:
        assert "".join(clause.words.split()) in words, clause.heading
    for signature in SIGNATURES:
        assert signature.signer_id in words
        assert signature.jws in words
    assert TEXT.sha256 in words
