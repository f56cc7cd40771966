import re
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from ashiato.api.management.answers import STATUS_OF
from ashiato.api.management.models import contracts, offering, operations, processes
from ashiato.connector import records, sources
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.transfer import TransferProcess
from tests.api.management.program import Program

# What the API does not show of a record, and why.
HIDDEN: dict[type[msgspec.Struct], set[str]] = {
    records.ReceivedData: {"file_name"},  # a name on this node's disk
    records.Webhook: {"told_sequence"},  # bookkeeping of the teller
    # Shown under other names (own_pid, agreement, own_id), or bookkeeping of the state machine.
    ContractNegotiation: {"own_id", "own_pid", "agreement", "applied", "opened_by"},
    # The data address holds a token; the rest as above.
    TransferProcess: {"own_id", "own_pid", "data_address", "applied", "moved_by", "is_push", "suspended_by"},
}
OUTSIDE = {
    "peer_id": "partner",
    "peer_pid": "partner_pid",
    "peer_address": "partner_address",
    "dataset_id": "asset_id",
}


def operations_of(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


async def test_every_operation_but_health_declares_the_keys(program: Program) -> None:
    for _, path, operation in operations_of(program.app.openapi()):
        schemes = sorted(name for choice in operation.get("security", []) for name in choice)
        assert schemes == ([] if path == "/v1/health" else ["apiKey", "bearer"]), path


async def test_every_operation_documents_its_problems_as_problem_documents(program: Program) -> None:
    for method, path, operation in operations_of(program.app.openapi()):
        if path == "/v1/health":
            continue
        statuses = {int(status) for status in operation["responses"]}
        assert {401, 404, 422, 500, 503} <= statuses, (method, path)
        assert not any(300 <= status < 400 for status in statuses)
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            assert {400, 413, 415} <= statuses, (method, path)


async def test_no_schema_of_the_framework_shines_through(program: Program) -> None:
    schemas = program.app.openapi()["components"]["schemas"]
    assert "Problem" in schemas
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)


async def test_every_operation_and_member_says_what_it_is(program: Program) -> None:
    document = program.app.openapi()
    assert all(operation.get("summary") for _, _, operation in operations_of(document))
    named = [
        schema for name, schema in document["components"]["schemas"].items() if not name.startswith("Page_")
    ]
    assert all("description" in schema for schema in named if schema.get("type") == "object")


async def test_every_operation_has_an_id_of_its_own(program: Program) -> None:
    ids = [operation["operationId"] for _, _, operation in operations_of(program.app.openapi())]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z_]+", operation_id) for operation_id in ids)


def test_every_status_has_a_code_that_reads_as_words() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in STATUS_OF)
    assert set(STATUS_OF.values()) == {400, 401, 403, 404, 405, 409, 413, 415, 416, 422, 429, 500, 502, 503}


@pytest.mark.parametrize(
    ("model", "place"),
    [
        (offering.RecordSource, sources.RecordPlace),
        (offering.FileSource, sources.FilePlace),
        (offering.S3Source, sources.S3Place),
        (offering.SqlSource, sources.SqlPlace),
        (offering.HttpSource, sources.HttpPlace),
    ],
)
def test_a_source_has_the_members_that_the_connector_reads(
    model: type[BaseModel], place: type[msgspec.Struct]
) -> None:
    assert set(model.model_fields) - {"kind"} == set(place.__struct_fields__)
    defaults = {field.name: field.default for field in msgspec.structs.fields(place) if not field.required}
    for name, default in defaults.items():
        if default is not msgspec.NODEFAULT:
            assert model.model_fields[name].default == default


@pytest.mark.parametrize(
    ("model", "record"),
    [
        (offering.Asset, records.Asset),
        (offering.Policy, records.PolicyDefinition),
        (offering.Offer, records.OfferDefinition),
        (contracts.Agreement, records.AgreementRecord),
        (contracts.Framework, records.FrameworkContract),
        (contracts.Paper, records.PaperContract),
        (processes.Approval, records.Approvable),
        (processes.Fetch, records.Fetch),
        (processes.Received, records.ReceivedData),
        (processes.Access, records.AccessRecord),
        (processes.Negotiation, ContractNegotiation),
        (processes.Transfer, TransferProcess),
        (operations.HistoryEntry, records.HistoryEntry),
        (operations.Webhook, records.Webhook),
    ],
)
def test_nothing_of_a_record_is_forgotten_by_accident(
    model: type[BaseModel], record: type[msgspec.Struct]
) -> None:
    members = {OUTSIDE.get(name, name) for name in record.__struct_fields__}
    assert members - set(model.model_fields) == HIDDEN.get(record, set()) & members
