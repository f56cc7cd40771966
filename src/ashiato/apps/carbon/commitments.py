"""The inventory behind a declaration, committed by one hash, so that single lines can be opened to a verifier later.

Each leaf is the RFC 9162 leaf hash of a salt and the canonical JSON of a line. Without its salt a line cannot be guessed from
the root or from the proofs of other lines; the salts come from one secret of the issuer, which is kept with the inventory.
"""

import hmac
from collections.abc import Mapping, Sequence
from enum import Enum
from fractions import Fraction
from hashlib import sha256
from typing import Literal

import msgspec
import rfc8785

from ashiato.apps.carbon.inventory import Line
from ashiato.apps.carbon.rollup import Purchased
from ashiato.facts.quantities import Quantity, exact_text
from ashiato.log.merkle import HASH_BYTES, inclusion_proof, is_included, leaf_hash, root_of

LEAST_SECRET_BYTES = 32


class Commitment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What a declaration says of its inventory: the hexadecimal root and how many lines there are."""

    root: str
    lines_count: int


class KeptLines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The lines behind one declaration with the secret of their salts: what its issuer keeps to open single ones later."""

    type: Literal["FootprintLines"] = "FootprintLines"
    declaration_sha256: str
    secret: str
    lines: tuple[str, ...]

    def open(self, index: int) -> "Opening":
        """What to show of one line; IndexError for a line that is not there."""
        return open_line([line.encode() for line in self.lines], bytes.fromhex(self.secret), index)


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One line with what proves that it is in the inventory; hashes and salt are hexadecimal."""

    index: int
    lines_count: int
    salt: str
    line: str
    proof: tuple[str, ...]


def line_documents(lines: Sequence[Line], bought: Sequence[Purchased]) -> tuple[bytes, ...]:
    """The canonical JSON of all lines of an inventory and its bill, in their order; numbers are exact text."""
    return tuple(rfc8785.dumps({"line": type(one).__name__, **_members(one)}) for one in (*lines, *bought))


def commit(documents: Sequence[bytes], secret: bytes) -> Commitment:
    """The commitment to these lines; `secret` is at least 32 random bytes, one for each inventory."""
    return Commitment(root_of(_leaves(documents, secret)).hex(), len(documents))


def open_line(documents: Sequence[bytes], secret: bytes, index: int) -> Opening:
    """What to show of one line; IndexError for a line that is not there."""
    leaves = _leaves(documents, secret)
    proof = inclusion_proof(index, leaves)
    return Opening(
        index,
        len(leaves),
        _salt(secret, index).hex(),
        documents[index].decode("utf-8"),
        tuple(step.hex() for step in proof),
    )


def kept_lines(declaration: bytes, documents: Sequence[bytes], secret: bytes) -> bytes:
    """The canonical JSON of the lines behind a declaration, for the issuer's own store."""
    kept = KeptLines(
        declaration_sha256=sha256(declaration).hexdigest(),
        secret=secret.hex(),
        lines=tuple(document.decode() for document in documents),
    )
    return rfc8785.dumps(msgspec.to_builtins(kept))


def opens(opening: Opening, commitment: Commitment) -> bool:
    """Whether the line stands in the committed inventory at this index."""
    try:
        salt, root = bytes.fromhex(opening.salt), bytes.fromhex(commitment.root)
        proof = [bytes.fromhex(step) for step in opening.proof]
    except ValueError:
        return False
    return (
        opening.lines_count == commitment.lines_count
        and len(salt) == HASH_BYTES
        and is_included(
            leaf_hash(salt + opening.line.encode("utf-8")), opening.index, commitment.lines_count, proof, root
        )
    )


def _leaves(documents: Sequence[bytes], secret: bytes) -> list[bytes]:
    if len(secret) < LEAST_SECRET_BYTES:
        raise ValueError(f"the secret of the salts has at least {LEAST_SECRET_BYTES} bytes")
    return [leaf_hash(_salt(secret, index) + document) for index, document in enumerate(documents)]


def _salt(secret: bytes, index: int) -> bytes:
    return hmac.digest(secret, index.to_bytes(8, "big"), sha256)


Plain = str | int | bool | None | list["Plain"] | dict[str, "Plain"]


def _members(value: msgspec.Struct) -> dict[str, Plain]:
    return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}


def _plain(value: object) -> Plain:
    if isinstance(value, Fraction):
        return exact_text(value)
    if isinstance(value, Quantity):
        return {"value": exact_text(value.value), "unit": value.unit.symbol}
    if isinstance(value, msgspec.Struct):
        return _members(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"a line holds no {type(value).__name__}")
