"""What a stranger sees of a listed asset over HTTP: that it exists, and the roles that credentials prove of its owner."""

import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.companies import Company
from tests.dcp_parties import Holder, World, dcp_world
from tests.trusting import dcp_settings, own_list, put_credentials

ROLE = "RoleCredential"
QUERY = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"], "@type": "CatalogRequestMessage"}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with dcp_world(time.time_ns() // 1_000_000) as made:
        yield made


class Shop:
    """A company that lists one asset and shows another, and a stranger who looks."""

    def __init__(self, folder: Path, world: World) -> None:
        self.hub, self.quack = world.issuer("hub"), world.issuer("quack")
        self.caller = world.holder("caller")
        trusted = own_list(folder / "list.json", {self.hub.did: [ROLE, "MembershipCredential"]})
        self.maker = Company(folder / "maker", ["maker"], settings=dcp_settings(trusted))

    @property
    def did(self) -> str:
        """The owner's DID, before the first start too."""
        return self.maker.future_did("maker")

    async def fill(self, credentials: Sequence[str]) -> None:
        """Lay these into the owner's wallet, and start."""
        await put_credentials(self.maker, "maker", credentials)
        await self.maker.start()
        asset = {"title": "Secret project X", "data_item": "cfp", "source": {"kind": "record"}}
        await self.maker.call("PUT", "/assets/hinted", {**asset, "visibility": "listed"})
        await self.maker.call("PUT", "/assets/shown", asset)
        policy = {"@type": "Offer", "permission": [{"action": "use"}]}
        await self.maker.call("PUT", "/policies/any", {"document": policy})
        await self.maker.call("PUT", "/offers/all", {"contract_policy_id": "any", "asset_ids": ["shown"]})

    async def seen(self) -> dict[str, dict[str, Any]]:
        """The datasets of the catalog by their ids."""
        self.caller.world.now_ms = time.time_ns() // 1_000_000
        url = f"{self.maker.address}/catalog/request"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=QUERY, headers=_headers(self.caller, self.maker)) as answer,
        ):
            catalog = await answer.json(content_type=None)
        return {dataset["@id"]: dataset for dataset in catalog["dataset"]}

    async def alone(self, asset_id: str) -> dict[str, Any]:
        """One dataset."""
        url = f"{self.maker.address}/catalog/datasets/{quote(asset_id)}"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=_headers(self.caller, self.maker)) as answer,
        ):
            document: dict[str, Any] = await answer.json(content_type=None)
            return document


def _headers(caller: Holder, maker: Company) -> dict[str, str]:
    caller.world.now_ms = time.time_ns() // 1_000_000
    return {"Authorization": caller.token(maker.did), "Content-Type": "application/json"}


@pytest.fixture
async def shop(tmp_path: Path, world: World) -> AsyncIterator[Shop]:
    made = Shop(tmp_path, world)
    try:
        yield made
    finally:
        await made.maker.stop()


async def test_a_listed_asset_shows_its_existence_and_the_proved_roles_of_its_owner(shop: Shop) -> None:
    hub, quack = shop.hub, shop.quack

    def outdated(claims: dict[str, Any]) -> None:
        claims["validFrom"], claims["validUntil"] = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"

    await shop.fill(
        [
            hub.credential(shop.did, ROLE, {"role": "recycler"}),
            hub.credential(shop.did, ROLE, {"role": "cell-maker"}),
            # None of these proves a role: no list names the issuer, it is over, it is about another, it is revoked.
            quack.credential(shop.did, ROLE, {"role": "authority"}),
            hub.credential(shop.did, ROLE, {"role": "miner"}, change=outdated),
            hub.credential("did:web:other.example", ROLE, {"role": "bank"}),
            hub.credential(shop.did, ROLE, {"role": "insurer"}, status=[("revocation", 3)]),
            hub.credential(shop.did, "MembershipCredential", {"role": "operator"}),
        ]
    )
    hub.revoke(3)
    seen = await shop.seen()
    listed = seen["hinted"]
    assert listed.keys() == {
        "@id", "@type", "hasPolicy", "distribution", "ashiato:visibility", "ashiato:ownerRole",
    }  # fmt: skip
    assert listed["ashiato:ownerRole"] == ["cell-maker", "recycler"]
    assert "Secret project X" not in str(listed)
    alone = await shop.alone("hinted")
    assert (alone["ashiato:ownerRole"], "title" in alone) == (["cell-maker", "recycler"], False)
    # What is offered says nothing of roles: its reader is shown the whole description.
    assert (seen["shown"]["title"], "ashiato:ownerRole" in seen["shown"]) == ("Secret project X", False)


async def test_an_owner_that_proves_no_role_shows_none(shop: Shop) -> None:
    await shop.fill([])
    listed = (await shop.seen())["hinted"]
    assert (listed["ashiato:visibility"], "ashiato:ownerRole" in listed) == ("listed", False)
