"""Streams on their own: what is counted, what is taken back, and every way in which a right can end."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from ashiato.connector.data_access import AccessOutcome, Admission, Refusal, TransportGone
from ashiato.connector.records import Asset, Event
from ashiato.connector.sources import SourceUnavailable
from ashiato.couriers.streaming import HASHED_INLINE_BYTES, RunningStream, RunningStreams
from ashiato.dsp.states import Role
from ashiato.trust.standing import Standing

ADMISSION = Admission(
    access_id="a-1",
    role=Role.PROVIDER,
    peer_id="did:web:cells.example",
    asset=Asset(asset_id="powder", title="NMC811", source={"kind": "record"}),
    agreement_id="agreement-1",
    transfer_pid="transfer-1",
    method="GET",
    range_start_bytes=0,
    started_ms=0,
    use_number=1,
    charged_bytes=0,
    cut_at_ms=None,
    consumer=Standing("did:web:cells.example"),
)


class Judge:
    """Answers each recheck with the next answer, the last one for ever; knows of nobody more than the name."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked_count = 0

    async def standing(self, participant_id: str, peer_id: str, now_ms: int) -> Standing:
        return Standing(peer_id)

    async def recheck(
        self, participant_id: str, admission: Admission, consumer: Standing, now_ms: int
    ) -> Any:
        self.asked_count += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
        return answer


class Transport:
    """Takes chunks; may be slow."""

    def __init__(self) -> None:
        self.taken = bytearray()
        self.opened = asyncio.Event()
        self.opened.set()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def write(self, chunk: bytes) -> None:
        await self.opened.wait()
        self.taken += chunk


async def chunks_of(*chunks: bytes, pause_s: float = 0.0) -> AsyncGenerator[bytes]:
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(pause_s)


async def endless(pause_s: float = 0.01) -> AsyncGenerator[bytes]:
    while True:
        yield b"x" * 100
        await asyncio.sleep(pause_s)


