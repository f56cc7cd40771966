"""A partner's query, inbox or feed, reached through this connector under a started transfer."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Annotated

from fastapi import Path, Request, Response
from fastapi.responses import StreamingResponse

from ashiato.api.data import forwarded_target
from ashiato.api.data_answers import Refused
from ashiato.api.management.bodies import read_body
from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.models.shared import ForeignId
from ashiato.api.management.openapi import any_answer, problems
from ashiato.api.management.ports import DataAnswer
from ashiato.api.management.routing import participant_router
from ashiato.connector import vault
from ashiato.connector.problems import Invalid, Problem
from ashiato.connector.vault import Reader

MOST_SENT_BYTES = 8 * 1_048_576
PURPOSE_HEADER = "ashiato-purpose"
LONGEST_PURPOSE_CHARS = 256
SENT_HEADERS = ("accept", "content-type", "range", "if-range", "if-none-match")

router = participant_router("transfers")

TransferPid = Annotated[ForeignId, Path()]
ANSWERS = {
    200: any_answer("What the partner answers; its status is passed on."),
    **problems("not-permitted", "wrong-state", "partner-unavailable", "too-large"),
}
TAKES_BYTES = {"requestBody": {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}


@router.get(
    "/transfers/{transfer_pid}/data",
    summary="Read from the partner under a started transfer",
    response_class=Response,
    responses=ANSWERS,
)
async def read_data(call: CallOf, transfer_pid: TransferPid, request: Request) -> Response:
    return await _passed_on(call, transfer_pid, "", request)


@router.get(
    "/transfers/{transfer_pid}/data/{rest:path}",
    summary="Read below the partner's address, where its owner allows it",
    response_class=Response,
    responses=ANSWERS,
)
async def read_data_below(call: CallOf, transfer_pid: TransferPid, rest: str, request: Request) -> Response:
    return await _passed_on(call, transfer_pid, rest, request)


@router.post(
    "/transfers/{transfer_pid}/data",
    summary="Send to the partner's inbox or query under a started transfer",
    response_class=Response,
    responses=ANSWERS,
    openapi_extra=TAKES_BYTES,
)
async def post_data(call: CallOf, transfer_pid: TransferPid, request: Request) -> Response:
    return await _passed_on(call, transfer_pid, "", request)


@router.put(
    "/transfers/{transfer_pid}/data",
    summary="Put to the partner's inbox under a started transfer",
    response_class=Response,
    responses=ANSWERS,
    openapi_extra=TAKES_BYTES,
)
async def put_data(call: CallOf, transfer_pid: TransferPid, request: Request) -> Response:
    return await _passed_on(call, transfer_pid, "", request)


async def _passed_on(call: Call, transfer_pid: str, rest: str, request: Request) -> Response:
    body = await read_body(request, MOST_SENT_BYTES) if request.method in ("POST", "PUT") else b""
    try:
        path, query = forwarded_target(request.scope, rest)
    except Refused as error:
        raise Invalid(error.refusal.reason, path="path") from None
    purpose = request.headers.get(PURPOSE_HEADER, "")[:LONGEST_PURPOSE_CHARS]
    reader = Reader(subject=call.subject)
    await call.read(lambda uow: vault.check_live(uow, transfer_pid, reader, purpose, call.moment))
    headers = {name: request.headers[name] for name in SENT_HEADERS if name in request.headers}
    target = f"{path}?{query}" if query else path
    opened = call.around.data.call(call.tenant, transfer_pid, request.method, target, headers, body)
    async with AsyncExitStack() as stack:
        answer = await stack.enter_async_context(opened)
        staying = stack.pop_all()
    return StreamingResponse(_body(answer, staying), status_code=answer.status, headers=dict(answer.headers))


async def _body(answer: DataAnswer, opened: AbstractAsyncContextManager[object]) -> AsyncIterator[bytes]:
    try:
        async with opened:
            async for chunk in answer.chunks():
                yield chunk
    except Problem as problem:
        # The status has gone out; an answer that is cut off says by its missing end that it is not whole.
        raise ConnectionAbortedError(problem.sentence) from None
