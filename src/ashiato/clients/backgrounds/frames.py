"""What the two processes say to each other: one order, and frames of progress, answer and content that come back."""

import msgspec

from ashiato.apps.carbon.databases.questions import Answer, Question
from ashiato.apps.carbon.databases.source_orders import SourceOrder, SourceOutcome

PROGRESS, ANSWER, CONTENT = b"P", b"A", b"C"
HEAD_BYTES = 5


class ReadOrder(msgspec.Struct, frozen=True, tag="read"):
    """The file on standard input is a source."""

    source: SourceOrder


class AskOrder(msgspec.Struct, frozen=True, tag="ask"):
    """On standard input stand the packed databases of these ids and sizes; the question is for the first."""

    question: Question
    databases: tuple[tuple[str, int], ...]


Order = ReadOrder | AskOrder


class Progress(msgspec.Struct, frozen=True):
    """How far the work is."""

    stage: str
    done_ratio: float


class Said(msgspec.Struct, frozen=True):
    """The end of the work: one of the two, or the `code` and `problem` of a refusal."""

    outcome: SourceOutcome | None = None
    answer: Answer | None = None
    code: str = ""
    problem: str = ""


def framed(kind: bytes, body: bytes) -> bytes:
    """One frame: its kind, the length of its body, its body."""
    return b"".join((kind, len(body).to_bytes(HEAD_BYTES - 1, "little"), body))
