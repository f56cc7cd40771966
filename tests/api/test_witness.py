"""A company's connector as a witness: what it cosigns, what it refuses, and what it remembers."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ashiato.clients.egress import Egress, EgressRules
from ashiato.clients.witnesses import WitnessClients
from ashiato.log.checkpoints import Checkpoint, cosignature_of, read_signed, sign_checkpoint
from ashiato.log.merkle import consistency_ranges, leaf_hash, root_of
from ashiato.log.notes import ED25519, Note, NoteKey, parse_key
from ashiato.log.witnessing import encode_submission
from tests.companies import Company

PRIVATE = Ed25519PrivateKey.generate()
LOG = NoteKey("hub.example/v1/open/ledger", ED25519, PRIVATE.public_key().public_bytes_raw())
NAME = sha256(LOG.name.encode()).hexdigest()
LEAVES = [leaf_hash(bytes([number])) for number in range(20)]
FORKED = [*LEAVES[:7], leaf_hash(b"another"), *LEAVES[8:]]


def note_of(leaves: list[bytes], size_count: int) -> Note:
    head = Checkpoint(LOG.name, size_count, root_of(leaves[:size_count]))
    return sign_checkpoint(head, LOG, PRIVATE.sign)


def body_of(leaves: list[bytes], old_count: int, size_count: int) -> bytes:
    proof = [root_of(leaves[start:end]) for start, end in consistency_ranges(old_count, size_count)]
    return encode_submission(old_count, proof, note_of(leaves, size_count))


async def prove(old_count: int) -> tuple[bytes, ...]:
    return tuple(root_of(LEAVES[start:end]) for start, end in consistency_ranges(old_count, 20))


@pytest.fixture
async def witness(tmp_path: Path) -> AsyncIterator[Company]:
    async with Company(tmp_path, ["cell"], settings=f'[witness]\nlogs = ["{LOG.text()}"]\n') as company:
        yield company


async def asked(company: Company, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
    url = f"{company.ready['public_url']}/cell/witness/{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, data=body) as answer:
        return answer.status, await answer.text()


async def test_a_witness_cosigns_what_grows_and_nothing_else_also_after_it_was_killed(
    witness: Company,
) -> None:
    _, key_text = await asked(witness, "GET", "key")
    key = parse_key(key_text.strip())
    assert (await asked(witness, "GET", f"{NAME}/checkpoint"))[0] == 404
    status, line = await asked(witness, "POST", "add-checkpoint", body_of(LEAVES, 0, 8))
    assert status == 200
    assert line.startswith(f"— {key.name} ")
    # Another history from the seventh entry on, at the same size and at a larger one; a tree that was rolled back.
    assert (await asked(witness, "POST", "add-checkpoint", body_of(FORKED, 8, 8)))[0] == 422
    await witness.kill()
    await witness.start()
    assert (await asked(witness, "POST", "add-checkpoint", body_of(FORKED, 8, 20)))[0] == 422
    assert await asked(witness, "POST", "add-checkpoint", body_of(LEAVES, 3, 7)) == (409, "8\n")
    assert (await asked(witness, "POST", "add-checkpoint", body_of(LEAVES, 8, 20)))[0] == 200
    status, kept = await asked(witness, "GET", f"{NAME}/checkpoint")
    found = read_signed(kept.encode(), LOG)
    assert status == 200
    assert found is not None
    assert found[0].size_count == 20
    assert cosignature_of(found[1], key) is not None


async def test_a_witness_knows_only_the_logs_that_it_was_told(witness: Company) -> None:
    stranger = Ed25519PrivateKey.generate()
    head = Checkpoint("other.example/log", 1, LEAVES[0])
    key = NoteKey(head.origin, ED25519, stranger.public_key().public_bytes_raw())
    note = sign_checkpoint(head, key, stranger.sign)
    assert (await asked(witness, "POST", "add-checkpoint", encode_submission(0, [], note)))[0] == 404
    forged = sign_checkpoint(
        Checkpoint(LOG.name, 1, LEAVES[0]), NoteKey(LOG.name, ED25519, key.public), stranger.sign
    )
    assert (await asked(witness, "POST", "add-checkpoint", encode_submission(0, [], forged)))[0] == 403
    assert (await asked(witness, "POST", "add-checkpoint", b"old 0\n\nnothing"))[0] == 400
    assert (await asked(witness, "POST", "add-checkpoint", b"o" * 100_000))[0] == 413


async def test_the_hubs_client_finds_the_size_that_a_witness_has_seen(witness: Company) -> None:
    _, key_text = await asked(witness, "GET", "key")
    key = parse_key(key_text.strip())
    address = f"{witness.ready['public_url']}/cell/witness"
    async with Egress(EgressRules(unsafe_allow_loopback=True)) as egress:
        client = WitnessClients(egress, LOG.name, [(key, address)])
        assert await client.last_seen() == {key.name: None}
        await asked(witness, "POST", "add-checkpoint", body_of(LEAVES, 0, 8))
        note = note_of(LEAVES, 20)
        lines = await client.cosign(note, 20, prove)
        assert cosignature_of(Note(note.text, tuple(lines)), key) is not None
        assert not await client.cosign(note_of(FORKED, 20), 20, prove)
        seen = (await client.last_seen())[key.name]
        assert seen is not None
        assert seen.decode().startswith(note.text)
        await witness.stop()
        assert await client.last_seen() == {}
        assert not await client.cosign(note, 20, prove)
