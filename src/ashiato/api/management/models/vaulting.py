"""Data received and what became of it on both sides; apps."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ashiato.api.management.models.processes import Received
from ashiato.api.management.models.shared import (
    ForeignId,
    InstantShown,
    Model,
    PageQuery,
    PartnerShown,
)
from ashiato.connector import receipts
from ashiato.connector.vault_records import ReceiptWatch, VaultItem
from ashiato.statements.examination import ENGLISH, JAPANESE
from ashiato.statements.examination import Finding as FindingRecord

FaultName = Literal[
    "missing",
    "repeated",
    "out_of_order",
    "forked",
    "backdated",
    "postdated",
    "invented",
    "not_permitted",
    "used_after_deletion",
    "wrong_signature",
    "wrong_parties",
    "malformed",
    "overdue",
    "silent",
]


class VaultQuery(PageQuery):
    """Which data received is wanted."""

    agreement_id: ForeignId | None = None


class VaultEntry(Model):
    """Data received, kept apart under its agreement."""

    received: Received
    state: Literal["held", "deleting", "deleted"]
    uses_count: int
    last_used_ms: InstantShown | None
    delete_due_ms: InstantShown | None
    """When it must be gone; null when nothing says so."""
    delete_why: str
    """`deadline`, `delay`, `after-use`, `agreement-ended`, or who else ordered it."""
    deleted_ms: InstantShown | None

    @classmethod
    def of_item(cls, item: VaultItem) -> "VaultEntry":
        """The model of an item."""
        return cls(
            received=Received.of(item.received),
            state=item.state.value,
            uses_count=item.uses_count,
            last_used_ms=item.last_used_ms,
            delete_due_ms=item.delete_due_ms,
            delete_why=item.delete_why,
            deleted_ms=item.deleted_ms,
        )


class UsageTotal(Model):
    """The uses under one agreement by one app for one purpose; an empty app is a person or a program with the company's key."""

    agreement_id: str
    app: str
    purpose: str
    uses_count: int
    first_ms: InstantShown
    last_ms: InstantShown


class UsageQuery(BaseModel):
    """Of which agreement; of all without it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agreement_id: ForeignId | None = None


class Finding(Model):
    """One thing that does not fit in what a consumer showed."""

    fault: FaultName
    sequence: int
    """The number of the receipt; 0 for the whole."""
    detail: str
    sentence_en: str
    sentence_ja: str
    at_ms: InstantShown
    evidence: str
    """What the consumer signed, as it came."""

    @classmethod
    def of_record(cls, finding: FindingRecord) -> "Finding":
        """The model of a finding."""
        return cls(
            fault=finding.fault.value,
            sequence=finding.sequence,
            detail=finding.detail,
            sentence_en=finding.text_in(ENGLISH),
            sentence_ja=finding.text_in(JAPANESE),
            at_ms=finding.at_ms,
            evidence=finding.evidence,
        )


class OtherSide(Model):
    """What happened to your data at the consumer's of one agreement, by its own signed receipts."""

    agreement_id: str
    partner: PartnerShown
    asset_id: str
    standing: Literal["not_asked", "not_offered", "silent", "complete", "faulty"]
    receipts_count: int
    uses_count: int
    held_count: int
    """Data that the consumer holds, by its receipts."""
    deleted_count: int
    findings_count: int
    findings: list[Finding]
    asked_ms: InstantShown | None
    answered_ms: InstantShown | None
    silent_since_ms: InstantShown | None
    next_ms: InstantShown | None
    """When it is asked again."""

    @classmethod
    def of_watch(cls, watch: ReceiptWatch) -> "OtherSide":
        """The model of a watch."""
        return cls(
            agreement_id=watch.agreement_id,
            partner=watch.peer_id,
            asset_id=watch.asset_id,
            standing=receipts.standing_of(watch).value,
            receipts_count=watch.chain.last_sequence,
            uses_count=watch.chain.uses_count,
            held_count=len(watch.chain.held),
            deleted_count=len(watch.chain.deleted),
            findings_count=watch.findings_count,
            findings=[Finding.of_record(finding) for finding in watch.findings],
            asked_ms=watch.asked_ms,
            answered_ms=watch.answered_ms,
            silent_since_ms=watch.silent_since_ms,
            next_ms=watch.due_ms,
        )


class Question(Model):
    """About which agreement a consumer is asked."""

    agreement_id: ForeignId


class ReceiptQuery(PageQuery):
    """The receipts of which agreement; the cursor is the number of the last one seen."""

    agreement_id: ForeignId
    cursor: Annotated[str, Field(pattern=r"^[0-9]{0,15}$")] = ""


class SignedReceipt(Model):
    """One receipt: yours as consumer, or one that the consumer showed to you as provider."""

    sequence: int
    sha256: str
    compact: str
    """The JWS; empty for one of yours that nobody has asked for yet."""
    payload: str
    """The canonical JSON of one of yours."""
