"""The data plane over HTTP: what an access token opens is read, resumed or asked here, and every answer is accounted for.

The right is decided in `connector.data_access`; this file turns requests into questions to it and pipes bytes.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from ashiato.api import data_answers as answers
from ashiato.api.data_answers import Refused, refuse
from ashiato.api.data_tokens import Doorkeeper
from ashiato.connector import data_access
from ashiato.connector.data_access import AccessOutcome, Admission, Found, Proof, Refusal, Sent, Taken, Wanted
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Conflict, Moment, UnitOfWork
from ashiato.connector.ranges import ByteRange, Unsatisfiable, range_holds, requested_range
from ashiato.connector.sources import (
    Aside,
    BadSource,
    Chunks,
    Forwarded,
    ForwardRefused,
    NotAlterable,
    Opened,
    Source,
    SourceDescription,
    SourceFactory,
    SourceUnavailable,
    Write,
)
from ashiato.dsp.messages import DataAddress
from ashiato.policy.transformations import Transformation
from ashiato.stores.errors import StoreUnavailable
from ashiato.trust.access_tokens import AccessGrant
from ashiato.trust.standing import Standing

log = structlog.get_logger()

LONGEST_TARGET_BYTES = 4096
# What a proxy in between and the source behind it may read differently: none of these stays in a forwarded path.
_TRICKS = (b"%2f", b"%5c", b"%25", b"%00", b"%0a", b"%0d", b"%3b", b";", b"\\", b"//")
# Only these of a caller's headers reach a source: the rest is the connection's, the proxy's, or the caller's own secret.
_FORWARDED_HEADERS = frozenset(
    "accept accept-language content-type content-language if-match if-none-match if-modified-since if-unmodified-since "
    "prefer".split()
)
_READ_METHODS = ("GET", "HEAD")

Handler = Callable[[Scope, Receive, Send, Request], Awaitable[None]]


class DataSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the data plane."""

    most_forwarded_bytes: int = 8 * 1024 * 1024


class Stream(Protocol):
    """Port: one answer under way."""

    @property
    def sent(self) -> Sent: ...
    async def carry(
        self,
        admission: Admission,
        opened: Opened,
        write: Write,
        gone: "asyncio.Future[None] | None" = None,
    ) -> Sent: ...


class Streams(Protocol):
    """Port: the streams of this process, which are cut when their right ends."""

    def enter(
        self, participant_id: str, transfer_pid: str, agreement_id: str
    ) -> AbstractContextManager[Stream]: ...


class Endpoint:
    """An ASGI application that answers refusals as problem documents and never lets a cause leak out."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette calls this with the path parameters in the scope."""
        request = Request(scope, receive)
        answer = _Answer(send)
        try:
            await self._handler(scope, receive, answer.send, request)
        except Refused as error:
            log.info("data refused", path=scope["path"], code=error.refusal.code, why=error.refusal.reason)
            await answers.send_problem(send, error.refusal, closes=request.method not in _READ_METHODS)
        except NotAlterable as error:
            log.warning("data not alterable", path=scope["path"], why=error.why)
            await answers.send_problem(send, data_access.NOT_ALTERABLE)
        except (SourceUnavailable, BadSource) as error:
            log.warning("source unavailable", path=scope["path"], why=str(error))
            await answers.send_problem(send, SOURCE_DOWN)
        except (Conflict, StoreUnavailable) as error:
            log.warning("the store refused", path=scope["path"], why=str(error))
            if answer.has_begun:
                raise
            refusal = BUSY if isinstance(error, Conflict) else STORE_DOWN
            await answers.send_problem(send, refusal, closes=request.method not in _READ_METHODS)
        except ClientDisconnect:
            log.info("the client left before it had asked", path=scope["path"])


