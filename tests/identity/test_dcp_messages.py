"""Every message that we send satisfies the official schema of its kind, and the official examples are read."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema_rs
import pytest

from ashiato.identity import dcp_v1_0 as dcp
from ashiato.identity.issuing import first_types
from ashiato.identity.wallet import RequestState

ISSUER = "did:web:issuer.example"
# The schemas of Presentation Exchange are not among the official files; nothing that we send holds one.
EXCHANGE: dict[str, dict[str, object]] = {
    "https://identity.foundation/presentation-exchange/schemas/presentation-definition.json": {},
    "https://identity.foundation/presentation-exchange/schemas/presentation-submission.json": {
        "properties": {"presentation_submission": {}}
    },
}


@pytest.fixture(scope="module")
def check(conformance: Path) -> Callable[[str, bytes], None]:
    """Validates a message against the schema in that file."""
    files = (conformance / "dcp").rglob("*-schema.json")
    schemas = {path.name: json.loads(path.read_text("utf-8")) for path in files}
    # The context's own id is that of an older draft; the others refer to it by the present one.
    by_id = {schema["$id"].replace("/v08/", "/v1.0/"): schema for schema in schemas.values()}
    registry = jsonschema_rs.Registry([*by_id.items(), *EXCHANGE.items()])

    def run(name: str, message: bytes) -> None:
        validator = jsonschema_rs.Draft201909Validator(schemas[name], registry=registry)
        assert [error.message for error in validator.iter_errors(json.loads(message))] == []

    return run


def test_what_we_send_satisfies_the_schemas(check: Callable[[str, bytes], None]) -> None:
    url = "https://issuer.example/issuer/schemas"
    check("presentation-response-message-schema.json", dcp.encode_presentations(["a.b.c"]))
    check(
        "credential-message-schema.json",
        dcp.encode_credentials("issuer-pid", "holder-pid", [("MembershipCredential", "VC2_0_JOSE", "a.b.c")]),
    )
    check("credential-message-schema.json", dcp.encode_rejection("issuer-pid", "holder-pid", "no papers"))
    check("credential-request-message-schema.json", dcp.encode_request("holder-pid", ["urn:x:1"]))
    check("credential-offer-message-schema.json", dcp.encode_offer(ISSUER, first_types(), url))
    check("issuer-metadata-schema.json", dcp.encode_metadata(ISSUER, first_types(), url))
    for state in RequestState:
        check("credential-status-schema.json", dcp.encode_status("issuer-pid", "holder-pid", state))


def test_the_schemas_can_fail(check: Callable[[str, bytes], None]) -> None:
    with pytest.raises(AssertionError):
        check("credential-request-message-schema.json", b'{"type": "CredentialRequestMessage"}')


def test_the_official_examples_are_read(conformance: Path) -> None:
    issuance, presentation = (conformance / "dcp" / name / "example" for name in ("issuance", "presentation"))
    message = dcp.decode_credentials((issuance / "credential-message.json").read_bytes())
    assert (message.holder_pid, message.is_issued) == ("holderPid", True)
    assert message.envelopes == ("<JWT-STRING>", "<LD-Object>")
    rejected = dcp.decode_credentials((issuance / "credential-message-rejected.json").read_bytes())
    assert (rejected.is_issued, rejected.reason) == (False, "final approval not granted")
    request = dcp.decode_request((issuance / "credential-request-message.json").read_bytes())
    assert request.type_ids == (
        "d5c77b0e-7f4e-4fd5-8c5f-28b5fc3f96d1",
        "c0f81e68-6d35-4f9d-bc04-51e511b2e46c",
    )
    offer = dcp.decode_offer((issuance / "credential-offer-message.json").read_bytes(), "offer-1", 1_000)
    assert [one.credential_type for one in offer.credentials] == ["CompanyCredential"]
    (supported,) = dcp.decode_metadata((issuance / "issuer-metadata.json").read_bytes())
    assert supported.credential_type == "CompanyCredential"
    assert dcp.decode_query((presentation / "presentation-query-message.json").read_bytes())
    with pytest.raises(dcp.UnsupportedQuery):
        dcp.decode_query(
            (presentation / "presentation-query-message-w-presentation-definition.json").read_bytes()
        )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"type": "PresentationQueryMessage", "scope": ["a"]}',
        b'{"@context": ["https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"], "type": "Other", "scope": ["a"]}',
        b'{"@context": ["https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"], "type": "PresentationQueryMessage", "scope": []}',
        b'{"@context": ["https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"], "type": "PresentationQueryMessage", "scope": [1]}',
    ],
)
def test_a_malformed_query_is_refused(body: bytes) -> None:
    with pytest.raises(dcp.MalformedDcpMessage):
        dcp.decode_query(body)
