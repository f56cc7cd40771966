"""Turns: one participant's flood of requests must not make the others wait.

All participants of a process share one event loop, so a request waits behind those that were let in before it. At most a few
requests of each participant are let in at a time; the rest wait in their own queue, outside, where they cost nobody else.

A turn is the right to compute. Whoever waits for the caller's next bytes or for a stranger's server gives it up meanwhile:
else a handful of slow callers would hold all turns of a participant and shut everybody else out.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_INSIDE_COUNT = 8
MOST_INSIDE_IN_COMPANY_COUNT = 2
COMPANY_S = 1.0
"""Who asked within this time counts as company: then each participant has fewer turns at a time."""
MOST_WAITING_COUNT = 1000
PATIENCE_S = 0.05
"""What is there within this time is waited for inside: most bodies are there already."""

BUSY = b'{"title":"Too many requests are waiting for this participant; try again later.","status":503}'


class _Turn:
    """The turn of one request."""

    def __init__(self, turns: "Turns", queue: str) -> None:
        self._turns = turns
        self._queue = queue
        self._is_inside = True
        self._is_over = False

    @asynccontextmanager
    async def outside(self) -> AsyncIterator[None]:
        """The turn may go to somebody else while the block lasts; behind it, this request has a turn again."""
        timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._step_out)
        try:
            yield
        finally:
            timer.cancel()
        if not self._is_inside and not self._is_over:
            await self._turns.wait(self._queue)
            self._is_inside = True
            if self._is_over:
                self._step_out()

    def end(self) -> None:
        """The request was answered."""
        self._is_over = True
        self._step_out()

    def _step_out(self) -> None:
        if self._is_inside:
            self._is_inside = False
            self._turns.leave(self._queue)


# Tasks that a request starts inherit it; behind the end of the request it means nothing.
_TURN: ContextVar[_Turn | None] = ContextVar("turn", default=None)


@asynccontextmanager
async def waiting_outside() -> AsyncIterator[None]:
    """For what takes long and computes nothing: a turn that this request has goes to others meanwhile."""
    turn = _TURN.get()
    if turn is None:
        yield
        return
    async with turn.outside():
        yield


class Turns:
    """ASGI middleware. `queue_of` names the participant of a request; None lets it in at once (streams, long waits)."""

    def __init__(
        self,
        app: ASGIApp,
        queue_of: Callable[[Scope], str | None],
        most_inside_count: int = MOST_INSIDE_COUNT,
    ) -> None:
        self._app = app
        self._queue_of = queue_of
        self._most_inside_count = most_inside_count
        self._inside: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._asked_s: OrderedDict[str, float] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in when it is its turn."""
        queue = self._queue_of(scope) if scope["type"] == "http" else None
        # Set in any case: a request that follows on the same connection inherits that of the one before.
        _TURN.set(None)
        if queue is None:
            await self._app(scope, receive, send)
            return
        if not await self._enter(queue):
            await _refuse(send)
            return
        turn = _Turn(self, queue)
        _TURN.set(turn)

        async def receive_outside() -> Message:
            async with turn.outside():
                return await receive()

        try:
            await self._app(scope, receive_outside, send)
        finally:
            turn.end()

    async def _enter(self, queue: str) -> bool:
        if len(self._waiting.get(queue, ())) >= MOST_WAITING_COUNT:
            return False
        await self.wait(queue)
        return True

    async def wait(self, queue: str) -> None:
        """Returns when it is this request's turn, which it must `leave`."""
        self._asked_s[queue] = asyncio.get_running_loop().time()
        self._asked_s.move_to_end(queue)
        inside_count = self._inside.get(queue, 0)
        if inside_count < self._limit_count():
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
        limit_count = self._limit_count()
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

    def _limit_count(self) -> int:
        """How many requests of one participant may be inside now."""
        horizon_s = asyncio.get_running_loop().time() - COMPANY_S
        while self._asked_s and next(iter(self._asked_s.values())) < horizon_s:
            self._asked_s.popitem(last=False)
        if len(self._asked_s) <= 1:
            return self._most_inside_count
        return min(self._most_inside_count, MOST_INSIDE_IN_COMPANY_COUNT)


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
