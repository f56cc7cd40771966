import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ashiato.log.checkpoints import Checkpoint, sign_checkpoint
from ashiato.log.merkle import EMPTY_ROOT, consistency_ranges, leaf_hash, root_of
from ashiato.log.notes import ED25519, MalformedNote, NoteKey
from ashiato.log.witnessing import Answer, Seen, encode_submission, judge, parse_submission

PRIVATE = Ed25519PrivateKey.generate()
KEY = NoteKey("log.example/history", ED25519, PRIVATE.public_key().public_bytes_raw())
LEAVES = [leaf_hash(bytes([number])) for number in range(20)]
FORKED = [*LEAVES[:7], leaf_hash(b"another"), *LEAVES[8:]]


def submitted(leaves: list[bytes], old_count: int, *, size_count: int, private: object = None) -> bytes:
    head = Checkpoint(KEY.name, size_count, root_of(leaves[:size_count]))
    signer = private if isinstance(private, Ed25519PrivateKey) else PRIVATE
    proof = [root_of(leaves[start:end]) for start, end in consistency_ranges(old_count, size_count)]
    return encode_submission(old_count, proof, sign_checkpoint(head, KEY, signer.sign))


def answer(body: bytes, seen: Seen) -> Answer:
    return judge(parse_submission(body), KEY, seen)


SEEN_8 = Seen(8, root_of(LEAVES[:8]))


def test_a_tree_that_extends_what_was_seen_is_cosigned() -> None:
    assert answer(submitted(LEAVES, 0, size_count=8), Seen()) is Answer.COSIGNED
    assert answer(submitted(LEAVES, 8, size_count=20), SEEN_8) is Answer.COSIGNED
    assert answer(submitted(LEAVES, 8, size_count=8), SEEN_8) is Answer.COSIGNED
    assert answer(submitted([], 0, size_count=0), Seen()) is Answer.COSIGNED


def test_a_forked_log_is_not_cosigned() -> None:
    assert answer(submitted(FORKED, 8, size_count=20), SEEN_8) is Answer.INCONSISTENT
    assert answer(submitted(FORKED, 8, size_count=8), SEEN_8) is Answer.INCONSISTENT


def test_a_log_that_was_rolled_back_is_told_the_size_that_was_seen() -> None:
    assert answer(submitted(LEAVES, 3, size_count=7), SEEN_8) is Answer.OUT_OF_STEP
    assert answer(submitted(FORKED, 0, size_count=20), SEEN_8) is Answer.OUT_OF_STEP


def test_the_other_answers_are_those_of_the_protocol() -> None:
    body = submitted(LEAVES, 8, size_count=20)
    assert judge(parse_submission(body), None, Seen()) is Answer.UNKNOWN_LOG
    stranger = submitted(LEAVES, 8, size_count=20, private=Ed25519PrivateKey.generate())
    assert answer(stranger, SEEN_8) is Answer.NOT_SIGNED
    note = sign_checkpoint(Checkpoint(KEY.name, 5, root_of(LEAVES[:5])), KEY, PRIVATE.sign)
    assert answer(encode_submission(8, [], note), SEEN_8) is Answer.MALFORMED
    assert answer(encode_submission(0, [EMPTY_ROOT], note), Seen()) is Answer.INCONSISTENT
    hollow = sign_checkpoint(Checkpoint(KEY.name, 0, bytes(32)), KEY, PRIVATE.sign)
    assert answer(encode_submission(0, [], hollow), Seen()) is Answer.INCONSISTENT


def test_a_request_has_the_lines_of_the_protocol() -> None:
    body = submitted(LEAVES, 8, size_count=20)
    assert body.startswith(b"old 8\n")
    read = parse_submission(body)
    assert (read.old_count, read.checkpoint.size_count, read.proof[-1]) == (8, 20, root_of(LEAVES[16:20]))
    for broken in (
        body.replace(b"old 8", b"old 08"),
        body.replace(b"old 8", b"new 8"),
        body.partition(b"\n\n")[0],
        b"old 8\n" + b"AAAA\n" + body.partition(b"\n")[2],
        body.replace(b"old 8\n", b"old 8\n" + (b"A" * 43 + b"=\n") * 64),
    ):
        with pytest.raises(MalformedNote):
            parse_submission(broken)
