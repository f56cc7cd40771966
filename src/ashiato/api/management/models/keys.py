"""The signing keys of a participant and its DID document."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.management.models.shared import InstantShown, Model, PageQuery

LONGEST_OVERLAP_S = 30 * 86_400
LONGEST_KEEP_S = 3650 * 86_400

KeyName = Annotated[
    str,
    StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9._-]+$"),
    Field(description="The name of a key: the part of its id behind '#'.", examples=["key-2"]),
]


class Key(Model):
    """A signing key; its private half never leaves the node."""

    name: str
    kid: str
    """Its full id, a DID URL."""
    kind: Literal["P-256", "Ed25519"]
    state: Literal["published", "signing", "verifying", "retired", "revoked"]
    created_ms: InstantShown
    signs_from_ms: InstantShown
    retire_ms: InstantShown | None
    """From then on it is not in the DID document."""
    revoked_ms: InstantShown | None
    certificates_count: int
    """How many X.509 certificates are bound to it (`x5c`)."""


class Keys(Model):
    """All keys of a participant, the oldest first."""

    items: list[Key]


class Rotation(Model):
    """How the next key comes into use; what is left out is as the settings of the node say."""

    kind: Literal["P-256", "Ed25519"] = "P-256"
    overlap_s: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_S)] | None = None
    """How long the new key is published before it signs."""
    keep_s: Annotated[int, Field(ge=0, le=LONGEST_KEEP_S)] | None = None
    """How long the key before it is accepted after that."""


class Certificates(Model):
    """A chain of X.509 certificates in PEM, the key's own first; empty takes the chain away."""

    pem: Annotated[str, StringConstraints(max_length=65_536)]


class DidChange(Model):
    """One change of the hosted DID document."""

    sequence: int
    at_ms: InstantShown
    actor: str
    """Who made it: a key or a person of the management API, or the connector itself."""
    what: str
    before_sha256: str
    """Of the document before; empty for the first."""
    after_sha256: str
    document: str
    """The document as it then was, byte for byte."""


class DidChangeQuery(PageQuery):
    """Which changes are wanted."""

    cursor: Annotated[
        str,
        StringConstraints(pattern=r"^[0-9]{0,18}$"),
        Field(description="The `next_cursor` of the page before."),
    ] = ""
