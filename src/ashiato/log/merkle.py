"""Merkle tree hashing and inclusion proofs as RFC 9162 defines them (2.1.1, 2.1.3); RFC 6962 hashes alike.

Leaves and inner nodes are hashed under different prefixes, so that neither can be taken for the other.
"""

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32
_LEAF, _NODE = b"\x00", b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry (RFC 9162, 2.1.1)."""
    return sha256(_LEAF + entry).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The Merkle Tree Hash over leaf hashes (RFC 9162, 2.1.1); of none, the SHA-256 of nothing."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = _split(len(leaves))
    return _node(root_of(leaves[:half]), root_of(leaves[half:]))


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
            reached = _node(step, reached)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            reached = _node(reached, step)
        fn, sn = fn >> 1, sn >> 1
    # 5. The whole way was gone, and it led to the root.
    return sn == 0 and reached == root


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)
