"""Pushes over real HTTP into a real inbox: whole, broken and resumed, refused, stopped."""

import asyncio
import hashlib
import random

import msgspec
import pytest

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import Asset, ReceivedData
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.couriers.pushing import Pusher, PushMeans
from ashiato.dsp.messages import DataAddress
from ashiato.dsp.states import TransferState
from ashiato.policy.builder import compare, permit
from ashiato.trust.standing import Standing
from tests.breaking_proxy import BreakingProxy, breaking_proxy
from tests.clients.loopback_server import Asked, loopback_server, respond
from tests.data_plane import CONSUMER, PROVIDER, Deal, Side, data_delivery, make_deal, move_address

RECORD = b'{"footprint": "73.4"}'
RECORD_ASSET = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})
BIG = random.Random(7).randbytes(12_000_003)
BIG_ASSET = Asset(asset_id="big", title="big", source={"kind": "file", "path": "big.bin"})


async def push(side: Side, deal: Deal, *, attempts_count: int = 0) -> Outcome:
    """One delivery, settled as the courier does it."""
    means = PushMeans(
        node=side.node,
        egress=side.egress,
        sources=side.sources,
        streams=side.streams,
        threads=side.threads,
    )
    outcome = await Pusher(means).deliver(data_delivery(side, deal, attempts_count=attempts_count))
    if outcome.verdict is not Verdict.AGAIN and outcome.record is not None:
        await side.run(outcome.record)
    return outcome


async def received_by(side: Side) -> list[ReceivedData]:
    return await side.store.read(side.participant_id, lambda uow: uow.transfers.list_received("", 100))


async def state_of(side: Side, transfer_pid: str) -> TransferState:
    transfer = await side.store.read(side.participant_id, lambda uow: uow.transfers.get(transfer_pid))
    assert transfer is not None
    return transfer.state


async def put_address(provider: Side, deal: Deal, address: DataAddress) -> None:
    def work(uow: UnitOfWork) -> None:
        transfer = uow.transfers.get(deal.provider_pid)
        assert transfer is not None
        uow.transfers.update(msgspec.structs.replace(transfer, data_address=address))

    await provider.run(work)


@pytest.fixture
async def big(provider: Side, consumer: Side) -> Deal:
    """A file of twelve million bytes that the consumer wants to be sent."""
    (provider.folder / "big.bin").write_bytes(BIG)
    return await make_deal(provider, consumer, BIG_ASSET, is_push=True)


async def test_a_record_is_pushed_and_both_sides_write_it_down(provider: Side, consumer: Side) -> None:
    deal = await make_deal(provider, consumer, RECORD_ASSET, body=RECORD, is_push=True)
    outcome = await push(provider, deal)
    assert outcome.verdict is Verdict.DONE, outcome.why
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == RECORD
    assert (received.media_type, received.sha256) == ("application/json", hashlib.sha256(RECORD).hexdigest())
    (theirs,) = await provider.finished_accesses(1)
    (ours,) = await consumer.finished_accesses(1)
    assert (theirs.sent_bytes, theirs.sha256) == (len(RECORD), hashlib.sha256(RECORD).hexdigest())
    assert (ours.sent_bytes, ours.sha256, ours.outcome) == (theirs.sent_bytes, theirs.sha256, "complete")
    assert (ours.peer_id, ours.asset_id) == (PROVIDER, "powder")
    assert await state_of(provider, deal.provider_pid) is TransferState.COMPLETED
    assert await state_of(consumer, deal.consumer_pid) is TransferState.COMPLETED
    assert (await provider.agreement(deal.agreement_id)).uses_count == 1


async def test_a_large_file_is_pushed(provider: Side, consumer: Side, big: Deal) -> None:
    assert (await push(provider, big)).verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == BIG


async def test_an_empty_file_is_pushed(provider: Side, consumer: Side, big: Deal) -> None:
    (provider.folder / "big.bin").write_bytes(b"")
    assert (await push(provider, big)).verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert received.size_bytes == 0


