"""Receipts of an agreement: a consumer shows its own, a provider asks for them and finds what does not fit."""

from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256

import msgspec

from ashiato.connector import obligations, transfers, vault
from ashiato.connector.catalog import compiled, rules_of
from ashiato.connector.company import Company, tell
from ashiato.connector.data_access import AccessOutcome
from ashiato.connector.deletion import deletion_terms
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.connector.receipt_dates import GRACE_MS, NEXT_QUESTION_AFTER_MS, ask_at, ask_next_at, process_of
from ashiato.connector.records import AgreementRecord, AgreementState, Event
from ashiato.connector.vault import USE_LASTS_MS, Reader
from ashiato.connector.vault_records import KeptReceipt, ReceiptWatch, VaultAccount
from ashiato.dsp.states import Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.policy.evaluation import Checkpoint
from ashiato.statements.examination import (
    MOST_FINDINGS_COUNT,
    Chain,
    Examined,
    Fault,
    Finding,
    HandedOver,
    OwnSide,
    data_key,
    examine,
    unreported,
)
from ashiato.statements.receipts import Head, Receipt, ReceiptKind, VerifiedHead, VerifiedReceipt

PAGE_COUNT = 200
# Of one transfer; a hand-over takes few answers, and hundreds only where its pieces have no hash of the whole.
MOST_ACCESSES_COUNT = 100
_TRANSFERS_COUNT = 500
# Faults of what stays as it is from one question to the next. They are no more than what this side handed over and the partner
# says to hold, and the chain is as long as that anyway; of faults in single receipts the partner could make any number.
_FOUND_AGAIN = frozenset((Fault.OVERDUE, Fault.MISSING, Fault.SILENT))
GO_ON_AFTER_MS = 3_600_000


# What a consumer shows.


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A page of our own receipts, some not signed yet, and the head of their chain."""

    receipts: tuple[KeptReceipt, ...]
    head: Head
    is_last: bool


def shown_to(
    uow: UnitOfWork, company: Company, caller_id: str, agreement_id: str, after_sequence: int, now_ms: int
) -> Shown:
    """Our receipts behind `after_sequence`; raises `NotFound` for everybody but the provider of the agreement."""
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is None or agreement.role is not Role.CONSUMER or agreement.peer_id != caller_id:
        raise NotFound(f"There is no agreement {agreement_id!r} in which you are the provider.")
    found = uow.vault.list_receipts(agreement_id, after_sequence, PAGE_COUNT + 1)
    account = uow.vault.account(agreement_id) or VaultAccount(agreement_id=agreement_id)
    head = Head(
        agreement=agreement_id,
        provider=caller_id,
        consumer=company.participant_id,
        sequence=account.last_sequence,
        last=account.last_sha256,
        at_ms=now_ms,
    )
    return Shown(receipts=tuple(found[:PAGE_COUNT]), head=head, is_last=len(found) <= PAGE_COUNT)


def told_of_end(uow: UnitOfWork, company: Company, caller_id: str, agreement_id: str, moment: Moment) -> None:
    """The provider says, with its question, that it has ended the agreement: it ends here too, and what the agreement says of
    its end is done. The protocol has no message for it. Somebody else's word changes nothing.
    """
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is None or agreement.role is not Role.CONSUMER or agreement.peer_id != caller_id:
        return
    if agreement.state is AgreementState.ACTIVE:
        transfers.agreement_ended_by_peer(uow, company, agreement_id, "The provider ended it.", moment)


def keep_signed(uow: UnitOfWork, receipts: Sequence[KeptReceipt]) -> None:
    """Keep the signatures, so that a receipt is always shown with the one it was first shown with."""
    for receipt in receipts:
        uow.vault.put_receipt(receipt)


# What a provider finds.


class Standing(StrEnum):
    """What a provider knows of the receipts of one agreement."""

    NOT_ASKED = "not_asked"
    NOT_OFFERED = "not_offered"
    """The partner's connector keeps no receipts."""
    SILENT = "silent"
    """It does not answer."""
    COMPLETE = "complete"
    """Nothing is missing and nothing contradicts what this side knows."""
    FAULTY = "faulty"
    """The findings say what does not fit."""


def standing_of(watch: ReceiptWatch) -> Standing:
    """The one word for what is known."""
    if watch.findings_count:
        return Standing.FAULTY
    if watch.is_offered is False:
        return Standing.NOT_OFFERED
    if watch.silent_since_ms is not None:
        return Standing.SILENT
    return Standing.NOT_ASKED if watch.answered_ms is None else Standing.COMPLETE


