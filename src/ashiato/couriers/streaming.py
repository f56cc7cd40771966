"""Running streams: bytes from a source to a transport, hashed as they leave, and cut when the right to them ends."""

import asyncio
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import aclosing, contextmanager
from typing import Any, Protocol

import msgspec
import structlog

from ashiato.connector.data_access import (
    NOTHING_SENT,
    AccessOutcome,
    Admission,
    Refusal,
    Sent,
    TransportGone,
)
from ashiato.connector.records import Event
from ashiato.connector.sources import Chunks, Opened, SourceUnavailable, Write
from ashiato.trust.standing import Standing

TICK_S = 0.2
# Whoever cannot be asked within this time says no: at an instant that the policy named, and at any other time.
LONGEST_DUE_RECHECK_S = 0.4
LONGEST_RECHECK_S = 10.0
# An identity that gives what is stale already is not asked at every tick.
SHORTEST_PAUSE_S = 0.5
HASHED_INLINE_BYTES = 32 * 1024
MOST_PENDING_BYTES = 2 * 1024 * 1024

ENDS_OF_TRANSFER = frozenset({"transfer.suspended", "transfer.completed", "transfer.terminated"})
# Told by wiring when the operator suspends a participant.
END_OF_SERVICE = "participant.suspended"
END_OF_AGREEMENT = "agreement.terminated"
CHANGE_OF_STANDING = "standing.changed"
# What may take a right away, told by identity when it learns something else of a peer than it knew, and by the owner's acts;
# without a peer it concerns everybody.
CHANGES = frozenset(
    {
        CHANGE_OF_STANDING,
        "asset.stored",
        "fact.declared",
        "fact.withdrawn",
        "group.stored",
        "group.withdrawn",
        "obligation.overdue",
        "obligation.recurred",
        "obligation.reopened",
    }
)

log = structlog.get_logger()


class Rights(Protocol):
    """Port: the right to a stream, asked again while it runs."""

    async def standing(self, participant_id: str, peer_id: str, now_ms: int) -> Standing:
        """What is verified of the peer now; may have to ask others for it."""

    async def recheck(
        self, participant_id: str, admission: Admission, consumer: Standing, now_ms: int
    ) -> int | Refusal | None:
        """The next instant at which to ask, None where time alone never ends the right, or the refusal."""


