"""Proof files made by the log's own code, for those who verify them with other code."""

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ashiato.log.checkpoints import Checkpoint, cosign, sign_checkpoint
from ashiato.log.merkle import inclusion_proof, leaf_hash, root_of
from ashiato.log.notes import COSIGNATURE_V1, ED25519, NoteKey
from ashiato.log.proofs import LogProof
from ashiato.statements.commitments import commit

ORIGIN = "hub.example/v1/open/ledger"
SALT = sha256(b"a salt of a test").digest()
STATEMENT = b'{"what":"electrode foil","quantity":"12.5"}'
LOG = Ed25519PrivateKey.generate()
LOG_KEY = NoteKey(ORIGIN, ED25519, LOG.public_key().public_bytes_raw())
WITNESSES = {name: Ed25519PrivateKey.generate() for name in ("cell.example", "pack.example")}
WITNESS_KEYS = {
    name: NoteKey(name, COSIGNATURE_V1, private.public_key().public_bytes_raw())
    for name, private in WITNESSES.items()
}
SEEN_S = 1_790_000_000


def proof(index: int = 5, size_count: int = 11, statement: bytes = STATEMENT) -> str:
    """A proof that the statement is the entry with that index, cosigned by both witnesses."""
    leaves = [leaf_hash(sha256(number.to_bytes(4)).digest()) for number in range(size_count)]
    leaves[index] = leaf_hash(commit(SALT, statement))
    head = Checkpoint(ORIGIN, size_count, root_of(leaves))
    lines = [
        cosign(head.text(), WITNESS_KEYS[name], private.sign, SEEN_S + number)
        for number, (name, private) in enumerate(WITNESSES.items())
    ]
    note = sign_checkpoint(head, LOG_KEY, LOG.sign).with_signatures(lines)
    return LogProof(index, inclusion_proof(index, leaves), note, SALT + statement).encoded()
