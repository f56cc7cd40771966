import io
import zipfile

import pytest

from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.importers.archives import Archive, ArchiveBounds, is_archive, read_bounded
from tests.apps.carbon.factors.importers.archive_files import zipped

SMALL = ArchiveBounds(most_members_count=3, most_member_bytes=10_000, most_total_bytes=15_000, most_ratio=100)


def read_all(file: io.BytesIO, bounds: ArchiveBounds) -> None:
    archive = Archive(file, bounds)
    for name in archive.names:
        archive.read(name)


def code_of(file: io.BytesIO, bounds: ArchiveBounds = SMALL) -> str:
    with pytest.raises(UnreadableSource) as refused:
        read_all(file, bounds)
    return refused.value.code


def test_members_are_found_by_name_and_read() -> None:
    archive = Archive(zipped({"a/B.xml": "<x/>", "c.txt": "y"}), SMALL)
    assert archive.named(r".*\.xml") == ["a/B.xml"]
    assert archive.read("a/B.xml") == b"<x/>"


def test_a_bomb_is_refused_by_what_it_claims() -> None:
    assert code_of(zipped({"zeros": b"\0" * 5_000_000}), ArchiveBounds()) == "archive_bomb"


def test_a_bomb_that_lies_about_its_size_is_stopped_while_it_unpacks() -> None:
    honest = zipped({"zeros": bytes(range(256)) * 200}).getvalue()
    size = (256 * 200).to_bytes(4, "little")
    lying = honest.replace(size, (100).to_bytes(4, "little"))
    assert lying != honest
    assert code_of(io.BytesIO(lying)) in {"archive_broken", "archive_too_large"}


def test_many_members_large_members_and_a_large_sum_are_refused() -> None:
    assert code_of(zipped({str(n): "x" for n in range(4)})) == "archive_too_large"
    assert code_of(zipped({"a": bytes(range(256)) * 50})) == "archive_too_large"
    assert code_of(zipped({"a": bytes(range(256)) * 36, "b": bytes(range(256)) * 36})) == "archive_too_large"


def test_a_huge_directory_is_refused_before_it_is_read() -> None:
    broken = bytearray(zipped({"a": "x"}).getvalue())
    end = broken.rfind(b"PK\x05\x06")
    broken[end + 12 : end + 16] = (500_000_000).to_bytes(4, "little")
    assert code_of(io.BytesIO(bytes(broken))) == "archive_too_large"


def test_an_encrypted_member_is_named() -> None:
    marked = bytearray(zipped({"secret.xml": "x"}).getvalue())
    marked[marked.find(b"PK\x01\x02") + 8] |= 1
    assert code_of(io.BytesIO(bytes(marked))) == "archive_encrypted"


@pytest.mark.parametrize("cut_bytes", [10, 40, 60])
def test_a_half_written_archive_is_refused(cut_bytes: int) -> None:
    whole = zipped({"a.xml": "<x>" + "y" * 50 + "</x>"}).getvalue()
    assert code_of(io.BytesIO(whole[:-cut_bytes])) == "archive_broken"


def test_damaged_content_is_refused_by_its_checksum() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a", "intact")
    assert code_of(io.BytesIO(file.getvalue().replace(b"intact", b"brokEn"))) == "archive_broken"


def test_what_a_file_is_and_how_long_it_may_be() -> None:
    assert is_archive(zipped({"a": "x"}))
    assert not is_archive(io.BytesIO(b"<x/>"))
    assert read_bounded(io.BytesIO(b"12345"), 5) == b"12345"
    with pytest.raises(UnreadableSource):
        read_bounded(io.BytesIO(b"123456"), 5)
