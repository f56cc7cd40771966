"""Either side is killed at random instants of negotiations and transfers and started again: both agree in the end.

The seed is new each day and printed; `ASHIATO_SEED` repeats a run. Twenty kills a store here, two hundred in the soak.
"""

import asyncio
import datetime
import itertools
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.companies import Company, ManagementError, running

KILLS_COUNT = 20
SOAK_KILLS_COUNT = 200
OUTSTANDING_COUNT = 12
CALLERS_COUNT = 4
LONGEST_LIFE_S = 0.6
CONVERGENCE_TIMEOUT_S = 90.0
TERMINAL_NEGOTIATION = {"FINALIZED", "TERMINATED"}
TERMINAL_TRANSFER = {"COMPLETED", "TERMINATED"}
ENDED_FETCH = {"done", "failed", "cancelled"}
ASSETS_COUNT = 40
# What a call to a company meets that was killed just now: a broken connection, none, or no session yet.
AWAY = (OSError, AssertionError, RuntimeError, aiohttp.ClientError)


class Trade:
    """A maker and a buyer that keeps ordering while both are killed again and again."""

    def __init__(self, maker: Company, buyer: Company, seed: int) -> None:
        self.maker = maker
        self.buyer = buyer
        self.dice = random.Random(seed)
        self.orders: dict[str, str] = {}
        self.stopping = False

    async def prepare(self) -> None:
        """Forty assets, one of them a file large enough to be cut in the middle, each offered to everybody."""
        (self.maker.folder / "files" / "large.bin").write_bytes(self.dice.randbytes(4_000_000))
        for number in range(ASSETS_COUNT):
            source = {"kind": "file", "path": "large.bin"} if number % 5 == 0 else {"kind": "record"}
            asset_id = f"asset-{number}"
            await self.maker.call("PUT", f"/assets/{asset_id}", {"title": asset_id, "source": source})
            if number % 5:
                await self.maker.call("PUT", f"/assets/{asset_id}/record", {"number": number})
        policy = {"@type": "Offer", "permission": [{"action": "use"}]}
        await self.maker.call("PUT", "/policies/all", {"document": policy})
        ids = [f"asset-{number}" for number in range(ASSETS_COUNT)]
        await self.maker.call("PUT", "/offers/all", {"contract_policy_id": "all", "asset_ids": ids})

    async def order(self) -> None:
        """Order without pause; an order whose answer was lost is given again under the same id, so it is one order."""
        numbers = itertools.count(1)
        await asyncio.gather(*(self.order_in_turn(numbers) for _ in range(CALLERS_COUNT)))

    async def order_in_turn(self, numbers: Iterator[int]) -> None:
        """One of several who order side by side."""
        while not self.stopping:
            open_count = sum(1 for state in self.orders.values() if state not in ENDED_FETCH)
            if open_count >= OUTSTANDING_COUNT:
                await self.look()
                await asyncio.sleep(0.05)
                continue
            number = next(numbers)
            order_id = str(uuid.UUID(int=self.dice.getrandbits(128), version=4))
            await self.give(order_id, f"asset-{number % ASSETS_COUNT}")

    async def give(self, order_id: str, asset_id: str) -> None:
        """Give one order until the buyer's connector has it."""
        body = {
            "id": order_id,
            "partner": self.maker.did,
            "address": self.maker.address,
            "asset_id": asset_id,
            "offer_id": f"all:{asset_id}",
        }
        while order_id not in self.orders:
            try:
                self.orders[order_id] = (await self.buyer.call("POST", "/fetches", body))["state"]
            except ManagementError as error:
                # The maker is down, so its catalog cannot be asked: an answer, not a loss.
                if error.status < 500:
                    raise
                await asyncio.sleep(0.05)
            except AWAY:
                await asyncio.sleep(0.05)
            if self.stopping and order_id not in self.orders:
                return

    async def look(self) -> None:
        """Take over how the orders stand."""
        try:
            for fetch in await everything(self.buyer, "/fetches"):
                self.orders[fetch["fetch_id"]] = fetch["state"]
        except (*AWAY, ManagementError):
            return

    async def kill_and_restart(self, kills_count: int) -> None:
        """Kill one side or, now and then, both, at random instants."""
        for _ in range(kills_count):
            await asyncio.sleep(self.dice.uniform(0.0, LONGEST_LIFE_S))
            chosen = self.dice.choice([[self.maker], [self.buyer], [self.maker, self.buyer]])
            await asyncio.gather(*(company.kill() for company in chosen))
            await asyncio.gather(*(company.start() for company in chosen))

    async def converge(self) -> None:
        """Wait until nothing is under way on either side."""
        deadline_s = time.monotonic() + CONVERGENCE_TIMEOUT_S
        while True:
            await self.look()
            pending = [order for order, state in self.orders.items() if state not in ENDED_FETCH]
            pending += await under_way(self.maker) + await under_way(self.buyer)
            if not pending:
                return
            if time.monotonic() > deadline_s:
                logs = f"maker:\n{self.maker.log_tail()}\nbuyer:\n{self.buyer.log_tail()}"
                raise AssertionError(f"still under way: {pending[:10]}\n{logs}")
            await asyncio.sleep(0.2)


