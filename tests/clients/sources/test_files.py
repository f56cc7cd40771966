"""Files below the opened folder: exact bytes, no way out, and no mixture of two versions."""

import asyncio
import hashlib
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ashiato.clients.sources.files import (
    FIRST_CHUNK_BYTES,
    HASHED_AT_ONCE_BYTES,
    LEAST_CHUNK_BYTES,
    MOST_CHUNK_BYTES,
    QUICK_S,
    FileSource,
    KnownHashes,
    open_below,
)
from ashiato.connector.sources import Forwarded, ForwardRefused, SourceUnavailable


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Where files are read."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The opened folder, with a secret beside it."""
    opened = tmp_path / "opened"
    (opened / "inner").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (opened / "inner" / "a.json").write_bytes(b"0123456789")
    return opened


def source_of(
    folder: Path, path: str, threads: ThreadPoolExecutor, hashes: KnownHashes | None = None
) -> FileSource:
    return FileSource(folder, path, "application/json", threads, hashes or KnownHashes())


async def read(source: FileSource, start_bytes: int = 0, end_bytes: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in source.open(start_bytes, end_bytes)])


async def test_a_small_file_is_described_with_its_hash_and_read(
    folder: Path, threads: ThreadPoolExecutor
) -> None:
    source = source_of(folder, "inner/a.json", threads)
    description = await source.describe()
    assert description.size_bytes == 10
    assert description.ranges
    assert description.sha256 == hashlib.sha256(b"0123456789").hexdigest()
    assert await read(source) == b"0123456789"
    assert await read(source, 3, 7) == b"3456"
    await source.close()


async def test_a_large_file_has_a_hash_once_it_was_read_and_a_written_file_has_none(
    folder: Path, threads: ThreadPoolExecutor
) -> None:
    content = random.Random(1).randbytes(HASHED_AT_ONCE_BYTES + FIRST_CHUNK_BYTES // 3)
    (folder / "big").write_bytes(content)
    hashes = KnownHashes()
    source = source_of(folder, "big", threads, hashes)
    first = await source.describe()
    assert first.sha256 is None
    assert await read(source) == content
    source.learn(hashlib.sha256(content).hexdigest())
    await source.close()
    again = source_of(folder, "big", threads, hashes)
    assert (await again.describe()).sha256 == hashlib.sha256(content).hexdigest()
    await again.close()
    (folder / "big").write_bytes(content[::-1])
    changed = source_of(folder, "big", threads, hashes)
    second = await changed.describe()
    assert second.sha256 is None
    assert second.etag != first.etag
    await changed.close()


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "inner/../../secret.txt", "/etc/passwd", "inner", "absent", "", ".", "inner//a.json"],
)
async def test_there_is_no_way_out_by_name(folder: Path, threads: ThreadPoolExecutor, path: str) -> None:
    source = source_of(folder, path, threads)
    with pytest.raises(SourceUnavailable):
        await source.describe()
    await source.close()


async def test_there_is_no_way_out_by_link(folder: Path, threads: ThreadPoolExecutor) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "up").symlink_to(folder.parent)
    for path in ("link.txt", "up/secret.txt"):
        with pytest.raises(SourceUnavailable):
            await source_of(folder, path, threads).describe()


async def test_what_is_no_regular_file_is_refused_without_waiting(
    folder: Path, threads: ThreadPoolExecutor
) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(SourceUnavailable, match="not a regular file"):
        await source_of(folder, "pipe", threads).describe()


async def test_no_descriptor_is_left_open(folder: Path, threads: ThreadPoolExecutor) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for path in ("inner/a.json", "inner", "absent", "inner/absent"):
        try:
            os.close(open_below(folder, path))
        except SourceUnavailable:
            continue
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 1


async def test_a_file_that_changes_while_it_is_read_breaks_off(
    folder: Path, threads: ThreadPoolExecutor
) -> None:
    whole_bytes = 8 * MOST_CHUNK_BYTES
    (folder / "big").write_bytes(bytes(whole_bytes))
    source = source_of(folder, "big", threads)
    await source.describe()
    seen = bytearray()

    async def read_all() -> None:
        async for chunk in source.open(0, None):
            if not seen:
                with (folder / "big").open("r+b") as file:
                    file.seek(whole_bytes - 3)
                    file.write(b"new")
            seen.extend(chunk)

    with pytest.raises(SourceUnavailable, match="changed"):
        await read_all()
    # One chunk was read ahead before the change.
    assert seen == bytes(len(seen))
    assert len(seen) <= 2 * FIRST_CHUNK_BYTES
    await source.close()


