"""Transfers, the data they brought, and the accesses made under them."""

import re
from typing import Annotated

from fastapi import Path, Query, Request, Response
from starlette.responses import StreamingResponse

from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.contracts import Ending
from ashiato.api.management.models.processes import (
    Access,
    AccessQuery,
    Progress,
    Received,
    Transfer,
    TransferActName,
    TransferQuery,
    TransferRequest,
    TransferWithProgress,
    UseQuery,
)
from ashiato.api.management.models.shared import MOST_ITEMS_COUNT, ForeignId, Page, PageQuery, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, WITH_PARTNER, any_answer, problems
from ashiato.api.management.problems import RangeNotSatisfiable
from ashiato.api.management.repeats import process_iri, with_first_id
from ashiato.api.management.routing import participant_router
from ashiato.api.vault_reading import VaultReading
from ashiato.connector import negotiations, transfers
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound, WrongState
from ashiato.connector.ranges import ByteRange, Unsatisfiable, range_holds, requested_range
from ashiato.connector.records import AccessRecord, ReceivedData
from ashiato.connector.vault import Reader
from ashiato.dsp.transfer import TransferProcess

_PLAIN_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}(; ?[A-Za-z0-9_-]+=[A-Za-z0-9_.-]+)?"
)

router = participant_router("transfers")

TransferPid = Annotated[ForeignId, Path()]
ReceivedId = Annotated[ForeignId, Path()]


@router.get("/transfers", summary="List the transfers")
async def list_transfers(call: CallOf, wanted: Annotated[TransferQuery, Query()]) -> Page[Transfer]:
    def work(uow: UnitOfWork) -> list[Transfer]:
        found = uow.transfers.page(
            wanted.cursor, wanted.limit + 1, state=wanted.state, agreement_id=wanted.agreement_id
        )
        return [Transfer.of(transfer, **_more(uow, transfer)) for transfer in found]

    return page_of(
        Page[Transfer], await call.read(work), wanted.limit, lambda transfer: transfer.transfer_pid
    )


@router.post(
    "/transfers",
    status_code=201,
    summary="Ask the provider for the data of an agreement",
    responses={
        200: {"model": Transfer, "description": "A transfer with this id was started before."},
        **problems(*WITH_JSON_BODY, *WITH_PARTNER, "not-permitted", "wrong-state", "quota-exceeded"),
    },
)
async def request_transfer(call: CallOf, body: TransferRequest, response: Response) -> Transfer:
    def work(uow: UnitOfWork) -> tuple[Transfer, bool]:
        known = _requested_before(uow, body)
        moment = with_first_id(call.moment, process_iri(body.id))
        transfer = known or transfers.request(
            uow, call.company, body.agreement_id, body.format, body.address or _address_of(uow, body), moment
        )
        return Transfer.of(transfer, **_more(uow, transfer)), known is not None

    shown, was_known = await call.run(work)
    if was_known:
        response.status_code = 200
    response.headers["Location"] = call.location("transfers", shown.transfer_pid)
    return shown


@router.get("/transfers/{transfer_pid}", summary="Show a transfer and how far it is")
async def get_transfer(call: CallOf, transfer_pid: TransferPid) -> TransferWithProgress:
    return await call.read(lambda uow: _with_progress(uow, transfers.own(uow, transfer_pid)))


@router.post(
    "/transfers/{transfer_pid}/{act}",
    summary="Start, resume, suspend, complete or terminate a transfer",
    responses=problems(*WITH_JSON_BODY, "not-permitted", "wrong-state"),
)
async def act_in_transfer(
    call: CallOf, transfer_pid: TransferPid, act: TransferActName, body: Ending
) -> TransferWithProgress:
    transfer = await call.read(lambda uow: transfers.own(uow, transfer_pid))
    peer = await call.standing(transfer.peer_id)

    def work(uow: UnitOfWork) -> TransferWithProgress:
        match act:
            case "start" | "resume":
                moved = transfers.start(uow, call.company, transfer_pid, peer, call.moment)
            case "suspend":
                moved = transfers.suspend(uow, call.company, transfer_pid, body.reason, call.moment)
            case "complete":
                moved = transfers.complete(uow, call.company, transfer_pid, call.moment)
            case "terminate":
                moved = transfers.terminate(uow, call.company, transfer_pid, body.reason, call.moment)
        return _with_progress(uow, moved)

    return await call.run(work)


