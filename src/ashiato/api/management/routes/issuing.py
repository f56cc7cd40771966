"""What a company issues: its credential types, who may have them, requests, and how what was issued stands."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from fastapi import Path, Query

from ashiato.api.management.calls import Call, CallOf
from ashiato.api.management.models import credentials as models
from ashiato.api.management.models.shared import ForeignId, OwnId, Page, PageQuery, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.api.management.routing import participant_router
from ashiato.clients.schemas import BadSchema, Schemas
from ashiato.connector import issuance
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid, NotFound
from ashiato.identity.issuing import CredentialType, IssuedState
from ashiato.trust.enveloping import Profile

router = participant_router("issuing")

TypeId = Annotated[OwnId, Path()]
GrantId = Annotated[ForeignId, Path()]
RequestId = Annotated[ForeignId, Path()]
CredentialId = Annotated[ForeignId, Path()]
STATE_AFTER = {
    "suspend": IssuedState.SUSPENDED,
    "resume": IssuedState.ACTIVE,
    "revoke": IssuedState.REVOKED,
}
WITH_STATE = problems(*WITH_JSON_BODY, "wrong-state")

_schemas = Schemas()


@router.get("/issuer/types", summary="List the credential types that this company issues")
async def list_types(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[models.Type]:
    found = await call.read(lambda uow: uow.wallet.types.page(wanted.cursor, wanted.limit + 1))
    items = [models.Type.of(one) for one in found]
    return page_of(Page[models.Type], items, wanted.limit, lambda one: one.type_id)


@router.put(
    "/issuer/types/{type_id}",
    summary="Add or replace a credential type",
    responses=problems(*WITH_JSON_BODY, "quota-exceeded"),
)
async def put_type(call: CallOf, type_id: TypeId, body: models.TypeOrder) -> models.Type:
    _check_issuer(call)
    members = body.model_dump() | {"profile": Profile(body.profile)}
    type_ = CredentialType(type_id=type_id, **members)
    if type_.subject_schema:
        _violation(type_, {})
    return models.Type.of(await call.run(lambda uow: issuance.put_type(uow, type_)))


@router.delete("/issuer/types/{type_id}", status_code=204, summary="Stop issuing a credential type")
async def delete_type(call: CallOf, type_id: TypeId) -> None:
    if not await call.run(lambda uow: uow.wallet.types.delete(type_id)):
        raise NotFound(f"There is no credential type {type_id!r}.", id=type_id)


@router.get("/issuer/grants", summary="List the grants that nobody has used yet")
async def list_grants(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[models.Grant]:
    found = await call.read(lambda uow: uow.wallet.grants.page(wanted.cursor, wanted.limit + 1))
    items = [models.Grant.of(one) for one in found]
    return page_of(Page[models.Grant], items, wanted.limit, lambda one: one.grant_id)


@router.post(
    "/issuer/grants",
    status_code=201,
    summary="Let a holder have a credential, and offer it to them",
    responses=problems(*WITH_JSON_BODY, "quota-exceeded"),
)
async def grant_credential(call: CallOf, body: models.GrantOrder) -> models.Grant:
    _check_issuer(call)
    if body.holder is None and body.code is None:
        raise Invalid("Name the holder, or give a code.", path="holder")

    def work(uow: UnitOfWork) -> models.Grant:
        type_ = issuance.type_of(uow, body.type_id)
        _check_subject(type_, body.claims, body.holder or "did:web:holder.example")
        made = issuance.grant(
            uow,
            body.holder or "",
            body.type_id,
            dict(body.claims),
            call.moment,
            valid_until_ms=body.valid_until_ms,
            code=body.code or "",
        )
        return models.Grant.of(made)

    return await call.run(work)


@router.delete("/issuer/grants/{grant_id}", status_code=204, summary="Take a grant back")
async def delete_grant(call: CallOf, grant_id: GrantId) -> None:
    if not await call.run(lambda uow: uow.wallet.grants.delete(grant_id)):
        raise NotFound(f"There is no grant {grant_id!r}.", id=grant_id)


@router.get("/issuer/requests", summary="List the requests of holders")
async def list_requests(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[models.Request]:
    found = await call.read(lambda uow: uow.wallet.requests.page(wanted.cursor, wanted.limit + 1))
    items = [models.Request.of(one) for one in found]
    return page_of(Page[models.Request], items, wanted.limit, lambda one: one.request_id)


@router.post(
    "/issuer/requests/{request_id}/approve", summary="Issue what was requested", responses=WITH_STATE
)
async def approve_request(
    call: CallOf, request_id: RequestId, body: models.IssuanceApproval
) -> models.Request:
    def work(uow: UnitOfWork) -> models.Request:
        request = uow.wallet.requests.get(request_id)
        for type_id in request.type_ids if request is not None else ():
            type_ = issuance.type_of(uow, type_id)
            _check_subject(type_, body.claims.get(type_id, {}), request.holder_id if request else "")
        claims: dict[str, dict[str, object]] = {type_id: {**told} for type_id, told in body.claims.items()}
        return models.Request.of(
            issuance.approve(uow, request_id, claims, call.moment, valid_until_ms=body.valid_until_ms)
        )

    return await call.run(work)


@router.post("/issuer/requests/{request_id}/reject", summary="Say no to a holder", responses=WITH_STATE)
async def reject_request(
    call: CallOf, request_id: RequestId, body: models.IssuanceRejection
) -> models.Request:
    return models.Request.of(
        await call.run(lambda uow: issuance.reject(uow, request_id, body.reason, call.moment))
    )


@router.get("/issuer/credentials", summary="List what this company issued")
async def list_issued(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[models.Issued]:
    found = await call.read(lambda uow: uow.wallet.issued.page(wanted.cursor, wanted.limit + 1))
    items = [models.Issued.of(one) for one in found]
    return page_of(Page[models.Issued], items, wanted.limit, lambda one: one.credential_id)


@router.get("/issuer/credentials/{credential_id}", summary="Show a credential that this company issued")
async def get_issued(call: CallOf, credential_id: CredentialId) -> models.Issued:
    return models.Issued.of(await call.read(lambda uow: issuance.issued(uow, credential_id)))


@router.post(
    "/issuer/credentials/{credential_id}/renew",
    summary="Issue a credential again with a later end",
    responses=WITH_STATE,
)
async def renew_issued(
    call: CallOf, credential_id: CredentialId, body: models.CredentialRenewal
) -> models.Issued:
    return models.Issued.of(
        await call.run(lambda uow: issuance.renew(uow, credential_id, body.valid_until_ms, call.moment))
    )


@router.post(
    "/issuer/credentials/{credential_id}/{act}",
    summary="Suspend, resume or revoke a credential",
    responses=WITH_STATE,
)
async def act_on_issued(
    call: CallOf,
    credential_id: CredentialId,
    act: Literal["suspend", "resume", "revoke"],
    body: models.StatusChange,
) -> models.Issued:
    state = STATE_AFTER[act]
    return models.Issued.of(
        await call.run(lambda uow: issuance.set_status(uow, credential_id, state, body.reason, call.moment))
    )


@router.get("/issuer/status-lists", summary="List the status lists that this company publishes")
async def list_status_lists(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[models.StatusList]:
    found = await call.read(lambda uow: uow.wallet.status_lists.page(wanted.cursor, wanted.limit + 1))
    items = [
        models.StatusList.of(one, url=issuance.status_list_url(call.tenant, one.list_id)) for one in found
    ]
    return page_of(Page[models.StatusList], items, wanted.limit, lambda one: one.list_id)


def _check_issuer(call: Call) -> None:
    if not call.tenant.is_issuer:
        raise NotFound("This company issues no credentials; its operator sets issues_credentials.")


def _check_subject(type_: CredentialType, claims: Mapping[str, object], holder: str) -> None:
    """Raises `Invalid` when the subject would break the schema of its type."""
    if "id" in claims:
        raise Invalid("The id of the subject is the holder's; leave it out.", path="claims.id")
    if type_.subject_schema:
        found = _violation(type_, {**claims, **type_.claims, "id": holder})
        if found is not None:
            raise Invalid(f"The claims break the schema of {type_.type_id}: {found}.", path="claims")


def _violation(type_: CredentialType, subject: dict[str, object]) -> str | None:
    try:
        return _schemas.violation(msgspec.json.encode(type_.subject_schema), subject)
    except BadSchema as error:
        raise Invalid(f"The schema cannot be used: {error.why}.", path="subject_schema") from None
