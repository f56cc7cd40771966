"""Documents of every kind for the tests of the wire: the official examples and richer ones, and their
mutations.
"""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from hypothesis import strategies as st

from ashiato.dsp import messages
from ashiato.dsp.messages import Message
from ashiato.dsp.v2025_1 import decode, decode_catalog, decode_dataset, decode_versions

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
Document = dict[str, object]
Path_ = tuple[str | int, ...]

KINDS: dict[str, type[Message]] = {
    "CatalogRequestMessage": messages.CatalogRequestMessage,
    "DatasetRequestMessage": messages.DatasetRequestMessage,
    "CatalogError": messages.CatalogError,
    "ContractRequestMessage": messages.ContractRequestMessage,
    "ContractOfferMessage": messages.ContractOfferMessage,
    "ContractAgreementMessage": messages.ContractAgreementMessage,
    "ContractAgreementVerificationMessage": messages.ContractAgreementVerificationMessage,
    "ContractNegotiationEventMessage": messages.ContractNegotiationEventMessage,
    "ContractNegotiationTerminationMessage": messages.ContractNegotiationTerminationMessage,
    "ContractNegotiation": messages.ContractNegotiationAck,
    "ContractNegotiationError": messages.ContractNegotiationError,
    "TransferRequestMessage": messages.TransferRequestMessage,
    "TransferStartMessage": messages.TransferStartMessage,
    "TransferSuspensionMessage": messages.TransferSuspensionMessage,
    "TransferCompletionMessage": messages.TransferCompletionMessage,
    "TransferTerminationMessage": messages.TransferTerminationMessage,
    "TransferProcess": messages.TransferProcessAck,
    "TransferError": messages.TransferError,
}

_ATOMIC: Document = {"leftOperand": "count", "operator": "lteq", "rightOperand": "5"}
_PIDS: Document = {"@context": [CONTEXT], "providerPid": "p", "consumerPid": "c"}
_POLICY: Document = {
    "@id": "urn:uuid:policy",
    "profile": ["https://w3id.org/catenax/2025/9/policy/"],
    "permission": [
        {
            "action": "use",
            "constraint": [{"and": [_ATOMIC, {"or": [_ATOMIC, {**_ATOMIC, "rightOperand": ["a"]}]}]}],
        },
        {"action": "read", "constraint": []},
    ],
    "prohibition": [{"action": "distribute", "constraint": [{**_ATOMIC, "rightOperand": {"@id": "x"}}]}],
    "obligation": [
        {"action": "delete", "constraint": [{"xone": []}, {"andSequence": [_ATOMIC], "leftOperand": 1}]}
    ],
}
_SERVICE: Document = {
    "@id": "urn:uuid:service",
    "@type": "DataService",
    "endpointURL": "https://maker.example/dsp",
    "servesDataset": [
        {
            "@id": "urn:uuid:served",
            "hasPolicy": [{**_POLICY, "@type": "Offer"}],
            "distribution": [{"format": "HttpData-PULL", "accessService": "urn:uuid:service"}],
        }
    ],
}
_DATASET: Document = {
    "@id": "urn:uuid:dataset",
    "@type": "Dataset",
    "title": "Carbon footprint",
    "hasPolicy": [_POLICY],
    "distribution": [
        {"format": "HttpData-PULL", "accessService": _SERVICE, "hasPolicy": [_POLICY]},
        {"@type": "Distribution", "format": "HttpData-PUSH", "accessService": "urn:uuid:service"},
    ],
}
_ADDRESS: Document = {
    "@type": "DataAddress",
    "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
    "endpointProperties": [{"@type": "EndpointProperty", "name": "authType", "value": "bearer"}],
}

# What the official examples do not show: all optional members, foreign contexts, unknown members.
RICH: list[Document] = [
    {
        **_PIDS,
        "@id": "urn:uuid:m",
        "@type": "ContractAgreementMessage",
        "agreement": {
            **_POLICY,
            "@type": "Agreement",
            "target": "urn:uuid:dataset",
            "assigner": "did:web:a",
            "assignee": "did:web:b",
            "timestamp": "2026-11-24T00:00:00.5+09:00",
            "signature": {"alg": "ES256"},
        },
    },
    {
        "@context": ["https://w3id.org/catenax/2025/9/policy/context.jsonld", CONTEXT],
        "@type": "ContractRequestMessage",
        "consumerPid": "c",
        "callbackAddress": "https://cell.example",
        "offer": {**_POLICY, "@type": "Offer"},
        "priority": 5,
    },
    {
        "@context": [CONTEXT],
        "@type": "ContractOfferMessage",
        "providerPid": "p",
        "callbackAddress": "https://maker.example",
        "offer": {**_POLICY, "@type": "Offer", "target": "urn:uuid:dataset"},
    },
    {**_PIDS, "@type": "TransferStartMessage", "dataAddress": _ADDRESS},
    {
        "@context": [CONTEXT],
        "@type": "TransferRequestMessage",
        "consumerPid": "c",
        "agreementId": "a",
        "format": "HttpData-PUSH",
        "callbackAddress": "https://cell.example",
        "dataAddress": _ADDRESS,
    },
    {
        "@context": [CONTEXT],
        "@id": "urn:uuid:catalog",
        "@type": "Catalog",
        "participantId": "did:web:maker.example",
        "dataset": [_DATASET],
        "service": [_SERVICE],
        "distribution": [{"format": "Catalog", "accessService": "urn:uuid:service"}],
        "catalog": [
            {"@id": "urn:uuid:inner", "@type": "Catalog", "dataset": [_DATASET], "participantId": "x"}
        ],
    },
    {"@context": [CONTEXT], **_DATASET},
]


