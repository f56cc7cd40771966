"""A thousand hosted companies in one process on PostgreSQL: memory, the p95 of a negotiation, and one noisy neighbour.

Keys: rss_mb of the process tree, start_s, negotiation_p95_ms of quiet companies among themselves, noisy_p95_ms of the same while
one company floods both listeners from a process of its own (`bench/noise.py`), and noisy_ratio of the two.
"""

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.negotiating import POLICY, offer_assets
from tests.companies import Company, api_key
from tests.postgresql_server import fresh_database, running_postgresql

TENANTS_COUNT = 1000
QUIET_CALLERS_COUNT = 4
NEGOTIATIONS_COUNT = 400
PROVIDERS_COUNT = 10
NOISE = Path(__file__).with_name("noise.py")

Figures = dict[str, float]


async def run() -> Figures:
    """All figures."""
    with (
        tempfile.TemporaryDirectory(prefix="ashiato-bench-") as name,
        running_postgresql(durable=True) as server,
        fresh_database(server) as url,
    ):
        slugs = [f"tenant-{number:04}" for number in range(TENANTS_COUNT)]
        async with Company(Path(name), slugs, url) as host:
            figures = await _measure(host, slugs)
    return {key: round(value, 2) for key, value in figures.items()}


async def _measure(host: Company, slugs: list[str]) -> Figures:
    providers, consumers = slugs[:PROVIDERS_COUNT], slugs[PROVIDERS_COUNT:-1]
    for slug in providers:
        await offer_assets(host, 1, slug=slug)
    await offer_assets(host, 1, slug=slugs[-1])
    pairs = list(zip(itertools.cycle(providers), consumers, strict=False))
    await _negotiate_all(host, pairs[:50])
    quiet_ms = await _negotiate_all(host, pairs[:NEGOTIATIONS_COUNT])
    with _noise(host, slugs[-1]):
        await asyncio.sleep(1)
        noisy_ms = await _negotiate_all(host, pairs[NEGOTIATIONS_COUNT : 2 * NEGOTIATIONS_COUNT])
    return {
        "tenants": TENANTS_COUNT,
        "rss_mb": host.rss_mb(),
        "start_s": host.start_s,
        "negotiation_p50_ms": _quantile(quiet_ms, 0.5),
        "negotiation_p95_ms": _quantile(quiet_ms, 0.95),
        "noisy_p50_ms": _quantile(noisy_ms, 0.5),
        "noisy_p95_ms": _quantile(noisy_ms, 0.95),
        "noisy_ratio": _quantile(noisy_ms, 0.95) / _quantile(quiet_ms, 0.95),
    }


async def _negotiate_all(host: Company, pairs: list[tuple[str, str]]) -> list[float]:
    """The sorted milliseconds of one negotiation of each pair, a few at a time."""
    waiting = iter(pairs)
    spans_ms: list[float] = []

    async def work() -> None:
        for provider, consumer in waiting:
            began_s = time.perf_counter()
            await _negotiate(host, provider, consumer)
            spans_ms.append((time.perf_counter() - began_s) * 1000)

    await asyncio.gather(*(work() for _ in range(QUIET_CALLERS_COUNT)))
    return sorted(spans_ms)


async def _negotiate(host: Company, provider: str, consumer: str) -> None:
    negotiation = await host.call("POST", "/negotiations", _request(host, provider), slug=consumer)
    while negotiation["state"] != "FINALIZED":
        path = f"/negotiations/{negotiation['negotiation_pid']}?wait_s=10"
        negotiation = await host.call("GET", path, slug=consumer)


@contextlib.contextmanager
def _noise(host: Company, slug: str) -> Iterator[None]:
    """The flood of `bench/noise.py` while the block lasts."""
    order = {
        "management_url": host.ready["management_url"],
        "slug": slug,
        "api_key": api_key(slug),
        "negotiation": _request(host, slug),
    }
    process = subprocess.Popen([sys.executable, str(NOISE)], stdin=subprocess.PIPE)
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        yield
    finally:
        process.stdin.close()
        process.wait(10)


def _request(host: Company, provider: str) -> dict[str, object]:
    return {
        "role": "CONSUMER",
        "partner": host.did_of(provider),
        "address": f"{host.ready['public_url']}/{provider}/dsp/2025-1",
        "asset_id": "bench-0",
        "offer": {"@id": "bench:bench-0", "permission": POLICY["permission"]},
    }


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
