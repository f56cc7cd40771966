import hashlib
import stat
from pathlib import Path

import pytest

from ashiato.connector.sources import ReceivedFiles
from ashiato.stores.received_files import BadFileName, ReceivedFolder
from tests.stores.samples import MAKER, OTHER

PID = "urn:uuid:3f2b6c1e-0000-4000-8000-000000000001"
CHUNKS = [bytes([number]) * 70_000 for number in range(40)]


@pytest.fixture
def files(tmp_path: Path) -> ReceivedFolder:
    """An empty store of received files."""
    return ReceivedFolder(tmp_path / "received")


def _sha256(*chunks: bytes) -> str:
    return hashlib.sha256(b"".join(chunks)).hexdigest()


def test_a_file_has_its_name_only_when_all_of_it_is_there(files: ReceivedFolder) -> None:
    part = files.part(MAKER, PID)
    for chunk in CHUNKS:
        part.append(chunk)
    path = files.path(MAKER, "file-1")
    assert not path.exists()
    assert (part.size_bytes, part.sha256()) == (40 * 70_000, _sha256(*CHUNKS))
    part.finish("file-1")
    part.close()
    assert path.read_bytes() == b"".join(CHUNKS)
    assert [found.name for found in path.parent.iterdir()] == ["file-1"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_broken_attempt_is_gone_on_with_and_hashed_from_its_first_byte(files: ReceivedFolder) -> None:
    first = files.part(MAKER, PID)
    first.append(CHUNKS[1])
    first.append(CHUNKS[2])
    first.close()
    second = files.part(MAKER, PID)
    assert (second.size_bytes, second.sha256()) == (140_000, _sha256(CHUNKS[1], CHUNKS[2]))
    second.append(CHUNKS[3])
    second.close()
    third = files.part(MAKER, PID)
    third.append(CHUNKS[4])
    assert third.sha256() == _sha256(*CHUNKS[1:5])
    assert third.size_bytes == 280_000
    third.close()


def test_a_part_can_be_begun_again(files: ReceivedFolder) -> None:
    part = files.part(MAKER, PID)
    part.append(CHUNKS[1])
    part.restart()
    assert (part.size_bytes, part.sha256()) == (0, _sha256())
    part.append(CHUNKS[2])
    assert part.sha256() == _sha256(CHUNKS[2])
    part.finish("file-1")
    part.close()
    assert files.path(MAKER, "file-1").read_bytes() == CHUNKS[2]


def test_a_file_that_is_received_again_replaces_the_first(files: ReceivedFolder) -> None:
    for chunk in CHUNKS[1:3]:
        part = files.part(MAKER, PID)
        assert part.size_bytes == 0
        part.append(chunk)
        part.finish("file-1")
        part.close()
    assert files.path(MAKER, "file-1").read_bytes() == CHUNKS[2]


def test_an_empty_file_is_a_file(files: ReceivedFolder) -> None:
    part = files.part(MAKER, PID)
    part.finish("file-1")
    part.close()
    assert files.path(MAKER, "file-1").read_bytes() == b""


def test_participants_have_folders_of_their_own(files: ReceivedFolder) -> None:
    for participant_id, chunk in ((MAKER, CHUNKS[1]), (OTHER, CHUNKS[2])):
        part = files.part(participant_id, PID)
        part.append(chunk)
        part.finish("file-1")
        part.close()
    files.remove(OTHER, "file-1")
    assert files.path(MAKER, "file-1").read_bytes() == CHUNKS[1]
    assert not files.path(OTHER, "file-1").exists()


def test_deleting_is_repeatable_and_takes_parts_too(files: ReceivedFolder) -> None:
    part = files.part(MAKER, PID)
    part.append(CHUNKS[1])
    part.close()
    for _ in range(2):
        files.remove_part(MAKER, PID)
        files.remove(MAKER, "file-1")
        files.remove("did:web:never.seen", "file-1")
    again = files.part(MAKER, PID)
    assert again.size_bytes == 0
    again.close()


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        ".hidden",
        "a\x00b",
        "a b",
        "電",
        "x.part",
        "y" * 201,
        "a\n",
    ],
)
def test_a_name_that_was_not_made_here_is_refused(files: ReceivedFolder, name: str) -> None:
    with pytest.raises(BadFileName):
        files.path(MAKER, name)
    with pytest.raises(BadFileName):
        files.remove(MAKER, name)
    part = files.part(MAKER, PID)
    with pytest.raises(BadFileName):
        part.finish(name)
    part.close()


def test_a_process_id_with_any_signs_stays_in_its_folder(files: ReceivedFolder, tmp_path: Path) -> None:
    part = files.part("../../x", "a/../..//evil\x00")
    part.append(b"x")
    part.close()
    with pytest.raises(BadFileName):
        files.part(MAKER, "../evil")
    assert len(list((tmp_path / "received").rglob("*.part"))) == 1
    assert [found.name for found in tmp_path.iterdir()] == ["received"]


def test_it_is_the_port_of_the_connector(files: ReceivedFolder) -> None:
    port: ReceivedFiles = files
    part = port.part(MAKER, PID)
    part.close()
    part.close()
    assert part.size_bytes == 0
