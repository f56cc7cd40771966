"""Requests run through real companies over the exchange: asked, asked on, answered, counted."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.companies import Company, running


def in_an_hour_ms() -> int:
    return int(time.time() * 1000) + 3_600_000


async def seen(
    company: Company, own_id: str, holds: Callable[[dict[str, Any]], bool], timeout_s: float = 30.0
) -> dict[str, Any]:
    """The request as soon as `holds` says so."""
    ends_s = time.monotonic() + timeout_s
    found: dict[str, Any] = {}
    while time.monotonic() < ends_s:
        found = await company.call("GET", f"/requests/{own_id}")
        if holds(found):
            return found
        await company.call("GET", f"/requests/{own_id}?wait_s=1")
    raise AssertionError(f"{own_id} at {company.slug} is {found}\n{company.log_tail()}")


async def the_received(company: Company, count: int = 1, timeout_s: float = 30.0) -> list[dict[str, Any]]:
    """The requests that came to a company, when so many are there."""
    ends_s = time.monotonic() + timeout_s
    while time.monotonic() < ends_s:
        found = (await company.call("GET", "/requests?side=received"))["items"]
        if len(found) >= count:
            return list(found)
        await asyncio.sleep(0.02)
    raise AssertionError(f"nothing came to {company.slug}\n{company.log_tail()}")


async def ask(asker: Company, supplier: Company, part_id: str, **more: object) -> dict[str, Any]:
    body = {
        "to": [{"partner": supplier.did, "part": {"part_id": part_id}}],
        "data_item": "footprint",
        "due_ms": in_an_hour_ms(),
        **more,
    }
    return dict((await asker.call("POST", "/requests", body))["items"][0])


async def publish(company: Company, asset_id: str, record: object) -> None:
    """An asset that everybody may have."""
    await company.call("PUT", f"/assets/{asset_id}", {"title": "t", "source": {"kind": "record"}})
    await company.call("PUT", f"/assets/{asset_id}/record", record)
    await company.call(
        "PUT", "/policies/open", {"document": {"@type": "Offer", "permission": [{"action": "use"}]}}
    )
    await company.call("PUT", f"/offers/{asset_id}", {"contract_policy_id": "open", "asset_ids": [asset_id]})


async def test_a_supplier_answers_with_an_asset_that_the_buyer_fetches(tmp_path: Path) -> None:
    buyer, maker = Company(tmp_path / "buyer", ["buyer"]), Company(tmp_path / "maker", ["maker"])
    async with running(buyer, maker):
        await maker.call("PUT", "/request-inbox", {})
        asked = await ask(buyer, maker, "cell-1", text="For the passport.")
        (received,) = await the_received(maker)
        assert (received["partner"], received["part"]["part_id"]) == (buyer.did, "cell-1")
        assert received["text"] == "For the passport."
        await seen(buyer, asked["own_id"], lambda found: found["state"] == "received")
        await maker.call("POST", f"/requests/{received['own_id']}/begin", {})
        await seen(buyer, asked["own_id"], lambda found: found["state"] == "in-progress")
        await publish(maker, "cfp-cell-1", {"kgCO2e": "12.3"})
        await maker.call("POST", f"/requests/{received['own_id']}/answer", {"asset_id": "cfp-cell-1"})
        answered = await seen(
            buyer, asked["own_id"], lambda found: found["answers"] and found["answers"][0]["received_id"]
        )
        assert answered["state"] == "answered"
        assert answered["counts"] == {"trades": 1, "completed": 1, "closed": 0, "open": 0}
        content = await buyer.call("GET", f"/received/{answered['answers'][0]['received_id']}/content")
        assert content == {"kgCO2e": "12.3"}
