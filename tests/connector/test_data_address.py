"""Data addresses: ours, and those of other connectors as they are written in the field."""

import pytest

from ashiato.connector.data_address import TokenDoor, read_address, with_token
from ashiato.connector.ports import Moment
from ashiato.connector.problems import Invalid
from ashiato.connector.records import Asset
from ashiato.dsp.messages import DataAddress
from ashiato.trust.access_tokens import verify_access_token
from tests.data_plane import CONSUMER, PROVIDER, Parties, deal_records

NOW_MS = 1_764_000_000_000
ASSET = Asset(asset_id="powder", title="NMC811", source={"kind": "record"})


@pytest.fixture(scope="module")
def parties() -> Parties:
    """Keys of both."""
    return Parties(PROVIDER, CONSUMER)


def door_of(parties: Parties) -> TokenDoor:
    key = parties.keys[PROVIDER]
    return TokenDoor(
        data_url="https://maker.example/maker/data",
        inbox_url="https://maker.example/maker/inbox",
        key=lambda: key,
        token_ttl_s=300,
    )


def test_our_pull_address_opens_exactly_one_transfer_to_exactly_one_consumer(parties: Parties) -> None:
    deal, agreement, transfer = deal_records(ASSET, now_ms=NOW_MS)
    address = door_of(parties).pull_address(transfer, "powder", Moment(NOW_MS, lambda: "token-1"))
    endpoint = read_address(address, NOW_MS)
    # No colon is percent-encoded: a proxy in between may undo that, and then no proof of possession would hold.
    assert endpoint.url == f"https://maker.example/maker/data/{deal.provider_pid}"
    assert endpoint.renewal_url == f"{endpoint.url}/token"
    assert endpoint.expires_ms == NOW_MS + 300_000
    assert endpoint.authorization == f"Bearer {endpoint.token}"
    assert endpoint.wants_proof
    grant = verify_access_token(
        endpoint.token, parties.keys[PROVIDER].verification_key(), provider=PROVIDER, now_ms=NOW_MS
    )
    assert (grant.consumer, grant.agreement_id) == (CONSUMER, agreement.agreement_id)
    assert (grant.transfer_pid, grant.asset_id) == (deal.provider_pid, "powder")
    assert grant.expires_ms == NOW_MS + 300_000


def test_our_push_address_says_how_a_push_is_made(parties: Parties) -> None:
    address = door_of(parties).push_address(
        "pid-1", CONSUMER, "agreement-1", "powder", Moment(NOW_MS, lambda: "token-1")
    )
    endpoint = read_address(address, NOW_MS)
    assert endpoint.url == "https://maker.example/maker/inbox/pid-1"
    assert (endpoint.method, endpoint.is_resumable) == ("PUT", True)


@pytest.mark.parametrize(
    ("properties", "authorization"),
    [
        ({"authorization": "abc", "authType": "bearer"}, "Bearer abc"),
        ({"authorization": "abc"}, "Bearer abc"),
        ({"authorization": "Bearer abc", "authType": "bearer"}, "Bearer abc"),
        ({"authorization": "abc", "authType": "raw"}, "abc"),
        ({"https://w3id.org/edc/v0.0.1/ns/authorization": "abc"}, "Bearer abc"),
        ({}, ""),
    ],
)
def test_the_spellings_of_other_connectors_are_understood(
    properties: dict[str, str], authorization: str
) -> None:
    address = DataAddress(endpoint_type="HttpData", endpoint="https://other.example/d", properties=properties)
    endpoint = read_address(address)
    assert endpoint.authorization == authorization
    assert endpoint.expires_ms is None
    assert (endpoint.method, endpoint.is_resumable, endpoint.wants_proof) == ("POST", False, False)


def test_an_endpoint_may_stand_among_the_properties() -> None:
    properties = {
        "https://w3id.org/edc/v0.0.1/ns/endpoint": "https://other.example/d",
        "https://w3id.org/tractusx/auth/refreshEndpoint": "https://other.example/t",
        "https://w3id.org/tractusx/auth/expiresIn": "60",
    }
    endpoint = read_address(DataAddress(endpoint_type="HttpData", properties=properties), NOW_MS)
    assert endpoint.url == "https://other.example/d"
    assert endpoint.renewal_url == "https://other.example/t"
    assert endpoint.expires_ms == NOW_MS + 60_000


@pytest.mark.parametrize("lifetime", ["-5", "1e9", "", "²", "9" * 12])
def test_a_lifetime_that_is_no_number_is_not_believed(lifetime: str) -> None:
    address = DataAddress(
        endpoint_type="HttpData", endpoint="https://other.example/d", properties={"expiresIn": lifetime}
    )
    assert read_address(address, NOW_MS).expires_ms is None


@pytest.mark.parametrize(
    "address",
    [
        None,
        DataAddress(endpoint_type="HttpData"),
        DataAddress(
            endpoint_type="HttpData",
            endpoint="https://other.example/d",
            properties={"authorization": "a\r\nX-Evil: b"},
        ),
    ],
)
def test_an_address_that_cannot_be_asked_is_refused(address: DataAddress | None) -> None:
    with pytest.raises(Invalid):
        read_address(address)


def test_a_renewed_token_replaces_the_old_one() -> None:
    old = read_address(
        DataAddress(endpoint_type="H", endpoint="https://o.example/d", properties={"authorization": "a"})
    )
    renewed = with_token(old, "b", NOW_MS)
    assert (renewed.authorization, renewed.token, renewed.expires_ms) == ("Bearer b", "b", NOW_MS)
    assert renewed.url == old.url
