"""Contracts on paper with their scans."""

import hashlib
from typing import Annotated

from fastapi import Path, Query, Request, Response

from ashiato.api.management.bodies import check_media_type, read_body
from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.contracts import Paper, PaperQuery
from ashiato.api.management.models.shared import OwnId
from ashiato.api.management.openapi import problems, raw_answer, raw_body
from ashiato.api.management.routing import participant_router
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import PaperContract

MOST_SCAN_BYTES = 20 * 1_048_576
SCAN_TYPES = ("application/pdf", "image/jpeg", "image/png", "image/tiff")

router = participant_router("contracts")

PaperId = Annotated[OwnId, Path()]


@router.put(
    "/papers/{paper_id}",
    summary="Keep a contract on paper with its scan; its hash is made here",
    responses=problems("malformed", "too-large", "unsupported-media-type", "wrong-state"),
    openapi_extra=raw_body(*SCAN_TYPES),
)
async def put_paper(
    call: CallOf, paper_id: PaperId, known: Annotated[PaperQuery, Query()], request: Request
) -> Paper:
    media_type = check_media_type(request, SCAN_TYPES)
    scan = await read_body(request, MOST_SCAN_BYTES)
    if not scan:
        raise Invalid("The scan is empty; send its bytes as the body.")
    paper = PaperContract(
        paper_id=paper_id,
        peer_id=known.partner,
        title=known.title,
        signed_on=known.signed_on,
        media_type=media_type,
        scan_sha256=hashlib.sha256(scan).hexdigest(),
        size_bytes=len(scan),
        note=known.note,
        created_ms=call.moment.now_ms,
    )

    def work(uow: UnitOfWork) -> PaperContract:
        before = uow.contracts.paper(paper_id)
        if before is not None:
            return _unchanged(before, paper)
        uow.contracts.put_paper(paper, scan)
        details: dict[str, object] = {"title": paper.title, "scan_sha256": paper.scan_sha256}
        uow.records.add_history(call.moment.now_ms, "paper.stored", paper_id, paper.peer_id, details)
        return paper

    return Paper.of(await call.run(work))


@router.get("/papers/{paper_id}", summary="Show a contract on paper")
async def get_paper(call: CallOf, paper_id: PaperId) -> Paper:
    return Paper.of(await call.read(lambda uow: _paper(uow, paper_id)))


@router.get(
    "/papers/{paper_id}/scan",
    summary="Download the scan of a contract on paper",
    response_class=Response,
    responses={200: raw_answer("The scan as it was sent.", *SCAN_TYPES)},
)
async def get_scan(call: CallOf, paper_id: PaperId) -> Response:
    def work(uow: UnitOfWork) -> tuple[PaperContract, bytes]:
        paper, scan = _paper(uow, paper_id), uow.contracts.paper_scan(paper_id)
        if scan is None:
            raise NotFound(f"The scan of {paper_id!r} is not here.", id=paper_id)
        return paper, scan

    paper, scan = await call.read(work)
    headers = {"Content-Disposition": "attachment", "ETag": f'"{paper.scan_sha256}"'}
    media_type = paper.media_type if paper.media_type in SCAN_TYPES else "application/octet-stream"
    return Response(scan, headers=headers, media_type=media_type)


def _paper(uow: UnitOfWork, paper_id: str) -> PaperContract:
    paper = uow.contracts.paper(paper_id)
    if paper is None:
        raise NotFound(f"There is no contract on paper {paper_id!r}.", id=paper_id)
    return paper


def _unchanged(before: PaperContract, paper: PaperContract) -> PaperContract:
    # A scan is evidence: it is never replaced under its id.
    told = ("peer_id", "title", "signed_on", "scan_sha256", "note")
    if all(getattr(before, name) == getattr(paper, name) for name in told):
        return before
    raise WrongState(
        f"There is another contract on paper {before.paper_id!r}; a stored scan is never replaced, choose another id.",
        id=before.paper_id,
    )
