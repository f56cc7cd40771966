"""Pulls over real HTTP: whole, broken and resumed, renewed, corrupt, refused, stopped."""

import asyncio
import base64
import hashlib
import random
from collections.abc import Callable

import pytest

from ashiato.connector.ports import Moment
from ashiato.connector.records import AccessRecord, Asset, ReceivedData
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.couriers.pulling import Puller, PullMeans, PullSettings
from ashiato.dsp.states import TransferState
from ashiato.outbox.deliveries import DeliveryKind
from ashiato.policy.builder import permit
from tests.breaking_proxy import BreakingProxy, breaking_proxy
from tests.clients.loopback_server import Asked, loopback_server, respond, send
from tests.data_plane import (
    CONSUMER,
    PROVIDER,
    Deal,
    Side,
    data_delivery,
    make_deal,
    move_address,
)

RECORD = b'{"footprint": "73.4"}'
RECORD_ASSET = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})
BIG = random.Random(7).randbytes(12_000_003)
BIG_ASSET = Asset(asset_id="big", title="big", source={"kind": "file", "path": "big.bin"})


def puller_of(side: Side, **more: object) -> Puller:
    return Puller(
        PullMeans(
            node=side.node,
            egress=side.egress,
            files=side.files,
            streams=side.streams,
            threads=side.threads,
            **more,  # type: ignore[arg-type]  # optional members
        )
    )


async def pull(side: Side, deal: Deal, *, attempts_count: int = 0, **more: object) -> Outcome:
    """One delivery, settled as the courier does it."""
    outcome = await puller_of(side, **more).deliver(data_delivery(side, deal, attempts_count=attempts_count))
    if outcome.verdict is not Verdict.AGAIN and outcome.record is not None:
        await side.run(outcome.record)
    return outcome


async def received_by(side: Side) -> list[ReceivedData]:
    return await side.store.read(side.participant_id, lambda uow: uow.transfers.list_received("", 100))


async def state_of(side: Side, transfer_pid: str) -> TransferState:
    transfer = await side.store.read(side.participant_id, lambda uow: uow.transfers.get(transfer_pid))
    assert transfer is not None
    return transfer.state


@pytest.fixture
async def big(provider: Side, consumer: Side) -> Deal:
    """A file of twelve million bytes under an agreement."""
    (provider.folder / "big.bin").write_bytes(BIG)
    return await make_deal(provider, consumer, BIG_ASSET)


async def test_a_record_is_pulled_verified_and_receipted(provider: Side, consumer: Side) -> None:
    deal = await make_deal(provider, consumer, RECORD_ASSET, body=RECORD)
    assert (await pull(consumer, deal)).verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == RECORD
    assert received.sha256 == hashlib.sha256(RECORD).hexdigest()
    assert (received.size_bytes, received.media_type) == (len(RECORD), "application/json")
    assert (received.peer_id, received.agreement_id) == (PROVIDER, deal.agreement_id)
    (theirs,) = await provider.finished_accesses(1)
    (ours,) = await consumer.finished_accesses(1)
    for name in (
        "sent_bytes",
        "sha256",
        "agreement_id",
        "asset_id",
        "outcome",
        "method",
        "range_start_bytes",
    ):
        assert getattr(ours, name) == getattr(theirs, name)
    names = [event.name for event in consumer.events]
    assert "transfer.received" in names
    assert await state_of(consumer, deal.consumer_pid) is TransferState.COMPLETED


async def test_the_completion_goes_to_the_provider_in_the_same_transaction(
    provider: Side, consumer: Side
) -> None:
    deal = await make_deal(provider, consumer, RECORD_ASSET, body=RECORD)
    await pull(consumer, deal)
    sent = await consumer.store.read(CONSUMER, lambda uow: uow.outbox.of_process(deal.consumer_pid))
    assert [(delivery.kind, delivery.message_name) for delivery in sent] == [
        (DeliveryKind.MESSAGE, "TransferCompletionMessage")
    ]


async def test_a_delivery_that_is_made_twice_receives_once(provider: Side, consumer: Side) -> None:
    deal = await make_deal(provider, consumer, RECORD_ASSET, body=RECORD)
    for _ in range(2):
        assert (await pull(consumer, deal)).verdict is Verdict.DONE
    assert len(await received_by(consumer)) == 1
    assert len(await provider.accesses()) == 1


