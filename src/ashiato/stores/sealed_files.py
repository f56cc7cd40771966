"""Received data at rest: encrypted while it comes in, in blocks, so that a broken attempt is gone on with and a part can be read.

A file begins with a magic word and its own key, sealed by the safe for the folder it lies in. Blocks of 64 KiB follow, each
under AES-256-GCM with a fresh nonce and its number as associated data, so that none can be moved. The last block may be
shorter; it is written again, under another nonce, when more comes. How many bytes there are in all, and their hash, stands in
the database: a file that was cut off does not pass for the whole.
"""

import hashlib
import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"ASHIATO1"
BLOCK_BYTES = 64 * 1024
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
_SEALED_BYTES = BLOCK_BYTES + NONCE_BYTES + TAG_BYTES
_HEAD_BYTES = len(MAGIC) + NONCE_BYTES + KEY_BYTES + TAG_BYTES


class Seal(Protocol):
    """Port: seals small secrets, each bound to what it belongs to."""

    def encrypt(self, plain: bytes, bound_to: bytes) -> bytes:
        """Nonce and ciphertext; opens only together with `bound_to`."""

    def decrypt(self, sealed: bytes, bound_to: bytes) -> bytes:
        """What was encrypted; raises `cryptography.exceptions.InvalidTag`."""


class DamagedFile(OSError):
    """The file was changed or cut on the disk, or belongs to another key file: the operator must restore it."""


class _Blocks:
    """The blocks of one open file."""

    def __init__(self, file: int, cipher: AESGCM) -> None:
        self._file = file
        self._cipher = cipher

    def read(self, number: int) -> bytes:
        """The plain bytes of a block, b"" behind the last."""
        sealed = _read_all(self._file, _SEALED_BYTES, _HEAD_BYTES + number * _SEALED_BYTES)
        if not sealed:
            return b""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _number(number))
        except (InvalidTag, ValueError):
            raise DamagedFile(f"block {number} of a received file is damaged") from None

    def write(self, number: int, plain: bytes) -> None:
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, plain, _number(number))
        _write_all(self._file, sealed, _HEAD_BYTES + number * _SEALED_BYTES)


class SealedPart:
    """The port `ReceivedPart`: a file that is coming in, encrypted. `finished` gives it its name when all is durable."""

    def __init__(
        self, path: Path, seal: Seal, bound_to: bytes, finished: Callable[[Path, str], None]
    ) -> None:
        self._path = path
        self._seal = seal
        self._bound_to = bound_to
        self._finished = finished
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._tail = b""
        self._whole_count = 0
        self._blocks: _Blocks
        self._hash = hashlib.sha256()
        self._hashed_count = 0
        self._tail_is_written = True
        if not self._go_on():
            self._begin()

    @property
    def size_bytes(self) -> int:
        """How much is there."""
        return self._whole_count * BLOCK_BYTES + len(self._tail)

    def append(self, chunk: bytes) -> None:
        data = self._tail + chunk if self._tail else chunk
        view = memoryview(data)
        while len(view) >= BLOCK_BYTES:
            block = bytes(view[:BLOCK_BYTES])
            self._blocks.write(self._whole_count, block)
            if self._hashed_count == self._whole_count:
                self._hash.update(block)
                self._hashed_count += 1
            self._whole_count += 1
            view = view[BLOCK_BYTES:]
        self._tail = bytes(view)
        self._tail_is_written = False

    def restart(self) -> None:
        self._begin()

    def sha256(self) -> str:
        while self._hashed_count < self._whole_count:
            self._hash.update(self._blocks.read(self._hashed_count))
            self._hashed_count += 1
        whole = self._hash.copy()
        whole.update(self._tail)
        return whole.hexdigest()

    def finish(self, file_name: str) -> None:
        self._write_tail()
        os.fsync(self._file)
        self._finished(self._path, file_name)

    def close(self) -> None:
        if self._file >= 0:
            self._write_tail()
            os.close(self._file)
            self._file = -1

    def _begin(self) -> None:
        """A fresh key, so that other bytes are never written under the old one."""
        key = os.urandom(KEY_BYTES)
        os.ftruncate(self._file, 0)
        _write_all(self._file, MAGIC + self._seal.encrypt(key, self._bound_to), 0)
        self._blocks = _Blocks(self._file, AESGCM(key))
        self._tail, self._whole_count, self._tail_is_written = b"", 0, True
        self._hash, self._hashed_count = hashlib.sha256(), 0

    def _go_on(self) -> bool:
        """Whether what an earlier attempt left can be gone on with; what was torn at its end is dropped."""
        key = _open_key(self._file, self._seal, self._bound_to)
        if key is None:
            return False
        self._blocks = _Blocks(self._file, AESGCM(key))
        body_bytes = os.fstat(self._file).st_size - _HEAD_BYTES
        self._whole_count = body_bytes // _SEALED_BYTES
        if body_bytes % _SEALED_BYTES:
            try:
                self._tail = self._blocks.read(self._whole_count)
            except DamagedFile:
                self._tail = b""
            if not self._tail:
                os.ftruncate(self._file, _HEAD_BYTES + self._whole_count * _SEALED_BYTES)
        return True

    def _write_tail(self) -> None:
        if self._tail_is_written:
            return
        if self._tail:
            self._blocks.write(self._whole_count, self._tail)
        end = _HEAD_BYTES + self._whole_count * _SEALED_BYTES
        os.ftruncate(self._file, end + (len(self._tail) + NONCE_BYTES + TAG_BYTES if self._tail else 0))
        self._tail_is_written = True


