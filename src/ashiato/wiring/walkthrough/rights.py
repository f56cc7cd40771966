"""What becomes of data on the other side: an app uses it through the vault, and its owner sees how often and what for."""

import asyncio
import hashlib
import json
import sys
from decimal import Decimal
from typing import Any

import aiohttp

from ashiato.facts.strict_json import parse_strict
from ashiato.wiring.walkthrough.companies import CALL_TIMEOUT_S, Company, Json, StepFailed, eventually, expect
from ashiato.wiring.walkthrough.exchange import LOTS_COUNT, lot_name
from ashiato.wiring.walkthrough.scene import Scene, Step

APP_ID = "lot-mean"
APP_NAME = "Mean footprint of lots"
PURPOSE = "cell-footprint"
RESULT_ASSET = "mean-nmc811-footprint"
MOST_RECORD_BYTES = 64 * 1024
MOST_DEPTH = 8


class App:
    """A program with the token of an app: it knows the app interface and nothing else of the connector."""

    def __init__(self, company: Company, token: str) -> None:
        self._url = f"{company.management_url}/app/v1/{company.slug}"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def ask(self, path: str, body: Json | None = None) -> Any:
        """The JSON document there; with a body it is put there. Raises `StepFailed`."""
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
        method = "GET" if body is None else "PUT"
        async with (
            aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session,
            session.request(method, self._url + path, json=body) as answer,
        ):
            content = await answer.read()
        if answer.status >= 400:
            raise StepFailed(f"The app interface answered {method} {path} with {answer.status}.")
        return parse_strict(content, max_bytes=MOST_RECORD_BYTES, max_depth=MOST_DEPTH)


async def use_by_app(scene: Scene) -> Json:
    """An approved app reads the lots through the vault, for its purpose, and writes their mean as a record of the company."""
    program = f"{APP_ID} 1".encode()
    manifest = {
        "name": APP_NAME,
        "version": "1",
        "digest": hashlib.sha256(program).hexdigest(),
        "purposes": [PURPOSE],
        "reads": [{"asset_id": "nmc811-lot-*"}],
        "writes": ["mean-"],
    }
    await scene.cells.put(f"/apps/{APP_ID}", manifest)
    approved = await scene.cells.post(f"/apps/{APP_ID}/approve")
    app = App(scene.cells, approved["token"])
    seen = (await app.ask("/received?limit=100"))["items"]
    expect(
        len(seen) == LOTS_COUNT, f"The app sees {len(seen)} records, not the {LOTS_COUNT} of its manifest."
    )
    footprints = []
    for item in seen:
        record = await app.ask(f"/received/{item['received_id']}/content?purpose={PURPOSE}")
        footprints.append(Decimal(record["value"]))
    mean = sum(footprints, Decimal(0)) / len(footprints)
    result = {
        "title": APP_NAME,
        "record": {"mean": str(mean), "unit": record["unit"], "lots": len(footprints)},
    }
    await app.ask(f"/results/{RESULT_ASSET}", result)
    counted = (await scene.cells.get("/vault/usage"))["items"]
    usage = [total for total in counted if total["app"] == APP_ID]
    expect(
        [(total["purpose"], total["uses_count"]) for total in usage] == [(PURPOSE, 1)] * LOTS_COUNT,
        f"Each lot should count one use by the app, but the vault says {usage[:2]}.",
    )
    return {
        "app": APP_NAME,
        "purpose": PURPOSE,
        "lots_count": len(footprints),
        "mean": str(mean),
        "unit": record["unit"],
        "result": RESULT_ASSET,
    }


async def other_side(scene: Scene) -> Json:
    """The owner asks for the signed receipts of one agreement and checks them against its own record of what it sent."""
    agreement_id = (await _agreement_over(scene, lot_name(1)))["agreement_id"]
    await scene.maker.post("/receipts", {"agreement_id": agreement_id})
    shown = await eventually(
        "the cell maker shows its receipts",
        lambda: scene.maker.get(f"/receipts/{agreement_id}"),
        lambda seen: seen["standing"] in ("complete", "faulty"),
    )
    expect(shown["standing"] == "complete", f"The receipts do not fit: {shown['findings'][:1]}")
    expect(shown["uses_count"] == 1, f"The receipts tell of {shown['uses_count']} uses, not of one.")
    return {
        "agreement_id": agreement_id,
        "standing": shown["standing"],
        "receipts_count": shown["receipts_count"],
        "uses_count": shown["uses_count"],
        "held_count": shown["held_count"],
    }


async def verify_offline(scene: Scene) -> Json:
    """The agreement over one lot, written into one file, holds by the DID documents of both alone."""
    agreement = await _agreement_over(scene, lot_name(1))
    folder = scene.trust_list.parent / "evidence"
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    file = folder / "agreement.json"
    exported = await scene.cells.content(f"/agreements/{agreement['agreement_id']}/export")
    await asyncio.to_thread(file.write_bytes, exported)
    documents = []
    for company in (scene.maker, scene.cells):
        document = folder / f"{company.slug}.json"
        await asyncio.to_thread(document.write_bytes, await company.did_document())
        documents += ["--did-document", str(document)]
    verdict = await _verdict(str(file), *documents)
    expect(verdict["verdict"] == "verified", f"The signatures do not hold: {verdict}")
    forged = folder / "forged.json"
    await asyncio.to_thread(forged.write_bytes, exported.replace(lot_name(1).encode(), lot_name(2).encode()))
    verdict = await _verdict(str(forged), *documents)
    expect(verdict["verdict"] != "verified", "A changed agreement is taken for the signed one.")
    return {
        "agreement_id": agreement["agreement_id"],
        "signers": [scene.maker.name, scene.cells.name],
        "size_bytes": len(exported),
    }


async def _verdict(*arguments: str) -> Json:
    """What `ashiato verify` says, in a process of its own that asks nobody."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ashiato.wiring.main", "verify", "--json", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, problem = await process.communicate()
    if not told:
        raise StepFailed(f"`ashiato verify` says nothing: {problem.decode('utf-8', 'replace')[-300:]}")
    verdict: Json = json.loads(told)
    return verdict


async def _agreement_over(scene: Scene, asset_id: str) -> Json:
    found = [
        agreement
        for agreement in await scene.maker.items("/agreements", partner=scene.cells.participant_id)
        if agreement["asset_id"] == asset_id
    ]
    expect(len(found) == 1, f"There should be one agreement over {asset_id}, but there are {len(found)}.")
    return found[0]


STEPS = (
    Step("use_by_app", use_by_app),
    Step("other_side", other_side),
    Step("verify_offline", verify_offline),
)
