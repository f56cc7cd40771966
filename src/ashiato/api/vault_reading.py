"""Reads data received for whoever may: the one way from the vault to a face."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import msgspec
import structlog

from ashiato.connector import vault
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound, Problem
from ashiato.connector.ranges import ByteRange
from ashiato.connector.records import ReceivedData
from ashiato.connector.sources import ReceivedReader
from ashiato.connector.vault import Reader
from ashiato.connector.vault_records import VaultItem

CHUNK_BYTES = 512 * 1024
RECHECK_EVERY_MS = 1000

log = structlog.get_logger()


class Files(Protocol):
    """Port: the store of received files, as far as it is read."""

    def open(self, participant_id: str, file_name: str) -> ReceivedReader:
        """A finished file; raises `FileNotFoundError`."""


Gate = Callable[[UnitOfWork], None]
"""Raises a `Problem` when the reader itself may do nothing any more, whatever the data's policy says."""


Renew = Callable[[Reader], Awaitable[Reader]]
"""The reader as it is now: what is known of it may have ended since."""


async def _same(reader: Reader) -> Reader:
    return reader


def _open_gate(uow: UnitOfWork) -> None:
    """For a reader that stays one as long as its request lasts."""


class VaultReading:
    """Reads the vault of one participant. The `gate` is asked at the admission and while bytes go out, `renew` while they do."""

    def __init__(
        self, node: Node, files: Files, tenant: Tenant, gate: Gate = _open_gate, renew: Renew = _same
    ) -> None:
        self._node = node
        self._files = files
        self._tenant = tenant
        self._gate = gate
        self._renew = renew

    async def open(
        self, received: ReceivedData, reader: Reader, purpose: str, part: ByteRange | None
    ) -> "OpenedData":
        """Admit one read; the bytes are then taken from what comes back. Raises `NotFound` or `NotPermitted`.

        The file is opened first: a use is never counted for bytes that are not there.
        """
        owner, company, moment = self._tenant.participant_id, self._tenant.company, self._node.moment()
        received_id = received.received_id
        if self._tenant.location:
            facts = {**reader.facts, "location": frozenset((self._tenant.location,))}
            reader = msgspec.structs.replace(reader, facts=facts)
        # What the vault says of data that was deleted helps more than that its file is gone.
        await self._node.store.read(owner, lambda uow: vault.check_held(uow, received_id))
        try:
            file = await asyncio.to_thread(self._files.open, owner, received.file_name)
        except FileNotFoundError:
            raise NotFound(f"The bytes of {received_id!r} are not here any more.", id=received_id) from None

        def admit(uow: UnitOfWork) -> VaultItem:
            self._gate(uow)
            return vault.admit(uow, company, received_id, reader, purpose, part, moment)

        try:
            item = await self._node.store.run(owner, admit)
        except BaseException:
            file.close()
            raise
        return OpenedData(self._node, self._tenant, file, item, reader, purpose, self._gate, self._renew)


class OpenedData:
    """An admitted read."""

    def __init__(
        self,
        node: Node,
        tenant: Tenant,
        file: ReceivedReader,
        item: VaultItem,
        reader: Reader,
        purpose: str,
        gate: Gate,
        renew: Renew,
    ) -> None:
        self._node = node
        self._gate = gate
        self._renew = renew
        self._tenant = tenant
        self._file = file
        self._item = item
        self._reader = reader
        self._purpose = purpose
        self._checked_ms = node.moment().now_ms

    async def chunks(self, part: ByteRange) -> AsyncIterator[bytes]:
        """The bytes of `part`. When they went out to the end, the use is over; when the right ends before, they break off."""
        at_bytes, is_whole = part.start_bytes, False
        try:
            while at_bytes < part.end_bytes:
                await self._check()
                most_bytes = min(CHUNK_BYTES, part.end_bytes - at_bytes)
                chunk = await asyncio.to_thread(self._file.read, at_bytes, most_bytes)
                if not chunk:
                    log.error("received data is cut off on the disk", received=self._item.received_id)
                    raise ConnectionAbortedError("the data ends too early")
                at_bytes += len(chunk)
                yield chunk
            is_whole = part.end_bytes == self._item.received.size_bytes
        finally:
            self._file.close()
            await self._finish(is_whole=is_whole)

    async def _check(self) -> None:
        """Once a second: a right that ends in the middle of a long read ends the read."""
        moment = self._node.moment()
        if moment.now_ms - self._checked_ms < RECHECK_EVERY_MS:
            return
        self._checked_ms = moment.now_ms
        reader = self._reader = await self._renew(self._reader)
        received_id, purpose = self._item.received_id, self._purpose

        def recheck(uow: UnitOfWork) -> None:
            self._gate(uow)
            vault.recheck(uow, received_id, reader, purpose, moment)

        try:
            await self._node.store.read(self._tenant.participant_id, recheck)
        except Problem as problem:
            log.info("a read of the vault was cut", received=received_id, why=problem.sentence)
            raise ConnectionAbortedError(problem.sentence) from None

    async def _finish(self, *, is_whole: bool) -> None:
        use, moment = self._item.use, self._node.moment()
        if use is None or not is_whole:
            return
        await self._node.store.run(
            self._tenant.participant_id,
            lambda uow: vault.finish(
                uow, self._tenant.company, self._item.received_id, use.number, is_whole=True, moment=moment
            ),
        )