@pytest.mark.parametrize("seed", range(5))
async def test_a_push_that_breaks_at_random_goes_on_to_the_same_bytes(
    provider: Side, consumer: Side, big: Deal, seed: int
) -> None:
    dice = random.Random(seed)
    # Each attempt opens with a small HEAD; what is allowed beyond it breaks the PUT.
    breaks = [dice.randrange(5_000, 2_500_000) for _ in range(4)]
    proxy = BreakingProxy(consumer.port, up_bytes=lambda number: breaks[number] if number < 4 else None)
    async with breaking_proxy(proxy):
        await move_address(provider, big.provider_pid, proxy.port)
        for attempts_count in range(8):
            outcome = await push(provider, big, attempts_count=attempts_count)
            if outcome.verdict is not Verdict.AGAIN:
                break
    assert outcome.verdict is Verdict.DONE, outcome.why
    assert proxy.broken_count == 4
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == BIG
    assert (await provider.agreement(big.agreement_id)).uses_count == 1
    ours = await consumer.accesses()
    assert sum(record.sent_bytes for record in ours) == len(BIG)
    for record in ours:
        start, end = record.range_start_bytes, record.range_start_bytes + record.sent_bytes
        assert record.sha256 == hashlib.sha256(BIG[start:end]).hexdigest()


async def test_a_push_whose_last_answer_is_lost_is_received_once(
    provider: Side, consumer: Side, big: Deal
) -> None:
    # The answers to HEAD pass; the one to the first PUT does not.
    proxy = BreakingProxy(consumer.port, down_bytes=lambda number: 400 if number == 0 else None)
    async with breaking_proxy(proxy):
        await move_address(provider, big.provider_pid, proxy.port)
        for attempts_count in range(4):
            outcome = await push(provider, big, attempts_count=attempts_count)
            if outcome.verdict is not Verdict.AGAIN:
                break
    assert proxy.broken_count == 1
    assert outcome.verdict is Verdict.DONE
    assert len(await received_by(consumer)) == 1
    assert (await provider.agreement(big.agreement_id)).uses_count == 1


async def test_a_file_that_is_replaced_between_two_attempts_is_pushed_anew(
    provider: Side, consumer: Side, big: Deal
) -> None:
    proxy = BreakingProxy(consumer.port, up_bytes=lambda number: 3_000_000 if number == 0 else None)
    async with breaking_proxy(proxy):
        await move_address(provider, big.provider_pid, proxy.port)
        pushing = asyncio.create_task(push(provider, big))
        while proxy.broken_count == 0:
            await asyncio.sleep(0.005)
        (provider.folder / "new.bin").write_bytes(BIG[::-1])
        (provider.folder / "new.bin").rename(provider.folder / "big.bin")
        outcome = await pushing
        if outcome.verdict is Verdict.AGAIN:
            outcome = await push(provider, big, attempts_count=1)
    assert outcome.verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == BIG[::-1]


async def test_an_expired_token_of_the_consumer_is_renewed(provider: Side, consumer: Side, big: Deal) -> None:
    provider.clock.offset_ms += 400_000
    consumer.clock.offset_ms += 400_000
    assert (await push(provider, big)).verdict is Verdict.DONE
    assert len(await received_by(consumer)) == 1


async def test_a_push_stops_when_the_agreement_ends_here(provider: Side, consumer: Side, big: Deal) -> None:
    reached = asyncio.Event()

    slow = await asyncio.start_server(
        lambda reader, writer: _answer_head_then_stall(reader, writer, reached), "127.0.0.1", 0
    )
    await move_address(provider, big.provider_pid, slow.sockets[0].getsockname()[1])
    pushing = asyncio.create_task(push(provider, big))
    await asyncio.wait_for(reached.wait(), 5)
    await asyncio.sleep(0.3)
    await provider.end_agreement(big.agreement_id)
    outcome = await asyncio.wait_for(pushing, 1)
    slow.close()
    assert outcome.verdict is not Verdict.AGAIN
    (record,) = await provider.finished_accesses(1)
    assert record.outcome == "cut"
    assert record.sent_bytes < len(BIG)
    assert record.sha256 == hashlib.sha256(BIG[: record.sent_bytes]).hexdigest()


