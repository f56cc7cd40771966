"""The operator's commands against a running hub."""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ashiato.hub.billing.months import day_of, month_of
from tests.cli.running import SCRIPT, Ran
from tests.dcp_parties import dcp_world
from tests.hubs import OPERATOR_KEY, Hub, company, corporate_number, running_hub

PARTY = "did:web:maker.example"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running_hub(tmp_path) as made:
        yield made


async def command(hub: Hub, *arguments: str) -> Ran:
    """In a process of its own: the hub of this one writes its log to the same standard output."""
    environment = {
        "HOME": str(hub.program.settings.store.directory),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "ASHIATO_URL": hub.program.operator_url,
        "ASHIATO_API_KEY": OPERATOR_KEY,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, "hub", *arguments, env=environment, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    return Ran(process.returncode or 0, out.decode(), err.decode())


async def ok(hub: Hub, *arguments: str) -> Any:
    ran = await command(hub, *arguments, "--json")
    assert ran.exit_code == 0, ran.err
    return ran.document


async def test_the_operator_takes_a_company_through_its_life(hub: Hub) -> None:
    async with dcp_world(0) as world:
        maker = world.holder("maker")
        told = json.dumps(company(1, roles=["cell-maker"]))
        entered = await ok(hub, "apply", maker.did, "--company-data", told)
        assert entered["state"] == "applied"
        await hub.party(maker, "POST", "/v1/onboarding/application/confirm")
        assert (await ok(hub, "review", maker.did))["state"] == "under_review"
        admitted = await ok(hub, "admit", maker.did, "--role", "cell-maker", "--role", "recycler")
        assert (admitted["state"], admitted["roles"]) == ("admitted", ["cell-maker", "recycler"])
        why = ("--reason", "as decided")
        assert (await ok(hub, "suspend", maker.did, *why))["state"] == "suspended"
        assert (await ok(hub, "reinstate", maker.did, *why))["state"] == "admitted"
        assert (await ok(hub, "expel", maker.did, *why))["state"] == "expelled"
        shown = await ok(hub, "show", maker.did)
        acts = ["apply", "review", "admit", "suspend", "reinstate", "expel"]
        assert [step["act"] for step in shown["steps"]] == acts
        assert [one["party"] for one in (await ok(hub, "list", "--state", "expelled"))["items"]] == [
            maker.did
        ]
        assert (await ok(hub, "list", "--state", "applied"))["items"] == []


async def test_a_refused_application_is_told_with_the_sentence_of_the_hub(hub: Hub) -> None:
    await ok(hub, "apply", PARTY, "--company-data", json.dumps(company(1)))
    assert (await ok(hub, "refuse", PARTY, "--reason", "no papers"))["state"] == "refused"
    ran = await command(hub, "review", PARTY)
    assert ran.exit_code != 0
    assert "refused" in ran.err


async def test_the_operator_enters_tariffs_closes_a_month_and_saves_its_invoice(
    hub: Hub, tmp_path: Path
) -> None:
    month = month_of(day_of(time.time_ns() // 1_000_000)).preceding
    for number, did in enumerate((hub.program.hub_id, PARTY), 1):
        party = {
            "name": f"第{number}株式会社", "address": "東京都", "registration": f"T{corporate_number(number)}",
            "registered_from": "2023-10-01", "corporate_number": corporate_number(number), "is_member": did == PARTY,
        }  # fmt: skip
        await ok(hub, "billing", "put", "parties", did, "--body", json.dumps(party))
    fee = {
        "title": "Membership", "title_ja": "会費", "fee": "platform", "measure": "month", "form": "fixed", "payer": "member",
        "from_day": "2020-01-01", "price_yen": "30000",
    }  # fmt: skip
    entered = await ok(hub, "billing", "put", "tariffs", "members", "--body", json.dumps(fee))
    assert (await ok(hub, "billing", "rules"))["tariffs"] == [entered]
    assert (await command(hub, "billing", "put", "taxes", "x", "--body", "{}")).exit_code != 0
    closed = await ok(hub, "billing", "close", str(month))
    assert await ok(hub, "billing", "month", str(month)) == closed
    (invoice,) = (await ok(hub, "billing", "documents", "--month", str(month)))["items"]
    assert (invoice["recipient"], invoice["gross_yen"]) == (PARTY, 33_000)
    file = tmp_path / "invoice.pdf"
    saved = await command(hub, "billing", "save", invoice["document"], "--to", str(file))
    assert saved.exit_code == 0, saved.err
    assert file.read_bytes().startswith(b"%PDF")
    payment = {"payment_id": "p", "on": "2026-11-24", "amount_yen": 33_000}
    await ok(hub, "billing", "pay", invoice["document"], "--body", json.dumps(payment))
    assert (await ok(hub, "billing", "show", invoice["document"]))["payment_status"] == "paid"
    assert (await ok(hub, "billing", "usage"))["items"] == []
