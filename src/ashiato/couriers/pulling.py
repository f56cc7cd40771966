"""Pulls the data of a started transfer into the store of received files, through breaks, renewals and restarts.

A broken download goes on where it stopped: the bytes that are there stay, and the next request asks for the rest of the same
representation (`Range` with `If-Range`, RFC 9110). The receipt is written only when size and hash are right.
"""

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import TypeVar
from urllib.parse import quote

import msgspec
import structlog

from ashiato.clients.egress import Egress, EgressRefused, EgressStream, Unreachable
from ashiato.connector import data_receipt
from ashiato.connector.data_access import AccessOutcome
from ashiato.connector.data_address import read_address
from ashiato.connector.data_receipt import Attempt, Landed
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid
from ashiato.connector.ranges import content_range
from ashiato.connector.sources import ReceivedFiles, ReceivedPart
from ashiato.couriers.data_credentials import DataCredentials, Prover
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.couriers.streaming import RunningStreams, wait_for_either
from ashiato.dsp.transfer import TransferProcess
from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.outbox.deliveries import Delivery
from ashiato.stores.part_writing import PartWriter

PROGRESS_EVERY_S = 1.0
PAUSE_AFTER_BREAK_S = 0.2
LONGEST_DIGEST_S = 600.0
MOST_CORRUPT_COUNT = 3
MOST_NOT_FOUND_COUNT = 5
LONGEST_REASON_LENGTH_COUNT = 300

T = TypeVar("T")
log = structlog.get_logger()

_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):")
_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,256}"')


class PullSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what a provider may send."""

    most_received_bytes: int = 1 << 44


class _Whole(msgspec.Struct, frozen=True):
    """All bytes are there; `sha256` is what the provider said of the whole, where it did."""

    media_type: str
    sha256: str | None
    attempt: Attempt


class _Broke(msgspec.Struct, frozen=True):
    why: str
    received_bytes: int


class _Renew(msgspec.Struct, frozen=True):
    why: str


class _Ended(msgspec.Struct, frozen=True):
    """`outcome` ends this delivery or puts it off."""

    outcome: Outcome


_Step = _Whole | _Broke | _Renew | _Ended


class PullMeans(msgspec.Struct, frozen=True, kw_only=True):
    """What pulling needs of the program around it."""

    node: Node
    egress: Egress
    files: ReceivedFiles
    streams: RunningStreams
    threads: Executor
    prover: Prover | None = None
    settings: PullSettings = PullSettings()


class Puller:
    """The handler of PULL deliveries."""

    def __init__(self, means: PullMeans) -> None:
        self._means = means

    async def deliver(self, delivery: Delivery) -> Outcome:
        """Pull until the whole is received and its receipt written, or until it must be tried again or given up."""
        node = self._means.node
        tenant = node.tenants.by_id(delivery.participant_id)
        if tenant is None:
            return Outcome(verdict=Verdict.AGAIN, why="the participant is not served by this node")
        own_pid = delivery.body.decode()
        transfer = await node.store.read(
            delivery.participant_id, lambda uow: data_receipt.expected(uow, own_pid)
        )
        if transfer is None:
            await self._clear(delivery.participant_id, own_pid)
            return Outcome(verdict=Verdict.DONE)
        with self._means.streams.enter(delivery.participant_id, own_pid, transfer.agreement_id) as stream:
            pulling = asyncio.create_task(_Pull(self._means, tenant, transfer, delivery).run())
            try:
                # A transfer that is started again brings a new delivery; the bytes that are there wait for it.
                await wait_for_either(pulling, stream.stopped)
                outcome = (
                    pulling.result() if pulling.done() else Outcome(verdict=Verdict.DONE, why=stream.why)
                )
            finally:
                pulling.cancel()
                await asyncio.wait({pulling})
        if outcome.verdict is not Verdict.AGAIN:
            await self._clear(delivery.participant_id, own_pid, is_given_up=outcome.verdict is Verdict.NEVER)
        return outcome

    async def _clear(self, participant_id: str, own_pid: str, *, is_given_up: bool = False) -> None:
        """Delete what came in of a transfer that has ended: the right to it has ended too."""

        def is_over(uow: UnitOfWork) -> bool:
            found = uow.transfers.get(own_pid)
            return found is None or found.state.is_terminal

        if is_given_up or await self._means.node.store.read(participant_id, is_over):
            await asyncio.get_running_loop().run_in_executor(
                self._means.threads, self._means.files.remove_part, participant_id, own_pid
            )


class _Pull:
    """One delivery of a pull: as many requests as it takes."""

    def __init__(
        self, means: PullMeans, tenant: Tenant, transfer: TransferProcess, delivery: Delivery
    ) -> None:
        self._means = means
        self._node = means.node
        self._tenant = tenant
        self._participant_id = tenant.participant_id
        self._transfer = transfer
        self._tries_count = delivery.attempts_count
        self._credentials: DataCredentials
        self._etag: str | None = None
        self._told_s = 0.0

    async def run(self) -> Outcome:
        try:
            endpoint = read_address(self._transfer.data_address, self._transfer.updated_ms)
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
        part = await self._in_thread(self._means.files.part, self._participant_id, self._transfer.own_pid)
        try:
            self._etag = await self._known_etag()
            return await self._loop(part)
        except OSError as error:
            return self._again(f"the disk does not take the data: {error.strerror}")
        finally:
            await asyncio.shield(self._in_thread(part.close))

    async def _loop(self, part: ReceivedPart) -> Outcome:
        corrupt_count = 0
        while True:
            await self._credentials.refresh()
            match await self._request(part):
                case _Ended(outcome):
                    return outcome
                case _Renew(why):
                    if not await self._credentials.renew():
                        return self._again(why)
                case _Broke(why, received_bytes):
                    # What cannot be resumed begins anew each time: that is for the outbox with its growing pauses.
                    if received_bytes == 0 or self._etag is None:
                        return self._again(why)
                    await asyncio.sleep(PAUSE_AFTER_BREAK_S)
                case _Whole() as whole:
                    landed = await self._land(part, whole)
                    if landed is not None:
                        return landed
                    corrupt_count += 1
                    if corrupt_count == MOST_CORRUPT_COUNT:
                        return self._give_up("what came does not have the hash that the provider named")

    async def _request(self, part: ReceivedPart) -> _Step:
        headers = self._credentials.headers("GET")
        if self._etag is not None:
            headers |= {"Range": f"bytes={part.size_bytes}-", "If-Range": self._etag}
        elif part.size_bytes:
            await self._in_thread(part.restart)
        try:
            async with self._means.egress.stream(
                "GET",
                self._credentials.endpoint.url,
                headers=headers,
                max_response_bytes=self._means.settings.most_received_bytes,
            ) as answer:
                return await self._read(part, answer)
        except Unreachable as error:
            return _Broke(str(error), 0)
        except EgressRefused as error:
            return _Ended(self._give_up(str(error)))

    async def _read(self, part: ReceivedPart, answer: EgressStream) -> _Step:
        if answer.status == 200:
            if part.size_bytes:
                await self._in_thread(part.restart)
            whole_bytes = _length_bytes(answer.headers.get("Content-Length"))
        elif answer.status == 206:
            found = content_range(answer.headers.get("Content-Range", ""))
            same = _etag(answer.headers) == self._etag
            if found is None or found.part is None or found.part.start_bytes != part.size_bytes or not same:
                await self._remember(None)
                return _Broke("the provider sent another part than was asked for", 0)
            whole_bytes = found.size_bytes
        elif answer.status == 416:
            return await self._beyond(part, answer)
        else:
            return await self._refused(answer)
        self._credentials.succeeded()
        await self._remember(_etag(answer.headers))
        attempt, why = await self._receive(part, answer)
        if why is None and whole_bytes is not None and part.size_bytes != whole_bytes:
            why = f"{part.size_bytes} of {whole_bytes} bytes came"
        if why is None:
            media_type = answer.headers.get("Content-Type", "application/octet-stream")
            return _Whole(media_type, _digest(answer.headers), attempt)
        broken = msgspec.structs.replace(attempt, outcome=AccessOutcome.ABORTED)
        await self._note(broken)
        return _Broke(why, attempt.received_bytes)

    async def _receive(self, part: ReceivedPart, answer: EgressStream) -> tuple[Attempt, str | None]:
        """The attempt, and why it broke off (None = the answer ended in peace)."""
        moment = self._node.moment()
        writer = PartWriter(part, self._means.threads)
        why: str | None = None
        try:
            async for chunk in answer.chunks():
                if await writer.feed(chunk):
                    await self._tell_progress(writer.start_bytes + writer.fed_bytes)
        except Unreachable as error:
            why = str(error)
        finally:
            await writer.settle()
        attempt = Attempt(
            access_id=moment.fresh_id(),
            method="GET",
            range_start_bytes=writer.start_bytes,
            received_bytes=writer.fed_bytes,
            sha256=await writer.sha256(),
            outcome=AccessOutcome.COMPLETE,
            started_ms=moment.now_ms,
        )
        return attempt, why

    async def _beyond(self, part: ReceivedPart, answer: EgressStream) -> _Step:
        """The provider has nothing behind what is here: either all of it came before, or it is another representation."""
        found = content_range(answer.headers.get("Content-Range", ""))
        if found is None or found.size_bytes != part.size_bytes:
            await self._remember(None)
            return _Broke("what is here is no part of what the provider has now", 0)
        moment = self._node.moment()
        attempt = Attempt(
            access_id=moment.fresh_id(),
            method="GET",
            range_start_bytes=part.size_bytes,
            received_bytes=0,
            sha256=hashlib.sha256().hexdigest(),
            outcome=AccessOutcome.COMPLETE,
            started_ms=moment.now_ms,
        )
        return _Whole(answer.headers.get("Content-Type", "application/octet-stream"), None, attempt)

    async def _refused(self, answer: EgressStream) -> _Step:
        code, reason = await _problem(answer)
        why = f"{answer.status} {code} {reason}".strip()
        if answer.status == 401:
            return _Renew(why)
        if code == "transfer-suspended":
            return _Ended(Outcome(verdict=Verdict.DONE, why=why))
        is_early = answer.status == 404 and self._tries_count < MOST_NOT_FOUND_COUNT
        if is_early or answer.status in (408, 409, 425, 429) or answer.status >= 500:
            return _Ended(self._again(why))
        return _Ended(self._give_up(reason or why))

    async def _land(self, part: ReceivedPart, whole: _Whole) -> Outcome | None:
        """Verify and write the receipt; None when the bytes are not what the provider said, and must come again."""
        sha256 = await self._in_thread(part.sha256)
        declared = whole.sha256 or await self._declared_hash()
        if declared is not None and declared != sha256:
            log.warning(
                "received data is corrupt", transfer=self._transfer.own_pid, declared=declared, sha256=sha256
            )
            await self._in_thread(part.restart)
            return None
        file_name = quote(self._transfer.own_pid, safe="")
        landed = Landed(
            file_name=file_name, media_type=whole.media_type, size_bytes=part.size_bytes, sha256=sha256
        )
        await self._in_thread(part.finish, file_name)
        moment = self._node.moment()
        received = await self._node.store.run(
            self._participant_id,
            lambda uow: data_receipt.take(
                uow, self._tenant.company, self._transfer.own_pid, landed, whole.attempt, moment
            ),
        )
        if received is None:
            await self._in_thread(self._means.files.remove, self._participant_id, file_name)
        return Outcome(verdict=Verdict.DONE)

    async def _declared_hash(self) -> str | None:
        """The hash of the whole, which a provider may know only when it is asked for it (RFC 9530)."""
        if self._etag is None:
            return None
        headers = {**self._credentials.headers("HEAD"), "Want-Repr-Digest": "sha-256=10"}
        try:
            answer = await self._means.egress.request(
                "HEAD", self._credentials.endpoint.url, headers=headers, timeout_s=LONGEST_DIGEST_S
            )
        except (Unreachable, EgressRefused):
            return None
        same = answer.status == 200 and _etag(answer.headers) == self._etag
        return _digest(answer.headers) if same else None

    def _give_up(self, reason: str) -> Outcome:
        return Outcome(verdict=Verdict.NEVER, why=reason, record=self._ending(reason))

    def _again(self, why: str) -> Outcome:
        # The record is run only when the outbox gives up after its last try.
        return Outcome(verdict=Verdict.AGAIN, why=why, record=self._ending(why))

    def _ending(self, reason: str) -> Callable[[UnitOfWork], None]:
        moment, own_pid = self._node.moment(), self._transfer.own_pid
        return lambda uow: data_receipt.give_up(
            uow, self._tenant.company, own_pid, f"The data could not be fetched: {reason}", moment
        )

    async def _known_etag(self) -> str | None:
        context = await self._node.store.read(
            self._participant_id, lambda uow: uow.transfers.context(self._transfer.own_pid)
        )
        etag = context.get("pull_etag")
        return etag if isinstance(etag, str) else None

    async def _remember(self, etag: str | None) -> None:
        """Keep the entity tag across restarts: without it the bytes that are here could not be continued."""
        if etag == self._etag:
            return
        self._etag = etag
        own_pid = self._transfer.own_pid

        def work(uow: UnitOfWork) -> None:
            uow.transfers.put_context(own_pid, {**uow.transfers.context(own_pid), "pull_etag": etag})

        await self._node.store.run(self._participant_id, work)

    async def _note(self, attempt: Attempt) -> None:
        now_ms = self._node.moment().now_ms
        await self._node.store.run(
            self._participant_id, lambda uow: data_receipt.note_attempt(uow, self._transfer, attempt, now_ms)
        )

    async def _tell_progress(self, received_bytes: int) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._told_s < PROGRESS_EVERY_S:
            return
        self._told_s = now_s
        now_ms = self._node.moment().now_ms
        await self._node.store.run(
            self._participant_id,
            lambda uow: data_receipt.note_progress(uow, self._transfer.own_pid, received_bytes, now_ms),
        )

    def _in_thread(self, work: Callable[..., T], *arguments: object) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._means.threads, work, *arguments)


def _length_bytes(header: str | None) -> int | None:
    return int(header) if header is not None and header.isascii() and header.isdigit() else None


def _etag(headers: Mapping[str, str]) -> str | None:
    etag = headers.get("ETag", "")
    return etag if _ETAG.fullmatch(etag) else None


def _digest(headers: Mapping[str, str]) -> str | None:
    found = _DIGEST.search(headers.get("Repr-Digest", ""))
    if found is None:
        return None
    try:
        return base64.b64decode(found[1], validate=True).hex()
    except binascii.Error:
        return None


async def _problem(answer: EgressStream) -> tuple[str, str]:
    """Code and sentence of a problem document, for our own log and for the person who waits."""
    body = bytearray()
    try:
        async for chunk in answer.chunks():
            body += chunk
            if len(body) > 65_536:
                return "", ""
        document = parse_strict(bytes(body))
    except (Unreachable, EgressRefused, MalformedJson):
        return "", ""
    if not isinstance(document, Mapping):
        return "", ""
    code, detail = document.get("code"), document.get("detail")
    return (
        code[:64] if isinstance(code, str) and code.isprintable() else "",
        detail[:LONGEST_REASON_LENGTH_COUNT] if isinstance(detail, str) and detail.isprintable() else "",
    )
