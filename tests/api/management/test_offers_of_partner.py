"""Where a partner negotiates about a dataset: as the dataset itself says, for who gave no address."""

from types import SimpleNamespace
from typing import cast

import pytest

from ashiato.api.management.calls import Call
from ashiato.api.management.offers_of_partner import chosen_offer
from ashiato.connector.negotiations import Partner
from ashiato.connector.problems import Invalid, NotPermitted
from ashiato.dsp.catalog import DataService, Dataset, Distribution

BROKER = Partner("did:web:maker.example", "https://broker.example/dsp")
OFFER: dict[str, object] = {"@id": "b64:YXNzZXQ=:opaque", "@type": "Offer", "permission": [{"action": "use"}]}


def service(url: str) -> DataService:
    return DataService(service_id=url, endpoint_url=url)


def call_of(*distributions: Distribution) -> Call:
    """A call of a company whose partner shows one dataset with these distributions."""

    async def dataset(*_: object) -> Dataset:
        return Dataset(dataset_id="a", offers=(OFFER,), distributions=distributions)

    async def read(_: object) -> list[object]:
        return []

    def vet(address: str) -> None:
        if "10.0.0.1" in address:
            raise Invalid("It is inside.", path="callbackAddress")

    around = SimpleNamespace(partners=SimpleNamespace(dataset=dataset))
    company = SimpleNamespace(vet_address=vet)
    call = SimpleNamespace(around=around, tenant=None, read=read, company=company)
    return cast(Call, call)


@pytest.mark.parametrize(
    ("distributions", "wire_format", "address"),
    [
        (
            [Distribution(format="PULL", access_service=service("https://maker.example/"))],
            "PULL",
            "maker.example",
        ),
        ([Distribution(format="PULL", access_service="urn:uuid:s")], "PULL", "broker.example/dsp"),
        (
            [
                Distribution(format="PUSH", access_service=service("https://push.example")),
                Distribution(format="PULL", access_service=service("https://pull.example")),
            ],
            "PULL",
            "pull.example",
        ),
        ([Distribution(format="PUSH", access_service=service("https://push.example"))], None, "push.example"),
    ],
)
async def test_a_dataset_is_negotiated_where_its_service_is(
    distributions: list[Distribution], wire_format: str | None, address: str
) -> None:
    offer, partner = await chosen_offer(call_of(*distributions), BROKER, "a", None, wire_format)
    assert partner == Partner(BROKER.participant_id, f"https://{address}")
    assert offer == {**OFFER, "target": "a"}


def test_an_address_that_this_node_does_not_call_is_not_called_because_a_partner_told_it() -> None:
    call = call_of()
    assert Call.checked(call, BROKER) == BROKER
    with pytest.raises(NotPermitted, match="does not call"):
        Call.checked(call, Partner("did:web:maker.example", "https://10.0.0.1/dsp"))