@router.get("/received", summary="List the data received")
async def list_received(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[Received]:
    found = await call.read(lambda uow: uow.transfers.list_received(wanted.cursor, wanted.limit + 1))
    shown = [Received.of(received) for received in found]
    return page_of(Page[Received], shown, wanted.limit, lambda received: received.received_id)


@router.get("/received/{received_id}", summary="Show what is known of data received")
async def get_received(call: CallOf, received_id: ReceivedId) -> Received:
    return Received.of(await call.read(lambda uow: _received(uow, received_id)))


@router.get(
    "/received/{received_id}/content",
    summary="Download data received; a Range resumes a broken download",
    response_class=Response,
    responses={
        200: any_answer("The whole data."),
        206: any_answer("The wanted part."),
        **problems("not-permitted", "range-not-satisfiable"),
    },
)
async def get_content(
    call: CallOf, received_id: ReceivedId, request: Request, wanted_for: Annotated[UseQuery, Query()]
) -> Response:
    received = await call.read(lambda uow: _received(uow, received_id))
    etag = f'"{received.sha256}"'
    part = None
    if range_holds(request.headers.get("if-range"), etag):
        part = requested_range(request.headers.get("range"), received.size_bytes)
    if isinstance(part, Unsatisfiable):
        raise RangeNotSatisfiable(
            f"The data has only {received.size_bytes} bytes.", size_bytes=received.size_bytes
        )
    wanted = part or ByteRange(0, received.size_bytes)
    reading = VaultReading(call.around.node, call.around.received, call.tenant)
    opened = await reading.open(received, Reader(subject=call.subject), wanted_for.purpose, part)
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": "attachment",
        "Content-Length": str(wanted.size_bytes),
        "ETag": etag,
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start_bytes}-{part.end_bytes - 1}/{received.size_bytes}"
    return StreamingResponse(
        opened.chunks(wanted),
        status_code=206 if part is not None else 200,
        headers=headers,
        media_type=_safe_media_type(received.media_type),
    )


@router.get("/accesses", summary="List the accesses to data, in the order of their start")
async def list_accesses(call: CallOf, wanted: Annotated[AccessQuery, Query()]) -> Page[Access]:
    found = await call.read(
        lambda uow: uow.transfers.list_accesses(
            wanted.cursor, wanted.limit + 1, agreement_id=wanted.agreement_id
        )
    )
    return page_of(
        Page[Access], [Access.of(access) for access in found], wanted.limit, lambda access: access.access_id
    )


def _safe_media_type(media_type: str) -> str:
    # The partner chose it: it must neither break the header nor make a browser run the data.
    return media_type if _PLAIN_MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream"


def _requested_before(uow: UnitOfWork, body: TransferRequest) -> TransferProcess | None:
    known = uow.transfers.get(process_iri(body.id) or "")
    if known is not None and (known.agreement_id, known.format) != (body.agreement_id, body.format):
        raise WrongState(f"The id {body.id} belongs to another transfer; choose another.", id=body.id)
    return known


def _address_of(uow: UnitOfWork, body: TransferRequest) -> str:
    agreement = uow.contracts.agreement(body.agreement_id)
    if agreement is None:
        raise NotFound(f"There is no agreement {body.agreement_id!r}.", id=body.agreement_id)
    return negotiations.own(uow, agreement.negotiation_pid).peer_address


def _received(uow: UnitOfWork, received_id: str) -> ReceivedData:
    received = uow.transfers.received(received_id)
    if received is None:
        raise NotFound(f"There is no received data {received_id!r}.", id=received_id)
    return received


def _with_progress(uow: UnitOfWork, transfer: TransferProcess) -> TransferWithProgress:
    return TransferWithProgress.of(transfer, **_more(uow, transfer), progress=_progress(uow, transfer))


def _more(uow: UnitOfWork, transfer: TransferProcess) -> dict[str, object]:
    asset_id = uow.transfers.context(transfer.own_pid).get("asset_id")
    return {"transfer_pid": transfer.own_pid, "asset_id": asset_id if isinstance(asset_id, str) else ""}


def _progress(uow: UnitOfWork, transfer: TransferProcess) -> Progress:
    received_id = uow.transfers.context(transfer.own_pid).get("received_id")
    received = uow.transfers.received(received_id) if isinstance(received_id, str) else None
    if received is not None:
        return Progress(bytes_count=received.size_bytes, received_id=received.received_id)
    fetch = uow.transfers.fetch_of_process(transfer.own_pid)
    if fetch is not None:
        return Progress(bytes_count=fetch.received_bytes, received_id=None)
    # What each request brought or took; a resumed request begins where the one before broke.
    accesses = _accesses_of(uow, transfer)
    farthest = max((access.range_start_bytes + access.sent_bytes for access in accesses), default=0)
    return Progress(bytes_count=farthest, received_id=None)


def _accesses_of(uow: UnitOfWork, transfer: TransferProcess) -> list[AccessRecord]:
    found: list[AccessRecord] = []
    after_id = ""
    while page := uow.transfers.list_accesses(after_id, MOST_ITEMS_COUNT, agreement_id=transfer.agreement_id):
        after_id = page[-1].access_id
        found += [access for access in page if access.transfer_pid == transfer.own_pid]
    return found
