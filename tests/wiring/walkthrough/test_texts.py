import pytest

from ashiato.wiring import demo
from ashiato.wiring.walkthrough.texts import Texts, facts_named_in, language_of, load_texts


@pytest.mark.parametrize("step_name", [step.name for step in demo.STEPS])
def test_each_step_is_told_in_both_languages_with_the_same_facts(step_name: str) -> None:
    texts = load_texts()[step_name]
    assert texts["title"]["en"]
    assert texts["title"]["ja"]
    assert texts["title"]["en"] != texts["title"]["ja"]
    english, japanese = (facts_named_in("".join(texts["lines"][language])) for language in ("en", "ja"))
    assert english == japanese


def test_the_rest_is_told_in_both_languages() -> None:
    texts = load_texts()
    rest = [texts["heading"], *texts["ended"].values(), *texts["event"].values()]
    assert [text for text in rest if set(text) != {"en", "ja"}] == []


def test_facts_are_filled_in() -> None:
    lines = Texts("en").lines(
        "discover", {"title": "T", "asset_id": "a", "offers_count": 1, "formats": ["x", "y"]}
    )
    assert lines == ["T (a), offers: 1, formats: x, y"]


def test_an_event_without_words_is_shown_by_its_name() -> None:
    assert Texts("ja").event("negotiation.finalized") == "契約の成立"
    assert Texts("ja").event("something.new") == "something.new"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": ""}, "ja"),
    ],
)
def test_the_language_is_that_of_the_terminal(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language
