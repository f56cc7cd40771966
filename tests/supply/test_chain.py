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


async def test_three_companies_ask_on_and_the_counts_roll_up(tmp_path: Path) -> None:
    """car -> pack -> cell; cell is off line at first, and nothing of car reaches cell, nor of cell car."""
    car, pack, cell = (Company(tmp_path / name, [name]) for name in ("carmaker", "packer", "celler"))
    async with running(car, pack, cell):
        await pack.call("PUT", "/request-inbox", {})
        await cell.call("PUT", "/request-inbox", {})
        cells_did = cell.did
        await cell.stop()
        asked = await ask(car, pack, "pack-1", text="of-the-car")
        (at_pack,) = await the_received(pack)
        body = {
            "to": [{"partner": cells_did, "part": {"part_id": "cell-1"}}],
            "data_item": "footprint",
            "due_ms": in_an_hour_ms(),
            "in_answer_to": at_pack["own_id"],
        }
        below = (await pack.call("POST", "/requests", body))["items"][0]
        waiting = await seen(car, asked["own_id"], lambda found: found["counts"]["trades"] == 2)
        assert (waiting["state"], waiting["counts"]["open"]) == ("asked-on", 2)
        unreached = await seen(pack, below["own_id"], lambda found: bool(found["reason"]))
        assert unreached["state"] == "asked"
        await cell.start()
        (at_cell,) = await the_received(cell)
        await publish(cell, "cfp-cell", {"kgCO2e": "1"})
        await cell.call("POST", f"/requests/{at_cell['own_id']}/answer", {"asset_id": "cfp-cell"})
        await seen(
            pack, below["own_id"], lambda found: found["answers"] and found["answers"][0]["received_id"]
        )
        await publish(pack, "cfp-pack", {"kgCO2e": "2"})
        await pack.call("POST", f"/requests/{at_pack['own_id']}/answer", {"asset_id": "cfp-pack"})
        done = await seen(
            car, asked["own_id"], lambda found: found["answers"] and found["answers"][0]["received_id"]
        )
        assert done["counts"] == {"trades": 2, "completed": 2, "closed": 0, "open": 0}
        tree = await car.call("GET", f"/request-trees/{asked['tree_id']}")
        assert tree == done["counts"]
        names = {"car": car.did, "cell": cells_did}
    # What the stores hold after everything has run: of neighbours only.
    held_by_cell = b"".join(path.read_bytes() for path in (tmp_path / "celler").rglob("*") if path.is_file())
    held_by_car = b"".join(path.read_bytes() for path in (tmp_path / "carmaker").rglob("*") if path.is_file())
    assert b"cell-1" in held_by_cell
    for secret in (names["car"], "carmaker", "pack-1", "of-the-car", asked["tree_id"], "cfp-pack"):
        assert secret.encode() not in held_by_cell.replace(str(tmp_path).encode(), b""), secret
    for secret in (names["cell"], "celler", "cell-1", "cfp-cell"):
        assert secret.encode() not in held_by_car.replace(str(tmp_path).encode(), b""), secret


async def test_an_answer_that_crosses_a_cancellation_is_late(tmp_path: Path) -> None:
    buyer, maker = Company(tmp_path / "buyer", ["buyer"]), Company(tmp_path / "maker", ["maker"])
    async with running(buyer, maker):
        await maker.call("PUT", "/request-inbox", {})
        asked = await ask(buyer, maker, "cell-1")
        (received,) = await the_received(maker)
        await publish(maker, "cfp", {"kgCO2e": "1"})
        # The supplier cannot hear of the cancellation, because its inbox is closed for a while.
        await maker.call("DELETE", "/request-inbox")
        await buyer.call("POST", f"/requests/{asked['own_id']}/cancel", {})
        await maker.call("POST", f"/requests/{received['own_id']}/answer", {"asset_id": "cfp"})
        late = await seen(buyer, asked["own_id"], lambda found: bool(found["answers"]))
        assert (late["state"], late["answers"][0]["is_late"]) == ("cancelled", True)
        assert (await buyer.call("GET", "/fetches"))["items"] == []


