"""What a consumer writes down about data that comes in: each attempt, and the whole once it is verified."""

import msgspec

from ashiato.connector import transfers, vault
from ashiato.connector.company import Company, tell
from ashiato.connector.data_access import (
    AGREEMENT_ENDED,
    NOT_FOUND,
    AccessOutcome,
    Grant,
    Refusal,
    state_refusal,
    tell_access,
)
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound, WrongState
from ashiato.connector.records import AccessRecord, AgreementState, Event, ReceivedData
from ashiato.dsp.states import Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.policy.evaluation import Checkpoint


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request for data, as the consumer saw it."""

    access_id: str
    method: str
    range_start_bytes: int
    received_bytes: int
    sha256: str
    outcome: AccessOutcome
    started_ms: int


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """The verified whole, durable under `file_name` in the store of received files."""

    file_name: str
    media_type: str
    size_bytes: int
    sha256: str


class Incoming(msgspec.Struct, frozen=True):
    """A push under way: the entity tag of what is coming in, or the receipt when all of it came already."""

    transfer: TransferProcess
    etag: str | None
    received: ReceivedData | None


def expected(uow: UnitOfWork, own_pid: str) -> TransferProcess | None:
    """The consumer's transfer, when data may still come in under it and has not come in yet."""
    transfer = uow.transfers.get(own_pid)
    if transfer is None or transfer.role is not Role.CONSUMER or transfer.state is not TransferState.STARTED:
        return None
    return None if "received_id" in uow.transfers.context(own_pid) else transfer


def callable_transfer(uow: UnitOfWork, own_pid: str, now_ms: int) -> TransferProcess:
    """The started pull transfer of ours through which the company's own systems may read now.

    Raises `NotFound`, `WrongState` or, when the policy of the agreement says no, `NotPermitted`.
    """
    transfer = transfers.own(uow, own_pid)
    if transfer.role is not Role.CONSUMER or transfer.is_push:
        raise NotFound(f"There is no transfer {own_pid!r} through which you read.", id=own_pid)
    if transfer.state is not TransferState.STARTED:
        raise WrongState(
            f"The transfer is {transfer.state}; data flows only while it is STARTED.", state=transfer.state
        )
    agreement = uow.contracts.agreement(transfer.agreement_id)
    if agreement is None:
        raise NotFound(f"There is no agreement {transfer.agreement_id!r}.", id=transfer.agreement_id)
    transfers.check_usable(agreement, Checkpoint.TRANSFER, now_ms)
    return transfer


def incoming(uow: UnitOfWork, grant: Grant) -> Incoming | Refusal:
    """What is known of a push that the grant opens: only for the counterparty of a started transfer that asked for a push."""
    transfer = uow.transfers.get(grant.transfer_pid)
    if (
        transfer is None
        or transfer.role is not Role.CONSUMER
        or not transfer.is_push
        or (transfer.peer_id, transfer.agreement_id) != (grant.consumer, grant.agreement_id)
    ):
        return NOT_FOUND
    context = uow.transfers.context(transfer.own_pid)
    if (received_id := context.get("received_id")) is not None:
        return Incoming(transfer, None, uow.transfers.received(str(received_id)))
    agreement = uow.contracts.agreement(transfer.agreement_id)
    if agreement is None or agreement.state is not AgreementState.ACTIVE:
        return AGREEMENT_ENDED
    if transfer.state is not TransferState.STARTED:
        return state_refusal(transfer.state)
    etag = context.get("push_etag")
    return Incoming(transfer, etag if isinstance(etag, str) else None, None)


def begin_push(uow: UnitOfWork, own_pid: str, etag: str | None) -> None:
    """Remember which representation is coming in, so that a broken push is only continued with the same."""
    uow.transfers.put_context(own_pid, {**uow.transfers.context(own_pid), "push_etag": etag})


