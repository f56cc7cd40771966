"""A bare HTTP server on loopback whose every answer is written by the test, byte by byte."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HEAD = b"HTTP/1.1 200 OK\r\n"


@dataclass(frozen=True)
class Asked:
    """One request as it stood on the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class LoopbackServer:
    """What the server saw; `port` is where it listens."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    open_count: int = 0
    open_most: int = 0
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, target: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{target}"


def respond(body: bytes = b"ok", *, status: str = "200 OK", headers: dict[str, str] | None = None) -> Answer:
    """An honest answer."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        lines = {"Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + (b"" if asked.method == "HEAD" else body))

    return answer


def send(data: bytes, *, then_close: bool = True) -> Answer:
    """Exactly these bytes, whatever was asked."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then_close:
            writer.close()
        else:
            await asyncio.sleep(30)

    return answer


def drip(head: bytes, piece: bytes, *, every_s: float) -> Answer:
    """`head`, then one `piece` at a time for ever."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            await writer.drain()
            await asyncio.sleep(every_s)
            writer.write(piece)

    return answer


async def _read_request(reader: asyncio.StreamReader, reads_bodies: bool) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = b""
    if not reads_bodies:
        return Asked(method, target, headers, body)
    if headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readline()).strip() or b"0", 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    return Asked(method, target, headers, body)


@asynccontextmanager
async def loopback_server(
    answer: Answer, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, reads_bodies: bool = True
) -> AsyncIterator[LoopbackServer]:
    """Serves `answer` to every request until the block ends."""
    seen = LoopbackServer()
    tasks: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        seen.open_count += 1
        seen.open_most = max(seen.open_most, seen.open_count)
        try:
            while not writer.is_closing():
                asked = await _read_request(reader, reads_bodies)
                seen.asked.append(asked)
                await answer(asked, writer)
                await writer.drain()
        except (OSError, EOFError):
            seen.hung_up.set()
        finally:
            seen.open_count -= 1
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, host, 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A task that is cancelled before its first step closes nothing.
        for writer in writers:
            writer.close()
