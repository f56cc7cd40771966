"""Answers of routes that work for long: with progress line by line for who asks for it, and ended with the connection.

Work is bound to its request. Who wants to stop it hangs up; nothing runs on for nobody, and nothing has to be cleaned up.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import msgspec
import structlog
from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from ashiato.api.management.answers import answer_to
from ashiato.api.management.models.shared import Model
from ashiato.connector.problems import Problem

LINES_TYPE = "application/x-ndjson"
LOOK_EVERY_S = 0.5
_DESCRIPTION = (
    "With `Accept: application/x-ndjson` each line is an object: `stage` and `done_ratio` while the work goes on; the last one "
    "holds the `result`, or a `problem` as it stands in a problem document. Who hangs up ends the work."
)

Tell = Callable[[str, float], None]
Work = Callable[[Tell], Awaitable[Model]]

log = structlog.get_logger(__name__)


def long_answer(model: type[Model]) -> dict[int | str, dict[str, object]]:
    """The `responses` of a route that answers by `answered`."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    line = {"type": "string"}
    return {
        200: {
            "model": model,
            "description": _DESCRIPTION,
            "content": {"application/json": {"schema": schema}, LINES_TYPE: {"schema": line}},
        }
    }


async def answered(request: Request, work: Work) -> Response:
    """The answer of `work`, which must not read the request any more. Raises what `work` raises, unless lines were asked for."""
    progress = _Progress()
    task = asyncio.ensure_future(work(progress.tell))
    if LINES_TYPE in request.headers.get("accept", ""):
        return StreamingResponse(_lines(request, task, progress), media_type=LINES_TYPE)
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_EVERY_S))[0]:
            if await request.is_disconnected():
                break
        else:
            return Response(task.result().model_dump_json(), media_type="application/json")
    finally:
        await _ended(task)
    # Nobody reads it.
    return Response(status_code=204)


class _Progress:
    """The latest word about the work; what nobody read in time is left out."""

    def __init__(self) -> None:
        self.latest: tuple[str, float] | None = None

    def tell(self, stage: str, done_ratio: float) -> None:
        self.latest = (stage, done_ratio)


async def _lines(
    request: Request, task: "asyncio.Future[Model]", progress: _Progress
) -> AsyncIterator[bytes]:
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_EVERY_S))[0]:
            if await request.is_disconnected():
                return
            if progress.latest is not None:
                stage, done_ratio = progress.latest
                yield msgspec.json.encode({"stage": stage, "done_ratio": round(done_ratio, 4)}) + b"\n"
        yield _last_line(task) + b"\n"
    finally:
        await _ended(task)


def _last_line(task: "asyncio.Future[Model]") -> bytes:
    try:
        return b'{"result":' + task.result().model_dump_json().encode() + b"}"
    except Problem as problem:
        return b'{"problem":' + bytes(answer_to(problem).body) + b"}"
    except Exception as error:  # the answer has begun, so no handler of the framework can tell it any more
        log.error("long_work_failed", exc_info=error)
        failed = {"type": "urn:ashiato:problem:internal", "status": 500, "title": "Internal Server Error"}
        failed["detail"] = "The work failed for a reason of this node; its log says more."
        return msgspec.json.encode({"problem": {**failed, "fields": {}}})


async def _ended(task: "asyncio.Future[Model]") -> None:
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError, Problem):
            await task
