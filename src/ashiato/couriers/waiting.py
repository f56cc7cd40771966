"""Lets a call wait for something that happens to a process, without asking again and again."""

import asyncio

from ashiato.connector.ports import Store
from ashiato.connector.records import Event

Key = tuple[str, str | None]


class Waiter:
    """Wakes who waits for a process, or for any process of a participant."""

    def __init__(self, store: Store) -> None:
        self._waiting: dict[Key, set[asyncio.Future[None]]] = {}
        store.subscribe(self._hear)

    async def wait(self, participant_id: str, process_id: str | None, timeout_s: float) -> None:
        """Return after the next event of that process (None: of any of the participant), or after `timeout_s`.

        Listens from its first step on: who starts this and then reads the state misses nothing that happens in between.
        """
        key = (participant_id, process_id)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(key, set())
        waiting.add(future)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return
        finally:
            waiting.discard(future)
            if not waiting and self._waiting.get(key) is waiting:
                del self._waiting[key]

    def _hear(self, event: Event) -> None:
        for process_id in (event.process_id, None):
            for future in self._waiting.get((event.participant_id, process_id), ()):
                if not future.done():
                    future.set_result(None)
