"""The egress against servers that lie, stall, repeat, swell and break off."""

import asyncio
import gzip
import socket
import time
import tracemalloc
from contextlib import closing

import pytest

from ashiato.clients.egress import Egress, RedirectRefused, ResponseTooLarge, Unreachable
from tests.clients.loopback_server import HEAD, Answer, Asked, drip, loopback_server, respond, send


async def _drain(
    way_out: Egress, url: str, *, max_response_bytes: int, timeout_s: float | None = None
) -> bytes:
    """The whole body, taken as a stream."""
    async with way_out.stream(
        "GET", url, timeout_s=timeout_s, max_response_bytes=max_response_bytes
    ) as stream:
        return b"".join([chunk async for chunk in stream.chunks()])


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
async def test_a_redirect_is_not_followed(status: int, egress: Egress) -> None:
    async with loopback_server(respond(b"secret")) as inner:
        target = inner.url("/inside")
        answer = respond(b"", status=f"{status} Moved", headers={"Location": target})
        async with loopback_server(answer) as server:
            with pytest.raises(RedirectRefused) as refusal:
                await egress.request("GET", server.url())
            assert (refusal.value.status, refusal.value.location) == (status, target)
            with pytest.raises(RedirectRefused):
                async with egress.stream("GET", server.url(), max_response_bytes=100):
                    pass
    assert inner.connections == 0


async def test_not_modified_is_an_answer_and_no_redirect(egress: Egress) -> None:
    async with loopback_server(send(b"HTTP/1.1 304 Not Modified\r\n\r\n", then_close=False)) as server:
        assert (await egress.request("GET", server.url())).status == 304


@pytest.mark.parametrize("declare", [True, False])
async def test_a_body_over_the_limit_is_refused(declare: bool, egress: Egress) -> None:
    body = b"x" * 1001
    head = HEAD + (b"Content-Length: 1001\r\n\r\n" if declare else b"\r\n")
    async with loopback_server(send(head + body)) as server:
        assert (await egress.request("GET", server.url(), max_response_bytes=1001)).body == body
        with pytest.raises(ResponseTooLarge) as refusal:
            await egress.request("GET", server.url(), max_response_bytes=1000)
        assert refusal.value.limit_bytes == 1000
        with pytest.raises(ResponseTooLarge):
            await _drain(egress, server.url(), max_response_bytes=1000)


async def test_an_endless_body_is_cut_at_the_limit(egress: Egress) -> None:
    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with loopback_server(endless) as server:
        with pytest.raises(ResponseTooLarge):
            await egress.request("GET", server.url(), max_response_bytes=1_000_000)
        await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_a_compressed_answer_is_read(egress: Egress) -> None:
    async with loopback_server(
        respond(gzip.compress(b"text" * 100, mtime=0), headers={"Content-Encoding": "gzip"})
    ) as server:
        assert (await egress.request("GET", server.url())).body == b"text" * 100
        assert server.asked[0].headers["accept-encoding"] == "gzip"
        assert (await egress.request("HEAD", server.url())).body == b""


async def test_a_decompression_bomb_is_refused(egress: Egress) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000, mtime=0)
    assert len(bomb) < 100_000
    async with loopback_server(respond(bomb, headers={"Content-Encoding": "gzip"})) as server:
        tracemalloc.start()
        try:
            with pytest.raises(ResponseTooLarge):
                await egress.request("GET", server.url(), max_response_bytes=1_000_000)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak_bytes < 10_000_000


@pytest.mark.parametrize(
    "body",
    [
        b"not gzip",
        gzip.compress(b"text", mtime=0)[:-4],
        gzip.compress(b"text", mtime=0) + b"more",
        gzip.compress(b"a", mtime=0) * 2,
    ],
)
async def test_a_broken_compressed_answer_is_tried_again_later(body: bytes, egress: Egress) -> None:
    async with loopback_server(respond(body, headers={"Content-Encoding": "gzip"})) as server:
        with pytest.raises(Unreachable):
            await egress.request("GET", server.url())


async def test_a_stream_is_never_decompressed(egress: Egress) -> None:
    body = gzip.compress(b"text", mtime=0)
    async with loopback_server(respond(body, headers={"Content-Encoding": "gzip"})) as server:
        assert await _drain(egress, server.url(), max_response_bytes=1000) == body
        assert server.asked[0].headers["accept-encoding"] == "identity"


