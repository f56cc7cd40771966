"""The inventories that the companies of the chain keep of their products, made from the chain's data.

Primary is what has a measured amount and an intensity of one's own or of a supplier. Nobody of the demonstration measured
anything, and every intensity is a published average or assumed, so the share is 0. The ratings of data quality are
those of the data file.
"""

import json
from collections.abc import Mapping
from typing import Any

from ashiato.facts.quantities import decimal_text
from ashiato.wiring.walkthrough.battery_chain import Battery, Chain, Figure, Line, Product

RULESET = "CFB-EV-2023JRC"
GWP_SET = "EF-3.1"
# The calendar year 2025, in which the demonstration's plants worked.
REFERENCE_FROM_MS, REFERENCE_UNTIL_MS = 1_735_689_600_000, 1_767_225_600_000
VALID_DAYS = 365
DAY_MS = 86_400_000

Json = dict[str, Any]


def inventory(
    chain: Chain,
    product: Product,
    suppliers: Mapping[str, str],
    valid_from_ms: int,
    version: int = 1,
    swapped: Mapping[str, str] | None = None,
    secret: str = "",
) -> bytes:
    """The inventory document of a product; `suppliers` are the DIDs by slug, `swapped` products that are bought instead.

    The version names the declaration that will be made of it, and which one that supersedes. With a secret the declaration
    commits to the lines.
    """
    bought = [
        (part, chain.product((swapped or {}).get(part.product, part.product))) for part in product.parts
    ]
    document: Json = {
        "type": "CarbonInventory",
        "version": 1,
        "product": product.id,
        "plant": f"{product.company} plant 1",
        "geography": chain.company(product.company).country,
        "ruleset": RULESET,
        "referenceFromMs": REFERENCE_FROM_MS,
        "referenceUntilMs": REFERENCE_UNTIL_MS,
        "declared": {"value": "1", "unit": product.unit},
        "output": {"value": "1", "unit": product.unit},
        "productMass": _amount(product.mass_kg),
        "commitmentSecret": secret,
        "issue": {
            "id": f"{product.id}/{version}",
            "supersedes": f"{product.id}/{version - 1}" if version > 1 else "",
            "validFromMs": valid_from_ms,
            "validUntilMs": valid_from_ms + VALID_DAYS * DAY_MS,
        },
        "lines": [_line(chain, product, line) for line in product.lines],
        "parts": [
            {
                "key": part.product,
                "product": one.id,
                "supplier": suppliers[one.company],
                "quantity": _amount(part.amount),
            }
            for part, one in bought
        ],
    }
    battery = chain.batteries.get(product.id)
    if battery is not None:
        document["battery"] = _battery(battery)
    return json.dumps(document).encode()


def _line(chain: Chain, product: Product, line: Line) -> Json:
    ratings = chain.quality.assumed if line.amount.assumed else chain.quality.published
    shared: Json = {
        "key": line.key,
        "stage": (line.stage or product.stage).value,
        "measured": False,
        "quality": list(ratings),
    }
    if line.kind == "direct":
        return {**shared, "type": "direct", "gas": line.gas, "origin": "fossil", "mass": _amount(line.amount)}
    intensity = _intensity(chain, chain.intensity(product, line), line.amount.unit)
    if line.kind == "electricity":
        country = chain.company(product.company).country
        return {
            **shared,
            "type": "electricity",
            "energy": _amount(line.amount),
            "region": country,
            "grid": intensity,
        }
    if line.recycling:
        recycling = chain.recycling[line.recycling]
        recycled = chain.factors[recycling.recycled].intensity
        return {
            **shared,
            "type": "material",
            "amount": _amount(line.amount),
            "virgin": intensity,
            "recycled": _intensity(chain, recycled, line.amount.unit),
            "kind": recycling.kind,
            "r2": recycling.r2.value,
        }
    return {
        **shared,
        "type": "activity",
        "kind": line.kind,
        "amount": _amount(line.amount),
        "intensity": intensity,
    }


def _intensity(chain: Chain, figure: Figure, per_unit: str) -> Json:
    """A factor whose gases are not split counts as fossil; the sources do not all name their potentials."""
    source = None if figure.assumed else chain.source(figure.source)
    return {
        "per": {"value": "1", "unit": per_unit},
        "kgByOrigin": {"fossil": figure.value},
        "gwpSet": GWP_SET,
        "source": "assumption" if source is None else f"{source.author}, {source.title}",
        "year": 0 if source is None else source.year,
        "quality": list(chain.quality.assumed if figure.assumed else chain.quality.published),
    }


def _battery(battery: Battery) -> Json:
    return {
        "vehicleCategory": battery.vehicle_category,
        "ratedEnergy": _amount(battery.rated_kwh),
        "usableEnergy": _amount(battery.usable_kwh),
        "warranty": {
            "years": battery.warranty_years.value,
            "distanceKm": battery.warranty_km.value,
            "capacityShare": battery.warranty_capacity.value,
        },
    }


def _amount(figure: Figure) -> Json:
    return {"value": decimal_text(figure.number), "unit": figure.unit}
