"""Signed notes (C2SP signed-note): a text with signature lines, each under a named key with an id of four bytes."""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature

from ashiato.trust.keys import UnusableKey, ed25519_from_point

ED25519: Final = 0x01
COSIGNATURE_V1: Final = 0x04
KEY_BYTES = 32
SIGNATURE_BYTES = 64
MOST_NOTE_BYTES = 65_536
MOST_SIGNATURES_COUNT = 64

_DASH = "\N{EM DASH} "
_KEY_ID_BYTES = 4
_NOT_IN_TEXT = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+]+\Z")
_KEY_ID = re.compile(r"[0-9a-f]{8}\Z")

Sign = Callable[[bytes], bytes]
"""Signs with one Ed25519 key: 64 bytes (RFC 8032)."""


class MalformedNote(ValueError):
    """The bytes are no note, or the text no key; whoever sent or configured them must mend them. `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A verifier key: whose, for which type of signature, and the 32 bytes of the Ed25519 key."""

    name: str
    kind: int
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise MalformedNote("a key's name is not empty and has neither spaces nor +")
        if self.kind not in (ED25519, COSIGNATURE_V1) or len(self.public) != KEY_BYTES:
            raise MalformedNote("the key is neither for Ed25519 signatures nor for Ed25519 cosignatures")

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, type, key)."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:_KEY_ID_BYTES]

    def text(self) -> str:
        """The key as it is configured: `<name>+<id>+<base64 of type and key>`."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.kind]) + self.public)}"

    def holds(self, message: bytes, signature: bytes) -> bool:
        """Whether the 64 bytes are this key's Ed25519 signature of `message`."""
        try:
            ed25519_from_point(self.public).verify(signature, message)
        except (InvalidSignature, UnusableKey, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.signature)}\n"

    def is_by(self, key: NoteKey) -> bool:
        """Whether it names that key; both name and id must be its."""
        return self.name == key.name and self.key_id == key.key_id


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and what is signed under it."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encoded(self) -> str:
        """The whole note."""
        return self.text + "\n" + "".join(signature.line() for signature in self.signatures)

    def with_signatures(self, further: Sequence[NoteSignature]) -> "Note":
        """The note with the lines that it has not yet."""
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *further))))


def parse_key(text: str) -> NoteKey:
    """The verifier key in its text form; raises `MalformedNote`."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    material = decode_base64(encoded)
    if not material:
        raise MalformedNote("it is not a key such as name+0011aabb+base64")
    key = NoteKey(name, material[0], material[1:])
    if not _KEY_ID.match(key_id) or key.key_id.hex() != key_id:
        raise MalformedNote(f"the key of {name} has the id {key.key_id.hex()} and not the one that it states")
    return key


def parse_note(data: bytes) -> Note:
    """The note in `data`; no signature is checked yet. Raises `MalformedNote`."""
    if len(data) > MOST_NOTE_BYTES:
        raise MalformedNote(f"the note has {len(data)} bytes; at most {MOST_NOTE_BYTES} are read")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedNote("the note is not UTF-8") from None
    if _NOT_IN_TEXT.search(whole):
        raise MalformedNote("the note holds a control character")
    cut = whole.rfind("\n\n")
    if cut <= 0 or not whole.endswith("\n"):
        raise MalformedNote("the note has no text, blank line and signatures, each line with its end")
    return Note(whole[: cut + 1], parse_signatures(whole[cut + 2 :]))


def parse_signatures(lines: str) -> tuple[NoteSignature, ...]:
    """The signatures in lines of a note, at least one; raises `MalformedNote`."""
    if not lines.endswith("\n"):
        raise MalformedNote("the note has no signature, or its last line no end")
    texts = lines[:-1].split("\n")
    if len(texts) > MOST_SIGNATURES_COUNT:
        raise MalformedNote(f"the note has {len(texts)} signatures; at most {MOST_SIGNATURES_COUNT} are read")
    return tuple(_signature(text) for text in texts)


def check(note: Note, key: NoteKey) -> bool:
    """Whether `key` has signed the note's text (`ED25519`). Every line that names it must hold."""
    found = [signature for signature in note.signatures if signature.is_by(key)]
    return bool(found) and all(key.holds(note.text.encode(), one.signature) for one in found)


def signed(text: str, key: NoteKey, sign: Sign) -> Note:
    """The note of `text` under one Ed25519 signature."""
    return Note(text, (NoteSignature(key.name, key.key_id, sign(text.encode())),))


def encode_base64(data: bytes) -> str:
    """Standard base64 (RFC 4648, 4)."""
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes:
    """The bytes of standard base64 in its one spelling; raises `MalformedNote`."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise MalformedNote("it is not base64") from None
    if encode_base64(data) != text:
        raise MalformedNote("it is base64 in another spelling")
    return data


def _signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not _NAME.match(name):
        raise MalformedNote("a signature line is not a dash, a name and base64")
    data = decode_base64(encoded)
    if len(data) <= _KEY_ID_BYTES:
        raise MalformedNote("a signature line holds no signature")
    return NoteSignature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])
