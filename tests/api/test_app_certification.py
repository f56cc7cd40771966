"""The certification of an app between running connectors: judged as any credential, shown, and relied on by policies."""

import hashlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from ashiato.connector import apps
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid
from ashiato.connector.vault_records import AppItems, AppManifest
from ashiato.wiring.settings import TrustListSettings, TrustSettings
from tests.companies import api_key
from tests.dcp_parties import Issuer, World, dcp_world
from tests.exchange import Member, running
from tests.trusting import own_list

TYPE = "AppCertificationCredential"
TOKEN = "ashiato_app_" + "t" * 43
DIGEST = "ab" * 32
MANIFEST = AppManifest(
    name="Sum",
    version="1",
    digest=DIGEST,
    purposes=("footprint",),
    reads=(AppItems(asset_id="cfp-*"),),
)
CERTIFIED_ONLY = {
    "permission": [
        {
            "action": "use",
            "constraint": [{"leftOperand": "application", "operator": "eq", "rightOperand": "certified:Sum"}],
        }
    ]
}


@dataclass
class Place:
    """A provider, a consumer that counts credentials, its app, and who certifies apps."""

    maker: Member
    cells: Member
    body_of: Issuer
    client: aiohttp.ClientSession

    def certified(self, *, holder: str = "did:web:app-maker.example", **changes: Any) -> str:
        """A certification of the app, which is the 7th of its status list."""
        subject = {"app": "Sum", "digest": f"sha256:{DIGEST}", **changes}
        return self.body_of.credential(holder, TYPE, subject, status=[("revocation", 7)])

    async def register(self, certification: str) -> None:
        """Register and approve the app of the token."""
        manifest = msgspec.structs.replace(MANIFEST, certification=certification)
        sha256 = hashlib.sha256(TOKEN.encode()).hexdigest()

        def work(uow: UnitOfWork, moment: Moment) -> None:
            apps.register(uow, "sum-1", manifest, moment)
            apps.approve(uow, "sum-1", sha256, moment)

        await self.cells.run(work)

    async def get(self, asset_id: str, body: bytes = b"{}") -> str:
        """The consumer gets a dataset that only certified apps may use."""
        await self.maker.offer(asset_id, offer_id=f"offer-{asset_id}", body=body, rules=CERTIFIED_ONLY)
        fetch = await self.cells.fetch(self.maker, asset_id)
        assert fetch.received_id is not None
        return fetch.received_id

    def url(self, path: str) -> str:
        return f"{self.cells.program.management_url}/app/v1/cells{path}"

    async def ask(self, path: str = "") -> tuple[int, Any]:
        """Status and document of one request of the app."""
        async with self.client.get(self.url(path), headers=HEADERS) as answer:
            return answer.status, await answer.json(content_type=None)

    async def verdict(self, certification: str) -> dict[str, Any]:
        """What is said of it to the app that has it."""
        await self.register(certification)
        _, who = await self.ask()
        found: dict[str, Any] = who["certification"]
        return found


HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with dcp_world(time.time_ns() // 1_000_000) as made:
        yield made


@pytest.fixture
async def place(tmp_path: Path, world: World) -> AsyncIterator[Place]:
    certifier = world.issuer("certifier")
    trusted = own_list(tmp_path / "list.json", {certifier.did: [TYPE]})
    trust = TrustSettings(
        mode="dcp",
        lists=(TrustListSettings(file=str(trusted)),),
        presentation_fresh_s=0,
        status_fresh_s=0,
    )
    async with (
        running(tmp_path / "maker", "maker") as (maker,),
        running(tmp_path / "cells", "cells", trust=trust) as (cells,),
        aiohttp.ClientSession() as client,
    ):
        yield Place(maker, cells, certifier, client)


async def test_a_certified_app_reads_what_only_certified_ones_may_until_it_is_revoked(place: Place) -> None:
    received_id = await place.get("cfp-1")
    path = f"/received/{received_id}/content"
    await place.register("")
    assert (await place.ask(path))[0] == 403
    found = await place.verdict(place.certified())
    assert (found["certified_as"], found["why"]) == ("Sum", "")
    assert (found["issuer"], found["holder"]) == (place.body_of.did, "did:web:app-maker.example")
    assert found["valid_until_ms"] > time.time_ns() // 1_000_000
    assert (await place.ask(path))[0] == 200
    # The provider is told by which name the policy was met.
    item = await place.cells.read(lambda uow: uow.vault.item(received_id))
    assert item is not None
    (_, used) = await place.cells.read(lambda uow: uow.vault.list_receipts(item.agreement_id, 0, 9))
    assert msgspec.json.decode(used.payload)["certified_as"] == "Sum"

    place.body_of.revoke(7)
    assert (await place.ask())[1]["certification"]["why"] == "the credential is revoked"
    assert (await place.ask(path))[0] == 403


async def test_a_long_read_breaks_off_when_the_certification_is_revoked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ashiato.api.vault_reading.RECHECK_EVERY_MS", 0)
    monkeypatch.setattr("ashiato.api.vault_reading.CHUNK_BYTES", 65_536)
    received_id = await place.get("cfp-1", b"[" + b"1," * 16_000_000 + b"1]")
    await place.register(place.certified())
    async with place.client.get(place.url(f"/received/{received_id}/content"), headers=HEADERS) as answer:
        await answer.content.readexactly(65_536)
        place.body_of.revoke(7)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


def _expired(place: Place) -> str:
    def past(claims: dict[str, Any]) -> None:
        claims["validFrom"], claims["validUntil"] = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"

    return place.body_of.credential("did:web:x.example", TYPE, {"app": "Sum", "digest": DIGEST}, change=past)


def _by_nobody(place: Place) -> str:
    quack = place.body_of.world.issuer("quack")
    return quack.credential("did:web:x.example", TYPE, {"app": "Sum", "digest": DIGEST})


def _altered(place: Place) -> str:
    head, payload, signature = place.certified().split(".")
    return f"{head}.{payload}.{'A' * len(signature)}"


@pytest.mark.parametrize(
    ("certification", "why"),
    [
        (lambda place: place.certified(digest="cd" * 32), "another digest"),
        (lambda place: place.certified(digest=["ab" * 32, "cd" * 32]), "another digest"),
        (lambda place: place.certified(app="Difference"), "'Difference'"),
        (lambda place: place.body_of.credential("did:web:x.example", "RoleCredential", {}), f"no {TYPE}"),
        (_expired, "expired"),
        (_by_nobody, "stands on no trust list"),
        (_altered, "signature"),
        (lambda place: "not.a.token", ""),
    ],
)
async def test_what_is_no_certification_of_this_app_does_not_count_and_says_why(
    place: Place, certification: Callable[[Place], str], why: str
) -> None:
    found = await place.verdict(certification(place))
    assert found["certified_as"] == ""
    assert found["why"]
    assert why in found["why"]


async def test_the_app_may_be_certified_by_its_id_and_for_the_company_itself(place: Place) -> None:
    found = await place.verdict(place.certified(app="sum-1", holder=place.cells.did))
    assert (found["certified_as"], found["holder"]) == ("sum-1", place.cells.did)


async def test_the_company_sees_whether_it_counts(place: Place) -> None:
    await place.register(place.certified())
    url = f"{place.cells.program.management_url}/v1/cells/apps"
    headers = {"X-Api-Key": api_key("cells")}
    for path in ("", "/sum-1"):
        async with place.client.get(url + path, headers=headers) as answer:
            document = await answer.json()
        app = document["items"][0] if "items" in document else document
        assert (app["certification"]["counts"], app["certification"]["issuer"]) == (True, place.body_of.did)


async def test_where_nobody_is_asked_for_credentials_no_certification_counts(place: Place) -> None:
    manifest = msgspec.structs.replace(MANIFEST, certification=place.certified())
    await place.maker.run(lambda uow, moment: apps.register(uow, "sum-1", manifest, moment))
    url = f"{place.maker.program.management_url}/v1/maker/apps/sum-1"
    async with place.client.get(url, headers={"X-Api-Key": api_key("maker")}) as answer:
        certification = (await answer.json())["certification"]
    assert (certification["counts"], "tokens" in certification["why"]) == (False, True)


@pytest.mark.parametrize("app_id", ["certified:Sum", f"sha256:{DIGEST}"])
async def test_no_app_takes_an_id_that_only_others_can_give(place: Place, app_id: str) -> None:
    with pytest.raises(Invalid, match="must not begin"):
        await place.cells.run(lambda uow, moment: apps.register(uow, app_id, MANIFEST, moment))
