"""How far things reach, through four running companies in two programs: asked, let, told, and the history of it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.companies import Company, ManagementError, running

PATIENCE_S = 60.0


def in_an_hour_ms() -> int:
    return int(time.time() * 1000) + 3_600_000


async def when(
    look: Callable[[], Any], holds: Callable[[Any], bool], company: Company, timeout_s: float = PATIENCE_S
) -> Any:
    """What `look` shows as soon as it holds."""
    ends_s = time.monotonic() + timeout_s
    shown: Any = None
    while time.monotonic() < ends_s:
        shown = await look()
        if holds(shown):
            return shown
        await asyncio.sleep(0.05)
    raise AssertionError(f"{shown}\n{company.log_tail()}")


async def linked(buyer: tuple[Company, str], seller: tuple[Company, str], bought: str, sold: str) -> None:
    """The buyer proposes that its bought part is the seller's, and the seller says yes."""
    (at_buyer, buyer_slug), (at_seller, seller_slug) = buyer, seller
    link_id = f"{buyer_slug}-{seller_slug}"
    await at_buyer.call("PUT", "/request-inbox", {}, slug=buyer_slug)
    await at_seller.call("PUT", "/request-inbox", {}, slug=seller_slug)
    for at, slug, partner in (
        (at_buyer, buyer_slug, at_seller.did_of(seller_slug)),
        (at_seller, seller_slug, at_buyer.did_of(buyer_slug)),
    ):
        role = {"is_supplier": slug == buyer_slug, "is_customer": slug == seller_slug}
        await at.call("PUT", f"/trading-partners/{partner.replace('%', '%25')}", role, slug=slug)
    body = {"side": "buyer", "partner": at_seller.did_of(seller_slug), "own_part_id": bought}
    await at_buyer.call("PUT", f"/trade-links/{link_id}", body, slug=buyer_slug)

    async def proposals() -> list[Any]:
        return list((await at_seller.call("GET", "/trade-links", slug=seller_slug))["items"])

    await when(proposals, lambda found: any(one["link_id"] == link_id for one in found), at_seller)
    yes = {"own_part_id": sold}
    await at_seller.call("POST", f"/trade-links/{link_id}/confirm", yes, slug=seller_slug)

    async def confirmed() -> str:
        return str((await at_buyer.call("GET", f"/trade-links/{link_id}", slug=buyer_slug))["state"])

    await when(confirmed, lambda state: state == "confirmed", at_buyer)


async def built(
    company: Company, slug: str, own: str, bought: str, serials: dict[str, tuple[str, ...]]
) -> None:
    """Items of the company's own part, each built of bought ones."""
    await company.call("PUT", f"/parts/{own}", {}, slug=slug)
    if bought:
        await company.call("PUT", f"/parts/{bought}", {"sourcing": "purchased"}, slug=slug)
    for serial, components in serials.items():
        await company.call("PUT", f"/items/{serial}", {"part_id": own, "serial": serial}, slug=slug)
        for component in components:
            await company.call(
                "PUT", f"/items/{component}", {"part_id": bought, "serial": component}, slug=slug
            )
            path = f"/built/item/{serial}/holds/item/{component}"
            await company.call("PUT", path, {"quantity": "1", "unit": "piece"}, slug=slug)


async def lets(company: Company, slug: str, data_item: str, **more: object) -> None:
    rule_id = data_item.replace(":", "-")
    await company.call("PUT", f"/request-rules/{rule_id}", {"data_item": data_item, **more}, slug=slug)


async def the_chain(node: Company, car: Company) -> None:
    """v1 holds p1, p1 holds m1 and m2, each of which holds two of the cells c1 to c4; c1 is of the batch LOT-B7-2026."""
    await built(node, "celler", "cell", "", {f"c{number}": () for number in range(1, 5)})
    await node.call("PUT", "/batches/LOT-B7-2026", {"part_id": "cell"}, slug="celler")
    await node.call(
        "PUT", "/items/c1", {"part_id": "cell", "serial": "c1", "batch_id": "LOT-B7-2026"}, slug="celler"
    )
    await built(node, "moduler", "module", "cell", {"m1": ("c1", "c2"), "m2": ("c3", "c4")})
    await built(node, "packer", "pack", "module", {"p1": ("m1", "m2")})
    await built(car, "carmaker", "vehicle", "pack", {"v1": ("p1",)})
    await linked((node, "moduler"), (node, "celler"), "cell", "cell")
    await linked((node, "packer"), (node, "moduler"), "module", "module")
    await linked((car, "carmaker"), (node, "packer"), "pack", "pack")


