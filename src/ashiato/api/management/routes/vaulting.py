"""The vault: data received, its uses, its deletion; and what the receipts of consumers say of your own data."""

from typing import Annotated

from fastapi import Path, Query

from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.shared import ForeignId, Page, PageQuery, page_of
from ashiato.api.management.models.vaulting import (
    OtherSide,
    Question,
    ReceiptQuery,
    SignedReceipt,
    UsageQuery,
    UsageTotal,
    VaultEntry,
    VaultQuery,
)
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.api.management.routing import participant_router
from ashiato.connector import receipts, vault
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound

ORDERED = "ordered"

router = participant_router("vault")

ReceivedId = Annotated[ForeignId, Path()]
AgreementId = Annotated[ForeignId, Path()]


@router.get("/vault", summary="List the data of others that you hold or held, with its uses and its end")
async def list_vault(call: CallOf, wanted: Annotated[VaultQuery, Query()]) -> Page[VaultEntry]:
    found = await call.read(
        lambda uow: uow.vault.list_items(wanted.cursor, wanted.limit + 1, agreement_id=wanted.agreement_id)
    )
    shown = [VaultEntry.of_item(item) for item in found]
    return page_of(Page[VaultEntry], shown, wanted.limit, lambda entry: entry.received.received_id)


@router.get("/vault/usage", summary="Count the uses by agreement, app and purpose")
async def list_usage(call: CallOf, wanted: Annotated[UsageQuery, Query()]) -> Page[UsageTotal]:
    found = await call.read(lambda uow: uow.vault.usage(wanted.agreement_id))
    return Page[UsageTotal](items=[UsageTotal.of(total) for total in found], next_cursor=None)


@router.delete(
    "/received/{received_id}",
    status_code=202,
    summary="Delete data received; a receipt says so to its provider",
)
async def delete_received(call: CallOf, received_id: ReceivedId) -> VaultEntry:
    item = await call.run(
        lambda uow: vault.order_deletion(
            uow, call.company, received_id, call.moment.now_ms, ORDERED, call.moment
        )
    )
    return VaultEntry.of_item(item)


@router.get("/receipts", summary="List what happened to your data on the other side, by agreement")
async def list_other_sides(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[OtherSide]:
    found = await call.read(lambda uow: uow.vault.list_watches(wanted.cursor, wanted.limit + 1))
    shown = [OtherSide.of_watch(watch) for watch in found]
    return page_of(Page[OtherSide], shown, wanted.limit, lambda side: side.agreement_id)


@router.get("/receipts/signed", summary="List the receipts of one agreement, yours or those shown to you")
async def list_receipts(call: CallOf, wanted: Annotated[ReceiptQuery, Query()]) -> Page[SignedReceipt]:
    after_sequence = int(wanted.cursor or 0)
    found = await call.read(
        lambda uow: uow.vault.list_receipts(wanted.agreement_id, after_sequence, wanted.limit + 1)
    )
    shown = [SignedReceipt.of(receipt) for receipt in found]
    return page_of(Page[SignedReceipt], shown, wanted.limit, lambda receipt: f"{receipt.sequence}")


@router.post(
    "/receipts",
    status_code=202,
    summary="Ask the consumer of an agreement for its receipts now",
    responses=problems(*WITH_JSON_BODY),
)
async def ask_for_receipts(call: CallOf, body: Question) -> OtherSide:
    watch = await call.run(lambda uow: receipts.ask_now(uow, body.agreement_id, call.moment.now_ms))
    return OtherSide.of_watch(watch)


@router.get(
    "/receipts/{agreement_id:foreign_id}", summary="Show what happened to your data under an agreement"
)
async def get_other_side(call: CallOf, agreement_id: AgreementId) -> OtherSide:
    def look(uow: UnitOfWork) -> OtherSide:
        found = receipts.watched(uow, agreement_id)
        if found is None:
            raise NotFound(
                f"There is no agreement {agreement_id!r} in which you are the provider.", id=agreement_id
            )
        return OtherSide.of_watch(found[1])

    return await call.read(look)
