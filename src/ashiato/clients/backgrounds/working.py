"""Reads files of databases and computes with databases in fresh processes, so that this one answers others meanwhile.

What comes in is kept in an unnamed file until it is read. A process ends with the task that waits for it: nothing is left of
work that somebody gave up, and nothing was stored.
"""

import asyncio
import math
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import IO

import msgspec

from ashiato.apps.carbon.databases.questions import Answer, Question, QuestionRefused, RefusalCode
from ashiato.apps.carbon.databases.source_orders import SourceOrder, SourceOutcome
from ashiato.apps.carbon.databases.work import Told, Upload
from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.clients.backgrounds.frames import (
    ANSWER,
    CONTENT,
    HEAD_BYTES,
    PROGRESS,
    AskOrder,
    Order,
    Progress,
    ReadOrder,
    Said,
)

MOST_SOURCE_BYTES = 2 * 1024**3
MOST_CONTENT_BYTES = 1024**3
TIMEOUT_S = 3600.0
AT_ONCE_COUNT = 2
_CHILD = "ashiato.clients.backgrounds.working_apart"
_WRITE_BYTES = 4 * 1024**2
_TOO_MUCH = "it needs more memory or time than may be given to it"

_progress = msgspec.json.Decoder(Progress).decode
_said = msgspec.json.Decoder(Said).decode


class SpooledUpload:
    """The port `Upload`: a file without a name."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed by `close`
        self.size_bytes = 0
        self._hash = sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Keep the bytes that come next; raises `UnreadableSource` where the disk is full."""
        self._hash.update(data)
        self.size_bytes += len(data)
        try:
            self.file.write(data)
        except OSError as error:
            raise UnreadableSource("file_not_kept", f"this node cannot keep the file: {error}") from None

    def fileno(self) -> int:
        return self.file.fileno()

    def close(self) -> None:
        self.file.close()


class BackgroundProcesses:
    """The port `BackgroundWork`. At most `at_once` processes work together; who comes later waits."""

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        at_once: int = AT_ONCE_COUNT,
        most_source_bytes: int = MOST_SOURCE_BYTES,
    ) -> None:
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(at_once)
        self._most_source_bytes = most_source_bytes

    async def receive(self, chunks: AsyncIterator[bytes]) -> SpooledUpload:
        """See `BackgroundWork`."""
        upload = SpooledUpload()
        try:
            waiting = bytearray()
            async for chunk in chunks:
                waiting += chunk
                if upload.size_bytes + len(waiting) > self._most_source_bytes:
                    raise UnreadableSource(
                        "file_too_large", f"the file has more than {self._most_source_bytes} bytes"
                    )
                if len(waiting) >= _WRITE_BYTES:
                    await asyncio.to_thread(upload.write, bytes(waiting))
                    waiting.clear()
            await asyncio.to_thread(upload.write, bytes(waiting))
        except BaseException:
            upload.close()
            raise
        return upload

    async def read(self, upload: Upload, order: SourceOrder, told: Told) -> tuple[SourceOutcome, bytes]:
        """See `BackgroundWork`."""
        said, content = await self._work(upload.fileno(), ReadOrder(order), told)
        if said is None or said.outcome is None:
            code, problem = ("source_too_much", _TOO_MUCH) if said is None else (said.code, said.problem)
            raise UnreadableSource(code, problem)
        return said.outcome, content

    async def ask(self, contents: Mapping[str, bytes], question: Question, told: Told) -> Answer:
        """See `BackgroundWork`."""
        order = AskOrder(question, tuple((name, len(content)) for name, content in contents.items()))
        file = await asyncio.to_thread(_spooled, contents)
        try:
            said, _ = await self._work(file.fileno(), order, told)
        finally:
            file.close()
        if said is None:
            raise QuestionRefused("too_much", _TOO_MUCH)
        if said.answer is None:
            raise QuestionRefused(msgspec.convert(said.code, RefusalCode), said.problem)
        return said.answer

    async def _work(self, file_fd: int, order: Order, told: Told) -> tuple[Said | None, bytes]:
        """What the process says at the end, None where it died before."""
        told("waiting", 0.0)
        async with self._turns:
            with tempfile.TemporaryFile() as order_file:
                order_file.write(msgspec.json.encode(order))
                order_file.flush()
                return await self._run(file_fd, order_file.fileno(), told)

    async def _run(self, file_fd: int, order_fd: int, told: Told) -> tuple[Said | None, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Neither the folder nor the environment of this process says what the other one imports.
            "-I",
            "-m",
            _CHILD,
            str(order_fd),
            stdin=file_fd,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(order_fd,),
            # Two of these run beside a connector: a thread for each core would take its cores.
            env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                return await _listen(process, told)
        except TimeoutError:
            return None, b""
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            await process.wait()


def _spooled(contents: Mapping[str, bytes]) -> IO[bytes]:
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    for content in contents.values():
        file.write(content)
    file.flush()
    return file


async def _listen(process: asyncio.subprocess.Process, told: Told) -> tuple[Said | None, bytes]:
    content = b""
    if process.stdout is None:
        return None, content
    while True:
        try:
            head = await process.stdout.readexactly(HEAD_BYTES)
            length_bytes = int.from_bytes(head[1:], "little")
            if length_bytes > MOST_CONTENT_BYTES:
                return None, b""
            body = await process.stdout.readexactly(length_bytes)
        except asyncio.IncompleteReadError:
            return None, b""
        kind = head[:1]
        if kind == ANSWER:
            return _said(body), content
        if kind == CONTENT:
            content = body
        elif kind == PROGRESS:
            progress = _progress(body)
            # The process read a stranger's file; what it says is looked at like any other word of a stranger.
            if math.isfinite(progress.done_ratio):
                told(progress.stage[:100], min(1.0, max(0.0, progress.done_ratio)))
        else:
            return None, b""
