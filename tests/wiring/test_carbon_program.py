"""The carbon app as a program that running connectors start: it reads, computes and writes through the app interface alone."""

import asyncio
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ashiato.apps.carbon.calculating import Received, calculate
from ashiato.policy.builder import permit
from ashiato.wiring import carbon_packing
from ashiato.wiring.carbon_program import APP_ID, PURPOSE
from ashiato.wiring.main import app
from ashiato.wiring.walkthrough.battery_chain import battery_chain
from ashiato.wiring.walkthrough.inventories import inventory
from tests.chain_by_hand import by_hand, raw_chain
from tests.companies import Company, ManagementError, running

LONGEST_S = 30
VALID_FROM_MS = 1_790_000_000_000
# Both hosted refiners stand in one process; the cathode maker has its own.
REFINERS = ("nickel", "lithium")
BOUGHT = {"nickel": ("nickel-sulphate", "cobalt-sulphate"), "lithium": ("lithium-hydroxide",)}
POWDER = "nmc811-cathode"


async def until(look: Any, holds: Any) -> Any:
    deadline_s = time.monotonic() + LONGEST_S
    while not holds(seen := await look()):
        assert time.monotonic() < deadline_s, seen
        await asyncio.sleep(0.02)
    return seen


@dataclass
class Chain:
    """Two refiners and the cathode maker, each with the app registered, approved and ready to be started."""

    refiners: Company
    cathode: Company
    digest: str

    def of(self, slug: str) -> Company:
        return self.refiners if slug in REFINERS else self.cathode

    def dids(self) -> dict[str, str]:
        return {slug: self.of(slug).did_of(slug) for slug in (*REFINERS, "cathode")}

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

    async def record(self, slug: str, asset_id: str) -> bytes:
        return await self.of(slug).call_bytes("GET", f"/assets/{asset_id}/record", slug=slug)

    async def sell(self, product_id: str) -> str:
        """The declaration goes to the cathode maker under an agreement; the received id."""
        slug = battery_chain().product(product_id).company
        company, asset_id = self.of(slug), f"carbon-footprint-{product_id}"
        shown = {"title": product_id, "source": {"kind": "record"}, "data_item": "carbon-footprint"}
        await company.call("PUT", f"/assets/{asset_id}", {**shown, "visibility": "offered"}, slug=slug)
        terms = {"document": permit(participants=[self.cathode.did], max_uses=3)}
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


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
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
            await made.of(slug).call("POST", f"/apps/{APP_ID}/approve", slug=slug)
        yield made


async def test_declarations_go_from_tier_to_tier_and_can_be_computed_again_to_the_same_bytes(
    chain: Chain,
) -> None:
    kept: dict[str, bytes] = {}
    for slug, products in BOUGHT.items():
        for product_id in products:
            kept[product_id] = await chain.keep(product_id)
        assert (await chain.run(slug))["exit_code"] == 0
    received = [await chain.sell(product_id) for products in BOUGHT.values() for product_id in products]
    kept[POWDER] = await chain.keep(POWDER)
    ended = await chain.run("cathode")
    assert ended["exit_code"] == 0, ended["output"]

    declared = await chain.record("cathode", f"carbon-footprint-{POWDER}")
    record = await chain.record("cathode", f"carbon-calculation-{POWDER}")
    program = f"{APP_ID} 1 sha256:{chain.digest}"
    assert json.loads(record)["program"] == program

    # A verifier with the stored inputs gets the same bytes, without the program's process.
    items = [await chain.cathode.call("GET", f"/received/{one}") for one in received]
    inputs = [
        Received(
            item["partner"],
            item["received_ms"],
            item["sha256"],
            await chain.cathode.call_bytes("GET", f"/received/{item['received_id']}/content"),
        )
        for item in items
    ]
    again = calculate(kept[POWDER], inputs, chain.cathode.did, program)
    assert (again.declaration, again.record) == (declared, record)

    # What came out is the flat sum by hand, within the bound that the declaration states.
    document = json.loads(declared)
    flat_kg = sum(by_hand(raw_chain(), POWDER).values())
    assert abs(Fraction(document["totalKg"]) - flat_kg) <= Fraction(document["rounding"]["boundKg"])

    # A second run changes nothing. Every read counted for the app and its purpose: three declarations, and the own inventory.
    assert (await chain.run("cathode"))["exit_code"] == 0
    assert await chain.record("cathode", f"carbon-footprint-{POWDER}") == declared
    usage = (await chain.cathode.call("GET", "/vault/usage"))["items"]
    by_app = [(total["purpose"], total["uses_count"]) for total in usage if total["app"] == APP_ID]
    assert by_app == [(PURPOSE, 2)] * 4

    # The owner's terms allowed three uses, of which the verifier had one: what may not be used any more is not computed with.
    ended = await chain.run("cathode")
    assert ended["exit_code"] == 1
    assert f"carbon-footprint-nickel-sulphate of {chain.dids()['nickel']} is not used" in ended["output"]
    assert "has declared nothing about nickel-sulphate" in ended["output"]
    assert await chain.record("cathode", f"carbon-footprint-{POWDER}") == declared


