"""Turns: one participant's flood of work must not make the others wait.

All participants of a process share one event loop, so a piece of work waits behind those that were let in before it. At most a
few of each participant are let in at a time, counted over both listeners and the courier; the rest wait in their own queue,
outside, where they cost nobody else. Who does many times what the others do has one turn at a time while others are there.

A turn is the right to compute. Whoever waits for the caller's next bytes or for another server gives it up meanwhile: else a
handful of slow callers would hold all turns of a participant and shut everybody else out.
"""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_INSIDE_COUNT = 16
MOST_INSIDE_IN_COMPANY_COUNT = 4
COMPANY_S = 1.0
"""Who asked within this time counts as company: then each participant has fewer turns at a time."""
HEAVY_PER_S = 50
HEAVY_TIMES = 4
"""In company, who took more turns a second, and so many times what the others took on average, has one turn at a time."""
MOST_WAITING_COUNT = 1000
PATIENCE_S = 0.05
"""What is there within this time is waited for inside: most bodies are there already."""

BUSY = b'{"title":"Too many requests are waiting for this participant; try again later.","status":503}'


class Usage:
    """Turns a second by participant, each forgotten in time: what was taken a second ago weighs e times less."""

    def __init__(self) -> None:
        self._taken: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._all = (0.0, 0.0)

    def take(self, queue: str, now_s: float) -> None:
        """Count one turn."""
        self._taken[queue] = (self.of(queue, now_s) + 1, now_s)
        self._taken.move_to_end(queue)
        self._all = (_faded(self._all, now_s) + 1, now_s)

    def of(self, queue: str, now_s: float) -> float:
        """What one participant takes."""
        return _faded(self._taken.get(queue, (0.0, now_s)), now_s)

    def company_count(self, now_s: float) -> int:
        """How many took a turn within `COMPANY_S`."""
        while self._taken and next(iter(self._taken.values()))[1] < now_s - COMPANY_S:
            self._taken.popitem(last=False)
        return len(self._taken)

    def is_heavy(self, queue: str, now_s: float) -> bool:
        """Whether it takes many times what the others in company take on average."""
        own = self.of(queue, now_s)
        others_count = self.company_count(now_s) - 1
        if own <= HEAVY_PER_S or others_count < 1:
            return False
        return own > HEAVY_TIMES * max(0.0, _faded(self._all, now_s) - own) / others_count


def _faded(taken: tuple[float, float], now_s: float) -> float:
    value, at_s = taken
    return value * math.exp((at_s - now_s) / COMPANY_S)


class _Turn:
    """The turn of one piece of work, which may wait for several things at once."""

    def __init__(self, queues: "Queues", queue: str) -> None:
        self._queues = queues
        self._queue = queue
        self._waits_count = 0
        self._is_inside = True
        self._is_returning = False
        self._is_over = False

    @asynccontextmanager
    async def outside(self, patience_s: float) -> AsyncIterator[None]:
        """The turn may go to somebody else while the block lasts; behind the last such block, this work has a turn again."""
        timer: asyncio.TimerHandle | None = None
        if patience_s:
            timer = asyncio.get_running_loop().call_later(patience_s, self._step_out)
        else:
            self._step_out()
        self._waits_count += 1
        try:
            yield
        finally:
            self._waits_count -= 1
            if timer is not None:
                timer.cancel()
        await self._return()

    async def _return(self) -> None:
        if self._is_inside or self._is_over or self._is_returning or self._waits_count:
            return
        self._is_returning = True
        try:
            await self._queues.wait(self._queue)
        finally:
            self._is_returning = False
        self._is_inside = True
        if self._is_over:
            self._step_out()

    def end(self) -> None:
        """The work is done."""
        self._is_over = True
        self._step_out()

    def _step_out(self) -> None:
        if self._is_inside:
            self._is_inside = False
            self._queues.leave(self._queue)


# Tasks that a request starts inherit it; behind the end of the request it means nothing.
_TURN: ContextVar[_Turn | None] = ContextVar("turn", default=None)


