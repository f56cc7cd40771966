"""The OpenAPI 3.1 document: every answer a route can give is in it, problems included."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ashiato.api.management.answers import MEDIA_TYPE, STATUS_OF
from ashiato.api.management.models.shared import Problem

Responses = dict[int | str, dict[str, Any]]

EVERYWHERE = (
    "not-authenticated",
    "not-found",
    "invalid",
    "internal",
    "identity-provider-unavailable",
    "store-unavailable",
)
WITH_JSON_BODY = ("malformed", "too-large", "unsupported-media-type")
WITH_PARTNER = ("partner-unavailable",)

_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_SUMMARY = (
    "How a company's own people and programs run its connector. Every address but /v1/health needs a key."
)


def problems(*codes: str) -> Responses:
    """The `responses` of a route that may answer with these problems."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(STATUS_OF[code], []).append(code)
    return {
        status: {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(found)}",
            "content": {MEDIA_TYPE: {"schema": _SCHEMA}},
        }
        for status, found in by_status.items()
    }


def raw_body(*media_types: str) -> dict[str, Any]:
    """The `openapi_extra` of a route that takes bytes as they are."""
    schema = {"type": "string", "format": "binary"}
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in media_types}}}


def raw_answer(description: str, *media_types: str) -> dict[str, Any]:
    """The entry of `responses` for an answer of bytes as they are."""
    schema = {"type": "string", "format": "binary"}
    return {"description": description, "content": {kind: {"schema": schema} for kind in media_types}}


def any_answer(description: str) -> dict[str, Any]:
    """The entry of `responses` for data of a kind that only its owner knows."""
    return {"description": description, "content": {"*/*": {"schema": {}}}}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the application, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title="Ashiato management API",
            version=app.version,
            openapi_version="3.1.0",
            summary=_SUMMARY,
            routes=app.routes,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        app.openapi_schema = made
    return app.openapi_schema
