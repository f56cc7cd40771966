"""Every path that takes an access token checks its time (as CVE-2024-8642 did not)."""

import pytest

from ashiato.connector.ports import Moment
from ashiato.connector.records import Asset
from tests.data_clients import ask
from tests.data_plane import CONSUMER, Deal, Side, make_deal

RECORD = b'{"footprint": "73.4"}'
DAY_MS = 86_400_000


@pytest.fixture
async def record(provider: Side) -> Deal:
    """A record under an agreement that has not ended."""
    asset = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})
    return await make_deal(provider, None, asset, body=RECORD)


def _token(provider: Side, deal: Deal, shift_ms: int) -> str:
    now = provider.clock.moment()
    moment = Moment(now.now_ms + shift_ms, now.fresh_id)
    return provider.door.token(deal.provider_pid, CONSUMER, deal.agreement_id, deal.asset_id, moment)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("shift_ms", [-DAY_MS, DAY_MS], ids=["expired", "issued in the future"])
async def test_an_access_token_out_of_its_time_opens_nothing(
    shift_ms: int, method: str, provider: Side, record: Deal
) -> None:
    url = provider.data_url(record.provider_pid)
    assert (await ask(url, _token(provider, record, 0), method)).status == 200
    refused = await ask(url, _token(provider, record, shift_ms), method)
    assert refused.status in (401, 403)
    assert RECORD not in refused.body