GARBAGE = {
    "nothing": b"",
    "no http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "random": bytes(range(256)),
    "half a status line": b"HTTP/1.1 2",
    "half a header": HEAD + b"Content-Le",
    "status no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "status too long": b"HTTP/1.1 2000 OK\r\n\r\n",
    "version unknown": b"HTTP/9.9 abc\r\n\r\n",
    "header without colon": HEAD + b"Content-Length 5\r\n\r\nhello",
    "length negative": HEAD + b"Content-Length: -5\r\n\r\nhello",
    "length no number": HEAD + b"Content-Length: x\r\n\r\nhello",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length too long": HEAD + b"Content-Length: 10\r\n\r\nhello",
    "chunk no size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    "chunks end early": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "chunks without end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "header too large": HEAD + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    "too many headers": HEAD + b"X: y\r\n" * 5_000 + b"\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello",
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_tried_again_later_and_breaks_nothing(name: str, egress: Egress) -> None:
    async with loopback_server(send(GARBAGE[name])) as server:
        with pytest.raises(Unreachable):
            await egress.request("GET", server.url())
        with pytest.raises(Unreachable):
            await _drain(egress, server.url(), max_response_bytes=10_000)
    async with loopback_server(respond()) as server:
        assert (await egress.request("GET", server.url())).body == b"ok"


async def test_a_closed_port_is_tried_again_later(egress: Egress) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match="no connection"):
        await egress.request("GET", f"http://127.0.0.1:{port}/")


async def test_a_connection_that_breaks_is_tried_again_later(egress: Egress) -> None:
    async def reset(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with loopback_server(reset) as server:
        for method in ("GET", "POST"):
            with pytest.raises(Unreachable):
                await egress.request(method, server.url(), body=b"x")


SLOW: dict[str, Answer] = {
    "no answer": send(b"", then_close=False),
    "half a head": send(HEAD, then_close=False),
    "head drips": drip(HEAD, b"X-A: b\r\n", every_s=0.05),
    "body drips": drip(HEAD + b"Content-Length: 1000000\r\n\r\n", b"x", every_s=0.05),
    "body stalls": send(HEAD + b"Content-Length: 10\r\n\r\nhello", then_close=False),
    "continues for ever": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every_s=0.01),
}


@pytest.mark.parametrize("name", SLOW)
async def test_a_slow_answer_is_given_up_in_time(name: str, egress: Egress) -> None:
    async with loopback_server(SLOW[name]) as server:
        started_s = time.monotonic()
        with pytest.raises(Unreachable):
            await egress.request("GET", server.url(), timeout_s=0.4)
        assert time.monotonic() - started_s < 3


@pytest.mark.parametrize("name", SLOW)
async def test_a_slow_stream_is_given_up_in_time(name: str, egress: Egress) -> None:
    async with loopback_server(SLOW[name]) as server:
        started_s = time.monotonic()
        with pytest.raises(Unreachable):
            await _drain(egress, server.url(), max_response_bytes=10_000_000)
        assert time.monotonic() - started_s < 6


async def test_a_stream_may_be_bounded_as_a_whole(egress: Egress) -> None:
    head = HEAD + b"Content-Length: 100000000\r\n\r\n"
    async with loopback_server(drip(head, b"x" * 10_000, every_s=0.02)) as server:
        started_s = time.monotonic()
        with pytest.raises(Unreachable, match="in time"):
            await _drain(egress, server.url(), timeout_s=0.5, max_response_bytes=10**9)
        assert time.monotonic() - started_s < 3


async def test_a_slow_reader_is_not_held_against_the_server(egress: Egress) -> None:
    async with loopback_server(respond(b"x" * 3_000_000)) as server:
        received = 0
        async with egress.stream("GET", server.url(), max_response_bytes=3_000_000) as stream:
            async for chunk in stream.chunks():
                received += len(chunk)
                await asyncio.sleep(0.05)
    assert received == 3_000_000


async def test_a_stream_gives_status_and_headers_before_the_body(egress: Egress) -> None:
    async def later(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 206 Partial\r\nContent-Length: 4\r\nX-A: b\r\n\r\n")
        await writer.drain()
        await seen.wait()
        writer.write(b"body")

    seen = asyncio.Event()
    async with (
        loopback_server(later) as server,
        egress.stream("GET", server.url(), max_response_bytes=4) as stream,
    ):
        assert (stream.status, stream.headers["x-a"]) == (206, "b")
        seen.set()
        assert b"".join([chunk async for chunk in stream.chunks()]) == b"body"


async def test_leaving_a_stream_early_hangs_up(egress: Egress) -> None:
    async def much(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 1000000000\r\n\r\n")
        for _ in range(15_000):
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with loopback_server(much) as server:
        async with egress.stream("GET", server.url(), max_response_bytes=10**9) as stream:
            async for _ in stream.chunks():
                break
        assert await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_an_error_inside_the_block_of_a_stream_stays_what_it_is(egress: Egress) -> None:
    async with loopback_server(respond()) as server:
        with pytest.raises(FileNotFoundError):
            async with egress.stream("GET", server.url(), max_response_bytes=10):
                raise FileNotFoundError


async def test_cancelling_a_request_cancels_it(egress: Egress) -> None:
    async with loopback_server(send(b"", then_close=False)) as server:
        task = asyncio.create_task(egress.request("GET", server.url()))
        while not server.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
