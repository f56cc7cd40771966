"""Pushes the data of a started transfer to the address that the consumer named.

To an inbox that says it is resumable (ours do) a broken push goes on where it stopped: HEAD tells how much is there and of
which representation, PUT with `Content-Range` brings the rest. To any other address the whole is sent in one request.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor

import msgspec
import structlog

from ashiato.clients.egress import Egress, EgressRefused, EgressResponse, Unreachable
from ashiato.connector import data_access, transfers
from ashiato.connector.data_access import AccessOutcome, Admission, Refusal, Sent, Wanted
from ashiato.connector.data_address import read_address
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid
from ashiato.connector.ranges import ByteRange
from ashiato.connector.sources import (
    Aside,
    BadSource,
    Chunks,
    NotAlterable,
    Opened,
    Source,
    SourceDescription,
    SourceFactory,
    SourceUnavailable,
)
from ashiato.couriers.data_credentials import DataCredentials, Prover
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.couriers.streaming import RunningStream, RunningStreams, wait_for_either
from ashiato.dsp.states import Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.outbox.deliveries import Delivery
from ashiato.policy.transformations import Transformation
from ashiato.trust.standing import Standing

LONGEST_PUSH_S = 7 * 86_400.0
PAUSE_AFTER_BREAK_S = 0.2
MOST_TRIES_COUNT = 5
TAG_HEADER = "Ashiato-Entity-Tag"
# 409: the consumer has not heard of the start yet, or stands at another offset. 404 and 422 may mend themselves.
TRY_AGAIN = frozenset({408, 409, 425, 429})
TRY_A_FEW_TIMES = frozenset({404, 422})

log = structlog.get_logger()

_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):")


class PushMeans(msgspec.Struct, frozen=True, kw_only=True):
    """What pushing needs of the program around it."""

    node: Node
    egress: Egress
    sources: SourceFactory
    streams: RunningStreams
    threads: Executor
    prover: Prover | None = None


class PushGrant(msgspec.Struct, frozen=True):
    """This node's own order to push: the provider opens its data by itself, and only to the transfer's consumer."""

    consumer: str
    agreement_id: str
    transfer_pid: str
    asset_id: str


class _Answered(msgspec.Struct, frozen=True):
    """`response` is None when the wire broke or, with `is_refused`, must not be used for this; `sent` is what left."""

    response: EgressResponse | None
    sent: Sent
    why: str
    is_refused: bool = False


class Pusher:
    """The handler of PUSH deliveries."""

    def __init__(self, means: PushMeans) -> None:
        self._means = means

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Push until the consumer has the whole, or until it must be tried again or given up."""
        means = self._means
        tenant = means.node.tenants.by_id(delivery.participant_id)
        if tenant is None:
            return Outcome(verdict=Verdict.AGAIN, why="the participant is not served by this node")
        own_pid = delivery.body.decode()
        due = await means.node.store.read(delivery.participant_id, lambda uow: _due(uow, own_pid))
        if due is None:
            return Outcome(verdict=Verdict.DONE)
        transfer, asset_id = due
        grant = PushGrant(transfer.peer_id, transfer.agreement_id, own_pid, asset_id)
        with means.streams.enter(delivery.participant_id, own_pid, transfer.agreement_id) as stream:
            push = _Push(means, tenant, transfer, grant, stream, delivery.attempts_count)
            pushing = asyncio.create_task(push.run())
            try:
                await asyncio.wait({pushing})
                return pushing.result()
            finally:
                pushing.cancel()
                await asyncio.wait({pushing})


