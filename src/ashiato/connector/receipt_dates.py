"""When a provider asks for the receipts of an agreement: soon after data went out, then daily, and when data must be gone."""

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import Event
from ashiato.outbox.deliveries import Delivery, DeliveryKind

FIRST_QUESTION_AFTER_MS = 15 * 60_000
NEXT_QUESTION_AFTER_MS = 24 * 3_600_000
# A receipt may come so much later than what it reports: clocks differ, and a deletion takes its time.
GRACE_MS = 3_600_000
SCHEDULED = "delivery.scheduled"
"""The event that lets the courier look anew at what is due."""


def ask_at(uow: UnitOfWork, agreement_id: str, peer_id: str, due_ms: int, now_ms: int) -> None:
    """Ask at that instant, or earlier where an earlier question waits already."""
    process_id = process_of(agreement_id)
    waiting = uow.outbox.of_process(process_id)
    if any(delivery.due_ms <= due_ms for delivery in waiting):
        return
    uow.outbox.remove_of_process(process_id)
    is_later = due_ms > now_ms
    uow.outbox.add(
        Delivery(
            # One question at a time stands in the outbox, so its date names it.
            delivery_id=f"{process_id}@{due_ms}",
            participant_id=uow.participant_id,
            kind=DeliveryKind.RECEIPTS,
            process_id=process_id,
            sequence=0,
            message_name="receipts",
            address=agreement_id,
            audience=peer_id,
            body=agreement_id.encode(),
            # Its patience begins when it is due.
            created_ms=due_ms - 1 if is_later else now_ms,
            due_ms=due_ms if is_later else now_ms,
        )
    )
    if is_later:
        uow.tell(
            Event(name=SCHEDULED, participant_id=uow.participant_id, process_id=process_id, at_ms=now_ms)
        )


def ask_next_at(uow: UnitOfWork, agreement_id: str, peer_id: str, due_ms: int, now_ms: int) -> None:
    """Ask at that instant, after the question that ends with this unit of work."""
    uow.outbox.remove_of_process(process_of(agreement_id))
    ask_at(uow, agreement_id, peer_id, due_ms, now_ms)


def process_of(agreement_id: str) -> str:
    """The outbox process of the questions about an agreement."""
    return f"receipts:{agreement_id}"
