"""What a running connector says of itself, as others fetch it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ashiato.api.self_descriptions import Describer
from ashiato.connector.describing import Instance
from ashiato.connector.ports import Moment
from ashiato.connector.problems import NotFound
from ashiato.identity.wallet import HeldCredential
from ashiato.statements.self_descriptions import Described, verify_description
from ashiato.trust.did import parse_did_document
from ashiato.trust.enveloping import Profile
from ashiato.trust.signing import LocalSigner, Signer
from ashiato.wiring.program import now
from tests.exchange import Member, running
from tests.trust.parties import forge, new_party


async def _get(
    member: Member, query: Mapping[str, str] | None = None, token: str | None = None
) -> tuple[int, Any]:
    headers = {"Authorization": token} if token else {}
    url = f"{member.tenant.root_url}/self-description"
    async with aiohttp.ClientSession() as client, client.get(url, params=query, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_node_services_and_program_are_described_to_everybody(tmp_path: Path) -> None:
    async with running(tmp_path, "maker") as (maker,):
        status, document = await _get(maker)
        own = parse_did_document(maker.tenant.did_document, maker.did)
        found = [verify_description(text, own, now().now_ms).description for text in document["descriptions"]]
    assert status == 200
    kinds = [description.kind for description in found]
    assert (kinds[0], kinds[-1]) == (Described.NODE, Described.INSTANCE)
    types = {d.about["type"] for d in found if d.kind is Described.SERVICE}
    assert {"DataService", "CatalogService", "UsageReceipts"} <= types
    assert found[0].about["address"] == maker.tenant.root_url


async def test_an_asset_is_described_to_those_who_see_it_in_the_catalog(tmp_path: Path) -> None:
    async with running(tmp_path, "maker", "cells") as (maker, cells):
        await maker.offer("cfp")

        async def token() -> str:
            moment = now()
            return await maker.program.node.identity.token_for(
                cells.did, maker.did, moment.now_ms, moment.fresh_id()
            )

        status, document = await _get(maker, {"asset": "cfp"}, await token())
        own = parse_did_document(maker.tenant.did_document, maker.did)
        (text,) = document["descriptions"]
        description = verify_description(text, own, now().now_ms).description
        assert (status, description.kind, description.id) == (200, Described.ASSET, "cfp")
        assert (await _get(maker, {"asset": "secret"}, await token()))[0] == 404
        assert (await _get(maker, {"asset": "cfp"}))[0] == 401


async def test_who_has_it_already_is_told_so_by_its_tag(tmp_path: Path) -> None:
    async with running(tmp_path, "maker") as (maker,):
        url = f"{maker.tenant.root_url}/self-description"
        async with aiohttp.ClientSession() as client:
            async with client.get(url) as first:
                tag = first.headers["ETag"]
                assert first.headers["Cache-Control"] == "public, max-age=300"
            async with client.get(url, headers={"If-None-Match": f'"else", W/{tag}'}) as again:
                assert (again.status, await again.read()) == (304, b"")
            async with client.get(url, headers={"If-None-Match": '"else"'}) as changed:
                assert (changed.status, changed.headers["ETag"]) == (200, tag)


async def test_a_partner_is_found_by_its_did_and_its_description_verified(tmp_path: Path) -> None:
    async with running(tmp_path, "maker", "cells") as (maker, cells):
        await maker.offer("cfp")
        describe = maker.program.partners.describe
        found = await describe(cells.tenant, maker.did, None)
        (asset,) = await describe(cells.tenant, maker.did, "cfp")
        with pytest.raises(NotFound):
            await describe(cells.tenant, maker.did, "secret")
    instance = found[-1].description
    node_id = hashlib.sha256(maker.program.public_url.encode()).hexdigest()
    assert instance.about["node_id_sha256"] == node_id
    assert instance.about["protocols"] == "dataspace-protocol 2025-1, decentralized-claims-protocol 1.0"
    assert asset.description.about["title"] == "cfp"
    assert "source" not in asset.description.about


async def test_a_new_level_shows_after_five_minutes_and_nothing_is_signed_before(tmp_path: Path) -> None:
    async with running(tmp_path, "maker") as (maker,):
        own = parse_did_document(maker.tenant.did_document, maker.did)
        signed: list[str] = []

        def signer(owner: str) -> Signer:
            signed.append(owner)
            return LocalSigner(maker.program.tenancy.keys[owner])

        describer = Describer(maker.program.node, signer, Instance("ashiato", "00", "dsp"))
        start = now()

        async def levels(after_ms: int) -> list[tuple[str, str]]:
            moment = Moment(start.now_ms + after_ms, start.fresh_id)
            compacts = await describer.of_participant(maker.tenant, moment)
            node = verify_description(compacts[0], own, moment.now_ms).description
            return [(one.name, one.value) for one in node.levels]

        assert await levels(0) == []
        await maker.run(lambda uow, _: uow.wallet.held.put(_profile(maker.did, start.now_ms)))
        assert await levels(299_999) == []
        assert len(signed) == 1
        assert await levels(300_000) == [("security_profile", "trust")]
        assert await levels(600_000) == [("security_profile", "trust")]
        assert len(signed) == 2
        assert await levels(300_000 + 43_200_000) == [("security_profile", "trust")]
        assert len(signed) == 3


def _profile(holder: str, now_ms: int) -> HeldCredential:
    hub = new_party("did:web:hub.example")
    claims = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": "urn:uuid:1",
        "type": ["VerifiableCredential", "SecurityProfileCredential"],
        "issuer": hub.did,
        "validFrom": "2025-01-01T00:00:00Z",
        "credentialSubject": {"id": holder, "profile": "trust"},
    }
    return HeldCredential(
        held_id="1",
        credential_id="urn:uuid:1",
        profile=Profile.VC20,
        types=("SecurityProfileCredential",),
        issuer=hub.did,
        valid_from_ms=1_735_689_600_000,
        valid_until_ms=None,
        envelope=forge(hub.private, {"alg": "ES256", "typ": "vc+jwt", "kid": hub.kid}, claims),
        request_id="",
        received_ms=now_ms,
    )