class RunningStreams:
    """All streams of this process. `listen` is subscribed to the store's events, `cut` may be called by anybody.

    Four things end a stream from outside: an event, the policy at the instant that it named beforehand, what is verified of
    the consumer when it is no longer what the policy asks for, and a reader that takes longer than `slowest_chunk_s` for one
    chunk. Besides, each stream asks every `recheck_every_s` whether its right still stands, in case an event of another
    process was lost.
    """

    def __init__(
        self,
        rights: Rights,
        clock_ms: Callable[[], int],
        threads: Executor,
        *,
        slowest_chunk_s: float = 60.0,
        recheck_every_s: float = 5.0,
    ) -> None:
        self._rights = rights
        self._clock_ms = clock_ms
        self._threads = threads
        self._slowest_chunk_s = slowest_chunk_s
        self._recheck_every_s = recheck_every_s
        self._streams: set[RunningStream] = set()
        self._rechecks: set[asyncio.Task[None]] = set()
        self._ticking: asyncio.TimerHandle | None = None

    @property
    def running_count(self) -> int:
        """How many streams are under way."""
        return len(self._streams)

    def listen(self, event: Event) -> None:
        """Stop what an event takes the right from; for `Store.subscribe`."""
        if event.name in ENDS_OF_TRANSFER:
            self.cut(event.participant_id, transfer_pid=event.process_id, reason=event.name)
        elif event.name == END_OF_AGREEMENT:
            self.cut(event.participant_id, agreement_id=event.process_id, reason=event.name)
        elif event.name == END_OF_SERVICE:
            self.cut(event.participant_id, reason=event.name)
        elif event.name in CHANGES:
            self.doubt(event.participant_id, event.peer_id)

    def doubt(self, participant_id: str, peer_id: str = "") -> None:
        """Ask at the next tick whether the streams to that peer (all peers without one) still have their right."""
        for stream in self._streams:
            admission = stream.admission
            concerns = admission is not None and peer_id in ("", admission.peer_id)
            if concerns and stream.participant_id == participant_id:
                stream.is_doubted = True

    def cut(
        self,
        participant_id: str,
        *,
        transfer_pid: str | None = None,
        agreement_id: str | None = None,
        reason: str,
    ) -> int:
        """Stop the streams of one transfer, of one agreement, or all of the participant; returns how many."""
        found = [
            stream
            for stream in self._streams
            if stream.participant_id == participant_id
            and (transfer_pid is None or stream.transfer_pid == transfer_pid)
            and (agreement_id is None or stream.agreement_id == agreement_id)
        ]
        for stream in found:
            stream.stop(reason)
        return len(found)

    @contextmanager
    def enter(self, participant_id: str, transfer_pid: str, agreement_id: str) -> Iterator["RunningStream"]:
        """A stream that is registered before its right is looked up: a right that ends in between is not missed."""
        stream = RunningStream(participant_id, transfer_pid, agreement_id, self._threads)
        self._streams.add(stream)
        self._tick_soon(asyncio.get_running_loop())
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            stream.stopped.cancel()

    def _tick_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._ticking is None:
            self._ticking = loop.call_later(TICK_S, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ticking = None
        now_s, now_ms = loop.time(), self._clock_ms()
        for stream in self._streams:
            admission = stream.admission
            if admission is None or stream.stopped.done():
                continue
            is_due = stream.is_due(now_ms)
            silent_s = now_s - stream.asked_s
            is_stale = (
                stream.is_doubted
                or silent_s > self._recheck_every_s
                or (silent_s > SHORTEST_PAUSE_S and stream.is_stale(now_ms))
            )
            longest_s = LONGEST_DUE_RECHECK_S if is_due else LONGEST_RECHECK_S
            if now_s - stream.progressed_s > self._slowest_chunk_s:
                stream.stop("the reader is too slow")
            elif stream.asking_s is not None:
                if now_s - stream.asking_s > longest_s:
                    stream.stop("the right could not be checked in time")
            elif is_due or is_stale:
                stream.asking_s = now_s
                # At an instant that the policy named only the clock has changed: nobody else is asked.
                recheck = loop.create_task(self._recheck(stream, admission, now_ms, is_stale and not is_due))
                self._rechecks.add(recheck)
                recheck.add_done_callback(self._rechecks.discard)
        if self._streams:
            self._tick_soon(loop)

    async def _recheck(
        self, stream: "RunningStream", admission: Admission, now_ms: int, asks_standing: bool
    ) -> None:
        owner = stream.participant_id
        consumer = admission.consumer if stream.consumer is None else stream.consumer
        try:
            if asks_standing:
                stream.is_doubted = False
                consumer = await self._rights.standing(owner, admission.peer_id, now_ms)
            answer = await self._rights.recheck(owner, admission, consumer, now_ms)
        except Exception:
            # Who is away cannot say yes, and without a yes nothing is sent on.
            stream.stop("the right cannot be checked")
            log.exception("the right of a running stream cannot be checked", transfer=stream.transfer_pid)
            return
        if isinstance(answer, Refusal):
            stream.stop(answer.code)
        else:
            stream.cut_at_ms, stream.consumer = answer, consumer
        stream.asked_s = asyncio.get_running_loop().time()
        stream.asking_s = None


class RunningStream:
    """One answer or upload under way."""

    def __init__(self, participant_id: str, transfer_pid: str, agreement_id: str, threads: Executor) -> None:
        self.participant_id = participant_id
        self.transfer_pid = transfer_pid
        self.agreement_id = agreement_id
        self.stopped: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.admission: Admission | None = None
        self.cut_at_ms: int | None = None
        self.consumer: Standing | None = None
        self.is_doubted = False
        self.progressed_s = 0.0
        self.asked_s = 0.0
        self.asking_s: float | None = None
        self.sent = NOTHING_SENT
        self._threads = threads

    def stop(self, reason: str) -> None:
        """End the stream now; the first reason stands."""
        if not self.stopped.done():
            self.stopped.set_result(reason)

    @property
    def why(self) -> str:
        """Why it was stopped; empty while it was not."""
        return self.stopped.result() if self.stopped.done() else ""

    def is_due(self, now_ms: int) -> bool:
        """Whether the policy must be asked again because time may have taken the right away."""
        return self.cut_at_ms is not None and now_ms >= self.cut_at_ms

    def is_stale(self, now_ms: int) -> bool:
        """Whether what was verified of the consumer must be verified again before it is relied on."""
        fresh_until_ms = None if self.consumer is None else self.consumer.fresh_until_ms
        return fresh_until_ms is not None and now_ms >= fresh_until_ms

    async def carry(
        self,
        admission: Admission,
        opened: Opened,
        write: Write,
        gone: "asyncio.Future[None] | None" = None,
    ) -> Sent:
        """Pass the chunks of `opened` to `write` until they end, the stream is stopped, or `gone` says that the reader left.

        `opened` opens the source with work that its thread may do. `write` hands one chunk to the transport, with its
        back-pressure, or raises `TransportGone`. The chunks are closed in any case. Only a cancellation from outside is
        raised; what left until then stands in `sent`.
        """
        if self.stopped.done():
            self.sent = msgspec.structs.replace(NOTHING_SENT, outcome=AccessOutcome.CUT, why=self.why)
            return self.sent
        self.admission, self.cut_at_ms = admission, admission.cut_at_ms
        self.consumer = admission.consumer
        self.progressed_s = self.asked_s = asyncio.get_running_loop().time()
        meter = _Meter(self._threads)
        pumping = asyncio.create_task(self._pump(opened(meter.catch_up), write, meter))
        try:
            await wait_for_either(pumping, self.stopped, *((gone,) if gone is not None else ()))
        finally:
            if not pumping.done():
                pumping.cancel()
                await asyncio.wait({pumping})
            await meter.settle()
            outcome, why = self._outcome(pumping)
            self.sent = Sent(sent_bytes=meter.sent_bytes, sha256=meter.sha256(), outcome=outcome, why=why)
        return self.sent

    async def _pump(self, chunks: Chunks, write: Write, meter: "_Meter") -> None:
        loop = asyncio.get_running_loop()
        async with aclosing(chunks):
            async for chunk in chunks:
                if meter.pending_bytes >= MOST_PENDING_BYTES:
                    await meter.settle()
                await write(chunk)
                # Nothing awaits between the transport and the count: a stop cannot come in between.
                meter.count(chunk)
                self.progressed_s = loop.time()
        await meter.settle()

    def _outcome(self, pumping: asyncio.Task[None]) -> tuple[AccessOutcome, str]:
        if pumping.cancelled():
            if self.stopped.done():
                return AccessOutcome.CUT, self.why
            return AccessOutcome.ABORTED, "the reader went away"
        error = pumping.exception()
        if error is None:
            return AccessOutcome.COMPLETE, ""
        if isinstance(error, TransportGone):
            return AccessOutcome.ABORTED, "the reader went away"
        if isinstance(error, SourceUnavailable):
            return AccessOutcome.FAILED, error.why
        log.error("a stream failed", transfer=self.transfer_pid, exc_info=error)
        return AccessOutcome.FAILED, "the source failed"


async def wait_for_either(*futures: "asyncio.Future[Any]") -> None:
    """Return when one of the futures is done; none is cancelled."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


class _Meter:
    """Counts and hashes what was handed over.

    Chunks are hashed a little later, in the thread that reads the next ones where the source has one: two jobs in one go to a
    thread cost less than two, and the transport never waits for a hash.
    """

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._sha256 = hashlib.sha256()
        self._pending: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._hashed_bytes = 0
        self.sent_bytes = 0

    @property
    def pending_bytes(self) -> int:
        """What was handed over and is not hashed yet."""
        return self.sent_bytes - self._hashed_bytes

    def count(self, chunk: bytes) -> None:
        self._pending.append(chunk)
        self.sent_bytes += len(chunk)

    def catch_up(self) -> None:
        """Hash what is pending; may be called from any thread, also from two."""
        with self._lock:
            while self._pending:
                chunk = self._pending.popleft()
                self._sha256.update(chunk)
                self._hashed_bytes += len(chunk)

    async def settle(self) -> None:
        """Hash what is pending; waits for a thread that is at it."""
        if self._lock.locked() or self.pending_bytes >= HASHED_INLINE_BYTES:
            catching_up = asyncio.get_running_loop().run_in_executor(self._threads, self.catch_up)
            await asyncio.shield(catching_up)
        else:
            self.catch_up()

    def sha256(self) -> str:
        return self._sha256.hexdigest()
