"""The routers of the management API, alike in what they demand and declare."""

from fastapi import APIRouter

from ashiato.api.management.admission import OPERATOR_SEGMENT, ROOT
from ashiato.api.management.bodies import StrictRoute
from ashiato.api.management.calls import DECLARED_SECURITY
from ashiato.api.management.openapi import EVERYWHERE, problems


def participant_router(tag: str) -> APIRouter:
    """Routes below `/v1/{slug}`: each takes a `CallOf` and touches that participant alone."""
    return APIRouter(
        prefix=f"/{ROOT}/{{slug}}",
        tags=[tag],
        route_class=StrictRoute,
        dependencies=DECLARED_SECURITY,
        responses=problems(*EVERYWHERE),
    )


def operator_router() -> APIRouter:
    """Routes below `/v1/participants`, for the operator's key."""
    return APIRouter(
        prefix=f"/{ROOT}/{OPERATOR_SEGMENT}",
        tags=["operator"],
        route_class=StrictRoute,
        dependencies=DECLARED_SECURITY,
        responses=problems(*EVERYWHERE),
    )
