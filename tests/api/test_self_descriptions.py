"""What a running connector says of itself, as others fetch it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from ashiato.statements.self_descriptions import Described, verify_description
from ashiato.trust.did import parse_did_document
from ashiato.wiring.program import now
from tests.exchange import Member, running


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
