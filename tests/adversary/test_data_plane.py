"""Requests to the data plane that say one thing to a proxy and another to a source, or that ask for the same again and again."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

import pytest

from ashiato.connector.records import Asset
from tests.clients.loopback_server import Asked, loopback_server, respond
from tests.data_clients import ask, raw
from tests.data_plane import CONSUMER, PROVIDER, Deal, Side, make_deal, token_of

RECORD = b'{"footprint": "73.4"}' * 1000
HARMLESS = {
    "host",
    "authorization",
    "accept",
    "accept-encoding",
    "content-type",
    "content-length",
    "user-agent",
}


@pytest.fixture
async def record(provider: Side) -> Deal:
    """A record under an agreement."""
    asset = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})
    return await make_deal(provider, None, asset, body=RECORD)


@pytest.fixture
async def upstream(provider: Side) -> AsyncIterator[tuple[Deal, list[Asked]]]:
    """An API of the provider's own that may be read and written to, and what it was asked."""
    async with loopback_server(respond(b"{}", headers={"Content-Type": "application/json"})) as server:
        source = {"kind": "http", "base_url": server.url("/api"), "forward_path": True, "forward_query": True}
        asset = Asset(asset_id="mes", title="MES", source=source, methods=("GET",))
        yield await make_deal(provider, None, asset), server.asked


async def renewal(provider: Side, consumer: Side, deal: Deal) -> tuple[int, str]:
    moment = consumer.clock.moment()
    identity = await consumer.node.identity.token_for(CONSUMER, PROVIDER, moment.now_ms, moment.fresh_id())
    answer = await ask(
        f"{provider.data_url(deal.provider_pid)}/token", identity.removeprefix("Bearer "), "POST"
    )
    return answer.status, str(json.loads(answer.body).get("access_token"))


async def test_parallel_refreshes_all_give_a_good_token_and_lose_nothing(
    provider: Side, consumer: Side, record: Deal
) -> None:
    answers = await asyncio.gather(*(renewal(provider, consumer, record) for _ in range(20)))
    assert {status for status, _ in answers} == {200}
    url = provider.data_url(record.provider_pid)
    for _, token in answers:
        assert (await ask(url, token)).body == RECORD
    # The one of before is good until its own end: whoever is in the middle of a download goes on.
    assert (await ask(url, token_of(provider, record))).status == 200


async def test_one_identity_token_shown_twenty_times_at_once_refreshes_once(
    provider: Side, consumer: Side, record: Deal
) -> None:
    moment = consumer.clock.moment()
    identity = await consumer.node.identity.token_for(CONSUMER, PROVIDER, moment.now_ms, moment.fresh_id())
    url = f"{provider.data_url(record.provider_pid)}/token"
    answers = await asyncio.gather(*(ask(url, identity.removeprefix("Bearer "), "POST") for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [200, *[401] * 19]


OVERRIDES = {
    "X-HTTP-Method-Override": "DELETE",
    "X-HTTP-Method": "PUT",
    "X-Method-Override": "POST",
    "X-Original-URL": "/admin",
    "X-Rewrite-URL": "/admin",
}


async def test_a_method_override_overrides_nothing(
    provider: Side, upstream: tuple[Deal, list[Asked]]
) -> None:
    deal, asked = upstream
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    for name, value in OVERRIDES.items():
        answer = await ask(f"{url}/lots", token, "GET", None, **{name.replace("-", "_"): value})
        assert answer.status == 200
    assert [(one.method, one.target) for one in asked] == [("GET", "/api/lots")] * len(OVERRIDES)
    assert all(set(one.headers) <= HARMLESS for one in asked)
    # What the agreement does not allow is not allowed in disguise either.
    for method in ("PUT", "POST", "DELETE", "TRACE", "PROPFIND"):
        refused = await ask(f"{url}/lots", token, method, X_HTTP_Method_Override="GET")
        assert refused.status in (400, 405)
    assert len(asked) == len(OVERRIDES)


HOP_BY_HOP = {
    "Connection": "close, X-Internal, Authorization",
    "Keep-Alive": "timeout=1000",
    "Proxy-Authorization": "Basic YTpi",
    "Proxy-Connection": "keep-alive",
    "TE": "trailers",
    "Trailer": "X-Internal",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAMAAABkAAQCAAAAAAIAAAAA",
    "X-Internal": "1",
}
FORWARDING = {
    "X-Forwarded-For": "10.0.0.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Prefix": "/admin",
    "X-Real-IP": "10.0.0.1",
    "Forwarded": "for=10.0.0.1;host=evil.example",
    "X-Client-Cert": "MIIB",
    "True-Client-IP": "10.0.0.1",
}


@pytest.mark.parametrize("injected", [HOP_BY_HOP, FORWARDING], ids=["hop-by-hop", "X-Forwarded"])
async def test_headers_for_proxies_are_not_passed_on(
    provider: Side, upstream: tuple[Deal, list[Asked]], injected: dict[str, str]
) -> None:
    deal, asked = upstream
    lines = "".join(f"{name}: {value}\r\n" for name, value in injected.items())
    answer = await raw(
        provider,
        f"GET /provider/data/{deal.provider_pid}/lots HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        f"Authorization: Bearer {token_of(provider, deal)}\r\n{lines}\r\n".encode(),
    )
    if answer.startswith(b"HTTP/1.1 200"):
        (seen,) = asked
        assert set(seen.headers) <= HARMLESS
        assert "evil" not in str(seen)
        assert "10.0.0.1" not in str(seen)
    else:
        assert answer.startswith(b"HTTP/1.1 400")
        assert asked == []


async def test_headers_for_proxies_do_not_change_what_a_proof_or_an_address_says(
    provider: Side, record: Deal
) -> None:
    headers = {name.replace("-", "_"): value for name, value in FORWARDING.items()}
    answer = await ask(
        provider.data_url(record.provider_pid), token_of(provider, record), "GET", None, **headers
    )
    assert (answer.status, answer.body) == (200, RECORD)
    assert "evil" not in str(answer.headers)


@pytest.mark.parametrize("asked_for", [None, "bytes=0-0", "bytes=100-4999", "bytes=-17", "bytes=5-"])
async def test_the_meter_says_the_bytes_that_were_really_sent(
    provider: Side, record: Deal, asked_for: str | None
) -> None:
    headers = {"Range": asked_for} if asked_for else {}
    answer = await ask(
        provider.data_url(record.provider_pid), token_of(provider, record), "GET", None, **headers
    )
    assert answer.status == (206 if asked_for else 200)
    (access,) = await provider.finished_accesses(1)
    assert (access.sent_bytes, access.sha256) == (
        len(answer.body),
        hashlib.sha256(answer.body).hexdigest(),
    )


async def test_ten_thousand_ranges_cost_no_more_than_one(provider: Side, record: Deal) -> None:
    many = "bytes=" + ",".join(f"{number}-{number}" for number in range(8000))
    url, token = provider.data_url(record.provider_pid), token_of(provider, record)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    answer = await ask(url, token, Range=many[:50_000])
    assert loop.time() - began_s < 1
    assert (answer.status, answer.body) == (200, RECORD)
