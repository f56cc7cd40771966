"""Received data on the disk, encrypted."""

import hashlib
import os
from pathlib import Path

import pytest

from ashiato.stores.keys import open_safe
from ashiato.stores.received_files import ReceivedFolder
from ashiato.stores.sealed_files import BLOCK_BYTES, DamagedFile, SealedPart
from tests.stores.samples import MAKER, OTHER

PID = "urn:uuid:3f2b6c1e-0000-4000-8000-000000000001"
SECRET = b"kilograms of cobalt: 12.5;"
BODY = SECRET * 12_000
HEAD_BYTES = 8 + 12 + 32 + 16


@pytest.fixture
def files(tmp_path: Path) -> ReceivedFolder:
    """An empty store that encrypts."""
    return ReceivedFolder(tmp_path / "received", open_safe(tmp_path / "keys.json"))


def write(files: ReceivedFolder, body: bytes, chunk_bytes: int = 10_000, participant_id: str = MAKER) -> None:
    part = files.part(participant_id, PID)
    for start in range(0, len(body), chunk_bytes):
        part.append(body[start : start + chunk_bytes])
    assert (part.size_bytes, part.sha256()) == (len(body), hashlib.sha256(body).hexdigest())
    part.finish("file-1")
    part.close()


def read(files: ReceivedFolder, start_bytes: int = 0, most_bytes: int = 10_000_000) -> bytes:
    reader = files.open(MAKER, "file-1")
    try:
        return reader.read(start_bytes, most_bytes)
    finally:
        reader.close()


@pytest.mark.parametrize("size_bytes", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
@pytest.mark.parametrize("chunk_bytes", [997, BLOCK_BYTES, 1_000_000])
def test_what_was_written_is_read_again(files: ReceivedFolder, size_bytes: int, chunk_bytes: int) -> None:
    body = (BODY * 2)[:size_bytes]
    write(files, body, chunk_bytes)
    assert read(files) == body


def test_the_disk_holds_none_of_it_in_plain(files: ReceivedFolder, tmp_path: Path) -> None:
    write(files, BODY)
    part = files.part(OTHER, PID)
    part.append(BODY[:1000])
    part.close()
    written = [path.read_bytes() for path in (tmp_path / "received").rglob("*") if path.is_file()]
    assert len(written) == 2
    assert all(len(data) >= 1000 and SECRET not in data for data in written)


@pytest.mark.parametrize(
    "start_bytes", [0, 5, BLOCK_BYTES - 3, BLOCK_BYTES, 2 * BLOCK_BYTES + 17, 10_000_000]
)
def test_a_part_of_it_is_read_from_anywhere(files: ReceivedFolder, start_bytes: int) -> None:
    write(files, BODY)
    assert read(files, start_bytes, 100_000) == BODY[start_bytes : start_bytes + 100_000]


def test_a_broken_attempt_is_gone_on_with_to_the_byte(files: ReceivedFolder) -> None:
    at_bytes = 0
    for piece_bytes in (1, BLOCK_BYTES - 1, 70_000, 10, BLOCK_BYTES):
        part = files.part(MAKER, PID)
        assert part.size_bytes == at_bytes
        part.append(BODY[at_bytes : at_bytes + piece_bytes])
        at_bytes += piece_bytes
        assert part.sha256() == hashlib.sha256(BODY[:at_bytes]).hexdigest()
        part.close()
    part = files.part(MAKER, PID)
    part.append(BODY[at_bytes:])
    part.finish("file-1")
    part.close()
    assert read(files) == BODY


def test_what_was_torn_by_a_power_cut_is_dropped_and_comes_again(
    files: ReceivedFolder, tmp_path: Path
) -> None:
    part = files.part(MAKER, PID)
    part.append(BODY[: BLOCK_BYTES + 500])
    part.close()
    (path,) = (tmp_path / "received").rglob("*.part")
    os.truncate(path, path.stat().st_size - 7)
    part = files.part(MAKER, PID)
    assert part.size_bytes == BLOCK_BYTES
    part.append(BODY[BLOCK_BYTES:])
    part.finish("file-1")
    part.close()
    assert read(files) == BODY


def test_a_part_that_begins_anew_has_another_key(files: ReceivedFolder, tmp_path: Path) -> None:
    part = files.part(MAKER, PID)
    part.append(BODY[:BLOCK_BYTES])
    (path,) = (tmp_path / "received").rglob("*.part")
    first = path.read_bytes()
    part.restart()
    assert part.size_bytes == 0
    part.append(BODY[:BLOCK_BYTES])
    second = path.read_bytes()
    part.finish("file-1")
    part.close()
    assert first[:8] == second[:8]
    assert first[8:HEAD_BYTES] != second[8:HEAD_BYTES]
    assert read(files) == BODY[:BLOCK_BYTES]


def test_a_changed_byte_is_noticed(files: ReceivedFolder) -> None:
    write(files, BODY)
    path = files.path(MAKER, "file-1")
    data = bytearray(path.read_bytes())
    data[HEAD_BYTES + 100] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFile):
        read(files)


def test_blocks_that_changed_places_are_noticed(files: ReceivedFolder) -> None:
    write(files, BODY)
    path = files.path(MAKER, "file-1")
    data = path.read_bytes()
    step = BLOCK_BYTES + 28
    first, second = data[HEAD_BYTES : HEAD_BYTES + step], data[HEAD_BYTES + step : HEAD_BYTES + 2 * step]
    path.write_bytes(data[:HEAD_BYTES] + second + first + data[HEAD_BYTES + 2 * step :])
    with pytest.raises(DamagedFile):
        read(files)


def test_a_file_of_another_participant_does_not_open(files: ReceivedFolder) -> None:
    write(files, BODY, participant_id=OTHER)
    write(files, BODY[:10])
    files.path(MAKER, "file-1").write_bytes(files.path(OTHER, "file-1").read_bytes())
    with pytest.raises(DamagedFile):
        read(files)


def test_without_the_key_file_nothing_opens(files: ReceivedFolder, tmp_path: Path) -> None:
    write(files, BODY)
    stranger = ReceivedFolder(tmp_path / "received", open_safe(tmp_path / "other.json"))
    with pytest.raises(DamagedFile):
        stranger.open(MAKER, "file-1")


def test_what_an_older_program_left_in_plain_is_still_read(files: ReceivedFolder, tmp_path: Path) -> None:
    plain = ReceivedFolder(tmp_path / "received")
    write(plain, BODY)
    assert read(files) == BODY
    assert isinstance(files.part(MAKER, PID), SealedPart)


def test_a_file_that_is_gone_is_not_found(files: ReceivedFolder) -> None:
    write(files, BODY)
    files.remove(MAKER, "file-1")
    with pytest.raises(FileNotFoundError):
        files.open(MAKER, "file-1")
