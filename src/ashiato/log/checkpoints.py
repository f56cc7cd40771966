"""Checkpoints (C2SP tlog-checkpoint) and what witnesses sign about them (C2SP tlog-cosignature, Ed25519 v1)."""

import re
from dataclasses import dataclass

from ashiato.log.merkle import HASH_BYTES
from ashiato.log.notes import (
    COSIGNATURE_V1,
    ED25519,
    SIGNATURE_BYTES,
    MalformedNote,
    Note,
    NoteKey,
    NoteSignature,
    Sign,
    check,
    decode_base64,
    encode_base64,
    parse_note,
    signed,
)

_SIZE = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")
_INSTANT_BYTES = 8
_LATEST_S = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log at one size."""

    origin: str
    size_count: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text of the note: origin, size, root, and extension lines where the log has any."""
        lines = (self.origin, str(self.size_count), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    def is_same_tree(self, other: "Checkpoint") -> bool:
        """Whether both name one tree of one log."""
        return (self.origin, self.size_count, self.root) == (other.origin, other.size_count, other.root)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's signature that held: whose, and at which second it says that it saw no larger tree."""

    name: str
    at_s: int


def parse_checkpoint(note: Note) -> Checkpoint:
    """What the note says; its signatures are not checked. Raises `MalformedNote`."""
    lines = note.text.split("\n")[:-1]
    if len(lines) < 3 or not all(lines):
        raise MalformedNote("a checkpoint is at least three lines, none of them empty")
    origin, size, root, *extensions = lines
    if not _SIZE.match(size):
        raise MalformedNote("the second line of a checkpoint is the size, in decimal without leading zeroes")
    digest = decode_base64(root)
    if len(digest) != HASH_BYTES:
        raise MalformedNote("the third line of a checkpoint is a root of 32 bytes")
    return Checkpoint(origin, int(size), digest, tuple(extensions))


def read_signed(data: bytes, key: NoteKey) -> tuple[Checkpoint, Note] | None:
    """The checkpoint in `data` and its note where the log of that key has signed it, else None; raises `MalformedNote`."""
    note = parse_note(data)
    return (parse_checkpoint(note), note) if check(note, key) else None


def sign_checkpoint(checkpoint: Checkpoint, key: NoteKey, sign: Sign) -> Note:
    """The note of a checkpoint under the log's own key."""
    if key.kind != ED25519:
        raise MalformedNote("a log signs with a key for Ed25519 signatures")
    return signed(checkpoint.text(), key, sign)


def cosign(text: str, key: NoteKey, sign: Sign, at_s: int) -> NoteSignature:
    """A witness's line under the text of a checkpoint: the consistent tree with the largest size that it has seen."""
    if key.kind != COSIGNATURE_V1:
        raise MalformedNote("a witness signs with a key for Ed25519 cosignatures")
    signature = sign(_cosigned(text, at_s))
    return NoteSignature(key.name, key.key_id, at_s.to_bytes(_INSTANT_BYTES) + signature)


def cosignature_of(note: Note, key: NoteKey) -> Cosignature | None:
    """What the witness of that key says under the note; None where it has not signed, or a line that names it does not hold."""
    found: Cosignature | None = None
    for line in note.signatures:
        if not line.is_by(key):
            continue
        at_s = int.from_bytes(line.signature[:_INSTANT_BYTES])
        is_whole = len(line.signature) == _INSTANT_BYTES + SIGNATURE_BYTES and at_s <= _LATEST_S
        if not is_whole or not key.holds(_cosigned(note.text, at_s), line.signature[_INSTANT_BYTES:]):
            return None
        found = Cosignature(key.name, max(at_s, found.at_s if found else 0))
    return found


def _cosigned(text: str, at_s: int) -> bytes:
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()
