"""The messages of the Decentralized Claims Protocol 1.0 as they stand on the wire; no other module spells them.

A reader asks for the members that its clause demands and passes over what it does not know.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.identity.issuing import CredentialType
from ashiato.identity.wallet import CredentialOffer, OfferedCredential, RequestState

CONTEXT = "https://w3id.org/dspace-dcp/v1.0/dcp.jsonld"
CREDENTIAL_SERVICE = "CredentialService"
ISSUER_SERVICE = "IssuerService"
QUERY_PATH = "presentations/query"
CREDENTIALS_PATH = "credentials"
OFFERS_PATH = "offers"
METADATA_PATH = "metadata"
REQUESTS_PATH = "requests"
PRE_AUTHORIZED_CODE = "pre-authorized_code"
CREDENTIAL_REQUEST_MESSAGE = "CredentialRequestMessage"
CREDENTIAL_MESSAGE = "CredentialMessage"
CREDENTIAL_OFFER_MESSAGE = "CredentialOfferMessage"

MOST_BODY_BYTES = 1_048_576
MOST_SCOPES_COUNT = 64
MOST_CREDENTIALS_COUNT = 64
_MAX_DEPTH = 32
_MAX_ID_CHARS = 1024
_MAX_TEXT_CHARS = 2000
_TYPE_URN = "urn:ashiato:credential-type:"


class MalformedDcpMessage(ValueError):
    """The sender must mend its message; the sentence says where."""


class UnsupportedQuery(ValueError):
    """A presentation definition, which DCP 1.0, 5.4.1.1 leaves to the credential service; ask by scope."""


class IssuedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A CredentialMessage (6.5.1); `envelopes` are the payloads, in their order."""

    issuer_pid: str
    holder_pid: str
    is_issued: bool
    envelopes: tuple[str, ...] = ()
    reason: str = ""


class RequestMessage(msgspec.Struct, frozen=True):
    """A CredentialRequestMessage (6.4.1)."""

    holder_pid: str
    type_ids: tuple[str, ...]


def decode_query(body: bytes) -> tuple[str, ...]:
    """The scopes of a PresentationQueryMessage (5.4.1); raises `MalformedDcpMessage` or `UnsupportedQuery`."""
    message = _message(body, "PresentationQueryMessage")
    if "presentationDefinition" in message:
        if "scope" in message:
            raise MalformedDcpMessage("A query has either a scope or a presentationDefinition, not both.")
        if not isinstance(message["presentationDefinition"], dict) or not message["presentationDefinition"]:
            raise MalformedDcpMessage("presentationDefinition is empty.")
        raise UnsupportedQuery("This credential service answers queries by scope only.")
    scopes = _texts(message, "scope", MOST_SCOPES_COUNT)
    if not scopes:
        raise MalformedDcpMessage("scope is empty; name what is asked for.")
    return scopes


def encode_presentations(presentations: Sequence[str]) -> bytes:
    """A PresentationResponseMessage (5.4.2)."""
    return _encode("PresentationResponseMessage", {"presentation": list(presentations)})


def decode_credentials(body: bytes) -> IssuedMessage:
    """A CredentialMessage (6.5.1); raises `MalformedDcpMessage`."""
    message = _message(body, CREDENTIAL_MESSAGE)
    status = message.get("status")
    if status not in ("ISSUED", "REJECTED"):
        raise MalformedDcpMessage("status is neither ISSUED nor REJECTED.")
    containers = _list(message, "credentials", MOST_CREDENTIALS_COUNT) if status == "ISSUED" else []
    if status == "ISSUED" and not containers:
        raise MalformedDcpMessage("credentials is empty.")
    envelopes = []
    for container in containers:
        if not isinstance(container, dict):
            raise MalformedDcpMessage("A member of credentials is not an object.")
        _text(container, "credentialType")
        _text(container, "format")
        envelopes.append(_text(container, "payload", most_chars=MOST_BODY_BYTES))
    reason = message.get("rejectionReason", "")
    return IssuedMessage(
        issuer_pid=_text(message, "issuerPid"),
        holder_pid=_text(message, "holderPid"),
        is_issued=status == "ISSUED",
        envelopes=tuple(envelopes),
        reason=reason[:_MAX_TEXT_CHARS] if isinstance(reason, str) else "",
    )


def encode_credentials(
    issuer_pid: str, holder_pid: str, credentials: Iterable[tuple[str, str, str]]
) -> bytes:
    """A CredentialMessage with (credentialType, format, payload) of each credential."""
    containers = [
        {"credentialType": type_, "format": format_, "payload": payload}
        for type_, format_, payload in credentials
    ]
    members = {
        "issuerPid": issuer_pid,
        "holderPid": holder_pid,
        "status": "ISSUED",
        "credentials": containers,
    }
    return _encode(CREDENTIAL_MESSAGE, members)


def encode_rejection(issuer_pid: str, holder_pid: str, reason: str) -> bytes:
    """A CredentialMessage that says no."""
    members = {"issuerPid": issuer_pid, "holderPid": holder_pid, "status": "REJECTED"}
    return _encode(CREDENTIAL_MESSAGE, members | ({"rejectionReason": reason} if reason else {}))


