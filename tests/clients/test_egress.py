"""The egress against servers that lie, stall, repeat, swell and break off."""

import asyncio
import gzip
import inspect
import socket
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import closing

import aiohttp
import pytest
from aiohttp import http_exceptions

from ashiato.clients.egress import (
    Egress,
    EgressRefused,
    EgressRules,
    RedirectRefused,
    ResponseTooLarge,
    Unreachable,
    check_url,
)
from ashiato.clients.http_session import WIRE_ERRORS, AddressRefused, own_error
from tests.clients.loopback_server import Answer, Asked, drip, loopback_server, respond, send

SAFE = EgressRules()
LOOPBACK = EgressRules(
    unsafe_allow_loopback=True, connect_timeout_s=2, total_timeout_s=2, idle_timeout_s=0.3, grace_s=0.3
)
HEAD = b"HTTP/1.1 200 OK\r\n"


class Names:
    """A name server of the test's making: each look-up takes the next answer, the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if not answer:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return answer


async def _drain(
    way_out: Egress, url: str, *, max_response_bytes: int, timeout_s: float | None = None
) -> bytes:
    """The whole body, taken as a stream."""
    async with way_out.stream(
        "GET", url, timeout_s=timeout_s, max_response_bytes=max_response_bytes
    ) as stream:
        return b"".join([chunk async for chunk in stream.chunks()])


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    """The way out where loopback is allowed, with short times."""
    async with Egress(LOOPBACK) as way_out:
        yield way_out


async def test_an_answer_is_given_with_status_headers_and_body(egress: Egress) -> None:
    async with loopback_server(respond(b"body", status="404 Not Found", headers={"X-A": "b"})) as server:
        answer = await egress.request("POST", server.url("/x?y=z"), headers={"X-C": "d"}, body=b"sent")
    assert (answer.status, answer.body) == (404, b"body")
    assert answer.headers["x-a"] == answer.headers["X-A"] == "b"
    asked = server.asked[0]
    assert (asked.method, asked.target, asked.body) == ("POST", "/x?y=z", b"sent")
    assert asked.headers["x-c"] == "d"
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"


async def test_path_and_query_arrive_as_they_were_given(egress: Egress) -> None:
    target = "/a/../b/%7Euser/%2e%2e/x+y;z?q=%20&r=a%2Fb&s=$'()*"
    async with loopback_server(respond()) as server:
        await egress.request("GET", server.url(target))
    assert server.asked[0].target == target


async def test_a_body_in_pieces_is_sent(egress: Egress) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async with loopback_server(respond()) as server:
        await egress.request("PUT", server.url(), body=pieces())
    assert server.asked[0].body == b"one two"


async def test_an_error_of_the_bodys_source_is_not_taken_for_one_of_the_wire(egress: Egress) -> None:
    class DiskBroken(OSError):
        pass

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        raise DiskBroken

    async with loopback_server(respond()) as server:
        with pytest.raises(DiskBroken):
            await egress.request("PUT", server.url(), body=pieces())


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65_536


async def test_a_server_that_stops_reading_an_upload_is_given_up() -> None:
    rules = EgressRules(unsafe_allow_loopback=True, idle_timeout_s=0.3)
    async with (
        Egress(rules) as way_out,
        loopback_server(send(b"", then_close=False), reads_bodies=False) as server,
    ):
        started_s = time.monotonic()
        with pytest.raises(Unreachable, match="in time"):
            await way_out.request("PUT", server.url(), body=_endless(), timeout_s=86_400)
        opening = way_out.stream("PUT", server.url(), body=_endless(), timeout_s=86_400, max_response_bytes=1)
        with pytest.raises(Unreachable, match="in time"):
            await opening.__aenter__()
        assert time.monotonic() - started_s < 5


async def test_a_slow_source_of_an_upload_is_not_held_against_the_server() -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.3)
            yield b"piece"

    rules = EgressRules(unsafe_allow_loopback=True, idle_timeout_s=0.1)
    async with Egress(rules) as way_out, loopback_server(respond()) as server:
        await way_out.request("PUT", server.url(), body=slowly())
    assert server.asked[0].body == b"piece" * 3


async def test_a_server_that_never_answers_an_upload_is_given_up() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"piece"

    rules = EgressRules(unsafe_allow_loopback=True, total_timeout_s=0.3)
    async with Egress(rules) as way_out, loopback_server(send(b"", then_close=False)) as server:
        with pytest.raises(Unreachable, match="in time"):
            await way_out.request("PUT", server.url(), body=pieces(), timeout_s=86_400)


async def test_an_answer_before_the_end_of_an_upload_ends_the_upload_and_the_connection() -> None:
    stopped = asyncio.Event()

    async def watched() -> AsyncIterator[bytes]:
        try:
            async for chunk in _endless():
                yield chunk
        finally:
            stopped.set()

    answer = send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", then_close=False)
    async with (
        Egress(EgressRules(unsafe_allow_loopback=True)) as way_out,
        loopback_server(answer, reads_bodies=False) as server,
    ):
        refusal = await way_out.request("PUT", server.url(), body=watched(), timeout_s=5)
        assert (refusal.status, refusal.body) == (413, b"no")
        await asyncio.wait_for(stopped.wait(), 5)
        assert (await way_out.request("GET", server.url())).status == 413
        assert server.connections == 2


async def test_connections_are_kept_and_used_again(egress: Egress) -> None:
    async with loopback_server(respond()) as server:
        for _ in range(5):
            await egress.request("POST", server.url(), body=b"x")
    assert (len(server.asked), server.connections) == (5, 1)


async def test_one_host_gets_no_more_connections_than_allowed() -> None:
    async def slowly(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        await respond()(asked, writer)

    rules = EgressRules(unsafe_allow_loopback=True, connections_per_host=2)
    async with Egress(rules) as way_out, loopback_server(slowly) as server:
        await asyncio.gather(*(way_out.request("GET", server.url()) for _ in range(8)))
    assert (len(server.asked), server.open_most) == (8, 2)


async def test_bytes_after_an_answer_are_not_taken_for_the_next_answer(egress: Egress) -> None:
    poison = HEAD + b"Content-Length: 2\r\n\r\nok" + HEAD + b"Content-Length: 6\r\n\r\npoison"
    async with loopback_server(send(poison, then_close=False)) as server:
        assert (await egress.request("GET", server.url("/1"))).body == b"ok"
        assert (await egress.request("GET", server.url("/2"))).body == b"ok"


# What the text of an address alone forbids.


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://１２７.0.0.1/",
        "https://0.0.0.0/",
        "https://255.255.255.255/",
        "ws://a.example/",
    ],
)
def test_an_address_that_leads_inside_is_refused_when_it_arrives(url: str) -> None:
    with pytest.raises(EgressRefused):
        check_url(url, SAFE)
    with pytest.raises(EgressRefused):
        Egress(SAFE).check_url(url)


def test_a_public_address_may_be_kept() -> None:
    for url in ("https://a.example/callback", "https://8.8.8.8/", "https://[2606:4700::1]:8443/x"):
        Egress(SAFE).check_url(url)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://169.254.169.254/", "http://[fe80::1]/", "http://0.0.0.0/"]
)
async def test_allowing_loopback_allows_nothing_else(url: str, egress: Egress) -> None:
    with pytest.raises(EgressRefused, match="not public"):
        await egress.request("GET", url)


def test_only_listed_ports_are_allowed_where_ports_are_listed() -> None:
    rules = EgressRules(allowed_ports=frozenset({443, 8443}))
    check_url("https://a.example/", rules)
    check_url("https://a.example:8443/", rules)
    for port in (22, 80, 8080):
        with pytest.raises(EgressRefused, match="allowed ports"):
            check_url(f"https://a.example:{port}/", rules)


async def test_a_callback_to_the_own_management_port_is_refused() -> None:
    async with loopback_server(respond()) as server:
        rules = EgressRules(unsafe_allow_loopback=True, own_ports=frozenset({server.port}))
        async with Egress(rules) as way_out:
            for host in ("127.0.0.1", "localhost", "127.9.9.9", "[::1]"):
                with pytest.raises(EgressRefused, match="own management"):
                    await way_out.request("GET", server.url(host=host))
    assert server.connections == 0


# Where a name leads.


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "fd00::1",
        "0.0.0.0",
    ],
)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    names = Names([address])
    async with Egress(SAFE, resolve=names) as way_out:
        for url in ("https://a.example/", "https://a.example:8443/x"):
            with pytest.raises(EgressRefused, match=r"a\.example leads where no request may go"):
                await way_out.vet(url)
            with pytest.raises(EgressRefused, match=r"a\.example leads where no request may go"):
                await way_out.request("GET", url)


async def test_a_name_with_one_public_and_one_private_address_is_refused() -> None:
    for answer in (["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700::1", "::1"]):
        async with Egress(SAFE, resolve=Names(answer)) as way_out:
            with pytest.raises(EgressRefused, match="leads where no request may go"):
                await way_out.vet("https://a.example/")


async def test_a_name_with_public_addresses_is_vetted_without_connecting() -> None:
    names = Names(["8.8.8.8", "2606:4700:4700::1111"])
    async with Egress(SAFE, resolve=names) as way_out:
        await way_out.vet("https://a.example./x")
    assert names.asked == ["a.example"]


async def test_the_checked_address_is_the_one_that_is_connected_to() -> None:
    names = Names(["127.0.0.2"])
    async with (
        Egress(LOOPBACK, resolve=names) as way_out,
        loopback_server(respond(), host="127.0.0.2") as server,
    ):
        answer = await way_out.request("GET", server.url(host="connector.example"))
    assert answer.body == b"ok"
    assert names.asked == ["connector.example"]
    assert server.asked[0].headers["host"] == f"connector.example:{server.port}"


async def test_a_name_that_turns_to_a_private_address_after_its_check_is_refused() -> None:
    """DNS rebinding: allowed when vetted, inside when connected to."""
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with Egress(LOOPBACK, resolve=names) as way_out, loopback_server(respond()) as server:
        url = server.url(host="rebind.example")
        await way_out.vet(url)
        with pytest.raises(EgressRefused, match=r"10\.0\.0\.1"):
            await way_out.request("GET", url)
    assert server.connections == 0
    assert len(names.asked) == 2


async def test_a_name_is_resolved_once_for_a_connection_so_that_no_second_answer_counts() -> None:
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    async with Egress(LOOPBACK, resolve=names) as way_out, loopback_server(respond()) as server:
        url = server.url(host="rebind.example")
        assert (await way_out.request("GET", url)).status == 200
        assert len(names.asked) == 1
        assert (await way_out.request("GET", url)).status == 200
    assert len(server.asked) == 2


async def test_a_kept_name_is_asked_again_and_checked_again() -> None:
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    rules = EgressRules(unsafe_allow_loopback=True, dns_cache_s=0, keep_alive_s=0.01)
    async with Egress(rules, resolve=names) as way_out, loopback_server(respond()) as server:
        url = server.url(host="rebind.example")
        assert (await way_out.request("GET", url)).status == 200
        await asyncio.sleep(0.1)
        with pytest.raises(EgressRefused, match="leads where no request may go"):
            await way_out.request("GET", url)
    assert len(server.asked) == 1


async def test_an_address_that_slipped_past_the_resolver_is_refused_at_the_socket(
    egress: Egress, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unchecked(host: str, port: int, *, family: int) -> list[dict[str, object]]:
        return [
            {
                "hostname": "a",
                "host": "10.0.0.1",
                "port": 80,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    _, resolver = egress._open()
    monkeypatch.setattr(resolver, "resolve", unchecked)
    with pytest.raises(EgressRefused, match=r"10\.0\.0\.1"):
        await egress.request("GET", "http://a.example/")


async def test_a_name_that_does_not_exist_is_tried_again_later() -> None:
    async with Egress(SAFE, resolve=Names([])) as way_out:
        with pytest.raises(Unreachable, match="cannot be resolved"):
            await way_out.vet("https://a.example/")
        with pytest.raises(Unreachable, match="cannot be resolved"):
            await way_out.request("GET", "https://a.example/")


async def test_a_name_server_that_stalls_is_given_up() -> None:
    async def stall(host: str) -> Sequence[str]:
        await asyncio.sleep(30)
        return ["8.8.8.8"]

    rules = EgressRules(connect_timeout_s=0.1, total_timeout_s=0.2)
    async with Egress(rules, resolve=stall) as way_out:
        started_s = time.monotonic()
        with pytest.raises(Unreachable):
            await way_out.vet("https://a.example/")
        with pytest.raises(Unreachable):
            await way_out.request("GET", "https://a.example/")
        assert time.monotonic() - started_s < 2


async def test_the_systems_own_names_work(egress: Egress) -> None:
    async with loopback_server(respond()) as server:
        assert (await egress.request("GET", server.url(host="localhost"))).body == b"ok"
        await egress.vet(server.url(host="localhost"))


# What a request may carry.


@pytest.mark.parametrize(
    "method", ["CONNECT", "TRACE", "get", "GET ", "GET /x HTTP/1.1\r\nX: y\r\n\r\n", "", "PURGE"]
)
async def test_a_method_outside_the_list_is_refused(method: str, egress: Egress) -> None:
    with pytest.raises(EgressRefused, match="method"):
        await egress.request(method, "http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "b\r\nEvil: 1"),
        ("X-A", "b\nEvil: 1"),
        ("X-A", "b\0"),
        ("X-A", "é"),
        ("X-A\r\nEvil", "1"),
        ("X A", "1"),
        ("X-A:", "1"),
        ("", "1"),
        ("Host", "evil.example"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("Connection", "close"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "Basic x"),
        ("Expect", "100-continue"),
        ("TE", "trailers"),
    ],
)
async def test_a_header_that_could_split_or_steer_the_connection_is_refused(
    name: str, value: str, egress: Egress
) -> None:
    with pytest.raises(EgressRefused, match="header"):
        await egress.request("GET", "http://127.0.0.1:1/", headers={name: value})


async def test_cookies_are_neither_kept_nor_sent(egress: Egress) -> None:
    async with loopback_server(respond(headers={"Set-Cookie": "a=b; Path=/"})) as server:
        for _ in range(2):
            await egress.request("GET", server.url(host="localhost"))
    assert all("cookie" not in asked.headers for asked in server.asked)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with loopback_server(respond(b"direct")) as server, loopback_server(respond(b"proxy")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        async with Egress(LOOPBACK) as way_out:
            assert (await way_out.request("GET", server.url())).body == b"direct"
        assert proxy.connections == 0


# What comes back.


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
        respond(gzip.compress(b"text" * 100), headers={"Content-Encoding": "gzip"})
    ) as server:
        assert (await egress.request("GET", server.url())).body == b"text" * 100
        assert server.asked[0].headers["accept-encoding"] == "gzip"
        assert (await egress.request("HEAD", server.url())).body == b""


async def test_a_decompression_bomb_is_refused(egress: Egress) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
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
    [b"not gzip", gzip.compress(b"text")[:-4], gzip.compress(b"text") + b"more", gzip.compress(b"a") * 2],
)
async def test_a_broken_compressed_answer_is_tried_again_later(body: bytes, egress: Egress) -> None:
    async with loopback_server(respond(body, headers={"Content-Encoding": "gzip"})) as server:
        with pytest.raises(Unreachable):
            await egress.request("GET", server.url())


async def test_a_stream_is_never_decompressed(egress: Egress) -> None:
    body = gzip.compress(b"text")
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
        await asyncio.wait_for(server.hung_up.wait(), 5)


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


async def test_the_egress_can_be_warmed_up_and_opens_again_after_closing() -> None:
    async with loopback_server(respond()) as server:
        way_out = Egress(LOOPBACK)
        await way_out.warm_up()
        for _ in range(2):
            assert (await way_out.request("GET", server.url())).body == b"ok"
            await way_out.close()
        await way_out.close()


# TLS.


async def test_a_trusted_certificate_is_accepted_under_its_name(
    tls_pair: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server_tls, client_tls = tls_pair
    names = Names(["127.0.0.1"])
    async with (
        loopback_server(respond(), tls=server_tls) as server,
        Egress(LOOPBACK, resolve=names, tls=client_tls) as way_out,
    ):
        answer = await way_out.request("GET", server.url(host="connector.example", scheme="https"))
        assert answer.body == b"ok"


async def test_a_certificate_for_another_name_is_refused(
    tls_pair: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server_tls, client_tls = tls_pair
    names = Names(["127.0.0.1"])
    async with (
        loopback_server(respond(), tls=server_tls) as server,
        Egress(LOOPBACK, resolve=names, tls=client_tls) as way_out,
    ):
        with pytest.raises(Unreachable, match="TLS"):
            await way_out.request("GET", server.url(host="other.example", scheme="https"))
    assert server.asked == []


async def test_a_certificate_of_an_unknown_authority_is_refused(
    tls_pair: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with (
        loopback_server(respond(), tls=tls_pair[0]) as server,
        Egress(LOOPBACK, resolve=Names(["127.0.0.1"])) as way_out,
    ):
        with pytest.raises(Unreachable, match="TLS"):
            await way_out.request("GET", server.url(host="connector.example", scheme="https"))
    assert server.asked == []


async def test_a_server_that_speaks_no_tls_is_not_spoken_to_without_it(egress: Egress) -> None:
    async with loopback_server(respond()) as server:
        with pytest.raises(Unreachable):
            await egress.request("GET", server.url(scheme="https"))
    assert server.asked == []


def test_a_message_shows_neither_user_information_nor_the_query() -> None:
    for kind in (EgressRefused, Unreachable):
        error = kind("https://user:secret@a.example/x?signature=secret", "why")
        assert "secret" not in str(error)
        assert "a.example/x" in str(error)
    assert "secret" not in str(
        RedirectRefused("https://a.example/?s=secret", 302, "https://b.example/?s=secret")
    )


# Every error of the HTTP library has its place.

REFUSED_FOR_GOOD = {
    "InvalidURL",
    "InvalidUrlClientError",
    "InvalidUrlRedirectClientError",
    "NonHttpUrlClientError",
    "NonHttpUrlRedirectClientError",
    "RedirectClientError",
    "TooManyRedirects",
}
TRIED_AGAIN = {
    "ClientConnectionError",
    "ClientConnectionResetError",
    "ClientConnectorCertificateError",
    "ClientConnectorDNSError",
    "ClientConnectorError",
    "ClientConnectorSSLError",
    "ClientError",
    "ClientHttpProxyError",
    "ClientOSError",
    "ClientPayloadError",
    "ClientProxyConnectionError",
    "ClientResponseError",
    "ClientSSLError",
    "ConnectionTimeoutError",
    "ContentTypeError",
    "ServerConnectionError",
    "ServerDisconnectedError",
    "ServerFingerprintMismatch",
    "ServerTimeoutError",
    "SocketTimeoutError",
    "UnixClientConnectorError",
    "UploadAbortedError",
    "WSServerHandshakeError",
    "BadHttpMessage",
    "BadHttpMethod",
    "BadStatusLine",
    "ContentEncodingError",
    "ContentLengthError",
    "DecompressSizeError",
    "HttpBadRequest",
    "HttpProcessingError",
    "InvalidHeader",
    "InvalidURLError",
    "LineTooLong",
    "PayloadEncodingError",
    "TransferEncodingError",
}
NEVER_RAISED_BY_A_REQUEST = {
    "BadContentDispositionHeader": "a warning of its multipart reader, which is not used",
    "BadContentDispositionParam": "a warning of its multipart reader, which is not used",
    "EofStream": "a signal of the stream reader, which `readany` turns into an empty chunk",
    "WSMessageTypeError": "web sockets are not used",
    "WebSocketError": "web sockets are not used",
}


def _library_errors() -> dict[str, type[Exception]]:
    modules = (aiohttp, aiohttp.client_exceptions, http_exceptions)
    found = (value for module in modules for value in vars(module).values() if inspect.isclass(value))
    return {
        kind.__name__: kind for kind in found if issubclass(kind, Exception) and "aiohttp" in kind.__module__
    }


def test_no_error_of_the_http_library_is_unmapped() -> None:
    errors = _library_errors()
    assert set(errors) == REFUSED_FOR_GOOD | TRIED_AGAIN | set(NEVER_RAISED_BY_A_REQUEST)
    for name in REFUSED_FOR_GOOD | TRIED_AGAIN:
        kind = errors[name]
        assert issubclass(kind, WIRE_ERRORS), name
        mapped = own_error("https://a.example/", kind.__new__(kind))
        assert type(mapped) is (EgressRefused if name in REFUSED_FOR_GOOD else Unreachable), name
        assert mapped.why


def test_no_error_of_the_system_is_unmapped() -> None:
    for error in (
        OSError(),
        ConnectionResetError(),
        BrokenPipeError(),
        TimeoutError(),
        socket.gaierror(),
        ssl.SSLError(),
    ):
        assert isinstance(error, WIRE_ERRORS)
        assert type(own_error("https://a.example/", error)) is Unreachable
    assert isinstance(AddressRefused("x"), WIRE_ERRORS)
    assert type(own_error("https://a.example/", AddressRefused("x"))) is EgressRefused
