"""Webhooks: addresses of a company's own that are told what happened, fed from the history, in order, none left out."""

import msgspec

from ashiato.connector.offers import check_id, note
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.connector.records import HistoryEntry, Webhook
from ashiato.outbox.deliveries import Delivery, DeliveryKind

STORED = "webhook.stored"
BATCH_COUNT = 200


def put_webhook(uow: UnitOfWork, webhook: Webhook, moment: Moment) -> Webhook:
    """Store a webhook; a new one is told what happens from now on, one that is replaced goes on where it stood."""
    check_id("webhook", webhook.webhook_id)
    if not webhook.events:
        raise Invalid("The webhook names no event: give names, or prefixes that end in a dot.", path="events")
    before = next(
        (hook for hook in uow.records.list_webhooks() if hook.webhook_id == webhook.webhook_id), None
    )
    told_sequence = before.told_sequence if before else uow.records.last_sequence()
    created_ms = before.created_ms if before else moment.now_ms
    webhook = msgspec.structs.replace(webhook, told_sequence=told_sequence, created_ms=created_ms)
    uow.records.put_webhook(webhook)
    note(uow, moment, STORED, webhook.webhook_id, {"url": webhook.url})
    return webhook


def delete_webhook(uow: UnitOfWork, webhook_id: str, moment: Moment) -> None:
    """Forget a webhook and what it was not told yet."""
    if not uow.records.delete_webhook(webhook_id):
        raise NotFound(f"There is no webhook {webhook_id!r}.", id=webhook_id)
    uow.outbox.remove_of_process(_process(webhook_id))
    note(uow, moment, "webhook.withdrawn", webhook_id, {})


def tell_webhooks(uow: UnitOfWork, moment: Moment) -> bool:
    """Put what each webhook of the participant was not told yet into the outbox; True when there is more than a batch."""
    more = False
    for hook in uow.records.list_webhooks():
        entries = uow.records.list_history(hook.told_sequence, BATCH_COUNT)
        if not entries:
            continue
        more = more or len(entries) == BATCH_COUNT
        for entry in entries:
            if _wants(hook, entry.event):
                uow.outbox.add(_delivery(uow.participant_id, hook, entry, moment))
        uow.records.put_webhook(msgspec.structs.replace(hook, told_sequence=entries[-1].sequence))
    return more


def _wants(hook: Webhook, event: str) -> bool:
    return any(
        event == wanted or (wanted.endswith(".") and event.startswith(wanted)) for wanted in hook.events
    )


def _delivery(participant_id: str, hook: Webhook, entry: HistoryEntry, moment: Moment) -> Delivery:
    return Delivery(
        delivery_id=moment.fresh_id(),
        participant_id=participant_id,
        kind=DeliveryKind.WEBHOOK,
        process_id=_process(hook.webhook_id),
        sequence=0,
        message_name=entry.event,
        address=hook.url,
        audience="",
        body=msgspec.json.encode(entry),
        created_ms=moment.now_ms,
        due_ms=moment.now_ms,
    )


def _process(webhook_id: str) -> str:
    return f"webhook:{webhook_id}"
