"""A store that is away, or a race that was lost too often: every face says that it may be tried again, and tells no cause."""

import json

import pytest

from ashiato.connector.ports import Conflict
from ashiato.connector.records import Asset
from ashiato.stores.errors import StoreUnavailable
from tests.api.speaking import Pair, opening
from tests.data_clients import ask
from tests.data_plane import Side, make_deal, token_of

TROUBLES = [
    (Conflict("duplicate key in /secret"), "busy"),
    (StoreUnavailable("disk full at /secret"), "store-unavailable"),
]
RECORD = b'{"footprint": "73.4"}'


@pytest.mark.parametrize(("trouble", "code"), TROUBLES)
async def test_the_protocol_asks_for_the_message_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, trouble: Exception, code: str
) -> None:
    async def troubled(participant_id: str, work: object) -> None:
        raise trouble

    monkeypatch.setattr(pair.maker.program.store, "run", troubled)
    heard = await pair.as_cells.post("negotiations/request", opening(pair.ear.address))
    assert (heard.status, heard.headers["Retry-After"], heard.said["code"]) == (503, "1", code)
    assert heard.said["@type"] == "ContractNegotiationError"
    assert b"/secret" not in heard.body


@pytest.mark.parametrize(("trouble", "code"), TROUBLES)
async def test_the_data_plane_asks_for_the_request_again(
    provider: Side, monkeypatch: pytest.MonkeyPatch, trouble: Exception, code: str
) -> None:
    asset = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})
    deal = await make_deal(provider, None, asset, body=RECORD)

    async def troubled(participant_id: str, work: object) -> None:
        raise trouble

    monkeypatch.setattr(provider.store, "run", troubled)
    answer = await ask(provider.data_url(deal.provider_pid), token_of(provider, deal))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert json.loads(answer.body)["code"] == code
    assert b"/secret" not in answer.body


@pytest.mark.parametrize(("trouble", "code"), TROUBLES)
async def test_the_credential_service_asks_for_the_message_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, trouble: Exception, code: str
) -> None:
    async def troubled(participant_id: str, work: object) -> None:
        raise trouble

    monkeypatch.setattr(pair.maker.program.store, "run", troubled)
    offer = {
        "@context": ["https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"],
        "type": "CredentialOfferMessage",
        "issuer": pair.cells.did,
        "credentials": [
            {"type": "CredentialObject", "id": "x", "credentialType": "X", "profile": "vc20-bssl/jwt"}
        ],
    }
    below = pair.maker.tenant.root_url
    heard = await pair.as_cells.ask("POST", "dcp/offers", offer, below=below)
    assert (heard.status, heard.headers["Retry-After"], heard.said["code"]) == (503, "1", code)
    assert b"/secret" not in heard.body
