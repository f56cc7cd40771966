"""How an agreement ends: by the time in its own policy, by one side, or by both.

The protocol has no message for it. So the end is told with the termination of the negotiation that made the agreement, which
every connector understands or refuses, and with a member that names the agreement. A connector of another make refuses it in
a finalized negotiation, and learns of the end when it next asks for data.
"""

import msgspec

from ashiato.connector.catalog import compiled, rules_of
from ashiato.connector.company import Company, tell
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.receipt_dates import SCHEDULED
from ashiato.connector.records import AgreementRecord, AgreementState, Event
from ashiato.connector.rights import refused_for_certain, under_agreement
from ashiato.dsp.messages import ContractNegotiationTerminationMessage
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState, Role
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.policy.index import next_change_ms, window
from ashiato.policy.vocabulary import Checkpoint
from ashiato.trust.standing import Standing

ENDED_MEMBER = "ashiato:agreementEnded"
LONGEST_REASON_CHARS = 500
# Far behind every limit of a policy: what is refused then too was not refused for a while only.
_AGE_MS = 200 * 365 * 86_400_000


def expires_ms(agreement: AgreementRecord) -> int | None:
    """The instant from which time alone refuses every use for ever; None where the policy names none."""
    policy = compiled(rules_of(agreement.document))
    _, last_ms = window(policy)
    ends = [] if last_ms is None else [last_ms + 1]
    consumer = Standing(str(agreement.document.get("assignee")))
    fresh = msgspec.structs.replace(agreement, uses_count=0)
    request = under_agreement(fresh, consumer, Checkpoint.READ, "read", agreement.agreed_ms)
    change_ms = next_change_ms(policy, request)
    if change_ms is not None and all(
        refused_for_certain(policy, msgspec.structs.replace(request, now_ms=instant_ms)) is not None
        for instant_ms in (change_ms, change_ms + _AGE_MS)
    ):
        ends.append(change_ms)
    return min(ends, default=None)


def schedule(uow: UnitOfWork, agreement: AgreementRecord, moment: Moment) -> None:
    """Put off until its time the expiry of an agreement that became final."""
    due_ms = expires_ms(agreement)
    if due_ms is None:
        return
    process_id = f"expiry:{agreement.agreement_id}"
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=uow.participant_id,
            kind=DeliveryKind.EXPIRY,
            process_id=process_id,
            sequence=0,
            message_name="expiry",
            address=process_id,
            audience="",
            body=agreement.agreement_id.encode(),
            # Its patience begins when it is due.
            created_ms=max(moment.now_ms, due_ms - 1),
            due_ms=max(moment.now_ms, due_ms),
        )
    )
    uow.tell(
        Event(name=SCHEDULED, participant_id=uow.participant_id, process_id=process_id, at_ms=moment.now_ms)
    )


def notify(uow: UnitOfWork, company: Company, agreement: AgreementRecord, moment: Moment) -> None:
    """Tell the partner that we ended an agreement."""
    negotiation = uow.negotiations.get(agreement.negotiation_pid)
    if negotiation is None or negotiation.peer_pid is None or not agreement.finalized:
        return
    pids = (negotiation.own_pid, negotiation.peer_pid)
    provider_pid, consumer_pid = pids if negotiation.role is Role.PROVIDER else pids[::-1]
    message = ContractNegotiationTerminationMessage(
        message_id=moment.fresh_iri(),
        provider_pid=provider_pid,
        consumer_pid=consumer_pid,
        reason=(agreement.end_reason or "",),
        extensions={ENDED_MEMBER: agreement.agreement_id},
    )
    path = company.wire.delivery_path(message, negotiation.role.other, negotiation.peer_pid)
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=company.participant_id,
            kind=DeliveryKind.ENDING,
            process_id=f"end:{agreement.agreement_id}",
            sequence=0,
            message_name=type(message).__name__,
            address=f"{negotiation.peer_address}/{path}",
            audience=negotiation.peer_id,
            body=company.wire.encode(message),
            created_ms=moment.now_ms,
            due_ms=moment.now_ms,
        )
    )


def ended_by_peer(negotiation: ContractNegotiation, message: object) -> str | None:
    """The id of the agreement that a message of the counterparty ends, None for every other message."""
    if negotiation.state is not NegotiationState.FINALIZED or not isinstance(
        message, ContractNegotiationTerminationMessage
    ):
        return None
    named = message.extensions.get(ENDED_MEMBER)
    own = (negotiation.agreement or {}).get("@id")
    return named if isinstance(named, str) and named == own else None


def both_ended(
    uow: UnitOfWork, company: Company, agreement: AgreementRecord, moment: Moment
) -> AgreementRecord:
    """Both sides have ended it, each by an act of its own: a mutual end."""
    mutual = msgspec.structs.replace(agreement, ended_by="both")
    uow.contracts.put_agreement(mutual)
    tell(
        uow, company, moment, "agreement.mutual", agreement.agreement_id, agreement.peer_id,
        asset_id=agreement.asset_id,
    )  # fmt: skip
    return mutual


def ended(
    agreement: AgreementRecord, state: AgreementState, ended_by: str, reason: str, now_ms: int
) -> AgreementRecord:
    """The record of an agreement that is over."""
    return msgspec.structs.replace(
        agreement,
        state=state,
        ended_ms=now_ms,
        ended_by=ended_by,
        end_reason=reason[:LONGEST_REASON_CHARS],
    )
