"""Answers that end before their end: rights that ran out, readers that left or slept, sources that failed."""

import asyncio
import hashlib
import json
import random
import time
from pathlib import Path

import aiohttp
import pytest

from ashiato.connector.records import Asset
from ashiato.dsp.states import Role, TransferState
from ashiato.policy.builder import permit
from tests.data_clients import SlowReader, ask
from tests.data_plane import (
    PROVIDER,
    Bounds,
    Deal,
    Parties,
    Side,
    make_deal,
    running_side,
    token_of,
)

BIG = random.Random(5).randbytes(9_000_000)
BIG_ASSET = Asset(
    asset_id="big", title="log", source={"kind": "file", "path": "big.bin"}, media_type="text/plain"
)


HUGE_ASSET = Asset(asset_id="huge", title="huge", source={"kind": "file", "path": "huge.bin"})
HUGE_BYTES = 200_000_000


@pytest.fixture
async def huge(provider: Side) -> Deal:
    """A file that is larger than all buffers between two sockets."""
    with (provider.folder / "huge.bin").open("wb") as file:
        file.truncate(HUGE_BYTES)
    return await make_deal(provider, None, HUGE_ASSET)


async def test_a_stream_is_cut_in_its_middle_when_the_agreement_ends(provider: Side, huge: Deal) -> None:
    reader = await SlowReader.begin(provider, huge)
    await reader.read(1_000_000)
    began_s = time.monotonic()
    await provider.end_agreement(huge.agreement_id)
    await reader.read_to_the_end()
    assert time.monotonic() - began_s < 1
    assert len(reader.received) < HUGE_BYTES
    (access,) = await provider.finished_accesses(1)
    assert access.outcome == "cut"
    assert len(reader.received) <= access.sent_bytes < HUGE_BYTES
    assert access.sha256 == hashlib.sha256(bytes(access.sent_bytes)).hexdigest()


@pytest.mark.parametrize("event", ["transfer.suspended", "transfer.completed", "transfer.terminated"])
async def test_a_stream_is_cut_also_when_nobody_reads(provider: Side, huge: Deal, event: str) -> None:
    reader = await SlowReader.begin(provider, huge)
    await asyncio.sleep(0.3)
    state = TransferState(event.partition(".")[2].upper())
    began_s = time.monotonic()
    await provider.set_state(huge.provider_pid, state, event)
    (access,) = await provider.finished_accesses(1)
    assert time.monotonic() - began_s < 1
    assert access.outcome == "cut"
    # What the kernel of the reader holds already is the reader's; the rest was forgotten with the connection.
    await reader.read_to_the_end()
    assert len(reader.received) < 20_000_000
    assert provider.streams.running_count == 0


async def test_another_transfer_goes_on_when_one_is_cut(provider: Side, huge: Deal) -> None:
    (provider.folder / "big.bin").write_bytes(BIG)
    big = await make_deal(provider, None, BIG_ASSET)
    cut, kept = await SlowReader.begin(provider, huge), await SlowReader.begin(provider, big)
    await provider.end_agreement(huge.agreement_id)
    await cut.read_to_the_end()
    await kept.read(len(BIG))
    kept.writer.close()
    assert kept.received == BIG


async def test_a_reader_that_has_the_last_byte_may_end_the_transfer_at_once(provider: Side) -> None:
    (provider.folder / "big.bin").write_bytes(BIG)
    for _ in range(5):
        deal = await make_deal(provider, None, BIG_ASSET)
        reader = await SlowReader.begin(provider, deal)
        await reader.read(len(BIG))
        await provider.set_state(deal.provider_pid, TransferState.COMPLETED, "transfer.completed")
        reader.writer.close()
    assert {access.outcome for access in await provider.finished_accesses(5)} == {"complete"}


