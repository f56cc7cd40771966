"""What both services share: who calls, what the body says, and how a refusal is told (DCP 1.0, 5.4 and 6)."""

from collections.abc import Awaitable, Callable

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ashiato.api.messages import BODY_TIMEOUT_S, BodyTooLarge, BodyTooSlow, Replayed, read_body
from ashiato.api.protocol import MethodNotAllowed
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Conflict, Moment
from ashiato.connector.problems import Invalid, NotFound, NotPermitted, Problem, QuotaExceeded, WrongState
from ashiato.identity.callers import KnownCaller
from ashiato.identity.dcp_v1_0 import MOST_BODY_BYTES, MalformedDcpMessage, UnsupportedQuery
from ashiato.identity.signed_tokens import CannotResolve, Documents, NotAuthenticated, SignedTokens
from ashiato.stores.errors import StoreUnavailable
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused
from ashiato.trust.signing import Signer, SigningFailed

RETRY_AFTER_S = 1
LONGEST_SENTENCE_CHARS = 500

log = structlog.get_logger()


class DcpMeans(msgspec.Struct, frozen=True):
    """What the services work with. Callers prove themselves by their tokens alone: they have nothing to present here."""

    node: Node
    tokens: SignedTokens
    documents: Documents
    own_document: Callable[[str], DidDocument | None]
    signer_of: Callable[[str], Signer]


Answer = Callable[[DcpMeans, Tenant, Request], Awaitable[Response]]


def route(means: DcpMeans, path: str, method: str, answer: Answer, *, issuers_only: bool = False) -> Route:
    """A route below the segment of a participant; another participant than an issuer has no issuer service."""

    async def respond(request: Request) -> Response:
        tenant = means.node.tenants.by_slug(request.path_params["tenant"])
        if tenant is None or (issuers_only and not tenant.is_issuer):
            return Response(status_code=404)
        try:
            if request.method not in ((method, "HEAD") if method == "GET" else (method,)):
                raise MethodNotAllowed(method)
            return await answer(means, tenant, request)
        except ClientDisconnect:
            return Response(status_code=400)
        except _FAULTS as error:
            return _refused(tenant, request, error)

    return Route(f"/{{tenant}}/{path}", _Endpoint(respond))


class _Endpoint:
    """An ASGI application: the router leaves the method to it, and so the answer to a wrong one."""

    def __init__(self, respond: Callable[[Request], Awaitable[Response]]) -> None:
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)


async def caller_of(means: DcpMeans, tenant: Tenant, request: Request, moment: Moment) -> KnownCaller:
    """Who calls, by the Self-Issued ID token alone; raises `NotAuthenticated`."""
    authorization = request.headers.get("authorization")
    return await means.tokens.authenticate(tenant.participant_id, authorization, moment.now_ms)


async def body_of(request: Request) -> bytes:
    """The bytes of the message; raises `BodyTooLarge` or `BodyTooSlow`."""
    return await read_body(request, MOST_BODY_BYTES)


_FAULTS = (
    BodyTooLarge,
    BodyTooSlow,
    CannotResolve,
    Conflict,
    MalformedDcpMessage,
    NotAuthenticated,
    Problem,
    Replayed,
    StoreUnavailable,
    SigningFailed,
    TokenRefused,
    UnsupportedQuery,
    MethodNotAllowed,
)


def _refused(tenant: Tenant, request: Request, error: Exception) -> Response:
    status_code, code, sentence = _explain(error)
    log.info(
        "credential message refused",
        participant=tenant.participant_id,
        path=request.url.path,
        status=status_code,
        code=code,
        why=error.why if isinstance(error, NotAuthenticated) else sentence[:LONGEST_SENTENCE_CHARS],
    )
    headers = {"WWW-Authenticate": "Bearer"} if status_code == 401 else {}
    if status_code == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allowed
    body = msgspec.json.encode({"code": code, "reason": [sentence[:LONGEST_SENTENCE_CHARS]]})
    return Response(body, status_code, headers, media_type="application/json")


def _explain(error: Exception) -> tuple[int, str, str]:
    match error:
        case NotAuthenticated(is_temporary=True) | CannotResolve():
            return 503, "identity-unavailable", "Your DID document cannot be fetched now; try again."
        case Conflict():
            return 503, "busy", "Others changed the same thing at the same moment; send the message again."
        case StoreUnavailable():
            return (
                503,
                "store-unavailable",
                "This service cannot reach its store now; send the message again.",
            )
        case NotAuthenticated():
            return 401, "unauthorized", "The request does not prove who you are."
        case SigningFailed():
            return 503, "signing-failed", "The key that signs here cannot be used now; try again."
        case Replayed():
            return 401, "token-replayed", "This token was used before; make a fresh one for each request."
        case MethodNotAllowed():
            return 405, "method-not-allowed", str(error)
        case BodyTooLarge():
            return 413, "message-too-large", f"A message has at most {MOST_BODY_BYTES} bytes."
        case BodyTooSlow():
            return 408, "message-too-slow", f"A message must arrive within {BODY_TIMEOUT_S:.0f} s."
        case UnsupportedQuery():
            return 501, "unsupported-query", str(error)
        case MalformedDcpMessage():
            return 400, "malformed-message", str(error)
        case TokenRefused():
            return 400, "credential-refused", error.sentence
        case NotFound():
            return 404, error.code, error.sentence
        case NotPermitted():
            return 403, error.code, error.sentence
        case QuotaExceeded():
            return 429, error.code, error.sentence
        case WrongState() | Invalid():
            return 400, error.code, error.sentence
        case Problem():
            return 400, error.code, error.sentence
        case _:
            raise error
