"""Every answer that is not a success: a problem document (RFC 9457) with one sentence that says what to do."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from ashiato.api.management.problems import (
    IdentityProviderUnavailable,
    NotAuthenticated,
    RangeNotSatisfiable,
)
from ashiato.connector.ports import Conflict
from ashiato.connector.problems import Problem
from ashiato.dsp.errors import MismatchedMessage, UnsendableMessage
from ashiato.policy.odrl import MalformedPolicy
from ashiato.stores.errors import StoreUnavailable

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:ashiato:problem:"
MOST_SHOWN_ERRORS_COUNT = 20

# `Problem.code` to HTTP status: the one place where a problem of the inner rooms meets HTTP.
STATUS_OF: Mapping[str, int] = {
    "malformed": 400,
    "not-authenticated": 401,
    "not-permitted": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "wrong-state": 409,
    "too-large": 413,
    "unsupported-media-type": 415,
    "range-not-satisfiable": 416,
    "invalid": 422,
    "bad-source": 422,
    "quota-exceeded": 429,
    "internal": 500,
    "partner-unavailable": 502,
    "busy": 503,
    "identity-provider-unavailable": 503,
    "signer-unavailable": 503,
    "store-unavailable": 503,
}
RETRY_SOON = {"Retry-After": "5"}

log = structlog.get_logger(__name__)


class Refused(HTTPException):
    """Carries a problem through the framework where it lets only its own exceptions pass."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(STATUS_OF[problem.code])
        self.problem = problem


def answer(
    code: str, sentence: str, fields: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Response:
    """The problem document; `type` is stable for machines, `detail` is the sentence."""
    status = STATUS_OF[code]
    document = {
        "type": TYPE_PREFIX + code,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": sentence if sentence.endswith((".", "!", "?")) else f"{sentence}.",
        "fields": fields,
    }
    body = msgspec.json.encode(document, enc_hook=str)
    return Response(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def answer_to(problem: Problem) -> Response:
    """The document of a problem; an unknown code is answered as the nearest known problem that it specialises."""
    codes = [kind.code for kind in type(problem).__mro__ if issubclass(kind, Problem)]
    code = next((code for code in codes if code in STATUS_OF), "internal")
    headers: dict[str, str] = {}
    if isinstance(problem, NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="ashiato management"'
    elif isinstance(problem, RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{problem.fields.get('size_bytes', '*')}"
    elif isinstance(problem, IdentityProviderUnavailable):
        headers |= RETRY_SOON
    return answer(code, problem.sentence, problem.fields, headers)


def install(app: FastAPI) -> None:
    """Let every failure of the application leave as a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(MalformedPolicy, _malformed_policy)
    app.add_exception_handler(UnsendableMessage, _unsendable)
    app.add_exception_handler(MismatchedMessage, _unsendable)
    app.add_exception_handler(Conflict, _busy)
    app.add_exception_handler(StoreUnavailable, _store_unavailable)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _refused_by_framework)
    app.add_exception_handler(Exception, _internal)


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise error
    return answer_to(error)


async def _malformed_policy(_: Request, error: Exception) -> Response:
    if not isinstance(error, MalformedPolicy):
        raise error
    where = f" at {error.path}" if error.path else ""
    return answer("invalid", f"The policy is malformed{where}: {error.problem}.", {"path": error.path})


async def _unsendable(_: Request, error: Exception) -> Response:
    return answer("invalid", f"The partner would refuse the message that this makes: {error}.", {})


async def _busy(_: Request, error: Exception) -> Response:
    log.warning("the store refused", why=str(error))
    return answer(
        "busy", "Others changed the same thing at the same moment; repeat the request.", {}, RETRY_SOON
    )


async def _store_unavailable(_: Request, error: Exception) -> Response:
    log.error("the store is not available", why=str(error))
    return answer(
        "store-unavailable", "The store of this node is not available; try again in a moment.", {}, RETRY_SOON
    )


async def _invalid_request(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [
        {"path": ".".join(str(part) for part in fault["loc"]), "problem": fault["msg"]}
        for fault in error.errors()[:MOST_SHOWN_ERRORS_COUNT]
    ]
    first = faults[0]
    return answer("invalid", f"{first['path']}: {first['problem']}.", {"errors": faults})


async def _refused_by_framework(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if isinstance(error, Refused):
        return answer_to(error.problem)
    if error.status_code == 405:
        allowed = ", ".join(_methods_of(request))
        sentence = f"This address does not take {request.method}; it takes {allowed}."
        return answer("method-not-allowed", sentence, {}, {"Allow": allowed})
    if error.status_code == 404:
        return not_found()
    return answer("malformed", "The request cannot be read.", {})


def _methods_of(request: Request) -> list[str]:
    """Every method that some route takes at this address; the framework names only those of the first one."""
    routes: Sequence[Route] = request.app.state.routes
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in fitting for method in route.methods or ()})


async def _internal(_: Request, error: Exception) -> Response:
    log.error("management request failed", kind=type(error).__name__)
    return answer(
        "internal", "Something is wrong inside this node; its operator finds the reason in the log.", {}
    )


def not_found() -> Response:
    """What everybody gets who asks for something that is not there, or is not theirs."""
    return answer("not-found", "There is nothing here for this key.", {})
