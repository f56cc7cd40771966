"""What a connector remembers. Every record belongs to one participant: the store that holds it is opened for that one."""

from enum import StrEnum

import msgspec

from ashiato.dsp.states import Role


class Approval(StrEnum):
    """Who answers a request for an offer."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class Visibility(StrEnum):
    """How much of an asset is shown to those who may connect; nobody else sees anything of it."""

    HIDDEN = "hidden"
    """Nothing: it looks as if it did not exist."""
    LISTED = "listed"
    """That it exists and whose it is; whoever wants it asks, and a person answers."""
    OFFERED = "offered"
    """The dataset with the offers that its reader may see."""


class AccessForm(msgspec.Struct, frozen=True, kw_only=True):
    """Whom one form of access lets in: everything that is filled must be met, by any one of its values.

    `claims` are names of verified claims with their values, `groups` are the owner's own, `security_profile` is the least.
    """

    participants: tuple[str, ...] = ()
    claims: tuple[tuple[str, tuple[str, ...]], ...] = ()
    groups: tuple[str, ...] = ()
    security_profile: str | None = None


class PartnerGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Partners that the owner calls by one name in policies (`group`, Catena-X `BusinessPartnerGroup`)."""

    group_id: str
    title: str
    members: tuple[str, ...]
    updated_ms: int = 0


