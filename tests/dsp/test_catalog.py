"""Catalog pages, made from parts that were encoded once, and read with all that is nested in them."""

import json

import pytest

from ashiato.dsp.catalog import DataService, Distribution
from ashiato.dsp.errors import MalformedMessage, UnsendableMessage
from ashiato.dsp.messages import Policy
from ashiato.dsp.v2025_1 import (
    CONTEXT_URL,
    decode_catalog,
    decode_dataset,
    encode_catalog,
    encode_dataset,
    encode_root_dataset,
)
from tests.dsp_schemas import DspSchemas

OFFER: Policy = {"@id": "urn:uuid:o", "@type": "Offer", "permission": [{"action": "use"}]}
SERVICE = DataService(service_id="urn:uuid:s", endpoint_url="https://maker.example/dsp")
PULL = Distribution(format="HttpData-PULL", access_service="urn:uuid:s")


def dataset(dataset_id: str = "urn:uuid:d", **properties: object) -> bytes:
    return encode_dataset(dataset_id, [OFFER], [PULL], properties)


def test_a_page_holds_its_datasets_and_services(dsp_schemas: DspSchemas) -> None:
    page = encode_catalog(
        "urn:uuid:c", "did:web:maker.example", [dataset("1"), dataset("2")], services=[SERVICE]
    )
    assert dsp_schemas.faults(page) == []
    assert json.loads(page) == {
        "@context": [CONTEXT_URL],
        "@id": "urn:uuid:c",
        "@type": "Catalog",
        "participantId": "did:web:maker.example",
        "service": [
            {"@id": "urn:uuid:s", "@type": "DataService", "endpointURL": "https://maker.example/dsp"}
        ],
        "dataset": [
            {
                "@id": dataset_id,
                "@type": "Dataset",
                "hasPolicy": [OFFER],
                "distribution": [
                    {"@type": "Distribution", "format": "HttpData-PULL", "accessService": "urn:uuid:s"}
                ],
            }
            for dataset_id in ("1", "2")
        ],
    }


def test_a_dataset_may_be_handed_over_as_bytes_or_as_an_object() -> None:
    parsed: dict[str, object] = json.loads(dataset())
    as_object, as_bytes = (encode_catalog("c", "p", [item]) for item in (parsed, dataset()))
    assert json.loads(as_object) == json.loads(as_bytes)


def test_an_empty_page_leaves_its_arrays_out(dsp_schemas: DspSchemas) -> None:
    page = encode_catalog("urn:uuid:c", "did:web:maker.example", [])
    assert dsp_schemas.faults(page) == []
    assert set(json.loads(page)) == {"@context", "@id", "@type", "participantId"}
    assert decode_catalog(page).datasets == ()


def test_a_dataset_on_its_own_states_the_context(dsp_schemas: DspSchemas) -> None:
    alone = encode_root_dataset(dataset(title="Footprint"))
    assert dsp_schemas.faults(alone) == []
    value = decode_dataset(alone)
    assert value.dataset_id == "urn:uuid:d"
    assert value.offers == (OFFER,)
    assert value.distributions == (PULL,)
    assert value.extensions == {"title": "Footprint"}


def test_an_integer_in_an_offer_is_published_as_a_string() -> None:
    constraint = {"leftOperand": "count", "operator": "lteq", "rightOperand": 5}
    offer: Policy = {**OFFER, "permission": [{"action": "use", "constraint": [constraint]}]}
    encoded = json.loads(encode_dataset("urn:uuid:d", [offer], [PULL], {}))
    assert encoded["hasPolicy"][0]["permission"][0]["constraint"] == [{**constraint, "rightOperand": "5"}]


@pytest.mark.parametrize(
    ("offers", "distributions", "properties", "path"),
    [
        ([], [PULL], {}, "hasPolicy"),
        ([OFFER], [], {}, "distribution"),
        ([{**OFFER, "target": "urn:uuid:d"}], [PULL], {}, "hasPolicy[0].target"),
        ([OFFER, {"@id": "x"}], [PULL], {}, "hasPolicy[1]"),
        ([OFFER], [PULL], {"hasPolicy": []}, "hasPolicy"),
    ],
)
def test_a_dataset_that_every_peer_would_refuse_is_not_published(
    offers: list[Policy], distributions: list[Distribution], properties: dict[str, object], path: str
) -> None:
    with pytest.raises(UnsendableMessage) as refused:
        encode_dataset("urn:uuid:d", offers, distributions, properties)
    assert refused.value.path == path


def test_nested_catalogs_services_and_unknown_members_are_read() -> None:
    inner = {"@id": "inner", "@type": "Catalog", "dataset": [json.loads(dataset("nested"))]}
    service = {"@id": "s", "@type": "DataService", "endpointURL": "https://x.example", "note": 1}
    outer = {
        "@context": [CONTEXT_URL, "https://w3id.org/edc/dspace/v0.0.1"],
        "@id": "outer",
        "@type": "Catalog",
        "participantId": "did:web:x.example",
        "catalog": [inner],
        "distribution": [{"format": "Catalog", "accessService": service, "note": 2}],
        "note": 3,
    }
    catalog = decode_catalog(json.dumps(outer).encode())
    assert catalog.participant_id == "did:web:x.example"
    assert catalog.context == ("https://w3id.org/edc/dspace/v0.0.1",)
    assert catalog.extensions == {"note": 3}
    assert catalog.catalogs[0].catalog_id == "inner"
    assert catalog.catalogs[0].participant_id is None
    assert catalog.catalogs[0].datasets[0].dataset_id == "nested"
    read_service = DataService(service_id="s", endpoint_url="https://x.example", extensions={"note": 1})
    assert catalog.distributions == (
        Distribution(format="Catalog", access_service=read_service, extensions={"note": 2}),
    )


def test_a_refusal_of_a_catalog_names_the_place() -> None:
    page = json.loads(encode_catalog("c", "p", [dataset("1"), dataset("2")]))
    del page["dataset"][1]["distribution"][0]["format"]
    with pytest.raises(MalformedMessage) as refused:
        decode_catalog(json.dumps(page).encode())
    assert refused.value.path == "dataset[1].distribution[0].format"


def test_a_page_may_be_larger_than_a_message_but_not_without_bound() -> None:
    page = encode_catalog("c", "p", [dataset(title="x" * 1_100_000)])
    assert len(decode_catalog(page).datasets) == 1
    with pytest.raises(MalformedMessage, match="at most 1000"):
        decode_catalog(page, max_bytes=1000)
