"""The exchange between companies that ask each other for credentials.

Keys: dcp_first_byte_p50_ms (as first_byte_p50_ms, caches warm) and dcp_first_byte_cold_p50_ms (both companies just started, their
programs loaded by talking to a third company of another hub, nothing known of each other, of the issuer or of its status list).
"""

import tempfile
import time
from pathlib import Path

from bench.seeding import seed_catalog
from tests.companies import Company, running
from tests.dcp_parties import Issuer, dcp_world
from tests.trusting import dcp_settings, own_list, put_credentials

WARM_COUNT = 60
COLD_COUNT = 15
DATASETS_COUNT = 1_000
VISIBLE_COUNT = 100

MEMBER, ROLE, SECURITY = "MembershipCredential", "RoleCredential", "SecurityProfileCredential"
Figures = dict[str, float]


async def run() -> Figures:
    """Warm and cold, with the same two companies."""
    with tempfile.TemporaryDirectory(prefix="ashiato-bench-") as name:
        return {key: round(value, 2) for key, value in (await _run(Path(name))).items()}


async def _run(folder: Path) -> Figures:
    async with dcp_world(time.time_ns() // 1_000_000) as world:
        hub, other_hub = world.issuer("hub"), world.issuer("other-hub")
        types = (MEMBER, ROLE, SECURITY)
        trusted = own_list(folder / "list.json", {hub.did: types, other_hub.did: types})
        settings = dcp_settings(trusted, required=[MEMBER])
        maker, buyer, third = (
            Company(folder / slug, [slug], settings=settings) for slug in ("maker", "buyer", "third")
        )
        for company, issuer in ((maker, hub), (buyer, hub), (third, other_hub)):
            await _seed(company, buyer, issuer)
        async with running(maker, buyer, third):
            cold_ms = [await _cold(maker, buyer, third, number) for number in range(COLD_COUNT)]
            warm_ms = [
                await _fetch(maker, buyer, COLD_COUNT + number)
                for number in range(min(WARM_COUNT, VISIBLE_COUNT - COLD_COUNT))
            ]
    return {
        "dcp_first_byte_p50_ms": _median(warm_ms[5:]),
        "dcp_first_byte_cold_p50_ms": _median(cold_ms),
    }


async def _seed(company: Company, reader: Company, issuer: Issuer) -> None:
    await seed_catalog(
        company.store_url,
        company.future_did(company.slug),
        reader.future_did(reader.slug),
        DATASETS_COUNT,
        VISIBLE_COUNT,
    )
    did = company.future_did(company.slug)
    credentials = [
        issuer.credential(did, MEMBER, {"location": "JP"}, status=[("revocation", 1)]),
        issuer.credential(did, ROLE, {"role": ["cell", "pack"]}, status=[("revocation", 2)]),
        issuer.credential(did, SECURITY, {"profile": "trust"}, status=[("revocation", 3)]),
    ]
    await put_credentials(company, company.slug, credentials)


async def _cold(maker: Company, buyer: Company, third: Company, number: int) -> float:
    for company in (maker, buyer):
        await company.stop()
        await company.start()
        await _page(third, company)
    for company, peer in ((maker, buyer), (buyer, maker)):
        await company.call("DELETE", f"/partners/{peer.did.replace('%', '%25')}")
    return await _fetch(maker, buyer, number)


async def _fetch(maker: Company, buyer: Company, number: int) -> float:
    """Milliseconds from the question for a catalog page to the data, durable at the buyer."""
    began_s = time.perf_counter()
    dataset = (await _page(maker, buyer))[number]
    order = {"partner": maker.did, "address": maker.address, "asset_id": dataset}
    fetch = await buyer.call("POST", "/fetches", order)
    while fetch["state"] not in ("done", "failed"):
        fetch = await buyer.call("GET", f"/fetches/{fetch['fetch_id']}?wait_s=10")
    if fetch["state"] != "done":
        raise AssertionError(fetch["problem"])
    return (time.perf_counter() - began_s) * 1000


async def _page(provider: Company, consumer: Company) -> list[str]:
    query = {"partner": provider.did, "address": provider.address}
    page = await consumer.call("POST", "/catalog/query", query)
    return [item["asset_id"] for item in page["items"]]


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
