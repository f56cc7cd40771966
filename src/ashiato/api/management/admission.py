"""Before any route is looked for: who calls, and whether the address is theirs. No route can forget to ask."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ashiato.api.management.addresses import HEALTH_PATH, OPENAPI_PATH, OPERATOR_SEGMENT, ROOT
from ashiato.api.management.answers import answer_to, not_found
from ashiato.api.management.gate import Gate, Principal
from ashiato.connector.node import Node, Tenant
from ashiato.connector.problems import NotFound, Problem

_EVERY_ANSWER = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class Admission:
    """ASGI middleware. `/v1/health` is open; every other address needs a credential, also one that does not exist.

    With a good credential for the wrong place the answer is the same as for a place that does not exist. The moment of the
    request (its clock and dice) and the tenant are left in the request's state.
    """

    def __init__(self, app: ASGIApp, gate: Gate, node: Node) -> None:
        self._app = app
        self._gate = gate
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        moment = self._node.moment()
        state = scope.setdefault("state", {})
        state["moment"] = moment
        path = scope["path"]
        if path == HEALTH_PATH:
            await self._app(scope, receive, send)
            return
        try:
            principal = await self._gate.admit(scope["headers"], moment.now_ms)
            state["tenant"] = self._place(path, principal)
            state["subject"] = principal.subject
        except NotFound:
            await not_found()(scope, receive, send)
            return
        except Problem as problem:
            await answer_to(problem)(scope, receive, send)
            return
        tenant = state["tenant"]
        participant_id = tenant.participant_id if tenant is not None else None
        with structlog.contextvars.bound_contextvars(participant=participant_id, subject=principal.subject):
            await self._app(scope, receive, send)

    def _place(self, path: str, principal: Principal) -> Tenant | None:
        """The participant whose address this is, None for the node's own; raises `NotFound` for everybody else's."""
        segments = path.split("/")
        if len(segments) < 3 or segments[0] or segments[1] != ROOT:
            raise NotFound("no such address")
        place = segments[2]
        if path == OPENAPI_PATH:
            return None
        if place == OPERATOR_SEGMENT:
            if principal.is_operator:
                return None
            raise NotFound("no such address")
        tenant = self._node.tenants.by_slug(place) if place in principal.slugs else None
        if tenant is None:
            raise NotFound("no such address")
        return tenant


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            extra = [(name, value) for name, value in _EVERY_ANSWER if name not in present]
            message["headers"] = [*message["headers"], *extra]
        await send(message)

    return sending