async def _answer_head_then_stall(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reached: asyncio.Event
) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nUpload-Offset: 0\r\nContent-Length: 0\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    reached.set()
    try:
        await asyncio.sleep(5)
    finally:
        writer.close()


async def test_a_right_that_ended_before_the_push_sends_nothing(
    provider: Side, consumer: Side, big: Deal
) -> None:
    await provider.end_agreement(big.agreement_id)
    assert (await push(provider, big)).verdict is Verdict.NEVER
    assert await provider.accesses() == []
    assert await state_of(provider, big.provider_pid) is TransferState.TERMINATED


async def test_the_number_of_uses_holds_for_pushes(provider: Side, consumer: Side) -> None:
    deal = await make_deal(
        provider, consumer, RECORD_ASSET, body=RECORD, rules=permit(max_uses=0), is_push=True
    )
    outcome = await push(provider, deal)
    assert outcome.verdict is Verdict.NEVER
    assert await received_by(consumer) == []


async def test_a_consumer_that_has_not_heard_of_the_start_is_asked_again(
    provider: Side, consumer: Side, big: Deal
) -> None:
    await consumer.set_state(big.consumer_pid, TransferState.REQUESTED)
    assert (await push(provider, big, attempts_count=9)).verdict is Verdict.AGAIN
    await consumer.set_state(big.consumer_pid, TransferState.STARTED)
    assert (await push(provider, big, attempts_count=10)).verdict is Verdict.DONE


async def test_a_consumer_that_ended_the_transfer_is_left_alone(
    provider: Side, consumer: Side, big: Deal
) -> None:
    await consumer.set_state(big.consumer_pid, TransferState.TERMINATED)
    assert (await push(provider, big)).verdict is Verdict.NEVER
    assert await provider.accesses() == []


async def test_another_connector_s_endpoint_gets_one_plain_request(
    provider: Side, consumer: Side, big: Deal
) -> None:
    async with loopback_server(respond(b"", status="204 No Content")) as server:
        address = DataAddress(
            endpoint_type="HttpData",
            endpoint=server.url("/sink"),
            properties={"authorization": "their-token", "authType": "bearer"},
        )
        await put_address(provider, big, address)
        assert (await push(provider, big)).verdict is Verdict.DONE
    (asked,) = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/sink", BIG)
    assert asked.headers["authorization"] == "Bearer their-token"
    (record,) = await provider.finished_accesses(1)
    assert (record.outcome, record.sent_bytes) == ("complete", len(BIG))
    assert await state_of(provider, big.provider_pid) is TransferState.COMPLETED


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("500 Oops", Verdict.AGAIN),
        ("503 Busy", Verdict.AGAIN),
        ("429 Slow down", Verdict.AGAIN),
        ("404 Not Found", Verdict.AGAIN),
        ("403 Forbidden", Verdict.NEVER),
        ("413 Too Large", Verdict.NEVER),
        ("302 Found", Verdict.NEVER),
    ],
)
async def test_what_the_consumer_answers_decides_whether_it_is_tried_again(
    provider: Side, consumer: Side, status: str, verdict: Verdict
) -> None:
    deal = await make_deal(provider, consumer, RECORD_ASSET, body=RECORD, is_push=True)
    async with loopback_server(respond(b"", status=status)) as server:
        await put_address(provider, deal, DataAddress(endpoint_type="HttpData", endpoint=server.url("/sink")))
        assert (await push(provider, deal)).verdict is verdict
    (record,) = await provider.finished_accesses(1)
    assert record.outcome == "aborted"


async def test_a_source_that_fails_puts_the_push_off(provider: Side, consumer: Side, big: Deal) -> None:
    (provider.folder / "big.bin").unlink()
    outcome = await push(provider, big)
    assert outcome.verdict is Verdict.AGAIN
    assert await received_by(consumer) == []


