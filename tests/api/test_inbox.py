"""The inbox against providers that lie, stall, repeat and have no right."""

import asyncio
import base64
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ashiato.api.inbox import InboxSettings
from ashiato.connector.records import Asset, ReceivedData
from ashiato.dsp.states import Role, TransferState
from tests.data_plane import (
    CONSUMER,
    PROVIDER,
    STRANGER,
    Bounds,
    Deal,
    Parties,
    Side,
    make_deal,
    running_side,
)

BODY = bytes(range(256)) * 3500
ASSET = Asset(asset_id="big", title="big", source={"kind": "record"})


def digest_of(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


class Provider:
    """A provider made by hand, which sends what it likes."""

    def __init__(self, consumer: Side, deal: Deal, provider_id: str = PROVIDER) -> None:
        self._consumer = consumer
        self.deal = deal
        self.url = f"{consumer.root_url}/inbox/{deal.consumer_pid}"
        self.token = consumer.door.token(
            deal.consumer_pid, provider_id, deal.agreement_id, deal.asset_id, consumer.clock.moment()
        )

    async def send(
        self, method: str = "PUT", body: bytes | AsyncIterator[bytes] = b"", url: str = "", **headers: str
    ) -> tuple[int, dict[str, str], str]:
        sent = {"Authorization": f"Bearer {self.token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url or self.url, data=body, headers=sent) as answer,
        ):
            text = await answer.text()
            code = json.loads(text)["code"] if text else ""
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, code

    async def begin(self, head: str, body: bytes) -> asyncio.StreamWriter:
        """The head and a piece of a PUT; the rest never comes."""
        _, writer = await asyncio.open_connection("127.0.0.1", self._consumer.port)
        path = self.url.split("/", 3)[3]
        writer.write(
            f"PUT /{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.token}\r\n{head}\r\n".encode()
            + body
        )
        await writer.drain()
        return writer


async def received_by(side: Side) -> list[ReceivedData]:
    return await side.store.read(side.participant_id, lambda uow: uow.transfers.list_received("", 100))


@pytest.fixture
async def push(provider: Side, consumer: Side) -> Provider:
    """The other end of a push that the consumer asked for."""
    return Provider(consumer, await make_deal(provider, consumer, ASSET, is_push=True))


async def test_a_whole_is_taken_and_its_hash_is_told(push: Provider, consumer: Side) -> None:
    status, headers, _ = await push.send(body=BODY, Content_Type="text/plain", Repr_Digest=digest_of(BODY))
    assert (status, headers["repr-digest"], headers["upload-complete"]) == (201, digest_of(BODY), "?1")
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == BODY
    assert (received.media_type, received.size_bytes) == ("text/plain", len(BODY))
    again = await push.send(body=BODY)
    assert again[0] == 200
    assert len(await received_by(consumer)) == 1


async def test_an_inbox_says_where_it_stands_and_a_push_goes_on_there(push: Provider, consumer: Side) -> None:
    status, headers, _ = await push.send("HEAD")
    assert (status, headers["upload-offset"]) == (200, "0")
    writer = await push.begin(
        f'Ashiato-Entity-Tag: "a"\r\nContent-Range: bytes 0-{len(BODY) - 1}/{len(BODY)}\r\n'
        f"Content-Length: {len(BODY)}\r\n",
        BODY[:700_000],
    )
    await asyncio.sleep(0.2)
    writer.transport.abort()
    await consumer.finished_accesses(1)
    _, headers, _ = await push.send("HEAD")
    assert (headers["upload-offset"], headers["ashiato-entity-tag"]) == ("700000", '"a"')
    rest = f"bytes 700000-{len(BODY) - 1}/{len(BODY)}"
    status, headers, _ = await push.send(
        body=BODY[700_000:], Ashiato_Entity_Tag='"a"', Content_Range=rest, Repr_Digest=digest_of(BODY)
    )
    assert (status, headers["repr-digest"]) == (201, digest_of(BODY))
    first, second = await consumer.finished_accesses(2)
    assert (first.outcome, first.sent_bytes, first.sha256) == (
        "aborted",
        700_000,
        hashlib.sha256(BODY[:700_000]).hexdigest(),
    )
    assert (second.outcome, second.range_start_bytes) == ("complete", 700_000)
    assert second.sha256 == hashlib.sha256(BODY[700_000:]).hexdigest()


async def test_what_does_not_go_on_where_the_inbox_stands_is_refused(push: Provider, consumer: Side) -> None:
    writer = await push.begin(
        'Ashiato-Entity-Tag: "a"\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n', b"01234"
    )
    await asyncio.sleep(0.1)
    writer.transport.abort()
    await consumer.finished_accesses(1)
    for tag, start in (('"a"', 6), ('"a"', 4), ('"b"', 5), ("", 5)):
        status, _, code = await push.send(
            body=b"x" * (10 - start), Ashiato_Entity_Tag=tag, Content_Range=f"bytes {start}-9/10"
        )
        assert (status, code) == (409, "wrong-offset")
    assert await received_by(consumer) == []


@pytest.mark.parametrize(
    "content_range",
    ["nonsense", "bytes */10", "bytes 0-4/*", "bytes 0-4/10", "bytes 0-9/10", "bytes 4-0/10"],
)
async def test_a_content_range_must_fit_the_body(push: Provider, consumer: Side, content_range: str) -> None:
    status, _, code = await push.send(body=b"0" * 5, Content_Range=content_range)
    assert (status, code) == (400, "bad-content-range")
    assert await received_by(consumer) == []


async def test_bytes_that_do_not_have_the_named_hash_are_thrown_away(push: Provider, consumer: Side) -> None:
    status, _, code = await push.send(body=BODY, Repr_Digest=digest_of(b"other"))
    assert (status, code) == (422, "wrong-hash")
    assert await received_by(consumer) == []
    assert (await push.send("HEAD"))[1]["upload-offset"] == "0"
    (record,) = await consumer.finished_accesses(1)
    assert record.outcome == "failed"


async def test_tokens_for_something_else_open_nothing(
    push: Provider, provider: Side, consumer: Side, parties: Parties
) -> None:
    other = await make_deal(provider, consumer, ASSET, is_push=True)
    good = push.token
    for token in (
        "",
        good[:-4] + "AAAA",
        provider.door.token(
            push.deal.consumer_pid, PROVIDER, push.deal.agreement_id, "big", provider.clock.moment()
        ),
    ):
        push.token = token
        assert (await push.send(body=BODY))[0] == 401
    for token in (
        Provider(consumer, other).token,
        Provider(consumer, push.deal, STRANGER).token,
        consumer.door.token(
            push.deal.consumer_pid, PROVIDER, other.agreement_id, "big", consumer.clock.moment()
        ),
    ):
        push.token = token
        assert (await push.send(body=BODY))[0] == 404
    push.token = good
    assert (await push.send(url=f"{consumer.root_url}/inbox/urn:uuid:none", body=BODY))[0] == 404
    assert await received_by(consumer) == []


async def test_a_pull_transfer_has_no_inbox(provider: Side, consumer: Side) -> None:
    deal = await make_deal(provider, consumer, ASSET)
    assert (await Provider(consumer, deal).send(body=BODY))[0] == 404


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (TransferState.REQUESTED, 409, "transfer-not-started"),
        (TransferState.SUSPENDED, 403, "transfer-suspended"),
        (TransferState.TERMINATED, 403, "transfer-ended"),
    ],
)
async def test_only_a_started_transfer_takes_data(
    push: Provider, consumer: Side, state: TransferState, status: int, code: str
) -> None:
    await consumer.set_state(push.deal.consumer_pid, state)
    assert (await push.send(body=b"x"))[::2] == (status, code)
    assert await received_by(consumer) == []


