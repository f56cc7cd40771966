"""The inbox over HTTP: a provider pushes the data of a started transfer here, and goes on where a broken push stopped.

HEAD tells how many bytes are here (`Upload-Offset`) and of which representation (`Ashiato-Entity-Tag`); PUT brings the whole,
or with `Content-Range` what lies behind those bytes. The answer to the last PUT names the hash of the whole.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Protocol, TypeVar
from urllib.parse import quote

import msgspec
import structlog
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ashiato.api import data_answers as answers
from ashiato.api.data import Endpoint
from ashiato.api.data_answers import Refused, refuse
from ashiato.api.data_tokens import Doorkeeper
from ashiato.connector import data_access, data_receipt
from ashiato.connector.data_access import AccessOutcome, Proof, Refusal
from ashiato.connector.data_receipt import Attempt, Incoming, Landed
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.ranges import content_range
from ashiato.connector.records import ReceivedData
from ashiato.connector.sources import ReceivedFiles, ReceivedPart
from ashiato.dsp.messages import DataAddress
from ashiato.stores.part_writing import PartWriter
from ashiato.trust.access_tokens import AccessGrant

TAG_HEADER = "ashiato-entity-tag"

T = TypeVar("T")
log = structlog.get_logger()

_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):")
_TAG = re.compile(r'"[\x21\x23-\x7e]{1,256}"')
_MEDIA_TYPE = re.compile(r"[\x20-\x7e]{1,256}")


class InboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what a provider may push; a sender that brings nothing for `idle_timeout_s` is let go."""

    most_pushed_bytes: int = 16 * 1024**3
    idle_timeout_s: float = 60.0


class Upload(Protocol):
    """Port: one push under way, stopped when its right ends."""

    @property
    def stopped(self) -> "asyncio.Future[str]": ...
    def stop(self, reason: str) -> None: ...


class Uploads(Protocol):
    """Port: the streams of this process."""

    def enter(
        self, participant_id: str, transfer_pid: str, agreement_id: str
    ) -> AbstractContextManager[Upload]: ...


class _Announced(msgspec.Struct, frozen=True):
    """What the headers of a PUT say: where the body begins, how long the whole is, which representation, its hash."""

    start_bytes: int
    whole_bytes: int | None
    etag: str | None
    sha256: str | None
    media_type: str


class InboxMeans(msgspec.Struct, frozen=True, kw_only=True):
    """What an inbox needs of the program around it."""

    node: Node
    doorkeeper: Doorkeeper
    files: ReceivedFiles
    uploads: Uploads
    threads: Executor
    settings: InboxSettings = InboxSettings()