class _Answer:
    """Knows whether the answer has begun: then no other can take its place."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def send(self, message: Message) -> None:
        """Hand a message on to the server."""
        self.has_begun = True
        await self._send(message)


SOURCE_DOWN = Refusal(
    status_code=502,
    code="source-unavailable",
    reason="The provider's source does not answer; try again later.",
)


BUSY = Refusal(
    status_code=503,
    code="busy",
    reason="Others changed the same thing at the same moment; ask again.",
)
STORE_DOWN = Refusal(
    status_code=503,
    code="store-unavailable",
    reason="This connector cannot reach its store now; ask again.",
)


class DataApi:
    """The routes of the data plane for every participant of a node: `/{tenant}/data/{transfer_pid}` and below."""

    def __init__(
        self,
        node: Node,
        doorkeeper: Doorkeeper,
        sources: SourceFactory,
        streams: Streams,
        settings: DataSettings,
    ) -> None:
        self._node = node
        self._doorkeeper = doorkeeper
        self._sources = sources
        self._streams = streams
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        """Routes for the protocol listener. `POST …/token` renews a token and is therefore no path of an asset."""
        base = "/{tenant}/data/{transfer_pid}"
        return [
            Route(f"{base}/token", Endpoint(self._renew), methods=["POST"]),
            Route(base, Endpoint(self._serve)),
            Route(f"{base}/{{rest:path}}", Endpoint(self._serve)),
        ]

    async def _renew(self, scope: Scope, receive: Receive, send: Send, request: Request) -> None:
        transfer_pid = request.path_params["transfer_pid"]

        def renewal(uow: UnitOfWork, tenant: Tenant, caller_id: str, moment: Moment) -> DataAddress | Refusal:
            found = data_access.renewable(uow, caller_id, transfer_pid)
            if isinstance(found, Refusal):
                return found
            transfer, asset_id = found
            return tenant.company.data_door.pull_address(transfer, asset_id, moment)

        await self._doorkeeper.renew(self._doorkeeper.tenant(request), request, send, renewal)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request: Request) -> None:
        tenant = self._doorkeeper.tenant(request)
        moment = self._node.moment()
        grant, proof = await self._doorkeeper.open(tenant, request, moment.now_ms)
        try:
            await self._serve_opened(scope, receive, send, request, _Entry(tenant, grant, proof, moment))
        except Exception:
            # Whatever it was: what is refused now may be granted in the minute for which the proof could be played again.
            await self._doorkeeper.spend(tenant, proof)
            raise

    async def _serve_opened(
        self, scope: Scope, receive: Receive, send: Send, request: Request, entry: "_Entry"
    ) -> None:
        tenant, grant, proof, moment = entry.tenant, entry.grant, entry.proof, entry.moment
        path, query = forwarded_target(scope, request.path_params.get("rest", ""))
        forwarded: Forwarded | None = None
        if request.method not in _READ_METHODS or path or query:
            forwarded = Forwarded(
                method=request.method,
                path=path,
                query=query,
                headers=_forwarded_headers(request),
                body=await self._body(request),
                caller=grant.consumer,
            )
        with self._streams.enter(tenant.participant_id, grant.transfer_pid, grant.agreement_id) as stream:
            consumer = await self._node.identity.standing(
                tenant.participant_id, grant.consumer, moment.now_ms
            )
            found = await self._found(tenant, grant, consumer, request.method, moment.now_ms)
            if request.method == "HEAD" and forwarded is None:
                await self._doorkeeper.remember(tenant, proof)
            source = self._sources.source(tenant.participant_id, found.asset, found.changes)
            exchange = _Exchange(
                self._node,
                self._doorkeeper,
                tenant,
                grant,
                consumer,
                found.changes,
                proof,
                source,
                stream,
                scope,
                receive,
                send,
            )
            try:
                if forwarded is not None:
                    await exchange.forward(forwarded)
                elif request.method == "HEAD":
                    await exchange.describe(request.headers.get("want-repr-digest", ""))
                else:
                    await exchange.read(request.headers.get("range"), request.headers.get("if-range"))
            finally:
                await source.close()

    async def _found(
        self, tenant: Tenant, grant: AccessGrant, consumer: Standing, method: str, now_ms: int
    ) -> Found:
        found = await self._node.store.read(
            tenant.participant_id, lambda uow: data_access.look_up(uow, grant, consumer, method, now_ms)
        )
        if isinstance(found, Refusal):
            raise Refused(found)
        return found

    async def _body(self, request: Request) -> bytes:
        if request.method in _READ_METHODS:
            return b""
        most_bytes = self._settings.most_forwarded_bytes
        too_large = refuse(413, "body-too-large", f"A request to a dataset has at most {most_bytes} bytes.")
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > most_bytes:
            raise too_large
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > most_bytes:
                raise too_large
        return bytes(body)


class _Entry(msgspec.Struct, frozen=True):
    """What the tokens of a request opened, and when."""

    tenant: Tenant
    grant: AccessGrant
    proof: Proof | None
    moment: Moment


class _Exchange:
    """One request whose token holds: it is admitted, answered and written down."""

    def __init__(
        self,
        node: Node,
        doorkeeper: Doorkeeper,
        tenant: Tenant,
        grant: AccessGrant,
        consumer: Standing,
        changes: tuple[Transformation, ...],
        proof: Proof | None,
        source: Source,
        stream: Stream,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._node = node
        self._doorkeeper = doorkeeper
        self._tenant = tenant
        self._grant = grant
        self._consumer = consumer
        self._changes = changes
        self._proof = proof
        self._source = source
        self._stream = stream
        self._scope = scope
        self._receive = receive
        self._send = send

    async def describe(self, wanted_digest: str) -> None:
        """Answer HEAD: no use is counted, for nothing of the data leaves.

        With `Want-Repr-Digest: sha-256=…` (RFC 9530, section 4) the hash is read for it where it is not known: who resumed a
        broken download verifies the whole with it. It is read only for a use that was counted and asked for the whole: nobody
        makes a source read for nothing.
        """
        description = await self._source.describe()
        is_wanted = description.sha256 is None and "sha-256" in wanted_digest.lower()
        if is_wanted and await self._has_asked_for_all(description):
            description = msgspec.structs.replace(description, sha256=await self._source.digest())
        await self._start(200, answers.described_headers(description, None))
        await self._send({"type": "http.response.body", "body": b""})

    async def _has_asked_for_all(self, description: SourceDescription) -> bool:
        return await self._node.store.read(
            self._tenant.participant_id,
            lambda uow: data_access.has_asked_for_all(
                uow, self._grant, description.size_bytes, description.etag
            ),
        )

    async def read(self, range_header: str | None, if_range: str | None) -> None:
        """Answer GET with the whole or with one part."""
        description = await self._source.describe()
        part = _part(description, range_header, if_range)
        if isinstance(part, Unsatisfiable):
            await self._doorkeeper.remember(self._tenant, self._proof)
            await self._start(416, answers.unsatisfiable(description.size_bytes or 0))
            await self._send({"type": "http.response.body", "body": b""})
            return
        admission = await self._admit(
            Wanted(
                method="GET",
                part=part,
                size_bytes=description.size_bytes,
                etag=description.etag,
                changes=self._changes,
            )
        )
        start_bytes, end_bytes = (part.start_bytes, part.end_bytes) if part else (0, description.size_bytes)

        def opened(aside: Aside) -> Chunks:
            return self._source.open(start_bytes, end_bytes, aside)

        headers = answers.described_headers(description, part)
        expected_bytes = None if end_bytes is None else end_bytes - start_bytes
        is_whole = part is None
        await self._answer(
            admission,
            200 if is_whole else 206,
            headers,
            opened,
            expected_bytes=expected_bytes,
            is_whole=is_whole,
        )

    async def forward(self, forwarded: Forwarded) -> None:
        """Hand the request to the source and its answer back."""
        try:
            self._source.vet(forwarded)
        except ForwardRefused as error:
            raise refuse(400, "not-forwarded", error.reason) from None
        admission = await self._admit(Wanted(method=forwarded.method, changes=self._changes))
        taken = None
        if forwarded.body:
            taken = Taken(taken_bytes=len(forwarded.body), sha256=hashlib.sha256(forwarded.body).hexdigest())
        try:
            answer = await self._source.forward(forwarded)
        except SourceUnavailable as error:
            failed = Sent(
                sent_bytes=0, sha256=data_access.EMPTY_SHA256, outcome=AccessOutcome.FAILED, why=error.why
            )
            await self._write_down(admission, failed, None)
            raise
        headers = [
            *answers.COMMON_HEADERS,
            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers),
        ]
        await self._answer(admission, answer.status_code, headers, lambda _: answer.body, taken=taken)

    async def _admit(self, wanted: Wanted) -> Admission:
        moment = self._node.moment()
        admission = await self._node.store.run(
            self._tenant.participant_id,
            lambda uow: data_access.admit(uow, self._grant, self._consumer, wanted, moment, self._proof),
        )
        if isinstance(admission, Refusal):
            raise Refused(admission)
        return admission

    async def _answer(
        self,
        admission: Admission,
        status_code: int,
        headers: answers.Headers,
        opened: Opened,
        *,
        expected_bytes: int | None = None,
        is_whole: bool = False,
        taken: Taken | None = None,
    ) -> None:
        gone = asyncio.ensure_future(answers.disconnected(self._receive))
        sent = msgspec.structs.replace(data_access.NOTHING_SENT, outcome=AccessOutcome.ABORTED)

        async def write(chunk: bytes) -> None:
            await answers.hand_over(self._scope, self._send, chunk, gone)

        try:
            await self._start(status_code, headers)
            sent = await self._stream.carry(admission, opened, write, gone)
            sent = _judged(sent, expected_bytes)
            if sent.outcome is AccessOutcome.COMPLETE:
                if is_whole:
                    # At once: whoever has the last byte may ask for the hash of the whole.
                    self._source.learn(sent.sha256)
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            elif not gone.done():
                log.info("answer broken off", transfer=admission.transfer_pid, why=sent.why)
                await answers.break_off(self._scope, gone, sent.why)
        except asyncio.CancelledError:
            sent = self._stream.sent
            raise
        finally:
            gone.cancel()
            await self._write_down(admission, sent, taken)

    async def _start(self, status_code: int, headers: answers.Headers) -> None:
        await self._send({"type": "http.response.start", "status": status_code, "headers": headers})

    async def _write_down(self, admission: Admission, sent: Sent, taken: Taken | None) -> None:
        now_ms = self._node.moment().now_ms
        writing = asyncio.ensure_future(
            self._node.store.run(
                self._tenant.participant_id,
                lambda uow: data_access.finish(uow, admission, sent, now_ms, taken),
            )
        )
        # What left has left: the record is written also when the server is told to stop in this very moment.
        await asyncio.shield(writing)


def _judged(sent: Sent, expected_bytes: int | None) -> Sent:
    """The outcome in the light of the length that was promised in the head of the answer."""
    if expected_bytes is None:
        return sent
    has_all = sent.sent_bytes == expected_bytes
    if sent.outcome is AccessOutcome.COMPLETE and not has_all:
        return msgspec.structs.replace(sent, outcome=AccessOutcome.FAILED, why="the source gave too little")
    if sent.outcome in (AccessOutcome.CUT, AccessOutcome.ABORTED) and has_all:
        # The reader has the last byte and may leave or end the transfer before we have noticed that it was the last.
        return msgspec.structs.replace(sent, outcome=AccessOutcome.COMPLETE, why="")
    return sent


def _part(
    description: SourceDescription, range_header: str | None, if_range: str | None
) -> ByteRange | Unsatisfiable | None:
    if not description.ranges or description.size_bytes is None:
        return None
    if not range_holds(if_range, description.etag):
        return None
    return requested_range(range_header, description.size_bytes)


def forwarded_target(scope: Scope, rest: str) -> tuple[str, str]:
    """The caller's path behind the transfer, still percent-encoded, and its query; raises `Refused` for tricks.

    What two readers could take for different paths is refused, encoded or not: `.` and `..`, empty parts, `;`, backslashes,
    encoded slashes, encoded percent signs, control characters.
    """
    raw_path, query = bytes(scope["raw_path"]), bytes(scope["query_string"])
    if not rest and not query:
        return "", ""
    lowered = raw_path.lower()
    if len(raw_path) + len(query) > LONGEST_TARGET_BYTES or any(trick in lowered for trick in _TRICKS):
        raise refuse(400, "path-not-allowed", "The path holds characters that are not passed on.")
    if not all(0x21 <= byte <= 0x7E for byte in raw_path + query):
        raise refuse(400, "path-not-allowed", "Path and query hold only printable ASCII characters.")
    parts = rest.split("/") if rest else []
    if any(part in ("", ".", "..") or not part.isprintable() for part in parts):
        raise refuse(400, "path-not-allowed", "The path holds '.', '..' or an empty part.")
    # No encoded slash is left, so the raw path has exactly as many parts as the decoded one.
    raw_parts = raw_path.decode("ascii").split("/")[-len(parts) :] if parts else []
    return "/".join(raw_parts), query.decode("ascii")


def _forwarded_headers(request: Request) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in request.headers.items() if name in _FORWARDED_HEADERS)
