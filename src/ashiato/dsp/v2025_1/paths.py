"""Where messages go, relative to the provider's base URL or the callback address (DSP 2025-1, 6.2, 8.2, 8.3,
10.2, 10.3).
"""

from urllib.parse import quote

from ashiato.dsp import messages
from ashiato.dsp.messages import Message
from ashiato.dsp.states import Role

CATALOG_REQUEST = "catalog/request"
NEGOTIATION_REQUEST = "negotiations/request"
NEGOTIATION_OFFERS = "negotiations/offers"
TRANSFER_REQUEST = "transfers/request"

_TO_EITHER: dict[type[Message], str] = {
    messages.ContractNegotiationEventMessage: "negotiations/{pid}/events",
    messages.ContractNegotiationTerminationMessage: "negotiations/{pid}/termination",
    messages.TransferStartMessage: "transfers/{pid}/start",
    messages.TransferSuspensionMessage: "transfers/{pid}/suspension",
    messages.TransferCompletionMessage: "transfers/{pid}/completion",
    messages.TransferTerminationMessage: "transfers/{pid}/termination",
}
_TO_PROVIDER: dict[type[Message], str] = {
    messages.CatalogRequestMessage: CATALOG_REQUEST,
    messages.ContractRequestMessage: "negotiations/{pid}/request",
    messages.ContractAgreementVerificationMessage: "negotiations/{pid}/agreement/verification",
    messages.TransferRequestMessage: TRANSFER_REQUEST,
    **_TO_EITHER,
}
_TO_CONSUMER: dict[type[Message], str] = {
    messages.ContractOfferMessage: "negotiations/{pid}/offers",
    messages.ContractAgreementMessage: "negotiations/{pid}/agreement",
    **_TO_EITHER,
}
_OPENING: dict[type[Message], str] = {
    messages.ContractRequestMessage: NEGOTIATION_REQUEST,
    messages.ContractOfferMessage: NEGOTIATION_OFFERS,
}


def delivery_path(message: Message, receiver_role: Role, peer_pid: str | None) -> str:
    """The path to POST `message` to, without a leading slash; `peer_pid` is the receiver's own id of the
    process.

    It is None only for messages that open a conversation. Raises ValueError where the receiver's role has no
    endpoint for the message or the id is missing.
    """
    kind = type(message)
    if peer_pid is None and kind in _OPENING:
        return _OPENING[kind]
    template = (_TO_PROVIDER if receiver_role is Role.PROVIDER else _TO_CONSUMER).get(kind)
    if template is None:
        raise ValueError(f"a {receiver_role.lower()} has no endpoint for {kind.__name__}")
    if "{pid}" not in template:
        return template
    if peer_pid is None:
        raise ValueError(f"{kind.__name__} needs the receiver's process id")
    return template.replace("{pid}", _segment(peer_pid))


def negotiation_path(pid: str) -> str:
    """The path to GET the receiver's state of a negotiation by its own id."""
    return f"negotiations/{_segment(pid)}"


def transfer_path(pid: str) -> str:
    """The path to GET the receiver's state of a transfer by its own id.

    The specification binds it for providers only; the official test kit asks consumers too.
    """
    return f"transfers/{_segment(pid)}"


def dataset_path(dataset_id: str) -> str:
    """The path to GET one dataset."""
    return f"catalog/datasets/{_segment(dataset_id)}"


def _segment(identifier: str) -> str:
    if identifier in ("", ".", ".."):
        raise ValueError(f"{identifier!r} cannot stand as one segment of a path")
    return quote(identifier, safe=":@!$&'()*+,;=")
