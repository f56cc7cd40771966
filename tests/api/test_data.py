"""The data plane over real HTTP: what is served, to whom, in which parts, and what is written down."""

import asyncio
import base64
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import Asset
from ashiato.dsp.states import Role, TransferState
from ashiato.policy.builder import permit
from ashiato.trust.access_tokens import mint_access_token
from tests.clients.loopback_server import Asked, loopback_server, respond
from tests.data_plane import (
    CONSUMER,
    PROVIDER,
    STRANGER,
    Clock,
    Deal,
    Parties,
    Side,
    make_deal,
    running_side,
    token_of,
)

RECORD = b'{"footprint": "73.4"}'
RECORD_ASSET = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})
BIG = random.Random(5).randbytes(9_000_000)
BIG_ASSET = Asset(
    asset_id="big", title="log", source={"kind": "file", "path": "big.bin"}, media_type="text/plain"
)


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
    port = int(side.root_url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


@pytest.fixture
async def deal(provider: Side) -> Deal:
    """A record under an agreement."""
    return await make_deal(provider, None, RECORD_ASSET, body=RECORD)


@pytest.fixture
async def big(provider: Side) -> Deal:
    """A file of nine million bytes under an agreement."""
    (provider.folder / "big.bin").write_bytes(BIG)
    return await make_deal(provider, None, BIG_ASSET)


async def test_a_record_is_served_to_the_one_who_holds_the_token(provider: Side, deal: Deal) -> None:
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))
    assert (answer.status, answer.body) == (200, RECORD)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(RECORD))
    assert answer.headers["Accept-Ranges"] == "bytes"
    digest = base64.b64encode(hashlib.sha256(RECORD).digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    (access,) = await provider.finished_accesses(1)
    assert (access.sent_bytes, access.outcome) == (len(RECORD), "complete")
    assert access.sha256 == hashlib.sha256(RECORD).hexdigest()
    assert (access.peer_id, access.asset_id, access.agreement_id) == (CONSUMER, "powder", deal.agreement_id)


async def test_head_tells_everything_and_uses_nothing(provider: Side, deal: Deal) -> None:
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal), "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(RECORD))
    assert answer.headers["ETag"].startswith('"')
    assert (await provider.agreement(deal.agreement_id)).uses_count == 0
    assert await provider.accesses() == []


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-", 100, len(BIG)),
        ("bytes=-7", len(BIG) - 7, len(BIG)),
        ("bytes=524287-524289", 524287, 524290),
        ("bytes=8999999-99999999", 8999999, 9000000),
    ],
)
async def test_a_part_is_exactly_that_part(
    provider: Side, big: Deal, header: str, start: int, end: int
) -> None:
    answer = await ask(provider.data_url(big.provider_pid), token_of(provider, big), Range=header)
    assert answer.status == 206
    assert answer.body == BIG[start:end]
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(BIG)}"
    assert answer.headers["Content-Length"] == str(end - start)
    (access,) = await provider.finished_accesses(1)
    assert (access.range_start_bytes, access.sent_bytes) == (start, end - start)
    assert access.sha256 == hashlib.sha256(BIG[start:end]).hexdigest()


async def test_a_range_behind_the_end_is_not_satisfiable_and_uses_nothing(provider: Side, big: Deal) -> None:
    answer = await ask(provider.data_url(big.provider_pid), token_of(provider, big), Range="bytes=9000000-")
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{len(BIG)}"
    assert (await provider.agreement(big.agreement_id)).uses_count == 0


async def test_many_ranges_are_answered_with_the_whole_without_trouble(provider: Side, big: Deal) -> None:
    ranges = "bytes=" + ",".join(f"{n}-{n}" for n in range(10_000))
    began_s = time.monotonic()
    answer = await ask(provider.data_url(big.provider_pid), token_of(provider, big), Range=ranges[:60_000])
    assert (answer.status, len(answer.body)) == (200, len(BIG))
    assert time.monotonic() - began_s < 2


