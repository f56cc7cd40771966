import json
from fractions import Fraction

import msgspec
import pytest

from ashiato.apps.carbon.commitments import Opening, commit, line_documents, open_line, opens
from ashiato.apps.carbon.inventory import ActivityLine, Evidence, Kind
from ashiato.facts.footprints import WORST_QUALITY, Intensity, Origin, Stage
from ashiato.facts.quantities import parse_quantity
from tests.apps.carbon.suppliers import fossil, line

SECRET = bytes(range(32))
ENERGY = ActivityLine(
    key="gas",
    kind=Kind.FUEL,
    stage=Stage.MAIN_PRODUCTION,
    amount=parse_quantity("12.5", "MJ"),
    intensity=Intensity(
        per=parse_quantity("1", "MJ"),
        kg_by_origin=((Origin.FOSSIL, Fraction(1, 3)),),
        gwp_set="AR6",
        source="example",
        year=2026,
    ),
    measured=True,
    quality=WORST_QUALITY,
    evidence=(Evidence("ab" * 32, "gas_bill"),),
)
DOCUMENTS = line_documents([ENERGY], [line(fossil("3")), line(fossil("4"), "7")])


def test_a_line_is_written_with_exact_numbers_and_its_evidence() -> None:
    first = json.loads(DOCUMENTS[0])
    assert (first["line"], first["amount"]) == ("ActivityLine", {"value": "12.5", "unit": "MJ"})
    assert first["intensity"]["kg_by_origin"] == [["fossil", "1/3"]]
    assert first["evidence"] == [{"sha256": "ab" * 32, "document": "gas_bill"}]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_each_line_can_be_opened_alone(index: int) -> None:
    commitment = commit(DOCUMENTS, SECRET)
    opening = open_line(DOCUMENTS, SECRET, index)
    assert opens(opening, commitment)
    assert opening.line.encode() == DOCUMENTS[index]
    others = [document.decode() for place, document in enumerate(DOCUMENTS) if place != index]
    assert [other for other in others if other in msgspec.json.encode(opening).decode()] == []


@pytest.mark.parametrize(
    "change",
    [
        {"line": DOCUMENTS[0].decode().replace("12.5", "12.4")},
        {"index": 1},
        {"lines_count": 4},
        {"salt": "00" * 32},
        {"salt": "00"},
        {"salt": "no hash"},
        {"proof": ()},
    ],
)
def test_nothing_about_an_opened_line_can_be_changed(change: dict[str, object]) -> None:
    opening: Opening = msgspec.structs.replace(open_line(DOCUMENTS, SECRET, 0), **change)
    assert not opens(opening, commit(DOCUMENTS, SECRET))


def test_nothing_of_the_salt_can_be_shown_as_part_of_the_line() -> None:
    # A salt whose last byte is a letter: moved over to the line, the bytes under the hash stay the same.
    for number in range(1000):
        secret = number.to_bytes(32, "big")
        opening = open_line(DOCUMENTS, secret, 0)
        last = bytes.fromhex(opening.salt)[-1:]
        if last.isalpha():
            moved = msgspec.structs.replace(
                opening, salt=opening.salt[:-2], line=last.decode("ascii") + opening.line
            )
            assert opens(opening, commit(DOCUMENTS, secret))
            assert not opens(moved, commit(DOCUMENTS, secret))
            return
    raise AssertionError("no salt ends with a letter")


def test_the_same_lines_under_another_secret_have_another_root() -> None:
    assert commit(DOCUMENTS, SECRET).root != commit(DOCUMENTS, SECRET[::-1]).root


def test_equal_lines_have_leaves_of_their_own() -> None:
    twice = (DOCUMENTS[0], DOCUMENTS[0])
    first, second = (open_line(twice, SECRET, index) for index in (0, 1))
    assert first.salt != second.salt
    assert not opens(msgspec.structs.replace(first, index=1), commit(twice, SECRET))


def test_a_short_secret_hides_nothing_and_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        commit(DOCUMENTS, b"short")