@pytest.fixture
async def threads() -> AsyncIterator[ThreadPoolExecutor]:
    """Where large chunks are hashed."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


def streams_of(threads: ThreadPoolExecutor, judge: Judge | None = None, **more: Any) -> RunningStreams:
    return RunningStreams(judge or Judge(None), lambda: 1000, threads, **more)


def enter(streams: RunningStreams, transfer_pid: str = "transfer-1") -> Any:
    return streams.enter("did:web:maker.example", transfer_pid, "agreement-1")


def event(name: str, process_id: str, participant_id: str = "did:web:maker.example") -> Event:
    return Event(name=name, participant_id=participant_id, process_id=process_id)


async def test_small_and_large_chunks_are_counted_and_hashed_alike(threads: ThreadPoolExecutor) -> None:
    transport = Transport()
    pieces = [b"a", b"b" * HASHED_INLINE_BYTES, b"", b"c" * 1_000_000, b"d"]
    with enter(streams_of(threads)) as stream:
        sent = await stream.carry(ADMISSION, lambda _: chunks_of(*pieces), transport.write, transport.gone)
    whole = b"".join(pieces)
    assert bytes(transport.taken) == whole
    assert (sent.outcome, sent.sent_bytes) == (AccessOutcome.COMPLETE, len(whole))
    assert sent.sha256 == hashlib.sha256(whole).hexdigest()
    assert stream.sent == sent


@pytest.mark.parametrize("size_bytes", [10, 100_000])
async def test_a_chunk_that_the_transport_dropped_is_not_counted(
    threads: ThreadPoolExecutor, size_bytes: int
) -> None:
    transport = Transport()

    async def write(chunk: bytes) -> None:
        if chunk.startswith(b"b"):
            raise TransportGone
        await transport.write(chunk)

    pieces = [b"a" * size_bytes, b"b" * size_bytes, b"c" * size_bytes]
    with enter(streams_of(threads)) as stream:
        sent = await stream.carry(ADMISSION, lambda _: chunks_of(*pieces), write, transport.gone)
    assert sent.outcome is AccessOutcome.ABORTED
    assert sent.sent_bytes == len(transport.taken) == size_bytes
    assert sent.sha256 == hashlib.sha256(b"a" * size_bytes).hexdigest()


async def test_a_reader_that_leaves_ends_a_stream_that_waits_for_it(threads: ThreadPoolExecutor) -> None:
    transport = Transport()
    with enter(streams_of(threads)) as stream:
        carrying = asyncio.create_task(
            stream.carry(ADMISSION, lambda _: endless(), transport.write, transport.gone)
        )
        await asyncio.sleep(0.05)
        transport.opened.clear()
        await asyncio.sleep(0.05)
        transport.gone.set_result(None)
        sent = await asyncio.wait_for(carrying, 0.5)
    assert sent.outcome is AccessOutcome.ABORTED
    assert sent.sent_bytes == len(transport.taken)


@pytest.mark.parametrize(
    ("name", "process_id"),
    [
        ("transfer.suspended", "transfer-1"),
        ("transfer.completed", "transfer-1"),
        ("transfer.terminated", "transfer-1"),
        ("agreement.terminated", "agreement-1"),
    ],
)
async def test_an_event_stops_the_streams_that_it_concerns(
    threads: ThreadPoolExecutor, name: str, process_id: str
) -> None:
    streams, transport = streams_of(threads), Transport()
    with enter(streams) as stream:
        carrying = asyncio.create_task(
            stream.carry(ADMISSION, lambda _: endless(), transport.write, transport.gone)
        )
        await asyncio.sleep(0.05)
        streams.listen(event(name, "other"))
        streams.listen(event(name, process_id, "did:web:other.example"))
        streams.listen(event("transfer.started", "transfer-1"))
        await asyncio.sleep(0.05)
        assert not carrying.done()
        streams.listen(event(name, process_id))
        sent = await asyncio.wait_for(carrying, 0.5)
    assert (sent.outcome, sent.why) == (AccessOutcome.CUT, name)
    assert sent.sent_bytes == len(transport.taken)
    assert streams.running_count == 0


async def test_a_stream_that_hangs_in_its_transport_is_stopped_too(threads: ThreadPoolExecutor) -> None:
    streams, transport = streams_of(threads), Transport()
    transport.opened.clear()
    with enter(streams) as stream:
        carrying = asyncio.create_task(
            stream.carry(ADMISSION, lambda _: endless(), transport.write, transport.gone)
        )
        await asyncio.sleep(0.05)
        assert streams.cut("did:web:maker.example", reason="the participant is suspended") == 1
        sent = await asyncio.wait_for(carrying, 0.5)
    assert (sent.outcome, sent.sent_bytes) == (AccessOutcome.CUT, 0)


async def test_a_right_that_ends_before_the_first_byte_sends_none(threads: ThreadPoolExecutor) -> None:
    streams, transport = streams_of(threads), Transport()
    with enter(streams) as stream:
        streams.listen(event("transfer.terminated", "transfer-1"))
        sent = await stream.carry(ADMISSION, lambda _: endless(), transport.write, transport.gone)
    assert (sent.outcome, sent.sent_bytes, len(transport.taken)) == (AccessOutcome.CUT, 0, 0)


async def test_the_policy_is_asked_at_its_instant_and_may_let_the_stream_go_on(
    threads: ThreadPoolExecutor,
) -> None:
    judge = Judge(5_000_000)
    streams, transport = streams_of(threads, judge), Transport()
    due = msgspec.structs.replace(ADMISSION, cut_at_ms=1000)
    with enter(streams) as stream:
        carrying = asyncio.create_task(
            stream.carry(due, lambda _: endless(), transport.write, transport.gone)
        )
        await asyncio.sleep(0.7)
        assert not carrying.done()
        assert judge.asked_count == 1
        stream.stop("enough")
        await carrying


@pytest.mark.parametrize("answer", [RuntimeError("the database is away"), 30.0], ids=["fails", "stalls"])
async def test_without_a_yes_in_time_nothing_is_sent_on(threads: ThreadPoolExecutor, answer: object) -> None:
    streams, transport = streams_of(threads, Judge(answer)), Transport()
    due = msgspec.structs.replace(ADMISSION, cut_at_ms=1000)
    with enter(streams) as stream:
        carrying = stream.carry(due, lambda _: endless(), transport.write, transport.gone)
        sent = await asyncio.wait_for(carrying, 1)
    assert sent.outcome is AccessOutcome.CUT


async def test_a_store_that_hangs_at_the_wrong_moment_delays_no_end(threads: ThreadPoolExecutor) -> None:
    judge, transport = Judge(30.0), Transport()
    now_ms = 1000
    streams = RunningStreams(judge, lambda: now_ms, threads, recheck_every_s=0.1)
    until = msgspec.structs.replace(ADMISSION, cut_at_ms=2000)
    with enter(streams) as stream:
        carrying = asyncio.create_task(
            stream.carry(until, lambda _: endless(), transport.write, transport.gone)
        )
        await asyncio.sleep(0.8)
        assert judge.asked_count == 1
        assert not carrying.done()
        now_ms = 2000
        sent = await asyncio.wait_for(carrying, 1)
    assert sent.outcome is AccessOutcome.CUT


async def test_a_source_that_fails_is_told_from_one_that_ends(threads: ThreadPoolExecutor) -> None:
    async def failing() -> AsyncGenerator[bytes]:
        yield b"abc"
        raise SourceUnavailable("the disk is gone")

    transport = Transport()
    with enter(streams_of(threads)) as stream:
        sent = await stream.carry(ADMISSION, lambda _: failing(), transport.write, transport.gone)
    assert (sent.outcome, sent.sent_bytes, sent.why) == (AccessOutcome.FAILED, 3, "the disk is gone")


async def test_a_source_is_closed_however_the_stream_ends(threads: ThreadPoolExecutor) -> None:
    closed: list[str] = []

    async def source(name: str) -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.01)
        finally:
            closed.append(name)

    transport = Transport()
    streams = streams_of(threads)
    with enter(streams) as stream:
        carrying = asyncio.create_task(
            stream.carry(ADMISSION, lambda _: source("cut"), transport.write, transport.gone)
        )
        await asyncio.sleep(0.03)
        stream.stop("enough")
        await carrying
    with enter(streams) as stream:
        carrying = asyncio.create_task(
            stream.carry(ADMISSION, lambda _: source("told"), transport.write, transport.gone)
        )
        await asyncio.sleep(0.03)
        carrying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await carrying
        assert stream.sent.sent_bytes > 0
        assert stream.sent.outcome is AccessOutcome.ABORTED
    assert closed == ["cut", "told"]


async def test_the_first_reason_stands(threads: ThreadPoolExecutor) -> None:
    stream = RunningStream("p", "t", "a", threads)
    assert stream.why == ""
    stream.stop("first")
    stream.stop("second")
    assert stream.why == "first"


class Registrar(Judge):
    """Permits while the consumer is a member, as far as is known here; counts who is asked for what."""

    def __init__(self) -> None:
        super().__init__(None)
        self.standing_now = Standing("did:web:cells.example", {"membership": frozenset({"active"})}, 5_000)
        self.standing_asked_count = 0

    async def standing(self, participant_id: str, peer_id: str, now_ms: int) -> Standing:
        self.standing_asked_count += 1
        return self.standing_now

    async def recheck(
        self, participant_id: str, admission: Admission, consumer: Standing, now_ms: int
    ) -> Any:
        if consumer.claims:
            return None
        return Refusal(status_code=403, code="standing-lost", reason="no member")


async def test_a_change_of_standing_is_asked_about_at_once_and_cuts(threads: ThreadPoolExecutor) -> None:
    registrar, transport = Registrar(), Transport()
    streams = RunningStreams(registrar, lambda: 1000, threads, recheck_every_s=60)
    with enter(streams) as stream:
        member = msgspec.structs.replace(ADMISSION, consumer=registrar.standing_now)
        carrying = asyncio.create_task(
            stream.carry(member, lambda _: endless(), transport.write, transport.gone)
        )
        await asyncio.sleep(0.3)
        assert registrar.standing_asked_count == 0
        other = msgspec.structs.replace(event("standing.changed", ""), peer_id="did:web:rival.example")
        streams.listen(other)
        await asyncio.sleep(0.3)
        assert registrar.standing_asked_count == 0
        registrar.standing_now = Standing("did:web:cells.example")
        told_s = asyncio.get_running_loop().time()
        streams.listen(msgspec.structs.replace(other, peer_id="did:web:cells.example"))
        sent = await asyncio.wait_for(carrying, 1)
    assert (sent.outcome, sent.why) == (AccessOutcome.CUT, "standing-lost")
    assert asyncio.get_running_loop().time() - told_s < 1


async def test_what_is_no_longer_fresh_is_verified_again_and_no_more_often(
    threads: ThreadPoolExecutor,
) -> None:
    registrar, transport = Registrar(), Transport()
    now_ms = 4_999
    streams = RunningStreams(registrar, lambda: now_ms, threads, recheck_every_s=60)
    with enter(streams) as stream:
        member = msgspec.structs.replace(ADMISSION, consumer=registrar.standing_now)
        carrying = asyncio.create_task(
            stream.carry(member, lambda _: endless(), transport.write, transport.gone)
        )
        await asyncio.sleep(0.7)
        assert registrar.standing_asked_count == 0
        registrar.standing_now = msgspec.structs.replace(registrar.standing_now, fresh_until_ms=9_000)
        now_ms = 5_000
        await asyncio.sleep(0.7)
        assert registrar.standing_asked_count == 1
        registrar.standing_now = Standing("did:web:cells.example", {}, 20_000)
        now_ms = 9_000
        sent = await asyncio.wait_for(carrying, 1.5)
    assert sent.outcome is AccessOutcome.CUT
    assert registrar.standing_asked_count == 2