class SealedReader:
    """A finished file that is read; how long it should be is not known to it, only where it ends."""

    def __init__(self, file: FileIO, key: bytes) -> None:
        self._file = file
        self._blocks = _Blocks(file.fileno(), AESGCM(key))

    def read(self, start_bytes: int, most_bytes: int) -> bytes:
        """Bytes from `start_bytes` on, b"" behind the end; raises `DamagedFile`."""
        found = bytearray()
        while len(found) < most_bytes:
            number, offset = divmod(start_bytes + len(found), BLOCK_BYTES)
            piece = self._blocks.read(number)[offset : offset + most_bytes - len(found)]
            if not piece:
                break
            found += piece
        return bytes(found)

    def close(self) -> None:
        self._file.close()


class PlainReader:
    """A finished file as an older program, or one without a safe, wrote it."""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    def read(self, start_bytes: int, most_bytes: int) -> bytes:
        """Bytes from `start_bytes` on, b"" behind the end."""
        return _read_all(self._file.fileno(), most_bytes, start_bytes)

    def close(self) -> None:
        self._file.close()


def open_reader(path: Path, seal: Seal | None, bound_to: bytes) -> SealedReader | PlainReader:
    """The file at `path`, opened for reading; raises `FileNotFoundError` and `DamagedFile`."""
    file = FileIO(path, "rb")
    try:
        if seal is None or os.pread(file.fileno(), len(MAGIC), 0) != MAGIC:
            return PlainReader(file)
        key = _open_key(file.fileno(), seal, bound_to)
        if key is None:
            raise DamagedFile("the key of a received file does not open with this key file")
        return SealedReader(file, key)
    except BaseException:
        file.close()
        raise


def _open_key(file: int, seal: Seal, bound_to: bytes) -> bytes | None:
    head = _read_all(file, _HEAD_BYTES, 0)
    if len(head) < _HEAD_BYTES or not head.startswith(MAGIC):
        return None
    try:
        return seal.decrypt(head[len(MAGIC) :], bound_to)
    except InvalidTag:
        return None


def _read_all(file: int, most_bytes: int, offset: int) -> bytes:
    found = os.pread(file, most_bytes, offset)
    while len(found) < most_bytes and (more := os.pread(file, most_bytes - len(found), offset + len(found))):
        found += more
    return found


def _write_all(file: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written_bytes = os.pwrite(file, rest, offset)
        offset += written_bytes
        rest = rest[written_bytes:]


def _number(number: int) -> bytes:
    return number.to_bytes(8)