async def test_an_ended_agreement_takes_no_data(push: Provider, consumer: Side) -> None:
    await consumer.end_agreement(push.deal.agreement_id)
    assert (await push.send(body=b"x"))[::2] == (403, "agreement-ended")


async def test_a_push_is_stopped_in_its_middle(push: Provider, consumer: Side) -> None:
    writer = await push.begin(f"Content-Length: {len(BODY)}\r\n", BODY[:500_000])
    await asyncio.sleep(0.2)
    began_s = time.monotonic()
    await consumer.set_state(push.deal.consumer_pid, TransferState.TERMINATED, "transfer.terminated")
    (record,) = await consumer.finished_accesses(1)
    assert time.monotonic() - began_s < 1
    assert (record.outcome, record.sent_bytes) == ("aborted", 500_000)
    assert await received_by(consumer) == []
    writer.close()


async def test_only_head_and_put_are_taken(push: Provider) -> None:
    for method in ("GET", "POST", "DELETE"):
        status, headers, _ = await push.send(method)
        assert (status, headers["allow"]) == (405, "HEAD, PUT")


async def test_a_newer_push_takes_the_place_of_one_that_hangs(push: Provider, consumer: Side) -> None:
    writer = await push.begin(f"Content-Length: {len(BODY)}\r\n", BODY[:500_000])
    await asyncio.sleep(0.2)
    status, _, _ = await asyncio.wait_for(push.send(body=BODY), 3)
    assert status == 201
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == BODY
    writer.close()