async def test_a_large_file_is_pulled(provider: Side, consumer: Side, big: Deal) -> None:
    assert (await pull(consumer, big)).verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == BIG


async def test_an_empty_file_is_pulled(provider: Side, consumer: Side) -> None:
    (provider.folder / "big.bin").write_bytes(b"")
    deal = await make_deal(provider, consumer, BIG_ASSET)
    assert (await pull(consumer, deal)).verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert (received.size_bytes, received.sha256) == (0, hashlib.sha256(b"").hexdigest())


@pytest.mark.parametrize("seed", range(5))
async def test_a_download_that_breaks_at_random_goes_on_to_the_same_bytes(
    provider: Side, consumer: Side, big: Deal, seed: int
) -> None:
    dice = random.Random(seed)
    breaks = [dice.randrange(500, 2_900_000) for _ in range(4)]
    proxy = BreakingProxy(provider.port, lambda number: breaks[number] if number < 4 else None)
    async with breaking_proxy(proxy):
        await move_address(consumer, big.consumer_pid, proxy.port)
        for attempts_count in range(6):
            outcome = await pull(consumer, big, attempts_count=attempts_count)
            if outcome.verdict is not Verdict.AGAIN:
                break
    assert outcome.verdict is Verdict.DONE, outcome.why
    assert proxy.broken_count == 4
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == BIG
    assert (await provider.agreement(big.agreement_id)).uses_count == 1
    ours, theirs = await consumer.accesses(), await provider.finished_accesses(5)
    assert_accounts_agree(ours, theirs)


def assert_accounts_agree(ours: list[AccessRecord], theirs: list[AccessRecord]) -> None:
    """Each side has its record of each attempt that brought bytes: what came is never more than what left."""
    sent = {
        record.range_start_bytes: record for record in theirs if record.range_start_bytes or record.sent_bytes
    }
    assert sum(record.sent_bytes for record in ours) == len(BIG)
    for record in ours:
        left = sent[record.range_start_bytes]
        assert record.sent_bytes <= left.sent_bytes
        start, end = record.range_start_bytes, record.range_start_bytes + record.sent_bytes
        assert record.sha256 == hashlib.sha256(BIG[start:end]).hexdigest()
        assert left.sha256 == hashlib.sha256(BIG[start : start + left.sent_bytes]).hexdigest()
    assert [record.outcome for record in ours].count("complete") == 1


async def test_a_download_goes_on_after_a_restart(provider: Side, consumer: Side, big: Deal) -> None:
    proxy = BreakingProxy(provider.port, lambda number: 5_000_000)
    async with breaking_proxy(proxy):
        await move_address(consumer, big.consumer_pid, proxy.port)
        pulling = asyncio.create_task(pull(consumer, big))
        while proxy.broken_count == 0:
            await asyncio.sleep(0.01)
        pulling.cancel()
        await asyncio.gather(pulling, return_exceptions=True)
    await move_address(consumer, big.consumer_pid, provider.port)
    assert (await pull(consumer, big)).verdict is Verdict.DONE
    last = (await provider.finished_accesses(2))[-1]
    assert last.range_start_bytes > 1_000_000
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == BIG


async def test_a_resumed_download_is_verified_as_a_whole(provider: Side, consumer: Side, big: Deal) -> None:
    proxy = BreakingProxy(provider.port, lambda number: 5_000_000 if number == 0 else None)
    async with breaking_proxy(proxy):
        await move_address(consumer, big.consumer_pid, proxy.port)
        while proxy.broken_count == 0:
            pulling = asyncio.create_task(pull(consumer, big))
            await asyncio.sleep(0.01)
            while proxy.broken_count == 0 and not pulling.done():
                await asyncio.sleep(0.001)
            pulling.cancel()
            await asyncio.gather(pulling, return_exceptions=True)
        # What lies on the disk is damaged while nobody looks.
        (part,) = (path for path in (consumer.folder / "received").iterdir())
        with part.open("r+b") as file:
            file.seek(1000)
            file.write(b"damage")
        outcome = await pull(consumer, big)
    assert outcome.verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == BIG


