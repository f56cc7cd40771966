"""A company's own footprints over the management API."""

from typing import Any

import httpx2
import msgspec
import pytest

from ashiato.apps.carbon.explaining import EXPLANATION
from ashiato.apps.carbon.revisions import ChangedInput, ResultStanding, Version
from tests.api.management.offering import assert_problem, ok
from tests.footprints_kept import activity, amount, calculated, keep, records

ROOT = "/v1/cells/carbon"
BATTERY = {
    "vehicleCategory": "M1",
    "ratedEnergy": amount("50", "kWh"),
    "usableEnergy": amount("50", "kWh"),
    "warranty": {"years": "8", "capacityShare": "0.7"},
}
LINES = [
    activity("metal", "material", "100", "kg", "10", stage="raw_materials"),
    activity("gas", "fuel", "100", "m3", "2"),
]


@pytest.fixture
async def kept(cells: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """A pack in its second version, with a third that waits, and a cell of the same plant that is stale."""
    first = calculated("pack", [LINES[0]], battery=BATTERY)
    earlier = records(first)[f"{EXPLANATION}pack"]
    issue = {"id": "pack/2", "supersedes": "pack/1", "validFromMs": 1, "validUntilMs": 8_000_000_000}
    second = calculated("pack", LINES, battery=BATTERY, issue=issue)
    standing: dict[str, Any] = {
        "standing": ResultStanding.SUPERSEDED,
        "revision": Version(id="pack/2+1", sha256="cd" * 32),
        "changed": (ChangedInput(input="cell did:web:cell.example", before="aa", after="bb"),),
        "exposed": {"metal": "1.23"},
    }
    await keep(cells, "cells", records(second, earlier, **standing))
    stale: dict[str, Any] = {
        "standing": ResultStanding.STALE,
        "problem": "did:web:x has declared nothing about powder",
    }
    await keep(cells, "cells", records(calculated("cell", [LINES[1]]), **stale))
    return cells


async def test_a_footprint_says_how_it_stands_and_warns_of_what_it_gives_away(
    kept: httpx2.AsyncClient,
) -> None:
    found = await ok(kept.get(f"{ROOT}/footprints/pack"))
    assert (found["standing"], found["revision"]["id"]) == ("superseded", "pack/2+1")
    assert found["declaration"]["id"] == "pack/2"
    assert found["changed"] == [{"input": "cell did:web:cell.example", "before": "aa", "after": "bb"}]
    assert found["exposed"] == [{"input": "metal", "error_percent": "1.23"}]
    assert "tell the quantities of metal" in found["warning"]
    assert float(found["total_kg"]) == 120
    japanese = await ok(kept.get(f"{ROOT}/footprints/pack", params={"lang": "ja"}))
    assert "metal の数量" in japanese["warning"]
    # What no text was read for is named with how far it is known.
    assert any(
        value.startswith("rounding.digits = 3") and "assumption" in value for value in found["unproved"]
    )

    stale = await ok(kept.get(f"{ROOT}/footprints/cell"))
    assert (stale["standing"], stale["warning"]) == ("stale", "")
    assert "declared nothing about powder" in stale["problem"]


async def test_footprints_are_listed_page_by_page(kept: httpx2.AsyncClient) -> None:
    page = await ok(kept.get(f"{ROOT}/footprints", params={"limit": 1}))
    assert [one["product"] for one in page["items"]] == ["cell"]
    rest = await ok(kept.get(f"{ROOT}/footprints", params={"cursor": page["next_cursor"]}))
    assert ([one["product"] for one in rest["items"]], rest["next_cursor"]) == (["pack"], None)


async def test_an_explanation_holds_contributions_flows_gaps_and_what_changed(
    kept: httpx2.AsyncClient,
) -> None:
    found = await ok(kept.get(f"{ROOT}/footprints/pack/explanation"))
    assert [(node["key"], float(node["kg"])) for node in found["tree"]["children"]] == [
        ("metal", 100.0),
        ("gas", 20.0),
    ]
    assert found["hot_spots"][0]["key"] == "metal"
    flows = {(band["source"], band["target"]): float(band["kg"]) for band in found["sankey"]}
    assert flows["raw_materials", "pack"] == 100
    assert {gap["key"] for gap in found["gaps"]} == {"metal", "gas"}
    assert found["compared_with"] == "pack/1"
    # The gas is new: a change of amount, by 20 kg.
    assert [(change["key"], float(change["amount_kg"])) for change in found["changes"]] == [("gas", 20.0)]


async def test_a_declared_battery_is_handed_to_the_vehicle_with_its_rules(kept: httpx2.AsyncClient) -> None:
    found = await ok(kept.get(f"{ROOT}/footprints/pack/handover", params={"lang": "ja"}))
    assert [(figure["amount"], figure["unit"], figure["total"]) for figure in found["figures"]] == [
        ("1", "piece", "120")
    ]
    assert [one["measure"] for one in found["per_energy"]] == [
        "per_kwh_of_rated_capacity",
        "per_kwh_delivered",
    ]
    rules = {rule["code"]: rule for rule in found["rules"]}
    assert rules["never_add"]["about"] == ["1 piece", "per_kwh_of_rated_capacity", "per_kwh_delivered"]
    assert "加算しないでください" in rules["never_add"]["text"]
    # It was valid for some days of 1970.
    assert rules["does_not_hold"]["about"] == ["expired"]


async def test_scopes_of_a_plant_are_summed_over_its_products(kept: httpx2.AsyncClient) -> None:
    query: dict[str, Any] = {"plant": "plant-1", "year": 2025}
    (year,) = (await ok(kept.get(f"{ROOT}/scopes", params=query)))["items"]
    # Both products burn 100 m3 of gas of 2 kg; the pack takes 1 000 kg of metal.
    assert (float(year["scope1_kg"]), float(year["scope3_kg"])) == (400.0, 1000.0)
    assert year["products"] == ["cell", "pack"]
    assert [(one["category"], one["name"]) for one in year["scope3"]] == [
        ("1", "Purchased goods and services")
    ]
    assert (await ok(kept.get(f"{ROOT}/scopes", params={"year": 2024})))["items"] == []


async def test_a_product_of_which_nothing_was_computed_is_not_found(cells: httpx2.AsyncClient) -> None:
    for path in ("", "/explanation", "/handover"):
        await assert_problem(cells.get(f"{ROOT}/footprints/none{path}"), 404, "not-found")
    hidden = {"title": "x", "source": {"kind": "record"}, "visibility": "hidden"}
    await ok(cells.put("/v1/cells/assets/carbon-footprint-none", json=hidden))
    content = msgspec.json.encode({"type": "something else"})
    await ok(
        cells.put(
            "/v1/cells/assets/carbon-footprint-none/record",
            content=content,
            headers={"Content-Type": "application/json"},
        )
    )
    await assert_problem(cells.get(f"{ROOT}/footprints/none/handover"), 404, "not-found")