class InboxApi:
    """The routes of the inbox for every participant of a node: `/{tenant}/inbox/{transfer_pid}`."""

    def __init__(self, means: InboxMeans) -> None:
        self._means = means
        self._node = means.node
        self._doorkeeper = means.doorkeeper
        # One push at a time writes a file. The newest wins: its provider has given the older one up.
        self._running: dict[tuple[str, str], tuple[Upload, asyncio.Event]] = {}

    def routes(self) -> list[BaseRoute]:
        """Routes for the protocol listener."""
        base = "/{tenant}/inbox/{transfer_pid}"
        return [
            Route(f"{base}/token", Endpoint(self._renew), methods=["POST"]),
            Route(base, Endpoint(self._serve)),
        ]

    async def _renew(self, scope: Scope, receive: Receive, send: Send, request: Request) -> None:
        own_pid = request.path_params["transfer_pid"]

        def renewal(uow: UnitOfWork, tenant: Tenant, caller_id: str, moment: Moment) -> DataAddress | Refusal:
            found = data_receipt.renewable_push(uow, caller_id, own_pid)
            if isinstance(found, Refusal):
                return found
            transfer, asset_id = found
            return tenant.company.data_door.push_address(
                own_pid, transfer.peer_id, transfer.agreement_id, asset_id, moment
            )

        await self._doorkeeper.renew(self._doorkeeper.tenant(request), request, send, renewal)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request: Request) -> None:
        tenant = self._doorkeeper.tenant(request)
        moment = self._node.moment()
        grant, proof = await self._doorkeeper.open(tenant, request, moment.now_ms)
        if request.method not in ("HEAD", "PUT"):
            raise Refused(
                Refusal(
                    status_code=405,
                    code="method-not-allowed",
                    reason="An inbox takes HEAD and PUT.",
                    allowed_methods=("HEAD", "PUT"),
                )
            )
        incoming = await self._incoming(tenant, grant, proof)
        own_pid = grant.transfer_pid
        if incoming.received is not None:
            # The answer to the last PUT was lost: the provider is told what it could not hear.
            await _send_received(send, incoming.received, 200)
            return
        with self._means.uploads.enter(tenant.participant_id, own_pid, grant.agreement_id) as upload:
            async with self._alone((tenant.participant_id, own_pid), upload):
                part = await self._in_thread(self._means.files.part, tenant.participant_id, own_pid)
                try:
                    if request.method == "HEAD":
                        await _send_offset(send, part.size_bytes, incoming.etag)
                        return
                    push = _Push(self._means, tenant, incoming, part, upload, receive, send)
                    await push.run(_announced(request, self._means.settings.most_pushed_bytes))
                finally:
                    await asyncio.shield(self._in_thread(part.close))

    @asynccontextmanager
    async def _alone(self, key: tuple[str, str], upload: Upload) -> AsyncIterator[None]:
        while (older := self._running.get(key)) is not None:
            older[0].stop("a newer push of the same transfer came")
            await older[1].wait()
        ended = asyncio.Event()
        self._running[key] = upload, ended
        try:
            yield
        finally:
            del self._running[key]
            ended.set()

    async def _incoming(self, tenant: Tenant, grant: AccessGrant, proof: Proof | None) -> Incoming:
        def work(uow: UnitOfWork) -> Incoming | Refusal:
            if (replayed := data_access.use_up(uow, proof)) is not None:
                return replayed
            return data_receipt.incoming(uow, grant)

        found = await self._node.store.run(tenant.participant_id, work)
        if isinstance(found, Refusal):
            raise Refused(found)
        return found

    def _in_thread(self, work: Callable[..., T], *arguments: object) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._means.threads, work, *arguments)