def watched(uow: UnitOfWork, agreement_id: str) -> tuple[AgreementRecord, ReceiptWatch] | None:
    """The agreement and what is known of its other side; None where this participant is not its provider."""
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is None or agreement.role is not Role.PROVIDER:
        return None
    known = uow.vault.watch(agreement_id)
    return agreement, known or ReceiptWatch(
        agreement_id=agreement_id, peer_id=agreement.peer_id, asset_id=agreement.asset_id
    )


def follow(uow: UnitOfWork, company: Company, event: Event, moment: Moment) -> None:
    """Reactor: when a provider ends an agreement, the consumer is told by the next question, which is asked at once."""
    if event.name != "agreement.terminated":
        return
    agreement = uow.contracts.agreement(event.process_id)
    if agreement is None or agreement.role is not Role.PROVIDER:
        return
    watch = uow.vault.watch(agreement.agreement_id)
    if watch is not None and watch.is_offered is False:
        return
    if uow.transfers.list_accesses("", 1, agreement_id=agreement.agreement_id):
        ask_at(uow, agreement.agreement_id, agreement.peer_id, moment.now_ms, moment.now_ms)


def ask_now(uow: UnitOfWork, agreement_id: str, now_ms: int) -> ReceiptWatch:
    """Put the question into the outbox; raises `NotFound` where this participant is not the provider."""
    found = watched(uow, agreement_id)
    if found is None:
        raise NotFound(
            f"There is no agreement {agreement_id!r} in which you are the provider.", id=agreement_id
        )
    agreement, watch = found
    ask_at(uow, agreement_id, agreement.peer_id, now_ms, now_ms)
    watch = msgspec.structs.replace(watch, due_ms=now_ms)
    uow.vault.put_watch(watch)
    return watch


def take(
    uow: UnitOfWork,
    company: Company,
    agreement_id: str,
    shown: Sequence[VerifiedReceipt],
    unreadable: Sequence[Finding],
    head: VerifiedHead | None,
    moment: Moment,
) -> ReceiptWatch | None:
    """Examine one page of an answer, keep it and tell what was found; `head` comes with the last page."""
    found = watched(uow, agreement_id)
    if found is None:
        return None
    agreement, watch = found
    own = _own_side(uow, agreement, watch.chain, shown, moment.now_ms, is_last=head is not None)
    examined = examine(watch.chain, shown, head, own, lambda receipt: _not_permitted(agreement, receipt))
    for verified in examined.taken:
        uow.vault.put_receipt(
            KeptReceipt(
                agreement_id=agreement_id,
                sequence=verified.receipt.sequence,
                payload="",
                sha256=verified.sha256,
                compact=verified.compact,
            )
        )
    deleted = frozenset(examined.chain.deleted)
    is_told = any(
        verified.receipt.kind is ReceiptKind.DELETED and data_key(verified.receipt) in deleted
        for verified in examined.taken
    )
    if is_told and not examined.chain.held:
        obligations.settle_deletions(
            uow, agreement_id, moment, "The partner's receipt says that it is deleted."
        )
    findings = [*unreadable, *examined.findings]
    if head is not None:
        findings += unreported(examined.chain, own, GRACE_MS)
        findings += _overdue(agreement, examined.chain, moment.now_ms)
    watch = msgspec.structs.replace(
        watch,
        chain=examined.chain,
        is_offered=True,
        asked_ms=moment.now_ms,
        answered_ms=moment.now_ms,
        silent_since_ms=None,
        unfinished_since_ms=None if head is not None else watch.unfinished_since_ms,
    )
    watch = _with_findings(uow, company, watch, findings, moment)
    if head is not None:
        watch = _asked_again(uow, agreement, watch, examined, moment)
    uow.vault.put_watch(watch)
    return watch


def put_off(uow: UnitOfWork, company: Company, agreement_id: str, moment: Moment) -> None:
    """One question brought as much as it may: the next goes on behind it, soon. Whose receipts have no end for a day hides it."""
    found = watched(uow, agreement_id)
    if found is None:
        return
    agreement, watch = found
    since_ms = moment.now_ms if watch.unfinished_since_ms is None else watch.unfinished_since_ms
    findings = _overdue(agreement, watch.chain, moment.now_ms)
    if moment.now_ms - since_ms >= NEXT_QUESTION_AFTER_MS:
        detail = "the end of its receipts was not reached for a day"
        findings.append(Finding(fault=Fault.SILENT, sequence=0, detail=detail, at_ms=moment.now_ms))
    due_ms = moment.now_ms + GO_ON_AFTER_MS
    watch = msgspec.structs.replace(watch, unfinished_since_ms=since_ms, due_ms=due_ms)
    uow.vault.put_watch(_with_findings(uow, company, watch, findings, moment))
    ask_next_at(uow, agreement_id, agreement.peer_id, due_ms, moment.now_ms)


