"""An issuer, a holder and a verifier as processes of their own, each run by its people's commands.

The issuer vouches for the cell maker, who shows that to the cathode maker; what the issuer takes back counts no more.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.cli.running import command, ok
from tests.companies import Company, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 20.0
Firms = tuple[Company, Company, Company]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def firms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firms]:
    """The operator who issues, the cell maker, and the cathode maker who asks everybody for a membership."""
    folder: Path = tmp_path_factory.mktemp("firms")
    operator = Company(folder / "operator", ["operator"], issues_credentials=True)
    cells = Company(folder / "cells", ["cells"])
    trusted = folder / "trusted.json"
    content = {
        "publisher": operator.future_did("operator"),
        "number": 1,
        "issued": "2026-01-01T00:00:00Z",
        "expires": "2099-01-01T00:00:00Z",
        "issuers": [{"issuer": operator.future_did("operator"), "types": ["MembershipCredential"]}],
    }
    trusted.write_text(json.dumps(content))
    settings = f"""[trust]
mode = "dcp"
required_credentials = ["MembershipCredential"]
presentation_fresh_s = 0
status_fresh_s = 0
[[trust.lists]]
file = "{trusted}"
"""
    maker = Company(folder / "maker", ["maker"], settings=settings, logs_level="INFO")
    async with running(operator, cells, maker):
        yield operator, cells, maker


async def first(company: Company, *arguments: str) -> Any:
    """The first item of a list, as soon as there is one."""
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    while not (items := (await ok(company, *arguments))["items"]):
        assert asyncio.get_running_loop().time() < deadline_s, company.log_tail()
        await asyncio.sleep(0.1)
    return items[0]


async def is_let_in(cells: Company, maker: Company) -> bool:
    """Whether the cathode maker shows its catalog to the cell maker now."""
    return (await command(cells, "catalog", "show", "--from", maker.did)).exit_code == 0


async def membership(operator: Company, cells: Company) -> str:
    """Issue a membership directly; the id under which the issuer knows it."""
    claims = '{"holderIdentifier": "BPNL00000000CELL"}'
    before = {one["credential_id"] for one in (await ok(operator, "issuer", "list"))["items"]}
    await ok(operator, "issuer", "grant", "membership", "--to", cells.did, "--claims", claims)
    offer = await first(cells, "wallet", "offers")
    assert offer["issuer"] == operator.did
    asked = await ok(cells, "wallet", "accept", offer["offer_id"], "--wait", "--timeout", "20")
    assert asked["state"] == "ISSUED"
    after = (await ok(operator, "issuer", "list"))["items"]
    (made,) = [one for one in after if one["credential_id"] not in before]
    assert (made["holder_id"], made["state"]) == (cells.did, "active")
    return str(made["credential_id"])


async def test_a_membership_opens_the_door_until_it_is_suspended_or_revoked(firms: Firms) -> None:
    operator, cells, maker = firms
    assert not await is_let_in(cells, maker)
    credential_id = await membership(operator, cells)
    assert await is_let_in(cells, maker)
    await ok(operator, "issuer", "suspend", credential_id, "--reason", "unpaid")
    assert not await is_let_in(cells, maker)
    await ok(operator, "issuer", "resume", credential_id)
    assert await is_let_in(cells, maker)
    before = (await ok(operator, "issuer", "show", credential_id))["valid_until_ms"]
    renewed = await ok(operator, "issuer", "renew", credential_id, "--until", "2033-01-01")
    assert renewed["valid_until_ms"] == 1_988_150_400_000 > before
    await until_renewed(cells, 1_988_150_400_000)
    assert await is_let_in(cells, maker)
    await ok(operator, "issuer", "revoke", credential_id)
    assert not await is_let_in(cells, maker)
    assert (await command(operator, "issuer", "resume", credential_id)).exit_code == 1
    lists = (await ok(operator, "issuer", "lists"))["items"]
    assert {one["purpose"]: one["changes_count"] for one in lists} == {"revocation": 1, "suspension": 2}


async def until_renewed(cells: Company, valid_until_ms: int) -> None:
    """The wallet holds the credential with its new end, and no second one."""
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        (held,) = (await ok(cells, "wallet", "list"))["items"]
        if held["valid_until_ms"] == valid_until_ms:
            return
        assert asyncio.get_running_loop().time() < deadline_s, cells.log_tail()
        await asyncio.sleep(0.1)


async def test_a_person_of_the_issuer_decides_on_what_nobody_granted(firms: Firms) -> None:
    operator, cells, _ = firms
    supported = await ok(cells, "wallet", "issuer", operator.did)
    assert "RoleCredential" in {one["credential_type"] for one in supported["items"]}
    asked = await ok(cells, "wallet", "request", "RoleCredential", "--issuer", operator.did)
    waiting = await first(operator, "issuer", "requests")
    requests = (await ok(operator, "issuer", "requests"))["items"]
    (waiting,) = [one for one in requests if one["state"] == "RECEIVED"]
    wrong = '{"role": {"role": "wizard"}}'
    assert (
        await command(operator, "issuer", "approve", waiting["request_id"], "--claims", wrong)
    ).exit_code == 1
    right = '{"role": {"role": "cell-maker"}}'
    await ok(operator, "issuer", "approve", waiting["request_id"], "--claims", right)
    done = await ok(cells, "wallet", "follow", asked["request_id"], "--timeout", "20")
    assert done["state"] == "ISSUED"
    held = (await ok(cells, "wallet", "list"))["items"]
    (role,) = [one for one in held if one["types"] == ["RoleCredential"]]
    assert (await ok(cells, "wallet", "show", role["held_id"]))["issuer"] == operator.did
    await ok(cells, "wallet", "remove", role["held_id"])
    assert (await command(cells, "wallet", "show", role["held_id"])).exit_code == 1


async def test_a_rejected_holder_reads_why(firms: Firms) -> None:
    operator, cells, _ = firms
    asked = await ok(cells, "wallet", "request", "RoleCredential", "--issuer", operator.did)
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        requests = (await ok(operator, "issuer", "requests"))["items"]
        waiting = [one for one in requests if one["state"] == "RECEIVED"]
        if waiting:
            break
        assert asyncio.get_running_loop().time() < deadline_s
        await asyncio.sleep(0.1)
    await ok(operator, "issuer", "reject", waiting[0]["request_id"], "--reason", "send the papers first")
    ran = await command(cells, "wallet", "follow", asked["request_id"], "--timeout", "20")
    assert ran.exit_code == 1
    assert "send the papers first" in ran.out + ran.err
    states = {one["request_id"]: one["state"] for one in (await ok(cells, "wallet", "requests"))["items"]}
    assert states[asked["request_id"]] == "REJECTED"


async def test_a_code_is_worth_one_credential(firms: Firms, tmp_path: Path) -> None:
    operator, cells, _ = firms
    described = tmp_path / "type.json"
    described.write_text(json.dumps({"credential_type": "AuditCredential", "claims": {"scheme": "internal"}}))
    await ok(operator, "issuer", "put-type", "audit", "--file", str(described))
    assert "audit" in {one["type_id"] for one in (await ok(operator, "issuer", "types"))["items"]}
    code = "a-code-of-enough-length"
    await ok(operator, "issuer", "grant", "audit", "--code", code)
    order = ("wallet", "request", "AuditCredential", "--issuer", operator.did, "--code", code)
    assert (await ok(cells, *order, "--wait", "--timeout", "20"))["state"] == "ISSUED"
    again = await command(cells, *order, "--wait", "--timeout", "1")
    assert again.exit_code == 1
    await ok(operator, "issuer", "grant", "audit", "--to", cells.did)
    unused = (await ok(operator, "issuer", "grants"))["items"]
    for one in unused:
        await ok(operator, "issuer", "ungrant", one["grant_id"])
    offer = await first(cells, "wallet", "offers")
    await ok(cells, "wallet", "decline", offer["offer_id"])
    await ok(operator, "issuer", "delete-type", "audit")
