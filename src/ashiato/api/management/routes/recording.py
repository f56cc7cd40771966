"""What happened: the history, the same as a stream, and webhooks that are told of it."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header, Path, Query, Response
from starlette.responses import StreamingResponse

from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.models.operations import (
    EventQuery,
    HistoryEntry,
    HistoryQuery,
    Webhook,
    WebhookBody,
)
from ashiato.api.management.models.shared import OwnId, Page, PageQuery, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems, raw_answer
from ashiato.api.management.routing import participant_router
from ashiato.api.management.waiting import wait_until
from ashiato.connector import records, webhooks
from ashiato.connector.problems import NotFound

SILENCE_S = 15.0
BATCH_COUNT = 200

router = participant_router("history")

WebhookId = Annotated[OwnId, Path()]
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,18}$", description="The last event that you have seen."),
]


@router.get("/history", summary="List what happened, in order")
async def list_history(call: CallOf, wanted: Annotated[HistoryQuery, Query()]) -> Page[HistoryEntry]:
    found = await call.read(
        lambda uow: uow.records.list_history(
            int(wanted.cursor or 0), wanted.limit + 1, process_id=wanted.process_id
        )
    )
    shown = [HistoryEntry.of(entry) for entry in found]
    return page_of(Page[HistoryEntry], shown, wanted.limit, lambda entry: str(entry.sequence))


@router.get(
    "/events",
    summary="Follow what happens, as Server-Sent Events",
    response_class=Response,
    responses={
        200: raw_answer("One event for each history entry; its id is the sequence.", "text/event-stream")
    },
)
async def follow_events(
    call: CallOf, wanted: Annotated[EventQuery, Query()], last_event_id: LastEventId = None
) -> Response:
    start = last_event_id or wanted.after
    after = int(start) if start else await call.read(lambda uow: uow.records.last_sequence())
    return StreamingResponse(_events(call, after), media_type="text/event-stream")


@router.get("/webhooks", summary="List the webhooks")
async def list_webhooks(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[Webhook]:
    found = await call.read(lambda uow: uow.records.list_webhooks())
    known = sorted(found, key=lambda hook: hook.webhook_id)
    later = [Webhook.of(hook) for hook in known if hook.webhook_id > wanted.cursor]
    return page_of(Page[Webhook], later, wanted.limit, lambda hook: hook.webhook_id)


@router.put(
    "/webhooks/{webhook_id}",
    summary="Have an address of your own told of events, signed",
    responses=problems(*WITH_JSON_BODY),
)
async def put_webhook(call: CallOf, webhook_id: WebhookId, body: WebhookBody) -> Webhook:
    call.check_own_address(body.url, "url")
    hook = records.Webhook(webhook_id=webhook_id, url=body.url, events=tuple(dict.fromkeys(body.events)))
    return Webhook.of(await call.run(lambda uow: webhooks.put_webhook(uow, hook, call.moment)))


@router.get("/webhooks/{webhook_id}", summary="Show a webhook")
async def get_webhook(call: CallOf, webhook_id: WebhookId) -> Webhook:
    found = await call.read(lambda uow: uow.records.list_webhooks())
    hook = next((hook for hook in found if hook.webhook_id == webhook_id), None)
    if hook is None:
        raise NotFound(f"There is no webhook {webhook_id!r}.", id=webhook_id)
    return Webhook.of(hook)


@router.delete(
    "/webhooks/{webhook_id}", status_code=204, summary="Forget a webhook and what it was not told yet"
)
async def delete_webhook(call: CallOf, webhook_id: WebhookId) -> None:
    await call.run(lambda uow: webhooks.delete_webhook(uow, webhook_id, call.moment))


async def _events(call: Call, after_sequence: int) -> AsyncIterator[bytes]:
    # The history is what is told, an event only wakes: nothing is lost between two looks.
    while True:
        entries = await _next_entries(call, after_sequence)
        if not entries:
            yield b": still here\n\n"
        for entry in entries:
            after_sequence = entry.sequence
            data = HistoryEntry.of(entry).model_dump_json()
            yield f"id: {entry.sequence}\nevent: {entry.event}\ndata: {data}\n\n".encode()


async def _next_entries(call: Call, after_sequence: int) -> list[records.HistoryEntry]:
    async def look() -> list[records.HistoryEntry]:
        return await call.read(lambda uow: uow.records.list_history(after_sequence, BATCH_COUNT))

    return await wait_until(
        look, bool, lambda _: [None], call.around.waiter, call.tenant.participant_id, SILENCE_S
    )