class _Push:
    """One delivery of a push: as many requests as it takes."""

    def __init__(
        self,
        means: PushMeans,
        tenant: Tenant,
        transfer: TransferProcess,
        grant: PushGrant,
        stream: RunningStream,
        tries_count: int,
    ) -> None:
        self._means = means
        self._node = means.node
        self._tenant = tenant
        self._participant_id = tenant.participant_id
        self._transfer = transfer
        self._grant = grant
        self._stream = stream
        self._tries_count = tries_count
        self._reached_bytes = -1
        self._credentials: DataCredentials
        self._consumer: Standing
        self._changes: tuple[Transformation, ...] = ()

    async def run(self) -> Outcome:
        try:
            endpoint = read_address(self._transfer.data_address, self._transfer.created_ms)
        except Invalid as error:
            return self._give_up(error.sentence)
        self._credentials = DataCredentials(
            self._node,
            self._means.egress,
            self._means.prover,
            self._participant_id,
            self._transfer.peer_id,
            endpoint,
        )
        while True:
            await self._credentials.refresh()
            outcome = await self._attempt()
            if outcome is not None:
                return outcome
            await asyncio.sleep(PAUSE_AFTER_BREAK_S)

    async def _attempt(self) -> Outcome | None:
        """The end of this delivery, or None to go on at once."""
        moment = self._node.moment()
        consumer = self._consumer = await self._node.identity.standing(
            self._participant_id, self._grant.consumer, moment.now_ms
        )
        found = await self._node.store.read(
            self._participant_id,
            lambda uow: data_access.look_up(uow, self._grant, consumer, "GET", moment.now_ms),
        )
        if isinstance(found, Refusal):
            return self._not_permitted(found)
        self._changes = found.changes
        try:
            source = self._means.sources.source(self._participant_id, found.asset, found.changes)
        except BadSource as error:
            return self._again(str(error))
        try:
            description = await self._described(source)
            offset_bytes = 0
            if self._is_resumable(description):
                offset = await self._offset(description)
                if not isinstance(offset, int):
                    return offset
                if offset <= self._reached_bytes:
                    return self._again("the push does not get any further")
                offset_bytes = self._reached_bytes = offset
            return await self._send(source, description, offset_bytes)
        except NotAlterable:
            return self._give_up(data_access.NOT_ALTERABLE.reason)
        except SourceUnavailable as error:
            return self._again(f"the source does not answer: {error.why}")
        except Unreachable as error:
            return self._again(str(error))
        except EgressRefused as error:
            return self._give_up(str(error))
        finally:
            await source.close()

    async def _described(self, source: Source) -> SourceDescription:
        """The description with a hash wherever there can be one: the consumer verifies the whole with it."""
        description = await source.describe()
        if description.sha256 is not None or not description.ranges or description.size_bytes is None:
            return description
        return msgspec.structs.replace(description, sha256=await source.digest())

    def _is_resumable(self, description: SourceDescription) -> bool:
        return self._credentials.endpoint.is_resumable and description.ranges and description.etag is not None

    async def _offset(self, description: SourceDescription) -> int | Outcome | None:
        """Where to go on: 0 when the inbox holds nothing of this representation."""
        answer = await self._means.egress.request(
            "HEAD", self._credentials.endpoint.url, headers=self._credentials.headers("HEAD")
        )
        if answer.status != 200:
            return await self._refused(answer)
        self._credentials.succeeded()
        if answer.headers.get("Upload-Complete") == "?1":
            return Outcome(verdict=Verdict.DONE, record=self._completing())
        offset = answer.headers.get("Upload-Offset", "")
        size_bytes = description.size_bytes or 0
        if not (offset.isascii() and offset.isdigit()) or answer.headers.get(TAG_HEADER) != description.etag:
            return 0
        # An inbox that has every byte but no receipt could not verify them: it gets them anew.
        return int(offset) if int(offset) < size_bytes else 0

    async def _send(
        self, source: Source, description: SourceDescription, offset_bytes: int
    ) -> Outcome | None:
        size_bytes = description.size_bytes
        is_part = self._is_resumable(description) and size_bytes is not None
        part = ByteRange(offset_bytes, size_bytes) if is_part and size_bytes is not None else None
        moment = self._node.moment()
        wanted = Wanted(
            method="GET",
            part=part,
            size_bytes=size_bytes,
            etag=description.etag,
            changes=self._changes,
        )
        admission = await self._node.store.run(
            self._participant_id,
            lambda uow: data_access.admit(uow, self._grant, self._consumer, wanted, moment),
        )
        if isinstance(admission, Refusal):
            return self._not_permitted(admission)
        headers = {
            **self._credentials.headers(self._credentials.endpoint.method),
            **_described(description, part),
        }

        def opened(aside: Aside) -> Chunks:
            return source.open(offset_bytes, size_bytes, aside)

        answered = await self._put(admission, opened, headers)
        return await self._judge(admission, answered, description)

    async def _put(self, admission: Admission, opened: Opened, headers: dict[str, str]) -> _Answered:
        """Send the body in step with the transport: a chunk counts when the client asks for the next one."""
        handed: asyncio.Queue[bytes | None] = asyncio.Queue(1)

        async def body() -> AsyncIterator[bytes]:
            while (chunk := await handed.get()) is not None:
                yield chunk
                handed.task_done()

        async def write(chunk: bytes) -> None:
            await handed.put(chunk)
            await handed.join()

        endpoint = self._credentials.endpoint
        asking = asyncio.create_task(
            self._means.egress.request(
                endpoint.method, endpoint.url, headers=headers, body=body(), timeout_s=LONGEST_PUSH_S
            )
        )
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asking.add_done_callback(lambda _: None if gone.done() else gone.set_result(None))
        try:
            sent = await self._stream.carry(admission, opened, write, gone)
            if sent.outcome is AccessOutcome.COMPLETE:
                await handed.put(None)
                await wait_for_either(asking, self._stream.stopped)
            if sent.outcome is AccessOutcome.ABORTED or asking.done():
                return _Answered(asking.result(), sent, sent.why)
            return _Answered(None, sent, sent.why or self._stream.why)
        except (Unreachable, EgressRefused) as error:
            broken = msgspec.structs.replace(self._stream.sent, outcome=AccessOutcome.ABORTED)
            return _Answered(None, broken, str(error), isinstance(error, EgressRefused))
        finally:
            # A request that is dropped in the middle leaves the inbox with a part, which it does not take for the whole.
            asking.cancel()
            await asyncio.wait({asking})

    async def _judge(
        self, admission: Admission, answered: _Answered, description: SourceDescription
    ) -> Outcome | None:
        response, sent = answered.response, answered.sent
        is_taken = response is not None and 200 <= response.status < 300
        if not is_taken and sent.outcome is AccessOutcome.COMPLETE:
            sent = msgspec.structs.replace(sent, outcome=AccessOutcome.ABORTED)
        now_ms = self._node.moment().now_ms
        await self._node.store.run(
            self._participant_id, lambda uow: data_access.finish(uow, admission, sent, now_ms)
        )
        if response is None:
            log.info("push broken off", transfer=self._grant.transfer_pid, why=answered.why)
            if sent.outcome is AccessOutcome.CUT:
                return Outcome(verdict=Verdict.DONE, why=answered.why)
            if answered.is_refused:
                return self._give_up(answered.why)
            goes_on = sent.outcome is AccessOutcome.ABORTED and self._is_resumable(description)
            return None if goes_on else self._again(answered.why)
        if not is_taken:
            return await self._refused(response)
        found = _DIGEST.search(response.headers.get("Repr-Digest", ""))
        if found and description.sha256 and base64.b64decode(found[1]).hex() != description.sha256:
            return self._give_up("the consumer says that it received something else than was sent")
        return Outcome(verdict=Verdict.DONE, record=self._completing())

    async def _refused(self, answer: EgressResponse) -> Outcome | None:
        why = f"the consumer answered {answer.status}"
        if answer.status == 401:
            return None if await self._credentials.renew() else self._again(why)
        if answer.status in TRY_AGAIN or answer.status >= 500:
            return self._again(why)
        if answer.status in TRY_A_FEW_TIMES and self._tries_count < MOST_TRIES_COUNT:
            return self._again(why)
        return self._give_up(why)

    def _completing(self) -> Callable[[UnitOfWork], None]:
        moment, own_pid = self._node.moment(), self._grant.transfer_pid

        def complete(uow: UnitOfWork) -> None:
            transfer = uow.transfers.get(own_pid)
            if transfer is not None and transfer.state is TransferState.STARTED:
                transfers.complete(uow, self._tenant.company, own_pid, moment)

        return complete

    def _not_permitted(self, refusal: Refusal) -> Outcome:
        if refusal.code.startswith("transfer-"):
            # A transfer that is started again brings a new delivery.
            return Outcome(verdict=Verdict.DONE, why=refusal.reason)
        return self._give_up(refusal.reason)

    def _give_up(self, reason: str) -> Outcome:
        return Outcome(verdict=Verdict.NEVER, why=reason, record=self._ending(reason))

    def _again(self, why: str) -> Outcome:
        # The record is run only when the outbox gives up after its last try.
        return Outcome(verdict=Verdict.AGAIN, why=why, record=self._ending(why))

    def _ending(self, reason: str) -> Callable[[UnitOfWork], None]:
        moment, own_pid = self._node.moment(), self._grant.transfer_pid

        def end(uow: UnitOfWork) -> None:
            if _due(uow, own_pid) is not None:
                why = f"The data could not be pushed: {reason}"
                transfers.terminate(uow, self._tenant.company, own_pid, why, moment)

        return end


def _due(uow: UnitOfWork, own_pid: str) -> tuple[TransferProcess, str] | None:
    """The started transfer that waits for a push, with its asset's id."""
    transfer = uow.transfers.get(own_pid)
    if transfer is None or transfer.role is not Role.PROVIDER or transfer.state is not TransferState.STARTED:
        return None
    agreement = uow.contracts.agreement(transfer.agreement_id)
    return None if agreement is None else (transfer, agreement.asset_id)


def _described(description: SourceDescription, part: ByteRange | None) -> dict[str, str]:
    headers = {"Content-Type": description.media_type}
    if description.etag is not None:
        headers[TAG_HEADER] = description.etag
    if description.sha256 is not None:
        digest = base64.b64encode(bytes.fromhex(description.sha256)).decode()
        headers["Repr-Digest"] = f"sha-256=:{digest}:"
    if part is not None and part.size_bytes:
        headers["Content-Range"] = f"bytes {part.start_bytes}-{part.end_bytes - 1}/{part.end_bytes}"
    return headers