async def everything(company: Company, path: str) -> list[dict[str, Any]]:
    """All items of a listing."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await company.call("GET", f"{path}?limit=200&cursor={cursor}")
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = page["next_cursor"]


async def under_way(company: Company) -> list[str]:
    """Processes that are not in a terminal state."""
    negotiations = await everything(company, "/negotiations")
    transfers = await everything(company, "/transfers")
    found = [n["negotiation_pid"] for n in negotiations if n["state"] not in TERMINAL_NEGOTIATION]
    return found + [t["transfer_pid"] for t in transfers if t["state"] not in TERMINAL_TRANSFER]


async def check_agreement_of_both(trade: Trade) -> dict[str, int]:
    """Both sides hold the same states, the same agreements once each, and no byte went out without one."""
    maker, buyer = trade.maker, trade.buyer
    states = {
        (n["negotiation_pid"], n["partner_pid"]): n["state"] for n in await everything(maker, "/negotiations")
    }
    theirs = {
        (n["partner_pid"], n["negotiation_pid"]): n["state"] for n in await everything(buyer, "/negotiations")
    }
    # A request that was withdrawn before the maker knew of it exists at the buyer only, and is terminated there.
    alone = {key: state for key, state in theirs.items() if key not in states}
    assert set(alone.values()) <= {"TERMINATED"}
    assert {key: state for key, state in theirs.items() if key in states} == states

    sold = {a["agreement_id"]: a for a in await everything(maker, "/agreements") if a["finalized"]}
    bought = {a["agreement_id"]: a for a in await everything(buyer, "/agreements") if a["finalized"]}
    assert {key: a["document"] for key, a in sold.items()} == {
        key: a["document"] for key, a in bought.items()
    }
    assert len(sold) == sum(state == "FINALIZED" for state in states.values())
    doubled = Counter(a["negotiation_pid"] for a in sold.values())
    assert not [pid for pid, count in doubled.items() if count > 1]

    transfers = {t["transfer_pid"]: t["state"] for t in await everything(maker, "/transfers")}
    for transfer in await everything(buyer, "/transfers"):
        if transfer["partner_pid"] in transfers:
            assert transfer["state"] == transfers[transfer["partner_pid"]], transfer
        else:
            assert transfer["state"] == "TERMINATED"

    accesses = await everything(maker, "/accesses")
    assert accesses
    assert {access["agreement_id"] for access in accesses} <= set(sold)
    for received in await everything(buyer, "/received"):
        assert received["agreement_id"] in bought
    done_count = sum(state == "done" for state in trade.orders.values())
    return {"orders": len(trade.orders), "done": done_count, "agreements": len(sold)}


async def run_trade(folder: Path, urls: list[str | None], kills_count: int) -> dict[str, int]:
    """The whole run on one kind of store; returns what happened."""
    today = datetime.datetime.now(datetime.UTC).date().toordinal()
    seed = int(os.environ.get("ASHIATO_SEED", today))
    print(f"ASHIATO_SEED={seed}")
    maker = Company(folder / "maker", ["maker"], urls[0], logs_level="INFO")
    buyer = Company(folder / "buyer", ["buyer"], urls[1], logs_level="INFO")
    trade = Trade(maker, buyer, seed)
    async with running(maker, buyer):
        await trade.prepare()
        ordering = asyncio.create_task(trade.order())
        try:
            await trade.kill_and_restart(kills_count)
        finally:
            trade.stopping = True
            await ordering
        await trade.converge()
        figures = await check_agreement_of_both(trade)
    print({"kills": kills_count, **figures})
    return figures


async def test_both_sides_agree_after_twenty_kills(tmp_path: Path, store_urls: list[str | None]) -> None:
    figures = await run_trade(tmp_path, store_urls, KILLS_COUNT)
    assert figures["done"] > 0


@pytest.mark.soak
async def test_both_sides_agree_after_two_hundred_kills(tmp_path: Path, store_urls: list[str | None]) -> None:
    figures = await run_trade(tmp_path, store_urls, SOAK_KILLS_COUNT)
    assert figures["done"] > 0
