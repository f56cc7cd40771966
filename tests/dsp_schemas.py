"""The official JSON schemas of the Dataspace Protocol 2025-1, ready to judge any message."""

import json
import re
from pathlib import Path

import jsonschema_rs

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_FAULTY_POINTER = "json#definitions/"
_MENDED_POINTER = "json#/definitions/"
_FAULTY_POINTERS = 3


class DspSchemas:
    """All message schemas of `folder`, found by the message's own `@type`."""

    def __init__(self, folder: Path) -> None:
        texts = {path.name: path.read_text() for path in sorted(folder.glob("*/*-schema.json"))}
        faulty = sum(text.count(_FAULTY_POINTER) for text in texts.values())
        if faulty != _FAULTY_POINTERS:
            raise ValueError(f"{faulty} references lack their slash where {_FAULTY_POINTERS} were known")
        schemas = {
            name: json.loads(text.replace(_FAULTY_POINTER, _MENDED_POINTER)) for name, text in texts.items()
        }
        registry = jsonschema_rs.Registry([(schema["$id"], schema) for schema in schemas.values()])
        self._validators = {
            name: jsonschema_rs.Draft201909Validator(schema, registry=registry)
            for name, schema in schemas.items()
        }

    def accepts(self, document: object, *, as_type: str | None = None) -> bool:
        """True where the schema of `as_type` (by default the document's `@type`) accepts the parsed document."""
        return self._validator(document, as_type).is_valid(document)

    def faults(self, message: bytes | object, *, as_type: str | None = None) -> list[str]:
        """What the schema finds wrong with a message, as bytes or parsed; a message of no known type is a
        fault.
        """
        document = json.loads(message) if isinstance(message, bytes) else message
        try:
            validator = self._validator(document, as_type)
        except KeyError as unknown:
            return [f"no schema for messages of type {unknown}"]
        return [
            f"{'/'.join(map(str, error.instance_path))}: {error.message}"
            for error in validator.iter_errors(document)
        ]

    def _validator(self, document: object, as_type: str | None) -> jsonschema_rs.Draft201909Validator:
        members = document if isinstance(document, dict) else {}
        name = as_type or str(members.get("@type") or ("protocolVersions" in members and "ProtocolVersion"))
        file = re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() + "-schema.json"
        if file not in self._validators:
            raise KeyError(name)
        return self._validators[file]
