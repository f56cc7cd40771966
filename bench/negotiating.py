"""Sustained negotiations: how many contracts two companies conclude a second, and what each costs."""

import asyncio
import time
from typing import Any

import msgspec

from tests.companies import Company

WORKERS_COUNT = 16
POLICY = {
    "@type": "Offer",
    "permission": [
        {
            "action": "use",
            "constraint": [
                {"leftOperand": "dateTime", "operator": "lteq", "rightOperand": "2099-12-31T00:00:00Z"}
            ],
        }
    ],
}


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured: all figures are for the whole run."""

    concluded_count: int
    elapsed_s: float
    provider_cpu_ms: float
    consumer_cpu_ms: float

    @property
    def per_s(self) -> float:
        """Negotiations from request to finalized on both sides, a second."""
        return self.concluded_count / self.elapsed_s


async def offer_assets(provider: Company, count: int, *, slug: str | None = None) -> None:
    """`count` assets under one automatic offer that everybody may see."""
    for number in range(count):
        body = {"title": f"Asset {number}", "source": {"kind": "record"}}
        await provider.call("PUT", f"/assets/bench-{number}", body, slug=slug)
    await provider.call("PUT", "/policies/bench", {"document": POLICY}, slug=slug)
    offer = {"contract_policy_id": "bench", "asset_ids": [f"bench-{number}" for number in range(count)]}
    await provider.call("PUT", "/offers/bench", offer, slug=slug)


async def measure(provider: Company, consumer: Company, count: int) -> Rate:
    """Conclude `count` contracts, asked for by sixteen callers at the consumer's management API, until all are final."""
    waiting = iter(range(count))
    cpu_s = provider.cpu_s(), consumer.cpu_s()
    started_s = time.monotonic()

    async def work() -> None:
        for _ in waiting:
            await ask(provider, consumer)

    await asyncio.gather(*(work() for _ in range(WORKERS_COUNT)))
    await until_concluded(consumer)
    elapsed_s = time.monotonic() - started_s
    return Rate(
        concluded_count=count,
        elapsed_s=elapsed_s,
        provider_cpu_ms=(provider.cpu_s() - cpu_s[0]) * 1000 / count,
        consumer_cpu_ms=(consumer.cpu_s() - cpu_s[1]) * 1000 / count,
    )


async def ask(provider: Company, consumer: Company) -> dict[str, Any]:
    """Ask for one contract."""
    body = {
        "role": "CONSUMER",
        "partner": provider.did,
        "address": provider.address,
        "asset_id": "bench-0",
        "offer": {"@id": "bench:bench-0", "permission": POLICY["permission"]},
    }
    started: dict[str, Any] = await consumer.call("POST", "/negotiations", body)
    return started


async def until_concluded(consumer: Company) -> None:
    """Wait until no negotiation is under way; one that was terminated is an error."""
    for state in ("REQUESTED", "AGREED", "VERIFIED"):
        while (await consumer.call("GET", f"/negotiations?state={state}&limit=1"))["items"]:
            await asyncio.sleep(0.02)
    if (await consumer.call("GET", "/negotiations?state=TERMINATED&limit=1"))["items"]:
        raise AssertionError("a negotiation was terminated")
