"""A buyer and a supplier as processes of their own: requests for data by the commands of their people."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.cli.running import command, ok
from tests.companies import Company, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 40.0
Pair = tuple[Company, Company]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """The buyer, and the supplier with an open inbox and an asset that everybody may have."""
    folder: Path = tmp_path_factory.mktemp("pair")
    buyer, maker = Company(folder / "buyer", ["buyer"]), Company(folder / "maker", ["maker"])
    (folder / "maker" / "policy.json").write_text('{"permission": [{"action": "use"}]}')
    (folder / "maker" / "cfp.json").write_text('{"kgCO2e": "12.3"}')
    async with running(buyer, maker):
        assert (await ok(maker, "request", "inbox"))["is_open"] is False
        assert (await ok(maker, "request", "open"))["is_open"] is True
        await ok(maker, "policy", "put", "use", "--policy", str(folder / "maker" / "policy.json"))
        record = str(folder / "maker" / "cfp.json")
        await ok(maker, "asset", "put", "cfp-1", "--title", "Footprint", "--record", record)
        await ok(maker, "offer", "put", "cfp", "--policy", "use", "--asset", "cfp-1")
        yield buyer, maker


async def ask(buyer: Company, maker: Company, part: str, *more: str) -> Any:
    """A request of the buyer, as it was made."""
    words = ("--with", maker.did, "--part", part, "--data-item", "footprint", "--due", "2099-12-31")
    return (await ok(buyer, "request", "ask", *words, *more))["items"][0]


async def received(maker: Company, part: str) -> Any:
    """The request for that part, as soon as it has come."""
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    while asyncio.get_running_loop().time() < deadline_s:
        items = (await ok(maker, "request", "list", "--side", "received"))["items"]
        found = [item for item in items if item["part"]["part_id"] == part]
        if found:
            return found[0]
        await asyncio.sleep(0.05)
    raise AssertionError(maker.log_tail())


async def until(company: Company, look: Callable[[], Awaitable[Any]]) -> Any:
    """What `look` shows as soon as it shows something."""
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    while asyncio.get_running_loop().time() < deadline_s:
        if shown := await look():
            return shown
        await asyncio.sleep(0.05)
    raise AssertionError(company.log_tail())


async def in_state(company: Company, own_id: str, state: str) -> Any:
    """The request, as soon as it is in that state."""
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    shown = None
    while asyncio.get_running_loop().time() < deadline_s:
        shown = await ok(company, "request", "show", own_id)
        if shown["state"] == state:
            return shown
        await asyncio.sleep(0.05)
    raise AssertionError(shown)


async def test_a_request_is_begun_answered_corrected_and_withdrawn(pair: Pair) -> None:
    buyer, maker = pair
    asked = await ask(buyer, maker, "cell-1", "--text", "For the passport.", "--no-fetch")
    came = await received(maker, "cell-1")
    assert (came["text"], came["partner"]) == ("For the passport.", buyer.did)
    await ok(maker, "request", "begin", came["own_id"])
    await in_state(buyer, asked["own_id"], "in-progress")
    await ok(buyer, "request", "remind", asked["own_id"], "--text", "Please.")
    await ok(maker, "request", "answer", came["own_id"], "--asset", "cfp-1")
    await in_state(buyer, asked["own_id"], "answered")
    named = f"urn:declaration:1={'ab' * 32}"
    await ok(maker, "request", "answer", came["own_id"], "--declaration", named)
    await ok(maker, "request", "withdraw", came["own_id"], "--text", "A wrong factor.")
    shown = await in_state(buyer, asked["own_id"], "withdrawn")
    assert [(one["version"], one["asset_id"]) for one in shown["answers"]] == [(1, "cfp-1"), (2, "")]
    assert all(one["withdrawn_ms"] for one in shown["answers"])
    counts = {"trades": 1, "completed": 0, "closed": 1, "open": 0}
    assert await ok(buyer, "request", "tree", asked["tree_id"]) == counts


async def test_a_request_is_rejected_or_cancelled(pair: Pair) -> None:
    buyer, maker = pair
    asked = await ask(buyer, maker, "cell-2")
    came = await received(maker, "cell-2")
    assert (await command(maker, "request", "reject", came["own_id"])).exit_code != 0
    await ok(maker, "request", "reject", came["own_id"], "--text", "Never made.")
    assert (await in_state(buyer, asked["own_id"], "rejected"))["reason"] == "Never made."
    again = await ask(buyer, maker, "cell-3")
    await received(maker, "cell-3")
    await ok(buyer, "request", "cancel", again["own_id"])
    came = await received(maker, "cell-3")
    await in_state(maker, came["own_id"], "cancelled")


async def test_a_rule_answers_by_itself(pair: Pair) -> None:
    buyer, maker = pair
    words = ("--data-item", "footprint", "--part", "cell-4", "--asset", "cfp-1")
    put = await ok(maker, "request", "rule", "put", "of-cell-4", *words)
    assert await ok(maker, "request", "rule", "show", "of-cell-4") == put
    assert (await ok(maker, "request", "rule", "list"))["items"] == [put]
    asked = await ask(buyer, maker, "cell-4", "--no-fetch")
    await in_state(buyer, asked["own_id"], "answered")
    await ok(maker, "request", "rule", "delete", "of-cell-4")
    assert (await ok(maker, "request", "rule", "list"))["items"] == []
    bad = ("--ask-on", "no-pair")
    assert (await command(maker, "request", "rule", "put", "bad", *words, *bad)).exit_code != 0


async def test_a_trace_is_asked_and_walked(pair: Pair) -> None:
    """The buyer built one pack from a cell of its own making, of the batch that it asks about."""
    buyer, _ = pair
    for part in ("pack", "cell"):
        await buyer.call("PUT", f"/parts/{part}", {})
    await buyer.call("PUT", "/batches/B7", {"part_id": "cell"})
    await buyer.call("PUT", "/items/p-1", {"part_id": "pack", "serial": "P1"})
    await buyer.call("PUT", "/items/c-1", {"part_id": "cell", "serial": "C1", "batch_id": "B7"})
    await buyer.call("PUT", "/built/item/p-1/holds/item/c-1", {})
    walked = await ok(buyer, "request", "walk", "item", "p-1")
    assert [(step["depth"], step["component"]["id"]) for step in walked["steps"]] == [(1, "c-1")]
    up = await ok(buyer, "request", "walk", "item", "c-1", "--up")
    assert up["borders"] == [{"kind": "item", "id": "p-1"}]
    words = ("--about", "B7", "--part", "pack", "--serial", "P1", "--due", "2099-12-31")
    asked = await ok(buyer, "request", "trace", *words)
    assert asked["state"] == "answered"
    assert asked["answers"][0]["trace"] == {"found": ["P1"], "unanswered": 0, "reach": None}


async def test_a_thing_is_followed_up_to_a_customer_that_lets_it(pair: Pair) -> None:
    """The maker made the casing K1 that is in the buyer's box B1; a person at the buyer lets it be traced, with names."""
    buyer, maker = pair
    for at, partner, role in ((maker, buyer, "is_customer"), (buyer, maker, "is_supplier")):
        await at.call("PUT", f"/trading-partners/{partner.did.replace('%', '%25')}", {role: True})
    await maker.call("PUT", "/parts/casing", {})
    await maker.call("PUT", "/batches/K", {"part_id": "casing"})
    await maker.call("PUT", "/items/k-1", {"part_id": "casing", "serial": "K1", "batch_id": "K"})
    await buyer.call("PUT", "/parts/box", {})
    await buyer.call("PUT", "/parts/bought-casing", {"sourcing": "purchased"})
    await buyer.call("PUT", "/items/b-1", {"part_id": "box", "serial": "B1"})
    await buyer.call("PUT", "/items/casing-1", {"part_id": "bought-casing", "serial": "K1"})
    await buyer.call("PUT", "/built/item/b-1/holds/item/casing-1", {})
    await ok(buyer, "request", "open")
    proposal = {"side": "buyer", "partner": maker.did, "own_part_id": "bought-casing"}
    await buyer.call("PUT", "/trade-links/casings", proposal)

    async def at_maker() -> list[Any]:
        return list((await maker.call("GET", "/trade-links"))["items"])

    await until(maker, at_maker)
    await maker.call("POST", "/trade-links/casings/confirm", {"own_part_id": "casing"})

    async def confirmed() -> bool:
        return bool((await buyer.call("GET", "/trade-links/casings"))["state"] == "confirmed")

    await until(buyer, confirmed)
    begun = await ok(
        maker, "request", "follow", "batch", "K", "--up", "--due", "2099-12-31", "--text", "K cracks."
    )
    assert (begun["direction"], begun["is_complete"]) == ("up", False)

    async def at_buyer() -> list[Any]:
        items = (await ok(buyer, "request", "list", "--side", "received"))["items"]
        return [one for one in items if one["data_item"] == "trace:went"]

    (waiting,) = await until(buyer, at_buyer)
    assert waiting["text"] == "K cracks."
    await ok(buyer, "request", "let-trace", waiting["own_id"], "--names")

    async def answered() -> Any:
        found = await ok(maker, "request", "reach", begun["own_id"])
        return found if found["state"] == "answered" else None

    found = await until(maker, answered)
    assert found["branches"][0]["named"] == [{"kind": "item", "part": "box", "name": "B1"}]
    assert [(tier["things"], tier["ends"], tier["masked"]) for tier in found["tiers"]] == [
        (1, 0, 0),
        (1, 1, 0),
    ]
    assert found["is_complete"] is True
    again = await ok(maker, "request", "follow", "batch", "K", "--up", "--due", "2099-12-31")
    await until(buyer, at_buyer)
    stopped = await ok(maker, "request", "cancel", again["own_id"])
    assert stopped["state"] == "cancelled"


async def test_a_closed_inbox_takes_nothing_more(pair: Pair) -> None:
    buyer, maker = pair
    await ok(maker, "request", "close")
    assert (await ok(maker, "request", "inbox"))["is_open"] is False
    asked = await ask(buyer, maker, "cell-5")
    await asyncio.sleep(1)
    assert (await ok(buyer, "request", "show", asked["own_id"]))["state"] == "asked"
    await ok(maker, "request", "open")
    await in_state(buyer, asked["own_id"], "received")
