"""A running company that asks its callers for credentials, seen through its management API and its command line."""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.companies import Company, ManagementError
from tests.dcp_parties import Holder, Issuer, World, dcp_world
from tests.sealing import DAY, make_authority, seal_of
from tests.trusting import dcp_settings, own_list

MEMBER = "MembershipCredential"
SECURITY = "SecurityProfileCredential"
QUERY = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage"}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with dcp_world(time.time_ns() // 1_000_000) as made:
        yield made


@pytest.fixture
def hub(world: World) -> Issuer:
    return world.issuer("hub")


@pytest.fixture
def list_file(tmp_path: Path, hub: Issuer) -> Path:
    return own_list(tmp_path / "list.json", {hub.did: [MEMBER]})


@pytest.fixture
async def buyer(tmp_path: Path, list_file: Path) -> AsyncIterator[Company]:
    settings = dcp_settings(list_file, required=[MEMBER], presentation_fresh_s=0)
    async with Company(tmp_path / "buyer", ["buyer"], settings=settings) as company:
        yield company


async def _call(buyer: Company, caller: Holder) -> tuple[int, dict[str, Any]]:
    """Status and document of the answer to a catalog request."""
    caller.world.now_ms = time.time_ns() // 1_000_000
    headers = {"Authorization": caller.token(buyer.did), "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{buyer.address}/catalog/request", json=QUERY, headers=headers) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def test_the_organisation_behind_a_partners_key_is_shown_and_why_it_is_not(
    buyer: Company, world: World, hub: Issuer, list_file: Path
) -> None:
    now = datetime.now(UTC)
    root = make_authority("Root Authority", start=now - DAY, end=now + 30 * DAY)
    maker = world.holder("maker")
    seal = seal_of(maker.key.verification_key().public, root, start=now - DAY, end=now + DAY)
    maker.certificates = {maker.key.kid: (base64.b64encode(seal).decode(),)}
    maker.shown = [hub.credential(maker.did, MEMBER, {"holderIdentifier": "BPNL1"})]
    path = f"/partners/{maker.did.replace('%', '%25')}"

    assert (await _call(buyer, maker))[0] == 200
    refused = await buyer.call("GET", path)
    assert (refused["organization"]["name"], refused["claims"].get("organization")) == ("", None)
    assert "no authority is trusted" in refused["organization"]["why"]

    own_list(list_file, {hub.did: [MEMBER]}, authorities={"Root": root.der}, number=2)
    for _ in range(100):
        (shown,) = (await buyer.call("GET", "/trust"))["lists"]
        if shown["number"] == 2:
            break
        await asyncio.sleep(0.1)
    (authority,) = shown["authorities"]
    assert (authority["name"], authority["certificate_sha256"]) == (
        "Root",
        hashlib.sha256(root.der).hexdigest(),
    )
    bound = await buyer.call("GET", path)
    assert bound["claims"]["organization_identifier"] == ["NTRJP-0100-01-000001"]
    assert (bound["organization"]["name"], bound["organization"]["authority"]) == (
        "Acme Cells K.K.",
        "Root Authority",
    )


async def test_what_is_known_of_a_partner_and_why_not_more_is_shown(
    buyer: Company, world: World, hub: Issuer
) -> None:
    maker = world.holder("maker")
    status, refusal = await _call(buyer, maker)
    assert (status, refusal["code"]) == (403, "credentials-missing")
    assert MEMBER in refusal["reason"][0]
    maker.shown = [
        hub.credential(maker.did, MEMBER, {"holderIdentifier": "BPNL1"}, status=[("revocation", 1)]),
        hub.credential(maker.did, SECURITY, {"profile": "trust"}),
    ]
    assert (await _call(buyer, maker))[0] == 200

    known = await buyer.call("GET", f"/partners/{maker.did.replace('%', '%25')}")
    assert known["partner"] == maker.did
    assert known["claims"]["BusinessPartnerNumber"] == ["BPNL1"]
    assert [(one["types"], one["counts"]) for one in known["credentials"]] == [
        ([MEMBER], True),
        ([SECURITY], False),
    ]
    assert known["credentials"][1]["why"] == f"{hub.did} may not issue {SECURITY}"
    listed = await buyer.call("GET", "/partners")
    assert [row["partner"] for row in listed["items"]] == [maker.did]
    await buyer.call("DELETE", f"/partners/{maker.did.replace('%', '%25')}")
    with pytest.raises(ManagementError, match="404"):
        await buyer.call("GET", f"/partners/{maker.did.replace('%', '%25')}")


async def test_the_lists_in_force_and_what_is_asked_are_shown(
    buyer: Company, hub: Issuer, list_file: Path
) -> None:
    shown = await buyer.call("GET", "/trust")
    assert (shown["mode"], shown["required_credentials"]) == ("dcp", [MEMBER])
    assert "org.eclipse.dspace.dcp.vc.type:MembershipCredential:read" in shown["scopes"]
    (known,) = shown["lists"]
    assert (known["place"], known["in_force"], known["number"], known["problem"]) == (
        str(list_file), True, 1, "",
    )  # fmt: skip
    assert known["issuers"] == [{"issuer": hub.did, "types": [MEMBER], "constraints": {}}]


async def test_a_list_that_changes_is_felt_without_a_restart(
    buyer: Company, world: World, hub: Issuer, list_file: Path
) -> None:
    maker = world.holder("maker")
    maker.shown = [hub.credential(maker.did, MEMBER)]
    assert (await _call(buyer, maker))[0] == 200
    own_list(list_file, {hub.did: [SECURITY]}, number=2)
    deadline_s = time.monotonic() + 15
    while (await _call(buyer, maker))[0] == 200 and time.monotonic() < deadline_s:
        pass
    assert (await _call(buyer, maker))[0] == 403


async def test_a_token_that_was_used_is_refused_after_a_restart_too(
    buyer: Company, world: World, hub: Issuer
) -> None:
    maker = world.holder("maker")
    maker.shown = [hub.credential(maker.did, MEMBER)]
    world.now_ms = time.time_ns() // 1_000_000
    headers = {"Authorization": maker.token(buyer.did), "Content-Type": "application/json"}
    statuses = []
    for turn in range(3):
        if turn == 2:
            await buyer.kill()
            await buyer.start()
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{buyer.address}/catalog/request", json=QUERY, headers=headers) as answer,
        ):
            statuses.append(answer.status)
    assert statuses == [200, 401, 401]


async def test_a_revocation_reaches_a_running_company_when_its_status_list_is_no_longer_fresh(
    tmp_path: Path, list_file: Path, world: World, hub: Issuer
) -> None:
    settings = dcp_settings(list_file, status_fresh_s=1, presentation_fresh_s=3600)
    async with Company(tmp_path / "quick", ["quick"], settings=settings) as company:
        maker = world.holder("maker")
        maker.shown = [hub.credential(maker.did, MEMBER, status=[("revocation", 9)])]
        assert (await _call(company, maker))[0] == 200
        path = f"/partners/{maker.did.replace('%', '%25')}"
        assert (await company.call("GET", path))["claims"]["membership"] == ["active"]
        hub.revoke(9)
        deadline_s = time.monotonic() + 10
        while (await company.call("GET", path))["claims"] and time.monotonic() < deadline_s:
            await asyncio.sleep(0.1)
        known = await company.call("GET", path)
        assert known["claims"] == {}
        assert known["credentials"][0]["why"] == "the credential is revoked"
        # It was presented once: the verdict changed without asking the maker again.
        assert len(maker.queries) == 1
