"""Whether one request for data is served, and what is written down about it: the data plane decides here.

**What a use is.** A policy may limit the number of uses. A read starts a new use, and the use is counted in the same
transaction that admits the read, before the first byte leaves. A broken download that is resumed continues its use: a request
with a `Range` for the representation (entity tag and size) with which the latest use of its transfer began is free, so the
bytes are those that the consumer already has the right to. It stays free only while everything sent for that use fits into
twice the size plus 16 MiB, each request charged with at least 64 KiB; beyond that it starts a new use, so that nobody reads
for ever by ranges. What is charged is reserved at admission, which also bounds parallel requests, and what was not sent is
given back at the end. A source without an entity tag or without ranges cannot be resumed: each of its reads is a use.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from ashiato.connector import obligations
from ashiato.connector.agreements import Served, decide_served
from ashiato.connector.alterations import is_alterable
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.ranges import ByteRange
from ashiato.connector.receipt_dates import FIRST_QUESTION_AFTER_MS, ask_at
from ashiato.connector.records import AccessRecord, AgreementRecord, AgreementState, Asset, Event
from ashiato.dsp.states import Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.facts.decisions import Decision
from ashiato.policy.evaluation import Checkpoint
from ashiato.policy.transformations import Transformation
from ashiato.trust.standing import Standing

RESUME_SLACK_BYTES = 16 * 1024 * 1024
LEAST_CHARGE_BYTES = 64 * 1024
STANDING_LOST = "standing-lost"
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class AccessOutcome(StrEnum):
    """How an access ended. OPEN is written before the first byte: after a crash it says that nothing more is known."""

    OPEN = "open"
    COMPLETE = "complete"
    ABORTED = "aborted"
    """The other side went away."""
    CUT = "cut"
    """We stopped it: the right ended, or the reader was too slow."""
    FAILED = "failed"
    """The source failed."""


class Grant(Protocol):
    """What opens the data and for whom: a verified access token, or this node's own order to push."""

    @property
    def consumer(self) -> str: ...
    @property
    def agreement_id(self) -> str: ...
    @property
    def transfer_pid(self) -> str: ...
    @property
    def asset_id(self) -> str: ...


class Proof(Protocol):
    """A proof of possession that came with the request; it counts once."""

    @property
    def participant_id(self) -> str: ...
    @property
    def token_id(self) -> str: ...
    @property
    def expires_ms(self) -> int: ...


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks of the described source: `part` is the range that holds, None for the whole.

    `changes` are those with which the source was described.
    """

    method: str
    part: ByteRange | None = None
    size_bytes: int | None = None
    etag: str | None = None
    changes: tuple[Transformation, ...] = ()


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What left: the bytes that were handed to the transport, their hash, how it ended, and why for our own log."""

    sent_bytes: int
    sha256: str
    outcome: AccessOutcome
    why: str = ""


class TransportGone(Exception):
    """The reader went away: the chunk in hand was not handed over."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What came in with a forwarded request and was handed to the source."""

    taken_bytes: int
    sha256: str


