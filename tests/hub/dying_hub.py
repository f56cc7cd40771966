"""A ledger in a process of its own that kills itself at a step: `python -m tests.hub.dying_hub <folder> <url> <step> <round>`.

It posts the batches 0, 1, 2, … of ten entries each, of which it finds the first without an answer in its folder. What it signed
and what was acknowledged is on the disk there before anybody could know of it.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ashiato.hub.ledger import Ledger, LedgerStopped
from ashiato.hub.ledger_ports import Prove, Step
from ashiato.log.notes import Note, NoteSignature
from ashiato.log.witnessing import Seen
from ashiato.trust.keys import SigningKey
from tests.hub.ledgers import KID, KeyInHand, Watchers, opened, verified

ROUNDS_COUNT = 4
ENTRIES_COUNT = 10
STOPPED = 3
"""The exit code of a ledger that refuses to sign."""
SECRETS = {
    "log": b"log key of a test",
    "witness": b"witness key of a test",
    "member": b"member key of a test",
}


def private(name: str) -> Ed25519PrivateKey:
    """The same key in every process of the test."""
    return Ed25519PrivateKey.from_private_bytes(sha256(SECRETS[name]).digest())


def commitments(round_number: int) -> list[bytes]:
    return [sha256(bytes([round_number, entry])).digest() for entry in range(ENTRIES_COUNT)]


def append(path: Path, record: object) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


class RecordedKey(KeyInHand):
    """It writes down what it signs before it signs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(private("log"))
        self._path = folder / "signed.jsonl"

    async def sign(self, text: bytes) -> bytes:
        _, size, root, _ = text.decode().split("\n")
        append(self._path, {"size": int(size), "root": root})
        return await super().sign(text)


class RecordedWatcher(Watchers):
    """A witness whose record outlives the hub, as that of another company's process does."""

    def __init__(self, folder: Path, key: RecordedKey) -> None:
        super().__init__(key.key)
        (name,) = self.notes
        self._privates[name] = private("witness")
        self.keys = tuple(
            type(known)(known.name, known.kind, self._privates[name].public_key().public_bytes_raw())
            for known in self.keys
        )
        self._path = folder / "witness.jsonl"
        seen = records(self._path)
        if seen:
            last = seen[-1]
            self.seen[name] = Seen(int(str(last["size"])), bytes.fromhex(str(last["root"])))
            self.notes[name] = str(last["note"]).encode()

    async def last_seen(self) -> Mapping[str, bytes | None]:
        return await super().last_seen()

    async def cosign(self, note: Note, size_count: int, prove: Prove) -> Sequence[NoteSignature]:
        lines = await super().cosign(note, size_count, prove)
        for name, seen in self.seen.items():
            kept = self.notes[name] or b""
            append(self._path, {"size": seen.size_count, "root": seen.root.hex(), "note": kept.decode()})
        return lines


async def main(folder: Path, url: str, step: str, round_number: int) -> int:
    """Post what is not acknowledged yet; die at the step of that round."""
    signer = RecordedKey(folder)
    acknowledged = len(records(folder / "acknowledged.jsonl"))
    member = SigningKey(KID, private("member"))
    now = acknowledged

    def on_step(reached: Step) -> None:
        if reached == step and now == round_number:
            os.kill(os.getpid(), signal.SIGKILL)

    store = await opened(url)
    ledger = Ledger(store, signer, RecordedWatcher(folder, signer), 1, on_step)
    try:
        await ledger.open()
    except LedgerStopped as error:
        print(error.problem, file=sys.stderr)
        return STOPPED
    for now in range(acknowledged, ROUNDS_COUNT):
        (placed,) = await ledger.sequence([verified(commitments(now), member)], 1_790_000_000_000)
        append(
            folder / "acknowledged.jsonl",
            {"round": now, "first": placed.first_index, "checkpoint": placed.checkpoint},
        )
    await store.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))))
