"""The wire of the Dataspace Protocol 2025-1: no other room spells this version, its members or its paths."""

from ashiato.dsp.errors import MalformedMessage, UnsendableMessage
from ashiato.dsp.v2025_1.catalog import (
    decode_catalog,
    decode_dataset,
    encode_catalog,
    encode_dataset,
    encode_root_dataset,
)
from ashiato.dsp.v2025_1.codec import decode, encode, named_pids, wire_name
from ashiato.dsp.v2025_1.discovery import (
    CATALOG_SERVICE,
    DATA_SERVICE,
    SERVICE_CONTEXT,
    base_of_catalog_service,
    root_of_data_service,
    service_endpoints,
)
from ashiato.dsp.v2025_1.paths import (
    CATALOG_REQUEST,
    NEGOTIATION_OFFERS,
    NEGOTIATION_REQUEST,
    TRANSFER_REQUEST,
    dataset_path,
    delivery_path,
    negotiation_path,
    transfer_path,
)
from ashiato.dsp.v2025_1.versions import (
    ProtocolVersion,
    VersionAuth,
    base_path,
    decode_versions,
    encode_versions,
)
from ashiato.dsp.v2025_1.wire import CONTEXT_URL, MEDIA_TYPE, VERSION, VERSIONS_PATH

__all__ = [
    "CATALOG_REQUEST",
    "CATALOG_SERVICE",
    "CONTEXT_URL",
    "DATA_SERVICE",
    "MEDIA_TYPE",
    "NEGOTIATION_OFFERS",
    "NEGOTIATION_REQUEST",
    "SERVICE_CONTEXT",
    "TRANSFER_REQUEST",
    "VERSION",
    "VERSIONS_PATH",
    "MalformedMessage",
    "ProtocolVersion",
    "UnsendableMessage",
    "VersionAuth",
    "base_of_catalog_service",
    "base_path",
    "dataset_path",
    "decode",
    "decode_catalog",
    "decode_dataset",
    "decode_versions",
    "delivery_path",
    "encode",
    "encode_catalog",
    "encode_dataset",
    "encode_root_dataset",
    "encode_versions",
    "named_pids",
    "negotiation_path",
    "root_of_data_service",
    "service_endpoints",
    "transfer_path",
    "wire_name",
]
