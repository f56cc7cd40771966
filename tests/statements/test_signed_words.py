import json

import pytest

from ashiato.statements.signed_words import (
    MOST_STATEMENTS_COUNT,
    MalformedSignedWord,
    SignedWord,
    WordStanding,
    read,
    written,
)

PLAIN = {
    "version": 1,
    "type": "SignedWord",
    "word": "a.b.c",
    "timeStamp": "",
    "statements": [],
    "withdrawal": "",
    "standing": "",
}


def test_a_word_is_written_as_canonical_json_and_read_again() -> None:
    word = SignedWord(
        word="a.b.c",
        time_stamp="AA==",
        statements=("d.e.f",),
        withdrawal="g.h.i",
        standing=WordStanding.WITHDRAWN,
    )
    assert written(word) == (
        b'{"standing":"withdrawn","statements":["d.e.f"],"timeStamp":"AA==","type":"SignedWord","version":1,'
        b'"withdrawal":"g.h.i","word":"a.b.c"}'
    )
    assert read(written(word)) == word


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"type": "FootprintDeclaration"}',
        json.dumps({**PLAIN, "version": 2}).encode(),
        json.dumps({**PLAIN, "standing": "perhaps"}).encode(),
        json.dumps({**PLAIN, "more": 1}).encode(),
        json.dumps({**PLAIN, "statements": ["d.e.f"] * (MOST_STATEMENTS_COUNT + 1)}).encode(),
        json.dumps(PLAIN).encode()[:-1] + b', "word": "x.y.z"}',
    ],
)
def test_what_is_no_signed_word_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedSignedWord):
        read(content)


def test_the_standings_are_ordered_by_gravity() -> None:
    told = [WordStanding.WITHDRAWN, WordStanding.HOLDS, WordStanding.SUPERSEDED, WordStanding.RESTS_ON_STALE]
    assert [one.value for one in sorted(told, key=lambda one: one.gravity)] == [
        "",
        "rests-on-stale",
        "superseded",
        "withdrawn",
    ]