async def test_a_file_that_is_replaced_is_read_to_the_end_as_it_was(
    folder: Path, threads: ThreadPoolExecutor
) -> None:
    (folder / "a").write_bytes(b"a" * (2 * FIRST_CHUNK_BYTES))
    source = source_of(folder, "a", threads)
    await source.describe()
    chunks = source.open(0, None)
    first = await anext(chunks)
    (folder / "b").write_bytes(b"b" * (2 * FIRST_CHUNK_BYTES))
    (folder / "b").rename(folder / "a")
    rest = b"".join([chunk async for chunk in chunks])
    assert first + rest == b"a" * (2 * FIRST_CHUNK_BYTES)
    await source.close()


async def test_chunks_grow_for_a_quick_reader_and_shrink_for_a_slow_one(
    folder: Path, threads: ThreadPoolExecutor
) -> None:
    (folder / "big").write_bytes(bytes(12 * MOST_CHUNK_BYTES))
    source = source_of(folder, "big", threads)
    await source.describe()
    chunks = source.open(0, None)
    quick = [len(await anext(chunks)) for _ in range(6)]
    assert quick[0] == FIRST_CHUNK_BYTES
    assert quick == sorted(quick)
    assert quick[-1] == MOST_CHUNK_BYTES
    slow = []
    for _ in range(7):
        await asyncio.sleep(2 * QUICK_S)
        slow.append(len(await anext(chunks)))
    assert slow == sorted(slow, reverse=True)
    assert slow[-1] == LEAST_CHUNK_BYTES
    await chunks.aclose()
    await source.close()


async def test_a_source_that_is_closed_while_it_reads_ahead_leaves_nothing_behind(
    folder: Path, threads: ThreadPoolExecutor
) -> None:
    (folder / "big").write_bytes(bytes(4 * MOST_CHUNK_BYTES))
    for _ in range(20):
        source = source_of(folder, "big", threads)
        await source.describe()
        chunks = source.open(0, None)
        assert len(await anext(chunks)) == FIRST_CHUNK_BYTES
        await chunks.aclose()
        await source.close()
    assert not [name for name in os.listdir("/proc/self/fd") if _leads_to(name, folder / "big")]


def _leads_to(descriptor: str, path: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}") == str(path)
    except OSError:
        return False


async def test_work_aside_is_done_before_each_read(folder: Path, threads: ThreadPoolExecutor) -> None:
    (folder / "big").write_bytes(bytes(2 * FIRST_CHUNK_BYTES))
    source = source_of(folder, "big", threads)
    await source.describe()
    done_count = 0

    def aside() -> None:
        nonlocal done_count
        done_count += 1

    chunks = [chunk async for chunk in source.open(0, None, aside)]
    assert done_count == len(chunks) == 2
    await source.close()


async def test_a_hash_is_read_once_however_many_ask(
    folder: Path, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = random.Random(2).randbytes(HASHED_AT_ONCE_BYTES + 1)
    (folder / "big").write_bytes(content)
    hashes = KnownHashes()
    sources = [source_of(folder, "big", threads, hashes) for _ in range(4)]
    for source in sources:
        assert (await source.describe()).sha256 is None
    read_count = 0
    pread = os.pread

    def counting(descriptor: int, size_bytes: int, position_bytes: int) -> bytes:
        nonlocal read_count
        read_count += 1
        return pread(descriptor, size_bytes, position_bytes)

    monkeypatch.setattr(os, "pread", counting)
    digests = await asyncio.gather(*(source.digest() for source in sources))
    assert set(digests) == {hashlib.sha256(content).hexdigest()}
    assert read_count == len(content) // MOST_CHUNK_BYTES + 1
    for source in sources:
        await source.close()


async def test_a_file_takes_no_requests(folder: Path, threads: ThreadPoolExecutor) -> None:
    source = source_of(folder, "inner/a.json", threads)
    request = Forwarded(method="POST", path="", query="", headers=(), body=b"x")
    with pytest.raises(ForwardRefused):
        source.vet(request)
    with pytest.raises(SourceUnavailable):
        await source.forward(request)


def test_the_oldest_hash_is_forgotten_first() -> None:
    hashes = KnownHashes(most_count=2)
    for number in range(3):
        hashes.put((0, number, 0, 0, 0), str(number))
    assert [hashes.get((0, number, 0, 0, 0)) for number in range(3)] == [None, "1", "2"]
