"""Lets a call wait for something that happens to a process, without asking again and again."""

import asyncio
from collections import OrderedDict

from ashiato.connector.ports import Store
from ashiato.connector.records import Event

MOST_REMEMBERED_COUNT = 50_000

Key = tuple[str, str]


class Waiter:
    """Wakes who waits for a process. A caller first takes a mark, then reads the state, then waits beyond the mark:

    what happens between reading and waiting is not missed. Marks are forgotten after fifty thousand other processes, and
    then a wait only lasts until its time is over.
    """

    def __init__(self, store: Store) -> None:
        self._heard: OrderedDict[Key, int] = OrderedDict()
        self._waiting: dict[Key, set[asyncio.Future[None]]] = {}
        self._count = 0
        store.subscribe(self._hear)

    def mark(self, participant_id: str, process_id: str) -> int:
        """The number of the latest event of that process; 0 when none is remembered."""
        return self._heard.get((participant_id, process_id), 0)

    async def wait(self, participant_id: str, process_id: str, since: int, timeout_s: float) -> None:
        """Return when something happened to the process after the mark `since`, or when the time is over."""
        key = (participant_id, process_id)
        if self._heard.get(key, 0) > since:
            return
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
            if not waiting:
                self._waiting.pop(key, None)

    def _hear(self, event: Event) -> None:
        self._count += 1
        key = (event.participant_id, event.process_id)
        self._heard[key] = self._count
        self._heard.move_to_end(key)
        if len(self._heard) > MOST_REMEMBERED_COUNT:
            self._heard.popitem(last=False)
        for future in self._waiting.get(key, ()):
            if not future.done():
                future.set_result(None)