def examples(folder: Path) -> dict[str, Document]:
    """The official examples of messages, by file name (the two DID services are parts of a DID document)."""
    files = [
        path for path in sorted(folder.glob("*/example/*.json")) if not path.name.endswith("did-service.json")
    ]
    return {path.name: json.loads(path.read_text()) for path in files}


def reader(document: Document) -> Callable[[bytes], object]:
    """The decoder for documents of this kind."""
    if "protocolVersions" in document:
        return decode_versions
    name = str(document["@type"])
    if name == "Catalog":
        return decode_catalog
    if name == "Dataset":
        return decode_dataset
    kind = KINDS[name]
    return lambda data: decode(kind, data)


def type_name(document: Document) -> str:
    """The name under which the schemas know documents of this kind."""
    return "ProtocolVersion" if "protocolVersions" in document else str(document["@type"])


def with_text_operands(node: object) -> object:
    """The document as it would be if every integer right operand had been written as a string."""
    if isinstance(node, list):
        return [with_text_operands(item) for item in node]
    if not isinstance(node, dict):
        return node
    copied = {member: with_text_operands(value) for member, value in node.items()}
    if type(copied.get("rightOperand")) is int:
        copied["rightOperand"] = str(copied["rightOperand"])
    return copied


_JUNK: list[object] = [
    None, True, 0, 7, 1.5, "", "x", "2026-11-24T00:00:00Z", "Offer", "eq", [], ["x"], [1], [[]], {}, {"@id": "x"},
    _ATOMIC, {"and": [_ATOMIC]}, [{"action": "use"}], [_ATOMIC], CONTEXT, [CONTEXT, CONTEXT],
]  # fmt: skip
_NAMES = (
    "@id @type @context target permission prohibition obligation constraint action and or xone andSequence leftOperand "
    "operator rightOperand profile timestamp providerPid consumerPid callbackAddress reason code state hasPolicy "
    "accessService servesDataset endpointProperties dataAddress unknown"
).split()


def _places(node: object, path: Path_ = ()) -> Iterator[Path_]:
    yield path
    if isinstance(node, dict):
        for member, value in node.items():
            yield from _places(value, (*path, member))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _places(value, (*path, index))


def _at(node: object, path: Path_) -> object:
    for step in path:
        node = node[step]  # type: ignore[index]  # the path was made from this very document
    return node


@st.composite
def mutations(draw: st.DrawFn, documents: list[Document]) -> tuple[Document, Document]:
    """A valid document and a copy of it with one to three faults, or harmless changes, anywhere in it."""
    original = draw(st.sampled_from(documents))
    mutant = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        _mutate(draw, mutant)
    return original, mutant


def _mutate(draw: st.DrawFn, mutant: Document) -> None:
    path = draw(st.sampled_from(list(_places(mutant))))
    node = _at(mutant, path)
    action = draw(st.sampled_from(["delete", "retype", "add", "rename", "swap"]))
    if action == "add" and isinstance(node, dict):
        node[draw(st.sampled_from(_NAMES))] = copy.deepcopy(draw(st.sampled_from(_JUNK)))
    elif action == "add" and isinstance(node, list):
        node.append(copy.deepcopy(draw(st.sampled_from(_JUNK))))
    elif path:
        holder, step = _at(mutant, path[:-1]), path[-1]
        _replace(draw, mutant, holder, step, action)


def _replace(draw: st.DrawFn, mutant: Document, holder: object, step: str | int, action: str) -> None:
    if isinstance(holder, list) and isinstance(step, int):
        if action == "delete":
            del holder[step]
        else:
            holder[step] = copy.deepcopy(draw(st.sampled_from(_JUNK)))
    elif isinstance(holder, dict) and isinstance(step, str):
        value = holder.pop(step)
        if action == "rename":
            holder[draw(st.sampled_from(_NAMES))] = value
        elif action == "swap":
            other = draw(st.sampled_from(list(_places(mutant))))
            holder[step] = copy.deepcopy(_at(mutant, other))
        elif action != "delete":
            holder[step] = copy.deepcopy(draw(st.sampled_from(_JUNK)))