async def test_a_recall_goes_up_and_a_question_of_materials_down_through_four_running_companies(
    tmp_path: Path,
) -> None:
    node = Company(tmp_path / "node", ["celler", "moduler", "packer"])
    car = Company(tmp_path / "car", ["carmaker"])
    async with running(node, car):
        await the_chain(node, car)
        await lets(node, "moduler", "trace:went", names=True, partners=[node.did_of("celler")])
        await lets(node, "packer", "trace:went")
        await car.stop()
        body = {"direction": "up", "due_ms": in_an_hour_ms(), "text": "LOT-B7-2026 may swell."}
        asked = await node.call("POST", "/traces/batch/LOT-B7-2026", body, slug="celler")
        path = f"/traces/{asked['own_id']}"

        async def shown() -> Any:
            return await node.call("GET", path, slug="celler")

        # Who is off line leaves the branch open: next to the asker that is a name, behind it nothing.
        waiting = await when(shown, lambda found: found["branches"][0]["state"] == "asked-on", node)
        assert (waiting["is_complete"], waiting["tiers"]) == (False, [])
        assert waiting["branches"][0]["partner"] == node.did_of("moduler")
        await car.start()

        async def at_car() -> list[Any]:
            return list((await car.call("GET", "/requests?side=received"))["items"])

        (received,) = await when(at_car, lambda found: len(found) == 1, car)
        # The words of the recall went to the neighbour alone.
        assert received["text"] == ""
        detail = await car.call("GET", f"/requests/{received['own_id']}")
        assert "trace" in detail["acts"]
        await car.call("POST", f"/requests/{received['own_id']}/trace", {"names": True})
        done = await when(shown, lambda found: found["state"] == "answered", node)
        assert [(tier["tier"], tier["things"], tier["masked"]) for tier in done["tiers"]] == [
            (0, 1, 0),
            (1, 1, 0),
            (2, 1, 1),
            (3, 1, 1),
        ]
        assert (done["is_complete"], done["unanswered"], done["tiers"][3]["ends"]) == (True, 0, 1)
        assert done["branches"][0]["named"] == [{"kind": "item", "part": "module", "name": "m1"}]
        (told,) = (await node.call("GET", "/requests?side=received", slug="moduler"))["items"]
        assert told["text"] == "LOT-B7-2026 may swell."
        # Down from the vehicle; the module maker lets nothing go to its customer, and a person says no.
        await lets(node, "packer", "trace:materials")
        down = await car.call("POST", "/traces/item/v1", {"direction": "down", "due_ms": in_an_hour_ms()})

        async def at_moduler() -> list[Any]:
            items = (await node.call("GET", "/requests?side=received", slug="moduler"))["items"]
            return [one for one in items if one["data_item"] == "trace:materials"]

        (no,) = await when(at_moduler, lambda found: len(found) == 1, node)
        await node.call("POST", f"/requests/{no['own_id']}/reject", {"text": "Our recipe."}, slug="moduler")

        async def shown_to_car() -> Any:
            return await car.call("GET", f"/traces/{down['own_id']}")

        ended = await when(shown_to_car, lambda found: found["state"] == "answered", car)
        assert [(tier["things"], tier["unanswered"], tier["silent"]) for tier in ended["tiers"]] == [
            (1, 0, 0),
            (2, 2, 1),
        ]
        assert (ended["is_complete"], ended["unanswered"]) == (False, 2)
        with pytest.raises(ManagementError, match="404"):
            await node.call("GET", path, slug="packer")
        cells_did = node.did_of("celler")
    held_by_car = b"".join(one.read_bytes() for one in (tmp_path / "car").rglob("*") if one.is_file())
    for secret in (cells_did, "celler", "moduler", "LOT-B7-2026", "swell", "Our recipe"):
        assert secret.encode() not in held_by_car.replace(str(tmp_path).encode(), b""), secret
