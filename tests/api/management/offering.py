"""What the tests offer and ask for, in the words of the management API."""

import asyncio
from typing import Any

import httpx2

from tests.api.management.program import Program, did_of

USE = {"permission": [{"action": "use"}]}
ONCE = {
    "permission": [
        {"action": "use", "constraint": [{"leftOperand": "count", "operator": "lteq", "rightOperand": "1"}]}
    ]
}
BODY = b'{"kg_co2e_per_kg": 12.5}'
MAKER = did_of("maker")
CELLS = did_of("cells")
FRAMEWORK = "urn:ashiato:framework:nmc-2026"
PDF = {"Content-Type": "application/pdf"}
SCAN = b"%PDF-1.7 signed and stamped"


async def offered(
    client: httpx2.AsyncClient,
    *,
    approval: str = "automatic",
    asset_id: str = "cfp-1",
    offer_id: str = "open",
) -> str:
    """`maker` offers an asset with a record; returns the `@id` of the offer in its catalog."""
    await ok(client.put(f"/v1/maker/policies/{offer_id}-terms", json={"document": USE}))
    asset = {"title": "Footprint", "source": {"kind": "record"}, "data_item": "cfp", "part_group": "nmc811"}
    await ok(client.put(f"/v1/maker/assets/{asset_id}", json=asset))
    await ok(
        client.put(
            f"/v1/maker/assets/{asset_id}/record", content=BODY, headers={"Content-Type": "application/json"}
        )
    )
    offer = {"contract_policy_id": f"{offer_id}-terms", "asset_ids": [asset_id], "approval": approval}
    await ok(client.put(f"/v1/maker/offers/{offer_id}", json=offer))
    return f"{offer_id}:{asset_id}"


async def fetched(program: Program, client: httpx2.AsyncClient, asset_id: str = "cfp-1") -> dict[str, Any]:
    """`cells` gets the asset from `maker`; returns the fetch when it has ended."""
    program.contents[asset_id] = BODY
    fetch = await ok(client.post("/v1/cells/fetches", json={"partner": MAKER, "asset_id": asset_id}), 202)
    return await until(client, f"/v1/cells/fetches/{fetch['fetch_id']}", "state", "done")


async def ok(request: Any, status_code: int = 200) -> dict[str, Any]:
    """The document of an answer that must have this status."""
    response: httpx2.Response = await request
    assert response.status_code == status_code, response.text
    document: dict[str, Any] = response.json()
    return document


async def assert_problem(request: Any, status_code: int, code: str) -> dict[str, Any]:
    """The problem document of an answer that must have this status and code."""
    response: httpx2.Response = await request
    assert response.status_code == status_code, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"urn:ashiato:problem:{code}"
    assert document["status"] == status_code
    assert document["detail"].endswith(".")
    return document


async def until(client: httpx2.AsyncClient, path: str, member: str, value: object) -> dict[str, Any]:
    """What stands at `path` once its `member` is `value`; fails after five seconds."""
    for _ in range(1500):
        found = await ok(client.get(path))
        if found[member] == value:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"{path} has {member} {found[member]!r} instead of {value!r}")


async def first_approval(client: httpx2.AsyncClient, slug: str = "maker") -> dict[str, Any]:
    """What waits longest for a person, as soon as something does."""
    for _ in range(1500):
        found = await ok(client.get(f"/v1/{slug}/approvals"))
        if found["items"]:
            entry: dict[str, Any] = found["items"][0]
            return entry
        await asyncio.sleep(0.02)
    raise AssertionError("nothing waits for a person")


def proposal(**changes: object) -> dict[str, object]:
    """What `cells` proposes to `maker`, with changes."""
    return {
        "framework_id": FRAMEWORK,
        "role": "CONSUMER",
        "partner": MAKER,
        "title": "Footprints of NMC powders",
        "policy": USE,
        "from_ms": 0,
        "until_ms": 4_102_444_800_000,
        "data_item": "cfp",
        "purpose": "legal reporting",
        **changes,
    }
