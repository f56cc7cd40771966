import json
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.log.merkle import (
    EMPTY_ROOT,
    consistency_ranges,
    inclusion_proof,
    inclusion_ranges,
    is_consistent,
    leaf_hash,
    root_of,
)

LEAVES = [leaf_hash(number.to_bytes(2)) for number in range(300)]


def naive_proof(old_count: int, new_count: int) -> list[bytes]:
    return [root_of(LEAVES[start:end]) for start, end in consistency_ranges(old_count, new_count)]


def test_every_published_consistency_proof_is_judged_as_published(conformance: Path) -> None:
    judged = {True: 0, False: 0}
    for path in sorted((conformance / "merkle" / "consistency").rglob("*.json")):
        case = json.loads(path.read_text("utf-8"))
        proof = [b64decode(step) for step in case["proof"] or ()]
        holds = is_consistent(
            case["size1"], case["size2"], b64decode(case["root1"]), b64decode(case["root2"]), proof
        )
        assert holds is not case["wantErr"], path
        judged[holds] += 1
    assert sum(judged.values()) == 98
    assert judged[True] >= 6
    assert judged[False] >= 60


def test_the_worked_example_of_the_standard_gives_its_nodes() -> None:
    # RFC 9162, 2.1.5: a tree of 7 leaves; c, d, g, l for the old size 3, l for 4, i, j, k for 6.
    assert consistency_ranges(3, 7) == [(2, 3), (3, 4), (0, 2), (4, 7)]
    assert consistency_ranges(4, 7) == [(4, 7)]
    assert consistency_ranges(6, 7) == [(4, 6), (6, 7), (0, 4)]
    # 2.1.5: the inclusion proofs of d0, d3, d4 and d6: b h l, c g l, f j k, i k.
    assert inclusion_ranges(0, 7) == [(1, 2), (2, 4), (4, 7)]
    assert inclusion_ranges(3, 7) == [(2, 3), (0, 2), (4, 7)]
    assert inclusion_ranges(4, 7) == [(5, 6), (6, 7), (0, 4)]
    assert inclusion_ranges(6, 7) == [(4, 6), (0, 4)]


@settings(max_examples=100)
@given(st.integers(0, 300), st.integers(0, 300))
def test_a_tree_is_proved_to_extend_its_own_beginning_and_no_other_tree(one: int, other: int) -> None:
    old_count, new_count = sorted((one, other))
    proof = naive_proof(old_count, new_count)
    old_root, new_root = root_of(LEAVES[:old_count]), root_of(LEAVES[:new_count])
    # What begins every tree needs no proof and has none.
    assert is_consistent(old_count, new_count, old_root, new_root, proof) is (old_count > 0)
    forked = root_of([*LEAVES[:new_count], leaf_hash(b"another")])
    assert not is_consistent(old_count, new_count, old_root, forked, proof)
    if old_count:
        rewritten = root_of([leaf_hash(b"rewritten"), *LEAVES[1:old_count]])
        assert not is_consistent(old_count, new_count, rewritten, new_root, proof)
    assert not is_consistent(old_count, new_count, old_root, new_root, [*proof, EMPTY_ROOT])


@settings(max_examples=100)
@given(st.data())
def test_the_ranges_of_an_inclusion_proof_are_those_of_the_definition(data: st.DataObject) -> None:
    size_count = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size_count - 1))
    proof = tuple(root_of(LEAVES[start:end]) for start, end in inclusion_ranges(index, size_count))
    assert proof == inclusion_proof(index, LEAVES[:size_count])


def test_a_smaller_tree_extends_no_larger_one() -> None:
    with pytest.raises(IndexError):
        consistency_ranges(3, 2)
    assert not is_consistent(3, 2, root_of(LEAVES[:3]), root_of(LEAVES[:2]), [])
    with pytest.raises(IndexError):
        inclusion_ranges(2, 2)