async def test_a_source_that_fails_in_the_middle_is_never_received_as_whole(
    provider: Side, consumer: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    connection = sqlite3.connect(provider.folder / "plant.db")
    connection.execute("CREATE TABLE cell (number INTEGER)")
    connection.executemany("INSERT INTO cell VALUES (?)", [(n,) for n in range(9000)])
    connection.commit()
    connection.close()
    source = {
        "kind": "sql",
        "database": "plant.db",
        "query": "SELECT number FROM cell",
        "most_rows_count": 8000,
    }
    asset = Asset(asset_id="rows", title="rows", source=source)
    deal = await make_deal(provider, consumer, asset, is_push=True)
    outcome = await push(provider, deal)
    assert outcome.verdict is Verdict.AGAIN
    assert "more than 8000 rows" in outcome.why
    assert await received_by(consumer) == []
    (record,) = await provider.finished_accesses(1)
    assert record.outcome == "failed"


async def test_rows_are_pushed_without_knowing_their_length(provider: Side, consumer: Side) -> None:
    import sqlite3

    sqlite3.connect(provider.folder / "plant.db").close()
    source: dict[str, object] = {"kind": "sql", "database": "plant.db", "query": "SELECT 1 AS one"}
    asset = Asset(asset_id="rows", title="rows", source=source)
    deal = await make_deal(provider, consumer, asset, is_push=True)
    assert (await push(provider, deal)).verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == b'[{"one":1}]'


async def test_an_inbox_that_never_gets_further_is_not_asked_without_end(
    provider: Side, consumer: Side, big: Deal
) -> None:
    async def forgetful(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.method == "HEAD":
            await respond(b"", headers={"Upload-Offset": "0"})(asked, writer)
        else:
            writer.close()

    async with loopback_server(forgetful) as server:
        await move_address(provider, big.provider_pid, server.port)
        assert (await push(provider, big)).verdict is Verdict.AGAIN
    assert [asked.method for asked in server.asked] == ["HEAD", "PUT", "HEAD"]


ALTERS: dict[str, object] = {
    "permission": [
        {
            "action": "use",
            "duty": [
                {
                    "action": "anonymize",
                    "constraint": [
                        compare("ashiato:jsonPath", "eq", "$.price"),
                        compare("ashiato:method", "eq", "drop"),
                    ],
                }
            ],
        }
    ]
}
MEMBERS: dict[str, object] = {
    "permission": [{"action": "use", "constraint": [compare("membership", "eq", "active")]}]
}


async def test_what_the_policy_drops_is_not_pushed(provider: Side, consumer: Side) -> None:
    body = b'{"footprint": "73.4", "price": 12.50}'
    deal = await make_deal(provider, consumer, RECORD_ASSET, body=body, rules=ALTERS, is_push=True)
    outcome = await push(provider, deal)
    assert outcome.verdict is Verdict.DONE, outcome.why
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == b'{"footprint":"73.4"}'
    (sent,) = await provider.finished_accesses(1)
    assert (sent.sent_bytes, sent.altered_by) == (20, ("permission[0].duty[0]",))


async def test_what_cannot_be_altered_is_not_pushed_at_all(provider: Side, consumer: Side) -> None:
    plain = msgspec.structs.replace(RECORD_ASSET, media_type="text/plain")
    deal = await make_deal(provider, consumer, plain, body=RECORD, rules=ALTERS, is_push=True)
    assert (await push(provider, deal)).verdict is Verdict.NEVER
    assert await received_by(consumer) == []


async def test_only_members_are_pushed_to(provider: Side, consumer: Side) -> None:
    refused = await make_deal(provider, consumer, RECORD_ASSET, body=RECORD, rules=MEMBERS, is_push=True)
    outcome = await push(provider, refused)
    assert outcome.verdict is Verdict.NEVER
    assert "membership" in outcome.why
    assert await received_by(consumer) == []
    provider.knows(Standing(CONSUMER, {"membership": frozenset({"active"})}))
    granted = await make_deal(provider, consumer, RECORD_ASSET, body=RECORD, rules=MEMBERS, is_push=True)
    assert (await push(provider, granted)).verdict is Verdict.DONE
