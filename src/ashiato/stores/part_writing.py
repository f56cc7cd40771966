"""Writes what comes in over the network to the disk, in large batches and in threads, while the next batch comes in."""

import asyncio
import hashlib
from concurrent.futures import Executor

from ashiato.connector.sources import ReceivedPart

BATCH_BYTES = 1024 * 1024


class PartWriter:
    """One attempt to bring a part further. `feed` it, then `settle` in any case, before the part is touched again."""

    def __init__(self, part: ReceivedPart, threads: Executor) -> None:
        self._part = part
        self._threads = threads
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._writing: asyncio.Future[None] | None = None
        self.start_bytes = part.size_bytes
        self.fed_bytes = 0
        # When the attempt begins with the first byte, its hash is that of the part.
        self._hash = hashlib.sha256() if self.start_bytes else None

    async def feed(self, chunk: bytes) -> bool:
        """Take one chunk; True when a batch went to the disk. Waits while the batch before is being written."""
        self._batch.append(chunk)
        self._batch_bytes += len(chunk)
        self.fed_bytes += len(chunk)
        if self._batch_bytes < BATCH_BYTES:
            return False
        await self._flush()
        return True

    async def settle(self) -> None:
        """Write what waits. Also a cancelled attempt comes to this: the thread does not stop with the task."""
        if self._batch:
            await self._flush()
        await self._written()

    async def sha256(self) -> str:
        """Hexadecimal hash of what this attempt fed; call it after `settle`."""
        if self._hash is not None:
            return self._hash.hexdigest()
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._part.sha256)

    async def _flush(self) -> None:
        await self._written()
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._threads, self._append, batch)

    async def _written(self) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing})
            self._writing.result()
            self._writing = None

    def _append(self, batch: list[bytes]) -> None:
        data = batch[0] if len(batch) == 1 else b"".join(batch)
        self._part.append(data)
        if self._hash is not None:
            self._hash.update(data)
