"""The routers of the management API, alike in what they demand and declare."""

from fastapi import APIRouter
from starlette.convertors import Convertor, register_url_convertor

from ashiato.api.management.addresses import OPERATOR_SEGMENT, ROOT
from ashiato.api.management.bodies import StrictRoute
from ashiato.api.management.calls import DECLARED_SECURITY
from ashiato.api.management.openapi import EVERYWHERE, problems


class _ForeignId(Convertor[str]):
    """A partner's id may hold slashes; only our own step at the end of the path is no part of it."""

    regex = r"(?:(?!/(?:terminate|retire|export|renew|decision)$).)+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _ObligationId(_ForeignId):
    """It begins with the id of an agreement."""

    regex = r"(?:(?!/(?:fulfil|void|reopen)$).)+"


register_url_convertor("foreign_id", _ForeignId())
register_url_convertor("obligation_id", _ObligationId())


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
