import json
from base64 import b64decode
from pathlib import Path

import pytest

from ashiato.log.merkle import inclusion_proof, is_included, leaf_hash, root_of

# The entries of the reference tree of Certificate Transparency, and its roots for 0, 1, 2, 3, 7 and 8 of them.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize("count", ROOTS)
def test_the_roots_are_those_of_the_reference_tree(count: int) -> None:
    assert root_of([leaf_hash(entry) for entry in ENTRIES[:count]]).hex() == ROOTS[count]


def test_every_published_inclusion_proof_is_judged_as_published(conformance: Path) -> None:
    judged = {True: 0, False: 0}
    for path in sorted((conformance / "merkle" / "inclusion").rglob("*.json")):
        case = json.loads(path.read_text("utf-8"))
        proof = [b64decode(step) for step in case["proof"] or ()]
        holds = is_included(
            b64decode(case["leafHash"]), case["leafIdx"], case["treeSize"], proof, b64decode(case["root"])
        )
        assert holds is not case["wantErr"], path
        judged[holds] += 1
    assert judged[True] >= 6
    assert judged[False] >= 60


@pytest.mark.parametrize("count", range(1, 18))
def test_each_leaf_is_proved_and_no_other_in_its_place(count: int) -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(count)]
    root = root_of(leaves)
    for index, leaf in enumerate(leaves):
        proof = inclusion_proof(index, leaves)
        assert [other for other in leaves if is_included(other, index, count, proof, root)] == [leaf]


def test_a_leaf_that_is_not_there_has_no_proof() -> None:
    with pytest.raises(IndexError):
        inclusion_proof(1, [leaf_hash(b"")])
