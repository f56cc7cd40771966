"""The routers of the management API, alike in what they demand and declare."""

from fastapi import APIRouter
from starlette.convertors import Convertor, register_url_convertor

from ashiato.api.management.admission import OPERATOR_SEGMENT, ROOT
from ashiato.api.management.bodies import StrictRoute
from ashiato.api.management.calls import DECLARED_SECURITY
from ashiato.api.management.openapi import EVERYWHERE, problems


class _ForeignId(Convertor[str]):
    """A partner's id may hold slashes; only our own step at the end of the path is no part of it."""

    def __init__(self, *steps: str) -> None:
        self.regex = rf"(?:(?!/(?:{'|'.join(steps)})$).)+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("foreign_id", _ForeignId("terminate", "retire", "export", "renew", "decision"))
register_url_convertor("obligation_id", _ForeignId("fulfil", "void", "reopen"))


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
