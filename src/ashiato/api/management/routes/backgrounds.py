"""Background databases: imported from files of other programs, asked for intensities, changes and draws, linked as factors."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from fastapi import Path, Query, Request, Response

from ashiato.api.management.bodies import check_media_type
from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.long_work import Tell, answered, long_answer
from ashiato.api.management.models.backgrounds import (
    ActivitiesFound,
    ActivitiesQuery,
    Background,
    BackgroundImport,
    BackgroundQuery,
    BackgroundsQuery,
    Intensity,
    IntensityBody,
    LinkBody,
    LinkedFactor,
    Simulation,
    SimulationBody,
    WhatIf,
    WhatIfBody,
)
from ashiato.api.management.models.carbon import CarbonWarning
from ashiato.api.management.models.shared import Model, OwnId, Page, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems, raw_body
from ashiato.api.management.routing import participant_router
from ashiato.apps.carbon.databases import keeping
from ashiato.apps.carbon.databases.linked_factors import linked_factor
from ashiato.apps.carbon.databases.ports import BACKGROUNDS
from ashiato.apps.carbon.databases.questions import (
    FindQuestion,
    GasesFound,
    GasesQuestion,
    IntensityQuestion,
    Question,
    QuestionRefused,
    SimulationQuestion,
    WhatIfQuestion,
    Year,
)
from ashiato.apps.carbon.databases.work import Upload
from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.gwp import UnknownGwpSet, find_gwp_set
from ashiato.apps.carbon.factors.licences import Act, Person
from ashiato.apps.carbon.factors.model import Ownership
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid

SOURCE_TYPE = "application/octet-stream"
ModelT = TypeVar("ModelT", bound=Model)

router = participant_router("carbon")

BackgroundId = Annotated[OwnId, Path()]
_ASK = problems(*WITH_JSON_BODY, "not-permitted")


@router.get("/carbon/backgrounds", summary="List your background databases")
async def list_backgrounds(call: CallOf, wanted: Annotated[BackgroundsQuery, Query()]) -> Page[Background]:
    def look(uow: UnitOfWork) -> list[Background]:
        found = uow.room(BACKGROUNDS).page(wanted.cursor, wanted.limit + 1)
        person, now_ms = _person(call), call.moment.now_ms
        return [Background.of_kept(one, keeping.right_to(uow, one, Act.SEE, person, now_ms)) for one in found]

    return page_of(Page[Background], await call.read(look), wanted.limit, lambda one: one.background_id)


@router.get("/carbon/backgrounds/{background_id}", summary="Show one")
async def get_background(call: CallOf, background_id: BackgroundId) -> Background:
    def look(uow: UnitOfWork) -> Background:
        kept = keeping.known(uow, background_id)
        return Background.of_kept(
            kept, keeping.right_to(uow, kept, Act.SEE, _person(call), call.moment.now_ms)
        )

    return await call.read(look)


@router.delete(
    "/carbon/backgrounds/{background_id}",
    summary="Delete one; factors that were made of it stay",
    status_code=204,
)
async def delete_background(call: CallOf, background_id: BackgroundId) -> None:
    await call.run(lambda uow: keeping.forget(uow, background_id, call.moment))


@router.put(
    "/carbon/backgrounds/{background_id}",
    summary="Import a database of ecoSpold2, openLCA JSON-LD, ILCD, SimaPro CSV or Brightway: all of it, or nothing",
    responses={**problems("unsupported-media-type"), **long_answer(BackgroundImport)},
    openapi_extra=raw_body(SOURCE_TYPE),
)
async def put_background(
    call: CallOf, background_id: BackgroundId, wanted: Annotated[BackgroundQuery, Query()], request: Request
) -> Response:
    check_media_type(request, (SOURCE_TYPE,))
    _check_gwp_set(wanted.gwp_set)
    await call.read(lambda uow: keeping.check_licence(uow, wanted.licence))
    try:
        upload = await call.around.backgrounds.receive(request.stream())
    except UnreadableSource as unreadable:
        raise _unreadable(unreadable) from None
    return await answered(request, lambda tell: _imported(call, background_id, wanted, upload, tell))


@router.get(
    "/carbon/backgrounds/{background_id}/activities",
    summary="Find activities of a database by words",
    responses=long_answer(ActivitiesFound),
)
async def find_activities(
    call: CallOf, background_id: BackgroundId, wanted: Annotated[ActivitiesQuery, Query()], request: Request
) -> Response:
    question = FindQuestion(wanted.words, wanted.limit)
    return await _ask(call, request, background_id, question, ActivitiesFound, Act.USE)


@router.post(
    "/carbon/backgrounds/{background_id}/intensity",
    summary="Compute the intensity of an activity and what its inputs add",
    responses={**_ASK, **long_answer(Intensity)},
)
async def ask_intensity(
    call: CallOf, background_id: BackgroundId, body: IntensityBody, request: Request
) -> Response:
    question = IntensityQuestion(body.activity, body.gwp_set, body.most_inputs_count)
    return await _ask(call, request, background_id, question, Intensity)


@router.post(
    "/carbon/backgrounds/{background_id}/what-if",
    summary="Compute what changes with another supplier, another mix or another year",
    responses={**_ASK, **long_answer(WhatIf)},
)
async def ask_what_if(
    call: CallOf, background_id: BackgroundId, body: WhatIfBody, request: Request
) -> Response:
    question = WhatIfQuestion(body.activity, body.records(), body.gwp_set)
    others = [change.background_id for change in question.changes if isinstance(change, Year)]
    return await _ask(call, request, background_id, question, WhatIf, others=others)


@router.post(
    "/carbon/backgrounds/{background_id}/simulation",
    summary="Draw every uncertain amount anew, again and again, and say how the intensity scatters",
    responses={**_ASK, **long_answer(Simulation)},
)
async def ask_simulation(
    call: CallOf, background_id: BackgroundId, body: SimulationBody, request: Request
) -> Response:
    question = SimulationQuestion(body.activity, body.gwp_set, body.draws_count, body.seed, body.first_draw)
    return await _ask(call, request, background_id, question, Simulation)


@router.post(
    "/carbon/backgrounds/{background_id}/factors",
    summary="Keep the intensity of an activity as a factor of inventory lines, under the licence of the database",
    responses={**_ASK, **long_answer(LinkedFactor)},
)
async def link_factor(
    call: CallOf, background_id: BackgroundId, body: LinkBody, request: Request
) -> Response:
    _check_gwp_set(body.gwp_set)
    contents = await _opened(call, [background_id], Act.USE)
    kept = await call.read(lambda uow: keeping.known(uow, background_id))

    async def work(tell: Tell) -> LinkedFactor:
        question = GasesQuestion(body.activity, body.gwp_set)
        found = await _answer(call, contents, question, tell)
        if not isinstance(found, GasesFound):
            raise TypeError(f"{type(found).__name__} answers another question")
        texts = linked_factor(
            kept, found, body.factor_id, material=body.material, ownership=Ownership(body.ownership)
        )
        report = await call.run(
            lambda uow: keeping.keep_factor(uow, texts, _person(call), call.moment, body.lang)
        )
        outcome: Literal["new", "changed", "same"] = "same"
        if report.new_count or report.changed_count:
            outcome = "new" if report.new_count else "changed"
        warnings = [CarbonWarning.of_warned(one, body.lang) for one in report.warnings]
        return LinkedFactor(factor_id=body.factor_id, outcome=outcome, warnings=warnings)

    return await answered(request, work)


async def _imported(
    call: Call, background_id: str, wanted: BackgroundQuery, upload: Upload, tell: Tell
) -> BackgroundImport:
    order = wanted.order(background_id)
    try:
        before = await call.read(lambda uow: uow.room(BACKGROUNDS).get(background_id))
        if before is not None and keeping.is_same_source(before, upload.sha256, order):
            return BackgroundImport.of_same(before, wanted)
        outcome, content = await call.around.backgrounds.read(upload, order, tell)
    except UnreadableSource as unreadable:
        raise _unreadable(unreadable) from None
    finally:
        upload.close()
    tell("keeping", 0.0)
    report = await call.run(
        lambda uow: keeping.keep_source(
            uow,
            background_id,
            upload.sha256,
            order,
            outcome,
            content,
            _person(call),
            call.moment,
            language=wanted.lang,
            is_trial=wanted.dry_run,
        )
    )
    told = BackgroundImport.of_report(background_id, upload.sha256, report, outcome, wanted)
    if not report.is_good and not wanted.dry_run:
        first = told.errors[0]
        raise Invalid(
            f"Nothing was stored. {first.where or 'The file'}: {first.problem}",
            errors=[{"path": one.where, **one.model_dump()} for one in told.errors],
            further_errors=told.further_errors,
        )
    return told


async def _ask(
    call: Call,
    request: Request,
    background_id: str,
    question: Question,
    model: type[ModelT],
    act: Act = Act.SEE,
    others: Sequence[str] = (),
) -> Response:
    """Figures are seen by who may see; every right is asked before anything is computed."""
    if not isinstance(question, FindQuestion):
        _check_gwp_set(question.gwp_set)
    contents = await _opened(call, [background_id, *others], act)

    async def work(tell: Tell) -> ModelT:
        found = await _answer(call, contents, question, tell)
        return model.model_validate(_members(found), strict=False)

    return await answered(request, work)


async def _answer(call: Call, contents: dict[str, bytes], question: Question, tell: Tell) -> msgspec.Struct:
    try:
        return await call.around.backgrounds.ask(contents, question, tell)
    except QuestionRefused as refused:
        raise Invalid(f"There is no answer: {refused.problem}.", reason=refused.code) from None


async def _opened(call: Call, background_ids: Sequence[str], act: Act) -> dict[str, bytes]:
    return await call.read(
        lambda uow: keeping.opened(uow, background_ids, act, _person(call), call.moment.now_ms)
    )


def _members(found: msgspec.Struct) -> dict[str, object]:
    members: dict[str, object] = msgspec.to_builtins(found)
    members.pop("type", None)
    return members


def _check_gwp_set(name: str) -> None:
    try:
        find_gwp_set(name)
    except UnknownGwpSet as unknown:
        raise Invalid(f"{unknown}.", path="gwp_set") from None


def _unreadable(unreadable: UnreadableSource) -> Invalid:
    return Invalid(f"The file cannot be imported: {unreadable.problem}.", path="file", reason=unreadable.code)


def _person(call: Call) -> Person:
    return Person(call.tenant.participant_id, call.subject)
