import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ashiato.wiring import listening
from ashiato.wiring.listening import Connections, Listener, bind
from ashiato.wiring.settings import BadSettings, ListenerSettings

MOST_CONNECTIONS_COUNT = 8


async def _app(scope: dict[str, object], receive: object, send: object) -> None:
    request = Request(scope)
    response: Response = PlainTextResponse(f"hello {request.url.path}")
    await response(scope, receive, send)  # type: ignore[arg-type]  # a plain ASGI scope


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A listener whose patience is a fifth of a second."""
    monkeypatch.setattr(listening, "HEADER_TIMEOUT_S", 0.2)
    settings = ListenerSettings()
    bound = bind(settings)
    listener = Listener(bound, settings, _app, MOST_CONNECTIONS_COUNT)  # type: ignore[arg-type]  # a plain ASGI app
    serving = asyncio.create_task(listener.serve())
    yield bound.getsockname()[1]
    listener.stop()
    await serving


async def _ask(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_request_is_answered(port: int) -> None:
    answer = await _ask(port, b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"hello /a")


@pytest.mark.parametrize("text", [b"", b"GET /a HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_who_does_not_finish_the_head_of_a_request_is_let_go(port: int, text: bytes) -> None:
    assert await _ask(port, text) == b""


async def test_endless_headers_are_refused(port: int) -> None:
    header = b"X-%d: " + b"a" * 8000 + b"\r\n"
    text = b"GET /a HTTP/1.1\r\nHost: x\r\n" + b"".join(header % number for number in range(20)) + b"\r\n"
    assert b"hello" not in await _ask(port, text)


async def test_garbage_does_not_end_the_listener(port: int) -> None:
    for text in (
        b"\x00\xff\xfe" * 100 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    ):
        assert b"hello" not in await _ask(port, text)
    assert b"hello" in await _ask(port, b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


async def test_a_length_and_chunks_together_are_refused(port: int) -> None:
    text = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert b"hello" not in await _ask(port, text)


def test_one_address_can_hoard_at_most_half_of_the_connections() -> None:
    connections = Connections(4)
    assert connections.enter("a")
    assert connections.enter("a")
    assert not connections.enter("a")
    assert connections.enter("b")
    assert connections.enter("c")
    assert not connections.enter("d")
    connections.leave("a")
    assert connections.enter("d")


def test_a_taken_port_is_told_to_the_operator() -> None:
    with bind(ListenerSettings()) as first, pytest.raises(BadSettings, match="cannot be listened on"):
        bind(ListenerSettings(port=first.getsockname()[1]))
