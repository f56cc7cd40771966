"""What the data plane says in HTTP: problem documents (RFC 9457), challenges, and the end of a connection that was cut."""

import asyncio
import base64

import msgspec
from starlette.types import Receive, Scope, Send

from ashiato.connector.data_access import Refusal, TransportGone
from ashiato.connector.ranges import ByteRange
from ashiato.connector.sources import SourceDescription

ABORT_EXTENSION = "ashiato.abort"
"""The scope's extension of a server that lends its connection.

`drop` ends it at once, unsent bytes included; `is_open` says whether it still stands.
"""
ABORT_WAIT_S = 1.0
RETRY_AFTER_S = 1

Headers = list[tuple[bytes, bytes]]

COMMON_HEADERS: Headers = [
    (b"cache-control", b"private, no-store"),
    (b"x-content-type-options", b"nosniff"),
]


class Refused(Exception):
    """The request is answered with a refusal; raised anywhere before the answer has begun."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Broken(Exception):
    """An answer that had begun cannot be finished: raised so that the server closes the connection."""


def refuse(status_code: int, code: str, reason: str) -> Refused:
    """A refusal ready to be raised."""
    return Refused(Refusal(status_code=status_code, code=code, reason=reason))


async def send_problem(send: Send, refusal: Refusal, *, closes: bool = False) -> None:
    """The problem document of a refusal. With `closes` the connection ends, for a body that nobody will read."""
    body = msgspec.json.encode(
        {
            "type": "about:blank",
            "title": refusal.code,
            "status": refusal.status_code,
            "code": refusal.code,
            "detail": refusal.reason,
        }
    )
    headers = [*COMMON_HEADERS, (b"content-type", b"application/problem+json")]
    headers.append((b"content-length", str(len(body)).encode()))
    if refusal.status_code == 401:
        challenge = 'Bearer error="invalid_token"' if refusal.code != "no-token" else "Bearer"
        headers.append((b"www-authenticate", challenge.encode()))
    if refusal.status_code == 503:
        headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    if refusal.allowed_methods:
        headers.append((b"allow", ", ".join(refusal.allowed_methods).encode()))
    if closes:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, value: object) -> None:
    """A small JSON document."""
    body = msgspec.json.encode(value)
    headers = [*COMMON_HEADERS, (b"content-type", b"application/json")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def described_headers(description: SourceDescription, part: ByteRange | None) -> Headers:
    """The headers of a representation or of one part of it; the length stands wherever it is known."""
    headers = [*COMMON_HEADERS, (b"content-type", description.media_type.encode("latin-1", "replace"))]
    size_bytes = description.size_bytes
    if description.ranges and size_bytes is not None:
        headers.append((b"accept-ranges", b"bytes"))
    if description.etag is not None:
        headers.append((b"etag", description.etag.encode("ascii")))
    if description.sha256 is not None:
        digest = base64.b64encode(bytes.fromhex(description.sha256)).decode()
        headers.append((b"repr-digest", f"sha-256=:{digest}:".encode()))
    if part is not None:
        headers.append(
            (b"content-range", f"bytes {part.start_bytes}-{part.end_bytes - 1}/{size_bytes}".encode())
        )
        size_bytes = part.size_bytes
    if size_bytes is not None:
        headers.append((b"content-length", str(size_bytes).encode()))
    return headers


def unsatisfiable(size_bytes: int) -> Headers:
    """The headers of a 416."""
    return [*COMMON_HEADERS, (b"content-range", f"bytes */{size_bytes}".encode()), (b"content-length", b"0")]


async def disconnected(receive: Receive) -> None:
    """Returns when the client has gone. The request's body must have been read or be unwanted."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def hand_over(scope: Scope, send: Send, chunk: bytes, gone: "asyncio.Future[None]") -> None:
    """Hand one chunk of the body to the transport; raises `TransportGone` when the server dropped it in silence.

    Servers say nothing when they drop what is sent after a disconnect. One that lends its connection is asked right after,
    before anything else can happen; of any other it is known one turn of the event loop later.
    """
    await send({"type": "http.response.body", "body": chunk, "more_body": True})
    extension = (scope.get("extensions") or {}).get(ABORT_EXTENSION)
    if extension is not None:
        if not extension["is_open"]():
            raise TransportGone
        return
    await asyncio.sleep(0)
    if gone.done():
        raise TransportGone


async def break_off(scope: Scope, gone: "asyncio.Future[None]", why: str) -> None:
    """End an answer that must not be finished, so that the client cannot take the part for the whole.

    Where the server lends a way to drop the connection, nothing that is still buffered reaches the client either; elsewhere
    raises `Broken`, for which every server closes the connection.
    """
    extension = (scope.get("extensions") or {}).get(ABORT_EXTENSION)
    if extension is not None:
        extension["drop"]()
        await asyncio.wait({gone}, timeout=ABORT_WAIT_S)
        if gone.done():
            return
    raise Broken(why)
