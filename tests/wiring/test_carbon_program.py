"""The carbon app as a program that running connectors start: it reads, computes and writes through the app interface alone."""

import json
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ashiato.apps.carbon.accepting import accept
from ashiato.apps.carbon.attestations import verify_declaration
from ashiato.apps.carbon.calculating import calculate
from ashiato.apps.carbon.declarations import canonical
from ashiato.statements.signed_words import read
from ashiato.wiring import carbon_packing
from ashiato.wiring.carbon_products import PURPOSE
from ashiato.wiring.carbon_program import APP_ID
from ashiato.wiring.main import app
from tests.chain_by_hand import by_hand, raw_chain
from tests.companies import ManagementError
from tests.wiring.carbon_chain import BOUGHT, POWDER, Chain, payload_of, running_chain


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    async with running_chain(tmp_path) as made:
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

    # What is offered is signed by the company, by the key of its DID document, over exactly the canonical declaration.
    envelope, declared = declared, payload_of(declared)
    documents = {did: await chain.did_document(did) for did in chain.dids().values()}
    verified = verify_declaration(read(envelope).word, documents[chain.cathode.did])
    assert (canonical(verified.declaration), verified.declaration.issuer) == (declared, chain.cathode.did)

    # A verifier with the stored inputs gets the same bytes, without the program's process.
    items = [await chain.cathode.call("GET", f"/received/{one}") for one in received]
    inputs = [
        accept(
            item["partner"],
            item["received_ms"],
            await chain.cathode.call_bytes("GET", f"/received/{item['received_id']}/content"),
            documents.get,
        ).received
        for item in items
    ]
    again = calculate(kept[POWDER], inputs, chain.cathode.did, program)
    assert (again.declaration, again.record) == (declared, record)

    # What came out is the flat sum by hand, within the bound that the declaration states.
    document = json.loads(declared)
    flat_kg = sum(by_hand(raw_chain(), POWDER).values())
    assert abs(Fraction(document["totalKg"]) - flat_kg) <= Fraction(document["rounding"]["boundKg"])

    # A second run changes nothing. Every read counted for the app and its purpose: three declarations.
    assert (await chain.run("cathode"))["exit_code"] == 0
    assert await chain.record("cathode", f"carbon-footprint-{POWDER}") == envelope
    usage = (await chain.cathode.call("GET", "/vault/usage"))["items"]
    by_app = [
        (total["purpose"], total["uses_count"])
        for total in usage
        if total["app"] == APP_ID and total["agreement_id"]
    ]
    assert by_app == [(PURPOSE, 2)] * 3

    # The owner's terms allowed three uses, of which the verifier had one: what may not be used any more is not computed with.
    ended = await chain.run("cathode")
    assert ended["exit_code"] == 1
    assert f"carbon-footprint-nickel-sulphate of {chain.dids()['nickel']} is not used" in ended["output"]
    assert "has declared nothing about nickel-sulphate" in ended["output"]
    assert await chain.record("cathode", f"carbon-footprint-{POWDER}") == envelope


async def test_what_cannot_be_computed_is_told_and_what_was_not_offered_stays_in_the_company(
    chain: Chain,
) -> None:
    await chain.keep("nickel-sulphate", b'{"type": "CarbonInventory"}')
    await chain.keep("cobalt-sulphate")
    ended = await chain.run("nickel")
    assert ended["exit_code"] == 1
    assert "carbon-inventory-nickel-sulphate: it is no inventory" in ended["output"]
    declared = payload_of(await chain.record("nickel", "carbon-footprint-cobalt-sulphate"))
    assert json.loads(declared)["product"] == "cobalt-sulphate"
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
