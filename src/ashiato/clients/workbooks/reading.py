"""Reads a stranger's workbook in a process of its own, which has little memory, little time and nothing to do harm with."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.tables import Table

MOST_WORKBOOK_BYTES = 32 * 1024**2
MOST_ANSWER_BYTES = 256 * 1024**2
TIMEOUT_S = 60.0
_CHUNK_BYTES = 1024**2
_CHILD = "ashiato.clients.workbooks.reading_apart"


class ApartAnswer(msgspec.Struct, frozen=True):
    """What the other process says: the sheets, or why there are none."""

    tables: tuple[Table, ...] = ()
    code: str = ""
    problem: str = ""


class WorkbookProcess:
    """Reads each workbook in a fresh process that is killed when it takes too long. At most `at_once` run together."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, at_once: int = 2) -> None:
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(at_once)

    async def read(self, data: bytes) -> Sequence[Table]:
        """The sheets of the workbook. Raises `UnreadableSource`, also when the process died over it."""
        if len(data) > MOST_WORKBOOK_BYTES:
            raise UnreadableSource(
                "file_too_large", f"the workbook has more than {MOST_WORKBOOK_BYTES} bytes"
            )
        async with self._turns:
            answer = await self._ask(data)
        if answer.code:
            raise UnreadableSource(answer.code, answer.problem)
        return answer.tables

    async def _ask(self, data: bytes) -> ApartAnswer:
        # -I: neither the folder nor the environment of this process says what the other one imports.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            _CHILD,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                said, _ = await asyncio.gather(_bounded(process), _feed(process, data))
                await process.wait()
        except TimeoutError:
            raise UnreadableSource("workbook_slow", "the workbook took too long to read") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        try:
            return msgspec.json.decode(said, type=ApartAnswer)
        except msgspec.DecodeError:
            raise UnreadableSource(
                "workbook_too_large", "the workbook needs more memory or time than may be given to it"
            ) from None


async def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    """A process that dies early does not take the rest, and its answer says why."""
    if process.stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.close()
        await process.stdin.wait_closed()


async def _bounded(process: asyncio.subprocess.Process) -> bytes:
    chunks: list[bytes] = []
    length_bytes = 0
    while process.stdout is not None and (chunk := await process.stdout.read(_CHUNK_BYTES)):
        length_bytes += len(chunk)
        if length_bytes > MOST_ANSWER_BYTES:
            raise UnreadableSource("workbook_too_large", "the workbook holds more text than may be read")
        chunks.append(chunk)
    return b"".join(chunks)
