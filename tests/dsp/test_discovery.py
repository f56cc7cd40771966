"""What a DID document says about a connector, against the official schema and the official examples."""

import json
from pathlib import Path

import pytest

from ashiato.dsp import v2025_1 as wire
from ashiato.trust.did import Service, did_document
from tests.dsp_schemas import DspSchemas

DID = "did:web:maker.example"
ENDPOINTS = wire.service_endpoints("https://maker.example/c", "/dsp/2025-1")


def entries() -> dict[str, dict[str, object]]:
    services = [
        Service(f"{DID}#{kind}", kind, endpoint, wire.SERVICE_CONTEXT) for kind, endpoint in ENDPOINTS.items()
    ]
    document = json.loads(did_document(DID, [], services))
    return {entry["type"]: entry for entry in document["service"]}


def test_both_services_are_told_with_their_addresses() -> None:
    assert ENDPOINTS == {
        "DataService": "https://maker.example/c/.well-known/dspace-version",
        "CatalogService": "https://maker.example/c/dsp/2025-1/catalog",
    }


def test_at_least_one_entry_satisfies_the_official_schema(dsp_schemas: DspSchemas) -> None:
    assert dsp_schemas.faults(entries()["CatalogService"], as_type="DidService") == []


@pytest.mark.parametrize(
    ("kind", "ending"), [("DataService", "/.well-known/dspace-version"), ("CatalogService", "/catalog")]
)
def test_each_entry_has_the_members_and_the_ending_of_its_official_example(
    conformance: Path, kind: str, ending: str
) -> None:
    file = conformance / "dsp" / "common" / "example" / f"{kind.lower()}-did-service.json"
    example = json.loads(file.read_text())
    entry = entries()[kind]
    assert entry.keys() == example.keys()
    assert (entry["@context"], entry["type"]) == (example["@context"], example["type"])
    assert str(example["serviceEndpoint"]).endswith(ending)
    assert str(entry["serviceEndpoint"]).endswith(ending)


def test_the_schema_refuses_what_the_example_of_a_data_service_shows(
    conformance: Path, dsp_schemas: DspSchemas
) -> None:
    # The reason for the second entry: text, schema and example do not agree about the first.
    example = json.loads(
        (conformance / "dsp" / "common" / "example" / "dataservice-did-service.json").read_text()
    )
    assert dsp_schemas.faults(example, as_type="DidService") != []
