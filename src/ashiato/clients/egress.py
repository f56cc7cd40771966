"""The only way out of the program: every outbound request passes these checks, whoever chose its address."""

import asyncio
import re
import time
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from ssl import SSLContext
from typing import TYPE_CHECKING, Self

from ashiato.clients.addresses import refusal_of
from ashiato.clients.egress_errors import (
    EgressError,
    EgressRefused,
    RedirectRefused,
    ResponseTooLarge,
    Unreachable,
)
from ashiato.clients.urls import ParsedUrl, parse_url

if TYPE_CHECKING:
    import aiohttp

    from ashiato.clients.http_session import CheckedResolver, Resolve

__all__ = [
    "Egress",
    "EgressError",
    "EgressRefused",
    "EgressResponse",
    "EgressRules",
    "EgressStream",
    "RedirectRefused",
    "ResponseTooLarge",
    "Unreachable",
    "check_url",
]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")
# The connection's own business: a caller that could set these could make two requests out of one.
_OWN_HEADERS = frozenset(
    {"host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
    | {"proxy-authorization", "proxy-connection", "content-length"}
)
_NOT_MODIFIED = 304
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class EgressRules:
    """Where requests may go and how long they may take; the defaults are for a node on the public network.

    `unsafe_allow_loopback` admits plain http and loopback addresses; `own_ports`, this node's management
    ports, stay refused even then. `allowed_ports` of `None` means every port. A stream must bring
    `min_bytes_per_s` on average after `grace_s`, and some byte each `idle_timeout_s`. `own_networks` admits
    networks of the company's own, plain http too: only for a way out whose addresses the company itself writes.
    """

    unsafe_allow_loopback: bool = False
    allowed_ports: frozenset[int] | None = None
    own_ports: frozenset[int] = frozenset()
    connect_timeout_s: float = 5.0
    total_timeout_s: float = 30.0
    idle_timeout_s: float = 30.0
    grace_s: float = 20.0
    min_bytes_per_s: int = 1024
    connections_per_host: int = 64
    connections: int = 1024
    # Shorter than the 5 s after which common servers hang up: a POST on a dying connection is lost.
    keep_alive_s: float = 4.0
    dns_cache_s: int = 10
    read_buffer_bytes: int = 262_144
    own_networks: tuple[str, ...] = ()

    def refusal_of(self, address: str) -> str | None:
        """Why that IP address may not be spoken to, None when it may."""
        return refusal_of(address, allow_loopback=self.unsafe_allow_loopback, own_networks=self.own_networks)


@dataclass(frozen=True, slots=True)
class EgressResponse:
    """A whole answer; `headers` can be asked in any case, `body` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_url(url: str, rules: EgressRules) -> ParsedUrl:
    """The parts of `url`, if its text alone permits a request: fit for an address that was just received.

    Raises `EgressRefused`. Where a name leads is checked by `Egress.vet` and again at each connection.
    """
    parsed = parse_url(url)
    if parsed.scheme != "https" and not (rules.unsafe_allow_loopback or rules.own_networks):
        raise EgressRefused(url, "only https is allowed")
    if rules.allowed_ports is not None and parsed.port not in rules.allowed_ports:
        raise EgressRefused(url, f"the port {parsed.port} is not among the allowed ports")
    if parsed.is_address:
        refusal = rules.refusal_of(parsed.host)
        if refusal is not None:
            raise EgressRefused(url, refusal)
    if rules.unsafe_allow_loopback and parsed.port in rules.own_ports:
        raise EgressRefused(url, f"the port {parsed.port} belongs to this node's own management")
    return parsed


class EgressStream:
    """An answer whose body is still under way; lives only inside `async with Egress.stream(...)`."""

    def __init__(
        self, url: str, response: "aiohttp.ClientResponse", rules: EgressRules, limit_bytes: int
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._url = url
        self._response = response
        self._rules = rules
        self._limit_bytes = limit_bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes as they come, undecoded; raises `Unreachable` or `ResponseTooLarge`.

        A body that ends early raises `Unreachable`: when this ends in peace, the body is whole.
        """
        from ashiato.clients.http_session import WIRE_ERRORS, own_error

        content = self._response.content
        received_bytes, waited_s = 0, 0.0
        while True:
            started_s = time.monotonic()
            try:
                chunk = await content.readany()
            except WIRE_ERRORS as error:
                raise own_error(self._url, error) from error
            if not chunk:
                return
            waited_s += time.monotonic() - started_s
            received_bytes += len(chunk)
            if received_bytes > self._limit_bytes:
                raise ResponseTooLarge(self._url, self._limit_bytes)
            if waited_s > self._rules.grace_s and received_bytes < waited_s * self._rules.min_bytes_per_s:
                raise Unreachable(self._url, f"fewer than {self._rules.min_bytes_per_s} bytes a second came")
            yield chunk


class _Upload:
    """Passes a caller's body on, watches that it is taken, and keeps the caller's own error apart."""

    def __init__(self, source: AsyncIterable[bytes], idle_timeout_s: float) -> None:
        self._source = source
        self._idle_timeout_s = idle_timeout_s
        self.error: Exception | None = None
        self.watch: asyncio.Timeout | None = None
        """Runs out when a piece is not taken in time; the time that the source needs does not count."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._source:
                self._allow(self._idle_timeout_s)
                yield chunk
                self._allow(None)
        except Exception as error:  # whatever the source raises is the caller's, who gets it back
            self.error = error
            raise

    def _allow(self, duration_s: float | None) -> None:
        if self.watch is not None and not self.watch.expired():
            now_s = asyncio.get_running_loop().time()
            self.watch.reschedule(None if duration_s is None else now_s + duration_s)


class Egress:
    """Outbound HTTP with the checks of `EgressRules`; use it as an async context manager, or `close` it.

    https only; the host is resolved once for a connection, every address is checked and exactly a checked
    address is connected to; no redirects, cookies, proxies or environment; sizes and times are bounded.
    """

    def __init__(
        self,
        rules: EgressRules,
        *,
        resolve: "Resolve | None" = None,
        tls: SSLContext | None = None,
        outside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        """Whole requests are made `outside`: there the caller's turn to compute goes to others."""
        self.rules = rules
        self._outside = outside
        self._resolve = resolve
        self._tls = tls
        self._resolver: CheckedResolver | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections; a later request opens them anew."""
        session, resolver = self._session, self._resolver
        self._session = self._resolver = None
        if session is not None:
            await session.close()
        if resolver is not None:
            await resolver.close()

    def check_url(self, url: str) -> None:
        """Raises `EgressRefused` when the text of `url` alone forbids a request; see `check_url`."""
        check_url(url, self.rules)

    async def vet(self, url: str) -> None:
        """Checks `url` as a request would, name resolution included, without connecting.

        Raises `EgressRefused` or `Unreachable`.
        """
        from ashiato.clients.http_session import AddressRefused

        parsed = check_url(url, self.rules)
        if parsed.is_address:
            return
        _, resolver = self._open()
        try:
            async with asyncio.timeout(self.rules.connect_timeout_s):
                await resolver.resolve(parsed.host, parsed.port)
        except AddressRefused as error:
            raise EgressRefused(url, str(error)) from error
        except OSError as error:
            raise Unreachable(url, "the host's name cannot be resolved") from error

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        timeout_s: float | None = None,
        max_response_bytes: int = 1_048_576,
    ) -> EgressResponse:
        """The whole answer of any status but a redirect, within `timeout_s` from first look-up to last byte.

        Raises `EgressRefused`, `RedirectRefused`, `ResponseTooLarge` (after decompression) or `Unreachable`.
        """
        total_s = self.rules.total_timeout_s if timeout_s is None else timeout_s
        asked = {"Accept-Encoding": "gzip", **(headers or {})}
        async with self._outside():
            response = await self._send(method, url, asked, body, total_s)
            try:
                data = await self._read(url, response, max_response_bytes)
            finally:
                response.release()
        return EgressResponse(response.status, response.headers, data)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        timeout_s: float | None = None,
        max_response_bytes: int,
    ) -> AsyncIterator[EgressStream]:
        """The answer with its body still to come, for bodies too large to hold.

        `timeout_s` bounds the whole exchange (default: only the headers, by the rules' total; the body is
        held to the idle time and least rate). Leaving the block early drops the connection. Raises as
        `request` does.
        """
        asked = {"Accept-Encoding": "identity", **(headers or {})}
        response = await self._send(method, url, asked, body, timeout_s, is_stream=True)
        try:
            yield EgressStream(url, response, self.rules, max_response_bytes)
        finally:
            response.release()

    def _open(self) -> "tuple[aiohttp.ClientSession, CheckedResolver]":
        if self._session is None or self._resolver is None:
            # Loaded here because it costs a quarter of a second, which a start need not pay.
            from ashiato.clients.http_session import CheckedResolver, open_session

            rules = self.rules
            self._resolver = CheckedResolver(self._resolve, rules.refusal_of)
            self._session = open_session(
                self._resolver,
                refusal_of=rules.refusal_of,
                tls=self._tls,
                connections_per_host=rules.connections_per_host,
                connections=rules.connections,
                keep_alive_s=rules.keep_alive_s,
                dns_cache_s=rules.dns_cache_s,
                read_buffer_bytes=rules.read_buffer_bytes,
            )
        return self._session, self._resolver

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] | None,
        total_s: float | None,
        *,
        is_stream: bool = False,
    ) -> "aiohttp.ClientResponse":
        """The answer's head, by now no redirect; the caller must release it."""
        _check_request(method, url, headers)
        parsed = check_url(url, self.rules)
        session, _ = self._open()
        from aiohttp import ClientTimeout
        from yarl import URL

        from ashiato.clients.http_session import WIRE_ERRORS, own_error

        rules = self.rules
        upload = None if body is None or isinstance(body, bytes) else _Upload(body, rules.idle_timeout_s)
        limits = ClientTimeout(
            total=total_s,
            sock_connect=rules.connect_timeout_s,
            sock_read=rules.idle_timeout_s if is_stream else rules.total_timeout_s,
        )
        try:
            async with (
                asyncio.timeout(rules.total_timeout_s if total_s is None else total_s),
                nullcontext() if upload is None else _watching(upload),
            ):
                response = await session.request(
                    method,
                    URL(str(parsed), encoded=True),
                    headers=headers,
                    data=body if upload is None else upload,
                    timeout=limits,
                    allow_redirects=False,
                )
        except WIRE_ERRORS as error:
            if upload is not None and upload.error is not None:
                raise upload.error from None
            raise own_error(url, error) from error
        if response.status < 200:
            response.close()
            raise Unreachable(url, "the server wants to leave HTTP")
        if 300 <= response.status < 400 and response.status != _NOT_MODIFIED:
            response.close()
            raise RedirectRefused(url, response.status, response.headers.get("Location", ""))
        return response

    async def _read(self, url: str, response: "aiohttp.ClientResponse", limit_bytes: int) -> bytes:
        from ashiato.clients.http_session import WIRE_ERRORS, own_error

        if (response.content_length or 0) > limit_bytes and response.method != "HEAD":
            raise ResponseTooLarge(url, limit_bytes)
        received = bytearray()
        try:
            while chunk := await response.content.readany():
                received += chunk
                if len(received) > limit_bytes:
                    raise ResponseTooLarge(url, limit_bytes)
        except WIRE_ERRORS as error:
            raise own_error(url, error) from error
        if received and response.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip"):
            return _inflate(url, received, limit_bytes)
        return bytes(received)


@asynccontextmanager
async def _watching(upload: _Upload) -> AsyncIterator[None]:
    """Ends the block with `TimeoutError` when a piece of the upload is not taken in time."""
    async with asyncio.timeout(None) as watch:
        upload.watch = watch
        try:
            yield
        finally:
            upload.watch = None


def _check_request(method: str, url: str, headers: Mapping[str, str]) -> None:
    if method not in _METHODS:
        raise EgressRefused(url, f"the method {method[:32]!r} is not allowed")
    for name, value in headers.items():
        if name.lower() in _OWN_HEADERS or not _HEADER_NAME.fullmatch(name):
            raise EgressRefused(url, f"the header {name[:64]!r} cannot be set")
        if not _HEADER_VALUE.fullmatch(value):
            raise EgressRefused(
                url, f"the value of the header {name!r} holds a control or non-ASCII character"
            )


def _inflate(url: str, data: bytearray, limit_bytes: int) -> bytes:
    decompressor = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        inflated = decompressor.decompress(data, limit_bytes + 1)
    except zlib.error as error:
        raise Unreachable(url, "the compressed answer is broken") from error
    if len(inflated) > limit_bytes:
        raise ResponseTooLarge(url, limit_bytes)
    if not decompressor.eof or decompressor.unused_data:
        raise Unreachable(url, "the compressed answer is broken")
    return inflated
