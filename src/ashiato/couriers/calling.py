"""A company's own systems reach what a partner opened to them (a query, an inbox, a feed) through their connector.

The connector adds what they must not hold: the access token, its renewal, the proof of possession. Nothing is kept here;
both sides write down the access.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from ashiato.clients.egress import Egress, EgressRefused, EgressStream, Unreachable
from ashiato.connector import data_receipt
from ashiato.connector.data_access import AccessOutcome
from ashiato.connector.data_address import DataEndpoint, read_address
from ashiato.connector.data_receipt import Attempt
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import UnitOfWork
from ashiato.couriers.data_credentials import DataCredentials, Prover
from ashiato.couriers.partners import PartnerUnavailable
from ashiato.couriers.streaming import RunningStream, RunningStreams
from ashiato.dsp.transfer import TransferProcess

MOST_ANSWER_BYTES = 1 << 44
PASSED_ON = (
    "content-type",
    "content-length",
    "content-range",
    "accept-ranges",
    "etag",
    "last-modified",
    "repr-digest",
)


class DataAnswer:
    """What the partner answers; its body is still to come and lives inside the block that opened it."""

    def __init__(self, stream: EgressStream, running: RunningStream) -> None:
        self.status = stream.status
        self.headers = {name: stream.headers[name] for name in PASSED_ON if name in stream.headers}
        self.received_bytes = 0
        self._stream = stream
        self._running = running
        self._hash = hashlib.sha256()
        self.is_whole = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; raises `PartnerUnavailable` when it breaks off."""
        try:
            async for chunk in self._stream.chunks():
                if self._running.stopped.done():
                    raise PartnerUnavailable(f"The transfer ended: {self._running.why}.")
                self.received_bytes += len(chunk)
                self._hash.update(chunk)
                yield chunk
        except (Unreachable, EgressRefused) as error:
            raise PartnerUnavailable(f"The partner's answer broke off: {error}") from error
        self.is_whole = True

    @property
    def sha256(self) -> str:
        """Hexadecimal hash of what came."""
        return self._hash.hexdigest()


class DataCaller:
    """Calls the data endpoint of a started pull transfer of ours."""

    def __init__(self, node: Node, egress: Egress, streams: RunningStreams, prover: Prover | None) -> None:
        self._node = node
        self._egress = egress
        self._streams = streams
        self._prover = prover

    @asynccontextmanager
    async def call(
        self,
        tenant: Tenant,
        transfer_pid: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> AsyncIterator[DataAnswer]:
        """The partner's answer to `method` on `target`, the raw path behind the transfer's address and the query.

        Raises `NotFound`, `WrongState`, `NotPermitted` or `PartnerUnavailable`.

        The access is written down when the block ends, also when the caller leaves it early.
        """
        owner = tenant.participant_id
        moment = self._node.moment()
        transfer = await self._node.store.read(
            owner, lambda uow: data_receipt.callable_transfer(uow, transfer_pid, moment.now_ms)
        )
        endpoint = read_address(transfer.data_address, transfer.updated_ms)
        credentials = DataCredentials(
            self._node,
            self._egress,
            self._prover,
            owner,
            transfer.peer_id,
            _with_target(endpoint, target),
        )
        await credentials.refresh()
        with self._streams.enter(owner, transfer_pid, transfer.agreement_id) as running:
            async with self._answer(credentials, method, headers, body, may_renew=True) as stream:
                answer = DataAnswer(stream, running)
                try:
                    yield answer
                finally:
                    await self._note(tenant, transfer, method, answer, moment.now_ms)

    @asynccontextmanager
    async def _answer(
        self,
        credentials: DataCredentials,
        method: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        may_renew: bool,
    ) -> AsyncIterator[EgressStream]:
        sent = {**headers, **credentials.headers(method)}
        try:
            async with self._egress.stream(
                method,
                credentials.endpoint.url,
                headers=sent,
                body=body if method in ("POST", "PUT") else None,
                max_response_bytes=MOST_ANSWER_BYTES,
            ) as stream:
                if stream.status != 401 or not may_renew or not await credentials.renew():
                    yield stream
                    return
        except (Unreachable, EgressRefused) as error:
            raise PartnerUnavailable(f"The partner's data endpoint cannot be asked: {error}") from error
        # 401: nothing was done with the first request, so a repeated one with a fresh token does nothing twice.
        async with self._answer(credentials, method, headers, body, may_renew=False) as stream:
            yield stream

    async def _note(
        self, tenant: Tenant, transfer: TransferProcess, method: str, answer: DataAnswer, started_ms: int
    ) -> None:
        moment = self._node.moment()
        attempt = Attempt(
            access_id=moment.fresh_id(),
            method=method,
            range_start_bytes=0,
            received_bytes=answer.received_bytes,
            sha256=answer.sha256,
            outcome=AccessOutcome.COMPLETE if answer.is_whole else AccessOutcome.ABORTED,
            started_ms=started_ms,
        )

        def note(uow: UnitOfWork) -> None:
            data_receipt.note_attempt(uow, transfer, attempt, moment.now_ms)

        await self._node.store.run(tenant.participant_id, note)


def _with_target(endpoint: DataEndpoint, target: str) -> DataEndpoint:
    if not target:
        return endpoint
    separator = "" if target.startswith("?") else "/"
    return msgspec.structs.replace(endpoint, url=f"{endpoint.url}{separator}{target}")
