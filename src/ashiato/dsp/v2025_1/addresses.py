"""The DataAddress of transfer messages (DSP 2025-1, data-address-schema.json)."""

from ashiato.dsp.messages import DataAddress
from ashiato.dsp.v2025_1.wire import (
    at,
    optional_items,
    optional_text,
    require_const,
    require_object,
    require_text,
    unknown_members,
)

_MEMBERS = frozenset({"@type", "endpointType", "endpoint", "endpointProperties"})


def read_address(value: object, path: str) -> DataAddress:
    """The address at `path`; where a property's name stands twice the last one counts."""
    address = require_object(value, path)
    require_const(address, "@type", "DataAddress", path)
    properties: dict[str, str] = {}
    for index, item in enumerate(optional_items(address, "endpointProperties", path)):
        item_path = f"{at(path, 'endpointProperties')}[{index}]"
        endpoint_property = require_object(item, item_path)
        require_const(endpoint_property, "@type", "EndpointProperty", item_path)
        name = require_text(endpoint_property, "name", item_path)
        properties[name] = require_text(endpoint_property, "value", item_path)
    return DataAddress(
        endpoint_type=require_text(address, "endpointType", path),
        endpoint=optional_text(address, "endpoint", path),
        properties=properties,
        extensions=unknown_members(address, _MEMBERS),
    )


def write_address(address: DataAddress) -> dict[str, object]:
    """The address as a JSON object; what the protocol defines wins over an extension of the same name."""
    document: dict[str, object] = {
        **address.extensions,
        "@type": "DataAddress",
        "endpointType": address.endpoint_type,
    }
    if address.endpoint is not None:
        document["endpoint"] = address.endpoint
    if address.properties:
        document["endpointProperties"] = [
            {"@type": "EndpointProperty", "name": name, "value": value}
            for name, value in address.properties.items()
        ]
    return document
