"""The data plane over real HTTP: what is served, to whom, in which parts, and what is written down."""

import hashlib

import aiohttp

from ashiato.connector.records import Asset
from tests.data_plane import Side, make_deal, token_of

RECORD = b'{"footprint": "73.4"}'
RECORD_ASSET = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})


async def test_a_record_is_served_to_the_one_who_holds_the_token(provider: Side) -> None:
    deal = await make_deal(provider, None, RECORD_ASSET, body=RECORD)
    async with aiohttp.ClientSession() as session, session.get(
        provider.data_url(deal.provider_pid),
        headers={"Authorization": f"Bearer {token_of(provider, deal)}"},
    ) as answer:
        assert answer.status == 200
        assert await answer.read() == RECORD
    (access,) = await provider.finished_accesses(1)
    assert access.sent_bytes == len(RECORD)
    assert access.sha256 == hashlib.sha256(RECORD).hexdigest()
