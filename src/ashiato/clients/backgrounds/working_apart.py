"""The process in which a stranger's database is read and databases are computed with: limits first, then the one order."""

import io
import os
import resource
import sys
import time
from typing import IO

import msgspec

from ashiato.apps.carbon.background.errors import BackgroundRefused
from ashiato.apps.carbon.databases.answering import answer
from ashiato.apps.carbon.databases.packing import Database, PackingBroken, unpacked
from ashiato.apps.carbon.databases.questions import QuestionRefused
from ashiato.apps.carbon.databases.sources import outcome_of
from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.clients.backgrounds.frames import (
    ANSWER,
    CONTENT,
    PROGRESS,
    AskOrder,
    Order,
    Progress,
    ReadOrder,
    Said,
    framed,
)
from ashiato.clients.workbooks.reading_apart import tables_of

MEMORY_BYTES = 6 * 1024**3
CPU_S = 3600
_TELL_EVERY_S = 0.2
# Encodings that sources are read in; they load a file when they are first used.
_ENCODINGS = ("cp437", "cp932", "cp1252", "utf-16", "utf-8-sig", "idna")


def main() -> None:
    """Work off the order; whatever goes wrong in it is an answer too."""
    order = _order(int(sys.argv[1]))
    _limit()
    try:
        said, content = _read(order) if isinstance(order, ReadOrder) else (_ask(order), b"")
    except UnreadableSource as unreadable:
        said, content = Said(code=unreadable.code, problem=unreadable.problem), b""
    except QuestionRefused as refused:
        said, content = Said(code=refused.code, problem=refused.problem), b""
    except (PackingBroken, BackgroundRefused) as broken:
        said, content = Said(code="background_broken", problem=str(broken)), b""
    except MemoryError:
        said, content = Said(code="too_much", problem="it needs more memory than may be given to it"), b""
    _say(CONTENT, content)
    _say(ANSWER, msgspec.json.encode(said))


def _order(order_fd: int) -> Order:
    with os.fdopen(order_fd, "rb") as file:
        file.seek(0)
        order: Order = msgspec.json.decode(file.read(), type=Order)
        return order


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for encoding in _ENCODINGS:
        "a".encode(encoding).decode(encoding)
    # The three standard streams are open already; nothing else may be.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


class _Watched(io.BufferedReader):
    """The file on standard input, which tells how far into it the last read began."""

    def __init__(self, raw: io.RawIOBase, size_bytes: int) -> None:
        super().__init__(raw)
        self._size_bytes = max(1, size_bytes)
        self._tell = Teller()

    def read(self, size_bytes: int | None = -1, /) -> bytes:
        """See `io.BufferedReader`."""
        self._tell("reading", min(1.0, self.tell() / self._size_bytes))
        return super().read(size_bytes)


class Teller:
    """The watch of this process: says where the work is, at most five times a second. Who gives up kills the process."""

    def __init__(self) -> None:
        self._told_s = 0.0
        self._stage = ""

    def __call__(self, stage: str, done_ratio: float, /) -> bool:
        now_s = time.monotonic()
        if stage != self._stage or now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s, self._stage = now_s, stage
            _say(PROGRESS, msgspec.json.encode(Progress(stage, done_ratio)))
        return True


def _read(order: ReadOrder) -> tuple[Said, bytes]:
    size_bytes = os.fstat(sys.stdin.fileno()).st_size
    file: IO[bytes] = _Watched(io.FileIO(sys.stdin.fileno(), closefd=False), size_bytes)
    file.seek(0)
    outcome, content = outcome_of(file, order.source, lambda data: list(tables_of(data)))
    return Said(outcome=outcome), content


def _ask(order: AskOrder) -> Said:
    tell = Teller()
    tell("opening", 0.0)
    sys.stdin.buffer.seek(0)
    databases: dict[str, Database] = {}
    for name, size_bytes in order.databases:
        databases[name] = unpacked(sys.stdin.buffer.read(size_bytes))
    asked = databases[order.databases[0][0]]
    return Said(answer=answer(order.question, asked, databases, tell))


def _say(kind: bytes, body: bytes) -> None:
    out = sys.stdout.buffer
    out.write(framed(kind, body))
    out.flush()


if __name__ == "__main__":
    main()
