"""Merkle tree hashing, inclusion and consistency proofs as RFC 9162 defines them (2.1.1, 2.1.3, 2.1.4); RFC 6962 hashes alike.

Leaves and inner nodes are hashed under different prefixes, so that neither can be taken for the other.
"""

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""

_LEAF, _NODE = b"\x00", b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry (RFC 9162, 2.1.1)."""
    return sha256(_LEAF + entry).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The Merkle Tree Hash over leaf hashes (RFC 9162, 2.1.1); of none, the SHA-256 of nothing."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    half = _split(len(leaves))
    return node_hash(root_of(leaves[:half]), root_of(leaves[half:]))


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """The hashes that lead from leaf `index` to the root (RFC 9162, 2.1.3.1); IndexError for a leaf that is not there."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"the tree has {len(leaves)} leaves and none with the index {index}")
    if len(leaves) == 1:
        return ()
    half = _split(len(leaves))
    if index < half:
        return *inclusion_proof(index, leaves[:half]), root_of(leaves[half:])
    return *inclusion_proof(index - half, leaves[half:]), root_of(leaves[:half])


def is_included(leaf: bytes, index: int, size_count: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that `leaf` is the one with this index in the tree of that root (RFC 9162, 2.1.3.2).

    The steps are numbered as there.
    """
    if len(leaf) != HASH_BYTES or any(len(step) != HASH_BYTES for step in proof):
        return False
    # 1. An index beyond the tree fails.
    if not 0 <= index < size_count:
        return False
    # 2., 3. Begin at the leaf.
    fn, sn, reached = index, size_count - 1, leaf
    # 4. Go up, one element of the proof at each level at which there is a sibling.
    for step in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            reached = node_hash(step, reached)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            reached = node_hash(reached, step)
        fn, sn = fn >> 1, sn >> 1
    # 5. The whole way was gone, and it led to the root.
    return sn == 0 and reached == root


def is_consistent(
    old_count: int, new_count: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether `proof` shows that the tree of `new_root` begins with that of `old_root` (RFC 9162, 2.1.4.2).

    The steps are numbered as there. Nothing is proved about an empty old tree, which begins every tree.
    """
    if not 0 < old_count <= new_count or any(len(step) != HASH_BYTES for step in proof):
        return False
    if old_count == new_count:
        return not proof and old_root == new_root
    # 1. An empty proof fails.
    if not proof:
        return False
    # 2. Where the old tree is complete, its root is the first element.
    path = [old_root, *proof] if old_count & (old_count - 1) == 0 else list(proof)
    # 3., 4. Begin at the last leaf of the old tree, above what it shares as a right child.
    fn, sn = old_count - 1, new_count - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    # 5. Both roots grow from the first element.
    fr = sr = path[0]
    # 6. Up, one element at each level: a left sibling belongs to both trees, a right one to the new tree alone.
    for step in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(step, fr), node_hash(step, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, step)
        fn, sn = fn >> 1, sn >> 1
    # 7. Both roots were reached, and the whole way was gone.
    return sn == 0 and fr == old_root and sr == new_root


def inclusion_ranges(index: int, size_count: int) -> list[tuple[int, int]]:
    """The half-open ranges of leaves whose subtree hashes are the inclusion proof of `index`, in its order (RFC 9162, 2.1.3.1).

    IndexError for a leaf that is not there.
    """
    if not 0 <= index < size_count:
        raise IndexError(f"the tree has {size_count} leaves and none with the index {index}")
    start, end = 0, size_count
    downwards: list[tuple[int, int]] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            downwards.append((middle, end))
            end = middle
        else:
            downwards.append((start, middle))
            start = middle
    return downwards[::-1]


def consistency_ranges(old_count: int, new_count: int) -> list[tuple[int, int]]:
    """The half-open ranges of leaves whose subtree hashes are the consistency proof, in its order (RFC 9162, 2.1.4.1).

    Empty for an empty old tree and for two trees of one size; IndexError for an old tree larger than the new one.
    """
    if not 0 <= old_count <= new_count:
        raise IndexError(f"a tree of {new_count} leaves does not extend one of {old_count}")
    start, end, is_whole = 0, new_count, True
    downwards: list[tuple[int, int]] = []
    if old_count in (0, new_count):
        return []
    while old_count < end:
        middle = start + _split(end - start)
        if old_count <= middle:
            downwards.append((middle, end))
            end = middle
        else:
            downwards.append((start, middle))
            start, is_whole = middle, False
    # The old root itself is known to the verifier.
    return ([] if is_whole else [(start, end)]) + downwards[::-1]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (RFC 9162, 2.1.1)."""
    return sha256(_NODE + left + right).digest()


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)
