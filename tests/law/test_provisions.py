import re
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from ashiato.law.provisions import (
    Force,
    Standing,
    UnknownRulebook,
    UnreadableRulebook,
    read_rulebook,
    rulebook,
    rulebook_ids,
)

HEAD = 'id = "x"\ntitle = "t"\ntitle_ja = "題"\nedition = "1"\nforce = "draft"\nsource = "s"\n'
ROW = 'unit = "1"\nsource = "s"\nyear = 2024\nstanding = "stated"\n'


def test_every_value_names_source_year_and_how_far_it_is_known() -> None:
    provisions = [one for identifier in rulebook_ids() for one in rulebook(identifier).provisions.values()]
    assert len(provisions) > 150
    assert [one for one in provisions if not one.source or not 2009 < one.year < 2027] == []
    assert [one for one in provisions if (one.number is None) is (not one.words)] == []


def test_the_document_counts_how_far_the_values_of_each_rulebook_are_known() -> None:
    document = (Path(__file__).parents[2] / "docs" / "footprints.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `([\w-]+)` \| ((?:\d+ \| ){3}\d+) \|$", document, re.MULTILINE))
    counted = {}
    for identifier in told:
        found = Counter(one.standing for one in rulebook(identifier).provisions.values())
        counted[identifier] = " | ".join(str(found[standing]) for standing in Standing)
    assert (counted, set(told)) == (told, set(rulebook_ids()))


def test_the_rulebooks_that_the_chain_needs_are_there() -> None:
    assert rulebook_ids() == (
        "CFB-EV-2023JRC",
        "CFB-EV-2024draft",
        "CX-PCF-4",
        "METI-CFP-1",
        "PACT-3",
    )
    assert rulebook("CFB-EV-2024draft").force is Force.DRAFT


def test_a_value_is_exact_and_words_are_kept_as_written() -> None:
    book = read_rulebook("x", f'{HEAD}[provisions.a]\nvalue = "0.1"\n{ROW}')
    assert book.provisions["a"].number == Fraction(1, 10)
    assert book.provisions["a"].standing is Standing.STATED
    words = read_rulebook(
        "x", f'{HEAD}[provisions.a]\nvalue = ["m", "n"]\n{ROW}'.replace('unit = "1"', 'unit = ""')
    )
    assert words.provisions["a"].words == ("m", "n")
    assert words.provisions["a"].number is None


@pytest.mark.parametrize(
    "text",
    [
        "id = ",
        HEAD,
        f"{HEAD}[provisions.a]\nvalue = 0.1\n{ROW}",
        f'{HEAD}[provisions.a]\nvalue = "much"\n{ROW}',
        f'{HEAD}[provisions.a]\nvalue = "1"\n{ROW}note = "n"\n',
        f'{HEAD}[provisions.a]\nvalue = "1"\n{ROW.replace("stated", "rumoured")}',
    ],
)
def test_a_faulty_data_file_is_refused(text: str) -> None:
    with pytest.raises(UnreadableRulebook):
        read_rulebook("x", text)


def test_an_unknown_rulebook_is_named_and_the_known_ones_too() -> None:
    with pytest.raises(UnknownRulebook, match=r"no rulebook is called '\.\./x'; there are CFB-EV-2023JRC, "):
        rulebook("../x")
