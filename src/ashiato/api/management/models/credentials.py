"""Credentials: those that a company holds and asks for, and those that it issues."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ashiato.api.management.models.shared import (
    ForeignId,
    Instant,
    InstantShown,
    JsonObject,
    Line,
    Model,
    Partner,
    PartnerShown,
    ProcessId,
    Reason,
)

Profile = Literal["vc20-bssl/jwt", "vc11-sl2021/jwt"]
State = Literal["REQUESTED", "RECEIVED", "ISSUED", "REJECTED", "FAILED"]
Code = Annotated[
    str,
    StringConstraints(min_length=16, max_length=256, pattern=r"^[!-~]+$"),
    Field(description="A pre-authorized code; whoever presents it gets the credential, once."),
]


class Held(Model):
    """A credential of ours, as its issuer sent it."""

    held_id: str
    credential_id: str
    profile: Profile
    types: list[str]
    issuer: PartnerShown
    valid_from_ms: InstantShown | None
    valid_until_ms: InstantShown | None
    request_id: str
    received_ms: InstantShown
    envelope: str
    """The signed credential itself, a compact JWT."""


class IssuerQuery(Model):
    """Which issuer is asked what it issues."""

    issuer: Partner


class Offered(Model):
    """One credential that an issuer issues or offers."""

    id: str
    credential_type: str
    profile: str


class Supported(Model):
    """What an issuer issues."""

    issuer: PartnerShown
    items: list[Offered]


class CredentialOrder(Model):
    """A request to an issuer. `credentials` are ids of its metadata, or credential types such as MembershipCredential."""

    issuer: Partner
    credentials: Annotated[list[ForeignId], Field(min_length=1, max_length=64)]
    id: ProcessId | None = None
    code: Code | None = None


class Asked(Model):
    """A request of ours and how far it is."""

    request_id: str
    issuer: PartnerShown
    credential_ids: list[str]
    state: State
    issuer_pid: str
    reason: str
    created_ms: InstantShown
    updated_ms: InstantShown


class OfferOfIssuer(Model):
    """What an issuer offered of its own accord."""

    offer_id: str
    issuer: PartnerShown
    credentials: list[Offered]
    received_ms: InstantShown


class TypeOrder(Model):
    """A kind of credential that we issue."""

    credential_type: Annotated[
        str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z][A-Za-z0-9]*$")
    ]
    profile: Profile = "vc20-bssl/jwt"
    validity_days_count: Annotated[int, Field(ge=1, le=3660)] = 365
    claims: JsonObject = Field(default_factory=dict)
    """Members of the subject that stand in every credential of the type."""
    subject_schema: JsonObject = Field(default_factory=dict)
    """A JSON Schema that the subject of each credential satisfies."""
    can_be_suspended: bool = True
    """Credentials of the older profile can be revoked only."""
    unsafe_issue_to_anyone: bool = False
    """Issue to whoever asks, without a grant and without a person."""


class Type(TypeOrder):
    """A kind of credential that we issue, with its id."""

    type_id: str


class GrantOrder(Model):
    """That a holder may have a credential without asking again. Without a code it is offered to them."""

    holder: Partner | None = None
    """The DID of the holder; may be left out with a code."""
    type_id: Line
    claims: JsonObject = Field(default_factory=dict)
    valid_until_ms: Instant | None = None
    """The end of the credential; left out, the type's own time counts."""
    code: Code | None = None


class Grant(Model):
    """A grant that nobody has used yet."""

    grant_id: str
    holder_id: str
    type_id: str
    claims: JsonObject
    created_ms: InstantShown
    valid_until_ms: InstantShown | None


class Request(Model):
    """A holder's request to us."""

    request_id: str
    holder_id: str
    type_ids: list[str]
    state: State
    reason: str
    created_ms: InstantShown
    updated_ms: InstantShown
    delivered_ms: InstantShown | None


class IssuanceApproval(Model):
    """What stands in the credentials that are issued now."""

    claims: dict[str, JsonObject] = Field(default_factory=dict)
    """The members of the subject, by type id."""
    valid_until_ms: Instant | None = None


class IssuanceRejection(Model):
    """Why not."""

    reason: Reason


class Issued(Model):
    """A credential that we issued, and how it stands."""

    credential_id: str
    request_id: str
    holder_id: str
    type_id: str
    credential_type: str
    profile: Profile
    claims: JsonObject
    valid_from_ms: InstantShown
    valid_until_ms: InstantShown
    state: Literal["active", "suspended", "revoked"]
    reason: str
    issued_ms: InstantShown


class StatusChange(Model):
    """Why; stays with us."""

    reason: Line = ""


class CredentialRenewal(Model):
    """The new end."""

    valid_until_ms: Instant


class StatusList(Model):
    """A status list that we publish."""

    list_id: str
    purpose: Literal["revocation", "suspension"]
    profile: Profile
    used_count: int
    changes_count: int
    url: str
