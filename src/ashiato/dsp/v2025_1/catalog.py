"""Catalogs and datasets (DSP 2025-1, 5.3): written fast from datasets that were encoded once, read to the
letter.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from ashiato.dsp.catalog import Catalog, DataService, Dataset, Distribution
from ashiato.dsp.errors import MalformedMessage, UnsendableMessage
from ashiato.dsp.messages import Policy
from ashiato.dsp.v2025_1.policies import check_catalog_offer, with_text_operands
from ashiato.dsp.v2025_1.wire import (
    CONTEXT_URL,
    Refusal,
    at,
    foreign_contexts,
    optional_items,
    parse_object,
    refuse,
    require_const,
    require_object,
    require_text,
    unknown_members,
)

_Document = dict[str, object]
_encode_json = msgspec.json.Encoder().encode
_CONTEXT_MEMBER = b'{"@context":' + _encode_json([CONTEXT_URL]) + b","

PAGE_MAX_BYTES = 16 * 1_048_576

_CATALOG_MEMBERS = frozenset(
    {
        "@context",
        "@id",
        "@type",
        "participantId",
        "dataset",
        "catalog",
        "service",
        "distribution",
        "hasPolicy",
    }
)
_DATASET_MEMBERS = frozenset({"@context", "@id", "@type", "hasPolicy", "distribution"})
_DISTRIBUTION_MEMBERS = frozenset({"@type", "format", "accessService", "hasPolicy"})
_SERVICE_MEMBERS = frozenset({"@id", "@type", "endpointURL"})


def encode_dataset(
    dataset_id: str,
    offers: Sequence[Policy],
    distributions: Sequence[Distribution],
    properties: Mapping[str, object],
) -> bytes:
    """A dataset as it stands inside a catalog; keep the bytes and hand them to `encode_catalog` page after
    page.

    Raises `UnsendableMessage` where an offer breaks the schema, where there is no offer or no distribution,
    or where a property bears the name of a member that the protocol defines.
    """
    try:
        document: _Document = {
            "@id": dataset_id,
            "@type": "Dataset",
            "hasPolicy": _write_offers(offers, "hasPolicy"),
            "distribution": _filled([_write_distribution(item) for item in distributions], "distribution"),
        }
        _add_unknown(document, properties, _DATASET_MEMBERS)
    except Refusal as refusal:
        raise UnsendableMessage("Dataset", refusal.path, refusal.problem) from None
    return _encode_json(document)


def encode_root_dataset(dataset: bytes) -> bytes:
    """A dataset of `encode_dataset` as the answer to a request for it alone, which states the context."""
    return _CONTEXT_MEMBER + dataset[1:]


def encode_catalog(
    catalog_id: str,
    participant_id: str,
    datasets: Sequence[bytes | dict[str, object]],
    *,
    services: Sequence[DataService] = (),
) -> bytes:
    """A catalog page of datasets from `encode_dataset`, as bytes or parsed; they are not checked again."""
    head: _Document = {
        "@context": [CONTEXT_URL],
        "@id": catalog_id,
        "@type": "Catalog",
        "participantId": participant_id,
    }
    if services:
        head["service"] = [_write_service(service) for service in services]
    encoded = _encode_json(head)
    if not datasets:
        return encoded
    items = [dataset if isinstance(dataset, bytes) else _encode_json(dataset) for dataset in datasets]
    return b"".join((encoded[:-1], b',"dataset":[', b",".join(items), b"]}"))


def _write_offers(offers: Sequence[Policy], path: str) -> list[Policy]:
    written: list[Policy] = []
    for index, offer in enumerate(offers):
        holds_integers = check_catalog_offer(offer, f"{path}[{index}]")
        written.append(with_text_operands(offer) if holds_integers else offer)
    _filled(written, path)
    return written


def _write_distribution(distribution: Distribution) -> _Document:
    service = distribution.access_service
    document: _Document = {
        "@type": "Distribution",
        "format": distribution.format,
        "accessService": service if isinstance(service, str) else _write_service(service),
    }
    if distribution.offers:
        document["hasPolicy"] = _write_offers(distribution.offers, "distribution.hasPolicy")
    _add_unknown(document, distribution.extensions, _DISTRIBUTION_MEMBERS)
    return document


def _write_service(service: DataService) -> _Document:
    document: _Document = {
        "@id": service.service_id,
        "@type": "DataService",
        "endpointURL": service.endpoint_url,
    }
    _add_unknown(document, service.extensions, _SERVICE_MEMBERS)
    return document


def _filled(items: Sequence[object], path: str) -> Sequence[object]:
    if not items:
        refuse(path, "must not be empty")
    return items


def _add_unknown(document: _Document, extensions: Mapping[str, object], known: frozenset[str]) -> None:
    for member, value in extensions.items():
        if member in known:
            refuse(member, "stands among the extensions")
        document[member] = value


def decode_catalog(data: bytes, *, max_bytes: int = PAGE_MAX_BYTES) -> Catalog:
    """The catalog in `data` with everything nested in it; raises `MalformedMessage` for what the schema
    refuses.
    """
    document = parse_object("Catalog", data, max_bytes=max_bytes)
    try:
        context = foreign_contexts(document)
        participant_id = require_text(document, "participantId")
        return _read_catalog(document, "", participant_id=participant_id, context=context)
    except Refusal as refusal:
        raise MalformedMessage("Catalog", refusal.path, refusal.problem) from None


def decode_dataset(data: bytes) -> Dataset:
    """The dataset in `data`, an answer of its own; raises `MalformedMessage` for what the schema refuses."""
    document = parse_object("Dataset", data)
    try:
        foreign_contexts(document)
        return _read_dataset(document, "")
    except Refusal as refusal:
        raise MalformedMessage("Dataset", refusal.path, refusal.problem) from None


def _read_catalog(
    value: object, path: str, *, participant_id: str | None = None, context: tuple[str, ...] = ()
) -> Catalog:
    document = require_object(value, path)
    require_const(document, "@type", "Catalog", path)
    if "hasPolicy" in document:
        refuse(at(path, "hasPolicy"), "must not stand in a catalog")
    if participant_id is None and type(document.get("participantId")) is str:
        participant_id = cast(str, document["participantId"])
    return Catalog(
        catalog_id=require_text(document, "@id", path),
        participant_id=participant_id,
        datasets=tuple(_read_dataset(item, where) for item, where in _each(document, "dataset", path)),
        catalogs=tuple(_read_catalog(item, where) for item, where in _each(document, "catalog", path)),
        services=tuple(_read_service(item, where) for item, where in _each(document, "service", path)),
        distributions=tuple(
            _read_distribution(item, where) for item, where in _each(document, "distribution", path)
        ),
        context=context,
        extensions=unknown_members(document, _CATALOG_MEMBERS),
    )


def _read_dataset(value: object, path: str) -> Dataset:
    document = require_object(value, path)
    for member in ("hasPolicy", "distribution"):
        if member not in document:
            refuse(at(path, member), "is missing")
    return Dataset(
        dataset_id=require_text(document, "@id", path),
        offers=_read_offers(document, path),
        distributions=tuple(
            _read_distribution(item, where) for item, where in _each(document, "distribution", path)
        ),
        extensions=unknown_members(document, _DATASET_MEMBERS),
    )


def _read_offers(holder: _Document, path: str) -> tuple[Policy, ...]:
    offers: list[Policy] = []
    for item, where in _each(holder, "hasPolicy", path):
        check_catalog_offer(item, where)
        offers.append(cast(Policy, item))
    return tuple(offers)


def _read_distribution(value: object, path: str) -> Distribution:
    document = require_object(value, path)
    service = document.get("accessService")
    return Distribution(
        format=require_text(document, "format", path),
        access_service=service
        if isinstance(service, str)
        else _read_service(service, at(path, "accessService")),
        offers=_read_offers(document, path),
        extensions=unknown_members(document, _DISTRIBUTION_MEMBERS),
    )


def _read_service(value: object, path: str) -> DataService:
    document = require_object(value, path)
    require_const(document, "@type", "DataService", path)
    for item, where in _each(document, "servesDataset", path):
        _read_dataset(item, where)
    return DataService(
        service_id=require_text(document, "@id", path),
        endpoint_url=require_text(document, "endpointURL", path),
        extensions=unknown_members(document, _SERVICE_MEMBERS),
    )


def _each(holder: _Document, member: str, path: str) -> list[tuple[object, str]]:
    items = optional_items(holder, member, path)
    items_path = at(path, member)
    return [(item, f"{items_path}[{index}]") for index, item in enumerate(items)]
