"""The port of long work on background databases."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from ashiato.apps.carbon.databases.questions import Answer, Question
from ashiato.apps.carbon.databases.source_orders import SourceOrder, SourceOutcome

Told = Callable[[str, float], None]
"""Is told what is being done and how much of it is done (0 to 1)."""


class Upload(Protocol):
    """A file that came in, kept outside of memory until it is closed."""

    @property
    def sha256(self) -> str:
        """Of all its bytes, hexadecimal."""

    def fileno(self) -> int:
        """The open file, for a process that reads it."""

    def close(self) -> None:
        """Forget it."""


class BackgroundWork(Protocol):
    """Reads files of databases and computes with databases somewhere where neither a hostile file nor long work does harm.

    Whoever cancels the task that awaits ends the work at once.
    """

    async def receive(self, chunks: AsyncIterator[bytes]) -> Upload:
        """The file that comes in chunks; raises `UnreadableSource` where it is too large."""
        ...

    async def read(self, upload: Upload, order: SourceOrder, told: Told) -> tuple[SourceOutcome, bytes]:
        """What the file holds, and the packed database; raises `UnreadableSource`."""
        ...

    async def ask(self, contents: Mapping[str, bytes], question: Question, told: Told) -> Answer:
        """The answer of the first of the packed databases; a change of year may name the others. Raises `QuestionRefused`."""
        ...