async def test_a_part_of_another_representation_is_answered_with_the_whole(provider: Side, big: Deal) -> None:
    url, token = provider.data_url(big.provider_pid), token_of(provider, big)
    etag = (await ask(url, token, "HEAD")).headers["ETag"]
    assert (await ask(url, token, Range="bytes=10-", If_Range=etag)).status == 206
    for other in ('"other"', f"W/{etag}", "Sat, 29 Oct 1994 19:43:31 GMT"):
        answer = await ask(url, token, Range="bytes=10-", If_Range=other)
        assert (answer.status, len(answer.body)) == (200, len(BIG))


async def test_the_hash_of_a_large_file_is_told_once_it_was_sent(provider: Side, big: Deal) -> None:
    url, token = provider.data_url(big.provider_pid), token_of(provider, big)
    assert "Repr-Digest" not in (await ask(url, token)).headers
    await provider.finished_accesses(1)
    digest = base64.b64encode(hashlib.sha256(BIG).digest()).decode()
    assert (await ask(url, token, "HEAD")).headers["Repr-Digest"] == f"sha-256=:{digest}:"


async def test_without_a_good_token_there_is_a_challenge(provider: Side, deal: Deal) -> None:
    url = provider.data_url(deal.provider_pid)
    good = token_of(provider, deal)
    for token in (None, "", "x.y.z", good[:-6] + "AAAAAA", good + "A"):
        answer = await ask(url, token)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    two = await raw(
        provider,
        f"GET /provider/data/{deal.provider_pid} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        f"Authorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n\r\n".encode(),
    )
    assert two.startswith(b"HTTP/1.1 401")
    assert await provider.accesses() == []


async def test_tokens_for_something_else_open_nothing(
    provider: Side, deal: Deal, big: Deal, parties: Parties
) -> None:
    url = provider.data_url(deal.provider_pid)
    claims = {
        "provider": PROVIDER,
        "consumer": CONSUMER,
        "agreement_id": deal.agreement_id,
        "transfer_pid": deal.provider_pid,
        "asset_id": deal.asset_id,
    }

    async def status_of(**change: str) -> int:
        token = mint_access_token(
            parties.keys[PROVIDER],
            **{**claims, **change},
            now_ms=provider.clock.now_ms(),
            ttl_s=300,
            token_id="t",
        )
        return (await ask(url, token)).status

    assert await status_of() == 200
    assert await status_of(asset_id="big") == 404
    assert await status_of(agreement_id=big.agreement_id) == 404
    assert await status_of(transfer_pid=big.provider_pid) == 404
    assert await status_of(consumer=STRANGER) == 404
    foreign = mint_access_token(
        parties.keys[STRANGER],
        **{**claims, "provider": STRANGER},
        now_ms=provider.clock.now_ms(),
        ttl_s=300,
        token_id="t",
    )
    assert (await ask(url, foreign)).status == 401


async def test_an_expired_token_is_renewed_and_the_renewal_can_be_repeated(
    provider: Side, consumer: Side, deal: Deal
) -> None:
    url = provider.data_url(deal.provider_pid)
    old = token_of(provider, deal)
    provider.clock.offset_ms += 301_000
    consumer.clock.offset_ms += 301_000
    answer = await ask(url, old)
    assert (answer.status, answer.code) == (401, "token-expired")
    for _ in range(2):
        moment = consumer.clock.moment()
        identity = await consumer.node.identity.token_for(
            CONSUMER, PROVIDER, moment.now_ms, moment.fresh_id()
        )
        renewed = await ask(f"{url}/token", identity.removeprefix("Bearer "), "POST")
        document = json.loads(renewed.body)
        assert (renewed.status, document["token_type"], document["expires_in"]) == (200, "Bearer", 300)
        assert (await ask(url, document["access_token"])).body == RECORD
        replayed = await ask(f"{url}/token", identity.removeprefix("Bearer "), "POST")
        assert (replayed.status, replayed.code) == (401, "token-replayed")


