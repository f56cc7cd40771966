"""What a participant posts to a ledger of commitments, and what of it the ledger can verify.

An entry is a commitment with the signature of the poster over it, and, where the ledger must know both sides (an agreement, or
a use that is billed), also the signature of the other. The ledger keeps the commitment alone: who signed stays out of the tree.
A signature names the log that it is for, so that an entry cannot be carried to another one.
"""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from hashlib import sha256

import msgspec

from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.statements.commitments import COMMITMENT_BYTES
from ashiato.trust import base64url
from ashiato.trust.keys import VerificationKey

VERSION = 1
MOST_ENTRIES_COUNT = 500
MOST_BATCH_BYTES = 524_288
LONGEST_KID_CHARS = 2048

_DOMAIN = b"ashiato-ledger-entry/v1\n"
_SIGNATURE_BYTES = 64
_DOOR = object()


class MalformedBatch(ValueError):
    """The poster's bytes are no batch of entries; the poster must mend them. `problem` says where and why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class UnverifiedEntry(ValueError):
    """A signature does not hold, or its key is not one that may sign here; the poster must look. `index` counts from 0."""

    def __init__(self, index: int, kid: str, why: str) -> None:
        super().__init__(f"entry {index}, {kid}: {why}")
        self.index = index
        self.kid = kid
        self.why = why


class Entry(msgspec.Struct, frozen=True):
    """One commitment, the poster's signature, and for an entry of two parties the other's key and signature."""

    commitment: bytes
    signature: bytes
    other_kid: str = ""
    other_signature: bytes = b""


class Batch(msgspec.Struct, frozen=True):
    """Entries for the log `log`, posted under the key `kid`; nothing is verified yet."""

    log: str
    kid: str
    entries: tuple[Entry, ...]

    def kids(self) -> frozenset[str]:
        """The keys that its signatures name."""
        return frozenset({self.kid, *(entry.other_kid for entry in self.entries if entry.other_kid)})


@dataclass(frozen=True, slots=True)
class VerifiedBatch:
    """A batch whose signatures hold. Only `Verifying.done` makes one."""

    log: str
    member: str
    sha256: bytes
    commitments: tuple[bytes, ...]
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedBatch comes from Verifying.done only")


def signing_input(log: str, commitment: bytes) -> bytes:
    """What is signed for an entry: the domain, the name of the log, the commitment."""
    return _DOMAIN + log.encode() + b"\n" + commitment


def encode_batch(batch: Batch) -> bytes:
    """The JSON that is posted. A retry must post these very bytes: by them the ledger knows what it has."""
    return msgspec.json.encode(
        {
            "version": VERSION,
            "log": batch.log,
            "kid": batch.kid,
            "entries": [_encode_entry(entry) for entry in batch.entries],
        }
    )


def parse_batch(data: bytes) -> Batch:
    """The batch in `data`; raises `MalformedBatch`."""
    try:
        document = parse_strict(data, max_bytes=MOST_BATCH_BYTES, max_depth=4)
    except MalformedJson as error:
        raise MalformedBatch(error.problem) from None
    if not isinstance(document, dict) or document.keys() != {"version", "log", "kid", "entries"}:
        raise MalformedBatch("a batch has the members version, log, kid and entries")
    if document["version"] != VERSION:
        raise MalformedBatch(f"version {document['version']!r} is not known here")
    log, kid, entries = _text(document["log"], "log"), _text(document["kid"], "kid"), document["entries"]
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_ENTRIES_COUNT:
        raise MalformedBatch(f"entries is not a list of 1 to {MOST_ENTRIES_COUNT}")
    return Batch(log, kid, tuple(_entry(entry, index, kid) for index, entry in enumerate(entries)))


class Verifying:
    """The work of verifying one batch, which its caller may do in pieces so that others get their turn."""

    def __init__(self, batch: Batch, log: str, keys: Mapping[str, VerificationKey]) -> None:
        """`log` is the name of the log that verifies, `keys` are the keys that may sign here, by their ids."""
        if batch.log != log:
            raise MalformedBatch(f"the batch is for the log {batch.log!r} and not for {log!r}")
        self._batch = batch
        self._keys = keys
        self._done_count = 0

    def step(self, entries_count: int) -> bool:
        """Verify that many further entries; whether all are done. Raises `UnverifiedEntry`."""
        batch, end = self._batch, min(self._done_count + entries_count, len(self._batch.entries))
        for index in range(self._done_count, end):
            entry = batch.entries[index]
            message = signing_input(batch.log, entry.commitment)
            self._check(index, batch.kid, entry.signature, message)
            if entry.other_kid:
                self._check(index, entry.other_kid, entry.other_signature, message)
        self._done_count = end
        return end == len(batch.entries)

    def done(self) -> VerifiedBatch:
        """The batch, when every step was made; verifies what is left."""
        self.step(len(self._batch.entries))
        batch = self._batch
        content = sha256(batch.kid.encode() + b"\n" + b"".join(entry.commitment for entry in batch.entries))
        return VerifiedBatch(
            batch.log,
            batch.kid.partition("#")[0],
            content.digest(),
            tuple(entry.commitment for entry in batch.entries),
            _DOOR,
        )

    def _check(self, index: int, kid: str, signature: bytes, message: bytes) -> None:
        key = self._keys.get(kid)
        if key is None:
            raise UnverifiedEntry(index, kid, "no member's key has this id")
        if not key.verify(signature, message):
            raise UnverifiedEntry(index, kid, "the signature does not hold")


def _encode_entry(entry: Entry) -> list[str]:
    parts = [base64url.encode(entry.commitment), base64url.encode(entry.signature)]
    if entry.other_kid:
        parts += (entry.other_kid, base64url.encode(entry.other_signature))
    return parts


def _entry(value: object, index: int, kid: str) -> Entry:
    if not isinstance(value, list) or len(value) not in (2, 4):
        raise MalformedBatch(
            f"entries[{index}] is not a commitment with a signature, or with two and the other's key"
        )
    commitment = _bytes(value[0], COMMITMENT_BYTES, index)
    signature = _bytes(value[1], _SIGNATURE_BYTES, index)
    if len(value) == 2:
        return Entry(commitment, signature)
    other_kid = _text(value[2], f"entries[{index}][2]")
    if other_kid.partition("#")[0] == kid.partition("#")[0]:
        raise MalformedBatch(f"entries[{index}]: both signatures are of one participant")
    return Entry(commitment, signature, other_kid, _bytes(value[3], _SIGNATURE_BYTES, index))


def _bytes(value: object, size_bytes: int, index: int) -> bytes:
    try:
        data = base64url.decode(value) if isinstance(value, str) else b""
    except ValueError as error:
        raise MalformedBatch(f"entries[{index}]: {error}") from None
    if len(data) != size_bytes:
        raise MalformedBatch(f"entries[{index}]: {size_bytes} bytes in base64url are needed")
    return data


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_KID_CHARS or not value.isprintable():
        raise MalformedBatch(f"{name} is empty, too long, or does not print")
    return value
