"""What a witness answers to a log (C2SP tlog-witness, add-checkpoint), without its record and its key."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from ashiato.log.checkpoints import Checkpoint, parse_checkpoint
from ashiato.log.merkle import EMPTY_ROOT, is_consistent
from ashiato.log.notes import MalformedNote, Note, NoteKey, check, parse_note
from ashiato.log.proofs import parse_path_lines, path_lines

SIZE_TYPE = "text/x.tlog.size"
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})\Z")


class Answer(IntEnum):
    """The answers of the protocol, by their HTTP status."""

    COSIGNED = 200
    MALFORMED = 400
    NOT_SIGNED = 403
    UNKNOWN_LOG = 404
    OUT_OF_STEP = 409
    INCONSISTENT = 422


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint with the proof that it extends the tree of `old_count` leaves."""

    old_count: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Seen:
    """The largest tree of a log that the witness has cosigned; before the first, the empty one."""

    size_count: int = 0
    root: bytes = EMPTY_ROOT


def encode_submission(old_count: int, proof: Sequence[bytes], note: Note) -> bytes:
    """The body of a request."""
    return ("\n".join([f"old {old_count}", *path_lines(proof)]) + "\n\n" + note.encoded()).encode()


def parse_submission(data: bytes) -> Submission:
    """The request in `data`; raises `MalformedNote`."""
    head, gap, rest = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise MalformedNote("the lines before the checkpoint are not ASCII") from None
    old = _OLD.match(lines[0])
    if not gap or old is None:
        raise MalformedNote("the request does not begin with a line such as 'old 20852014'")
    note = parse_note(rest)
    return Submission(int(old[1]), parse_path_lines(lines[1:]), note, parse_checkpoint(note))


def judge(submission: Submission, key: NoteKey | None, seen: Seen) -> Answer:
    """What a witness answers that has seen that tree of the log, whose key is `key` (None: it knows no such log).

    The order is that of the protocol. After `COSIGNED` the record must be durable before the line leaves.
    """
    if key is None:
        return Answer.UNKNOWN_LOG
    if not check(submission.note, key):
        return Answer.NOT_SIGNED
    head = submission.checkpoint
    if submission.old_count > head.size_count:
        return Answer.MALFORMED
    if submission.old_count != seen.size_count:
        return Answer.OUT_OF_STEP
    return Answer.COSIGNED if _extends(submission, seen) else Answer.INCONSISTENT


def _extends(submission: Submission, seen: Seen) -> bool:
    head = submission.checkpoint
    if seen.size_count == 0:
        # The empty tree begins every tree, so that nothing need be proved.
        return not submission.proof and (head.size_count > 0 or head.root == EMPTY_ROOT)
    return is_consistent(seen.size_count, head.size_count, seen.root, head.root, submission.proof)
