"""Clients of the data plane: one that takes whole answers, one that sends raw bytes, one that reads slowly."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp

from tests.data_plane import Deal, Side, token_of


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem document."""
        assert self.headers["Content-Type"] == "application/problem+json"
        return str(json.loads(self.body)["code"])


async def ask(
    url: str, token: str | None, method: str = "GET", data: bytes | None = None, **headers: str
) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(method, url, headers=sent, data=data, allow_redirects=False) as answer,
    ):
        return Answer(answer.status, answer.headers, await answer.read())


async def raw(side: Side, request: bytes) -> bytes:
    """The bytes that come back for these bytes, which no client library would send."""
    port = side.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


class SlowReader:
    """A client that takes the head of an answer and then reads as it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.received = bytearray()

    @classmethod
    async def begin(cls, side: Side, deal: Deal) -> "SlowReader":
        port = side.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=65_536)
        writer.write(
            f"GET /provider/data/{deal.provider_pid} HTTP/1.1\r\nHost: a\r\n"
            f"Authorization: Bearer {token_of(side, deal)}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        return cls(reader, writer)

    async def read(self, size_bytes: int) -> None:
        self.received += await self._reader.readexactly(size_bytes)

    async def read_to_the_end(self) -> float:
        """Seconds until the connection ended, however it ended."""
        began_s = time.monotonic()
        try:
            while chunk := await asyncio.wait_for(self._reader.read(1 << 20), 5):
                self.received += chunk
        except ConnectionError:
            pass
        self.writer.close()
        return time.monotonic() - began_s
