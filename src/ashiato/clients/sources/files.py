"""A file below the one folder that the operator opened to a participant."""

import asyncio
import hashlib
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from pathlib import Path

from ashiato.connector.sources import (
    Aside,
    Forwarded,
    ForwardedAnswer,
    ForwardRefused,
    SourceDescription,
    SourceUnavailable,
)

# Large chunks cost the processor least, small ones the memory: a chunk waits in memory for as long as its reader takes.
LEAST_CHUNK_BYTES = 64 * 1024
FIRST_CHUNK_BYTES = 256 * 1024
MOST_CHUNK_BYTES = 1024 * 1024
QUICK_S = 0.05
# A file of this size is hashed before the first byte is sent: it costs less than the round trip.
HASHED_AT_ONCE_BYTES = 4 * 1024 * 1024
MOST_KNOWN_HASHES_COUNT = 4096

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe must not wait for a writer.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

FileIdentity = tuple[int, int, int, int, int]


def open_below(folder: Path, path: str) -> int:
    """A descriptor of the regular file at `path` below `folder`; raises `SourceUnavailable`.

    Each part is opened relative to the one before, and no symbolic link is followed: no `..`, no link that stands there or is
    put there in between leads out of the folder.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise SourceUnavailable(f"the path {path!r} does not stay below the opened folder")
    try:
        holder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                inner = os.open(part, _FOLDER_FLAGS, dir_fd=holder)
                os.close(holder)
                holder = inner
            descriptor = os.open(parts[-1], _FILE_FLAGS, dir_fd=holder)
        finally:
            os.close(holder)
    except OSError as error:
        raise SourceUnavailable(
            f"the file {path!r} cannot be opened below the folder: {error.strerror}"
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceUnavailable(f"{path!r} is not a regular file")
    return descriptor


class KnownHashes:
    """Hashes of whole files by what the system says of them; a write changes that, so a stale hash is never found."""

    def __init__(self, most_count: int = MOST_KNOWN_HASHES_COUNT) -> None:
        self._most_count = most_count
        self._reading: dict[FileIdentity, asyncio.Task[str]] = {}
        self._hashes: OrderedDict[FileIdentity, str] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, identity: FileIdentity) -> str | None:
        """The hexadecimal SHA-256, when the file was read as a whole before."""
        with self._lock:
            return self._hashes.get(identity)

    def put(self, identity: FileIdentity, sha256: str) -> None:
        """Remember a hash; the oldest is forgotten when there are too many."""
        with self._lock:
            self._hashes[identity] = sha256
            if len(self._hashes) > self._most_count:
                self._hashes.popitem(last=False)

    async def of(self, file: "_OpenFile", threads: Executor) -> str:
        """The hash of an open file; read for it by one thread, however many ask."""
        known = self.get(file.identity)
        if known is not None:
            return known
        reading = self._reading.get(file.identity)
        if reading is None:
            reading = asyncio.create_task(self._read(file, threads))
            self._reading[file.identity] = reading
            reading.add_done_callback(lambda _: self._reading.pop(file.identity, None))
        return await asyncio.shield(reading)

    async def _read(self, file: "_OpenFile", threads: Executor) -> str:
        sha256 = await asyncio.get_running_loop().run_in_executor(threads, file.sha256)
        self.put(file.identity, sha256)
        return sha256


class _OpenFile:
    """A descriptor that a reading thread cannot use after it was closed: its number may belong to another file by then."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._lock = threading.Lock()
        self.identity = _identity(descriptor)

    @property
    def size_bytes(self) -> int:
        return self.identity[2]

    def read(self, most_bytes: int, position_bytes: int) -> bytes:
        with self._lock:
            if self._descriptor is None:
                raise SourceUnavailable("the file was closed while it was read")
            chunk = os.pread(self._descriptor, most_bytes, position_bytes)
            # Not the whole identity: a file that loses its name to a newer version is still the one that was described.
            if not chunk or _identity(self._descriptor)[:4] != self.identity[:4]:
                raise SourceUnavailable("the file was changed while it was read")
            return chunk

    def sha256(self) -> str:
        digest = hashlib.sha256()
        position_bytes = 0
        while position_bytes < self.size_bytes:
            chunk = self.read(MOST_CHUNK_BYTES, position_bytes)
            digest.update(chunk)
            position_bytes += len(chunk)
        return digest.hexdigest()

    def close(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


def _read_with(file: _OpenFile, most_bytes: int, position_bytes: int, aside: Aside | None) -> bytes:
    if aside is not None:
        aside()
    return file.read(most_bytes, position_bytes)


def _identity(descriptor: int) -> FileIdentity:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class FileSource:
    """One open file, read in threads; a change while it is read breaks the answer off instead of mixing two versions."""

    def __init__(
        self, folder: Path, path: str, media_type: str, threads: Executor, hashes: KnownHashes
    ) -> None:
        self._folder = folder
        self._path = path
        self._media_type = media_type
        self._threads = threads
        self._hashes = hashes
        self._file: _OpenFile | None = None

    async def describe(self) -> SourceDescription:
        """Size and entity tag; the hash when the file is small or was read before."""
        file, sha256 = await asyncio.get_running_loop().run_in_executor(self._threads, self._open)
        self._file = file
        device, inode, size_bytes, modified_ns, changed_ns = file.identity
        return SourceDescription(
            media_type=self._media_type,
            size_bytes=size_bytes,
            etag=f'"{device:x}-{inode:x}-{size_bytes:x}-{modified_ns:x}-{changed_ns:x}"',
            ranges=True,
            sha256=sha256,
        )

    def _open(self) -> tuple[_OpenFile, str | None]:
        file = _OpenFile(open_below(self._folder, self._path))
        try:
            sha256 = self._hashes.get(file.identity)
            if sha256 is None and file.size_bytes <= HASHED_AT_ONCE_BYTES:
                sha256 = file.sha256()
                self._hashes.put(file.identity, sha256)
        except BaseException:
            file.close()
            raise
        return file, sha256

    async def open(
        self, start_bytes: int, end_bytes: int | None, aside: Aside | None = None
    ) -> AsyncGenerator[bytes]:
        """Chunks of the file, each read in a thread while the one before is sent.

        They grow while the reader is quick and shrink for a slow one.
        """
        file = self._file
        if file is None:
            raise SourceUnavailable("the file was not described before it was opened")
        loop = asyncio.get_running_loop()
        end_bytes = file.size_bytes if end_bytes is None else end_bytes

        def read(position_bytes: int, most_bytes: int) -> asyncio.Future[bytes]:
            size_bytes = min(most_bytes, end_bytes - position_bytes)
            return loop.run_in_executor(self._threads, _read_with, file, size_bytes, position_bytes, aside)

        chunk_bytes = FIRST_CHUNK_BYTES
        position_bytes = start_bytes
        reading = read(position_bytes, chunk_bytes) if position_bytes < end_bytes else None
        try:
            while reading is not None:
                chunk = await reading
                position_bytes += len(chunk)
                reading = read(position_bytes, chunk_bytes) if position_bytes < end_bytes else None
                given_s = loop.time()
                yield chunk
                is_quick = loop.time() - given_s < QUICK_S
                wanted_bytes = chunk_bytes * 2 if is_quick else chunk_bytes // 2
                chunk_bytes = max(LEAST_CHUNK_BYTES, min(wanted_bytes, MOST_CHUNK_BYTES))
        finally:
            if reading is not None:
                reading.cancel()

    async def digest(self) -> str | None:
        """The hash of the file, which is read once more where nobody has read it as a whole."""
        if self._file is None:
            raise SourceUnavailable("the file was not described before its hash was asked for")
        return await self._hashes.of(self._file, self._threads)

    def learn(self, sha256: str) -> None:
        """Remember the hash for as long as the file is not written."""
        if self._file is not None:
            self._hashes.put(self._file.identity, sha256)

    def vet(self, request: Forwarded) -> None:
        """A file takes nothing."""
        raise ForwardRefused("This dataset is a file; it takes only GET without path and query.")

    async def forward(self, request: Forwarded) -> ForwardedAnswer:
        """Never reached: `vet` refuses everything."""
        raise SourceUnavailable("a file takes no requests")

    async def close(self) -> None:
        """Waits for a read that is under way."""
        if self._file is not None:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._file.close)
