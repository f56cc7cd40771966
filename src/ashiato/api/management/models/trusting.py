"""Which issuers count for which credentials, and what is known of partners."""

from typing import Literal

from ashiato.api.management.models.shared import InstantShown, Model, PartnerShown


class ListedIssuer(Model):
    """An issuer on a trust list."""

    issuer: str
    """Its DID."""
    types: list[str]
    """The types of credentials for which it counts."""
    constraints: dict[str, list[str]]
    """Members of the credential and the only values that count."""


class RecognizedPublisher(Model):
    """Another publisher whose issuers count too, for these types only."""

    publisher: str
    types: list[str]


class ListedAuthority(Model):
    """An authority whose organisation certificates are believed."""

    name: str
    certificate_sha256: str
    valid_from: str | None
    valid_until: str | None


class TrustListShown(Model):
    """A trust list that the settings name, and what became of it."""

    place: str
    """Its file or address."""
    publisher: str
    foreign: bool
    """It counts only as far as one of the others recognises its publisher."""
    in_force: bool
    number: int | None
    expires: str | None
    issuers: list[ListedIssuer]
    recognized: list[RecognizedPublisher]
    authorities: list[ListedAuthority]
    read_ms: InstantShown
    problem: str
    """What was wrong at the last reading; empty when nothing was."""


class TrustShown(Model):
    """What this node asks of others beside their identity."""

    mode: Literal["tokens", "dcp"]
    scopes: list[str]
    required_credentials: list[str]
    lists: list[TrustListShown]


class KnownPartnerRow(Model):
    """A partner whose credentials are remembered."""

    partner: PartnerShown
    asked_ms: InstantShown


class JudgedCredentialShown(Model):
    """One credential of a partner."""

    types: list[str]
    issuer: str
    counts: bool
    why: str
    """Why it does not count; empty when it does."""
    until_ms: InstantShown | None
    """When it is judged again."""


class OrganizationShown(Model):
    """The organisation that a certificate binds to the key with which a partner proved itself."""

    name: str
    identifier: str
    country: str
    authority: str
    """Who certified it."""
    why: str
    """Why the certificate does not count; empty when it does."""
    until_ms: InstantShown | None
    """When it is judged again."""


class KnownPartner(Model):
    """What is verified of a partner now."""

    partner: PartnerShown
    asked_ms: InstantShown
    fresh_until_ms: InstantShown | None
    claims: dict[str, list[str]]
    credentials: list[JudgedCredentialShown]
    organization: OrganizationShown | None
    """Null where the partner publishes no certificate for that key."""
    problem: str
    """What was wrong with the whole of what it presented; empty when nothing was."""


class DescribedFact(Model):
    """One fact that a participant states, and who stands behind it."""

    name: str
    value: str
    weight: Literal["claimed", "backed", "contradicted"]
    """`claimed` by the participant alone, `backed` by a verified credential that counts here, or `contradicted` by one."""
    credential_id: str
    """The credential that the participant names for it; empty when it names none."""
    issuer: str


class SelfDescriptionShown(Model):
    """A self-description whose signature was verified."""

    kind: Literal["node", "service", "instance", "asset"]
    id: str
    issued_ms: InstantShown
    expires_ms: InstantShown
    facts: list[DescribedFact]


class SelfDescriptions(Model):
    """What a participant says of itself, or of one of its assets."""

    participant: PartnerShown
    descriptions: list[SelfDescriptionShown]