async def test_the_provider_renews_its_token_and_nobody_else_does(
    push: Provider, provider: Side, consumer: Side, parties: Parties
) -> None:
    from ashiato.identity.signed_tokens import SignedTokens

    url = f"{push.url}/token"

    async def renew(did: str, token_id: str) -> tuple[int, str]:
        identity = SignedTokens(parties, {did: parties.keys[did]})
        authorization = await identity.token_for(did, CONSUMER, consumer.clock.now_ms(), token_id)
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, headers={"Authorization": authorization}) as answer,
        ):
            document = await answer.json(content_type=None)
            return answer.status, str(document.get("access_token", ""))

    assert (await renew(STRANGER, "a"))[0] == 404
    assert (await renew(PROVIDER, "b"))[0] == 200
    status, push.token = await renew(PROVIDER, "c")
    assert status == 200
    assert (await push.send(body=BODY))[0] == 201


@pytest.fixture
async def narrow(parties: Parties, tmp_path: Path) -> AsyncIterator[Side]:
    """A consumer with small bounds."""
    settings = InboxSettings(most_pushed_bytes=100_000, idle_timeout_s=0.3)
    async with running_side(
        CONSUMER,
        Role.CONSUMER,
        parties,
        f"sqlite:///{tmp_path}/narrow.db",
        tmp_path / "narrow",
        Bounds(inbox=settings),
    ) as side:
        yield side


async def test_too_much_is_refused_whether_it_is_announced_or_not(provider: Side, narrow: Side) -> None:
    deal = await make_deal(provider, narrow, ASSET, is_push=True)
    push = Provider(narrow, deal)

    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(10_000)

    # The inbox hangs up on a body that it will not read, which a client may notice before it reads the refusal.
    for body in (BODY, unannounced()):
        with contextlib.suppress(aiohttp.ClientError):
            assert (await push.send(body=body))[::2] == (413, "push-too-large")
    assert await received_by(narrow) == []


async def test_a_provider_that_brings_nothing_is_let_go(provider: Side, narrow: Side) -> None:
    push = Provider(narrow, await make_deal(provider, narrow, ASSET, is_push=True))
    began_s = time.monotonic()
    writer = await push.begin("Content-Length: 50000\r\n", bytes(1000))
    (record,) = await narrow.finished_accesses(1)
    assert time.monotonic() - began_s < 2
    assert (record.outcome, record.sent_bytes) == ("aborted", 1000)
    writer.close()
