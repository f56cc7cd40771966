"""The contract master: agreements, framework contracts, contracts on paper."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ashiato.api.management.models.offering import AccessForm, access_shown
from ashiato.api.management.models.shared import (
    Address,
    Instant,
    InstantShown,
    JsonObject,
    Line,
    Model,
    PageQuery,
    Partner,
    PartnerShown,
    Reason,
    Role,
)
from ashiato.api.management.models.terms import TermShown, terms_of
from ashiato.connector.records import AgreementRecord

FrameworkId = Annotated[
    str,
    StringConstraints(max_length=256, pattern=r"^urn:ashiato:framework:[^\x00-\x20\x7f/\\?#%:]+$"),
    Field(description="The id of the framework contract, the same for both companies."),
]
Sha256 = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{64}$"),
    Field(description="Hexadecimal SHA-256."),
]
Day = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"),
    Field(description="A day.", examples=["2026-11-24"]),
]


class AgreementSignature(Model):
    """A signature on an agreement, checked when it came."""

    signer_id: PartnerShown
    kid: str
    """The key that made it, which stood in the signer's DID document."""
    jwk: JsonObject
    """The public half of that key, as it was then."""
    jws: str
    """A detached JWS over the canonical statement of the agreement."""
    signed_ms: InstantShown
    chain: list[str]
    """The X.509 certificates that stood with the key then, in base64, its own first; empty without any."""
    time_stamp: str
    """An RFC 3161 token over the signature, in base64; empty without one."""


class Agreement(Model):
    """An agreement as it went over the wire, and what became of it."""

    agreement_id: str
    role: Role
    """Our part in it."""
    partner: PartnerShown
    asset_id: str
    negotiation_pid: str
    document: JsonObject
    """The ODRL Agreement, unchanged."""
    policy_hash: str
    agreed_ms: InstantShown
    finalized: bool
    state: Literal["active", "terminated", "expired"]
    framework_id: str | None
    """The framework contract under which it was agreed."""
    uses_count: int
    access: list[AccessForm]
    """Whom the offer let in when it was agreed; asked again at each transfer and read. Empty when you are the consumer."""
    access_policy: JsonObject | None
    """The access policy of the offer as it was then; null when it had none, and when you are the consumer."""
    ended_ms: InstantShown | None
    end_reason: str | None
    ended_by: str
    """The participant who ended it; empty when its time ended it, or the negotiation failed."""
    predecessor_id: str | None
    """The agreement that this one renews."""
    is_retired: bool
    """Out of use and out of the lists, kept as evidence."""
    signed: Literal["none", "ours", "theirs", "both"]
    """By whom it is signed."""
    signatures: list[AgreementSignature]
    terms: list[TermShown]
    """Each term with who holds it."""


def agreement_shown(agreement: AgreementRecord) -> Agreement:
    """The model of an agreement."""
    return Agreement.of(
        agreement,
        access=access_shown(agreement.access),
        signed=agreement.signed,
        terms=terms_of(agreement.document),
    )


class Renewal(Model):
    """How an agreement is renewed: under the offer that the partner makes now."""

    offer_id: Annotated[str, StringConstraints(max_length=1024)] | None = None
    """The @id of the offer to take, when there are several."""
    address: Address | None = None


class Renewed(Model):
    """The negotiation of the new agreement."""

    predecessor_id: str
    negotiation_pid: str


class FrameworkProposal(Model):
    """A framework contract to propose to a partner, in either role; the partner approves or rejects it.

    It covers a class of assets; an empty data item or part group means every one.
    """

    framework_id: FrameworkId | None = None
    """Left out, one is made. A repeated proposal with the same id and the same terms starts nothing new."""
    role: Role
    """PROVIDER when you will give the data, CONSUMER when you ask for it."""
    partner: Partner
    address: Address | None = None
    title: Annotated[Line, Field(min_length=1)]
    policy: JsonObject
    """The rules that each agreement under it carries."""
    from_ms: Instant
    until_ms: Instant
    data_item: Line = ""
    part_group: Line = ""
    purpose: Line = ""
    paper_sha256: Sha256 | None = None
    """The hash of the scan of its paper twin."""


class Framework(Model):
    """A framework contract as it stands."""

    framework_id: str
    role: Role
    partner: PartnerShown
    title: str
    policy: JsonObject
    from_ms: InstantShown
    until_ms: InstantShown
    data_item: str
    part_group: str
    purpose: str
    state: Literal["proposed", "active", "ended"]
    paper_sha256: str | None
    created_ms: InstantShown
    ended_ms: InstantShown | None
    end_reason: str | None


class ProposedFramework(Model):
    """The proposal and the negotiation that carries it."""

    framework: Framework
    negotiation_pid: str | None
    """Null when the framework contract was there before."""


class Ending(Model):
    """How something is ended by us."""

    reason: Reason = ""


class PaperQuery(BaseModel):
    """What is known of a contract on paper; its scan is the body of the request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partner: Partner
    title: Annotated[Line, Field(min_length=1)]
    signed_on: Day
    note: Line = ""


class Paper(Model):
    """A contract on paper with the hash of its scan."""

    paper_id: str
    partner: PartnerShown
    title: str
    signed_on: str
    media_type: str
    scan_sha256: str
    size_bytes: int
    note: str
    created_ms: InstantShown


class Contract(Model):
    """One contract of the master list; exactly the member that `kind` names is present."""

    kind: Literal["framework", "paper", "agreement"]
    framework: Framework | None = None
    paper: Paper | None = None
    agreement: Agreement | None = None


class ContractQuery(PageQuery):
    """Which contracts are wanted."""

    partner: Partner | None = None
    kind: Literal["framework", "paper", "agreement"] | None = None


class AgreementQuery(PageQuery):
    """Which agreements are wanted."""

    partner: Partner | None = None
    framework_id: FrameworkId | None = None
    retired: bool = False
    """Also those that were retired."""


class FrameworkQuery(PageQuery):
    """Which framework contracts are wanted."""

    partner: Partner | None = None
