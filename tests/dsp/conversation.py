"""Processes in every state and messages of every kind, as the tests of this room need them."""

from ashiato.dsp.messages import (
    ContractAgreementMessage,
    ContractAgreementVerificationMessage,
    ContractNegotiationEventMessage,
    ContractNegotiationTerminationMessage,
    ContractOfferMessage,
    ContractRequestMessage,
    DataAddress,
    NegotiationEventType,
    NegotiationMessage,
    Policy,
    TransferCompletionMessage,
    TransferMessage,
    TransferRequestMessage,
    TransferStartMessage,
    TransferSuspensionMessage,
    TransferTerminationMessage,
)
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState, Role, TransferState
from ashiato.dsp.transfer import TransferProcess

PROVIDER_ID = "did:web:maker.example"
CONSUMER_ID = "did:web:cell.example"
PROVIDER_PID = "urn:uuid:provider-side"
CONSUMER_PID = "urn:uuid:consumer-side"
DATASET_ID = "urn:uuid:dataset"
RULES: list[object] = [
    {"action": "use", "constraint": [{"leftOperand": "count", "operator": "lteq", "rightOperand": "5"}]}
]
OFFER: Policy = {"@id": "urn:uuid:offer", "@type": "Offer", "target": DATASET_ID, "permission": RULES}
AGREEMENT: Policy = {
    "@id": "urn:uuid:agreement",
    "@type": "Agreement",
    "target": DATASET_ID,
    "assigner": PROVIDER_ID,
    "assignee": CONSUMER_ID,
    "timestamp": "2026-11-24T00:00:00Z",
    "permission": RULES,
}


def event(
    event_type: NegotiationEventType, *, message_id: str | None = None
) -> ContractNegotiationEventMessage:
    return ContractNegotiationEventMessage(
        provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, event_type=event_type, message_id=message_id
    )


def agreement_message(
    agreement: Policy = AGREEMENT, *, message_id: str | None = None
) -> ContractAgreementMessage:
    return ContractAgreementMessage(
        provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, agreement=agreement, message_id=message_id
    )


def counter_request(offer: Policy = OFFER, *, message_id: str | None = None) -> ContractRequestMessage:
    return ContractRequestMessage(
        provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, offer=offer, message_id=message_id
    )


def counter_offer(offer: Policy = OFFER, *, message_id: str | None = None) -> ContractOfferMessage:
    return ContractOfferMessage(
        provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, offer=offer, message_id=message_id
    )


def verification(*, message_id: str | None = None) -> ContractAgreementVerificationMessage:
    return ContractAgreementVerificationMessage(
        provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, message_id=message_id
    )


def termination(*, message_id: str | None = None) -> ContractNegotiationTerminationMessage:
    return ContractNegotiationTerminationMessage(
        provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, code="7", reason=("no",), message_id=message_id
    )


def opening_request(offer: Policy = OFFER, *, message_id: str | None = None) -> ContractRequestMessage:
    return ContractRequestMessage(
        consumer_pid=CONSUMER_PID,
        offer=offer,
        callback_address="https://cell.example/callback/",
        message_id=message_id,
    )


def opening_offer(offer: Policy = OFFER, *, message_id: str | None = None) -> ContractOfferMessage:
    return ContractOfferMessage(
        provider_pid=PROVIDER_PID,
        offer=offer,
        callback_address="https://maker.example/callback/",
        message_id=message_id,
    )


NEGOTIATION_MESSAGES: dict[str, NegotiationMessage] = {
    "request": counter_request(),
    "offer": counter_offer(),
    "accepted": event(NegotiationEventType.ACCEPTED),
    "agreement": agreement_message(),
    "verification": verification(),
    "finalized": event(NegotiationEventType.FINALIZED),
    "termination": termination(),
    "opening_request": opening_request(),
    "opening_offer": opening_offer(),
}

