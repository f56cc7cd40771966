"""Tells a company's own systems what happened: webhooks are fed from the history, in order, none left out.

An event after a commit only wakes; what is told stands in the history, and each webhook remembers how far it was told. So a
crash between the commit and the telling loses nothing, and nothing is told twice into the outbox.
"""

import asyncio

import structlog

from ashiato.connector.node import Node
from ashiato.connector.records import Event
from ashiato.connector.webhooks import STORED, tell_webhooks

log = structlog.get_logger()


class Teller:
    """Puts the events that a webhook wants into the outbox; the courier signs and delivers them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._wanted: set[str] = set()
        # Who has no webhook is remembered, so that the exchange of those many pays nothing for them.
        self._without: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Tell from now on, first what an earlier run left untold."""
        self._wanted = {tenant.participant_id for tenant in self._node.tenants.all()}
        self._wake.set()
        self._node.store.subscribe(self._hear)
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; the next start goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _hear(self, event: Event) -> None:
        if event.name == STORED:
            self._without.discard(event.participant_id)
        elif event.participant_id in self._without:
            return
        self._wanted.add(event.participant_id)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            wanted, self._wanted = self._wanted, set()
            for participant_id in wanted:
                await self._tell(participant_id)

    async def _tell(self, participant_id: str) -> None:
        try:
            hooks = await self._node.store.read(participant_id, lambda uow: uow.records.list_webhooks())
            if not hooks:
                # Who stored one since this was read is in `_wanted` again, and is looked at again.
                self._without.add(participant_id)
                return
            self._without.discard(participant_id)
            moment = self._node.moment()
            more = await self._node.store.run(participant_id, lambda uow: tell_webhooks(uow, moment))
        except Exception:
            # The store is away: the history keeps what is to be told, and the next event or start tells it.
            log.exception("webhooks were not told", participant=participant_id)
            return
        if more:
            self._wanted.add(participant_id)
            self._wake.set()
