"""What an issuer knows: the types it issues, who may have which, what was asked, what was issued and how that stands."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from ashiato.identity.wallet import RequestState
from ashiato.trust.enveloping import STATUS_LIST_BITS_COUNT, Profile, Purpose

DAY_MS = 86_400_000
LONGEST_VALIDITY_DAYS_COUNT = 3_660


class CredentialType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of credential that an issuer offers in its metadata (DCP 1.0, 6.7). Types are data, never code.

    `claims` stand in every credential of the type; `subject_schema` is a JSON Schema that the whole subject satisfies.
    `unsafe_issue_to_anyone` approves every request for it, whoever asks.
    """

    type_id: str
    credential_type: str
    profile: Profile = Profile.VC20
    validity_days_count: int = 365
    claims: dict[str, object] = {}
    subject_schema: dict[str, object] = {}
    can_be_suspended: bool = True
    unsafe_issue_to_anyone: bool = False


class CredentialGrant(msgspec.Struct, frozen=True, kw_only=True):
    """That `holder_id` may have a credential of a type with these claims, without anybody being asked again.

    With a code, whoever presents it may; it counts once.
    """

    grant_id: str
    holder_id: str
    type_id: str
    claims: dict[str, object]
    created_ms: int
    valid_until_ms: int | None = None
    code_sha256: str = ""


class IssuanceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A holder's request; `request_id` is the issuerPid."""

    request_id: str
    holder_id: str
    holder_pid: str
    type_ids: tuple[str, ...]
    state: RequestState
    created_ms: int
    updated_ms: int
    reason: str = ""
    delivered_ms: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.state in (RequestState.RECEIVED, RequestState.REQUESTED)


class IssuedState(StrEnum):
    """How an issued credential stands."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class IssuedCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that we issued. Its envelope is signed when it is first delivered, and again after a renewal."""

    credential_id: str
    request_id: str
    holder_id: str
    type_id: str
    credential_type: str
    profile: Profile
    claims: dict[str, object]
    valid_from_ms: int
    valid_until_ms: int
    status_lists: Mapping[Purpose, str]
    """The id of the list for each purpose in which its bit may be set."""
    status_index: int
    state: IssuedState = IssuedState.ACTIVE
    reason: str = ""
    envelope: str = ""
    issued_ms: int = 0


class StatusListRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A status list of ours; `changes_count` grows with each bit that was set or cleared."""

    list_id: str
    purpose: Purpose
    profile: Profile
    used_count: int = 0
    changes_count: int = 0

    @property
    def is_full(self) -> bool:
        """Whether every index is given away."""
        return self.used_count >= STATUS_LIST_BITS_COUNT


def index_of(list_: StatusListRecord) -> int:
    """The next index of a list. Neighbours in time are none in the list, so that an index tells nothing of its order.

    An odd factor steps through all indexes before it comes to one again, because their number is a power of two.
    """
    seed = int.from_bytes(list_.list_id.encode()[-8:])
    return ((list_.used_count * ((seed | 1) % STATUS_LIST_BITS_COUNT | 1)) + seed) % STATUS_LIST_BITS_COUNT


ROLES = (
    "miner", "refiner", "trader", "material-maker", "cell-maker", "pack-maker", "vehicle-maker", "carrier", "dealer",
    "owner", "reuse-operator", "rebuilder", "collector", "dismantler", "recycler", "operator", "host",
    "certification-body", "verifier", "authority", "notified-body", "guideline-body", "lci-vendor", "app-maker", "bank",
    "insurer", "aggregator",
)  # fmt: skip
PROFILES = ("base", "trust", "trust+")


def _subject(required: str, **properties: object) -> dict[str, object]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"id": {"type": "string"}, **properties},
        "required": ["id", required],
    }


_TEXT = {"type": "string", "minLength": 1}


def first_types() -> tuple[CredentialType, ...]:
    """The types with which an issuer begins; they are its own data from then on, to be changed and added to."""
    return (
        CredentialType(
            type_id="membership",
            credential_type="MembershipCredential",
            subject_schema=_subject("holderIdentifier", holderIdentifier=_TEXT, location=_TEXT),
        ),
        CredentialType(
            type_id="role",
            credential_type="RoleCredential",
            subject_schema=_subject("role", role={"enum": list(ROLES)}),
        ),
        CredentialType(
            type_id="security-profile",
            credential_type="SecurityProfileCredential",
            subject_schema=_subject("profile", profile={"enum": list(PROFILES)}),
        ),
        CredentialType(
            type_id="company-certification",
            credential_type="CompanyCertificationCredential",
            subject_schema=_subject("scheme", scheme=_TEXT),
        ),
        CredentialType(
            type_id="app-certification",
            credential_type="AppCertificationCredential",
            subject_schema=_subject("app", app=_TEXT, digest=_TEXT),
        ),
        CredentialType(
            type_id="framework-agreement",
            credential_type="FrameworkAgreementCredential",
            subject_schema=_subject("agreement", agreement={"type": "string", "pattern": "^[^:]+:[^:]+$"}),
        ),
    )
