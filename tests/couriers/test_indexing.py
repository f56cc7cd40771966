"""A large class comes into the catalog in slices: all of it, also after a crash, and nothing of an offer that ended meanwhile."""

import asyncio
import time
from pathlib import Path

import pytest

from ashiato.connector import offers
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import Asset, OfferDefinition, PolicyDefinition
from ashiato.couriers import indexing
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.outbox.deliveries import Delivery
from ashiato.policy.builder import permit
from tests.exchange import Member, running

ASSETS_COUNT = 2_500
PROCESS_ID = "index:class"


async def stock(maker: Member, count: int = ASSETS_COUNT) -> None:
    def work(uow: UnitOfWork, moment: Moment) -> None:
        offers.put_policy(uow, PolicyDefinition(policy_id="use", document=permit("use")), moment)
        for number in range(count):
            asset = Asset(
                asset_id=f"part-{number:05}",
                title="",
                source={"kind": "record"},
                data_item="cfp",
                part_group="cathode",
            )
            offers.put_asset(uow, asset, moment)

    await maker.run(work)


def publish(uow: UnitOfWork, moment: Moment) -> None:
    offer = OfferDefinition(offer_id="class", contract_policy_id="use", data_item="cfp")
    offers.put_offer(uow, offer, moment, in_slices=True)


async def entries_count(maker: Member) -> int:
    def count(uow: UnitOfWork) -> int:
        return sum(bool(uow.assets.entries_of(f"part-{number:05}")) for number in range(ASSETS_COUNT))

    return await maker.read(count)


async def waiting(maker: Member) -> list[Delivery]:
    return await maker.read(lambda uow: uow.outbox.of_process(PROCESS_ID))


async def stopped(self: indexing.Indexer, delivery: Delivery) -> Outcome:
    await asyncio.sleep(60)
    return Outcome(verdict=Verdict.DONE)


async def test_every_asset_of_a_large_class_comes_into_the_catalog(tmp_path: Path, store_url: str) -> None:
    async with running(tmp_path, "maker", store_url=store_url) as (maker,):
        await stock(maker)
        await maker.run(publish)
        assert await maker.outbox_is_empty()
        assert await entries_count(maker) == ASSETS_COUNT


async def test_what_a_crash_interrupts_goes_on_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(indexing.Indexer, "deliver", stopped)
        async with running(tmp_path, "maker", public_url="http://127.0.0.1:8443") as (maker,):
            await stock(maker)
            await maker.run(publish)
            assert await entries_count(maker) == offers.ENTRY_BATCH_COUNT
            assert len(await waiting(maker)) == 1
    async with running(tmp_path, "maker", public_url="http://127.0.0.1:8443") as (maker,):
        assert await maker.outbox_is_empty()
        assert await entries_count(maker) == ASSETS_COUNT


async def test_an_offer_that_is_withdrawn_meanwhile_is_indexed_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    deliver = indexing.Indexer.deliver

    async def held(self: indexing.Indexer, delivery: Delivery) -> Outcome:
        await gate.wait()
        return await deliver(self, delivery)

    monkeypatch.setattr(indexing.Indexer, "deliver", held)
    async with running(tmp_path, "maker") as (maker,):
        await stock(maker)
        await maker.run(publish)
        await maker.run(lambda uow, moment: offers.delete_offer(uow, "class", moment))
        gate.set()
        assert await maker.outbox_is_empty()
        assert await entries_count(maker) == 0


async def test_an_asset_that_is_stored_meanwhile_is_indexed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    deliver = indexing.Indexer.deliver

    async def held(self: indexing.Indexer, delivery: Delivery) -> Outcome:
        await gate.wait()
        return await deliver(self, delivery)

    monkeypatch.setattr(indexing.Indexer, "deliver", held)
    async with running(tmp_path, "maker") as (maker,):
        await stock(maker)
        await maker.run(publish)
        late = Asset(asset_id="zzz-late", title="", source={"kind": "record"}, data_item="cfp")
        await maker.run(lambda uow, moment: offers.put_asset(uow, late, moment))
        gate.set()
        assert await maker.outbox_is_empty()
        assert await entries_count(maker) == ASSETS_COUNT
        assert len(await maker.read(lambda uow: uow.assets.entries_of("zzz-late"))) == 1


async def test_another_company_does_not_wait_for_the_whole_class(tmp_path: Path) -> None:
    async with running(tmp_path, "maker", "cells") as (maker, cells):
        await stock(maker)
        longest_s = 0.0
        publishing = asyncio.create_task(maker.run(publish))
        deadline_s = time.monotonic() + 10
        while await waiting(maker) or not publishing.done():
            assert time.monotonic() < deadline_s
            began_s = time.monotonic()
            await cells.run(lambda uow, moment: uow.records.add_history(moment.now_ms, "x", "p", "", {}))
            longest_s = max(longest_s, time.monotonic() - began_s)
        await publishing
        assert await entries_count(maker) == ASSETS_COUNT
        # A slice of a thousand takes some 0.1 s.
        assert longest_s < 1.0