_PROVIDERS_OFFER = frozenset({NegotiationState.OFFERED, NegotiationState.ACCEPTED})
_AGREED = frozenset({NegotiationState.AGREED, NegotiationState.VERIFIED, NegotiationState.FINALIZED})


def negotiation_in(
    state: NegotiationState, role: Role, *, rounds: int = 1, opened_by: Role = Role.CONSUMER
) -> ContractNegotiation:
    """A negotiation that reached `state` by messages without ids."""
    provides = role is Role.PROVIDER
    return ContractNegotiation(
        role=role,
        own_id=PROVIDER_ID if provides else CONSUMER_ID,
        own_pid=PROVIDER_PID if provides else CONSUMER_PID,
        peer_id=CONSUMER_ID if provides else PROVIDER_ID,
        peer_pid=CONSUMER_PID if provides else PROVIDER_PID,
        peer_address="https://peer.example",
        state=state,
        dataset_id=DATASET_ID,
        opened_by=opened_by,
        offer=OFFER,
        offer_by=Role.PROVIDER if state in _PROVIDERS_OFFER else Role.CONSUMER,
        agreement=AGREEMENT if state in _AGREED else None,
        rounds=rounds,
        created_ms=1,
        updated_ms=1,
    )


ADDRESS = DataAddress(
    endpoint_type="https://w3id.org/idsa/v4.1/HTTP",
    endpoint="https://maker.example/public",
    properties={"authorization": "first", "authType": "bearer"},
)
RENEWED_ADDRESS = DataAddress(
    endpoint_type="https://w3id.org/idsa/v4.1/HTTP",
    endpoint="https://maker.example/public",
    properties={"authorization": "second", "authType": "bearer"},
)


def transfer_request(
    data_address: DataAddress | None = None, *, message_id: str | None = None
) -> TransferRequestMessage:
    return TransferRequestMessage(
        consumer_pid=CONSUMER_PID,
        agreement_id="urn:uuid:agreement",
        format="HttpData-PULL",
        callback_address="https://cell.example/callback/",
        data_address=data_address,
        message_id=message_id,
    )


def start(data_address: DataAddress | None = None, *, message_id: str | None = None) -> TransferStartMessage:
    return TransferStartMessage(
        provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, data_address=data_address, message_id=message_id
    )


def suspension(*, message_id: str | None = None) -> TransferSuspensionMessage:
    return TransferSuspensionMessage(
        provider_pid=PROVIDER_PID,
        consumer_pid=CONSUMER_PID,
        code="9",
        reason=("later",),
        message_id=message_id,
    )


def completion(*, message_id: str | None = None) -> TransferCompletionMessage:
    return TransferCompletionMessage(
        provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, message_id=message_id
    )


def transfer_termination(*, message_id: str | None = None) -> TransferTerminationMessage:
    return TransferTerminationMessage(
        provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, code="7", reason=("no",), message_id=message_id
    )


TRANSFER_MESSAGES: dict[str, TransferMessage] = {
    "request": transfer_request(),
    "start": start(),
    "renewing_start": start(RENEWED_ADDRESS),
    "suspension": suspension(),
    "completion": completion(),
    "termination": transfer_termination(),
}


def transfer_in(state: TransferState, role: Role, moved_by: Role) -> TransferProcess:
    """A pull that `moved_by` brought to `state` by messages without ids."""
    provides = role is Role.PROVIDER
    return TransferProcess(
        role=role,
        own_pid=PROVIDER_PID if provides else CONSUMER_PID,
        peer_id=CONSUMER_ID if provides else PROVIDER_ID,
        peer_pid=CONSUMER_PID if provides else PROVIDER_PID,
        peer_address="https://peer.example",
        state=state,
        agreement_id="urn:uuid:agreement",
        format="HttpData-PULL",
        data_address=None if state is TransferState.REQUESTED else ADDRESS,
        moved_by=moved_by,
        suspended_by=moved_by if state is TransferState.SUSPENDED else None,
        created_ms=1,
        updated_ms=1,
    )
