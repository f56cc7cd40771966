"""The table of what the scheme asks for is whole, names tests that exist, and stands in the documents as it is."""

import re

import pytest

from tests.requirements.matrix import PAGE, ROOT, STANDINGS, Row, page, rows

# The numbering of the scheme: requirements in groups with room between them, and 38 data items.
REQUIREMENTS = {
    *(f"R-{number:02}" for first, last in ((1, 6), (10, 18), (20, 33), (40, 45), (50, 58)) for number in range(first, last + 1)),
    "R-15a",
}  # fmt: skip
ITEMS = {f"D-{number:02}" for number in range(1, 39)}


def test_every_row_of_the_scheme_is_there() -> None:
    assert set(rows()) == REQUIREMENTS | ITEMS


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text("utf-8") == page(rows()), "run 'make requirements'"


@pytest.mark.parametrize(("row_id", "row"), rows().items())
def test_what_is_there_names_tests_that_exist_and_what_is_not_names_none(row_id: str, row: Row) -> None:
    assert row["standing"] in STANDINGS, row_id
    assert bool(row.get("tests")) == (row["standing"] != "later")
    assert row["standing"] != "begun" or row.get("what"), "say which part is there"
    for name in row.get("tests", []):
        path, _, function = name.partition("::")
        text = (ROOT / path).read_text("utf-8")
        assert re.search(rf"^(async )?def {function or 'test_'}", text, re.MULTILINE), name
        assert not function or re.search(rf"^(async )?def {function}\(", text, re.MULTILINE), name
