"""Few callers that want to shut everybody else out: by waiting, by dripping, by naming servers that never answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from ashiato.api import messages
from ashiato.api.turns import MOST_INSIDE_COUNT
from ashiato.trust.keys import SigningKey
from ashiato.trust.tokens import mint_token
from ashiato.wiring import listening
from ashiato.wiring.listening import Listener, bind
from ashiato.wiring.settings import ListenerSettings
from tests.api.speaking import Pair
from tests.companies import Company, running
from tests.exchange import port_of

SOON_S = 8.0


async def _hold(port: int, head: str) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode())
    await writer.drain()
    return writer


async def test_slow_bodies_do_not_take_all_turns_of_a_participant(pair: Pair) -> None:
    """One partner with a good token for each begins more messages than there are turns, and ends none."""
    port = port_of(pair.maker)
    held = [
        await _hold(
            port,
            "POST /maker/dsp/2025-1/catalog/request HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n"
            f"Content-Type: application/json\r\nAuthorization: {await pair.as_rival.token()}\r\n\r\n{{",
        )
        for _ in range(MOST_INSIDE_COUNT + 2)
    ]
    await asyncio.sleep(0.2)
    async with asyncio.timeout(SOON_S):
        assert (await pair.as_cells.get("catalog/datasets/none")).status == 404
    for writer in held:
        writer.close()


async def test_a_message_that_does_not_come_in_time_is_given_up(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "BODY_TIMEOUT_S", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(pair.maker))
    writer.write(
        b"POST /maker/dsp/2025-1/catalog/request HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n"
        b"Authorization: " + (await pair.as_cells.token()).encode() + b"\r\n\r\n{"
    )
    async with asyncio.timeout(SOON_S):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def _silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def test_tokens_of_dids_whose_hosts_never_answer_do_not_take_all_turns(pair: Pair) -> None:
    """Nobody needs a key for this: the host that a token names is asked before anything is known of its sender."""
    tarpit = await asyncio.start_server(_silence, "127.0.0.1", 0)
    async with tarpit:
        host = f"127.0.0.1%3A{tarpit.sockets[0].getsockname()[1]}"
        held = []
        for number in range(MOST_INSIDE_COUNT + 2):
            did = f"did:web:{host}:{number}"
            key = SigningKey(f"{did}#key", ec.generate_private_key(ec.SECP256R1()))
            token = mint_token(
                key,
                audience=pair.maker.did,
                now_ms=time.time_ns() // 1_000_000,
                ttl_s=60,
                token_id=str(number),
            )
            held.append(
                await _hold(
                    port_of(pair.maker),
                    "GET /maker/dsp/2025-1/catalog/datasets/none HTTP/1.1\r\nHost: x\r\n"
                    f"Authorization: Bearer {token}\r\n\r\n",
                )
            )
        await asyncio.sleep(0.2)
        async with asyncio.timeout(SOON_S):
            assert (await pair.as_cells.get("catalog/datasets/none")).status == 404
        for writer in held:
            writer.close()


async def test_who_follows_events_does_not_take_all_turns_of_the_management_api(tmp_path: Path) -> None:
    company = Company(tmp_path, ["maker"])
    async with running(company):
        port = int(company.ready["management_url"].rpartition(":")[2])
        held = [
            await _hold(
                port,
                "GET /v1/maker/events HTTP/1.1\r\nHost: x\r\n"
                f"X-Api-Key: {'test-key-of-maker'.ljust(40, '-')}\r\n\r\n",
            )
            for _ in range(MOST_INSIDE_COUNT + 2)
        ]
        await asyncio.sleep(0.3)
        async with asyncio.timeout(SOON_S):
            assert (await company.call("GET", "/assets"))["items"] == []
        for writer in held:
            writer.close()


async def _refuse(scope: dict[str, object], receive: Callable[[], object], send: object) -> None:
    request = Request(scope)
    await PlainTextResponse(f"no {request.url.path}", 401)(scope, receive, send)  # type: ignore[arg-type]  # see above


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A listener that refuses everything at once, and whose patience is a fifth of a second."""
    monkeypatch.setattr(listening, "HEADER_TIMEOUT_S", 0.2)
    settings = ListenerSettings()
    bound = bind(settings)
    listener = Listener(bound, settings, _refuse, 8)  # type: ignore[arg-type]  # a plain ASGI app
    serving = asyncio.create_task(listener.serve())
    yield bound.getsockname()[1]
    listener.stop()
    await serving


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n"),
    ],
    ids=["a body that nobody reads", "chunks that nobody reads", "empty lines between requests"],
)
async def test_dripping_does_not_hold_a_connection(port: int, head: bytes, drop: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    assert b"401" in await reader.readline()
    started_s = time.monotonic()
    gone = asyncio.ensure_future(reader.read())
    while time.monotonic() - started_s < SOON_S and not gone.done():
        writer.write(drop)
        await asyncio.wait({gone}, timeout=0.05)
    assert gone.done()
    writer.close()
    await asyncio.gather(gone, return_exceptions=True)


async def test_a_long_body_that_is_wanted_has_all_the_time_it_needs(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counterpart: only what nobody waits for is cut."""
    monkeypatch.setattr(listening, "HEADER_TIMEOUT_S", 0.2)
    settings = ListenerSettings()
    bound = bind(settings)

    async def read_all(scope: dict[str, object], receive: Callable[[], object], send: object) -> None:
        request = Request(scope, receive)  # type: ignore[arg-type]  # a plain ASGI scope
        await PlainTextResponse(str(len(await request.body())))(scope, receive, send)  # type: ignore[arg-type]  # see above

    listener = Listener(bound, settings, read_all, 8)  # type: ignore[arg-type]  # a plain ASGI app
    serving = asyncio.create_task(listener.serve())
    reader, writer = await asyncio.open_connection("127.0.0.1", bound.getsockname()[1])
    writer.write(b"POST /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n")
    for _ in range(8):
        await asyncio.sleep(0.1)
        writer.write(b"x")
    assert (await asyncio.wait_for(reader.read(), SOON_S)).endswith(b"\r\n\r\n8")
    writer.close()
    listener.stop()
    await serving
