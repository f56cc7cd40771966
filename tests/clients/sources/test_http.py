"""Upstream APIs: credentials go in and never come out, and only what the owner allows is passed on."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ashiato.clients.egress import Egress, EgressRules
from ashiato.clients.sources.http import HttpSource, SecretGuard
from ashiato.connector.sources import (
    Forwarded,
    ForwardRefused,
    HttpPlace,
    SourceUnavailable,
    UnknownSecret,
    place_of,
)
from tests.clients.loopback_server import Asked, LoopbackServer, loopback_server, respond, send

TOKEN = "plant-token-0123456789"
BODY = bytes(range(256)) * 300


class Secrets:
    """What the operator configured."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def get(self, participant_id: str, name: str) -> str:
        if participant_id != "did:web:a" or name not in self.values:
            raise UnknownSecret(name)
        return self.values[name]


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    """The way out on loopback."""
    async with Egress(
        EgressRules(unsafe_allow_loopback=True, total_timeout_s=3, idle_timeout_s=1)
    ) as way_out:
        yield way_out


def source_of(
    egress: Egress, server: LoopbackServer, secrets: Secrets | None = None, path: str = "/api", **more: object
) -> HttpSource:
    place = place_of(
        {
            "kind": "http",
            "base_url": server.url(path),
            "secret_headers": {"Authorization": "token"},
            "headers": {"X-Plant": "Osaka"},
            **more,
        }
    )
    assert isinstance(place, HttpPlace)
    return HttpSource(
        egress, secrets or Secrets(token=f"Bearer {TOKEN}"), "did:web:a", place, "application/json"
    )


async def collected(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def ask(method: str = "GET", path: str = "", query: str = "", body: bytes = b"", **headers: str) -> Forwarded:
    return Forwarded(method=method, path=path, query=query, headers=tuple(headers.items()), body=body)


async def test_an_api_is_read_with_the_company_s_credentials(egress: Egress) -> None:
    async with loopback_server(respond(BODY)) as server:
        source = source_of(egress, server)
        description = await source.describe()
        assert (description.media_type, description.size_bytes, description.ranges) == (
            "application/json",
            None,
            False,
        )
        assert await collected(source.open(0, None)) == BODY
        await source.close()
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("GET", "/api")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["x-plant"] == "Osaka"


async def test_ranges_are_asked_for_where_the_owner_promised_them(egress: Egress) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.method == "HEAD":
            await respond(BODY, headers={"ETag": '"e1"'})(asked, writer)
            return
        assert asked.headers["if-match"] == '"e1"'
        first, last = (int(part) for part in asked.headers["range"].removeprefix("bytes=").split("-"))
        headers = {"Content-Range": f"bytes {first}-{last}/{len(BODY)}", "ETag": '"e1"'}
        await respond(BODY[first : last + 1], status="206 Partial Content", headers=headers)(asked, writer)

    async with loopback_server(answer) as server:
        source = source_of(egress, server, ranges=True)
        description = await source.describe()
        assert (description.size_bytes, description.etag, description.ranges) == (len(BODY), '"e1"', True)
        assert await collected(source.open(100, 200)) == BODY[100:200]
        assert await collected(source.open(7, 7)) == b""
        await source.close()


@pytest.mark.parametrize(
    "answer",
    [
        respond(BODY),
        respond(BODY, headers={"ETag": 'W/"weak"'}),
        respond(b"", status="404 Not Found"),
        respond(b"", status="302 Found", headers={"Location": "http://127.0.0.1:1/"}),
    ],
)
async def test_promised_ranges_need_a_length_and_a_strong_tag(egress: Egress, answer: object) -> None:
    async with loopback_server(answer) as server:  # type: ignore[arg-type]  # parametrized
        source = source_of(egress, server, ranges=True)
        with pytest.raises(SourceUnavailable):
            await source.describe()
        await source.close()


async def test_an_api_that_ignores_the_range_is_not_taken_at_its_word(egress: Egress) -> None:
    async with loopback_server(respond(BODY, headers={"ETag": '"e1"'})) as server:
        source = source_of(egress, server, ranges=True)
        await source.describe()
        with pytest.raises(SourceUnavailable, match="ignored the range"):
            await collected(source.open(100, 200))
        await source.close()


async def test_a_request_is_forwarded_below_the_base_address(egress: Egress) -> None:
    async with loopback_server(respond(b"{}", headers={"Content-Type": "application/json"})) as server:
        source = source_of(egress, server, forward_path=True, forward_query=True)
        request = ask(
            "POST", "lots/a%20b", "x=1&y=%2F", b"{}", accept="application/json", authorization="theirs"
        )
        source.vet(request)
        answer = await source.forward(request)
        assert answer.status_code == 200
        assert dict(answer.headers) == {"content-type": "application/json", "content-length": "2"}
        assert await collected(answer.body) == b"{}"
        await source.close()
    (asked,) = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/api/lots/a%20b?x=1&y=%2F", b"{}")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["accept"] == "application/json"


async def test_path_and_query_are_taken_only_where_the_owner_allows_them(egress: Egress) -> None:
    async with loopback_server(respond()) as server:
        for path_allowed, query_allowed, request in (
            (False, True, ask(path="a")),
            (True, False, ask(query="a=1")),
            (False, False, ask(path="a", query="a=1")),
        ):
            source = source_of(egress, server, forward_path=path_allowed, forward_query=query_allowed)
            with pytest.raises(ForwardRefused):
                source.vet(request)
        source_of(egress, server).vet(ask("POST", body=b"x"))


async def test_only_harmless_headers_of_an_answer_are_shown(egress: Egress) -> None:
    headers = {
        "Content-Type": "text/plain",
        "ETag": '"a"',
        "Set-Cookie": "session=1",
        "WWW-Authenticate": "Basic",
        "Server": "plant/1",
        "X-Internal": "10.0.0.7",
        "Location": "http://10.0.0.7/",
    }
    async with loopback_server(respond(b"ok", headers=headers)) as server:
        source = source_of(egress, server)
        answer = await source.forward(ask("POST"))
        assert {name for name, _ in answer.headers} == {"content-type", "etag", "content-length"}
        await source.close()


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "407 Proxy", "500 Oops", "503 Busy"])
async def test_trouble_with_our_credentials_or_behind_us_is_not_the_caller_s_business(
    egress: Egress, status: str
) -> None:
    async with loopback_server(respond(f"bad token {TOKEN}".encode(), status=status)) as server:
        source = source_of(egress, server)
        with pytest.raises(SourceUnavailable) as caught:
            await source.forward(ask("POST"))
        assert TOKEN not in str(caught.value)
        await source.close()


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "409 Conflict", "422 Unprocessable"])
async def test_the_api_s_own_refusals_reach_the_caller(egress: Egress, status: str) -> None:
    async with loopback_server(respond(b"no such lot", status=status)) as server:
        source = source_of(egress, server)
        answer = await source.forward(ask("POST"))
        assert answer.status_code == int(status[:3])
        assert await collected(answer.body) == b"no such lot"
        await source.close()