async def test_a_download_whose_use_is_limited_is_resumed_and_not_repeated(
    provider: Side, consumer: Side
) -> None:
    (provider.folder / "big.bin").write_bytes(BIG)
    deal = await make_deal(provider, consumer, BIG_ASSET, rules=permit(max_uses=1))
    proxy = BreakingProxy(provider.port, lambda number: 3_000_000 if number < 3 else None)
    async with breaking_proxy(proxy):
        await move_address(consumer, deal.consumer_pid, proxy.port)
        assert (await pull(consumer, deal)).verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert received.sha256 == hashlib.sha256(BIG).hexdigest()


async def test_a_file_that_is_replaced_between_two_attempts_is_fetched_anew(
    provider: Side, consumer: Side, big: Deal
) -> None:
    proxy = BreakingProxy(provider.port, lambda number: 5_000_000 if number == 0 else None)
    other = BIG[::-1]

    async def replace() -> None:
        while proxy.broken_count == 0:
            await asyncio.sleep(0.005)
        (provider.folder / "new.bin").write_bytes(other)
        (provider.folder / "new.bin").rename(provider.folder / "big.bin")

    async with breaking_proxy(proxy):
        await move_address(consumer, big.consumer_pid, proxy.port)
        outcome, _ = await asyncio.gather(pull(consumer, big), replace())
    assert outcome.verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == other
    assert (await provider.agreement(big.agreement_id)).uses_count == 2


async def test_an_expired_token_is_renewed_on_the_way(provider: Side, consumer: Side, big: Deal) -> None:
    proxy = BreakingProxy(provider.port, lambda number: 5_000_000 if number == 0 else None)

    async def turn_the_clocks() -> None:
        while proxy.broken_count == 0:
            await asyncio.sleep(0.005)
        provider.clock.offset_ms += 400_000
        consumer.clock.offset_ms += 400_000

    async with breaking_proxy(proxy):
        await move_address(consumer, big.consumer_pid, proxy.port)
        outcome, _ = await asyncio.gather(pull(consumer, big), turn_the_clocks())
    assert outcome.verdict is Verdict.DONE, outcome.why
    assert (await provider.agreement(big.agreement_id)).uses_count == 1


async def test_a_renewal_whose_answer_is_lost_is_asked_for_again(
    provider: Side, consumer: Side, big: Deal
) -> None:
    provider.clock.offset_ms += 400_000
    consumer.clock.offset_ms += 400_000
    # The first connection carries the renewal: its answer is lost.
    proxy = BreakingProxy(provider.port, lambda number: 10 if number == 0 else None)
    async with breaking_proxy(proxy):
        await move_address(consumer, big.consumer_pid, proxy.port)
        outcome = await pull(consumer, big)
        if outcome.verdict is Verdict.AGAIN:
            outcome = await pull(consumer, big, attempts_count=1)
    assert proxy.broken_count == 1
    assert outcome.verdict is Verdict.DONE, outcome.why


async def test_a_suspended_transfer_waits_with_what_it_has(provider: Side, consumer: Side, big: Deal) -> None:
    proxy = BreakingProxy(provider.port, lambda number: 4_000_000 if number == 0 else None)

    async def suspend() -> None:
        while proxy.broken_count == 0:
            await asyncio.sleep(0.005)
        await provider.set_state(big.provider_pid, TransferState.SUSPENDED, "transfer.suspended")

    async with breaking_proxy(proxy):
        await move_address(consumer, big.consumer_pid, proxy.port)
        outcome, _ = await asyncio.gather(pull(consumer, big), suspend())
    assert outcome.verdict is Verdict.DONE
    assert "suspended" in outcome.why
    assert await received_by(consumer) == []
    await provider.set_state(big.provider_pid, TransferState.STARTED)
    await move_address(consumer, big.consumer_pid, provider.port)
    assert (await pull(consumer, big)).verdict is Verdict.DONE
    assert (await provider.finished_accesses(2))[-1].range_start_bytes > 1_000_000