def decode_offer(body: bytes, offer_id: str, now_ms: int) -> CredentialOffer:
    """A CredentialOfferMessage (6.6.1); raises `MalformedDcpMessage`."""
    message = _message(body, CREDENTIAL_OFFER_MESSAGE)
    entries = _list(message, "credentials", MOST_CREDENTIALS_COUNT)
    if not entries:
        raise MalformedDcpMessage("credentials is empty.")
    offered = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise MalformedDcpMessage("A member of credentials is not an object.")
        more = [entry.get(name, "") for name in ("credentialType", "profile")]
        type_, profile = (one[:_MAX_ID_CHARS] if isinstance(one, str) else "" for one in more)
        offered.append(OfferedCredential(_text(entry, "id"), type_, profile))
    return CredentialOffer(
        offer_id=offer_id, issuer=_text(message, "issuer"), credentials=tuple(offered), received_ms=now_ms
    )


def encode_offer(issuer: str, types: Iterable[CredentialType], schema_url: str) -> bytes:
    """A CredentialOfferMessage."""
    credentials = [_object(type_, schema_url, "offer") for type_ in types]
    return _encode(CREDENTIAL_OFFER_MESSAGE, {"issuer": issuer, "credentials": credentials})


def decode_request(body: bytes) -> RequestMessage:
    """A CredentialRequestMessage (6.4.1), with the ids of our types; raises `MalformedDcpMessage`."""
    message = _message(body, CREDENTIAL_REQUEST_MESSAGE)
    entries = _list(message, "credentials", MOST_CREDENTIALS_COUNT)
    if not entries:
        raise MalformedDcpMessage("credentials is empty; name what is asked for.")
    if not all(isinstance(entry, dict) for entry in entries):
        raise MalformedDcpMessage("A member of credentials is not an object.")
    ids = [_text(entry, "id") for entry in entries if isinstance(entry, dict)]
    return RequestMessage(_text(message, "holderPid"), tuple(id_.removeprefix(_TYPE_URN) for id_ in ids))


def encode_request(holder_pid: str, credential_ids: Iterable[str]) -> bytes:
    """A CredentialRequestMessage for what an issuer's metadata or offer names by these ids."""
    credentials = [{"id": id_} for id_ in credential_ids]
    return _encode(CREDENTIAL_REQUEST_MESSAGE, {"holderPid": holder_pid, "credentials": credentials})


def encode_status(issuer_pid: str, holder_pid: str, state: RequestState) -> bytes:
    """A CredentialStatus (6.8)."""
    known = (RequestState.ISSUED, RequestState.REJECTED)
    status = state.value if state in known else RequestState.RECEIVED.value
    return _encode("CredentialStatus", {"issuerPid": issuer_pid, "holderPid": holder_pid, "status": status})


def encode_metadata(issuer: str, types: Iterable[CredentialType], schema_url: str) -> bytes:
    """An IssuerMetadata (6.7)."""
    supported = [_object(type_, schema_url, "issuance") for type_ in types]
    return _encode("IssuerMetadata", {"issuer": issuer, "credentialsSupported": supported})


def decode_metadata(body: bytes) -> tuple[OfferedCredential, ...]:
    """What an issuer issues, by its IssuerMetadata; raises `MalformedDcpMessage`."""
    message = _message(body, "IssuerMetadata")
    offered = []
    for entry in _list(message, "credentialsSupported", 1000):
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            more = [entry.get(name, "") for name in ("credentialType", "profile")]
            type_, profile = (one if isinstance(one, str) else "" for one in more)
            offered.append(OfferedCredential(entry["id"], type_, profile))
    return tuple(offered)


def object_id(type_id: str) -> str:
    """The id by which our metadata names a type."""
    return _TYPE_URN + type_id


def _object(type_: CredentialType, schema_url: str, reason: str) -> dict[str, object]:
    return {
        "id": object_id(type_.type_id),
        "type": "CredentialObject",
        "credentialType": type_.credential_type,
        "credentialSchema": f"{schema_url}/{type_.type_id}",
        "offerReason": reason,
        "bindingMethods": ["did:web"],
        "profile": type_.profile.value,
    }


def _encode(type_: str, members: Mapping[str, object]) -> bytes:
    return msgspec.json.encode({"@context": [CONTEXT], "type": type_, **members})


def _message(body: bytes, type_: str) -> dict[str, object]:
    try:
        message = parse_strict(body, max_bytes=MOST_BODY_BYTES, max_depth=_MAX_DEPTH)
    except MalformedJson as error:
        raise MalformedDcpMessage(f"The body is not strict JSON: {error.problem[:_MAX_TEXT_CHARS]}") from None
    if not isinstance(message, dict):
        raise MalformedDcpMessage("The body is not a JSON object.")
    if message.get("type") != type_:
        raise MalformedDcpMessage(f"type is not {type_}.")
    context = message.get("@context")
    if not isinstance(context, list) or CONTEXT not in context:
        raise MalformedDcpMessage(f"@context does not hold {CONTEXT}.")
    return message


def _text(members: Mapping[str, object], name: str, *, most_chars: int = _MAX_ID_CHARS) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most_chars:
        raise MalformedDcpMessage(f"{name} is not a text of 1 to {most_chars} characters.")
    return value


def _list(members: Mapping[str, object], name: str, most_count: int) -> list[object]:
    value = members.get(name)
    if not isinstance(value, list) or len(value) > most_count:
        raise MalformedDcpMessage(f"{name} is not a list of at most {most_count} members.")
    return value


def _texts(members: Mapping[str, object], name: str, most_count: int) -> tuple[str, ...]:
    values = _list(members, name, most_count)
    texts = tuple(value for value in values if isinstance(value, str) and len(value) <= _MAX_ID_CHARS)
    if len(texts) != len(values):
        raise MalformedDcpMessage(f"A member of {name} is not a text of at most {_MAX_ID_CHARS} characters.")
    return texts
