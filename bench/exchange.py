"""The exchange between two companies, each a process of its own on one machine with the load generator.

Keys: first_byte_p50_ms and first_byte_p95_ms (catalog page of 100, negotiation, transfer, data verified and durable: an upper
bound of the first byte), negotiations_per_s_sqlite and _postgresql, pull_mb_per_s against static_mb_per_s, rss_mb of one
connector's process tree, start_s to the first answer of the protocol listener, catalog_page_p95_ms of 100 000 datasets.
"""

import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench import negotiating, pulling
from bench.seeding import seed_catalog
from tests.companies import Company, running
from tests.postgresql_server import fresh_database, running_postgresql

FETCHES_COUNT = 100
NEGOTIATIONS_COUNT = 2000
CATALOG_PAGES_COUNT = 200
VISIBLE_COUNT = 100
DATASETS_COUNT = 10_000
LARGE_DATASETS_COUNT = 100_000
LARGE_VISIBLE_COUNT = 1_000

Figures = dict[str, float]


async def run() -> Figures:
    """All figures, one after the other, so that none disturbs another."""
    with tempfile.TemporaryDirectory(prefix="ashiato-bench-") as name:
        folder = Path(name)
        figures = await _first_byte(folder / "first")
        figures |= await _negotiations(folder / "sqlite", "sqlite", ["", ""])
        with (
            running_postgresql(durable=True) as server,
            fresh_database(server) as one,
            fresh_database(server) as other,
        ):
            figures |= await _negotiations(folder / "postgresql", "postgresql", [one, other])
        figures |= await _catalog(folder / "catalog")
        figures |= await pulling.run(folder / "pull")
    return {key: round(value, 2) for key, value in figures.items()}


async def _first_byte(folder: Path) -> Figures:
    async with _pair(folder, DATASETS_COUNT, VISIBLE_COUNT) as (maker, buyer):
        for _ in range(3):
            await _page(maker, buyer)
        spans_ms = [await _fetch(maker, buyer, number) for number in range(FETCHES_COUNT)]
        warm_ms = sorted(spans_ms[10:])
        figures = {
            "first_byte_p50_ms": _quantile(warm_ms, 0.5),
            "first_byte_p95_ms": _quantile(warm_ms, 0.95),
            "first_byte_cold_ms": spans_ms[0],
            "rss_mb": max(maker.rss_mb(), buyer.rss_mb()),
        }
    return figures | {"start_s": await _start(folder)}


async def _start(folder: Path) -> float:
    spans_s = []
    for number in range(5):
        company = Company(folder / f"start-{number}", ["start"])
        async with company:
            spans_s.append(company.start_s)
    return sorted(spans_s)[2]


async def _fetch(maker: Company, buyer: Company, number: int) -> float:
    """Milliseconds from the question for a catalog page to the data, durable at the buyer."""
    began_s = time.perf_counter()
    page = await _page(maker, buyer)
    dataset = page[number]
    order = {"partner": maker.did, "address": maker.address, "asset_id": dataset}
    fetch = await buyer.call("POST", "/fetches", order)
    while fetch["state"] not in ("done", "failed"):
        fetch = await buyer.call("GET", f"/fetches/{fetch['fetch_id']}?wait_s=10")
    if fetch["state"] != "done":
        raise AssertionError(fetch["problem"])
    return (time.perf_counter() - began_s) * 1000


async def _page(maker: Company, buyer: Company) -> list[str]:
    query = {"partner": maker.did, "address": maker.address}
    page = await buyer.call("POST", "/catalog/query", query)
    return [item["asset_id"] for item in page["items"]]


async def _negotiations(folder: Path, store: str, urls: list[str]) -> Figures:
    maker = Company(folder / "maker", ["maker"], urls[0] or None)
    buyer = Company(folder / "buyer", ["buyer"], urls[1] or None)
    async with running(maker, buyer):
        await negotiating.offer_assets(maker, 1)
        await negotiating.measure(maker, buyer, NEGOTIATIONS_COUNT // 10)
        rate = await negotiating.measure(maker, buyer, NEGOTIATIONS_COUNT)
    return {
        f"negotiations_per_s_{store}": rate.per_s,
        f"provider_cpu_ms_{store}": rate.provider_cpu_ms,
        f"consumer_cpu_ms_{store}": rate.consumer_cpu_ms,
    }


async def _catalog(folder: Path) -> Figures:
    async with _pair(folder, LARGE_DATASETS_COUNT, LARGE_VISIBLE_COUNT) as (maker, buyer):
        await _page(maker, buyer)
        spans_ms = []
        for _ in range(CATALOG_PAGES_COUNT):
            began_s = time.perf_counter()
            found = await _page(maker, buyer)
            spans_ms.append((time.perf_counter() - began_s) * 1000)
            if len(found) != 100:
                raise AssertionError(f"a page of {len(found)} datasets")
        return {"catalog_page_p95_ms": _quantile(sorted(spans_ms), 0.95)}


@contextlib.asynccontextmanager
async def _pair(folder: Path, count: int, visible_count: int) -> AsyncIterator[tuple[Company, Company]]:
    maker, buyer = Company(folder / "maker", ["maker"]), Company(folder / "buyer", ["buyer"])
    await seed_catalog(
        maker.store_url, maker.future_did("maker"), buyer.future_did("buyer"), count, visible_count
    )
    async with running(maker, buyer):
        yield maker, buyer


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
