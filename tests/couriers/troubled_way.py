"""A way to a connector that misbehaves on purpose: everything that others send it passes here, and some of it goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import aiohttp

from tests.clients.loopback_server import Asked, loopback_server

Passing = Callable[[Asked], Awaitable[bytes]]
_OWN_HEADERS = frozenset({"host", "connection", "content-length", "transfer-encoding", "keep-alive"})


class Trouble(StrEnum):
    """What goes wrong with one request."""

    NONE = "none"
    LOST = "the connection closes before anything arrived"
    ANSWER_LOST = "the connection closes after it was processed"
    NEVER = "no answer ever comes, and nothing arrived"
    LATE = "it is processed, and the answer comes after the sender gave up"
    ARRIVES_LATE = "the connection closes, and the request arrives a moment later"
    FAILS_BEFORE = "500, and nothing arrived"
    FAILS_AFTER = "500, though it was processed"
    NOT_FOUND = "404, and nothing arrived"
    BUSY = "429, and nothing arrived"
    GARBAGE = "200 with something else, though it was processed"
    NO_HTTP = "bytes that are no HTTP, though it was processed"
    HUGE = "200 with two megabytes, though it was processed"
    TWICE = "the answer comes twice"
    DOUBLED = "the same request arrives twice"
    REDIRECT = "307 to another place, and nothing arrived"
    MOVED = "308 to another place, and nothing arrived"


@dataclass
class Way:
    """Where others reach the connector, what passed, and what goes wrong next."""

    url: str = ""
    target_port: int = 0
    troubles: Callable[[Asked], Trouble] = lambda asked: Trouble.NONE
    passed: list[tuple[str, str, Trouble]] = field(default_factory=list)
    """Method, path and trouble of each request for the protocol, in the order in which they came."""
    late: set[asyncio.Task[None]] = field(default_factory=set)

    def once_each(self, trouble: Trouble) -> None:
        """The first request for each address of the protocol has this trouble."""
        seen: set[tuple[str, str]] = set()

        def decide(asked: Asked) -> Trouble:
            key = (asked.method, asked.target)
            if key in seen:
                return Trouble.NONE
            seen.add(key)
            return trouble

        self.troubles = decide


@asynccontextmanager
async def troubled_way() -> AsyncIterator[Way]:
    """A way that leads to `target_port` as soon as that is known."""
    way = Way()
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def pass_on(asked: Asked) -> bytes:
            headers = {name: value for name, value in asked.headers.items() if name not in _OWN_HEADERS}
            url = f"http://127.0.0.1:{way.target_port}{asked.target}"
            async with session.request(
                asked.method, url, headers=headers, data=asked.body or None, allow_redirects=False
            ) as response:
                body = await response.read()
                lines = [f"HTTP/1.1 {response.status} {response.reason}", f"Content-Length: {len(body)}"]
                lines += [
                    f"{name}: {value}"
                    for name, value in response.headers.items()
                    if name.lower() not in _OWN_HEADERS
                ]
                return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

        async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
            is_protocol = "/dsp/" in asked.target
            trouble = way.troubles(asked) if is_protocol else Trouble.NONE
            if is_protocol:
                way.passed.append((asked.method, asked.target.partition("?")[0], trouble))
            data = await _troubled(way, trouble, asked, pass_on)
            if data is None:
                writer.transport.abort()
            else:
                writer.write(data)

        async with loopback_server(answer) as server:
            way.url = f"http://127.0.0.1:{server.port}"
            yield way
            for task in way.late:
                task.cancel()
            await asyncio.gather(*way.late, return_exceptions=True)


async def _troubled(way: Way, trouble: Trouble, asked: Asked, pass_on: Passing) -> bytes | None:
    """The bytes of the answer, None to close the connection without one."""
    match trouble:
        case Trouble.LOST:
            return None
        case Trouble.ANSWER_LOST:
            await pass_on(asked)
            return None
        case Trouble.NEVER:
            await asyncio.sleep(30)
            return None
        case Trouble.LATE:
            data = await pass_on(asked)
            await asyncio.sleep(1.0)
            return data
        case Trouble.ARRIVES_LATE:
            task = asyncio.create_task(_later(pass_on, asked))
            way.late.add(task)
            return None
        case Trouble.FAILS_AFTER:
            await pass_on(asked)
            return _plain("500 Internal Server Error", b"oh")
        case Trouble.GARBAGE:
            await pass_on(asked)
            return _plain("200 OK", b'{"@type": ["what", {')
        case Trouble.NO_HTTP:
            await pass_on(asked)
            return b"\x16\x03\x01 hello\r\n\r\n"
        case Trouble.HUGE:
            await pass_on(asked)
            return _plain("200 OK", b"x" * 2_000_000)
        case Trouble.TWICE:
            return (await pass_on(asked)) * 2
        case Trouble.DOUBLED:
            data = await pass_on(asked)
            await pass_on(asked)
            return data
        case _:
            return _REFUSALS.get(trouble) or await pass_on(asked)


async def _later(pass_on: Passing, asked: Asked) -> None:
    await asyncio.sleep(0.4)
    await pass_on(asked)


def _plain(status: str, body: bytes, more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


_REFUSALS = {
    Trouble.FAILS_BEFORE: _plain("500 Internal Server Error", b""),
    Trouble.NOT_FOUND: _plain("404 Not Found", b"no such page"),
    Trouble.BUSY: _plain("429 Too Many Requests", b""),
    Trouble.REDIRECT: _plain("307 Temporary Redirect", b"", "Location: http://127.0.0.1:1/\r\n"),
    Trouble.MOVED: _plain("308 Permanent Redirect", b"", "Location: http://127.0.0.1:1/\r\n"),
}
