"""Zip archives of strangers: what is inside is bounded before and while it is unpacked, and nothing is written anywhere."""

import re
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO

import msgspec

from ashiato.apps.carbon.factors.datasets import UnreadableSource

_MIB = 1024**2
_END_RECORD = b"PK\x05\x06"
_END_RECORD_BYTES = 22
_MOST_COMMENT_BYTES = 65_535
_WIDE_LOCATOR = b"PK\x06\x07"
_WIDE_LOCATOR_BYTES = 20
_SMALLEST_ENTRY_BYTES = 46
_USUAL_NAME_BYTES = 250
_CHUNK_BYTES = 1 * _MIB
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class ArchiveBounds(msgspec.Struct, frozen=True):
    """How much an archive may hold. The usual bounds fit a database of 25 000 unit processes."""

    most_members_count: int = 200_000
    most_member_bytes: int = 64 * _MIB
    most_total_bytes: int = 16 * 1024 * _MIB
    # XML and JSON shrink 10 to 50 times; a bomb a thousand times and more.
    most_ratio: int = 400


class Archive:
    """The members of a zip file, read one at a time. Names are only looked at, never used as paths."""

    def __init__(self, file: IO[bytes], bounds: ArchiveBounds | None = None) -> None:
        self._bounds = bounds or ArchiveBounds()
        self._read_bytes = 0
        try:
            self._refuse_large_directory(file)
            self._zip = zipfile.ZipFile(file)
        except UnreadableSource:
            raise
        except _BROKEN as error:
            raise UnreadableSource("archive_broken", f"this is no readable zip archive: {error}") from None
        self._members = {entry.filename: entry for entry in self._zip.infolist() if not entry.is_dir()}
        self._vet()

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._members)

    def named(self, pattern: str) -> Sequence[str]:
        """The names of which `pattern` fits the whole, in the order of the archive; case does not count."""
        wanted = re.compile(pattern, re.IGNORECASE)
        return [name for name in self._members if wanted.fullmatch(name)]

    def read(self, name: str) -> bytes:
        """What the member holds. Raises `UnreadableSource` where it is broken or larger than it says or may be."""
        most_bytes = min(self._bounds.most_member_bytes, self._bounds.most_total_bytes - self._read_bytes)
        chunks: list[bytes] = []
        length_bytes = 0
        try:
            with self._zip.open(self._members[name]) as member:
                while chunk := member.read(_CHUNK_BYTES):
                    length_bytes += len(chunk)
                    if length_bytes > most_bytes:
                        raise UnreadableSource(
                            "archive_too_large", f"{name} unpacks to more than may be read"
                        )
                    chunks.append(chunk)
        except _BROKEN as error:
            if isinstance(error, UnreadableSource):
                raise
            raise UnreadableSource("archive_broken", f"{name} cannot be unpacked: {error}") from None
        self._read_bytes += length_bytes
        return b"".join(chunks)

    def _refuse_large_directory(self, file: IO[bytes]) -> None:
        """zipfile makes an object of every entry before anybody can count them, so the directory is measured first."""
        size_bytes = file.seek(0, 2)
        start = max(0, size_bytes - _END_RECORD_BYTES - _MOST_COMMENT_BYTES - _WIDE_LOCATOR_BYTES)
        file.seek(start)
        tail = file.read(size_bytes - start)
        at = tail.rfind(_END_RECORD)
        if at < 0 or at + _END_RECORD_BYTES > len(tail):
            raise UnreadableSource("archive_broken", "this is no zip archive, or its end is missing")
        directory_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
        locator = tail[max(0, at - _WIDE_LOCATOR_BYTES) : at]
        if locator.startswith(_WIDE_LOCATOR):
            file.seek(int.from_bytes(locator[8:16], "little"))
            directory_bytes = int.from_bytes(file.read(56)[40:48], "little")
        file.seek(0)
        most_bytes = self._bounds.most_members_count * (_SMALLEST_ENTRY_BYTES + _USUAL_NAME_BYTES)
        if directory_bytes > most_bytes:
            raise UnreadableSource("archive_too_large", "the archive lists more members than may be read")

    def _vet(self) -> None:
        if len(self._zip.infolist()) > self._bounds.most_members_count:
            raise UnreadableSource(
                "archive_too_large", f"the archive holds more than {self._bounds.most_members_count} members"
            )
        total_bytes = 0
        for entry in self._members.values():
            total_bytes += entry.file_size
            if entry.flag_bits & 1:
                raise UnreadableSource("archive_encrypted", f"{entry.filename} is encrypted; unpack it first")
            if entry.file_size > self._bounds.most_ratio * max(entry.compress_size, _CHUNK_BYTES // 256):
                raise UnreadableSource(
                    "archive_bomb", f"{entry.filename} claims to grow suspiciously when unpacked"
                )
        if total_bytes > self._bounds.most_total_bytes:
            raise UnreadableSource("archive_too_large", "the archive unpacks to more than may be read")


def is_archive(file: IO[bytes]) -> bool:
    """Whether the file begins as a zip archive does; the position is at the start afterwards."""
    file.seek(0)
    begins = file.read(4)
    file.seek(0)
    return begins.startswith(b"PK\x03\x04")


def read_bounded(file: IO[bytes], most_bytes: int) -> bytes:
    """All of the file from its start; raises `UnreadableSource` where it is longer than `most_bytes`."""
    file.seek(0)
    data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise UnreadableSource("file_too_large", f"the file has more than {most_bytes} bytes")
    return data
