"""Listeners: several in one process and one event loop, each with bounds that a hostile client meets."""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Generator, Sequence

import uvicorn
from starlette.types import ASGIApp

from ashiato.api.abortable import AbortableHttpProtocol
from ashiato.wiring.settings import BadSettings, ListenerSettings

HEADER_TIMEOUT_S = 10.0
MOST_HEADER_BYTES = 65_536
KEEP_ALIVE_S = 30
GRACE_S = 5
BACKLOG_COUNT = 2048


class Connections:
    """How many connections a listener has open, in all and from each address."""

    def __init__(self, most_count: int) -> None:
        self._most_count = most_count
        self._count = 0
        self._by_address: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """False when there is no room; one address has at most half of it, so that it cannot shut the others out."""
        if self._count >= self._most_count or self._by_address[address] >= self._most_count // 2:
            return False
        self._count += 1
        self._by_address[address] += 1
        return True

    def leave(self, address: str) -> None:
        """A connection that entered is closed."""
        self._count -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


class GuardedProtocol(AbortableHttpProtocol):
    """HTTP/1.1 with a time limit for the head of each request and bounds on its size and on the connections.

    (Slow-loris, endless headers, hoarded connections; the server's own bound counts idle connections as requests.) The rest of a
    body that nobody reads, because the answer is out already, has the same time: whoever drips it holds no connection.
    """

    room: Connections
    _entered: str | None = None

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes: int = 0
    _has_body_to_come: bool = False

    # The server narrows what the loop passes in the same way.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the server has it
        """Start the clock: a client that connects and says nothing is let go."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if not self.room.enter(address):
            transport.close()
            return
        self._entered = address
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Bytes between two requests start the clock too: the server takes empty lines for a sign of life."""
        is_between = not self._has_body_to_come and (self.cycle is None or self.cycle.response_complete)
        if is_between and self._head_timer is None:
            self._arm()
        super().data_received(data)

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
        self._has_body_to_come = True
        if self._head_bytes <= MOST_HEADER_BYTES:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._has_body_to_come = False
        self._disarm()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give the rest of an unwanted body its time."""
        super().on_response_complete()
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self._has_body_to_come and self._head_timer is None:
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._disarm()
        if self._entered is not None:
            self.room.leave(self._entered)
            self._entered = None
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
        most_connections_count: int,
    ) -> None:
        self._socket = bound
        guarded = type("Guarded", (GuardedProtocol,), {"room": Connections(most_connections_count)})
        config = uvicorn.Config(
            app,
            http=guarded,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=settings.certificate_file or None,
            ssl_keyfile=settings.private_key_file or None,
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise BadSettings(f"The TLS files of the listener cannot be used: {error}") from None
        self._server = _Server(config)

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
    # With the protocol named, the event loop sends small answers at once (TCP_NODELAY); else each waits 40 ms for the last.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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


def url_of(bound: socket.socket, settings: ListenerSettings) -> str:
    """The address at which the socket is reached on this machine."""
    host, port = bound.getsockname()[:2]
    scheme = "https" if settings.certificate_file else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
