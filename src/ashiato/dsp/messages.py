"""The protocol's messages as frozen values; the wire of one version is spelled in that version's folder only.

Policies (`offer`, `agreement`) stay plain JSON objects, so that members which we do not know survive. Every
message has `message_id` (the sender's own id of it, by which a retry is recognised), `context` (the foreign
JSON-LD contexts in the order received) and `extensions` (unknown members, kept and passed on).
"""

from enum import StrEnum

import msgspec

from ashiato.dsp.states import NegotiationState, TransferState

Policy = dict[str, object]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What all messages carry."""

    message_id: str | None = None
    context: tuple[str, ...] = ()
    extensions: dict[str, object] = msgspec.field(default_factory=dict)


class DataAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where data is taken from (pull) or sent to (push), and with which credentials (9.2.1, 9.2.2)."""

    endpoint_type: str
    endpoint: str | None = None
    properties: dict[str, str] = msgspec.field(default_factory=dict)
    extensions: dict[str, object] = msgspec.field(default_factory=dict)


class NegotiationEventType(StrEnum):
    """ACCEPTED is the consumer's event, FINALIZED the provider's (DSP 2025-1, 7.2.5)."""

    ACCEPTED = "ACCEPTED"
    FINALIZED = "FINALIZED"


class CatalogRequestMessage(Message, frozen=True, kw_only=True):
    """The consumer asks for the catalog; `filter` is specific to the implementation (DSP 2025-1, 5.2.1)."""

    filter: list[object] = msgspec.field(default_factory=list)


class DatasetRequestMessage(Message, frozen=True, kw_only=True):
    """The consumer asks for one dataset (DSP 2025-1, 5.2.2; the HTTPS binding uses GET instead)."""

    dataset_id: str


class ContractRequestMessage(Message, frozen=True, kw_only=True):
    """The consumer opens a negotiation (`callback_address`) or answers an offer (`provider_pid`); 7.2.1."""

    consumer_pid: str
    offer: Policy
    provider_pid: str | None = None
    callback_address: str | None = None


class ContractOfferMessage(Message, frozen=True, kw_only=True):
    """The provider opens a negotiation (`callback_address`) or answers a request (`consumer_pid`); 7.2.2."""

    provider_pid: str
    offer: Policy
    consumer_pid: str | None = None
    callback_address: str | None = None


class ContractAgreementMessage(Message, frozen=True, kw_only=True):
    """The provider agrees and states the complete agreement (7.2.3)."""

    provider_pid: str
    consumer_pid: str
    agreement: Policy


class ContractAgreementVerificationMessage(Message, frozen=True, kw_only=True):
    """The consumer confirms the agreement (7.2.4)."""

    provider_pid: str
    consumer_pid: str


class ContractNegotiationEventMessage(Message, frozen=True, kw_only=True):
    """The consumer accepts the offer, or the provider finalizes the agreement (7.2.5)."""

    provider_pid: str
    consumer_pid: str
    event_type: NegotiationEventType


class ContractNegotiationTerminationMessage(Message, frozen=True, kw_only=True):
    """Either side ends the negotiation (7.2.6)."""

    provider_pid: str
    consumer_pid: str
    code: str | None = None
    reason: tuple[object, ...] = ()


class ContractNegotiationAck(Message, frozen=True, kw_only=True):
    """The answer of a side that names its state of the negotiation (7.3.1); on the wire a
    ContractNegotiation.
    """

    provider_pid: str
    consumer_pid: str
    state: NegotiationState


class TransferRequestMessage(Message, frozen=True, kw_only=True):
    """The consumer asks for data under an agreement; `data_address` only for a push (9.2.1)."""

    consumer_pid: str
    agreement_id: str
    format: str
    callback_address: str
    data_address: DataAddress | None = None


class TransferStartMessage(Message, frozen=True, kw_only=True):
    """The data can be had; for a pull the provider says where (9.2.2)."""

    provider_pid: str
    consumer_pid: str
    data_address: DataAddress | None = None


class TransferSuspensionMessage(Message, frozen=True, kw_only=True):
    """Either side pauses the transfer (9.2.3)."""

    provider_pid: str
    consumer_pid: str
    code: str | None = None
    reason: tuple[object, ...] = ()


class TransferCompletionMessage(Message, frozen=True, kw_only=True):
    """Either side declares the transfer complete (9.2.4)."""

    provider_pid: str
    consumer_pid: str


class TransferTerminationMessage(Message, frozen=True, kw_only=True):
    """Either side ends the transfer (9.2.5)."""

    provider_pid: str
    consumer_pid: str
    code: str | None = None
    reason: tuple[object, ...] = ()


class TransferProcessAck(Message, frozen=True, kw_only=True):
    """The answer of a side that names its state of the transfer (9.3.1); on the wire a TransferProcess."""

    provider_pid: str
    consumer_pid: str
    state: TransferState


class CatalogError(Message, frozen=True, kw_only=True):
    """A catalog request was refused (5.3.3)."""

    code: str | None = None
    reason: tuple[object, ...] = ()


class ContractNegotiationError(Message, frozen=True, kw_only=True):
    """A negotiation message was refused; no state changed (7.3.2)."""

    provider_pid: str
    consumer_pid: str
    code: str | None = None
    reason: tuple[object, ...] = ()


class TransferError(Message, frozen=True, kw_only=True):
    """A transfer message was refused; no state changed (9.3.2)."""

    provider_pid: str
    consumer_pid: str
    code: str | None = None
    reason: tuple[object, ...] = ()


NegotiationMessage = (
    ContractRequestMessage
    | ContractOfferMessage
    | ContractAgreementMessage
    | ContractAgreementVerificationMessage
    | ContractNegotiationEventMessage
    | ContractNegotiationTerminationMessage
)
TransferMessage = (
    TransferRequestMessage
    | TransferStartMessage
    | TransferSuspensionMessage
    | TransferCompletionMessage
    | TransferTerminationMessage
)
