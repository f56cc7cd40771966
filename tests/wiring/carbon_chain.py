"""Refiners and a cathode maker as running connectors that have the carbon app registered, for tests of the program."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from ashiato.policy.builder import permit
from ashiato.statements.signed_words import read
from ashiato.trust import base64url
from ashiato.trust.did import DidDocument, parse_did_document
from ashiato.wiring import carbon_packing
from ashiato.wiring.carbon_program import APP_ID
from ashiato.wiring.walkthrough.battery_chain import battery_chain
from ashiato.wiring.walkthrough.inventories import inventory
from tests.companies import Company, running

LONGEST_S = 30
VALID_FROM_MS = 1_790_000_000_000
# Both hosted refiners stand in one process; the cathode maker has its own.
REFINERS = ("nickel", "lithium")
BOUGHT = {"nickel": ("nickel-sulphate", "cobalt-sulphate"), "lithium": ("lithium-hydroxide",)}
POWDER = "nmc811-cathode"


async def until(look: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
    """What `look` finds once it holds."""
    deadline_s = time.monotonic() + LONGEST_S
    while not holds(seen := await look()):
        assert time.monotonic() < deadline_s, seen
        await asyncio.sleep(0.02)
    return seen


def payload_of(envelope: bytes) -> bytes:
    """The declaration in what a company offers, as it was signed."""
    return base64url.decode(read(envelope).word.split(".")[1])


@dataclass
class Chain:
    """Two refiners and the cathode maker, each with the app registered, approved and ready to be started."""

    refiners: Company
    cathode: Company
    digest: str
    tokens: dict[str, str] = field(default_factory=dict)

    def of(self, slug: str) -> Company:
        return self.refiners if slug in REFINERS else self.cathode

    def dids(self) -> dict[str, str]:
        return {slug: self.of(slug).did_of(slug) for slug in (*REFINERS, "cathode")}

    async def did_document(self, did: str) -> DidDocument:
        """As anybody reads it."""
        host, slug = did.removeprefix("did:web:").split(":")
        url = f"http://{host.replace('%3A', ':')}/{slug}/did.json"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return parse_did_document(await answer.read(), did)

    async def keep(self, product_id: str, content: bytes | None = None) -> bytes:
        """The company writes the inventory of a product into its own store."""
        chain = battery_chain()
        product = chain.product(product_id)
        document = content or inventory(chain, product, self.dids(), VALID_FROM_MS)
        slug, asset = product.company, f"/assets/carbon-inventory-{product_id}"
        hidden = {"title": product_id, "source": {"kind": "record"}, "visibility": "hidden"}
        await self.of(slug).call("PUT", asset, hidden, slug=slug)
        await self.of(slug).call_bytes("PUT", f"{asset}/record", document, slug=slug)
        return document

    async def run(self, slug: str) -> dict[str, Any]:
        """The company has its connector start the app; what the history says of its end."""
        company = self.of(slug)

        async def ends() -> list[dict[str, Any]]:
            history = await company.call("GET", "/history?limit=500", slug=slug)
            return [entry for entry in history["items"] if entry["event"] == "app.ended"]

        before = len(await ends())
        await company.call("POST", f"/apps/{APP_ID}/run", slug=slug)
        ended = await until(ends, lambda seen: len(seen) > before)
        details: dict[str, Any] = ended[-1]["details"]
        return details

    def environment(self, slug: str) -> dict[str, str]:
        """What a program of the company needs to be the app."""
        url = f"{self.of(slug).ready['management_url']}/app/v1/{slug}"
        return {"ASHIATO_APP_URL": url, "ASHIATO_APP_TOKEN": self.tokens[slug]}

    async def record(self, slug: str, asset_id: str) -> bytes:
        return await self.of(slug).call_bytes("GET", f"/assets/{asset_id}/record", slug=slug)

    async def sell(self, product_id: str, max_uses: int = 3) -> str:
        """The declaration goes to the cathode maker under an agreement; the received id."""
        slug = battery_chain().product(product_id).company
        company, asset_id = self.of(slug), f"carbon-footprint-{product_id}"
        shown = {"title": product_id, "source": {"kind": "record"}, "data_item": "carbon-footprint"}
        await company.call("PUT", f"/assets/{asset_id}", {**shown, "visibility": "offered"}, slug=slug)
        terms = {"document": permit(participants=[self.cathode.did], max_uses=max_uses)}
        await company.call("PUT", f"/policies/{product_id}", terms, slug=slug)
        offer = {"contract_policy_id": product_id, "asset_ids": [asset_id]}
        await company.call("PUT", f"/offers/{product_id}", offer, slug=slug)
        order = {"partner": company.did_of(slug), "asset_id": asset_id}
        begun = await self.cathode.call("POST", "/fetches", order)
        path = f"/fetches/{begun['fetch_id']}"
        done = await until(
            lambda: self.cathode.call("GET", path), lambda seen: seen["state"] in ("done", "failed")
        )
        assert done["state"] == "done", done["problem"]
        received_id: str = done["received_id"]
        return received_id


@asynccontextmanager
async def running_chain(tmp_path: Path) -> AsyncIterator[Chain]:
    """The three companies in two processes, the app approved at each."""
    refiners = Company(tmp_path / "refiners", REFINERS, runs_apps=True)
    cathode = Company(tmp_path / "cathode", ("cathode",), runs_apps=True)
    program = carbon_packing.packed()
    manifest = carbon_packing.manifest(program, "carbon.pyz")
    async with running(refiners, cathode):
        made = Chain(refiners, cathode, str(manifest["digest"]))
        for company in (refiners, cathode):
            assert company.apps_folder is not None
            (company.apps_folder / "carbon.pyz").write_bytes(program)
        for slug in made.dids():
            await made.of(slug).call("PUT", f"/apps/{APP_ID}", manifest, slug=slug)
            approved = await made.of(slug).call("POST", f"/apps/{APP_ID}/approve", slug=slug)
            made.tokens[slug] = approved["token"]
        yield made
