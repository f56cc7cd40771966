"""What is owed under agreements: kept from the commit that begins it, done where this connector can do it, told when it is late.

Each side keeps its own account of all duties of an agreement. What this company owes and its connector can do is done in the
same transaction: a use is logged, a party is informed. Data is deleted by the vault. What only people do (to pay, to consent)
is recorded by them. What the partner owes is pending until its receipts or its owner's word settle it, and overdue behind its
date: from then on the policy counts it as violated.

A duty with a `timeInterval` is a series of obligations. The next one begins an interval after the beginning of the one before,
when that one is fulfilled or its date is over: there is never more than one to come, and a program that was away makes up for
the intervals one after the other.
"""

from collections.abc import Mapping

import msgspec

from ashiato.connector.catalog import compiled, rules_of
from ashiato.connector.company import Company
from ashiato.connector.offers import note
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound, WrongState
from ashiato.connector.receipt_dates import SCHEDULED
from ashiato.connector.records import (
    AgreementRecord,
    AgreementState,
    Event,
    ObligationRecord,
    ObligationState,
)
from ashiato.connector.vault_records import VaultState
from ashiato.dsp.states import Role
from ashiato.facts.instants import Duration, add, times
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.policy.obligations import Obligation, Trigger, obligations_of

# Receipts of the partner are fetched now and then; what its vault did in time is known a little later.
PARTNER_GRACE_MS = 86_400_000
OWN_GRACE_MS = 60_000
# A series ends after so many, and no interval is shorter.
MOST_OCCURRENCES_COUNT = 1000
SHORTEST_INTERVAL_MS = 60_000
NEXT = "obligation.next"
_SERIES_OF = frozenset((Trigger.AGREEMENT, Trigger.USE))
# What a connector does by itself, so that no date is waited for.
_DONE_AT_ONCE = frozenset(("log", "inform"))
NOTICE_SCHEMES = ("https://", "http://")


def follow(uow: UnitOfWork, company: Company, event: Event, moment: Moment) -> None:
    """Reactor: begin and settle what this event begins and settles."""
    match event.name:
        case "negotiation.finalized":
            _begin_for(uow, str(event.details.get("agreement_id")), Trigger.AGREEMENT, "", moment)
        case "agreement.terminated":
            _begin_for(uow, event.process_id, Trigger.AGREEMENT_END, "", moment)
        case "vault.used":
            subject_id = f"{event.details.get('received_id')}:{event.details.get('use')}"
            _begin_for(uow, str(event.details.get("agreement_id")), Trigger.USE, subject_id, moment)
        case "vault.deleted":
            settle_deletions(uow, str(event.details.get("agreement_id")), moment, "The data is deleted.")
        case _:
            pass


def used(uow: UnitOfWork, agreement: AgreementRecord, subject_id: str, moment: Moment) -> None:
    """As the provider: a use was admitted, and begins what is owed for each use."""
    begin(uow, agreement, Trigger.USE, subject_id, moment)


def begin(
    uow: UnitOfWork, agreement: AgreementRecord, trigger: Trigger, subject_id: str, moment: Moment
) -> None:
    """Keep what `trigger` begins, and do at once what this connector can do."""
    for duty in obligations_of(compiled(rules_of(agreement.document))):
        if (Trigger.AGREEMENT if duty.comes_first else duty.trigger) is trigger:
            _begin(uow, agreement, duty, trigger, subject_id, moment)


def come_due(uow: UnitOfWork, obligation_id: str, moment: Moment) -> None:
    """Its date is over: it is overdue unless it was settled, or nothing is left that it could be about."""
    owed = uow.obligations.get(obligation_id)
    if owed is None or owed.state is not ObligationState.PENDING:
        return
    if owed.due_ms is None or moment.now_ms < owed.due_ms:
        return
    if owed.details.get("conditional"):
        _told(uow, owed, "obligation.due", moment)
        _expect_next(uow, owed, moment)
        return
    if owed.action == "delete" and (why := _without_object(uow, owed)):
        # One that is let go would end its series.
        is_done = owed.is_own or owed.recurs
        _settled(uow, owed, ObligationState.FULFILLED if is_done else ObligationState.VOID, why, moment)
        return
    _settled(uow, owed, ObligationState.OVERDUE, "Its date is over.", moment)
    agreement = uow.contracts.agreement(owed.agreement_id)
    if agreement is None:
        return
    for duty in obligations_of(compiled(rules_of(agreement.document))):
        if duty.path == owed.path:
            for consequence in duty.consequences:
                _begin(uow, agreement, consequence, Trigger.BREACH, owed.subject_id, moment)


