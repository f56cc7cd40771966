"""What the wire keeps, what it mends, and how it says what is wrong."""

import json

import pytest

from ashiato.dsp.errors import MalformedMessage, UnsendableMessage
from ashiato.dsp.messages import (
    CatalogError,
    CatalogRequestMessage,
    ContractAgreementMessage,
    ContractNegotiationAck,
    ContractNegotiationTerminationMessage,
    ContractOfferMessage,
    ContractRequestMessage,
    DataAddress,
    Message,
    Policy,
    TransferStartMessage,
)
from ashiato.dsp.states import NegotiationState
from ashiato.dsp.v2025_1 import CONTEXT_URL, decode, encode, wire_name
from tests.dsp.conversation import AGREEMENT, OFFER, agreement_message, opening_request
from tests.dsp.wire_documents import KINDS
from tests.dsp_schemas import DspSchemas

CATENAX = "https://w3id.org/catenax/2025/9/policy/context.jsonld"
REQUEST: dict[str, object] = {
    "@context": [CONTEXT_URL],
    "@type": "ContractRequestMessage",
    "consumerPid": "urn:uuid:c",
    "callbackAddress": "https://cell.example",
    "offer": OFFER,
}


def request_with(**members: object) -> bytes:
    return json.dumps({**REQUEST, **members}).encode()


def counted(operand: object) -> Policy:
    constraint = {"leftOperand": "count", "operator": "lteq", "rightOperand": operand}
    return {**OFFER, "permission": [{"action": "use", "constraint": [constraint]}]}


def test_every_message_has_its_wire_name() -> None:
    assert {wire_name(kind): kind for kind in KINDS.values()} == KINDS


def test_unknown_members_and_foreign_contexts_are_kept_and_passed_on() -> None:
    data = request_with(**{"@context": [CATENAX, CONTEXT_URL], "@id": "urn:uuid:m", "cx:note": {"a": [1]}})
    message = decode(ContractRequestMessage, data)
    assert message.context == (CATENAX,)
    assert message.message_id == "urn:uuid:m"
    assert message.extensions == {"cx:note": {"a": [1]}}
    sent = json.loads(encode(message))
    assert sent["@context"] == [CONTEXT_URL, CATENAX]
    assert sent["@id"] == "urn:uuid:m"
    assert sent["cx:note"] == {"a": [1]}


@pytest.mark.parametrize("others", [{}, {"note": 1}])
def test_an_id_that_is_no_text_is_kept_like_any_unknown_member(others: dict[str, object]) -> None:
    message = decode(ContractRequestMessage, request_with(**{"@id": 7, **others}))
    assert message.message_id is None
    assert message.extensions == {"@id": 7, **others}
    assert json.loads(encode(message))["@id"] == 7


def test_unknown_members_of_a_policy_are_kept_and_passed_on() -> None:
    offer: Policy = {**OFFER, "cx:framework": "F1", "permission": [{"action": "use", "cx:rank": 1}]}
    message = decode(ContractRequestMessage, request_with(offer=offer))
    assert message.offer == offer
    assert json.loads(encode(message))["offer"] == offer


def test_an_integer_right_operand_is_kept_as_received_and_sent_as_a_string(dsp_schemas: DspSchemas) -> None:
    message = decode(ContractRequestMessage, request_with(offer=counted(30)))
    assert message.offer == counted(30)
    encoded = encode(message)
    assert json.loads(encoded)["offer"] == counted("30")
    assert dsp_schemas.faults(encoded) == []
    assert message.offer == counted(30)


def test_an_integer_inside_a_logical_constraint_is_sent_as_a_string(dsp_schemas: DspSchemas) -> None:
    [rule] = [counted(30)["permission"]]
    assert isinstance(rule, list)
    nested: Policy = {
        **AGREEMENT,
        "permission": [{"action": "use", "constraint": [{"and": [{"or": rule[0]["constraint"]}]}]}],
    }
    encoded = encode(agreement_message(nested))
    assert dsp_schemas.faults(encoded) == []
    assert b'"rightOperand":"30"' in encoded


