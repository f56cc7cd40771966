"""What comes in reaches the disk in order and whole, also when the attempt is cancelled in its middle."""

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ashiato.stores.part_writing import BATCH_BYTES, PartWriter


class Part:
    """A part in memory; `gate` holds the disk back."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.gate = threading.Event()
        self.gate.set()
        self.appends_count = 0

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def append(self, chunk: bytes) -> None:
        self.gate.wait(5)
        self.appends_count += 1
        self.content += chunk

    def restart(self) -> None:
        self.content.clear()

    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def finish(self, file_name: str) -> None:
        raise AssertionError("not here")

    def close(self) -> None:
        raise AssertionError("not here")


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Where the disk is."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def test_chunks_are_written_in_order_and_in_batches(threads: ThreadPoolExecutor) -> None:
    part = Part()
    writer = PartWriter(part, threads)
    chunks = [bytes([number]) * 100_000 for number in range(30)]
    flushed = [await writer.feed(chunk) for chunk in chunks]
    await writer.settle()
    assert bytes(part.content) == b"".join(chunks)
    assert writer.fed_bytes == 3_000_000
    assert flushed.count(True) == 2
    assert part.appends_count == 3
    assert await writer.sha256() == hashlib.sha256(b"".join(chunks)).hexdigest()


async def test_the_hash_of_a_later_attempt_is_that_of_its_own_bytes(threads: ThreadPoolExecutor) -> None:
    part = Part(b"before")
    writer = PartWriter(part, threads)
    await writer.feed(b"after")
    await writer.settle()
    assert writer.start_bytes == 6
    assert await writer.sha256() == hashlib.sha256(b"after").hexdigest()
    assert bytes(part.content) == b"beforeafter"


async def test_a_cancelled_attempt_leaves_what_it_was_fed(threads: ThreadPoolExecutor) -> None:
    part = Part()
    writer = PartWriter(part, threads)
    part.gate.clear()

    async def attempt() -> None:
        try:
            await writer.feed(b"a" * BATCH_BYTES)
            await writer.feed(b"b" * BATCH_BYTES)
        finally:
            await writer.settle()

    running = asyncio.create_task(attempt())
    await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.sleep(0.05)
    part.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bytes(part.content) == b"a" * BATCH_BYTES + b"b" * BATCH_BYTES


async def test_a_disk_that_refuses_is_heard_of(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Part()

    def full(chunk: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(part, "append", full)
    writer = PartWriter(part, threads)
    await writer.feed(b"abc")
    with pytest.raises(OSError, match="No space"):
        await writer.settle()