@pytest.mark.parametrize("event", ["transfer.suspended", "agreement.terminated"])
async def test_a_pull_stops_when_our_own_side_ends_the_right(
    provider: Side, consumer: Side, big: Deal, event: str
) -> None:
    slow = asyncio.Event()

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(1000))
        await writer.drain()
        slow.set()
        await asyncio.sleep(30)

    async with loopback_server(answer) as server:
        await move_address(consumer, big.consumer_pid, server.port)
        pulling = asyncio.create_task(pull(consumer, big))
        await slow.wait()
        if event == "agreement.terminated":
            await consumer.end_agreement(big.agreement_id)
        else:
            await consumer.set_state(big.consumer_pid, TransferState.SUSPENDED, event)
        outcome = await asyncio.wait_for(pulling, 1)
    assert outcome.verdict is Verdict.DONE
    assert outcome.why == event
    assert await received_by(consumer) == []
    # What came in waits for the transfer to go on.
    assert len(consumer.files.names()) == 1
    await consumer.set_state(big.consumer_pid, TransferState.TERMINATED)
    assert (await pull(consumer, big)).verdict is Verdict.DONE
    assert consumer.files.names() == []


async def test_a_right_that_ended_meanwhile_leaves_no_file(provider: Side, consumer: Side) -> None:
    deal = await make_deal(provider, consumer, RECORD_ASSET, body=RECORD)

    puller = puller_of(consumer)
    original = consumer.store.run
    calls = 0

    async def run(participant_id: str, work: Callable[..., object]) -> object:
        nonlocal calls
        calls += 1
        if "take" in work.__code__.co_names:
            await consumer.set_state(deal.consumer_pid, TransferState.TERMINATED)
        return await original(participant_id, work)

    consumer.store.run = run  # type: ignore[method-assign, assignment]  # the store is the place where both meet
    outcome = await puller.deliver(data_delivery(consumer, deal))
    assert calls
    assert outcome.verdict is Verdict.DONE
    assert await received_by(consumer) == []
    assert consumer.files.names() == []


async def test_a_refusal_ends_the_transfer_with_its_reason(provider: Side, consumer: Side, big: Deal) -> None:
    await provider.end_agreement(big.agreement_id)
    outcome = await pull(consumer, big)
    assert outcome.verdict is Verdict.NEVER
    assert "agreement has ended" in outcome.why
    assert await state_of(consumer, big.consumer_pid) is TransferState.TERMINATED
    assert consumer.files.names() == []


async def test_a_provider_that_is_away_is_asked_again(provider: Side, consumer: Side, big: Deal) -> None:
    for answer in (
        respond(b"", status="503 Busy"),
        respond(b"", status="500 Oops"),
        respond(b"", status="404 Not Found"),
        send(b"garbage\r\n\r\n"),
        send(b""),
    ):
        async with loopback_server(answer) as server:
            await move_address(consumer, big.consumer_pid, server.port)
            assert (await pull(consumer, big)).verdict is Verdict.AGAIN
    await move_address(consumer, big.consumer_pid, provider.port)
    assert (await pull(consumer, big, attempts_count=5)).verdict is Verdict.DONE


async def test_a_provider_that_never_knew_the_transfer_is_given_up(
    provider: Side, consumer: Side, big: Deal
) -> None:
    async with loopback_server(respond(b"", status="404 Not Found")) as server:
        await move_address(consumer, big.consumer_pid, server.port)
        assert (await pull(consumer, big, attempts_count=5)).verdict is Verdict.NEVER


async def test_what_cannot_be_resumed_is_put_off_instead_of_being_asked_for_without_end(
    provider: Side, consumer: Side, big: Deal
) -> None:
    broken = send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    async with loopback_server(broken) as server:
        await move_address(consumer, big.consumer_pid, server.port)
        assert (await pull(consumer, big)).verdict is Verdict.AGAIN
        assert len(server.asked) == 1


async def test_a_redirect_is_not_followed_with_our_token(provider: Side, consumer: Side, big: Deal) -> None:
    async with loopback_server(respond(b"stolen")) as other:
        redirect = respond(b"", status="302 Found", headers={"Location": other.url("/")})
        async with loopback_server(redirect) as server:
            await move_address(consumer, big.consumer_pid, server.port)
            assert (await pull(consumer, big)).verdict is Verdict.NEVER
        assert other.asked == []