def settle(
    uow: UnitOfWork, obligation_id: str, state: ObligationState, reason: str, moment: Moment
) -> ObligationRecord:
    """The owner's word: it was done (also late), nobody owes it any more, or it is owed again, as when a consent is withdrawn.

    One that is let go ends its series. Raises `NotFound`, and `WrongState` for a state that it has already.
    """
    owed = uow.obligations.get(obligation_id)
    if owed is None:
        raise NotFound(f"There is no obligation {obligation_id!r}.", id=obligation_id)
    if owed.state is state:
        raise WrongState(f"The obligation is {state} already.", state=state)
    return _settled(uow, owed, state, reason, moment)


def settle_deletions(uow: UnitOfWork, agreement_id: str, moment: Moment, why: str) -> None:
    """Every duty to delete under the agreement is done: our vault holds nothing of it, or the partner's receipt says so."""
    for owed in uow.obligations.of_agreement(agreement_id):
        if owed.action == "delete" and (not owed.is_own or not _holds(uow, agreement_id)):
            _settled(uow, owed, ObligationState.FULFILLED, why, moment)


def _begin_for(uow: UnitOfWork, agreement_id: str, trigger: Trigger, subject_id: str, moment: Moment) -> None:
    agreement = uow.contracts.agreement(agreement_id)
    if agreement is not None:
        begin(uow, agreement, trigger, subject_id, moment)


def _begin(
    uow: UnitOfWork,
    agreement: AgreementRecord,
    duty: Obligation,
    trigger: Trigger,
    subject_id: str,
    moment: Moment,
) -> None:
    recurs = duty.period is not None and trigger in _SERIES_OF
    due_ms = _due_ms(duty, moment.now_ms, agreement, _end_ms(duty, moment.now_ms, 1) if recurs else None)
    # What has a date is owed for each use; what has none is one account for all of them, as a series is.
    is_each = (
        trigger in (Trigger.USE, Trigger.BREACH) and due_ms is not None and subject_id != "" and not recurs
    )
    obligation_id = f"{agreement.agreement_id}#{duty.path}" + (f"#{subject_id}" if is_each else "")
    known = uow.obligations.get(obligation_id)
    if known is not None and recurs:
        return
    consumer_id = uow.participant_id if agreement.role is Role.CONSUMER else agreement.peer_id
    owed = known or ObligationRecord(
        obligation_id=obligation_id,
        agreement_id=agreement.agreement_id,
        peer_id=agreement.peer_id,
        asset_id=agreement.asset_id,
        path=duty.path,
        action=duty.action,
        enforcement=duty.enforcement.value,
        trigger=trigger.value,
        is_own=(duty.assignee or consumer_id) == uow.participant_id,
        comes_first=duty.comes_first,
        subject_id=subject_id if is_each else "",
        details=_details(duty),
        due_ms=due_ms,
        created_ms=moment.now_ms,
        recurs=recurs,
        series_ms=moment.now_ms,
    )
    _keep(uow, owed, duty, subject_id, moment, is_new=known is None)


def _keep(
    uow: UnitOfWork,
    owed: ObligationRecord,
    duty: Obligation,
    subject_id: str,
    moment: Moment,
    *,
    is_new: bool,
) -> None:
    """Do it at once where this connector can, or keep it as owed."""
    if owed.is_own and not owed.comes_first and (done := _perform(uow, owed, duty, subject_id, moment)):
        fulfilled = msgspec.structs.replace(
            owed, state=ObligationState.FULFILLED, reason=done, settled_ms=moment.now_ms
        )
        uow.obligations.put(fulfilled)
        _expect_next(uow, fulfilled, moment)
        return
    if is_new:
        uow.obligations.put(owed)
        _told(uow, owed, "obligation.begun" if owed.occurrence == 1 else "obligation.recurred", moment)
        if owed.due_ms is not None:
            _watch(uow, owed, owed.due_ms, moment)


