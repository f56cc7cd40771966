"""The demonstration chain computed flat in fractions, from the raw data file: no reader, no engine, no tiers of the program.

A = 0.2 for metals and R1 = 0 are those of the circular footprint formula in the rules of 2023.
"""

import tomllib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

DATA_FILE = Path(__file__).resolve().parents[1] / "src/ashiato/wiring/demo_data/battery_chain.toml"
STAGES = ("raw_materials", "main_production", "distribution", "end_of_life")
GATE = STAGES[:2]
METALS_A = Fraction(2, 10)

Raw = dict[str, Any]
Vector = dict[str, Fraction]


def raw_chain() -> Raw:
    """The data file as TOML gives it."""
    return tomllib.loads(DATA_FILE.read_text("utf-8"))


def value(figure: Raw) -> Fraction:
    """The number of a figure."""
    return Fraction(figure["value"])


def by_hand(chain: Raw, product_id: str, swapped: Mapping[str, str] | None = None) -> Vector:
    """kgCO2e by stage for one declared unit of a product; with `swapped`, other products are bought instead."""
    product = next(one for one in chain["products"] if one["id"] == product_id)
    sums = dict.fromkeys(STAGES, Fraction(0))
    for line in product.get("lines", []):
        kg = value(line["amount"]) * rate(chain, product, line)
        sums[line.get("stage", product["stage"])] += kg
        if "recycling" in line:
            recycling = chain["recycling"][line["recycling"]]
            recycled = value(chain["factors"][recycling["recycled"]]["intensity"])
            virgin = value(chain["factors"][line["factor"]]["intensity"])
            share = (1 - METALS_A) * value(recycling["r2"])
            sums["end_of_life"] += value(line["amount"]) * share * (recycled - virgin)
    for part in product.get("parts", []):
        name = (swapped or {}).get(part["product"], part["product"])
        below = by_hand(chain, name, swapped)
        for stage in STAGES:
            sums[stage] += value(part["amount"]) * below[stage]
    return sums


def rate(chain: Raw, product: Raw, line: Raw) -> Fraction:
    """kgCO2e per unit of a line's activity; the only direct emission of the chain is carbon dioxide."""
    if line["kind"] == "direct":
        assert line["gas"] == "CO2"
        return Fraction(1)
    if line["kind"] == "electricity":
        country = next(one["country"] for one in chain["companies"] if one["slug"] == product["company"])
        return value(chain["grids"][country]["intensity"])
    return value(chain["factors"][line["factor"]]["intensity"])


def gate_per_kwh(chain: Raw, pack_id: str, swapped: Mapping[str, str] | None = None) -> Fraction:
    """kgCO2e per kWh of rated capacity, cradle to gate."""
    vector = by_hand(chain, pack_id, swapped)
    return sum((vector[stage] for stage in GATE), Fraction(0)) / value(
        chain["batteries"][pack_id]["rated_kwh"]
    )


def delivered_per_kwh(chain: Raw, pack_id: str, swapped: Mapping[str, str] | None = None) -> Vector:
    """kgCO2e per kWh of the service life by stage: 60 cycles a year (M1), and the shorter of years and kilometres / 20 000."""
    battery = chain["batteries"][pack_id]
    years = min(value(battery["warranty_years"]), value(battery["warranty_km"]) / 20_000)
    delivered_kwh = value(battery["usable_kwh"]) * 60 * years
    return {stage: kg / delivered_kwh for stage, kg in by_hand(chain, pack_id, swapped).items()}


def published_share(chain: Raw, product_id: str) -> Fraction:
    """The share of the emissions up to the gate, in absolute terms, whose amount and intensity are both published."""
    published, whole = _grounds(chain, product_id)
    return published / whole


def metered_share(chain: Raw, product_id: str) -> Fraction:
    """The primary data share that there would be if each company had metered all its amounts.

    Every intensity of the file is a published average or assumed, so only gases of a process itself would count.
    """
    primary, whole = _metered(chain, product_id)
    return primary / whole


def _metered(chain: Raw, product_id: str) -> tuple[Fraction, Fraction]:
    product = next(one for one in chain["products"] if one["id"] == product_id)
    primary = whole = Fraction(0)
    for line in product.get("lines", []):
        if line.get("stage", product["stage"]) != "end_of_life":
            kg = value(line["amount"]) * rate(chain, product, line)
            whole += kg
            primary += kg if line["kind"] == "direct" else 0
    for part in product.get("parts", []):
        below, below_whole = _metered(chain, part["product"])
        primary += value(part["amount"]) * below
        whole += value(part["amount"]) * below_whole
    return primary, whole


def _grounds(chain: Raw, product_id: str) -> tuple[Fraction, Fraction]:
    product = next(one for one in chain["products"] if one["id"] == product_id)
    published = whole = Fraction(0)
    for line in product.get("lines", []):
        kg = value(line["amount"]) * rate(chain, product, line)
        whole += kg
        factor = chain["factors"].get(line.get("factor"), {"intensity": {}})
        if "assumption" not in line["amount"] and "assumption" not in factor["intensity"]:
            published += kg
    for part in product.get("parts", []):
        below, below_whole = _grounds(chain, part["product"])
        published += value(part["amount"]) * below
        whole += value(part["amount"]) * below_whole
    return published, whole
