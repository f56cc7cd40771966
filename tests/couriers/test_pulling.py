"""Pulls over real HTTP: whole, broken and resumed, renewed, corrupt, refused, stopped."""

import hashlib
import random

from ashiato.connector.records import Asset, ReceivedData
from ashiato.couriers.delivering import Verdict
from ashiato.couriers.pulling import Puller, PullMeans
from tests.data_plane import Side, data_delivery, make_deal

RECORD = b'{"footprint": "73.4"}'
RECORD_ASSET = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})


def puller_of(side: Side) -> Puller:
    return Puller(
        PullMeans(
            node=side.node, egress=side.egress, files=side.files, streams=side.streams, threads=side.threads
        )
    )


async def received_by(side: Side) -> list[ReceivedData]:
    return await side.store.read(side.participant_id, lambda uow: uow.transfers.list_received("", 100))


async def test_a_record_is_pulled_verified_and_receipted(provider: Side, consumer: Side) -> None:
    deal = await make_deal(provider, consumer, RECORD_ASSET, body=RECORD)
    outcome = await puller_of(consumer).deliver(data_delivery(consumer, deal))
    assert outcome.verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == RECORD
    assert received.sha256 == hashlib.sha256(RECORD).hexdigest()
    assert (received.size_bytes, received.media_type) == (len(RECORD), "application/json")
    (theirs,) = await provider.finished_accesses(1)
    (ours,) = await consumer.finished_accesses(1)
    assert (ours.sent_bytes, ours.sha256, ours.agreement_id) == (
        theirs.sent_bytes,
        theirs.sha256,
        theirs.agreement_id,
    )


async def test_a_large_file_is_pulled(provider: Side, consumer: Side) -> None:
    content = random.Random(7).randbytes(20_000_003)
    (provider.folder / "big.bin").write_bytes(content)
    asset = Asset(asset_id="big", title="big", source={"kind": "file", "path": "big.bin"})
    deal = await make_deal(provider, consumer, asset)
    outcome = await puller_of(consumer).deliver(data_delivery(consumer, deal))
    assert outcome.verdict is Verdict.DONE
    (received,) = await received_by(consumer)
    assert consumer.files.content(received.file_name) == content
