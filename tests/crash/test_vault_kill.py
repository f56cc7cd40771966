"""A consumer is killed at random instants while its data is used and deleted: file, row and receipts agree in the end."""

import asyncio
import datetime
import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from tests.companies import Company, ManagementError, running

ITEMS_COUNT = 12
KILLS_COUNT = 8
AWAY = (OSError, AssertionError, RuntimeError, aiohttp.ClientError, ManagementError)


async def test_what_is_deleted_is_gone_and_told_once_whenever_the_power_fails(
    tmp_path: Path, store_urls: list[str | None]
) -> None:
    seed = int(os.environ.get("ASHIATO_SEED", datetime.date.today().toordinal()))
    print(f"ASHIATO_SEED={seed}")
    dice = random.Random(seed)
    maker = Company(tmp_path / "maker", ["maker"], store_urls[0])
    cells = Company(tmp_path / "cells", ["cells"], store_urls[1])
    async with running(maker, cells):
        received = await _received(maker, cells)
        working = asyncio.create_task(_use_and_delete(cells, received, dice))
        for _ in range(KILLS_COUNT):
            await asyncio.sleep(dice.uniform(0.0, 0.3))
            await cells.kill()
            await cells.start()
        await asyncio.wait_for(working, 90)
        await _until_deleted(cells)
        kept = [path for path in (cells.folder / "kept" / "received").rglob("*") if path.is_file()]
        assert kept == []
        for entry in await _vault(cells):
            await _check(cells, entry)


async def _received(maker: Company, cells: Company) -> list[str]:
    policy = {"@type": "Offer", "permission": [{"action": "use"}]}
    await maker.call("PUT", "/policies/all", {"document": policy})
    ids = [f"asset-{number}" for number in range(ITEMS_COUNT)]
    for number, asset_id in enumerate(ids):
        await maker.call("PUT", f"/assets/{asset_id}", {"title": asset_id, "source": {"kind": "record"}})
        await maker.call("PUT", f"/assets/{asset_id}/record", {"number": number})
    await maker.call("PUT", "/offers/all", {"contract_policy_id": "all", "asset_ids": ids})
    received = []
    for asset_id in ids:
        order = {"partner": maker.did, "address": maker.address, "asset_id": asset_id}
        fetch = await cells.call("POST", "/fetches", order)
        while fetch["state"] != "done":
            fetch = await cells.call("GET", f"/fetches/{fetch['fetch_id']}?wait_s=5")
        received.append(str(fetch["received_id"]))
    return received


async def _use_and_delete(cells: Company, received: list[str], dice: random.Random) -> None:
    """Each is read a few times and then deleted; what is lost in a crash is done again."""
    for received_id in received:
        for _ in range(dice.randrange(4)):
            try:
                await cells.call_bytes("GET", f"/received/{received_id}/content")
            except AWAY:
                await asyncio.sleep(0.02)
        while True:
            try:
                await cells.call("DELETE", f"/received/{received_id}")
            except AWAY:
                await asyncio.sleep(0.02)
            else:
                break


async def _vault(cells: Company) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await cells.call("GET", "/vault?limit=500"))["items"]
    return found


async def _until_deleted(cells: Company) -> None:
    # Who was killed with a deletion on lease takes it back at its start; nothing waits for the end of a lease.
    for _ in range(600):
        if all(entry["state"] == "deleted" for entry in await _vault(cells)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{Counter(entry['state'] for entry in await _vault(cells))}\n{cells.log_tail()}")


async def _check(cells: Company, entry: dict[str, Any]) -> None:
    agreement_id = entry["received"]["agreement_id"]
    page = await cells.call("GET", f"/receipts/signed?agreement_id={agreement_id}&limit=500")
    told = [json.loads(receipt["payload"]) for receipt in page["items"]]
    assert [receipt["sequence"] for receipt in told] == list(range(1, len(told) + 1))
    kinds = [receipt["kind"] for receipt in told]
    assert kinds == ["received", *["used"] * entry["uses_count"], "deleted"]
    usage = (await cells.call("GET", f"/vault/usage?agreement_id={agreement_id}"))["items"]
    assert sum(total["uses_count"] for total in usage) == entry["uses_count"]