def digest_of(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


async def test_bytes_that_do_not_have_the_named_hash_are_never_received(
    provider: Side, consumer: Side, big: Deal
) -> None:
    lying = respond(b"wrong bytes", headers={"ETag": '"a"', "Repr-Digest": digest_of(b"right bytes")})
    async with loopback_server(lying) as server:
        await move_address(consumer, big.consumer_pid, server.port)
        outcome = await pull(consumer, big)
    assert outcome.verdict is Verdict.NEVER
    assert "hash" in outcome.why
    assert await received_by(consumer) == []
    assert len([asked for asked in server.asked if asked.method == "GET"]) == 3


async def test_a_hash_that_is_known_only_afterwards_is_asked_for(
    provider: Side, consumer: Side, big: Deal
) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        headers = {"ETag": '"a"'}
        if asked.method == "HEAD":
            headers["Repr-Digest"] = digest_of(b"other bytes")
        await respond(b"some bytes", headers=headers)(asked, writer)

    async with loopback_server(answer) as server:
        await move_address(consumer, big.consumer_pid, server.port)
        assert (await pull(consumer, big)).verdict is Verdict.NEVER
    assert await received_by(consumer) == []


@pytest.mark.parametrize(
    "content_range", ["bytes 0-9/10", "bytes 3-9/10", "bytes */10", "nonsense", "bytes 5-9/9"]
)
async def test_a_part_that_was_not_asked_for_is_never_joined(
    provider: Side, consumer: Side, big: Deal, content_range: str
) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if "range" in asked.headers:
            headers = {"ETag": '"a"', "Content-Range": content_range}
            await respond(b"56789", status="206 Partial Content", headers=headers)(asked, writer)
            return
        writer.write(b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 10\r\n\r\n01234')
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()

    async with loopback_server(answer) as server:
        await move_address(consumer, big.consumer_pid, server.port)
        assert (await pull(consumer, big)).verdict is Verdict.AGAIN
    assert await received_by(consumer) == []


async def test_a_provider_that_sends_without_end_is_stopped(
    provider: Side, consumer: Side, big: Deal
) -> None:
    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
            await writer.drain()

    async with loopback_server(endless) as server:
        await move_address(consumer, big.consumer_pid, server.port)
        settings = PullSettings(most_received_bytes=3_000_000)
        outcome = await pull(consumer, big, settings=settings)
    assert outcome.verdict is Verdict.NEVER
    assert await received_by(consumer) == []


async def test_a_proof_of_possession_goes_with_each_request(
    provider: Side, consumer: Side, big: Deal
) -> None:
    class Prover:
        def proof_for(
            self, participant_id: str, method: str, url: str, access_token: str, moment: Moment
        ) -> str:
            assert participant_id == CONSUMER
            return f"proof-of-{method}-{moment.fresh_id()}"

    async with loopback_server(respond(b"data", headers={"ETag": '"a"'})) as server:
        await move_address(consumer, big.consumer_pid, server.port)
        await pull(consumer, big, prover=Prover())
    proofs = [asked.headers["dpop"] for asked in server.asked]
    assert [proof.split("-")[2] for proof in proofs] == ["GET", "HEAD"]
    assert len(set(proofs)) == 2


async def test_progress_is_told_on_the_way(provider: Side, consumer: Side, big: Deal) -> None:
    assert (await pull(consumer, big)).verdict is Verdict.DONE
    told = [event.details["received_bytes"] for event in consumer.events if event.name == "transfer.progress"]
    assert told[-1] == len(BIG)
    assert told == sorted(told, key=lambda value: int(str(value)))
    history = await consumer.store.read(CONSUMER, lambda uow: uow.records.list_history(0, 100))
    assert "transfer.progress" not in {entry.event for entry in history}


async def test_a_disk_that_is_full_puts_the_pull_off(
    provider: Side, consumer: Side, big: Deal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.data_plane import FolderPart

    def full(self: FolderPart, chunk: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(FolderPart, "append", full)
        outcome = await pull(consumer, big)
    assert outcome.verdict is Verdict.AGAIN
    assert "No space left" in outcome.why
    assert (await pull(consumer, big, attempts_count=1)).verdict is Verdict.DONE


async def test_an_address_without_an_endpoint_ends_the_transfer(
    provider: Side, consumer: Side, big: Deal
) -> None:
    import msgspec

    from ashiato.connector.ports import UnitOfWork
    from ashiato.dsp.messages import DataAddress

    def work(uow: UnitOfWork) -> None:
        transfer = uow.transfers.get(big.consumer_pid)
        assert transfer is not None
        uow.transfers.update(
            msgspec.structs.replace(transfer, data_address=DataAddress(endpoint_type="HttpData"))
        )

    await consumer.run(work)
    assert (await pull(consumer, big)).verdict is Verdict.NEVER
