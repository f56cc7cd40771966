"""Work that many wait for at the same time is done once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class SingleFlights:
    """One task for each key that is under way."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, ...], asyncio.Task[Any]] = {}

    async def once(self, key: tuple[str, ...], work: Callable[[], Awaitable[T]]) -> T:
        """The result of the work under way for `key`, or of this one; a waiter who leaves does not end it."""
        task: asyncio.Task[T] | None = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(_run(work), name=f"once {key}")
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    def _finished(self, key: tuple[str, ...], task: asyncio.Task[Any]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            # Looked at once, so that a failure whose waiters all left is not reported as forgotten.
            task.exception()


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