@asynccontextmanager
async def waiting_outside() -> AsyncIterator[None]:
    """For what takes long and computes nothing: a turn that this work has goes to others meanwhile."""
    turn = _TURN.get()
    if turn is None:
        yield
        return
    async with turn.outside(0):
        yield


class Queues:
    """Who is inside and who waits, by participant."""

    def __init__(self, most_inside_count: int = MOST_INSIDE_COUNT) -> None:
        self._most_inside_count = most_inside_count
        self._inside: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._usage = Usage()

    @asynccontextmanager
    async def turn(self, queue: str) -> AsyncIterator[None]:
        """A turn for work of that participant which no request brought."""
        await self.wait(queue)
        turn = _Turn(self, queue)
        _TURN.set(turn)
        try:
            yield
        finally:
            turn.end()

    def is_full(self, queue: str) -> bool:
        """Whether too many wait already."""
        return len(self._waiting.get(queue, ())) >= MOST_WAITING_COUNT

    async def wait(self, queue: str) -> None:
        """Returns when it is this work's turn, which it must `leave`."""
        self._usage.take(queue, asyncio.get_running_loop().time())
        inside_count = self._inside.get(queue, 0)
        if inside_count < self._limit_count(queue):
            self._inside[queue] = inside_count + 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(queue, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The turn may have been given at the same moment; then it goes to the next.
            if turn.done() and not turn.cancelled():
                self.leave(queue)
            raise

    def leave(self, queue: str) -> None:
        """The turn goes to whoever waits longest, unless company has come that needs it more."""
        inside_count = self._inside[queue] - 1
        limit_count = self._limit_count(queue)
        waiting = self._waiting.get(queue)
        while waiting and inside_count < limit_count:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                inside_count += 1
        if not waiting:
            self._waiting.pop(queue, None)
        if inside_count:
            self._inside[queue] = inside_count
        else:
            del self._inside[queue]

    def _limit_count(self, queue: str) -> int:
        """How much of one participant's work may be inside now."""
        now_s = asyncio.get_running_loop().time()
        if self._usage.company_count(now_s) <= 1:
            return self._most_inside_count
        in_company_count = 1 if self._usage.is_heavy(queue, now_s) else MOST_INSIDE_IN_COMPANY_COUNT
        return min(self._most_inside_count, in_company_count)


class Turns:
    """ASGI middleware. `queue_of` names the participant of a request; None lets it in at once (streams, long waits)."""

    def __init__(self, app: ASGIApp, queue_of: Callable[[Scope], str | None], queues: Queues) -> None:
        self._app = app
        self._queue_of = queue_of
        self._queues = queues

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in when it is its turn."""
        queue = self._queue_of(scope) if scope["type"] == "http" else None
        # Set in any case: a request that follows on the same connection inherits that of the one before.
        _TURN.set(None)
        if queue is None:
            await self._app(scope, receive, send)
            return
        if self._queues.is_full(queue):
            await _refuse(send)
            return
        await self._queues.wait(queue)
        turn = _Turn(self._queues, queue)
        _TURN.set(turn)

        async def receive_outside() -> Message:
            async with turn.outside(PATIENCE_S):
                return await receive()

        try:
            await self._app(scope, receive_outside, send)
        finally:
            turn.end()


def participant_of_protocol(scope: Scope) -> str | None:
    """The first path segment; data streams take no turn, because they last and wait for their reader."""
    segments = scope["path"].split("/", 3)
    if len(segments) > 2 and segments[2] in ("data", "inbox"):
        return None
    # A request for the server itself (`OPTIONS *`) has no segment.
    return segments[1] if len(segments) > 1 else ""


def participant_of_management(scope: Scope) -> str | None:
    """The segment behind the version; calls that wait for news and transfers of content take no turn."""
    if b"wait_s" in scope["query_string"] or scope["path"].endswith(("/content", "/scan")):
        return None
    segments = scope["path"].split("/", 4)
    # Apps have one segment more before that of their company.
    at = 3 if segments[1:2] == ["app"] else 2
    return segments[at] if len(segments) > at else ""


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/problem+json"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": BUSY})
