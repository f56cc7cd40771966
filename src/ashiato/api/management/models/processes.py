"""What goes on between two companies: negotiations, approvals, transfers, fetches, data received, accesses."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from ashiato.api.management.models.shared import (
    Address,
    ForeignId,
    InstantShown,
    JsonObject,
    Model,
    OwnId,
    PageQuery,
    Partner,
    PartnerShown,
    ProcessId,
    Reason,
    Role,
    WireFormat,
)

NegotiationStateName = Literal[
    "REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "FINALIZED", "TERMINATED"
]
TransferStateName = Literal["REQUESTED", "STARTED", "SUSPENDED", "COMPLETED", "TERMINATED"]
FetchStateName = Literal["negotiating", "transferring", "done", "failed", "cancelled"]
NegotiationActName = Literal["accept", "counter", "offer", "agree", "verify", "finalize", "terminate"]
TransferActName = Literal["start", "resume", "suspend", "complete", "terminate"]


class ConsumerNegotiation(Model):
    """Ask a provider for a contract over one of its datasets."""

    role: Literal["CONSUMER"]
    id: ProcessId | None = None
    partner: Partner
    address: Address | None = None
    asset_id: ForeignId
    offer_id: ForeignId | None = None
    """The `@id` of the offer in the partner's catalog; needed when it makes several for the dataset."""
    offer: JsonObject | None = None
    """A whole Offer with its `@id`, for terms of your own; left out, the offer is read from the partner's catalog."""
    acceptable: list[JsonObject] = Field(default=[], max_length=100)
    """Further terms (objects with `permission`, …) that you would also sign, in the order of your liking."""


class ProviderNegotiation(Model):
    """Offer one of your assets to a consumer of your own accord."""

    role: Literal["PROVIDER"]
    id: ProcessId | None = None
    partner: Partner
    address: Address | None = None
    asset_id: OwnId
    offer_id: OwnId
    """Your offer definition under which the asset is offered."""


NegotiationRequest = Annotated[ConsumerNegotiation | ProviderNegotiation, Field(discriminator="role")]


class EndingTold(Model):
    """Why a process was suspended or ended, in the words of the side that did it."""

    code: str | None
    reason: list[JsonValue]


class Negotiation(Model):
    """A contract negotiation as this side sees it."""

    negotiation_pid: str
    role: Role
    state: NegotiationStateName
    partner: PartnerShown
    partner_pid: str | None
    partner_address: str
    asset_id: str
    offer: JsonObject
    """The offer last made, by whichever side."""
    offer_by: Role
    agreement_id: str | None
    reason: EndingTold | None
    rounds: int
    """How many offers were made so far, by both sides."""
    needs_approval: bool
    """Whether it waits for a person of this company (see approvals)."""
    created_ms: InstantShown
    updated_ms: InstantShown


class NegotiationQuery(PageQuery):
    """Which negotiations are wanted."""

    state: NegotiationStateName | None = None
    partner: Partner | None = None


class NegotiationAct(Model):
    """What an act needs: `offer` and `counter` need a policy, `terminate` may give a reason."""

    policy: JsonObject | None = None
    reason: Reason = ""


class Approval(Model):
    """A negotiation that waits for a person."""

    negotiation_pid: str
    role: Role
    partner: PartnerShown
    asset_id: str
    question: str
    choices: list[str]
    """The acts that are open; `approve` is `agree` or `accept`, `counter` is `offer` or `counter`, `reject` is `terminate`."""
    offer: JsonObject
    since_ms: InstantShown


class Counter(Model):
    """The terms that you would sign instead."""

    policy: JsonObject


class Rejection(Model):
    """Why not."""

    reason: Reason = ""


class TransferRequest(Model):
    """Ask the provider for the data of an agreement."""

    id: ProcessId | None = None
    agreement_id: ForeignId
    format: WireFormat = "HttpData-PULL"
    """HttpData-PULL: this node fetches the data. HttpData-PUSH: the provider sends it to this node."""
    address: Address | None = None
    """Left out, the address of the negotiation."""


