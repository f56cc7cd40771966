"""The version document `.well-known/dspace-version` (DSP 2025-1, 4.3): the same for all versions, without a
context.
"""

import msgspec

from ashiato.dsp.errors import MalformedMessage
from ashiato.dsp.v2025_1.wire import (
    VERSION,
    Refusal,
    at,
    optional_items,
    optional_text,
    parse_object,
    refuse,
    require_const,
    require_object,
    require_text,
    unknown_members,
)

_NAME = "VersionResponse"
_BINDING = "HTTPS"
_MEMBERS = frozenset({"version", "path", "binding", "serviceId", "identifierType", "auth"})


class VersionAuth(msgspec.Struct, frozen=True, kw_only=True):
    """How an endpoint is secured, e.g. protocol DCP, version 1.0, profile vc20-bssl/jwt."""

    protocol: str
    version: str
    profile: tuple[str, ...] = ()


class ProtocolVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version that a connector speaks; `path` is appended to the URL at which the version document was
    asked for.
    """

    version: str
    path: str
    service_id: str | None = None
    identifier_type: str | None = None
    auth: VersionAuth | None = None
    extensions: dict[str, object] = msgspec.field(default_factory=dict)


def encode_versions(
    path: str,
    *,
    service_id: str | None = None,
    identifier_type: str | None = None,
    auth: VersionAuth | None = None,
) -> bytes:
    """The document of a connector that speaks this version at `path` (absolute, without the host)."""
    entry: dict[str, object] = {"version": VERSION, "path": path, "binding": _BINDING}
    if service_id is not None:
        entry["serviceId"] = service_id
    if identifier_type is not None:
        entry["identifierType"] = identifier_type
    if auth is not None:
        entry["auth"] = {"protocol": auth.protocol, "version": auth.version}
        if auth.profile:
            entry["auth"] = {"protocol": auth.protocol, "version": auth.version, "profile": auth.profile}
    return msgspec.json.encode({"protocolVersions": [entry]})


def decode_versions(data: bytes) -> tuple[ProtocolVersion, ...]:
    """All versions that the document names, at least one; raises `MalformedMessage`."""
    document = parse_object(_NAME, data)
    try:
        if "protocolVersions" not in document:
            refuse("protocolVersions", "is missing")
        items = optional_items(document, "protocolVersions", "")
        return tuple(_read_version(item, f"protocolVersions[{index}]") for index, item in enumerate(items))
    except Refusal as refusal:
        raise MalformedMessage(_NAME, refusal.path, refusal.problem) from None


def base_path(versions: tuple[ProtocolVersion, ...]) -> str | None:
    """The path of the first entry of this version, without a trailing slash; None where the peer does not
    speak it.
    """
    return next((entry.path.rstrip("/") for entry in versions if entry.version == VERSION), None)


def _read_version(value: object, path: str) -> ProtocolVersion:
    entry = require_object(value, path)
    require_const(entry, "binding", _BINDING, path)
    return ProtocolVersion(
        version=require_text(entry, "version", path),
        path=require_text(entry, "path", path),
        service_id=optional_text(entry, "serviceId", path),
        identifier_type=optional_text(entry, "identifierType", path),
        auth=_read_auth(entry["auth"], at(path, "auth")) if "auth" in entry else None,
        extensions=unknown_members(entry, _MEMBERS),
    )


def _read_auth(value: object, path: str) -> VersionAuth:
    auth = require_object(value, path)
    profile = optional_items(auth, "profile", path, at_least=0)
    names: list[str] = []
    for item in profile:
        if type(item) is not str:
            refuse(at(path, "profile"), "may hold strings only")
        names.append(item)
    return VersionAuth(
        protocol=require_text(auth, "protocol", path),
        version=require_text(auth, "version", path),
        profile=tuple(names),
    )
