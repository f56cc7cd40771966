"""A ledger on a store of its own, with keys made for the test and witnesses in memory that may be silent or lie."""

from collections.abc import Callable, Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ashiato.hub.ledger import Ledger
from ashiato.hub.ledger_ports import Prove, Step
from ashiato.log.checkpoints import cosign
from ashiato.log.notes import COSIGNATURE_V1, ED25519, Note, NoteKey, NoteSignature
from ashiato.log.witnessing import Answer, Seen, encode_submission, judge, parse_submission
from ashiato.statements.ledger_entries import Batch, Entry, VerifiedBatch, Verifying, signing_input
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.hub.rooms import hub_furnishing
from ashiato.trust.keys import SigningKey

ORIGIN = "hub.example/ledger"
MEMBER = "did:web:cell.example"
KID = f"{MEMBER}#key-1"


async def opened(url: str, node_id: str = "hub-1") -> SqlStore:
    return await open_store(url, node_id, hub_furnishing("did:web:hub.example"))


class KeyInHand:
    """The port `HeadSigner`; it remembers what it signed."""

    def __init__(self, private: Ed25519PrivateKey | None = None) -> None:
        self._private = private or Ed25519PrivateKey.generate()
        self.key = NoteKey(ORIGIN, ED25519, self._private.public_key().public_bytes_raw())
        self.signed: list[str] = []

    async def sign(self, text: bytes) -> bytes:
        self.signed.append(text.decode())
        return self._private.sign(text)


class Watchers:
    """The port `Witnesses`: honest ones with a record in memory. Those in `silent` do not answer."""

    def __init__(self, log_key: NoteKey, names: Sequence[str] = ("cell.example",)) -> None:
        self._log_key = log_key
        self._privates = {name: Ed25519PrivateKey.generate() for name in names}
        self.keys = tuple(
            NoteKey(name, COSIGNATURE_V1, private.public_key().public_bytes_raw())
            for name, private in self._privates.items()
        )
        self.seen = {name: Seen() for name in names}
        self.notes: dict[str, bytes | None] = dict.fromkeys(names)
        self.silent: set[str] = set()
        self.refusals: list[Answer] = []

    async def last_seen(self) -> Mapping[str, bytes | None]:
        return {name: note for name, note in self.notes.items() if name not in self.silent}

    async def cosign(self, note: Note, size_count: int, prove: Prove) -> Sequence[NoteSignature]:
        lines: list[NoteSignature] = []
        for key in self.keys:
            if key.name in self.silent:
                continue
            seen = self.seen[key.name]
            proof = await prove(seen.size_count) if seen.size_count <= size_count else ()
            submission = parse_submission(encode_submission(seen.size_count, proof, note))
            answer = judge(submission, self._log_key, seen)
            if answer is not Answer.COSIGNED:
                self.refusals.append(answer)
                continue
            line = cosign(note.text, key, self._privates[key.name].sign, 1_790_000_000)
            self.seen[key.name] = Seen(submission.checkpoint.size_count, submission.checkpoint.root)
            self.notes[key.name] = note.with_signatures([line]).encoded().encode()
            lines.append(line)
        return lines


def ledger(
    store: SqlStore,
    signer: KeyInHand,
    watchers: Watchers,
    quorum_count: int = 1,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Ledger:
    return Ledger(store, signer, watchers, quorum_count, on_step)


def member_key(kid: str = KID) -> SigningKey:
    return SigningKey(kid, Ed25519PrivateKey.generate())


def posted(commitments: Sequence[bytes], key: SigningKey, other: SigningKey | None = None) -> Batch:
    entries: list[Entry] = []
    for commitment in commitments:
        message = signing_input(ORIGIN, commitment)
        if other is None:
            entries.append(Entry(commitment, key.sign(message)))
        else:
            entries.append(Entry(commitment, key.sign(message), other.kid, other.sign(message)))
    return Batch(ORIGIN, key.kid, tuple(entries))


def verified(commitments: Sequence[bytes], key: SigningKey) -> VerifiedBatch:
    return Verifying(posted(commitments, key), ORIGIN, {key.kid: key.verification_key()}).done()