async def test_what_waits_survives_a_kill_of_either_side(tmp_path: Path) -> None:
    buyer, maker = Company(tmp_path / "buyer", ["buyer"]), Company(tmp_path / "maker", ["maker"])
    async with running(buyer, maker):
        await maker.call("PUT", "/request-inbox", {})
        asked = [await ask(buyer, maker, f"cell-{number}") for number in range(10)]
        await buyer.kill()
        await buyer.start()
        received = await the_received(maker, len(asked))
        await publish(maker, "cfp", {"kgCO2e": "1"})
        for request in received:
            await maker.call("POST", f"/requests/{request['own_id']}/answer", {"asset_id": "cfp"})
        await maker.kill()
        await maker.start()
        for request in asked:
            await seen(buyer, request["own_id"], lambda found: found["state"] == "answered")
        assert len((await maker.call("GET", "/requests?side=received"))["items"]) == len(asked)


async def with_rule(company: Company, slug: str, below: str | None) -> None:
    """The company answers requests for the part `p`, after it has asked the one below it."""
    await company.call("PUT", "/request-inbox", {}, slug=slug)
    await company.call("PUT", "/assets/cfp", {"title": "t", "source": {"kind": "record"}}, slug=slug)
    ask_on = [{"partner": company.did_of(below), "part": {"part_id": "p"}}] if below else []
    rule = {"data_item": "footprint", "part_id": "p", "asset_id": "cfp", "ask_on": ask_on}
    await company.call("PUT", "/request-rules/r", rule, slug=slug)


async def test_five_tiers_answer_by_themselves_over_the_exchange(tmp_path: Path) -> None:
    """Every agreement is negotiated in the run: eight, one in each direction between neighbours."""
    tiers = ["vehicle", "pack", "cell", "cathode", "nickel"]
    node = Company(tmp_path / "node", tiers)
    async with running(node):
        for slug, below in zip(tiers[1:], [*tiers[2:], None], strict=True):
            await with_rule(node, slug, below)
        body = {
            "to": [{"partner": node.did_of("pack"), "part": {"part_id": "p"}}],
            "data_item": "footprint",
            "due_ms": in_an_hour_ms(),
            "fetch": False,
        }
        asked = (await node.call("POST", "/requests", body))["items"][0]
        done = await seen(node, asked["own_id"], lambda found: found["state"] == "answered")
        assert done["counts"] == {"trades": 4, "completed": 4, "closed": 0, "open": 0}
        agreed = (await node.call("GET", "/agreements", slug="cell"))["items"]
        assert sorted(entry["role"] for entry in agreed) == ["CONSUMER", "CONSUMER", "PROVIDER", "PROVIDER"]


async def test_a_circle_of_three_companies_ends_over_the_exchange(tmp_path: Path) -> None:
    """a -> b -> c -> a: recycled material comes back to who sold it."""
    node = Company(tmp_path / "node", ["a", "b", "c"])
    async with running(node):
        for slug, below in (("b", "c"), ("c", "a"), ("a", "b")):
            await with_rule(node, slug, below)
        body = {
            "to": [{"partner": node.did_of("b"), "part": {"part_id": "p"}}],
            "data_item": "footprint",
            "due_ms": in_an_hour_ms(),
        }
        asked = (await node.call("POST", "/requests", body))["items"][0]
        closed = await seen(node, asked["own_id"], lambda found: found["counts"]["closed"] == 1)
        assert closed["counts"] == {"trades": 3, "completed": 0, "closed": 1, "open": 2}
        assert (await node.call("GET", "/requests?side=received"))["items"] == []
        # The branch that went in a circle has no answer, so a person at c decides, and the rest follows by rule.
        (at_c,) = (await node.call("GET", "/requests?side=received", slug="c"))["items"]
        await node.call("POST", f"/requests/{at_c['own_id']}/answer", {"asset_id": "cfp"}, slug="c")
        done = await seen(node, asked["own_id"], lambda found: found["state"] == "answered")
        assert done["counts"] == {"trades": 3, "completed": 2, "closed": 1, "open": 0}