@pytest.mark.parametrize("operand", [True, 1.5, 30.0, None])
def test_no_other_bare_value_is_a_right_operand(operand: object) -> None:
    with pytest.raises(MalformedMessage, match="must be a string, an object or an array"):
        decode(ContractRequestMessage, request_with(offer=counted(operand)))


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"@type": "ContractOfferMessage"}, "@type"),
        ({"@context": CONTEXT_URL}, "@context"),
        ({"@context": [CATENAX]}, "@context"),
        ({"@context": [CONTEXT_URL, {}]}, "@context"),
        ({"consumerPid": 7}, "consumerPid"),
        ({"providerPid": "urn:uuid:p"}, ""),
        ({"offer": "urn:uuid:offer"}, "offer"),
        ({"offer": {**OFFER, "@type": "Agreement"}}, "offer.@type"),
        ({"offer": {**OFFER, "permission": []}}, "offer.permission"),
        ({"offer": {**OFFER, "permission": [{"action": {"@id": "use"}}]}}, "offer.permission[0].action"),
        ({"offer": {**OFFER, "obligation": [{}]}}, "offer.obligation[0].action"),
        ({"offer": {**OFFER, "profile": [1]}}, "offer.profile"),
        (
            {
                "offer": {
                    **OFFER,
                    "permission": [{"action": "use", "constraint": [{"or": [{"leftOperand": 1}]}]}],
                }
            },
            "offer.permission[0].constraint[0].or[0].leftOperand",
        ),
    ],
)
def test_a_refusal_names_the_message_and_the_member(members: dict[str, object], path: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        decode(ContractRequestMessage, request_with(**members))
    assert refused.value.message_type == "ContractRequestMessage"
    assert refused.value.path == path


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"[]", "must be a JSON object"),
        (b"", "Expecting"),
        (b'{"@type": "ContractRequestMessage", "@type": "x"}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", "deeper"),
        (b'{"a": "' + b"x" * 1_100_000 + b'"}', "at most"),
    ],
)
def test_what_is_not_strict_json_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(MalformedMessage, match=problem):
        decode(ContractRequestMessage, data)


def test_deeply_nested_constraints_cost_no_more_than_their_length() -> None:
    constraint: object = {"leftOperand": "a", "operator": "eq", "rightOperand": 1}
    for _ in range(27):
        constraint = {"and": [constraint], "rightOperand": 1}
    offer: Policy = {**OFFER, "permission": [{"action": "use", "constraint": [constraint]}]}
    message = decode(ContractRequestMessage, request_with(offer=offer))
    assert b'"rightOperand":1' not in encode(message)


def test_an_absent_reason_is_not_sent_and_an_empty_one_is_refused() -> None:
    message = ContractNegotiationTerminationMessage(provider_pid="p", consumer_pid="c")
    assert json.loads(encode(message)) == {
        "@context": [CONTEXT_URL],
        "@type": "ContractNegotiationTerminationMessage",
        "providerPid": "p",
        "consumerPid": "c",
    }
    empty = json.dumps({**json.loads(encode(message)), "reason": []}).encode()
    with pytest.raises(MalformedMessage, match="must not be empty"):
        decode(ContractNegotiationTerminationMessage, empty)


def test_an_acknowledgement_bears_its_wire_name() -> None:
    message = ContractNegotiationAck(provider_pid="p", consumer_pid="c", state=NegotiationState.AGREED)
    assert json.loads(encode(message))["@type"] == "ContractNegotiation"
    assert decode(ContractNegotiationAck, encode(message)) == message


def test_an_address_keeps_what_it_does_not_know() -> None:
    address = DataAddress(
        endpoint_type="t",
        endpoint="https://x.example",
        properties={"a": "b"},
        extensions={"region": {"eu": True}},
    )
    message = TransferStartMessage(provider_pid="p", consumer_pid="c", data_address=address)
    assert decode(TransferStartMessage, encode(message)) == message
    assert json.loads(encode(message))["dataAddress"] == {
        "region": {"eu": True},
        "@type": "DataAddress",
        "endpointType": "t",
        "endpoint": "https://x.example",
        "endpointProperties": [{"@type": "EndpointProperty", "name": "a", "value": "b"}],
    }


def test_a_filter_is_kept_as_it_came() -> None:
    message = CatalogRequestMessage(filter=[{"any": ["thing"]}])
    assert decode(CatalogRequestMessage, encode(message)) == message


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (opening_request({**OFFER, "permission": []}), "offer.permission"),
        (opening_request({"@id": "urn:uuid:o"}), "offer.@type"),
        (agreement_message({**AGREEMENT, "timestamp": "yesterday"}), "agreement.timestamp"),
        (
            ContractOfferMessage(provider_pid="p", consumer_pid="c", offer={**OFFER, "target": 7}),
            "offer.target",
        ),
        (ContractRequestMessage(consumer_pid="c", offer=OFFER), ""),
        (ContractRequestMessage(consumer_pid="c", provider_pid="p", callback_address="x", offer=OFFER), ""),
        (CatalogError(extensions={"code": 5}), "code"),
        (CatalogError(extensions={"@type": "CatalogRequestMessage"}), "@type"),
    ],
)
def test_what_every_peer_would_refuse_does_not_leave(message: Message, path: str) -> None:
    with pytest.raises(UnsendableMessage) as refused:
        encode(message)
    assert refused.value.path == path


def test_an_agreement_without_a_timestamp_is_accepted_as_the_schema_does() -> None:
    bare: Policy = {member: value for member, value in AGREEMENT.items() if member != "timestamp"}
    assert decode(ContractAgreementMessage, encode(agreement_message(bare))).agreement == bare
