"""Verifies a proof that a statement stands in a log, offline: one file that shares no code with the log.

It needs Python and the package `cryptography`, and nothing else of this project: copy it, read it, run it.

    python proof_verifier.py FILE.tlog-proof --log-key KEY [--witness KEY]... [--quorum N]

The file is a C2SP tlog-proof. Its extra data are the 32 bytes of the salt and then the statement. Keys are given as text, such as
`hub.example/v1/open/ledger+0011aabb+base64`; they must come from somebody whom you believe, and never from who gave you the file.
"""

import argparse
import base64
import binascii
import hashlib
import json
import sys
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LOG_SIGNATURE, WITNESS_COSIGNATURE = 1, 4
MOST_FILE_BYTES = 4_194_304


class Broken(Exception):
    """The proof does not hold; the text says what is wrong with it."""


@dataclass(frozen=True)
class Key:
    """A key that the verifier believes."""

    name: str
    kind: int
    id: bytes
    public: bytes


@dataclass(frozen=True)
class Proved:
    """What a proof that holds shows."""

    statement: bytes
    index: int
    log: str
    size_count: int
    witnesses: tuple[str, ...]
    earliest_s: int | None
    """The earliest second at which a witness says that it saw this checkpoint; None without witnesses."""


def read_key(text: str) -> Key:
    """A key as it is written in text; raises `Broken`."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise Broken(f"the key {text!r} is not written as name+id+base64")
    material = _unbase64(parts[2], "the key")
    kind, public = material[:1], material[1:]
    if len(public) != 32 or kind not in (b"\x01", b"\x04"):
        raise Broken(f"the key of {parts[0]} is not one for Ed25519")
    fingerprint = hashlib.sha256(parts[0].encode() + b"\n" + material).digest()[:4]
    if fingerprint.hex() != parts[1]:
        raise Broken(f"the key of {parts[0]} has another id than the one that is written with it")
    return Key(parts[0], kind[0], fingerprint, public)


def verify(data: bytes, log_keys: list[Key], witness_keys: list[Key], quorum: int) -> Proved:
    """What the proof in `data` shows; raises `Broken`. The steps are those of C2SP tlog-proof, "Verifying a tlog proof"."""
    if len(data) > MOST_FILE_BYTES:
        raise Broken("the file is too large for a proof")
    extra, index, path, text, lines = _parts(data)
    # 1. Compute the leaf hash: the entry is the commitment, one hash over salt and statement.
    if len(extra) < 32:
        raise Broken("the file does not bring the salt and the statement")
    commitment = hashlib.sha256(b"ashiato commitment v1\n" + extra).digest()
    leaf = hashlib.sha256(b"\x00" + commitment).digest()
    # 2. The checkpoint is of a log that is believed, and signed by its key.
    origin, size, root = _head(text)
    if not _is_signed(
        text, lines, [key for key in log_keys if key.kind == LOG_SIGNATURE and key.name == origin]
    ):
        raise Broken(f"no key that you believe has signed this checkpoint of the log {origin}")
    # 3. Cosignatures of witnesses that are known.
    seen = _cosigners(text, lines, [key for key in witness_keys if key.kind == WITNESS_COSIGNATURE])
    if len(seen) < quorum:
        raise Broken(f"{len(seen)} of the witnesses that you believe have cosigned, and {quorum} are needed")
    # 4. The path leads from the leaf to the root.
    if _climb(leaf, index, size, path) != root:
        raise Broken("the statement is not the entry with this index in this log")
    return Proved(extra[32:], index, origin, size, tuple(sorted(seen)), min(seen.values(), default=None))


def _parts(data: bytes) -> tuple[bytes, int, list[bytes], str, list[tuple[str, bytes]]]:
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise Broken("the file is not text") from None
    front, _, note = whole.partition("\n\n")
    rows = front.split("\n")
    if rows.pop(0) != "c2sp.org/tlog-proof@v1":
        raise Broken("the file is not a tlog-proof of version 1")
    extra = b""
    if rows and rows[0].startswith("extra "):
        extra = _unbase64(rows.pop(0)[6:], "the extra data")
    if not rows or not rows[0].startswith("index "):
        raise Broken("the file does not say the index of the entry")
    index = _number(rows.pop(0)[6:])
    path = [_unbase64(row, "the path") for row in rows]
    if any(len(step) != 32 for step in path):
        raise Broken("the path is not made of hashes")
    text, gap, signatures = note.rpartition("\n\n")
    if not gap or not signatures.endswith("\n"):
        raise Broken("the file ends in no signed checkpoint")
    return extra, index, path, text + "\n", [_line(row) for row in signatures[:-1].split("\n")]


def _line(row: str) -> tuple[str, bytes]:
    words = row.split(" ")
    if len(words) != 3 or words[0] != "\u2014":
        raise Broken("a signature line of the checkpoint cannot be read")
    return words[1], _unbase64(words[2], "a signature")


def _head(text: str) -> tuple[str, int, bytes]:
    rows = text.split("\n")
    if len(rows) < 4 or "" in rows[:-1]:
        raise Broken("the checkpoint is not origin, size and root")
    root = _unbase64(rows[2], "the root")
    if len(root) != 32:
        raise Broken("the root of the checkpoint is not a hash")
    return rows[0], _number(rows[1]), root


def _is_signed(text: str, lines: list[tuple[str, bytes]], keys: list[Key]) -> bool:
    found = False
    for key in keys:
        for name, data in lines:
            if name == key.name and data[:4] == key.id:
                # A line that names a believed key and does not hold spoils the whole note.
                if not _holds(key.public, data[4:], text.encode()):
                    return False
                found = True
    return found


def _cosigners(text: str, lines: list[tuple[str, bytes]], keys: list[Key]) -> dict[str, int]:
    seen: dict[str, int] = {}
    counted: set[bytes] = set()
    for key in keys:
        for name, data in lines:
            # One witness counts once, under however many names its key is given.
            if name != key.name or data[:4] != key.id or len(data) != 76 or key.public in counted:
                continue
            second = int.from_bytes(data[4:12])
            message = f"cosignature/v1\ntime {second}\n{text}".encode()
            if _holds(key.public, data[12:], message):
                seen[name] = second
                counted.add(key.public)
    return seen


def _climb(leaf: bytes, index: int, size_count: int, path: list[bytes]) -> bytes | None:
    """The root above the leaf, by cutting the tree in halves from the top as RFC 6962, 2.1 defines it."""
    if not 0 <= index < size_count:
        return None
    sides: list[bool] = []
    while size_count > 1:
        left = 1
        while left * 2 < size_count:
            left *= 2
        is_right = index >= left
        sides.append(is_right)
        index, size_count = (index - left, size_count - left) if is_right else (index, left)
    if len(sides) != len(path):
        return None
    for is_right, step in zip(reversed(sides), path, strict=True):
        leaf = hashlib.sha256(b"\x01" + (step + leaf if is_right else leaf + step)).digest()
    return leaf


def _holds(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _unbase64(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Broken(f"{what} is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Broken(f"{what} is base64 in a second spelling")
    return data


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19 or (len(text) > 1 and text[0] == "0"):
        raise Broken(f"{text[:20]!r} is not a number")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Verify one file and print what it shows as JSON; 0 when it holds, 1 when it does not."""
    parser = argparse.ArgumentParser(description="Verify offline that a statement stands in a log.")
    parser.add_argument("file")
    parser.add_argument("--log-key", action="append", required=True, help="a key of a log that you believe")
    parser.add_argument("--witness", action="append", default=[], help="a key of a witness that you believe")
    parser.add_argument("--quorum", type=int, default=0, help="so many of the witnesses must have cosigned")
    given = parser.parse_args(arguments)
    try:
        with open(given.file, "rb") as file:
            data = file.read(MOST_FILE_BYTES + 1)
        keys = [[read_key(text) for text in texts] for texts in (given.log_key, given.witness)]
        proved = verify(data, keys[0], keys[1], given.quorum)
    except (Broken, OSError) as error:
        print(json.dumps({"holds": False, "why": str(error)}))
        return 1
    shown = {
        "holds": True,
        "log": proved.log,
        "index": proved.index,
        "size": proved.size_count,
        "witnesses": proved.witnesses,
        "seen_since_s": proved.earliest_s,
        "statement": proved.statement.decode("utf-8", "replace"),
    }
    print(json.dumps(shown, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