def recur(uow: UnitOfWork, obligation_id: str, moment: Moment) -> None:
    """The interval behind an obligation begins: the next of its series is owed, as long as the agreement is in force."""
    before = uow.obligations.get(obligation_id)
    if before is None or before.is_followed or before.state is ObligationState.VOID:
        return
    agreement = uow.contracts.agreement(before.agreement_id)
    if agreement is None or agreement.state is not AgreementState.ACTIVE:
        return
    duty, start_ms = _series(agreement, before)
    if duty is None or start_ms is None:
        return
    occurrence = before.occurrence + 1
    owed = msgspec.structs.replace(
        before,
        obligation_id=f"{agreement.agreement_id}#{duty.path}#{occurrence}",
        due_ms=_due_ms(duty, start_ms, agreement, _end_ms(duty, before.series_ms, occurrence)),
        state=ObligationState.PENDING,
        reason="",
        created_ms=moment.now_ms,
        settled_ms=None,
        occurrence=occurrence,
    )
    uow.obligations.put(msgspec.structs.replace(before, is_followed=True))
    _keep(uow, owed, duty, owed.subject_id, moment, is_new=True)


def _series(agreement: AgreementRecord, before: ObligationRecord) -> tuple[Obligation | None, int | None]:
    """The duty, and when its next occurrence begins; None behind a deadline that the policy sets itself."""
    duty = next(
        (one for one in obligations_of(compiled(rules_of(agreement.document))) if one.path == before.path),
        None,
    )
    if duty is None or duty.period is None or before.occurrence >= MOST_OCCURRENCES_COUNT:
        return duty, None
    start_ms = _end_ms(duty, before.series_ms, before.occurrence)
    limits = [] if duty.deadline_ms is None else [duty.deadline_ms]
    if duty.deadline_after_agreement is not None:
        limits.append(add(agreement.agreed_ms, duty.deadline_after_agreement))
    return duty, None if any(start_ms > limit_ms for limit_ms in limits) else start_ms


def _end_ms(duty: Obligation, series_ms: int, count: int) -> int:
    """The end of so many intervals of a series, where the next begins."""
    end_ms = add(series_ms, times(duty.period or Duration(), count))
    return max(end_ms, series_ms + SHORTEST_INTERVAL_MS * count)


def _due_ms(
    duty: Obligation, start_ms: int, agreement: AgreementRecord, interval_end_ms: int | None
) -> int | None:
    """The date of what begins at `start_ms`: the policy's own, or the end of the interval of a series."""
    if duty.comes_first:
        return None
    due_ms = duty.due_ms(start_ms, agreement.agreed_ms)
    if due_ms is None and duty.action not in _DONE_AT_ONCE:
        return interval_end_ms
    return due_ms


def _expect_next(uow: UnitOfWork, owed: ObligationRecord, moment: Moment) -> None:
    """One delivery to ourselves at the beginning of the next interval of a series."""
    agreement = uow.contracts.agreement(owed.agreement_id) if owed.recurs and not owed.is_followed else None
    start_ms = None if agreement is None else _series(agreement, owed)[1]
    if start_ms is None:
        return
    process_id = _next_process(owed.obligation_id)
    uow.outbox.remove_of_process(process_id)
    _deliver_to_self(uow, process_id, NEXT, owed.obligation_id, max(start_ms, moment.now_ms), moment)


def _details(duty: Obligation) -> dict[str, object]:
    told: dict[str, object] = dict(duty.details)
    told |= dict(duty.parties)
    if duty.has_conditions:
        told["conditional"] = True
    return told


def _perform(
    uow: UnitOfWork, owed: ObligationRecord, duty: Obligation, subject_id: str, moment: Moment
) -> str:
    """How it was done in this transaction; empty for what this connector does not do by itself."""
    about: dict[str, object] = {
        "agreement_id": owed.agreement_id,
        "asset_id": owed.asset_id,
        "subject_id": subject_id,
        "path": owed.path,
        **owed.details,
    }
    if duty.action == "log":
        note(uow, moment, "duty.logged", owed.agreement_id, about, owed.peer_id)
        return "It is in the history."
    if duty.action != "inform":
        return ""
    note(uow, moment, "duty.informed", owed.agreement_id, about, owed.peer_id)
    party = dict(duty.parties).get("informedParty", "")
    if party.startswith(NOTICE_SCHEMES):
        _send_notice(uow, owed, party, about, moment)
        return f"A notice goes to {party}."
    # The partner reads it in the receipt of the use, one's own systems through their webhooks.
    return "It is in the history, in the receipts and told to the webhooks."