def unanswered(
    uow: UnitOfWork, company: Company, agreement_id: str, why: str, moment: Moment, *, is_offered: bool | None
) -> None:
    """The consumer's connector did not show receipts. Data that had to be gone by now is overdue all the same."""
    found = watched(uow, agreement_id)
    if found is None:
        return
    agreement, watch = found
    watch = msgspec.structs.replace(watch, asked_ms=moment.now_ms)
    if is_offered is False:
        uow.vault.put_watch(msgspec.structs.replace(watch, is_offered=False, due_ms=None))
        return
    since_ms = watch.silent_since_ms if watch.silent_since_ms is not None else moment.now_ms
    watch = msgspec.structs.replace(watch, silent_since_ms=since_ms)
    findings = _overdue(agreement, watch.chain, moment.now_ms)
    if moment.now_ms - since_ms >= NEXT_QUESTION_AFTER_MS:
        findings.append(Finding(fault=Fault.SILENT, sequence=0, detail=why, at_ms=moment.now_ms))
    uow.vault.put_watch(_with_findings(uow, company, watch, findings, moment))


def given_up(uow: UnitOfWork, agreement_id: str, moment: Moment) -> None:
    """The outbox gave up its tries: the question is asked again tomorrow."""
    found = watched(uow, agreement_id)
    if found is None or found[1].is_offered is False:
        return
    agreement, watch = found
    due_ms = moment.now_ms + NEXT_QUESTION_AFTER_MS
    uow.vault.put_watch(msgspec.structs.replace(watch, due_ms=due_ms))
    ask_next_at(uow, agreement_id, agreement.peer_id, due_ms, moment.now_ms)


def _own_side(
    uow: UnitOfWork,
    agreement: AgreementRecord,
    chain: Chain,
    shown: Sequence[VerifiedReceipt],
    now_ms: int,
    *,
    is_last: bool,
) -> OwnSide:
    known: dict[int, str] = {}
    sequences = [verified.receipt.sequence for verified in shown]
    if sequences:
        first = min(sequences)
        # The partner chose the numbers: however far apart they are, no more is read than an answer can hold.
        most_count = min(max(sequences) - first + 1, 10 * PAGE_COUNT)
        kept = uow.vault.list_receipts(agreement.agreement_id, first - 1, most_count)
        known = {receipt.sequence: receipt.sha256 for receipt in kept}
    transfers = {
        verified.receipt.transfer: uow.transfers.get(verified.receipt.transfer) for verified in shown
    }
    asset = uow.assets.asset(agreement.asset_id)
    ends = asset is not None and asset.finite
    if is_last and ends:
        for transfer in _untold(uow, agreement, chain, MOST_FINDINGS_COUNT + len(shown)):
            transfers[transfer.own_pid] = transfer
    handed_over = {
        pid: handed
        for pid, transfer in transfers.items()
        if transfer is not None
        and transfer.agreement_id == agreement.agreement_id
        and (handed := _handed_over(uow, transfer, ends=ends)) is not None
    }
    return OwnSide(
        agreement=agreement.agreement_id,
        provider=uow.participant_id,
        consumer=agreement.peer_id,
        agreed_ms=agreement.agreed_ms,
        handed_over=handed_over,
        known_sha256=known,
        now_ms=now_ms,
    )


def _untold(
    uow: UnitOfWork, agreement: AgreementRecord, chain: Chain, most_count: int
) -> list[TransferProcess]:
    """Completed transfers under the agreement of which the chain says nothing."""
    told = {key.rpartition(" ")[0] for key in (*chain.held, *chain.deleted)}
    found: list[TransferProcess] = []
    after_id, state = "", TransferState.COMPLETED.value
    while len(found) < most_count:
        page = uow.transfers.page(
            after_id, _TRANSFERS_COUNT, state=state, agreement_id=agreement.agreement_id
        )
        found += [transfer for transfer in page if transfer.own_pid not in told]
        if len(page) < _TRANSFERS_COUNT:
            break
        after_id = page[-1].own_pid
    return found[:most_count]


