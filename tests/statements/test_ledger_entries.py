import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ashiato.statements.commitments import commit
from ashiato.statements.ledger_entries import (
    Batch,
    Entry,
    MalformedBatch,
    UnverifiedEntry,
    VerifiedBatch,
    Verifying,
    encode_batch,
    parse_batch,
    signing_input,
)
from ashiato.trust.keys import SigningKey

LOG = "hub.example/ledger"
CELL = SigningKey("did:web:cell.example#key-1", ec.generate_private_key(ec.SECP256R1()))
PACK = SigningKey("did:web:pack.example#key-1", Ed25519PrivateKey.generate())
KEYS = {key.kid: key.verification_key() for key in (CELL, PACK)}
COMMITMENTS = [commit(bytes([number]) * 32, b"a statement") for number in range(3)]


def one_sided(commitment: bytes) -> Entry:
    return Entry(commitment, CELL.sign(signing_input(LOG, commitment)))


def two_sided(commitment: bytes) -> Entry:
    message = signing_input(LOG, commitment)
    return Entry(commitment, CELL.sign(message), PACK.kid, PACK.sign(message))


BATCH = Batch(
    LOG, CELL.kid, (one_sided(COMMITMENTS[0]), two_sided(COMMITMENTS[1]), one_sided(COMMITMENTS[2]))
)


def test_a_commitment_is_one_hash_over_domain_salt_and_statement() -> None:
    assert commit(bytes(32), b"x") == sha256(b"ashiato commitment v1\n" + bytes(32) + b"x").digest()
    assert commit(bytes(32), b"x") != commit(bytes(31) + b"\x01", b"x")
    with pytest.raises(ValueError, match="31 bytes"):
        commit(bytes(31), b"\0x")


def test_a_batch_is_read_as_it_was_written_and_verified() -> None:
    assert parse_batch(encode_batch(BATCH)) == BATCH
    verifying = Verifying(BATCH, LOG, KEYS)
    assert not verifying.step(2)
    assert verifying.step(1)
    done = verifying.done()
    assert (done.member, done.commitments) == ("did:web:cell.example", tuple(COMMITMENTS))
    assert done.sha256 == sha256(CELL.kid.encode() + b"\n" + b"".join(COMMITMENTS)).digest()


def test_what_is_signed_names_the_log_and_nothing_of_the_trade() -> None:
    assert signing_input(LOG, bytes(32)) == b"ashiato-ledger-entry/v1\nhub.example/ledger\n" + bytes(32)


def test_a_verified_batch_has_one_door() -> None:
    with pytest.raises(TypeError):
        VerifiedBatch(LOG, "did:web:cell.example", b"", (), object())


def test_a_batch_is_not_done_before_every_signature_was_checked() -> None:
    message = signing_input(LOG, COMMITMENTS[2])
    forged = Batch(LOG, CELL.kid, (*BATCH.entries[:2], Entry(COMMITMENTS[2], PACK.sign(message))))
    verifying = Verifying(forged, LOG, KEYS)
    assert not verifying.step(2)
    with pytest.raises(UnverifiedEntry) as refused:
        verifying.done()
    assert (refused.value.index, refused.value.kid) == (2, CELL.kid)


def test_the_other_partys_signature_is_checked_too() -> None:
    entry = two_sided(COMMITMENTS[0])
    forged = Entry(entry.commitment, entry.signature, entry.other_kid, entry.signature)
    with pytest.raises(UnverifiedEntry) as refused:
        Verifying(Batch(LOG, CELL.kid, (forged,)), LOG, KEYS).done()
    assert refused.value.kid == PACK.kid


def test_a_key_that_is_no_members_signs_nothing() -> None:
    with pytest.raises(UnverifiedEntry, match="no member"):
        Verifying(BATCH, LOG, {PACK.kid: KEYS[PACK.kid]}).done()


def test_an_entry_cannot_be_carried_to_another_log() -> None:
    with pytest.raises(MalformedBatch, match=r"for the log 'hub\.example/ledger'"):
        Verifying(BATCH, "other.example/ledger", KEYS)
    renamed = Batch("other.example/ledger", BATCH.kid, BATCH.entries)
    with pytest.raises(UnverifiedEntry):
        Verifying(renamed, "other.example/ledger", KEYS).done()


def changed(**members: object) -> bytes:
    return json.dumps({**json.loads(encode_batch(BATCH)), **members}).encode()


ENTRY = json.loads(encode_batch(BATCH))["entries"][0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        changed(version=2),
        changed(more=1),
        changed(entries=[]),
        changed(entries=[ENTRY] * 501),
        changed(entries=[[ENTRY[0]]]),
        changed(entries=[[ENTRY[0] + "=", ENTRY[1]]]),
        changed(entries=[[ENTRY[0][:-2], ENTRY[1]]]),
        changed(entries=[[ENTRY[0], ENTRY[0]]]),
        changed(entries=[[*ENTRY, CELL.kid, ENTRY[1]]]),
        changed(entries=[[*ENTRY, "did:web:cell.example#other", ENTRY[1]]]),
        changed(kid=""),
        changed(log="a\nb"),
        changed(log=7),
        encode_batch(BATCH)[:-1] + b',"kid":"did:web:x#k"}',
    ],
)
def test_what_is_no_batch_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedBatch):
        parse_batch(data)
