"""The operator's commands against a running hub."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import SCRIPT, Ran
from tests.dcp_parties import dcp_world
from tests.hubs import OPERATOR_KEY, Hub, company, running_hub

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
        for act, state in (("suspend", "suspended"), ("reinstate", "admitted"), ("expel", "expelled")):
            assert (await ok(hub, act, maker.did, "--reason", "as decided"))["state"] == state
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