async def test_what_cannot_be_computed_is_told_and_what_was_not_offered_stays_in_the_company(
    chain: Chain,
) -> None:
    await chain.keep("nickel-sulphate", b'{"type": "CarbonInventory"}')
    await chain.keep("cobalt-sulphate")
    ended = await chain.run("nickel")
    assert ended["exit_code"] == 1
    assert "carbon-inventory-nickel-sulphate: it is no inventory" in ended["output"]
    assert json.loads(await chain.record("nickel", "carbon-footprint-cobalt-sulphate"))["product"]
    with pytest.raises(ManagementError):
        await chain.record("nickel", "carbon-footprint-nickel-sulphate")

    for beginning in ("inventory", "calculation", "contributions", "footprint"):
        query = {"partner": chain.dids()["nickel"], "asset_id": f"carbon-{beginning}-cobalt-sulphate"}
        assert (await chain.cathode.call("POST", "/catalog/query", query))["items"] == []

    await chain.keep(POWDER)
    ended = await chain.run("cathode")
    assert ended["exit_code"] == 1
    assert f"{chain.dids()['nickel']} has declared nothing about nickel-sulphate" in ended["output"]


def test_the_program_file_is_the_same_for_the_same_sources_and_holds_what_it_computes_with(
    tmp_path: Path,
) -> None:
    file, manifest_file = tmp_path / "carbon.pyz", tmp_path / "manifest.json"
    told = CliRunner().invoke(app, ["carbon", "pack", str(file), "--manifest", str(manifest_file)])
    assert told.exit_code == 0
    assert file.read_bytes() == carbon_packing.packed()
    manifest = json.loads(manifest_file.read_text("utf-8"))
    assert manifest["digest"] == told.stdout.strip() == sha256(file.read_bytes()).hexdigest()
    assert manifest["command"] == "carbon.pyz"
    held = {name.removeprefix("ashiato/") for name in zipfile.ZipFile(file).namelist()}
    # Every module of this package that the program imports comes from the file, none from the installation around it.
    listing = (
        "import ashiato.wiring.carbon_program; "
        "print(*[m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'ashiato'])"
    )
    imported = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(file)!r}); {listing}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert imported
    assert [path for path in imported if not path.startswith(str(file))] == []
    assert {path.split("/ashiato/")[1] for path in imported} <= held


def test_without_an_address_or_a_token_the_program_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ASHIATO_APP_URL", raising=False)
    monkeypatch.setenv("ASHIATO_APP_TOKEN", "t")
    told = CliRunner().invoke(app, ["carbon", "run"])
    assert told.exit_code == 2
    assert "ASHIATO_APP_URL" in told.output
    monkeypatch.setenv("ASHIATO_APP_URL", "http://127.0.0.1:9/app/v1/cells")
    told = CliRunner().invoke(app, ["carbon", "run"])
    assert told.exit_code == 1
    assert "does not answer" in told.output
