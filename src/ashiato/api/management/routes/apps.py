"""Apps: registered, approved and revoked by the company, started by the connector where the operator allows it."""

from typing import Annotated

from fastapi import Path, Query

from ashiato.api.management.calls import CallOf
from ashiato.api.management.models.apps import App, ApprovedApp, Certification, Manifest, StartedApp
from ashiato.api.management.models.shared import OwnId, Page, PageQuery, page_of
from ashiato.api.management.openapi import WITH_JSON_BODY, problems
from ashiato.api.management.routing import participant_router
from ashiato.connector import apps
from ashiato.connector.certification import certification_of
from ashiato.connector.vault_records import App as AppRecord

router = participant_router("apps")

AppId = Annotated[OwnId, Path()]


@router.get("/apps", summary="List the apps")
async def list_apps(call: CallOf, wanted: Annotated[PageQuery, Query()]) -> Page[App]:
    found = await call.read(lambda uow: uow.apps.list_apps(wanted.cursor, wanted.limit + 1))
    return page_of(
        Page[App], [await _shown(call, app) for app in found], wanted.limit, lambda app: app.app_id
    )


@router.put(
    "/apps/{app_id}",
    summary="Register an app by its manifest; a changed one has to be approved anew",
    responses=problems(*WITH_JSON_BODY),
)
async def put_app(call: CallOf, app_id: AppId, body: Manifest) -> App:
    manifest = body.record()
    return await _shown(call, await call.run(lambda uow: apps.register(uow, app_id, manifest, call.moment)))


@router.get("/apps/{app_id}", summary="Show an app")
async def get_app(call: CallOf, app_id: AppId) -> App:
    return await _shown(call, await call.read(lambda uow: apps.own(uow, app_id)))


@router.post("/apps/{app_id}/approve", summary="Approve an app; the answer holds its token, shown only there")
async def approve_app(call: CallOf, app_id: AppId) -> ApprovedApp:
    token = call.around.apps.fresh_token()
    sha256 = call.around.apps.token_sha256(token)
    app = await call.run(lambda uow: apps.approve(uow, app_id, sha256, call.moment))
    return ApprovedApp(app=await _shown(call, app), token=token)


@router.post("/apps/{app_id}/revoke", summary="Revoke an app: its token opens nothing any more")
async def revoke_app(call: CallOf, app_id: AppId) -> App:
    return await _shown(call, await call.run(lambda uow: apps.revoke(uow, app_id, call.moment)))


@router.post(
    "/apps/{app_id}/run",
    status_code=202,
    summary="Start an approved app from the folder that the operator opened; its end stands in the history",
    responses=problems("wrong-state"),
)
async def run_app(call: CallOf, app_id: AppId) -> StartedApp:
    await call.around.apps.start(call.tenant, app_id)
    return StartedApp(app_id=app_id, digest="enforced")


async def _shown(call: CallOf, app: AppRecord) -> App:
    """The app with what is known of its certification now."""
    found = await certification_of(call.around.node, call.tenant.participant_id, app, call.moment.now_ms)
    certification = None if found is None else Certification.of(found, counts=found.counts)
    return App.of(app, certification=certification)
