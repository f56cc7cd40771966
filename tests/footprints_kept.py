"""What the carbon app writes of a product, made without running it: records by the ids of their assets."""

from typing import Any

import httpx2
import msgspec

from ashiato.apps.carbon.calculating import BATTERY, FOOTPRINT, Calculation, calculate
from ashiato.apps.carbon.explaining import EXPLANATION, explanation_of
from ashiato.apps.carbon.revisions import STANDING, FootprintStanding, ResultStanding, version_of

MAKER = "did:web:maker.example"
PROGRAM = "carbon 1 sha256:" + "ab" * 32
FROM_MS, UNTIL_MS = 1_735_689_600_000, 1_767_225_600_000
"""The year 2025."""
VALID_FROM_MS, VALID_UNTIL_MS = 1_790_000_000_000, 1_830_000_000_000
Json = dict[str, Any]


def amount(value: str, unit: str) -> Json:
    return {"value": value, "unit": unit}


def intensity(kg: str, unit: str, **more: object) -> Json:
    factor = {"per": amount("1", unit), "kgByOrigin": {"fossil": kg}, "gwpSet": "EF-3.1"}
    return {**factor, "source": "assumption", "year": 0, **more}


def line(key: str, **more: object) -> Json:
    shared = {"key": key, "stage": "main_production", "measured": True, "quality": ["2", "2", "2"]}
    return {**shared, **more}


def activity(key: str, kind: str, value: str, unit: str, kg: str, **more: object) -> Json:
    made = {"type": "activity", "kind": kind, "amount": amount(value, unit)}
    return line(key, **made, **{"intensity": intensity(kg, unit), **more})


def inventory_document(product: str, lines: list[Json], **more: object) -> bytes:
    """One piece of a product, of an output of ten."""
    document = {
        "type": "CarbonInventory",
        "version": 1,
        "product": product,
        "plant": "plant-1",
        "geography": "JP",
        "ruleset": "CFB-EV-2023JRC",
        "referenceFromMs": FROM_MS,
        "referenceUntilMs": UNTIL_MS,
        "declared": amount("1", "piece"),
        "output": amount("10", "piece"),
        "issue": {"id": f"{product}/1", "validFromMs": VALID_FROM_MS, "validUntilMs": VALID_UNTIL_MS},
        "lines": lines,
    }
    return msgspec.json.encode({**document, **more})


def calculated(product: str, lines: list[Json], **more: object) -> Calculation:
    return calculate(inventory_document(product, lines, **more), [], MAKER, PROGRAM)


def records(made: Calculation, earlier: bytes | None = None, **standing: Any) -> dict[str, bytes]:
    """The results that faces read."""
    version = version_of(made.declaration)
    told = FootprintStanding(
        product=made.product,
        basis="0" * 64,
        **{"standing": ResultStanding.CURRENT, "declaration": version, **standing},
    )
    found = {
        FOOTPRINT: made.declaration,
        BATTERY: made.battery,
        EXPLANATION: msgspec.json.encode(explanation_of(made, version.id, earlier)),
        STANDING: msgspec.json.encode(told),
    }
    return {beginning + made.product: content for beginning, content in found.items() if content is not None}


async def keep(client: httpx2.AsyncClient, slug: str, kept: dict[str, bytes]) -> None:
    """Into the store of the company, as the app interface would put them."""
    for asset_id, content in kept.items():
        asset = {"title": asset_id, "source": {"kind": "record"}, "visibility": "hidden"}
        root = f"/v1/{slug}/assets/{asset_id}"
        for answer in (
            await client.put(root, json=asset),
            await client.put(f"{root}/record", content=content, headers={"Content-Type": "application/json"}),
        ):
            assert answer.status_code == 200, answer.text