async def test_nobody_else_renews_a_token(provider: Side, deal: Deal, parties: Parties) -> None:
    url = f"{provider.data_url(deal.provider_pid)}/token"
    assert (await ask(url, None, "POST")).status == 401
    assert (await ask(url, token_of(provider, deal), "POST")).status == 401
    from ashiato.identity.signed_tokens import SignedTokens

    stranger = SignedTokens(parties, {STRANGER: parties.keys[STRANGER]})
    theirs = await stranger.token_for(STRANGER, PROVIDER, provider.clock.now_ms(), "jti-s")
    assert (await ask(url, theirs.removeprefix("Bearer "), "POST")).status == 404


async def test_foreign_paths_look_like_nothing(provider: Side, deal: Deal) -> None:
    token = token_of(provider, deal)
    root = provider.root_url.rsplit("/", 1)[0]
    assert (await ask(f"{root}/nobody/data/{deal.provider_pid}", token)).status == 404
    assert (await ask(f"{provider.root_url}/data/urn:uuid:none", token)).status == 404


@pytest.mark.parametrize(
    ("state", "code"),
    [(TransferState.SUSPENDED, "transfer-suspended"), (TransferState.TERMINATED, "transfer-ended")],
)
async def test_a_transfer_that_does_not_run_is_refused_with_the_reason(
    provider: Side, deal: Deal, state: TransferState, code: str
) -> None:
    await provider.set_state(deal.provider_pid, state)
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))
    assert (answer.status, answer.code) == (403, code)


async def test_a_terminated_agreement_stops_the_second_fetch(provider: Side, deal: Deal) -> None:
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    assert (await ask(url, token)).status == 200
    await provider.end_agreement(deal.agreement_id)
    answer = await ask(url, token)
    assert (answer.status, answer.code) == (403, "agreement-ended")


async def test_the_number_of_uses_is_enforced_and_a_resume_is_free(provider: Side) -> None:
    (provider.folder / "big.bin").write_bytes(BIG)
    deal = await make_deal(provider, None, BIG_ASSET, rules=permit(max_uses=1))
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    assert (await ask(url, token)).status == 200
    answer = await ask(url, token)
    assert (answer.status, answer.code) == (403, "policy-denied")
    resumed = await ask(url, token, Range="bytes=8000000-")
    assert (resumed.status, resumed.body) == (206, BIG[8000000:])


async def test_a_method_that_the_owner_does_not_allow_is_refused(provider: Side, deal: Deal) -> None:
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = await ask(url, token, method, b"{}")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    override = await ask(url, token, X_HTTP_Method_Override="DELETE")
    assert (override.status, override.body) == (200, RECORD)


async def test_a_record_takes_no_path_and_no_query(provider: Side, deal: Deal) -> None:
    url, token = provider.data_url(deal.provider_pid), token_of(provider, deal)
    for target in (f"{url}/more", f"{url}?a=1"):
        answer = await ask(target, token)
        assert (answer.status, answer.code) == (400, "not-forwarded")
    assert (await provider.agreement(deal.agreement_id)).uses_count == 0


async def test_a_source_that_fails_tells_the_caller_nothing(provider: Side) -> None:
    asset = Asset(asset_id="gone", title="gone", source={"kind": "file", "path": "inner/absent.bin"})
    deal = await make_deal(provider, None, asset)
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))
    assert (answer.status, answer.code) == (502, "source-unavailable")
    assert b"absent.bin" not in answer.body
    assert (await provider.agreement(deal.agreement_id)).uses_count == 0


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


