"""What the egress lets out."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from ashiato.clients.egress import Egress, EgressRefused, EgressRules, Unreachable, check_url
from tests.clients.loopback_server import HEAD, Asked, loopback_server, respond, send

SAFE = EgressRules()
LOOPBACK = EgressRules(unsafe_allow_loopback=True, connect_timeout_s=2, total_timeout_s=2)


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
        assert check_url(url, SAFE).scheme == "https"


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


async def test_the_egress_opens_again_after_closing() -> None:
    async with loopback_server(respond()) as server:
        way_out = Egress(LOOPBACK)
        for _ in range(2):
            assert (await way_out.request("GET", server.url())).body == b"ok"
            await way_out.close()
        await way_out.close()