class _Push:
    """One PUT whose token holds."""

    def __init__(
        self,
        means: InboxMeans,
        tenant: Tenant,
        incoming: Incoming,
        part: ReceivedPart,
        upload: Upload,
        receive: Receive,
        send: Send,
    ) -> None:
        self._means = means
        self._node = means.node
        self._tenant = tenant
        self._incoming = incoming
        self._own_pid = incoming.transfer.own_pid
        self._part = part
        self._upload = upload
        self._receive = receive
        self._send = send

    async def run(self, announced: _Announced) -> None:
        """Take the body behind what is here, and write the receipt when the whole has come."""
        await self._place(announced)
        moment = self._node.moment()
        writer = PartWriter(self._part, self._means.threads)
        taking = asyncio.create_task(self._take_body(writer))
        try:
            await asyncio.wait({taking, self._upload.stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not taking.done():
                taking.cancel()
                await asyncio.wait({taking})
        why = self._upload.stopped.result() if taking.cancelled() else taking.result()
        if not why and announced.whole_bytes not in (None, self._part.size_bytes):
            why = f"{self._part.size_bytes} of {announced.whole_bytes} bytes came"
        attempt = Attempt(
            access_id=moment.fresh_id(),
            method="PUT",
            range_start_bytes=writer.start_bytes,
            received_bytes=writer.fed_bytes,
            sha256=await writer.sha256(),
            outcome=AccessOutcome.ABORTED if why else AccessOutcome.COMPLETE,
            started_ms=moment.now_ms,
        )
        if why:
            log.info("push broken off", transfer=self._own_pid, why=why)
            await self._note(attempt)
            if taking.cancelled():
                raise refuse(403, "push-stopped", "The right to this push has ended.")
            raise refuse(400, "push-incomplete", "The push broke off; ask with HEAD where to go on.")
        await self._land(announced, attempt)

    async def _place(self, announced: _Announced) -> None:
        """Make the part end where the body begins; raises `Refused` when that is impossible."""
        if announced.start_bytes:
            same = announced.etag is not None and announced.etag == self._incoming.etag
            if not same or announced.start_bytes != self._part.size_bytes:
                raise refuse(
                    409, "wrong-offset", "The push does not go on where this inbox stands; ask with HEAD."
                )
            return
        if self._part.size_bytes:
            await self._in_thread(self._part.restart)
        await self._node.store.run(
            self._tenant.participant_id,
            lambda uow: data_receipt.begin_push(uow, self._own_pid, announced.etag),
        )

    async def _take_body(self, writer: PartWriter) -> str:
        """Why the body broke off; empty when it came to its end."""
        settings = self._means.settings
        try:
            while True:
                async with asyncio.timeout(settings.idle_timeout_s):
                    message = await self._receive()
                if message["type"] == "http.disconnect":
                    return "the provider went away"
                await writer.feed(message.get("body", b""))
                if writer.start_bytes + writer.fed_bytes > settings.most_pushed_bytes:
                    raise _too_large(settings.most_pushed_bytes)
                if not message.get("more_body", False):
                    return ""
        except TimeoutError:
            return "the provider brought nothing for too long"
        finally:
            await writer.settle()

    async def _land(self, announced: _Announced, attempt: Attempt) -> None:
        sha256 = await self._in_thread(self._part.sha256)
        if announced.sha256 not in (None, sha256):
            await self._in_thread(self._part.restart)
            await self._note(msgspec.structs.replace(attempt, outcome=AccessOutcome.FAILED))
            raise refuse(422, "wrong-hash", "What came does not have the hash in Repr-Digest; push it again.")
        file_name = quote(self._own_pid, safe="")
        landed = Landed(
            file_name=file_name,
            media_type=announced.media_type,
            size_bytes=self._part.size_bytes,
            sha256=sha256,
        )
        await self._in_thread(self._part.finish, file_name)
        moment, participant_id = self._node.moment(), self._tenant.participant_id
        received = await self._node.store.run(
            participant_id,
            lambda uow: data_receipt.take(uow, self._tenant.company, self._own_pid, landed, attempt, moment),
        )
        if received is None:
            await self._in_thread(self._means.files.remove, participant_id, file_name)
            raise refuse(403, "push-stopped", "The right to this push has ended.")
        await _send_received(self._send, received, 201)

    def _in_thread(self, work: Callable[..., T], *arguments: object) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._means.threads, work, *arguments)

    async def _note(self, attempt: Attempt) -> None:
        now_ms = self._node.moment().now_ms
        await self._node.store.run(
            self._tenant.participant_id,
            lambda uow: data_receipt.note_attempt(uow, self._incoming.transfer, attempt, now_ms),
        )


def _announced(request: Request, most_bytes: int) -> _Announced:
    length = request.headers.get("content-length", "")
    body_bytes = int(length) if length.isascii() and length.isdigit() else None
    start_bytes, whole_bytes = 0, body_bytes
    if (header := request.headers.get("content-range")) is not None:
        found = content_range(header)
        if found is None or found.part is None or found.size_bytes is None:
            raise refuse(400, "bad-content-range", "Write Content-Range as: bytes first-last/size.")
        if found.part.end_bytes != found.size_bytes or body_bytes not in (None, found.part.size_bytes):
            raise refuse(400, "bad-content-range", "Push everything that lies behind the offset in one body.")
        start_bytes, whole_bytes = found.part.start_bytes, found.size_bytes
    if whole_bytes is not None and whole_bytes > most_bytes:
        raise _too_large(most_bytes)
    tag = request.headers.get(TAG_HEADER, "")
    digest = _DIGEST.search(request.headers.get("repr-digest", ""))
    media_type = request.headers.get("content-type", "")
    return _Announced(
        start_bytes=start_bytes,
        whole_bytes=whole_bytes,
        etag=tag if _TAG.fullmatch(tag) else None,
        sha256=base64.b64decode(digest[1]).hex() if digest else None,
        media_type=media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream",
    )


def _too_large(most_bytes: int) -> Refused:
    return refuse(413, "push-too-large", f"This inbox takes at most {most_bytes} bytes.")


async def _send_offset(send: Send, offset_bytes: int, etag: str | None) -> None:
    headers = [
        *answers.COMMON_HEADERS,
        (b"upload-offset", str(offset_bytes).encode()),
        (b"content-length", b"0"),
    ]
    if etag is not None:
        headers.append((TAG_HEADER.encode(), etag.encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _send_received(send: Send, received: ReceivedData, status_code: int) -> None:
    digest = base64.b64encode(bytes.fromhex(received.sha256)).decode()
    headers = [
        *answers.COMMON_HEADERS,
        (b"upload-offset", str(received.size_bytes).encode()),
        (b"upload-complete", b"?1"),
        (b"repr-digest", f"sha-256=:{digest}:".encode()),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": status_code, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