def renewable_push(uow: UnitOfWork, caller_id: str, own_pid: str) -> tuple[TransferProcess, str] | Refusal:
    """The transfer of the provider `caller_id` and its asset's id, for a fresh token; it may ask as often as it likes."""
    transfer = uow.transfers.get(own_pid)
    if transfer is None or transfer.role is not Role.CONSUMER or not transfer.is_push:
        return NOT_FOUND
    if transfer.peer_id != caller_id:
        return NOT_FOUND
    if transfer.state.is_terminal:
        return state_refusal(transfer.state)
    return transfer, _asset_id(uow, transfer)


def note_attempt(uow: UnitOfWork, transfer: TransferProcess, attempt: Attempt, now_ms: int) -> None:
    """Write down one attempt, also one that broke: the provider has a record of it too."""
    record = AccessRecord(
        access_id=attempt.access_id,
        role=Role.CONSUMER,
        peer_id=transfer.peer_id,
        asset_id=_asset_id(uow, transfer),
        agreement_id=transfer.agreement_id,
        transfer_pid=transfer.own_pid,
        method=attempt.method,
        range_start_bytes=attempt.range_start_bytes,
        sent_bytes=attempt.received_bytes,
        sha256=attempt.sha256,
        outcome=attempt.outcome.value,
        started_ms=attempt.started_ms,
        ended_ms=now_ms,
    )
    uow.transfers.put_access(record)
    tell_access(uow, "data.received", record)


def note_progress(uow: UnitOfWork, own_pid: str, received_bytes: int, now_ms: int) -> None:
    """Tell those who wait how far a long transfer is; it is no part of the history."""
    fetch = uow.transfers.fetch_of_process(own_pid)
    if fetch is not None:
        uow.transfers.put_fetch(
            msgspec.structs.replace(fetch, received_bytes=received_bytes, updated_ms=now_ms)
        )
    uow.tell(
        Event(
            name="transfer.progress",
            participant_id=uow.participant_id,
            process_id=own_pid,
            at_ms=now_ms,
            details={"received_bytes": received_bytes},
        )
    )


def take(
    uow: UnitOfWork, company: Company, own_pid: str, landed: Landed, attempt: Attempt, moment: Moment
) -> ReceivedData | None:
    """The receipt of the whole, with its last attempt; the transfer is completed in the same transaction.

    None when the right ended before this instant, or the data had come in already: then the file must go.
    """
    transfer = expected(uow, own_pid)
    if transfer is None:
        return None
    note_attempt(uow, transfer, attempt, moment.now_ms)
    received = ReceivedData(
        received_id=moment.fresh_id(),
        peer_id=transfer.peer_id,
        asset_id=_asset_id(uow, transfer),
        agreement_id=transfer.agreement_id,
        transfer_pid=own_pid,
        media_type=landed.media_type,
        size_bytes=landed.size_bytes,
        sha256=landed.sha256,
        file_name=landed.file_name,
        received_ms=moment.now_ms,
    )
    uow.transfers.put_received(received)
    vault.keep(uow, company, received, transfer, moment)
    context = uow.transfers.context(own_pid)
    uow.transfers.put_context(own_pid, {**context, "received_id": received.received_id})
    note_progress(uow, own_pid, landed.size_bytes, moment.now_ms)
    details: dict[str, object] = {
        "received_id": received.received_id,
        "asset_id": received.asset_id,
        "size_bytes": received.size_bytes,
        "sha256": received.sha256,
    }
    tell(uow, company, moment, "transfer.received", own_pid, transfer.peer_id, **details)
    transfers.complete(uow, company, own_pid, moment)
    return received


def give_up(uow: UnitOfWork, company: Company, own_pid: str, reason: str, moment: Moment) -> None:
    """The data cannot be had: the transfer ends on both sides, with the reason."""
    if expected(uow, own_pid) is not None:
        transfers.terminate(uow, company, own_pid, reason, moment)


def _asset_id(uow: UnitOfWork, transfer: TransferProcess) -> str:
    agreement = uow.contracts.agreement(transfer.agreement_id)
    return agreement.asset_id if agreement is not None else ""
