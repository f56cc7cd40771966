"""Assets that are an inbox or a query: what is passed on to the company's own API, and what never is."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

import pytest

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import Asset
from tests.clients.loopback_server import Asked, loopback_server, respond
from tests.data_clients import ask, raw
from tests.data_plane import (
    PROVIDER,
    Deal,
    Side,
    make_deal,
    token_of,
)


class Upstream:
    """An API that says what it was asked."""

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        seen = {"method": asked.method, "target": asked.target, "body": asked.body.decode()}
        await respond(json.dumps(seen).encode(), headers={"Content-Type": "application/json"})(asked, writer)


@pytest.fixture
async def api_deal(provider: Side) -> AsyncIterator[tuple[Deal, list[Asked]]]:
    """An upstream API as an asset, and what the API was asked."""
    async with loopback_server(Upstream()) as server:
        provider.secrets.values[PROVIDER, "mes-token"] = "Bearer mes-secret-0123456789"
        source = {
            "kind": "http",
            "base_url": server.url("/api"),
            "secret_headers": {"Authorization": "mes-token"},
            "forward_path": True,
            "forward_query": True,
        }
        asset = Asset(asset_id="mes", title="MES", source=source, methods=("GET", "POST", "PUT"))
        yield await make_deal(provider, None, asset), server.asked


async def test_a_query_is_forwarded_and_accounted_for(
    provider: Side, api_deal: tuple[Deal, list[Asked]]
) -> None:
    deal, asked = api_deal
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    answer = await ask(
        f"{url}/lots/7?plant=Osaka",
        token,
        "POST",
        b'{"q": 1}',
        Content_Type="application/json",
        X_Forwarded_For="10.0.0.1",
        X_Forwarded_Host="evil.example",
        Forwarded="for=evil",
        Cookie="a=b",
        Connection="X-Secret",
        X_Secret="1",
        Proxy_Authorization="Basic abc",
        DPoP_Nonce="n",
    )
    assert answer.status == 200
    assert json.loads(answer.body) == {
        "method": "POST",
        "target": "/api/lots/7?plant=Osaka",
        "body": '{"q": 1}',
    }
    (seen,) = asked
    assert seen.headers["authorization"] == "Bearer mes-secret-0123456789"
    assert seen.headers["content-type"] == "application/json"
    assert set(seen.headers) <= {
        "host", "authorization", "accept", "accept-encoding", "content-type", "content-length", "user-agent",
    }  # fmt: skip
    (access,) = await provider.finished_accesses(1)
    assert (access.method, access.sent_bytes) == ("POST", len(answer.body))
    assert access.sha256 == hashlib.sha256(answer.body).hexdigest()
    assert (await provider.agreement(deal.agreement_id)).uses_count == 1
    history = await provider.store.read(PROVIDER, lambda uow: uow.records.list_history(0, 10))
    assert history[0].details["taken_sha256"] == hashlib.sha256(b'{"q": 1}').hexdigest()


@pytest.mark.parametrize(
    "target",
    [
        "/../secret",
        "/a/../secret",
        "/a/..",
        "/./a",
        "/%2e%2e/secret",
        "/%2E%2E/secret",
        "/.%2e/secret",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a\\b",
        "/a//b",
        "//a",
        "/a;jsessionid=1",
        "/a%3bx",
        "/%252e%252e/secret",
        "/a%00b",
        "/a%0d%0aX-Evil:b",
        "/a%0Ab",
        "/a?q=\x7f",
        "/" + "a" * 5000,
    ],
)
async def test_a_path_that_two_readers_could_read_differently_is_not_forwarded(
    provider: Side, api_deal: tuple[Deal, list[Asked]], target: str
) -> None:
    deal, asked = api_deal
    request = (
        f"GET /provider/data/{deal.provider_pid}{target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        f"Authorization: Bearer {token_of(provider, deal)}\r\n\r\n"
    )
    answer = await raw(provider, request.encode("latin-1"))
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))
    assert asked == []
    assert (await provider.agreement(deal.agreement_id)).uses_count == 0


@pytest.mark.parametrize(
    "smuggled",
    [
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: +4\r\n\r\nabcd",
        " folded: a\r\n\r\n",
    ],
)
async def test_two_lengths_or_none_reach_no_source(
    provider: Side, api_deal: tuple[Deal, list[Asked]], smuggled: str
) -> None:
    deal, asked = api_deal
    answer = await raw(
        provider,
        f"POST /provider/data/{deal.provider_pid} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        f"Authorization: Bearer {token_of(provider, deal)}\r\n{smuggled}".encode(),
    )
    assert answer.startswith(b"HTTP/1.1 400")
    assert asked == []


async def test_a_request_that_is_too_large_is_refused(
    provider: Side, api_deal: tuple[Deal, list[Asked]]
) -> None:
    deal, asked = api_deal
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    request = (
        f"POST /provider/data/{deal.provider_pid} HTTP/1.1\r\nHost: a\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: 99999999\r\n\r\n"
    )
    answer = await raw(provider, request.encode())
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"body-too-large" in answer
    assert url
    assert asked == []


async def test_a_secret_that_is_not_configured_is_the_provider_s_trouble(
    provider: Side, api_deal: tuple[Deal, list[Asked]]
) -> None:
    deal, asked = api_deal
    del provider.secrets.values[PROVIDER, "mes-token"]
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal), "POST", b"{}")
    assert (answer.status, answer.code) == (502, "source-unavailable")
    assert b"mes-token" not in answer.body
    (access,) = await provider.finished_accesses(1)
    assert (access.outcome, access.sent_bytes) == ("failed", 0)
    assert asked == []


async def test_no_secret_and_no_payload_stands_in_the_history_or_the_log(
    provider: Side, api_deal: tuple[Deal, list[Asked]], capfd: pytest.CaptureFixture[str]
) -> None:
    deal, _ = api_deal
    token = token_of(provider, deal)
    url = provider.data_url(deal.provider_pid)
    await ask(url, token, "POST", b"payload-0123456789")
    await ask(f"{url}/../x", token + "A", "POST", b"payload-0123456789")
    await provider.finished_accesses(1)
    provider.secrets.values[PROVIDER, "mes-token"] = "mes-secret-0123456789\r\nX-Evil: 1"
    assert (await ask(url, token, "POST", b"payload-0123456789")).status == 502

    def everything(uow: UnitOfWork) -> str:
        return f"{uow.records.list_history(0, 100)} {uow.transfers.list_accesses('', 100)}"

    printed = capfd.readouterr()
    assert "source unavailable" in printed.out
    text = await provider.store.read(PROVIDER, everything) + printed.out + printed.err
    for secret in (token, "mes-secret-0123456789", "payload-0123456789"):
        assert secret not in text
