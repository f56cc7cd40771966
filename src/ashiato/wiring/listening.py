"""Listeners: several in one process and one event loop, each with bounds that a hostile client meets."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Generator, Sequence

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ashiato.wiring.settings import BadSettings, ListenerSettings

HEADER_TIMEOUT_S = 10.0
MOST_HEADER_BYTES = 65_536
KEEP_ALIVE_S = 65
GRACE_S = 5
BACKLOG_COUNT = 2048


class GuardedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a time limit for the head of each request and a bound on its size (slow-loris, endless headers)."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes: int = 0

    # type: the server's own annotation narrows what the loop passes in the same way.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a client that connects and says nothing is let go."""
        super().connection_made(transport)
        self._arm()

    def on_message_begin(self) -> None:
        """A new request on the connection has its own time and its own bytes."""
        self._head_bytes = 0
        self._arm()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._disarm()
        if self._head_bytes <= MOST_HEADER_BYTES:
            super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._disarm()
        super().connection_lost(exc)

    def _count(self, size_bytes: int) -> None:
        self._head_bytes += size_bytes
        if self._head_bytes > MOST_HEADER_BYTES and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            self.transport.close()

    def _arm(self) -> None:
        self._disarm()
        self._head_timer = asyncio.get_running_loop().call_later(HEADER_TIMEOUT_S, self._too_slow)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        # One program, several servers: the program handles signals, once.
        yield


class Listener:
    """The server behind one bound socket."""

    def __init__(
        self,
        bound: socket.socket,
        settings: ListenerSettings,
        app: ASGIApp,
        concurrent_requests_count: int,
    ) -> None:
        self._socket = bound
        self._server = _Server(
            uvicorn.Config(
                app,
                http=GuardedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
                limit_concurrency=concurrent_requests_count,
                ssl_certfile=settings.certificate_file or None,
                ssl_keyfile=settings.private_key_file or None,
                ssl_version=ssl.PROTOCOL_TLS_SERVER,
            )
        )

    async def serve(self) -> None:
        """Serve until `stop`."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Let running requests end within the grace, then return from `serve`."""
        self._server.should_exit = True


async def serve_all(listeners: Sequence[Listener]) -> None:
    """Serve all listeners until they are stopped."""
    await asyncio.gather(*(listener.serve() for listener in listeners))


def bind(settings: ListenerSettings) -> socket.socket:
    """A socket that listens already, so that the port is known before anything is built; raises `BadSettings`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise BadSettings(
            f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}"
        ) from None
    bound.listen(BACKLOG_COUNT)
    bound.setblocking(False)
    bound.set_inheritable(True)
    return bound