@pytest.mark.parametrize("echo", [f"Bearer {TOKEN}", TOKEN])
async def test_an_api_that_echoes_a_secret_is_stopped_before_the_secret_leaves(
    egress: Egress, echo: str
) -> None:
    body = b"x" * 5000 + echo.encode() + b"y" * 5000

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(f'HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nETag: "{TOKEN}"\r\n\r\n'.encode())
        for start in range(0, len(body), 7):
            writer.write(body[start : start + 7])
            await writer.drain()

    async with loopback_server(answer) as server:
        source = source_of(egress, server)
        forwarded = await source.forward(ask("POST"))
        assert "etag" not in dict(forwarded.headers)
        seen = bytearray()

        async def read_all() -> None:
            async for chunk in forwarded.body:
                seen.extend(chunk)

        with pytest.raises(SourceUnavailable, match="secret"):
            await read_all()
        assert TOKEN.encode() not in seen
        await source.close()


def test_the_guard_lets_everything_else_through_unchanged() -> None:
    guard = SecretGuard((b"abcdefgh",))
    pieces = [b"", b"abcdefg", b"gabc", b"d", b"efg", b"x" * 20, b"abc"]
    out = b"".join([guard.passed(piece) for piece in pieces]) + guard.rest()
    assert out == b"".join(pieces)
    assert SecretGuard(()).passed(b"anything") == b"anything"


async def test_a_secret_that_breaks_the_header_is_not_sent(egress: Egress) -> None:
    async with loopback_server(respond()) as server:
        source = source_of(egress, server, Secrets(token="a\r\nX-Evil: b"))
        with pytest.raises(SourceUnavailable) as caught:
            await collected(source.open(0, None))
        assert "X-Evil" not in str(caught.value)
        assert server.asked == []


async def test_a_secret_of_another_participant_is_not_found(egress: Egress) -> None:
    async with loopback_server(respond()) as server:
        place = place_of(
            {"kind": "http", "base_url": server.url("/"), "secret_headers": {"Authorization": "token"}}
        )
        assert isinstance(place, HttpPlace)
        source = HttpSource(egress, Secrets(token=TOKEN), "did:web:b", place, "text/plain")
        with pytest.raises(SourceUnavailable, match="'token'"):
            await collected(source.open(0, None))
        assert server.asked == []


async def test_a_redirect_is_not_followed_with_our_credentials(egress: Egress) -> None:
    async with loopback_server(respond(BODY)) as other:
        redirect = respond(b"", status="302 Found", headers={"Location": other.url("/")})
        async with loopback_server(redirect) as server:
            source = source_of(egress, server)
            with pytest.raises(SourceUnavailable):
                await collected(source.open(0, None))
            with pytest.raises(SourceUnavailable):
                await source.forward(ask("POST"))
            await source.close()
        assert other.asked == []


async def test_an_api_that_breaks_off_or_stays_silent_is_unavailable(egress: Egress) -> None:
    broken = send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    async with loopback_server(broken) as server:
        source = source_of(egress, server)
        with pytest.raises(SourceUnavailable):
            await collected(source.open(0, None))
        await source.close()
    async with loopback_server(send(b"", then_close=False)) as server:
        source = source_of(egress, server, timeout_s=1)
        with pytest.raises(SourceUnavailable, match="within 1 s"):
            await source.forward(ask("POST"))
        await source.close()
