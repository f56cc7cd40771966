"""The decoder accepts exactly what the official schemas accept, and what we encode they accept."""

import json
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ashiato.dsp.errors import MalformedMessage
from ashiato.dsp.messages import Message
from ashiato.dsp.v2025_1 import encode
from tests.dsp.wire_documents import (
    RICH,
    Document,
    examples,
    mutations,
    reader,
    type_name,
    with_text_operands,
)
from tests.dsp_schemas import DspSchemas

CATALOG: Document = next(document for document in RICH if document["@type"] == "Catalog")
OFFICIAL = [
    "catalog-error.json", "catalog-request-message.json", "catalog.json", "contract-agreement-message-full.json",
    "contract-agreement-message.json", "contract-agreement-verification-message.json",
    "contract-negotiation-error.json", "contract-negotiation-event-message.json",
    "contract-negotiation-termination-message.json", "contract-negotiation.json", "contract-offer-message.json",
    "contract-offer-message_initial.json", "contract-request-message.json", "contract-request-message_initial.json",
    "dataset-request-message.json", "dataset.json", "nested-catalog.json", "protocol-version.json",
    "transfer-completion-message.json", "transfer-error.json", "transfer-process.json",
    "transfer-request-message.json", "transfer-start-message.json", "transfer-suspension-message.json",
    "transfer-termination-message.json",
]  # fmt: skip


def without_empty_filter(document: object) -> object:
    """An empty filter filters nothing; it is not sent."""
    members = dict(document) if isinstance(document, dict) else {}
    return {member: value for member, value in members.items() if (member, value) != ("filter", [])}


def test_no_official_example_is_left_out(conformance: Path) -> None:
    assert sorted(examples(conformance / "dsp")) == OFFICIAL


@pytest.mark.parametrize("name", OFFICIAL)
def test_an_official_example_is_read_and_written_again(
    name: str, conformance: Path, dsp_schemas: DspSchemas
) -> None:
    document = examples(conformance / "dsp")[name]
    assert dsp_schemas.faults(document, as_type=type_name(document)) == []
    value = reader(document)(json.dumps(document).encode())
    if isinstance(value, Message):
        encoded = encode(value)
        assert json.loads(encoded) == without_empty_filter(document)
        assert reader(document)(encoded) == value
        assert dsp_schemas.faults(encoded) == []


@pytest.mark.parametrize("document", RICH, ids=type_name)
def test_a_document_with_all_that_is_allowed_is_read(document: Document, dsp_schemas: DspSchemas) -> None:
    assert dsp_schemas.faults(document) == []
    value = reader(document)(json.dumps(document).encode())
    if isinstance(value, Message):
        assert json.loads(encode(value)) | {"@context": 0} == document | {"@context": 0}


ATOMIC: Document = {"leftOperand": "a", "operator": "eq", "rightOperand": "b"}
HALF: Document = {"leftOperand": "a", "operator": "eq"}


def requesting(constraint: Document) -> Document:
    offer = {"@id": "o", "@type": "Offer", "permission": [{"action": "use", "constraint": [constraint]}]}
    return {**RICH[1], "offer": offer}


def agreed_at(timestamp: str) -> Document:
    agreement = RICH[0]["agreement"]
    assert isinstance(agreement, dict)
    return {**RICH[0], "agreement": {**agreement, "timestamp": timestamp}}


@pytest.mark.parametrize(
    ("document", "accepted"),
    [
        (requesting({"and": [ATOMIC], **ATOMIC}), False),
        (requesting({"and": [HALF], **ATOMIC}), True),
        (requesting({"and": "x", **ATOMIC}), True),
        (requesting({"and": [HALF], **HALF}), False),
        (requesting({"and": [ATOMIC], **HALF}), True),
        (requesting({"and": [ATOMIC], "or": [ATOMIC]}), False),
        (requesting({"and": [ATOMIC], "or": [ATOMIC], **ATOMIC}), True),
        (requesting({"and": []}), True),
        (requesting({}), False),
        (agreed_at("2026-11-24T24:00:00"), True),
        (agreed_at("on 2026-11-24T00:00:00Z at the latest"), True),
        (agreed_at("2026-11-24"), False),
        (agreed_at("2026-13-24T00:00:00Z"), False),
        ({**CATALOG, "hasPolicy": []}, False),
        ({**CATALOG, "dataset": []}, False),
        ({**CATALOG, "catalog": [{"@id": "x"}]}, False),
        ({**CATALOG, "catalog": [{"@id": "x", "@type": "Catalog"}]}, True),
    ],
)
def test_where_the_schema_surprises_the_decoder_agrees(
    document: Document, accepted: bool, dsp_schemas: DspSchemas
) -> None:
    assert dsp_schemas.accepts(document) is accepted
    if accepted:
        reader(document)(json.dumps(document).encode())
    else:
        with pytest.raises(MalformedMessage):
            reader(document)(json.dumps(document).encode())


@settings(max_examples=600, deadline=None)
@given(data=st.data())
def test_decoder_and_schema_agree_on_every_variant(
    data: st.DataObject, conformance: Path, dsp_schemas: DspSchemas
) -> None:
    documents = [*RICH, *RICH, *examples(conformance / "dsp").values()]
    original, mutant = data.draw(mutations(documents))
    allowed = dsp_schemas.accepts(with_text_operands(mutant), as_type=type_name(original))
    event(f"allowed: {allowed}")
    if not allowed:
        with pytest.raises(MalformedMessage):
            reader(original)(json.dumps(mutant).encode())
        return
    value = reader(original)(json.dumps(mutant).encode())
    if isinstance(value, Message):
        encoded = encode(value)
        assert dsp_schemas.faults(encoded) == []
        sent, meant = with_text_operands(json.loads(encoded)), with_text_operands(mutant)
        assert reader(original)(json.dumps(sent).encode()) == reader(original)(json.dumps(meant).encode())
