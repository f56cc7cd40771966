"""The table of clauses is a test: what it cites as proof exists, and no clause is left without one."""

import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TEXT = (REPOSITORY / "docs" / "dsp_conformance.md").read_text("utf-8")
_CITED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_ROW = re.compile(r"^\| (\d+)[. ].*\|$", re.MULTILINE)
_DEVIATION = re.compile(r"^\| [\d., to]+ ([A-Z](?:, [A-Z])*) \|", re.MULTILINE)


def rows() -> Iterator[tuple[int, str]]:
    for found in _ROW.finditer(TEXT):
        yield int(found[1]), found[0]


def test_every_cited_test_exists() -> None:
    cited = _CITED.findall(TEXT)
    assert len(cited) > 100
    missing = [
        f"{path}::{name}"
        for path, name in cited
        if not re.search(rf"^(?:async )?def {name}\(", (REPOSITORY / path).read_text("utf-8"), re.MULTILINE)
    ]
    assert missing == []


def test_every_clause_has_a_proof_or_says_that_there_is_nothing_to_prove() -> None:
    unproved = [row for _, row in rows() if not _CITED.search(row) and "nothing to prove" not in row]
    assert unproved == []
    assert {section for section, _ in rows()} == set(range(4, 11))


def test_every_deviation_has_its_reason_and_every_reason_a_clause() -> None:
    marked = {letter for found in _DEVIATION.findall(TEXT) for letter in found.split(", ")}
    explained = set(re.findall(r"^\*\*([A-Z])\. ", TEXT, re.MULTILINE))
    assert marked == explained
    assert len(marked) > 5
