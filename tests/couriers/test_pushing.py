"""Pushes over real HTTP into a real inbox: whole, broken and resumed, refused, stopped."""

import hashlib
import random

from ashiato.connector.records import Asset, ReceivedData
from ashiato.couriers.delivering import Verdict
from ashiato.couriers.pushing import Pusher, PushMeans
from tests.data_plane import Side, data_delivery, make_deal

RECORD = b'{"footprint": "73.4"}'
RECORD_ASSET = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})


def pusher_of(side: Side) -> Pusher:
    return Pusher(
        PushMeans(
            node=side.node,
            egress=side.egress,
            sources=side.sources,
            streams=side.streams,
            threads=side.threads,
        )
    )


async def received_by(side: Side) -> list[ReceivedData]:
    return await side.store.read(side.participant_id, lambda uow: uow.transfers.list_received("", 100))


async def test_a_record_is_pushed_and_both_sides_write_it_down(provider: Side, consumer: Side) -> None:
    deal = await make_deal(provider, consumer, RECORD_ASSET, body=RECORD, is_push=True)
    outcome = await pusher_of(provider).deliver(data_delivery(provider, deal))
    assert outcome.verdict is Verdict.DONE, outcome.why
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == RECORD
    (theirs,) = await provider.finished_accesses(1)
    (ours,) = await consumer.finished_accesses(1)
    assert (theirs.sent_bytes, theirs.sha256) == (len(RECORD), hashlib.sha256(RECORD).hexdigest())
    assert (ours.sent_bytes, ours.sha256) == (theirs.sent_bytes, theirs.sha256)


async def test_a_large_file_is_pushed(provider: Side, consumer: Side) -> None:
    content = random.Random(7).randbytes(20_000_003)
    (provider.folder / "big.bin").write_bytes(content)
    asset = Asset(asset_id="big", title="big", source={"kind": "file", "path": "big.bin"})
    deal = await make_deal(provider, consumer, asset, is_push=True)
    outcome = await pusher_of(provider).deliver(data_delivery(provider, deal))
    assert outcome.verdict is Verdict.DONE, outcome.why
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == content
