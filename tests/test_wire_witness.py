"""The witness of the wire sees what leaves, and tells what the official schemas refuse."""

import os

import pytest

from ashiato.dsp import v2025_1 as wire
from ashiato.dsp.messages import ContractNegotiationAck
from ashiato.dsp.states import NegotiationState
from tests.plugins.wire_witness import Witness


def _present(witness: Witness | None) -> Witness:
    if witness is None:
        reason = "NOT PROVED: without the official schemas nothing is witnessed"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    return witness


def test_the_witness_watches_what_the_programs_write(wire_witness: Witness | None) -> None:
    witness = _present(wire_witness)
    before_count = witness.seen_count
    wire.encode(ContractNegotiationAck(provider_pid="p", consumer_pid="c", state=NegotiationState.REQUESTED))
    assert witness.seen_count == before_count + 1
    assert witness.take_faults() == []


@pytest.mark.parametrize(
    "document",
    [
        b'{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"ContractNegotiation",'
        b'"providerPid":"p","consumerPid":"c","state":"HALTED"}',
        b'{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"Invented"}',
        b'{"@type":"CatalogError"}',
    ],
)
def test_the_witness_tells_what_a_schema_refuses(wire_witness: Witness | None, document: bytes) -> None:
    witness = _present(wire_witness)
    written = witness.watched(lambda: document)()
    assert written == document
    assert witness.take_faults() != []
