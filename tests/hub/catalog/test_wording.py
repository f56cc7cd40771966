"""Japanese and Latin texts are found by parts of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.hub.catalog.wording import keys_of_term, keys_of_text, matches, terms_of

TEXT = "リチウムイオン電池 LFP-50 のCO2排出量"


@pytest.mark.parametrize(
    "query",
    [
        "電池",
        "リチウム",
        "排出量",
        "池",
        "lfp",
        "LFP 50",
        "ＬＦＰ",
        "co2排出",
        "ﾘﾁｳﾑ",
        "イオン電池 排出量",
        "c",
    ],
)
def test_a_part_of_the_text_finds_it(query: str) -> None:
    assert matches(terms_of(query), [TEXT])


@pytest.mark.parametrize("query", ["電量", "ナトリウム", "fp", "lfp 51", "池電", "電池 鉛"])
def test_what_does_not_stand_there_does_not_find_it(query: str) -> None:
    assert not matches(terms_of(query), [TEXT])


def test_a_sentence_of_signs_alone_asks_for_nothing() -> None:
    assert terms_of(" ・、- (") == ()


def test_pairs_and_ideographs_are_the_keys_of_japanese() -> None:
    assert keys_of_text("電池のリ") == {"電", "池", "電池", "池の", "のリ"}
    assert keys_of_term("電池量") == ("電池", "池量")
    assert keys_of_term("池") == ("池",)
    assert keys_of_term("リ") == ()


def test_some_beginnings_are_the_keys_of_a_word_and_the_longest_that_fits_is_asked_for() -> None:
    assert keys_of_text("Cathode") == {"ca", "cath", "cathod"}
    assert keys_of_term("catho") == ("cath",)
    assert keys_of_term("a" * 40) == ("a" * 16,)
    assert keys_of_term("c") == ()


_SCRIPTS = st.text(alphabet="電池量リチ ab1-Ａ", max_size=12)


@settings(max_examples=100)
@given(_SCRIPTS, _SCRIPTS)
def test_the_keys_never_miss_what_matches(query: str, text: str) -> None:
    terms = terms_of(query)
    if matches(terms, [text]):
        assert {key for term in terms for key in keys_of_term(term)} <= keys_of_text(text)