class SlowReader:
    """A client that takes the head of an answer and then reads as it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.received = bytearray()

    @classmethod
    async def begin(cls, side: Side, deal: Deal) -> "SlowReader":
        port = int(side.root_url.split(":")[2].split("/")[0])
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


HUGE_ASSET = Asset(asset_id="huge", title="huge", source={"kind": "file", "path": "huge.bin"})
HUGE_BYTES = 200_000_000


@pytest.fixture
async def huge(provider: Side) -> Deal:
    """A file that is larger than all buffers between two sockets."""
    with (provider.folder / "huge.bin").open("wb") as file:
        file.truncate(HUGE_BYTES)
    return await make_deal(provider, None, HUGE_ASSET)


async def test_a_stream_is_cut_in_its_middle_when_the_agreement_ends(provider: Side, huge: Deal) -> None:
    reader = await SlowReader.begin(provider, huge)
    await reader.read(1_000_000)
    began_s = time.monotonic()
    await provider.end_agreement(huge.agreement_id)
    await reader.read_to_the_end()
    assert time.monotonic() - began_s < 1
    assert len(reader.received) < HUGE_BYTES
    (access,) = await provider.finished_accesses(1)
    assert access.outcome == "cut"
    assert len(reader.received) <= access.sent_bytes < HUGE_BYTES
    assert access.sha256 == hashlib.sha256(bytes(access.sent_bytes)).hexdigest()


@pytest.mark.parametrize("event", ["transfer.suspended", "transfer.completed", "transfer.terminated"])
async def test_a_stream_is_cut_also_when_nobody_reads(provider: Side, huge: Deal, event: str) -> None:
    reader = await SlowReader.begin(provider, huge)
    await asyncio.sleep(0.3)
    state = TransferState(event.partition(".")[2].upper())
    began_s = time.monotonic()
    await provider.set_state(huge.provider_pid, state, event)
    (access,) = await provider.finished_accesses(1)
    assert time.monotonic() - began_s < 1
    assert access.outcome == "cut"
    # What the kernel of the reader holds already is the reader's; the rest was forgotten with the connection.
    await reader.read_to_the_end()
    assert len(reader.received) < 20_000_000
    assert provider.streams.running_count == 0


async def test_another_transfer_goes_on_when_one_is_cut(provider: Side, huge: Deal, big: Deal) -> None:
    cut, kept = await SlowReader.begin(provider, huge), await SlowReader.begin(provider, big)
    await provider.end_agreement(huge.agreement_id)
    await cut.read_to_the_end()
    await kept.read(len(BIG))
    kept.writer.close()
    assert kept.received == BIG


async def test_a_stream_is_cut_when_the_policy_ends(provider: Side) -> None:
    with (provider.folder / "huge.bin").open("wb") as file:
        file.truncate(HUGE_BYTES)
    # The policy speaks in whole seconds.
    until_ms = (provider.clock.now_ms() // 1000 + 2) * 1000
    deal = await make_deal(provider, None, HUGE_ASSET, rules=permit(until_ms=until_ms))
    reader = await SlowReader.begin(provider, deal)
    (access,) = await provider.finished_accesses(1)
    late_ms = provider.clock.now_ms() - until_ms
    assert access.outcome == "cut"
    assert 0 <= late_ms < 1000
    await reader.read_to_the_end()
    assert len(reader.received) < HUGE_BYTES


async def test_a_reader_that_leaves_is_written_down_with_what_it_could_have_got(
    provider: Side, huge: Deal
) -> None:
    reader = await SlowReader.begin(provider, huge)
    await reader.read(3_000_000)
    reader.writer.transport.abort()
    (access,) = await provider.finished_accesses(1)
    assert access.outcome == "aborted"
    assert 3_000_000 <= access.sent_bytes < HUGE_BYTES
    assert access.sha256 == hashlib.sha256(bytes(access.sent_bytes)).hexdigest()


async def test_a_reader_that_takes_too_long_is_let_go(parties: Parties, tmp_path: Path) -> None:
    async with running_side(
        PROVIDER,
        Role.PROVIDER,
        parties,
        f"sqlite:///{tmp_path}/p.db",
        tmp_path / "files",
        slowest_chunk_s=0.5,
    ) as side:
        with (side.folder / "huge.bin").open("wb") as file:
            file.truncate(HUGE_BYTES)
        deal = await make_deal(side, None, HUGE_ASSET)
        reader = await SlowReader.begin(side, deal)
        began_s = time.monotonic()
        (access,) = await side.finished_accesses(1)
        assert 0.4 < time.monotonic() - began_s < 2
        assert access.outcome == "cut"
        await reader.read_to_the_end()


async def test_a_lost_event_is_made_up_for(parties: Parties, tmp_path: Path) -> None:
    async with running_side(
        PROVIDER,
        Role.PROVIDER,
        parties,
        f"sqlite:///{tmp_path}/p.db",
        tmp_path / "files",
        recheck_every_s=0.3,
    ) as side:
        with (side.folder / "huge.bin").open("wb") as file:
            file.truncate(HUGE_BYTES)
        deal = await make_deal(side, None, HUGE_ASSET)
        reader = await SlowReader.begin(side, deal)
        await side.set_state(deal.provider_pid, TransferState.SUSPENDED, event=None)
        (access,) = await side.finished_accesses(1)
        assert access.outcome == "cut"
        await reader.read_to_the_end()


async def test_a_source_that_fails_in_the_middle_breaks_the_answer_off(provider: Side) -> None:
    path = provider.folder / "shrinking.bin"
    path.write_bytes(bytes(60_000_000))
    asset = Asset(asset_id="shrinking", title="s", source={"kind": "file", "path": "shrinking.bin"})
    deal = await make_deal(provider, None, asset)
    reader = await SlowReader.begin(provider, deal)
    with path.open("r+b") as file:
        file.truncate(1000)
    await reader.read_to_the_end()
    assert len(reader.received) < 60_000_000
    (access,) = await provider.finished_accesses(1)
    assert access.outcome == "failed"


async def test_a_query_that_gives_too_many_rows_is_never_taken_for_whole(provider: Side) -> None:
    import sqlite3

    connection = sqlite3.connect(provider.folder / "plant.db")
    connection.execute("CREATE TABLE cell (number INTEGER)")
    connection.executemany("INSERT INTO cell VALUES (?)", [(n,) for n in range(9000)])
    connection.commit()
    connection.close()

    async def status_with(most_rows_count: int) -> bytes:
        source = {
            "kind": "sql",
            "database": "plant.db",
            "query": "SELECT number FROM cell",
            "most_rows_count": most_rows_count,
        }
        deal = await make_deal(provider, None, Asset(asset_id="rows", title="rows", source=source))
        return (await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))).body

    assert len(json.loads(await status_with(9000))) == 9000
    with pytest.raises(aiohttp.ClientPayloadError):
        await status_with(8000)


async def test_one_program_serves_a_clock_that_is_turned(provider: Side, deal: Deal) -> None:
    assert isinstance(provider.clock, Clock)
    token = token_of(provider, deal)
    provider.clock.offset_ms -= 3_600_000
    answer = await ask(provider.data_url(deal.provider_pid), token)
    assert (answer.status, answer.code) == (401, "token-not-yet-valid")


async def test_no_secret_and_no_payload_stands_in_the_history(
    provider: Side, api_deal: tuple[Deal, list[Asked]]
) -> None:
    deal, _ = api_deal
    token = token_of(provider, deal)
    await ask(provider.data_url(deal.provider_pid), token, "POST", b"payload-0123456789")
    await provider.finished_accesses(1)

    def everything(uow: UnitOfWork) -> str:
        return f"{uow.records.list_history(0, 100)} {uow.transfers.list_accesses('', 100)}"

    text = await provider.store.read(PROVIDER, everything)
    for secret in (token, "mes-secret-0123456789", "payload-0123456789"):
        assert secret not in text
