"""`did:web` identifiers and DID documents (DID Core 1.0), as far as a connector trusts them."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Literal, cast

import msgspec

from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.trust.keys import UnusableKey, VerificationKey, chain_of, verification_key_from_jwk
from ashiato.trust.multikey import verification_key_from_multikey

MAX_DID_CHARS = 512
MAX_DOCUMENT_BYTES = 65_536

Relation = Literal["capabilityInvocation", "authentication", "assertionMethod"]
RELATIONS: tuple[Relation, ...] = ("capabilityInvocation", "authentication", "assertionMethod")

_PREFIX = "did:web:"
_HOST = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})+")
# Decoded by a lenient server, these would change the path: slash, backslash, dot, percent, colon, ? and #.
_REFUSED_ESCAPES = frozenset({"2F", "5C", "2E", "25", "3A", "3F", "23"})
# We write JsonWebKey2020: the field's most used connector resolves keys of an older list of types only.
_JWK_METHODS = frozenset({"JsonWebKey2020", "JsonWebKey"})
_CONTEXTS = ("https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1")


class InvalidDid(ValueError):
    """The identifier is no `did:web` that may be resolved; whoever sent or configured it must mend it."""

    def __init__(self, did: str, problem: str) -> None:
        super().__init__(f"{did[:MAX_DID_CHARS]!r} cannot be resolved: {problem}")
        self.did = did
        self.problem = problem


class InvalidDidDocument(ValueError):
    """The document under a DID cannot be trusted; the DID's owner must publish a right one."""

    def __init__(self, did: str, problem: str) -> None:
        super().__init__(f"the DID document of {did} cannot be used: {problem}")
        self.did = did
        self.problem = problem


class Service(msgspec.Struct, frozen=True):
    """A service entry of a DID document: absolute `id`, one `type`, one endpoint URL.

    `context` says which vocabularies explain the type of an entry that we publish; of a foreign one it is not
    read.
    """

    id: str
    type: str
    endpoint: str
    context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DidDocument:
    """What a DID document says that we understand: usable keys by full DID URL, their uses, the services.

    `method_count` counts all verification methods, also those of unknown kinds. `chains` are the X.509
    certificates that came with a key (`x5c`), in DER and unchecked: see `organizations.bind_key`.
    """

    did: str
    methods: Mapping[str, VerificationKey]
    relations: Mapping[Relation, frozenset[str]]
    services: tuple[Service, ...]
    method_count: int
    chains: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)

    def service(self, type_: str) -> Service | None:
        """The first service of that type."""
        return next((service for service in self.services if service.type == type_), None)


def did_web_url(did: str, *, scheme: str = "https", allow_loopback: bool = False) -> str:
    """The URL of the DID document (did:web method, "Read"); raises `InvalidDid`.

    `allow_loopback` admits a host written as 127.x.y.z; every other IP address is refused, in any spelling.
    Which addresses a name may resolve to is decided where the connection is made.
    """
    if len(did) > MAX_DID_CHARS or not did.startswith(_PREFIX):
        raise InvalidDid(did, f"it is not a did:web of at most {MAX_DID_CHARS} characters")
    authority, *segments = did[len(_PREFIX) :].split(":")
    host, port = _host_and_port(did, authority)
    _check_host(did, host, allow_loopback)
    for segment in segments:
        _check_segment(did, segment)
    path = "/".join(segments) if segments else ".well-known"
    return f"{scheme}://{host}{port}/{path}/did.json"


def _host_and_port(did: str, authority: str) -> tuple[str, str]:
    host, escape, port = authority.replace("%3a", "%3A").partition("%3A")
    if not escape:
        return host, ""
    if not _PORT.fullmatch(port) or int(port) > 65_535:
        raise InvalidDid(did, "its port is not a number from 1 to 65535")
    return host, f":{port}"


def _check_host(did: str, host: str, allow_loopback: bool) -> None:
    if not _HOST.fullmatch(host):
        raise InvalidDid(did, "its host is not a DNS name")
    if not _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]):
        return
    try:
        is_loopback = IPv4Address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not (allow_loopback and is_loopback):
        raise InvalidDid(did, "its host is an IP address; a did:web needs a DNS name")


def _check_segment(did: str, segment: str) -> None:
    if not _SEGMENT.fullmatch(segment):
        raise InvalidDid(did, "a part of its path is empty or holds a character that a DID cannot hold")
    if not segment.strip("."):
        raise InvalidDid(did, "a part of its path consists of dots")
    for escape in re.findall(r"%(..)", segment):
        if escape.upper() in _REFUSED_ESCAPES or int(escape, 16) < 0x21 or int(escape, 16) == 0x7F:
            raise InvalidDid(did, f"a part of its path holds the escape %{escape}")


