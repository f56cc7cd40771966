"""Messages from and to their bytes; what the official schemas refuse is refused, on the way in and on the way
out.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar, cast

import msgspec

from ashiato.dsp import messages
from ashiato.dsp.errors import MalformedMessage, UnsendableMessage
from ashiato.dsp.messages import DataAddress, Message, NegotiationEventType
from ashiato.dsp.states import NegotiationState, TransferState
from ashiato.dsp.v2025_1 import policies
from ashiato.dsp.v2025_1.addresses import read_address, write_address
from ashiato.dsp.v2025_1.wire import (
    CONTEXT_URL,
    Refusal,
    foreign_contexts,
    optional_items,
    optional_text,
    parse_object,
    refuse,
    require_const,
    require_text,
    unknown_members,
)

M = TypeVar("M", bound=Message)
_Document = dict[str, object]
_Reader = Callable[[_Document, str], object]
_Writer = Callable[[object], object]

_encode_json = msgspec.json.Encoder().encode


class _Member(msgspec.Struct, frozen=True):
    """How one member travels: its wire name, its field, its reader, and its writer where the field is not
    JSON yet.
    """

    wire: str
    field: str
    read: _Reader
    write: _Writer | None = None


class _Shape(msgspec.Struct, frozen=True):
    wire: str
    members: tuple[_Member, ...]
    known: frozenset[str]
    either: tuple[str, str] | None


def _text(wire: str, field: str) -> _Member:
    return _Member(wire, field, require_text)


def _maybe_text(wire: str, field: str) -> _Member:
    return _Member(wire, field, optional_text)


def _state(wire: str, field: str, kind: type[StrEnum]) -> _Member:
    values: dict[object, StrEnum] = {state.value: state for state in kind}

    def read(document: _Document, member: str) -> object:
        value = document.get(member)
        if type(value) is not str or value not in values:
            refuse(member, f"must be one of {', '.join(kind)}")
        return values[value]

    return _Member(wire, field, read)


def _policy(wire: str, check: Callable[[object, str], bool]) -> _Member:
    def read(document: _Document, member: str) -> object:
        if member not in document:
            refuse(member, "is missing")
        check(document[member], member)
        return document[member]

    def write(policy: object) -> object:
        return policies.with_text_operands(cast(_Document, policy)) if check(policy, wire) else policy

    return _Member(wire, wire, read, write)


def _check_request_offer(value: object, path: str) -> bool:
    return policies.check_message_offer(value, path, target_required=False)


def _check_offer(value: object, path: str) -> bool:
    return policies.check_message_offer(value, path, target_required=True)


def _read_reason(document: _Document, member: str) -> object:
    return tuple(optional_items(document, member, ""))


def _read_any_reason(document: _Document, member: str) -> object:
    return tuple(optional_items(document, member, "", at_least=0))


def _write_filled(items: object) -> object:
    return items or None


def _read_filter(document: _Document, member: str) -> object:
    return optional_items(document, member, "", at_least=0)


def _read_data_address(document: _Document, member: str) -> object:
    return read_address(document[member], member) if member in document else None


def _write_data_address(address: object) -> object:
    return write_address(cast(DataAddress, address))


_PROVIDER = _text("providerPid", "provider_pid")
_CONSUMER = _text("consumerPid", "consumer_pid")
_PIDS = (_PROVIDER, _CONSUMER)
_CALLBACK = _maybe_text("callbackAddress", "callback_address")
_CODE = _maybe_text("code", "code")
_REASON = _Member("reason", "reason", _read_reason, _write_filled)
_ADDRESS = _Member("dataAddress", "data_address", _read_data_address, _write_data_address)
_ALWAYS_KNOWN = frozenset({"@context", "@type", "@id"})


def _shape(wire: str, *members: _Member, either: tuple[str, str] | None = None) -> _Shape:
    return _Shape(wire, members, _ALWAYS_KNOWN | {member.wire for member in members}, either)


_SHAPES: dict[type[Message], _Shape] = {
    messages.CatalogRequestMessage: _shape(
        "CatalogRequestMessage", _Member("filter", "filter", _read_filter, _write_filled)
    ),
    messages.DatasetRequestMessage: _shape("DatasetRequestMessage", _text("dataset", "dataset_id")),
    messages.CatalogError: _shape(
        "CatalogError", _CODE, _Member("reason", "reason", _read_any_reason, _write_filled)
    ),
    messages.ContractRequestMessage: _shape(
        "ContractRequestMessage",
        _maybe_text("providerPid", "provider_pid"),
        _CONSUMER,
        _policy("offer", _check_request_offer),
        _CALLBACK,
        either=("callbackAddress", "providerPid"),
    ),
    messages.ContractOfferMessage: _shape(
        "ContractOfferMessage",
        _PROVIDER,
        _maybe_text("consumerPid", "consumer_pid"),
        _policy("offer", _check_offer),
        _CALLBACK,
        either=("callbackAddress", "consumerPid"),
    ),
    messages.ContractAgreementMessage: _shape(
        "ContractAgreementMessage", *_PIDS, _policy("agreement", policies.check_agreement)
    ),
    messages.ContractAgreementVerificationMessage: _shape("ContractAgreementVerificationMessage", *_PIDS),
    messages.ContractNegotiationEventMessage: _shape(
        "ContractNegotiationEventMessage", *_PIDS, _state("eventType", "event_type", NegotiationEventType)
    ),
    messages.ContractNegotiationTerminationMessage: _shape(
        "ContractNegotiationTerminationMessage", *_PIDS, _CODE, _REASON
    ),
    messages.ContractNegotiationAck: _shape(
        "ContractNegotiation", *_PIDS, _state("state", "state", NegotiationState)
    ),
    messages.ContractNegotiationError: _shape("ContractNegotiationError", *_PIDS, _CODE, _REASON),
    messages.TransferRequestMessage: _shape(
        "TransferRequestMessage",
        _CONSUMER,
        _text("agreementId", "agreement_id"),
        _text("format", "format"),
        _text("callbackAddress", "callback_address"),
        _ADDRESS,
    ),
    messages.TransferStartMessage: _shape("TransferStartMessage", *_PIDS, _ADDRESS),
    messages.TransferSuspensionMessage: _shape("TransferSuspensionMessage", *_PIDS, _CODE, _REASON),
    messages.TransferCompletionMessage: _shape("TransferCompletionMessage", *_PIDS),
    messages.TransferTerminationMessage: _shape("TransferTerminationMessage", *_PIDS, _CODE, _REASON),
    messages.TransferProcessAck: _shape("TransferProcess", *_PIDS, _state("state", "state", TransferState)),
    messages.TransferError: _shape("TransferError", *_PIDS, _CODE, _REASON),
}


def wire_name(kind: type[Message]) -> str:
    """The `@type` that messages of this kind carry."""
    return _SHAPES[kind].wire


def decode(kind: type[M], data: bytes) -> M:
    """The message in `data`, which must be of this kind.

    Raises `MalformedMessage` for whatever the official schema of the kind refuses, save an integer right
    operand.
    """
    shape = _SHAPES[kind]
    document = parse_object(shape.wire, data)
    try:
        return msgspec.convert(_read(shape, document), kind)
    except Refusal as refusal:
        raise MalformedMessage(shape.wire, refusal.path, refusal.problem) from None


def named_pids(data: bytes) -> tuple[str, str]:
    """The providerPid and the consumerPid in a document that is no message, as far as it names them; else "".

    For the error object that answers it, which must name both (7.3.2, 9.3.2).
    """
    try:
        document = parse_object("", data)
    except MalformedMessage:
        return "", ""
    provider_pid, consumer_pid = (document.get(member.wire) for member in _PIDS)
    return (
        provider_pid if isinstance(provider_pid, str) else "",
        consumer_pid if isinstance(consumer_pid, str) else "",
    )


def _read(shape: _Shape, document: _Document) -> dict[str, object]:
    fields: dict[str, object] = {"context": foreign_contexts(document)}
    require_const(document, "@type", shape.wire)
    for member in shape.members:
        fields[member.field] = member.read(document, member.wire)
    _check_either(shape, document)
    if not shape.known.issuperset(document):
        fields["extensions"] = unknown_members(document, shape.known)
    message_id = document.get("@id")
    if type(message_id) is str:
        fields["message_id"] = message_id
    elif "@id" in document:
        # The schemas leave @id open: what is no id is kept as any other member that we do not understand.
        fields["extensions"] = {"@id": message_id, **unknown_members(document, shape.known)}
    return fields


def _check_either(shape: _Shape, document: _Document) -> None:
    if shape.either is None:
        return
    first, second = shape.either
    if (first in document) == (second in document):
        refuse("", f"must hold exactly one of {first} and {second}")


def encode(message: Message) -> bytes:
    """The message as it goes over the wire; every document that leaves here satisfies the official schema.

    Integer right operands leave as strings. Raises `UnsendableMessage` where our own values break the schema.
    """
    shape = _SHAPES[type(message)]
    document: _Document = {"@context": [CONTEXT_URL, *message.context], "@type": shape.wire}
    if message.message_id is not None:
        document["@id"] = message.message_id
    try:
        for member in shape.members:
            value = getattr(message, member.field)
            if value is not None and member.write is not None:
                value = member.write(value)
            if value is not None:
                document[member.wire] = value
        _check_either(shape, document)
    except Refusal as refusal:
        raise UnsendableMessage(shape.wire, refusal.path, refusal.problem) from None
    for member_name, value in message.extensions.items():
        # A member that the protocol defines may come from its field only, else the checks above mean nothing.
        if member_name in shape.known and member_name != "@id":
            raise UnsendableMessage(shape.wire, member_name, "stands among the extensions")
        document.setdefault(member_name, value)
    return _encode_json(document)
