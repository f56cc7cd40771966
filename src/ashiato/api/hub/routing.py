"""The routers of the hub, alike in what they demand and declare; the admission asks by the address, not by the router."""

from fastapi import APIRouter, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from ashiato.api.hub.addresses import ONBOARDING, OPEN, OPERATOR, PARTY, ROOT
from ashiato.api.management.bodies import StrictRoute
from ashiato.api.management.openapi import problems

_OPEN_ANSWERS = ("not-found", "invalid", "internal", "store-unavailable", "busy")
_PROVED_ANSWERS = (*_OPEN_ANSWERS, "not-authenticated", "partner-unavailable")
_TOKEN = Security(
    HTTPBearer(
        scheme_name="selfIssuedToken",
        auto_error=False,
        description="A token that the company's connector signs for the hub's DID (DCP 1.0, 4.3); it counts once.",
    )
)
_OPERATOR_KEY = Security(
    APIKeyHeader(
        name="X-Api-Key", scheme_name="operatorKey", auto_error=False, description="The operator's key."
    )
)


def open_router(tag: str) -> APIRouter:
    """Routes below `/v1/open`, for everybody."""
    return APIRouter(
        prefix=f"/{ROOT}/{OPEN}", tags=[tag], route_class=StrictRoute, responses=problems(*_OPEN_ANSWERS)
    )


def onboarding_router(tag: str) -> APIRouter:
    """Routes below `/v1/onboarding`, for whoever proves a DID: a company that is no party yet."""
    return APIRouter(
        prefix=f"/{ROOT}/{ONBOARDING}",
        tags=[tag],
        route_class=StrictRoute,
        dependencies=[_TOKEN],
        responses=problems(*_PROVED_ANSWERS),
    )


def party_router(tag: str) -> APIRouter:
    """Routes below `/v1/party`, for admitted parties; each takes a `PartyCallOf`."""
    return APIRouter(
        prefix=f"/{ROOT}/{PARTY}",
        tags=[tag],
        route_class=StrictRoute,
        dependencies=[_TOKEN],
        responses=problems(*_PROVED_ANSWERS, "not-permitted"),
    )


def operator_router(tag: str) -> APIRouter:
    """Routes below `/v1/operator`, on the operator's listener."""
    return APIRouter(
        prefix=f"/{ROOT}/{OPERATOR}",
        tags=[tag],
        route_class=StrictRoute,
        dependencies=[_OPERATOR_KEY],
        responses=problems(*_OPEN_ANSWERS, "not-authenticated"),
    )