NOTHING_SENT = Sent(sent_bytes=0, sha256=EMPTY_SHA256, outcome=AccessOutcome.OPEN)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request is not served: the HTTP status, a code for machines, and a sentence that the caller may read."""

    status_code: int
    code: str
    reason: str
    allowed_methods: tuple[str, ...] = ()


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """The right to send one answer. At `cut_at_ms` the policy may end it: ask `recheck` then, and stop if it refuses."""

    access_id: str
    role: Role
    peer_id: str
    asset: Asset
    agreement_id: str
    transfer_pid: str
    method: str
    range_start_bytes: int
    started_ms: int
    use_number: int
    charged_bytes: int
    cut_at_ms: int | None
    changes: tuple[Transformation, ...] = ()
    consumer: Standing


class Found(msgspec.Struct, frozen=True):
    """The asset that a request may see, and how its data must be altered."""

    asset: Asset
    changes: tuple[Transformation, ...] = ()


class _Footing(msgspec.Struct, frozen=True):
    transfer: TransferProcess
    agreement: AgreementRecord
    asset: Asset


def look_up(uow: UnitOfWork, grant: Grant, consumer: Standing, method: str, now_ms: int) -> Found | Refusal:
    """What `consumer` may see, without counting a use: what HEAD needs, and GET before the source is described."""
    footing = _footing(uow, grant, method)
    if isinstance(footing, Refusal):
        return footing
    checkpoint = Checkpoint.RUNNING if _use(uow, footing.transfer) else Checkpoint.READ
    served = _decide(uow, footing, consumer, method, checkpoint, now_ms)
    if not served.decision.permitted:
        return _denied(served.decision)
    if served.changes and not is_alterable(footing.asset.media_type):
        return NOT_ALTERABLE
    return Found(footing.asset, served.changes)


def admit(
    uow: UnitOfWork,
    grant: Grant,
    consumer: Standing,
    wanted: Wanted,
    moment: Moment,
    proof: Proof | None = None,
) -> Admission | Refusal:
    """The admission of one request, its use counted and its record opened; or the refusal, and nothing of this changed.

    The transfer is STARTED and, with its finalized and active agreement, that of the grant; the asset allows the method; the
    policy of the agreement permits the read now. A `proof` is remembered whatever comes of it, so that it cannot be played
    again.
    """
    if (replayed := use_up(uow, proof)) is not None:
        return replayed
    footing = _footing(uow, grant, wanted.method)
    if isinstance(footing, Refusal):
        return footing
    transfer, agreement = footing.transfer, footing.agreement
    charged_bytes = _charge_bytes(wanted)
    use = _use(uow, transfer)
    resumed = use is not None and _resumes(use, wanted, charged_bytes)
    served = _decide(
        uow,
        footing,
        consumer,
        wanted.method,
        Checkpoint.RUNNING if resumed else Checkpoint.READ,
        moment.now_ms,
    )
    if not served.decision.permitted:
        return _denied(served.decision)
    if served.changes != wanted.changes:
        return RIGHT_CHANGED
    if use is None or not resumed:
        number = agreement.uses_count + 1
        uow.contracts.put_agreement(msgspec.structs.replace(agreement, uses_count=number))
        obligations.used(uow, agreement, f"use:{number}", moment)
        use = _Use(number=number, etag=wanted.etag, size_bytes=wanted.size_bytes, charged_bytes=0)
    use = msgspec.structs.replace(use, charged_bytes=use.charged_bytes + charged_bytes)
    _put_use(uow, transfer.own_pid, use)
    admission = Admission(
        access_id=moment.fresh_id(),
        role=Role.PROVIDER,
        peer_id=transfer.peer_id,
        asset=footing.asset,
        agreement_id=agreement.agreement_id,
        transfer_pid=transfer.own_pid,
        method=wanted.method,
        range_start_bytes=wanted.part.start_bytes if wanted.part else 0,
        started_ms=moment.now_ms,
        use_number=use.number,
        charged_bytes=charged_bytes,
        cut_at_ms=served.cut_at_ms,
        changes=served.changes,
        consumer=consumer,
    )
    uow.transfers.put_access(_record(admission, NOTHING_SENT, moment.now_ms))
    return admission


def use_up(uow: UnitOfWork, proof: Proof | None) -> Refusal | None:
    """Remember a proof until it expires; the refusal when it came before."""
    if proof is None or uow.records.remember_token(proof.participant_id, proof.token_id, proof.expires_ms):
        return None
    return Refusal(status_code=401, code="proof-replayed", reason="Make a fresh proof for each request.")


def has_asked_for_all(uow: UnitOfWork, grant: Grant, size_bytes: int | None, etag: str | None) -> bool:
    """Whether the present use of the transfer has asked for at least as much as the whole of that representation."""
    transfer = uow.transfers.get(grant.transfer_pid)
    use = None if transfer is None else _use(uow, transfer)
    if use is None or size_bytes is None or etag is None or use.etag != etag:
        return False
    return use.charged_bytes >= size_bytes


def recheck(uow: UnitOfWork, admission: Admission, consumer: Standing, now_ms: int) -> int | Refusal | None:
    """Whether a running answer may go on: the next instant at which to ask (None = time alone never ends it), or the refusal.

    Its code is `standing-lost` where the answer could go on if `consumer` still had what was verified of it at admission.
    """
    grant = _Running(admission)
    footing = _footing(uow, grant, admission.method)
    if isinstance(footing, Refusal):
        return footing
    served = _decide(uow, footing, consumer, admission.method, Checkpoint.RUNNING, now_ms)
    decision = served.decision
    if decision.permitted:
        return served.cut_at_ms if served.changes == admission.changes else RIGHT_CHANGED
    as_admitted = _decide(uow, footing, admission.consumer, admission.method, Checkpoint.RUNNING, now_ms)
    if as_admitted.decision.permitted:
        return Refusal(status_code=403, code=STANDING_LOST, reason=decision.summary())
    return _denied(decision)


def finish(
    uow: UnitOfWork, admission: Admission, sent: Sent, now_ms: int, taken: Taken | None = None
) -> AccessRecord:
    """Write down how the answer ended: the record, the history, and what the use is given back of its charge."""
    use = _use(uow, uow.transfers.get(admission.transfer_pid))
    if use is not None and use.number == admission.use_number:
        returned_bytes = max(0, admission.charged_bytes - max(sent.sent_bytes, LEAST_CHARGE_BYTES))
        _put_use(
            uow,
            admission.transfer_pid,
            msgspec.structs.replace(use, charged_bytes=use.charged_bytes - returned_bytes),
        )
    record = _record(admission, sent, now_ms)
    uow.transfers.put_access(record)
    more: dict[str, object] = {}
    if taken is not None:
        more = {"taken_bytes": taken.taken_bytes, "taken_sha256": taken.sha256}
    tell_access(uow, "data.sent", record, more)
    if sent.outcome is AccessOutcome.COMPLETE and sent.sent_bytes:
        ask_at(uow, record.agreement_id, record.peer_id, now_ms + FIRST_QUESTION_AFTER_MS, now_ms)
    return record


def renewable(uow: UnitOfWork, caller_id: str, transfer_pid: str) -> tuple[TransferProcess, str] | Refusal:
    """The started transfer of `caller_id` and its asset's id, for a fresh access token. It changes nothing: a lost answer
    is simply asked for again.
    """
    transfer = uow.transfers.get(transfer_pid)
    if transfer is None or transfer.role is not Role.PROVIDER or transfer.peer_id != caller_id:
        return NOT_FOUND
    agreement = uow.contracts.agreement(transfer.agreement_id)
    refusal = _transfer_refusal(transfer) or _agreement_refusal(agreement)
    if refusal is not None or agreement is None:
        return refusal or NOT_FOUND
    return transfer, agreement.asset_id


def tell_access(
    uow: UnitOfWork, name: str, record: AccessRecord, more: Mapping[str, object] | None = None
) -> None:
    """Put one ended access into the history and tell it upward; the payload stays out, its size and hash go in."""
    details: dict[str, object] = {
        "asset_id": record.asset_id,
        "agreement_id": record.agreement_id,
        "access_id": record.access_id,
        "method": record.method,
        "range_start_bytes": record.range_start_bytes,
        "sent_bytes": record.sent_bytes,
        "sha256": record.sha256,
        "outcome": record.outcome,
        **({"altered_by": list(record.altered_by)} if record.altered_by else {}),
        **(more or {}),
    }
    uow.records.add_history(record.ended_ms, name, record.transfer_pid, record.peer_id, details)
    uow.tell(
        Event(
            name=name,
            participant_id=uow.participant_id,
            process_id=record.transfer_pid,
            peer_id=record.peer_id,
            at_ms=record.ended_ms,
            details=details,
        )
    )


NOT_FOUND = Refusal(status_code=404, code="not-found", reason="There is no such transfer.")

NOT_ALTERABLE = Refusal(
    status_code=403,
    code="not-alterable",
    reason="The policy demands that the data is altered, which is not possible with this data; tell the provider.",
)

RIGHT_CHANGED = Refusal(
    status_code=409, code="right-changed", reason="Your right has just changed; ask again."
)

AGREEMENT_ENDED = Refusal(
    status_code=403, code="agreement-ended", reason="The agreement has ended; negotiate a new one."
)

_STATE_REFUSALS = {
    TransferState.REQUESTED: (409, "transfer-not-started", "The transfer has not been started yet."),
    TransferState.SUSPENDED: (403, "transfer-suspended", "The transfer is suspended; wait for its start."),
    TransferState.COMPLETED: (403, "transfer-ended", "The transfer is completed; request a new one."),
    TransferState.TERMINATED: (403, "transfer-ended", "The transfer was terminated; request a new one."),
}


def state_refusal(state: TransferState) -> Refusal:
    """Why no data flows in this state, which is not STARTED."""
    status_code, code, reason = _STATE_REFUSALS[state]
    return Refusal(status_code=status_code, code=code, reason=reason)


class _Use(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    charged_bytes: int
    etag: str | None = None
    size_bytes: int | None = None


class _Running(msgspec.Struct, frozen=True):
    """The grant of an answer that is already running."""

    admission: Admission

    @property
    def consumer(self) -> str:
        return self.admission.peer_id

    @property
    def agreement_id(self) -> str:
        return self.admission.agreement_id

    @property
    def transfer_pid(self) -> str:
        return self.admission.transfer_pid

    @property
    def asset_id(self) -> str:
        return self.admission.asset.asset_id


def _footing(uow: UnitOfWork, grant: Grant, method: str) -> _Footing | Refusal:
    transfer = uow.transfers.get(grant.transfer_pid)
    if (
        transfer is None
        or transfer.role is not Role.PROVIDER
        or transfer.peer_id != grant.consumer
        or transfer.agreement_id != grant.agreement_id
    ):
        return NOT_FOUND
    agreement = uow.contracts.agreement(grant.agreement_id)
    if agreement is None or (agreement.peer_id, agreement.asset_id) != (grant.consumer, grant.asset_id):
        return NOT_FOUND
    # The agreement is looked at first: when it ended, that is the reason that helps, whatever became of the transfer.
    refusal = _agreement_refusal(agreement) or _transfer_refusal(transfer)
    if refusal is not None:
        return refusal
    asset = uow.assets.asset(grant.asset_id)
    if asset is None:
        return Refusal(
            status_code=404, code="asset-withdrawn", reason="The provider has withdrawn this dataset."
        )
    allowed = (*asset.methods, "HEAD") if "GET" in asset.methods else asset.methods
    if method not in allowed:
        return Refusal(
            status_code=405,
            code="method-not-allowed",
            reason=f"This dataset allows {', '.join(allowed)}.",
            allowed_methods=allowed,
        )
    return _Footing(transfer, agreement, asset)


def _transfer_refusal(transfer: TransferProcess) -> Refusal | None:
    return None if transfer.state is TransferState.STARTED else state_refusal(transfer.state)


def _agreement_refusal(agreement: AgreementRecord | None) -> Refusal | None:
    if agreement is None or agreement.role is not Role.PROVIDER:
        return NOT_FOUND
    if not agreement.finalized:
        return Refusal(
            status_code=403, code="agreement-not-finalized", reason="The agreement is not finalized yet."
        )
    return None if agreement.state is AgreementState.ACTIVE else AGREEMENT_ENDED


def _decide(
    uow: UnitOfWork,
    footing: _Footing,
    consumer: Standing,
    method: str,
    checkpoint: Checkpoint,
    now_ms: int,
) -> Served:
    action = "read" if method in ("GET", "HEAD") else "use"
    return decide_served(uow, footing.agreement, footing.asset, consumer, checkpoint, action, now_ms)


def _denied(decision: Decision) -> Refusal:
    return Refusal(status_code=403, code="policy-denied", reason=decision.summary())


def _charge_bytes(wanted: Wanted) -> int:
    size_bytes = wanted.part.size_bytes if wanted.part else wanted.size_bytes or 0
    return max(size_bytes, LEAST_CHARGE_BYTES)


def _resumes(use: _Use, wanted: Wanted, charged_bytes: int) -> bool:
    if wanted.part is None or wanted.etag is None or wanted.size_bytes is None:
        return False
    if (use.etag, use.size_bytes) != (wanted.etag, wanted.size_bytes):
        return False
    return use.charged_bytes + charged_bytes <= 2 * wanted.size_bytes + RESUME_SLACK_BYTES


def _use(uow: UnitOfWork, transfer: TransferProcess | None) -> _Use | None:
    if transfer is None:
        return None
    kept = uow.transfers.context(transfer.own_pid).get("use")
    return None if kept is None else msgspec.convert(kept, _Use)


def _put_use(uow: UnitOfWork, transfer_pid: str, use: _Use) -> None:
    uow.transfers.put_context(
        transfer_pid, {**uow.transfers.context(transfer_pid), "use": msgspec.to_builtins(use)}
    )


def _record(admission: Admission, sent: Sent, ended_ms: int) -> AccessRecord:
    return AccessRecord(
        access_id=admission.access_id,
        role=admission.role,
        peer_id=admission.peer_id,
        asset_id=admission.asset.asset_id,
        agreement_id=admission.agreement_id,
        transfer_pid=admission.transfer_pid,
        method=admission.method,
        range_start_bytes=admission.range_start_bytes,
        sent_bytes=sent.sent_bytes,
        sha256=sent.sha256,
        outcome=sent.outcome.value,
        started_ms=admission.started_ms,
        ended_ms=ended_ms,
        altered_by=tuple(change.path for change in admission.changes),
    )
