"""Whatever is signed as canonical JSON stands on this: all vectors of RFC 8785."""

import json
from pathlib import Path

import pytest
import rfc8785


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_a_vector_of_rfc_8785_is_reproduced(name: str, conformance: Path) -> None:
    folder = conformance / "jcs"
    source = json.loads((folder / "input" / f"{name}.json").read_bytes())
    canonical = rfc8785.dumps(source)
    assert canonical == (folder / "output" / f"{name}.json").read_bytes().rstrip(b"\n")
    assert canonical == bytes.fromhex((folder / "outhex" / f"{name}.txt").read_text().strip())


def test_the_vectors_are_all_that_there_are(conformance: Path) -> None:
    assert len(list((conformance / "jcs" / "input").iterdir())) == 6