def parse_did_document(data: bytes, expected_did: str) -> DidDocument:
    """The document, if its `id` is exactly `expected_did` (DID Core 1.0, 5); raises `InvalidDidDocument`.

    Usable are P-256 and Ed25519 keys in `JsonWebKey`, `JsonWebKey2020` or `Multikey` methods whose id and
    controller belong to this DID; other methods, relations and services are passed over, as a newer document may hold
    them.
    """
    try:
        document = parse_strict(data, max_bytes=MAX_DOCUMENT_BYTES, max_depth=16)
    except MalformedJson as error:
        raise InvalidDidDocument(expected_did, error.problem) from None
    if not isinstance(document, dict):
        raise InvalidDidDocument(expected_did, "it is not a JSON object")
    if document.get("id") != expected_did:
        raise InvalidDidDocument(expected_did, "its id is another DID")
    reader = _Reader(expected_did)
    for method in _array(expected_did, document, "verificationMethod"):
        reader.method(method)
    # Most documents name the same keys in each relation: thousands of them are kept, with one set each.
    sets: dict[frozenset[str], frozenset[str]] = {}
    found = {
        relation: frozenset(reader.relation(_array(expected_did, document, relation)))
        for relation in RELATIONS
    }
    relations = {relation: sets.setdefault(kids, kids) for relation, kids in found.items()}
    services = tuple(
        service
        for entry in _array(expected_did, document, "service")
        for service in _services(expected_did, entry)
    )
    methods = MappingProxyType(reader.methods)
    return DidDocument(
        expected_did,
        methods,
        MappingProxyType(relations),
        services,
        reader.method_count,
        MappingProxyType(reader.chains),
    )


class _Reader:
    """Collects the verification methods of one document; an id that stands twice is refused."""

    def __init__(self, did: str) -> None:
        self.did = did
        self.methods: dict[str, VerificationKey] = {}
        self.chains: dict[str, tuple[bytes, ...]] = {}
        self.seen: set[str] = set()
        self.method_count = 0

    def method(self, entry: object) -> str | None:
        """Reads one method and returns its absolute id, or nothing when it has none."""
        self.method_count += 1
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            return None
        kid = _absolute(self.did, entry["id"])
        if kid in self.seen:
            raise InvalidDidDocument(self.did, f"the verification method {kid[:256]!r} stands twice")
        self.seen.add(kid)
        if kid.startswith(self.did + "#") and entry.get("controller") == self.did:
            with suppress(UnusableKey):
                key = _key_of(entry, kid)
                if key is not None:
                    self.methods[kid] = key
                    self._chain(kid, entry.get("publicKeyJwk"))
        return kid

    def _chain(self, kid: str, jwk: object) -> None:
        """A malformed chain binds the key to nobody, and is no reason to refuse the key."""
        with suppress(UnusableKey):
            chain = chain_of(jwk) if isinstance(jwk, dict) else ()
            if chain:
                self.chains[kid] = chain

    def relation(self, entries: list[object]) -> Iterable[str]:
        """The absolute ids that a relation refers to or embeds."""
        for entry in entries:
            kid = _absolute(self.did, entry) if isinstance(entry, str) else self.method(entry)
            if kid is not None:
                yield kid


def _key_of(entry: dict[str, object], kid: str) -> VerificationKey | None:
    """The key of a method of a kind that we know; two spellings of a key in one method are none."""
    jwk, multibase = entry.get("publicKeyJwk"), entry.get("publicKeyMultibase")
    if entry.get("type") in _JWK_METHODS and isinstance(jwk, dict) and multibase is None:
        return verification_key_from_jwk(jwk, kid)
    if entry.get("type") == "Multikey" and isinstance(multibase, str) and jwk is None:
        return verification_key_from_multikey(multibase, kid)
    return None


def service_endpoint(document: DidDocument, type_: str) -> str | None:
    """The base URL of the first service of that type, such as `CredentialService` (DCP 1.0, 5.2), without
    a slash at its end."""
    service = document.service(type_)
    return None if service is None else service.endpoint.rstrip("/")


def _array(did: str, document: dict[str, object], name: str) -> list[object]:
    value = document.get(name, [])
    if not isinstance(value, list):
        raise InvalidDidDocument(did, f"{name!r} is not an array")
    return cast("list[object]", value)


def _absolute(did: str, reference: str) -> str:
    return did + reference if reference.startswith("#") else reference


def _services(did: str, entry: object) -> Iterable[Service]:
    if not isinstance(entry, dict):
        return
    id_, types, endpoint = entry.get("id"), entry.get("type"), entry.get("serviceEndpoint")
    if not isinstance(id_, str) or not isinstance(endpoint, str):
        return
    for type_ in types if isinstance(types, list) else [types]:
        if isinstance(type_, str):
            yield Service(_absolute(did, id_), type_, endpoint)


def did_document(
    did: str,
    keys: Iterable[VerificationKey],
    services: Iterable[Service],
    certificates: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> bytes:
    """The document to publish under `did`, every key in all three relations, with the `certificates` of its kid.

    Raises `InvalidDid`, or `UnusableKey` for a key of another DID.
    """
    did_web_url(did, allow_loopback=True)
    methods = []
    for key in keys:
        if not key.kid.startswith(did + "#"):
            raise UnusableKey(f"the key {key.kid} does not belong to {did}")
        jwk: dict[str, object] = {**key.jwk()}
        if key.kid in certificates:
            jwk["x5c"] = certificates[key.kid]
        methods.append({"id": key.kid, "type": "JsonWebKey2020", "controller": did, "publicKeyJwk": jwk})
    document: dict[str, object] = {"@context": _CONTEXTS, "id": did, "verificationMethod": methods}
    document |= {relation: [method["id"] for method in methods] for relation in RELATIONS}
    document["service"] = [_entry(service) for service in services]
    return msgspec.json.encode(document)


def _entry(service: Service) -> dict[str, object]:
    entry: dict[str, object] = {"@context": service.context} if service.context else {}
    return entry | {"id": service.id, "type": service.type, "serviceEndpoint": service.endpoint}
