import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ashiato.log.checkpoints import (
    Checkpoint,
    cosign,
    cosignature_of,
    parse_checkpoint,
    read_signed,
    sign_checkpoint,
)
from ashiato.log.merkle import leaf_hash, root_of
from ashiato.log.notes import (
    COSIGNATURE_V1,
    ED25519,
    MalformedNote,
    Note,
    NoteKey,
    check,
    parse_key,
    parse_note,
    signed,
)
from ashiato.log.proofs import LogProof, parse_proof

# C2SP signed-note, "Example".
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# C2SP tlog-cosignature, the example of a cosigned checkpoint.
COSIGNED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)

PRIVATE = Ed25519PrivateKey.generate()
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEY = NoteKey("log.example/history", ED25519, PUBLIC)
WITNESS_PRIVATE = Ed25519PrivateKey.generate()
WITNESS = NoteKey("cell.example", COSIGNATURE_V1, WITNESS_PRIVATE.public_key().public_bytes_raw())
HEAD = Checkpoint("log.example/history", 3, root_of([leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")]))


def test_the_example_of_the_specification_is_verified_by_its_key() -> None:
    key = parse_key(EXAMPLE_KEY)
    note = parse_note(EXAMPLE_NOTE.encode())
    assert (key.name, key.kind, key.key_id.hex()) == ("example.com/foo", ED25519, "530d903a")
    assert key.text() == EXAMPLE_KEY
    assert check(note, key)
    assert note.encoded() == EXAMPLE_NOTE
    assert not check(parse_note(EXAMPLE_NOTE.replace("an example", "no example").encode()), key)


def test_the_cosigned_checkpoint_of_the_specification_is_read() -> None:
    note = parse_note(COSIGNED.encode())
    head = parse_checkpoint(note)
    assert (head.origin, head.size_count) == ("example.com/behind-the-sofa", 20852163)
    assert head.root.hex()[:8] == "0ac5186a"
    assert head.text() == note.text
    # The specification shows this cosignature's second in the message that it signs: "time 1679315147".
    witness = note.signatures[1]
    assert int.from_bytes(witness.signature[:8]) == 1679315147
    assert len(witness.signature) == 72


def test_a_checkpoint_is_believed_under_the_logs_key_and_under_no_other() -> None:
    note = sign_checkpoint(HEAD, KEY, PRIVATE.sign)
    found = read_signed(note.encoded().encode(), KEY)
    assert found is not None
    assert found[0] == HEAD
    other = NoteKey(KEY.name, ED25519, WITNESS.public)
    assert read_signed(note.encoded().encode(), other) is None
    # The same name and id with a signature that does not hold: the whole note is refused, a good line beside it or not.
    forged = Note(note.text, (signed("other text\n", KEY, PRIVATE.sign).signatures[0], *note.signatures))
    assert not check(forged, KEY)


def test_what_a_witness_signs_is_the_message_of_the_specification() -> None:
    line = cosign(HEAD.text(), WITNESS, WITNESS_PRIVATE.sign, 1679315147)
    message = f"cosignature/v1\ntime 1679315147\n{HEAD.text()}".encode()
    WITNESS_PRIVATE.public_key().verify(line.signature[8:], message)
    note = sign_checkpoint(HEAD, KEY, PRIVATE.sign).with_signatures([line, line])
    assert len(note.signatures) == 2
    found = cosignature_of(note, WITNESS)
    assert found is not None
    assert (found.name, found.at_s) == ("cell.example", 1679315147)
    # The line of another text, or with another second, is none.
    moved = Note(note.text, (type(line)(line.name, line.key_id, bytes(8) + line.signature[8:]),))
    assert cosignature_of(moved, WITNESS) is None
    assert cosignature_of(Note(note.text.replace("3", "4", 1), (line,)), WITNESS) is None
    assert cosignature_of(sign_checkpoint(HEAD, KEY, PRIVATE.sign), WITNESS) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n— name AAAAAAA=",
        "text\n\n- name AAAAAAA=\n",
        "text\n\n— a b AAAAAAA=\n",
        "text\n\n— a+b AAAAAAA=\n",
        "text\n\n— name AAAA\n",
        "text\n\n— name AAAAAAB=\n",
        "text\r\n\n— name AAAAAAA=\n",
        "te\x00xt\n\n— name AAAAAAA=\n",
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(MalformedNote):
        parse_note(text.encode())
    assert parse_note("text\n\n— name AAAAAAA=\n".encode()).text == "text\n"


@pytest.mark.parametrize(
    "text",
    [
        "log\n",
        "log\n3\n",
        "log\n03\nrrWnK/Jwy0oXD7Bnpep1gmTbD6m1GvXgugFZFY8p4Gc=\n",
        "log\n-1\nrrWnK/Jwy0oXD7Bnpep1gmTbD6m1GvXgugFZFY8p4Gc=\n",
        "log\n3\nrrWnK/Jwy0oXD7Bnpep1gg==\n",
        "log\n3\nrrWnK/Jwy0oXD7Bnpep1gmTbD6m1GvXgugFZFY8p4Gc\n",
        "\n3\nrrWnK/Jwy0oXD7Bnpep1gmTbD6m1GvXgugFZFY8p4Gc=\n",
        "log\n3\nrrWnK/Jwy0oXD7Bnpep1gmTbD6m1GvXgugFZFY8p4Gc=\n\nmore\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedNote):
        parse_checkpoint(Note(text, ()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_a_key_with_another_id_or_type_is_refused(text: str) -> None:
    with pytest.raises(MalformedNote):
        parse_key(text)


def test_a_proof_file_says_what_it_was_made_of() -> None:
    note = sign_checkpoint(HEAD, KEY, PRIVATE.sign)
    path = (leaf_hash(b"a"), leaf_hash(b"c"))
    proof = LogProof(1, path, note, b"salt")
    text = proof.encoded()
    assert text.startswith("c2sp.org/tlog-proof@v1\nextra c2FsdA==\nindex 1\n")
    assert parse_proof(text.encode()) == proof
    assert proof.shows(leaf_hash(b"b"))
    assert not proof.shows(leaf_hash(b"c"))
    assert parse_proof(LogProof(0, (), note).encoded().encode()) == LogProof(0, (), note)
    for broken in (
        text.replace("@v1", "@v2"),
        text.replace("index 1", "index 01"),
        text.replace("index 1\n", ""),
        text.replace("extra c2FsdA==", "extra c2FsdA"),
        text.partition("\n\n")[0],
    ):
        with pytest.raises(MalformedNote):
            parse_proof(broken.encode())
