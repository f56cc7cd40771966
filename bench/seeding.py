"""Fills a store with many datasets before the connector on it is started."""

from pathlib import Path

from ashiato.connector import offers
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import Asset, OfferDefinition, PolicyDefinition
from ashiato.policy.builder import permit
from ashiato.stores.engine import open_store

BATCH_COUNT = 5000
NOW = Moment(1_700_000_000_000, lambda: "seed")


async def seed_catalog(store_url: str, owner: str, reader: str, count: int, visible_count: int) -> None:
    """`count` datasets of `owner` under one offer for a stranger, of which `visible_count` are also offered to `reader`.

    Those for the reader lie evenly between the others; each also has a record of a few bytes.
    """
    store = await open_store(store_url, "seeding")
    every = count // visible_count
    for start in range(0, count, BATCH_COUNT):
        numbers = range(start, min(start + BATCH_COUNT, count))

        def put(uow: UnitOfWork, numbers: range = numbers) -> None:
            for number in numbers:
                is_visible = number % every == 0
                uow.assets.put_asset(_asset(number, "open" if is_visible else "closed"))
                if is_visible:
                    uow.assets.put_record(f"dataset-{number:06}", b'{"declared": "16.1"}')

        await store.run(owner, put)

    def offer(uow: UnitOfWork) -> None:
        for name, participant in (("open", reader), ("closed", "did:web:stranger.example")):
            rules = permit("use", participants=[participant], until_ms=4_000_000_000_000)
            offers.put_policy(uow, PolicyDefinition(policy_id=name, document=rules), NOW)
            definition = OfferDefinition(
                offer_id=name, contract_policy_id=name, access_policy_id=name, part_group=name
            )
            offers.put_offer(uow, definition, NOW)

    await store.run(owner, offer)
    await store.close()


def big_file(folder: Path, size_bytes: int) -> str:
    """The name of a file of that size in the folder that the operator opened."""
    path = folder / "files" / "big.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    block = bytes(range(256)) * 4096
    with path.open("wb") as file:
        for _ in range(size_bytes // len(block)):
            file.write(block)
    return path.name


def _asset(number: int, group: str) -> Asset:
    return Asset(
        asset_id=f"dataset-{number:06}",
        title=f"Carbon footprint of part {number}",
        source={"kind": "record"},
        data_item="carbon-footprint",
        part_group=group,
    )
