"""Turns: one participant's flood of requests must not make the others wait.

All participants of a process share one event loop, so a request waits behind those that were let in before it. At most a few
requests of each participant are let in at a time; the rest wait in their own queue, outside, where they cost nobody else.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

MOST_INSIDE_COUNT = 8
MOST_WAITING_COUNT = 1000

BUSY = b'{"title":"Too many requests are waiting for this participant; try again later.","status":503}'


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in when it is its turn."""
        queue = self._queue_of(scope) if scope["type"] == "http" else None
        if queue is None:
            await self._app(scope, receive, send)
            return
        if not await self._enter(queue):
            await _refuse(send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._leave(queue)

    async def _enter(self, queue: str) -> bool:
        inside_count = self._inside.get(queue, 0)
        if inside_count < self._most_inside_count:
            self._inside[queue] = inside_count + 1
            return True
        waiting = self._waiting.setdefault(queue, deque())
        if len(waiting) >= MOST_WAITING_COUNT:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The turn may have been given at the same moment; then it goes to the next.
            if turn.done() and not turn.cancelled():
                self._leave(queue)
            raise
        return True

    def _leave(self, queue: str) -> None:
        waiting = self._waiting.get(queue)
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._waiting.pop(queue, None)
        if self._inside[queue] == 1:
            del self._inside[queue]
        else:
            self._inside[queue] -= 1


def participant_of_protocol(scope: Scope) -> str | None:
    """The first path segment; data streams take no turn, because they last and wait for their reader."""
    segments = scope["path"].split("/", 3)
    return None if len(segments) > 2 and segments[2] in ("data", "inbox") else segments[1]


def participant_of_management(scope: Scope) -> str | None:
    """The segment behind the version; calls that wait for news and transfers of content take no turn."""
    if b"wait_s" in scope["query_string"] or scope["path"].endswith(("/content", "/scan")):
        return None
    segments = scope["path"].split("/", 3)
    return segments[2] if len(segments) > 2 else ""


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/problem+json"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": BUSY})
