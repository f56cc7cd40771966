"""Certification: cases for their two sides, appeals and accreditation for the operator, the register for everybody."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from ashiato.api.hub.calls import OpenCallOf, OperatorCallOf, PartyCallOf
from ashiato.api.hub.models.certification import (
    AccreditationShown,
    CaseMove,
    CaseShown,
    Certificate,
    NewAccreditation,
    NewCase,
    OperatorMove,
)
from ashiato.api.hub.models.parties import PartyId
from ashiato.api.hub.routing import open_router, operator_router, party_router
from ashiato.api.management.models.shared import Line, OwnId, Page, PageQuery, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.facts.problems import NotFound
from ashiato.hub import certification
from ashiato.hub.certification import CERTIFICATION, Case
from ashiato.hub.certifying import CaseAct, Side
from ashiato.hub.ports import UnitOfWork

router: APIRouter = party_router("certification")
register_router: APIRouter = open_router("certification")
operating_router: APIRouter = operator_router("certification")

CaseId = Annotated[OwnId, Path()]


class RegisterQuery(PageQuery):
    """Which certificates are wanted."""

    words: Line = ""
    """A part of a name, DID, scheme, scope, app, version or digest; nothing means all."""


@register_router.get("/certificates", summary="The public register of certificates")
async def search_certificates(
    call: OpenCallOf, query: Annotated[RegisterQuery, Query()]
) -> Page[Certificate]:
    found = await call.read(
        lambda uow: uow.room(CERTIFICATION).search(query.words, query.cursor, query.limit + 1)
    )
    shown = [Certificate.shown(one, call.moment.now_ms) for one in found]
    return page_of(Page[Certificate], shown, query.limit, lambda one: one.certificate)


@register_router.get("/certificates/{certificate}", summary="One certificate")
async def get_certificate(call: OpenCallOf, certificate: Annotated[OwnId, Path()]) -> Certificate:
    found = await call.read(lambda uow: uow.room(CERTIFICATION).certificate(certificate))
    if found is None:
        raise NotFound("There is no such certificate.", id=certificate)
    return Certificate.shown(found, call.moment.now_ms)


@router.post(
    "/certifications", status_code=201, summary="Apply to a body", responses=problems(*WITH_JSON_BODY)
)
async def apply_for_certification(call: PartyCallOf, wanted: NewCase) -> CaseShown:
    subject = wanted.subject.record()
    case = await call.run(
        lambda uow: certification.apply(uow, call.party.party_id, wanted.body, subject, call.moment)
    )
    return CaseShown.shown(case)


@router.get("/certifications", summary="The cases in which one is applicant or body")
async def list_certifications(call: PartyCallOf, query: Annotated[PageQuery, Query()]) -> Page[CaseShown]:
    party_id = call.party.party_id
    found = await call.read(
        lambda uow: uow.room(CERTIFICATION).cases(query.cursor, query.limit + 1, of=party_id)
    )
    return page_of(
        Page[CaseShown], [CaseShown.shown(one) for one in found], query.limit, lambda one: one.case
    )


@router.get("/certifications/{case}", summary="A case of one's own, on either side")
async def get_certification(call: PartyCallOf, case: CaseId) -> CaseShown:
    def work(uow: UnitOfWork) -> Case:
        found = certification.case_of(uow, case)
        certification.side_of(found, call.party.party_id)
        return found

    return CaseShown.shown(await call.read(work))


@router.post(
    "/certifications/{case}/steps",
    summary="Move a case, as its applicant or as its body",
    responses=problems("wrong-state", *WITH_JSON_BODY),
)
async def move_certification(call: PartyCallOf, case: CaseId, move: CaseMove) -> CaseShown:
    def work(uow: UnitOfWork) -> Case:
        found = certification.case_of(uow, case)
        return certification.move(
            uow,
            found,
            CaseAct(move.act),
            certification.side_of(found, call.party.party_id),
            call.party.party_id,
            call.moment,
            reason=move.reason,
            evidence_sha256=tuple(move.evidence_sha256),
            valid_until_ms=move.valid_until_ms,
        )

    return CaseShown.shown(await call.run(work))


@operating_router.put(
    "/accreditations/{party}",
    summary="Let a certification body certify by schemes",
    responses=problems("wrong-state", *WITH_JSON_BODY),
)
async def put_accreditation(
    call: OperatorCallOf, party: Annotated[PartyId, Path()], wanted: NewAccreditation
) -> AccreditationShown:
    made = await call.run(
        lambda uow: certification.accredit(uow, party, wanted.schemes, wanted.until_ms, call.moment)
    )
    return AccreditationShown.of(made, body=made.body_id)


@operating_router.get("/certifications", summary="All cases")
async def list_cases(call: OperatorCallOf, query: Annotated[PageQuery, Query()]) -> Page[CaseShown]:
    found = await call.read(lambda uow: uow.room(CERTIFICATION).cases(query.cursor, query.limit + 1))
    return page_of(
        Page[CaseShown], [CaseShown.shown(one) for one in found], query.limit, lambda one: one.case
    )


@operating_router.post(
    "/certifications/{case}/steps",
    summary="Decide an appeal, or act in the place of a body that cannot",
    responses=problems("not-permitted", "wrong-state", *WITH_JSON_BODY),
)
async def decide_case(call: OperatorCallOf, case: CaseId, move: OperatorMove) -> CaseShown:
    def work(uow: UnitOfWork) -> Case:
        found = certification.case_of(uow, case)
        act = CaseAct(move.act)
        return certification.move(
            uow, found, act, Side.OPERATOR, call.subject, call.moment, reason=move.reason
        )

    return CaseShown.shown(await call.run(work))
