"""Removes the files of data received that must be gone, when they must be."""

import asyncio
from concurrent.futures import Executor

from ashiato.connector import vault
from ashiato.connector.node import Node
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.sources import ReceivedFiles
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.outbox.deliveries import Delivery


class Eraser:
    """The handler of ERASE deliveries. A repeated one finds the file gone and ends in the same place."""

    def __init__(self, node: Node, files: ReceivedFiles, threads: Executor) -> None:
        self._node = node
        self._files = files
        self._threads = threads

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Stop the reading, remove the file, write down that it is gone."""
        owner, received_id = delivery.participant_id, delivery.body.decode()
        tenant = self._node.tenants.by_id(owner)
        if tenant is None:
            return Outcome(verdict=Verdict.AGAIN, why="the participant is not served by this node")
        now_ms = self._node.moment().now_ms
        item = await self._node.store.run(owner, lambda uow: vault.begin_deletion(uow, received_id, now_ms))
        if item is None:
            return Outcome(verdict=Verdict.DONE)
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._threads, self._files.remove, owner, item.received.file_name
            )
        except OSError as error:
            return Outcome(verdict=Verdict.AGAIN, why=f"the file cannot be removed: {error.strerror}")
        company, moment = tenant.company, self._node.moment()

        def record(uow: UnitOfWork) -> None:
            vault.deleted(uow, company, received_id, moment)

        return Outcome(verdict=Verdict.DONE, record=record)
