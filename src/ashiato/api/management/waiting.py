"""Calls that wait for news: woken by what happens, not by a clock."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from starlette.requests import Request

from ashiato.api.management.ports import Waiter

T = TypeVar("T")


async def wait_until(
    look: Callable[[], Awaitable[T]],
    is_news: Callable[[T], bool],
    processes: Callable[[T], Iterable[str | None]],
    waiter: Waiter,
    participant_id: str,
    timeout_s: float,
) -> T:
    """What `look` sees as soon as it is news, at the latest after `timeout_s`. `processes` are those whose events count.

    Each round listens first and looks then, so that nothing that happens in between is missed.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    seen = await look()
    while not is_news(seen) and (left_s := deadline_s - loop.time()) > 0:
        listening = [
            asyncio.create_task(waiter.wait(participant_id, process_id, left_s))
            for process_id in processes(seen)
        ]
        try:
            await asyncio.sleep(0)
            seen = await look()
            if not is_news(seen):
                await asyncio.wait(listening, return_when=asyncio.FIRST_COMPLETED)
                seen = await look()
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
    return seen


async def while_connected(request: Request, waiting: Coroutine[Any, Any, T], otherwise: T) -> T:
    """What `waiting` brings; `otherwise` once the client is gone, so that nothing is kept for a reader who left."""
    bringing, leaving = asyncio.create_task(waiting), asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({bringing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return bringing.result() if bringing.done() else otherwise
    finally:
        bringing.cancel()
        leaving.cancel()
        await asyncio.gather(bringing, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