def _handed_over(uow: UnitOfWork, transfer: TransferProcess, *, ends: bool) -> HandedOver | None:
    """What our accesses say of one transfer; None where nothing was read in it."""
    accesses = uow.transfers.accesses_of_transfer(transfer.own_pid, MOST_ACCESSES_COUNT + 1)
    if not accesses:
        return None
    # The hash of a whole is known where one answer brought it; of a resumed download this side hashed only the pieces.
    is_cut = len(accesses) > MOST_ACCESSES_COUNT
    in_pieces = is_cut or any(access.range_start_bytes for access in accesses)
    last_ms = max(access.ended_ms for access in accesses)
    return HandedOver(
        first_ms=min(access.started_ms for access in accesses),
        last_ms=max(last_ms, transfer.updated_ms) if is_cut else last_ms,
        is_whole=ends and transfer.state is TransferState.COMPLETED,
        sha256s=frozenset()
        if in_pieces
        else frozenset(access.sha256 for access in accesses if access.outcome == AccessOutcome.COMPLETE),
    )


def _not_permitted(agreement: AgreementRecord, receipt: Receipt) -> str | None:
    if agreement.ended_ms is not None and receipt.at_ms > agreement.ended_ms + GRACE_MS:
        return "the agreement had ended"
    reader = Reader(
        subject="", app=receipt.app, app_digest=receipt.app_digest, certified_as=receipt.certified_as
    )
    told = msgspec.structs.replace(agreement, document={**agreement.document, "assignee": agreement.peer_id})
    refused = vault.refusal(
        told, max(receipt.use - 1, 0), Checkpoint.READ, reader, receipt.purpose, receipt.at_ms
    )
    return None if refused is None else refused.summary().rstrip(".")


def _overdue(agreement: AgreementRecord, chain: Chain, now_ms: int) -> list[Finding]:
    return [
        Finding(
            fault=Fault.OVERDUE, sequence=0, detail=f"data of transfer {key.partition(' ')[0]}", at_ms=now_ms
        )
        for key, due_ms in _due_dates(agreement, chain).items()
        if due_ms + GRACE_MS <= now_ms
    ]


def _due_dates(agreement: AgreementRecord, chain: Chain) -> dict[str, int]:
    """When the data that the consumer still holds must be gone, where something says so."""
    terms = deletion_terms(compiled(rules_of(agreement.document)), agreement.agreed_ms)
    found = {}
    for key, received_ms in chain.held.items():
        used_ms = chain.used.get(key)
        due = terms.due(received_ms, None if used_ms is None else used_ms + USE_LASTS_MS, agreement.ended_ms)
        if due is not None:
            found[key] = due[0]
    return found


def _with_findings(
    uow: UnitOfWork, company: Company, watch: ReceiptWatch, findings: Sequence[Finding], moment: Moment
) -> ReceiptWatch:
    """What was told before is not told again."""
    known = {_name_of(finding) for finding in watch.findings} | {*watch.told}
    kept, told, count = list(watch.findings), list(watch.told), watch.findings_count
    for finding in findings:
        name = _name_of(finding)
        if name in known:
            continue
        known.add(name)
        count += 1
        if len(kept) < MOST_FINDINGS_COUNT:
            kept.append(finding)
        elif finding.fault in _FOUND_AGAIN and finding.sequence == 0:
            told.append(name)
        tell(
            uow, company, moment, "receipts.fault", watch.agreement_id, watch.peer_id,
            fault=finding.fault.value, sequence=finding.sequence, detail=finding.detail,
        )  # fmt: skip
    return msgspec.structs.replace(watch, findings=tuple(kept), findings_count=count, told=tuple(told))


def _name_of(finding: Finding) -> str:
    said = f"{finding.fault} {finding.sequence} {finding.detail}"
    return sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _asked_again(
    uow: UnitOfWork, agreement: AgreementRecord, watch: ReceiptWatch, examined: Examined, moment: Moment
) -> ReceiptWatch:
    """The next question: when data must be gone, at the latest tomorrow; none where nothing more can happen."""
    if agreement.state is not AgreementState.ACTIVE and not examined.chain.held:
        uow.outbox.remove_of_process(process_of(agreement.agreement_id))
        return msgspec.structs.replace(watch, due_ms=None)
    later = [
        due_ms + GRACE_MS
        for due_ms in _due_dates(agreement, examined.chain).values()
        if due_ms + GRACE_MS > moment.now_ms
    ]
    due_ms = min([moment.now_ms + NEXT_QUESTION_AFTER_MS, *later])
    ask_next_at(uow, agreement.agreement_id, agreement.peer_id, due_ms, moment.now_ms)
    return msgspec.structs.replace(watch, due_ms=due_ms)
