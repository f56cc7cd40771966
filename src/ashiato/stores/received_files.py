"""Received data on the disk: one folder for each participant, whole files beside those that are still coming in.

No name comes from the wire: folders are named by a hash of the participant, files by our own process id. A file has its
final name only when all of it is durable; until then it ends in `.part` and a new attempt goes on behind what is there.
"""

import contextlib
import hashlib
import os
import re
from pathlib import Path
from urllib.parse import quote

from ashiato.stores.sealed_files import PlainReader, Seal, SealedPart, SealedReader, open_reader

HASH_BLOCK_BYTES = 1024 * 1024
PART_ENDING = ".part"

_FILE_NAME = re.compile(r"[A-Za-z0-9_%~-][A-Za-z0-9_.%~-]{0,199}")


class BadFileName(ValueError):
    """A name that this store did not make: the programmer must not take names from elsewhere."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:80]!r} is no name of a received file")
        self.name = name


class ReceivedFolder:
    """The port `ReceivedFiles` below `root`, which is made when it is first written to.

    With `seal` everything that comes in from now on is encrypted; what lay there in plain can still be read.
    """

    def __init__(self, root: Path, seal: Seal | None = None) -> None:
        self._root = root
        self._seal = seal

    def part(self, participant_id: str, transfer_pid: str) -> "FilePart | SealedPart":
        folder = self._folder(participant_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = _checked(quote(transfer_pid, safe="") + PART_ENDING)
        if self._seal is None:
            return FilePart(folder, name)
        return SealedPart(folder / name, self._seal, _bound_to(folder), _give_name)

    def open(self, participant_id: str, file_name: str) -> SealedReader | PlainReader:
        """A finished file, opened for reading; raises `FileNotFoundError`."""
        path = self.path(participant_id, file_name)
        return open_reader(path, self._seal, _bound_to(path.parent))

    def path(self, participant_id: str, file_name: str) -> Path:
        """Where a finished file lies."""
        if file_name.endswith(PART_ENDING):
            raise BadFileName(file_name)
        return self._folder(participant_id) / _checked(file_name)

    def remove(self, participant_id: str, file_name: str) -> None:
        path = self.path(participant_id, file_name)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            sync_folder(path.parent)

    def remove_part(self, participant_id: str, transfer_pid: str) -> None:
        name = _checked(quote(transfer_pid, safe="") + PART_ENDING)
        with contextlib.suppress(FileNotFoundError):
            (self._folder(participant_id) / name).unlink()

    def _folder(self, participant_id: str) -> Path:
        return self._root / hashlib.sha256(participant_id.encode()).hexdigest()[:32]


class FilePart:
    """The port `ReceivedPart`: a file that is coming in. Its hash is kept while it grows."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._path = folder / name
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size_bytes: int = os.fstat(self._file).st_size
        # Of what an earlier attempt left the hash is taken when somebody asks for it, or when it grows.
        self._hash = hashlib.sha256()
        self._hashed_bytes = 0

    def append(self, chunk: bytes) -> None:
        self._catch_up()
        rest = memoryview(chunk)
        while rest:
            written_bytes = os.write(self._file, rest)
            self._hash.update(rest[:written_bytes])
            self._hashed_bytes += written_bytes
            self.size_bytes += written_bytes
            rest = rest[written_bytes:]

    def restart(self) -> None:
        os.ftruncate(self._file, 0)
        self.size_bytes = self._hashed_bytes = 0
        self._hash = hashlib.sha256()

    def sha256(self) -> str:
        self._catch_up()
        return self._hash.hexdigest()

    def finish(self, file_name: str) -> None:
        os.fsync(self._file)
        _give_name(self._path, file_name)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _catch_up(self) -> None:
        while self._hashed_bytes < self.size_bytes:
            block = os.pread(self._file, HASH_BLOCK_BYTES, self._hashed_bytes)
            if not block:
                raise OSError(f"{self._path} became shorter while it was written")
            self._hash.update(block)
            self._hashed_bytes += len(block)


def _give_name(path: Path, file_name: str) -> None:
    if file_name.endswith(PART_ENDING):
        raise BadFileName(file_name)
    # The point of no return: the bytes are durable, so the final name may be.
    path.rename(path.with_name(_checked(file_name)))
    sync_folder(path.parent)


def _bound_to(folder: Path) -> bytes:
    return b"received:" + folder.name.encode()


def sync_folder(folder: Path) -> None:
    """Make names that were given or taken away in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checked(name: str) -> str:
    if not _FILE_NAME.fullmatch(name):
        raise BadFileName(name)
    return name