class DeclaredFact(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner says to be so, for policies that ask for it: of now (`event`), or of one agreement (`payAmount`).

    `agreement_id` is empty for what holds whatever the agreement.
    """

    name: str
    values: tuple[str, ...]
    agreement_id: str = ""
    note: str = ""
    declared_ms: int = 0


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that this company can hand over. `source` says where the bytes are; its secrets are named, never held.

    `data_item` and `part_group` are the classes by which a framework contract covers assets. `methods` lists the HTTP
    methods that the data plane forwards; everything but GET and HEAD must be allowed by the owner. `access` lists whom the
    owner lets in (empty: everybody), now and at each later read; `classification` is what policies call by that name.
    """

    asset_id: str
    title: str
    source: dict[str, object]
    media_type: str = "application/json"
    data_item: str = ""
    part_group: str = ""
    properties: dict[str, object] = {}
    methods: tuple[str, ...] = ("GET",)
    finite: bool = True
    visibility: Visibility = Visibility.OFFERED
    access: tuple[AccessForm, ...] = ()
    classification: str = ""
    created_ms: int = 0
    updated_ms: int = 0


class PolicyDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A named ODRL policy of this company."""

    policy_id: str
    document: dict[str, object]
    created_ms: int = 0


class OfferDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """Terms under which a set of assets is offered (asset ids, or every asset of a data item and part group).

    `access_policy_id` and `access` decide who sees the offer, `contract_policy_id` what is agreed;
    `alternative_policy_ids` are further terms that the owner would also sign, in the order in which they are proposed.
    """

    offer_id: str
    contract_policy_id: str
    access_policy_id: str | None = None
    asset_ids: tuple[str, ...] = ()
    data_item: str | None = None
    part_group: str | None = None
    approval: Approval = Approval.AUTOMATIC
    alternative_policy_ids: tuple[str, ...] = ()
    access: tuple[AccessForm, ...] = ()
    created_ms: int = 0


class CatalogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One asset under one offer; `audiences` and the window over-approximate who may see it, for the index.

    `offering_id` is the `@id` of the Offer on the wire; `access` and `classification` are those of the asset.
    """

    asset_id: str
    offer_id: str
    offering_id: str
    audiences: tuple[str, ...]
    from_ms: int | None = None
    until_ms: int | None = None
    access: tuple[AccessForm, ...] = ()
    classification: str = ""


class AgreementState(StrEnum):
    """Whether an agreement still gives a right."""

    ACTIVE = "active"
    TERMINATED = "terminated"
    EXPIRED = "expired"


class AgreementSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature on an agreement (detached JWS) that was checked when it came, with the key that made it.

    `signed_ms` is when we made or took it; `chain` are the X.509 certificates (`x5c`) that stood with the key in its owner's DID
    document then; `time_stamp` is an RFC 3161 token over the signature, in base64, if there is one.
    """

    signer_id: str
    kid: str
    jwk: dict[str, str]
    jws: str
    signed_ms: int
    chain: tuple[str, ...] = ()
    time_stamp: str = ""


class Signedness(StrEnum):
    """By whom an agreement is signed."""

    NONE = "none"
    OURS = "ours"
    THEIRS = "theirs"
    BOTH = "both"


class AgreementRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement as it went over the wire. `document` is the ODRL Agreement, kept unchanged.

    `access_policy` and `access` are what the offer asked of those who may see it, when it was agreed: who was let in must
    still be one whom they let in at each transfer and read. `ended_by` is the participant who ended it ("" for time and for
    a negotiation that failed); `is_retired` hides it from use and from the list, and keeps it as evidence.
    """

    agreement_id: str
    role: Role
    peer_id: str
    asset_id: str
    negotiation_pid: str
    document: dict[str, object]
    policy_hash: str
    agreed_ms: int
    finalized: bool = False
    state: AgreementState = AgreementState.ACTIVE
    framework_id: str | None = None
    uses_count: int = 0
    access_policy: dict[str, object] | None = None
    access: tuple[AccessForm, ...] = ()
    ended_ms: int | None = None
    end_reason: str | None = None
    ended_by: str = ""
    predecessor_id: str | None = None
    is_retired: bool = False
    signatures: tuple[AgreementSignature, ...] = ()

    @property
    def signed(self) -> Signedness:
        """By whom it is signed."""
        signers = {signature.signer_id for signature in self.signatures}
        if self.peer_id in signers:
            return Signedness.BOTH if len(signers) > 1 else Signedness.THEIRS
        return Signedness.OURS if signers else Signedness.NONE


class ObligationState(StrEnum):
    """How far an obligation is."""

    PENDING = "pending"
    FULFILLED = "fulfilled"
    OVERDUE = "overdue"
    VOID = "void"
    """Nobody owes it any more: the owner let it go."""


class ObligationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One duty of an agreement, owed once or as one occurrence of a series: `path` is that of the duty in the policy.

    `is_own` says that this company owes it, otherwise its partner does. `due_ms` is the last instant in time, None when
    nothing sets one. `comes_first` duties are asked for before data is handed out. `trigger` is what began it, `subject_id`
    the use or process that it belongs to. `details` say how it is done. Of a duty that `recurs` this is the `occurrence`th since
    `series_ms`; `is_followed` says that the next one has begun.
    """

    obligation_id: str
    agreement_id: str
    peer_id: str
    asset_id: str
    path: str
    action: str
    enforcement: str
    trigger: str
    is_own: bool
    comes_first: bool = False
    subject_id: str = ""
    details: dict[str, object] = {}
    due_ms: int | None = None
    state: ObligationState = ObligationState.PENDING
    reason: str = ""
    created_ms: int = 0
    settled_ms: int | None = None
    recurs: bool = False
    occurrence: int = 1
    series_ms: int = 0
    is_followed: bool = False


class FrameworkState(StrEnum):
    """Where a framework contract stands."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    ENDED = "ended"


class FrameworkContract(msgspec.Struct, frozen=True, kw_only=True):
    """A standing contract with one partner over a class of assets; matching requests are agreed under it at once.

    Empty `data_item` or `part_group` means every one; `policy` are the rules that each agreement under it carries.
    """

    framework_id: str
    role: Role
    peer_id: str
    title: str
    policy: dict[str, object]
    from_ms: int
    until_ms: int
    data_item: str = ""
    part_group: str = ""
    purpose: str = ""
    state: FrameworkState = FrameworkState.PROPOSED
    paper_sha256: str | None = None
    created_ms: int = 0
    ended_ms: int | None = None
    end_reason: str | None = None


class PaperContract(msgspec.Struct, frozen=True, kw_only=True):
    """A contract on paper, kept in the contract master with its scan (by hash) so that one list shows all of them."""

    paper_id: str
    peer_id: str
    title: str
    signed_on: str
    media_type: str
    scan_sha256: str
    size_bytes: int
    note: str = ""
    created_ms: int = 0


class KeptText(msgspec.Struct, frozen=True, kw_only=True):
    """A contract text in the contract master, by its hash; `peer_id` is the partner that sent it, "" for one of our own."""

    text_sha256: str
    canonical: str
    """The text's bytes (`statements.contract_texts`)."""
    peer_id: str = ""
    created_ms: int = 0


class Approvable(msgspec.Struct, frozen=True, kw_only=True):
    """A negotiation that waits for a person: what is asked, by whom, since when, and which acts are open."""

    negotiation_pid: str
    role: Role
    peer_id: str
    asset_id: str
    question: str
    choices: tuple[str, ...]
    offer: dict[str, object]
    since_ms: int


class AccessRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One access to data, as each side saw it: who, what, under which agreement, how much, and the hash of the bytes.

    `altered_by` are the places in the policy of the duties by which the data was altered on its way out.
    """

    access_id: str
    role: Role
    peer_id: str
    asset_id: str
    agreement_id: str
    transfer_pid: str
    method: str
    range_start_bytes: int
    sent_bytes: int
    sha256: str
    outcome: str
    started_ms: int
    ended_ms: int
    altered_by: tuple[str, ...] = ()


class ReceivedData(msgspec.Struct, frozen=True, kw_only=True):
    """Data that came in under an agreement: where it lies (a name inside the received store) and what it is."""

    received_id: str
    peer_id: str
    asset_id: str
    agreement_id: str
    transfer_pid: str
    media_type: str
    size_bytes: int
    sha256: str
    file_name: str
    received_ms: int


class FetchState(StrEnum):
    """Steps of "get this dataset from that company"."""

    NEGOTIATING = "negotiating"
    TRANSFERRING = "transferring"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """One order "get this dataset from that company", carried to its end through restarts."""

    fetch_id: str
    peer_id: str
    peer_address: str
    asset_id: str
    format: str
    state: FetchState
    negotiation_pid: str | None = None
    transfer_pid: str | None = None
    agreement_id: str | None = None
    received_id: str | None = None
    received_bytes: int = 0
    problem: str | None = None
    created_ms: int = 0
    updated_ms: int = 0


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened, in order. `details` never holds a payload or a secret."""

    sequence: int
    at_ms: int
    event: str
    process_id: str
    peer_id: str
    details: dict[str, object]


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An address of this company's own that is told of events (names, or a prefix ending in `.`).

    It is told from the history, in order: `told_sequence` is the last entry that was put into the outbox for it.
    """

    webhook_id: str
    url: str
    events: tuple[str, ...]
    created_ms: int = 0
    told_sequence: int = 0


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What is told upward after the commit: to waiting calls, couriers, running streams and webhooks."""

    name: str
    participant_id: str
    process_id: str
    peer_id: str = ""
    at_ms: int = 0
    details: dict[str, object] = {}