def _send_notice(
    uow: UnitOfWork, owed: ObligationRecord, url: str, about: Mapping[str, object], moment: Moment
) -> None:
    body = {"event": "duty.informed", "atMs": moment.now_ms, "participantId": uow.participant_id, **about}
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=uow.participant_id,
            kind=DeliveryKind.NOTICE,
            process_id=f"notice:{owed.agreement_id}",
            sequence=0,
            message_name="duty.informed",
            address=url,
            audience="",
            body=msgspec.json.encode(body),
            created_ms=moment.now_ms,
            due_ms=moment.now_ms,
        )
    )


def _watch(uow: UnitOfWork, owed: ObligationRecord, due_ms: int, moment: Moment) -> None:
    """One delivery to ourselves at the end of the time; nobody looks before."""
    asked_ms = max(due_ms, moment.now_ms) + (OWN_GRACE_MS if owed.is_own else PARTNER_GRACE_MS)
    _deliver_to_self(
        uow, _process(owed.obligation_id), "obligation.due", owed.obligation_id, asked_ms, moment
    )


def _deliver_to_self(
    uow: UnitOfWork, process_id: str, name: str, obligation_id: str, asked_ms: int, moment: Moment
) -> None:
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=uow.participant_id,
            kind=DeliveryKind.OBLIGATION,
            process_id=process_id,
            sequence=0,
            message_name=name,
            address=process_id,
            audience="",
            body=obligation_id.encode(),
            # Its patience begins when it is due.
            created_ms=asked_ms - 1,
            due_ms=asked_ms,
        )
    )
    uow.tell(
        Event(name=SCHEDULED, participant_id=uow.participant_id, process_id=process_id, at_ms=moment.now_ms)
    )


def _process(obligation_id: str) -> str:
    return f"obligation:{obligation_id}"


def _next_process(obligation_id: str) -> str:
    return f"obligation-next:{obligation_id}"


def _settled(
    uow: UnitOfWork, owed: ObligationRecord, state: ObligationState, reason: str, moment: Moment
) -> ObligationRecord:
    settled = msgspec.structs.replace(
        owed,
        state=state,
        reason=reason,
        settled_ms=None if state is ObligationState.PENDING else moment.now_ms,
    )
    uow.obligations.put(settled)
    uow.outbox.remove_of_process(_process(owed.obligation_id))
    if state is ObligationState.VOID:
        uow.outbox.remove_of_process(_next_process(owed.obligation_id))
    elif state is not ObligationState.PENDING:
        _expect_next(uow, settled, moment)
    name = "reopened" if state is ObligationState.PENDING else state.value
    _told(uow, settled, f"obligation.{name}", moment)
    return settled


def _told(uow: UnitOfWork, owed: ObligationRecord, event: str, moment: Moment) -> None:
    about: dict[str, object] = {
        "agreement_id": owed.agreement_id,
        "asset_id": owed.asset_id,
        "action": owed.action,
        "is_own": owed.is_own,
        "due_ms": owed.due_ms,
        "reason": owed.reason,
    }
    note(uow, moment, event, owed.obligation_id, about, owed.peer_id)


def _without_object(uow: UnitOfWork, owed: ObligationRecord) -> str:
    """Why there is nothing to delete; empty where there is or may be something."""
    if owed.is_own:
        return "" if _holds(uow, owed.agreement_id) else "Nothing is held under the agreement."
    handed_over = uow.transfers.list_accesses("", 1, agreement_id=owed.agreement_id)
    return "" if handed_over else "Nothing was handed over under the agreement."


def _holds(uow: UnitOfWork, agreement_id: str) -> bool:
    after_id = ""
    while page := uow.vault.list_items(after_id, 500, agreement_id=agreement_id):
        after_id = page[-1].received_id
        if any(item.state is not VaultState.DELETED for item in page):
            return True
    return False