async def test_a_stream_is_cut_when_the_policy_ends(provider: Side) -> None:
    with (provider.folder / "huge.bin").open("wb") as file:
        file.truncate(HUGE_BYTES)
    # The policy speaks in whole seconds.
    until_ms = (provider.clock.now_ms() // 1000 + 2) * 1000
    deal = await make_deal(provider, None, HUGE_ASSET, rules=permit(until_ms=until_ms))
    reader = await SlowReader.begin(provider, deal)
    (access,) = await provider.finished_accesses(1)
    late_ms = provider.clock.now_ms() - until_ms
    assert access.outcome == "cut"
    assert 0 <= late_ms < 1000
    await reader.read_to_the_end()
    assert len(reader.received) < HUGE_BYTES


async def test_a_reader_that_leaves_is_written_down_with_what_it_could_have_got(
    provider: Side, huge: Deal
) -> None:
    reader = await SlowReader.begin(provider, huge)
    await reader.read(3_000_000)
    reader.writer.transport.abort()
    (access,) = await provider.finished_accesses(1)
    assert access.outcome == "aborted"
    assert 3_000_000 <= access.sent_bytes < HUGE_BYTES
    assert access.sha256 == hashlib.sha256(bytes(access.sent_bytes)).hexdigest()


async def test_a_reader_that_takes_too_long_is_let_go(parties: Parties, tmp_path: Path) -> None:
    async with running_side(
        PROVIDER,
        Role.PROVIDER,
        parties,
        f"sqlite:///{tmp_path}/p.db",
        tmp_path / "files",
        Bounds(slowest_chunk_s=0.5),
    ) as side:
        with (side.folder / "huge.bin").open("wb") as file:
            file.truncate(HUGE_BYTES)
        deal = await make_deal(side, None, HUGE_ASSET)
        reader = await SlowReader.begin(side, deal)
        began_s = time.monotonic()
        (access,) = await side.finished_accesses(1)
        assert 0.4 < time.monotonic() - began_s < 2
        assert access.outcome == "cut"
        await reader.read_to_the_end()


async def test_a_lost_event_is_made_up_for(parties: Parties, tmp_path: Path) -> None:
    async with running_side(
        PROVIDER,
        Role.PROVIDER,
        parties,
        f"sqlite:///{tmp_path}/p.db",
        tmp_path / "files",
        Bounds(recheck_every_s=0.3),
    ) as side:
        with (side.folder / "huge.bin").open("wb") as file:
            file.truncate(HUGE_BYTES)
        deal = await make_deal(side, None, HUGE_ASSET)
        reader = await SlowReader.begin(side, deal)
        await side.set_state(deal.provider_pid, TransferState.SUSPENDED, event=None)
        (access,) = await side.finished_accesses(1)
        assert access.outcome == "cut"
        await reader.read_to_the_end()


async def test_a_source_that_fails_in_the_middle_breaks_the_answer_off(provider: Side) -> None:
    path = provider.folder / "shrinking.bin"
    path.write_bytes(bytes(60_000_000))
    asset = Asset(asset_id="shrinking", title="s", source={"kind": "file", "path": "shrinking.bin"})
    deal = await make_deal(provider, None, asset)
    reader = await SlowReader.begin(provider, deal)
    with path.open("r+b") as file:
        file.truncate(1000)
    await reader.read_to_the_end()
    assert len(reader.received) < 60_000_000
    (access,) = await provider.finished_accesses(1)
    assert access.outcome == "failed"


async def test_a_query_that_gives_too_many_rows_is_never_taken_for_whole(provider: Side) -> None:
    import sqlite3

    connection = sqlite3.connect(provider.folder / "plant.db")
    connection.execute("CREATE TABLE cell (number INTEGER)")
    connection.executemany("INSERT INTO cell VALUES (?)", [(n,) for n in range(9000)])
    connection.commit()
    connection.close()

    async def status_with(most_rows_count: int) -> bytes:
        source = {
            "kind": "sql",
            "database": "plant.db",
            "query": "SELECT number FROM cell",
            "most_rows_count": most_rows_count,
        }
        deal = await make_deal(provider, None, Asset(asset_id="rows", title="rows", source=source))
        return (await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))).body

    assert len(json.loads(await status_with(9000))) == 9000
    with pytest.raises(aiohttp.ClientPayloadError):
        await status_with(8000)