class Progress(Model):
    """How much data has come or gone so far."""

    bytes_count: int
    received_id: str | None
    """The data received, once it is whole."""


class Transfer(Model):
    """A transfer process as this side sees it."""

    transfer_pid: str
    role: Role
    state: TransferStateName
    partner: PartnerShown
    partner_pid: str | None
    partner_address: str
    agreement_id: str
    asset_id: str
    format: str
    reason: EndingTold | None
    created_ms: InstantShown
    updated_ms: InstantShown


class TransferWithProgress(Transfer):
    """A transfer process and how far it is."""

    progress: Progress


class TransferQuery(PageQuery):
    """Which transfers are wanted."""

    state: TransferStateName | None = None
    agreement_id: ForeignId | None = None


class FetchRequest(Model):
    """Get this dataset from that company: catalog, negotiation and transfer in one order."""

    id: ProcessId | None = None
    partner: Partner
    asset_id: ForeignId
    address: Address | None = None
    offer_id: ForeignId | None = None
    """The `@id` of the offer to take; needed when the partner makes several for the dataset."""
    format: WireFormat = "HttpData-PULL"


class Fetch(Model):
    """An order "get this dataset from that company" and how far it is."""

    fetch_id: str
    state: FetchStateName
    partner: PartnerShown
    partner_address: str
    asset_id: str
    format: str
    negotiation_pid: str | None
    transfer_pid: str | None
    agreement_id: str | None
    received_id: str | None
    received_bytes: int
    problem: str | None
    """Why it failed."""
    created_ms: InstantShown
    updated_ms: InstantShown


class WaitQuery(BaseModel):
    """How long the answer may wait for news."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wait_s: Annotated[
        int,
        Field(
            ge=0,
            le=60,
            description="Answer when the state or the bytes received change, at the latest after so many seconds.",
        ),
    ] = 0


class Received(Model):
    """Data that came in under an agreement."""

    received_id: str
    partner: PartnerShown
    asset_id: str
    agreement_id: str
    transfer_pid: str
    media_type: str
    size_bytes: int
    sha256: str
    received_ms: InstantShown


class UseQuery(BaseModel):
    """For what data received is used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    purpose: Annotated[
        str,
        StringConstraints(max_length=256, pattern=r"^[^\x00-\x20\x7f]*$"),
        Field(
            description="The purpose, in the word of the agreement's policy. The policy decides by it, and it stands in the "
            "receipt that the provider reads."
        ),
    ] = ""


class Access(Model):
    """One access to data, as this side saw it."""

    access_id: str
    role: Role
    partner: PartnerShown
    asset_id: str
    agreement_id: str
    transfer_pid: str
    method: str
    range_start_bytes: int
    sent_bytes: int
    sha256: str
    outcome: str
    started_ms: InstantShown
    ended_ms: InstantShown
    altered_by: list[str]
    """The places in the policy of the duties by which the data was altered on its way out; empty when it went out whole."""


class AccessQuery(PageQuery):
    """Which accesses are wanted."""

    agreement_id: ForeignId | None = None


class CatalogQuery(Model):
    """What a partner offers to you. All filters that are given must match."""

    partner: Partner
    address: Address | None = None
    asset_id: ForeignId | None = None
    data_item: ForeignId | None = None
    part_group: ForeignId | None = None
    filter: list[JsonObject] = Field(default=[], max_length=20)
    """Further filter items in the partner's own form, sent as they are."""
    cursor: Annotated[str, Field(max_length=2048, pattern=r"^[!-~]*$")] = ""
    """The `next_cursor` of the page before."""


class Dataset(Model):
    """One dataset of a partner's catalog."""

    asset_id: str
    title: str
    offers: list[JsonObject]
    """The offers made to you, as they came; take one by its `@id`."""
    formats: list[str]
    properties: JsonObject
    """Its further description."""


class CatalogPage(Model):
    """A page of a partner's catalog."""

    partner: str
    items: list[Dataset]
    next_cursor: str | None
