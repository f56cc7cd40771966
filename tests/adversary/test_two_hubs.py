"""Two hubs that trust each other in part: exactly what crosses and what does not, between running companies.

Each company is a member of one hub. Hub A recognises the memberships that hub B gives, and neither its security profiles nor its
certifications.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.companies import Company, ManagementError, running
from tests.dcp_parties import Issuer, World, dcp_world
from tests.trusting import dcp_settings, own_list, put_credentials

MEMBER, SECURITY, CERTIFIED = (
    "MembershipCredential", "SecurityProfileCredential", "CompanyCertificationCredential",
)  # fmt: skip
EVERYTHING = (MEMBER, SECURITY, CERTIFIED)
ASSETS = {
    "for-members": ("membership", "active"),
    "for-the-secure": ("security_profile", "base"),
    "for-the-certified": ("certification", "ISO 27001"),
}


class Hubs:
    """The two hubs with a company each, and what the maker offers to whom."""

    def __init__(self, folder: Path, world: World) -> None:
        self.a, self.b = world.issuer("hub-a"), world.issuer("hub-b")
        self.list_a = folder / "list-a.json"
        self.recognise(MEMBER, number=1)
        list_b = folder / "list-b.jwt"
        list_b.write_text(self.b.trust_list((self.b.did, EVERYTHING)), encoding="ascii")
        of_a = dcp_settings(self.list_a, foreign={self.b.did: list_b}, presentation_fresh_s=0)
        of_b = dcp_settings(
            own_list(folder / "list-of-b.json", {self.b.did: EVERYTHING, self.a.did: [MEMBER]})
        )
        self.maker = Company(folder / "maker", ["maker"], settings=of_a)
        self.neighbour = Company(folder / "neighbour", ["neighbour"], settings=of_a)
        self.foreigner = Company(folder / "foreigner", ["foreigner"], settings=of_b)

    def recognise(self, *types: str, number: int) -> None:
        """What of hub B counts in the space of hub A, from this edition on."""
        own_list(self.list_a, {self.a.did: EVERYTHING}, recognized={self.b.did: types}, number=number)

    async def open(self) -> None:
        """Everybody holds all three credentials of its own hub; the maker offers its assets."""
        for company, hub in ((self.maker, self.a), (self.neighbour, self.a), (self.foreigner, self.b)):
            await put_credentials(company, company.slug, _credentials(hub, company))

    async def offer(self) -> None:
        """One asset for each kind of claim."""
        for asset_id, (claim, value) in ASSETS.items():
            constraint = {"leftOperand": claim, "operator": "eq", "rightOperand": value}
            policy = {"@type": "Offer", "permission": [{"action": "use", "constraint": [constraint]}]}
            await self.maker.call("PUT", f"/policies/{asset_id}", {"document": policy})
            await self.maker.call(
                "PUT", f"/assets/{asset_id}", {"title": asset_id, "source": {"kind": "record"}}
            )
            await self.maker.call_bytes("PUT", f"/assets/{asset_id}/record", b'{"kg": 16.1}')
            offer = {
                "contract_policy_id": asset_id,
                "access_policy_id": asset_id,
                "asset_ids": [asset_id],
            }
            await self.maker.call("PUT", f"/offers/{asset_id}", offer)

    async def seen_by(self, buyer: Company) -> set[str]:
        """The assets in the maker's catalog for that company."""
        query = {"partner": self.maker.did, "address": self.maker.address}
        page = await buyer.call("POST", "/catalog/query", query)
        return {item["asset_id"] for item in page["items"]}

    async def fetched_by(self, buyer: Company, asset_id: str) -> dict[str, Any]:
        """How an order of that asset ends."""
        order = {"partner": self.maker.did, "address": self.maker.address, "asset_id": asset_id}
        fetch: dict[str, Any] = await buyer.call("POST", "/fetches", order)
        while fetch["state"] not in ("done", "failed"):
            fetch = await buyer.call("GET", f"/fetches/{fetch['fetch_id']}?wait_s=10")
        return fetch


def _credentials(hub: Issuer, company: Company) -> list[str]:
    did = company.future_did(company.slug)
    return [
        hub.credential(did, MEMBER, {"location": "JP"}, status=[("revocation", 1)]),
        hub.credential(did, SECURITY, {"profile": "trust"}),
        hub.credential(did, CERTIFIED, {"scheme": "ISO 27001"}),
    ]


@pytest.fixture
async def hubs(tmp_path: Path) -> AsyncIterator[Hubs]:
    async with dcp_world(time.time_ns() // 1_000_000) as world:
        made = Hubs(tmp_path, world)
        await made.open()
        async with running(made.maker, made.neighbour, made.foreigner):
            await made.offer()
            yield made


async def test_memberships_cross_and_neither_security_profiles_nor_certifications_do(hubs: Hubs) -> None:
    assert await hubs.seen_by(hubs.neighbour) == set(ASSETS)
    assert await hubs.seen_by(hubs.foreigner) == {"for-members"}

    assert (await hubs.fetched_by(hubs.foreigner, "for-members"))["state"] == "done"
    for asset_id in ("for-the-secure", "for-the-certified"):
        with pytest.raises(ManagementError) as refusal:
            await hubs.fetched_by(hubs.foreigner, asset_id)
        assert refusal.value.status == 404
        assert (await hubs.fetched_by(hubs.neighbour, asset_id))["state"] == "done"

    known = await hubs.maker.call("GET", f"/partners/{hubs.foreigner.did.replace('%', '%25')}")
    whys = {one["types"][0]: one["why"] for one in known["credentials"]}
    assert whys == {
        MEMBER: "",
        SECURITY: f"{hubs.b.did} may not issue {SECURITY}",
        CERTIFIED: f"{hubs.b.did} may not issue {CERTIFIED}",
    }

    # Hub A recognises more of hub B: this crosses too, and the rest still does not.
    hubs.recognise(MEMBER, SECURITY, number=2)
    deadline_s = time.monotonic() + 15
    while "for-the-secure" not in await hubs.seen_by(hubs.foreigner) and time.monotonic() < deadline_s:
        pass
    assert await hubs.seen_by(hubs.foreigner) == {"for-members", "for-the-secure"}
    assert (await hubs.fetched_by(hubs.foreigner, "for-the-secure"))["state"] == "done"
