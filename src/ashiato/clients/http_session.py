"""The aiohttp session beneath the egress: checked addresses in, this project's own errors out."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ssl import SSLContext

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import HttpProcessingError

from ashiato.clients.egress_errors import EgressError, EgressRefused, Unreachable

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""From a host name to its IP addresses; raises `OSError`."""

AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]

# What the caller or the server's owner must mend; every other error of the wire is tried again.
_MUST_BE_MENDED: tuple[type[Exception], ...] = (
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
    aiohttp.RedirectClientError,
    aiohttp.TooManyRedirects,
)
_DNS_THREADS = 32


class AddressRefused(Exception):
    """A host leads to an address that must not be spoken to; stays within the egress, which knows the URL."""


WIRE_ERRORS: tuple[type[Exception], ...] = (aiohttp.ClientError, HttpProcessingError, OSError, AddressRefused)
"""All that a request or a read can raise; `TimeoutError` is an `OSError`."""


Refusal = Callable[[str], str | None]
"""Why an address may not be spoken to, by the rules of one way out."""


class CheckedResolver(AbstractResolver):
    """Resolves once and gives addresses out only when every one of them may be spoken to.

    A host with one public and one private address is refused whole: the choice would be the attacker's.
    """

    def __init__(self, resolve: Resolve | None, refusal: Refusal) -> None:
        self._resolve = resolve or self._resolve_by_system
        self._refusal = refusal
        # Threads of its own: slow name servers of strangers must not hold up other work.
        self._threads = ThreadPoolExecutor(_DNS_THREADS, thread_name_prefix="dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The checked addresses of `host`; raises `AddressRefused`, or `OSError` when there is none."""
        addresses = list(dict.fromkeys(await self._resolve(host)))
        if not addresses:
            raise OSError(f"the name {host} has no address")
        for address in addresses:
            refusal = self._refusal(address)
            if refusal is not None:
                raise AddressRefused(f"the host {host} leads where no request may go: {refusal}")
        return [_result(host, port, address) for address in addresses]

    async def _resolve_by_system(self, host: str) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
        )
        return [str(address[4][0]) for address in found]

    async def close(self) -> None:
        """Ends the threads; a look-up that still runs is left to its own time limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)


def open_session(
    resolver: CheckedResolver,
    *,
    refusal_of: Refusal,
    tls: SSLContext | None,
    connections_per_host: int,
    connections: int,
    keep_alive_s: float,
    dns_cache_s: int,
    read_buffer_bytes: int,
) -> aiohttp.ClientSession:
    """A session on checked addresses only, without cookies, proxies, environment or decompression."""

    def checked_socket(info: AddressInfo) -> socket.socket:
        # The last look, at the very address that is connected to: no path around the resolver stays unseen.
        refusal = refusal_of(str(info[4][0]))
        if refusal is not None:
            raise AddressRefused(f"no request may go there: {refusal}")
        return socket.socket(info[0], info[1], info[2])

    connector = aiohttp.TCPConnector(
        ssl=tls or True,
        resolver=resolver,
        socket_factory=checked_socket,
        limit=connections,
        limit_per_host=connections_per_host,
        keepalive_timeout=keep_alive_s,
        ttl_dns_cache=dns_cache_s,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=read_buffer_bytes,
        headers={"User-Agent": "Ashiato"},
    )


def own_error(url: str, error: Exception) -> EgressError:
    """The project's own error for one that the wire, aiohttp or the resolver raised."""
    if isinstance(error, EgressError):
        return error
    if isinstance(error, AddressRefused):
        return EgressRefused(url, str(error))
    if isinstance(error, _MUST_BE_MENDED):
        return EgressRefused(url, "the address cannot be requested")
    if isinstance(error, TimeoutError):
        return Unreachable(url, "the server did not answer in time")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Unreachable(url, "the host's name cannot be resolved")
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch):
        return Unreachable(url, "the server's TLS certificate or handshake is not acceptable")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unreachable(url, "no connection can be made")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Unreachable(url, "the answer broke off")
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        return Unreachable(url, "the answer is not HTTP")
    return Unreachable(url, "the connection broke")
