"""The hub's two applications of described routes: for parties and everybody, and for the operator."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from ashiato.api.hub.addresses import OPENAPI_PATH
from ashiato.api.hub.routes import billing, catalog, certification, identities, onboarding, parties
from ashiato.api.management import answers
from ashiato.api.management.models.shared import Problem
from ashiato.hub.node import Hub

API_VERSION = "1.0.0"
# A room of the hub adds its routers here; the prefix of a router says who may pass (`api/hub/routing.py`).
PARTY_ROUTERS: tuple[APIRouter, ...] = (
    onboarding.router,
    onboarding.party_router,
    identities.router,
    certification.router,
    certification.register_router,
    billing.own,
    catalog.router,
)
OPERATOR_ROUTERS: tuple[APIRouter, ...] = (parties.router, certification.operating_router, billing.router)


def party_app(hub: Hub, services: Mapping[type, object]) -> FastAPI:
    """The application for parties and everybody; it stands behind `PartyAdmission`."""
    return _app("Ashiato hub", PARTY_ROUTERS, hub, services)


def operator_app(hub: Hub, services: Mapping[type, object]) -> FastAPI:
    """The application for the operator; it stands behind `OperatorAdmission`."""
    return _app("Ashiato hub: operation", OPERATOR_ROUTERS, hub, services)


def _app(title: str, routers: Sequence[APIRouter], hub: Hub, services: Mapping[type, object]) -> FastAPI:
    app = FastAPI(
        title=title,
        version=API_VERSION,
        openapi_url=OPENAPI_PATH,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.hub = hub
    app.state.services = services
    answers.install(app)
    for router in routers:
        app.include_router(router)
    app.state.routes = [route for router in routers for route in router.routes]

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=title, version=API_VERSION, openapi_version="3.1.0", routes=app.routes)
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the framework's own way to replace its document
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
