"""Salted commitments: what stands in a log that everybody may read, about a statement that only its parties know.

A commitment is one hash over 32 random bytes and the exact bytes of the statement. Who has both can open it; who has neither
learns nothing, and whoever forgets the salt can never open it again.
"""

from hashlib import sha256

SALT_BYTES = 32
COMMITMENT_BYTES = 32

# Keeps the hash apart from every other hash of the same bytes.
_DOMAIN = b"ashiato commitment v1\n"


def commit(salt: bytes, statement: bytes) -> bytes:
    """The 32 bytes that stand in the log; ValueError for a salt of another length, which would make two readings possible."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"the salt has {len(salt)} bytes; {SALT_BYTES} are needed")
    return sha256(_DOMAIN + salt + statement).digest()
