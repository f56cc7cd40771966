"""This company as a witness of logs that others keep (C2SP tlog-witness): it cosigns only what extends what it saw before."""

from typing import Protocol, TypeVar

import msgspec

from ashiato.connector.ports import Room
from ashiato.log.checkpoints import cosign
from ashiato.log.notes import Note, NoteKey, Sign
from ashiato.log.witnessing import SIZE_TYPE, Answer, Seen, Submission, judge

R = TypeVar("R")


class WitnessedLog(msgspec.Struct, frozen=True):
    """The last checkpoint of a log that was cosigned here, with the log's signature and ours."""

    origin: str
    size_count: int
    root: bytes
    note: str
    at_ms: int


class WitnessedLogs(Protocol):
    """What one participant saw of each log, by the SHA-256 of the log's origin in hexadecimal."""

    def get(self, origin_sha256: str) -> WitnessedLog | None:
        """Locked for update where the store has concurrent writers."""

    def put(self, origin_sha256: str, log: WitnessedLog) -> None:
        """Insert or replace."""


WITNESSED: Room[WitnessedLogs] = Room("witnessed")


class WitnessUnitOfWork(Protocol):
    """A unit of work that has what was witnessed."""

    def room(self, room: Room[R]) -> R:
        """The room of that name."""


class Answered(msgspec.Struct, frozen=True):
    """What the log is answered, and in which media type."""

    answer: Answer
    body: str = ""
    media_type: str = "text/plain; charset=utf-8"


def add_checkpoint(
    uow: WitnessUnitOfWork,
    origin_sha256: str,
    submission: Submission,
    log_key: NoteKey | None,
    key: NoteKey,
    sign: Sign,
    now_ms: int,
) -> Answered:
    """Judge a checkpoint and, where it extends what was seen, record it with our cosignature, which is the answer.

    Comparing and recording are one transaction: two checkpoints that come at once cannot both extend the same one (C2SP
    tlog-witness, the race at the end of add-checkpoint).
    """
    rows = uow.room(WITNESSED)
    known = rows.get(origin_sha256)
    seen = Seen() if known is None else Seen(known.size_count, known.root)
    answer = judge(submission, log_key, seen)
    if answer is Answer.OUT_OF_STEP:
        return Answered(answer, f"{seen.size_count}\n", SIZE_TYPE)
    if answer is not Answer.COSIGNED:
        return Answered(answer)
    line = cosign(submission.note.text, key, sign, now_ms // 1000)
    head = submission.checkpoint
    # Only the log's own line is kept beside ours: what else stands in the note was not looked at.
    kept = tuple(one for one in submission.note.signatures if log_key is not None and one.is_by(log_key))
    note = Note(submission.note.text, (*kept, line))
    rows.put(origin_sha256, WitnessedLog(head.origin, head.size_count, head.root, note.encoded(), now_ms))
    return Answered(answer, line.line())
