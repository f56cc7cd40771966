"""Proofs that are verified without asking anybody (C2SP tlog-proof): an index, its path, a checkpoint with cosignatures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ashiato.log.checkpoints import parse_checkpoint
from ashiato.log.merkle import HASH_BYTES, is_included
from ashiato.log.notes import MalformedNote, Note, decode_base64, encode_base64, parse_note

FIRST_LINE = "c2sp.org/tlog-proof@v1"
MOST_STEPS_COUNT = 63
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")


@dataclass(frozen=True, slots=True)
class LogProof:
    """That the entry with this index is in the tree of the checkpoint. `extra` is nobody's word: it is not signed."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: Note
    extra: bytes = b""

    def encoded(self) -> str:
        """The text of a `.tlog-proof` file."""
        lines = [FIRST_LINE]
        if self.extra:
            lines.append(f"extra {encode_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines += path_lines(self.path)
        return "\n".join(lines) + "\n\n" + self.checkpoint.encoded()

    def shows(self, leaf: bytes) -> bool:
        """Whether the path leads from that leaf hash to the root; who signed the root is not looked at."""
        head = parse_checkpoint(self.checkpoint)
        return is_included(leaf, self.index, head.size_count, self.path, head.root)


def parse_proof(data: bytes) -> LogProof:
    """The proof in `data`; raises `MalformedNote`."""
    head, gap, note = data.partition(b"\n\n")
    try:
        lines = head.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise MalformedNote("the proof is not UTF-8") from None
    if not gap or lines[0] != FIRST_LINE:
        raise MalformedNote(f"a proof begins with {FIRST_LINE} and ends with a checkpoint")
    extra = b""
    rest = lines[1:]
    if rest and rest[0].startswith("extra "):
        extra = decode_base64(rest[0].removeprefix("extra "))
        rest = rest[1:]
    word, _, number = (rest[0] if rest else "").partition(" ")
    if word != "index" or not _NUMBER.match(number):
        raise MalformedNote("a proof names its index in decimal without leading zeroes")
    checkpoint = parse_note(note)
    parse_checkpoint(checkpoint)
    return LogProof(int(number), parse_path_lines(rest[1:]), checkpoint, extra)


def path_lines(path: Sequence[bytes]) -> list[str]:
    """The hashes of a proof, one in each line."""
    return [encode_base64(step) for step in path]


def parse_path_lines(lines: Sequence[str]) -> tuple[bytes, ...]:
    """The hashes in lines of a proof, at most 63; raises `MalformedNote`."""
    path = tuple(decode_base64(line) for line in lines)
    if len(path) > MOST_STEPS_COUNT or any(len(step) != HASH_BYTES for step in path):
        raise MalformedNote(f"a proof is at most {MOST_STEPS_COUNT} hashes of {HASH_BYTES} bytes")
    return path
