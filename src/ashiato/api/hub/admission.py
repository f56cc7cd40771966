"""Before any route of the hub is looked for: who calls, and whether the address is theirs."""

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ashiato.api.hub.addresses import (
    HEALTH_PATH,
    METRICS_PATH,
    ONBOARDING,
    OPEN,
    OPENAPI_PATH,
    OPERATOR,
    PARTY,
    READY_PATH,
    ROOT,
)
from ashiato.api.management.answers import RETRY_SOON, answer, answer_to
from ashiato.api.management.gate import Gate
from ashiato.api.management.problems import NotAuthenticated
from ashiato.facts.moments import Moment
from ashiato.facts.problems import NotFound, NotPermitted, Problem
from ashiato.facts.transactions import Conflict
from ashiato.hub import registry
from ashiato.hub.node import Hub
from ashiato.hub.parties import PartyRecord
from ashiato.hub.ports import Caller
from ashiato.identity import signed_tokens
from ashiato.stores.errors import StoreUnavailable

UNGUARDED = frozenset({HEALTH_PATH, READY_PATH, OPENAPI_PATH})

log = structlog.get_logger()


class PartyAdmission:
    """ASGI middleware of the listener for parties.

    It leaves in the request's state: `moment`; `caller` and `record` (None for an unknown DID) below /v1/onboarding;
    `party` below /v1/party. An address outside /v1 is that of a protocol which asks for itself.
    """

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self._app = app
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        moment = self._hub.moment()
        state["moment"] = moment
        segments = scope["path"].split("/")
        place = segments[2] if len(segments) > 2 else ""
        if segments[1:2] != [ROOT] or scope["path"] in UNGUARDED or place == OPEN:
            await self._app(scope, receive, send)
            return
        try:
            if place not in (ONBOARDING, PARTY):
                raise NotFound("There is nothing here.")
            caller, record = await self._prove(scope, moment)
            if place == PARTY:
                state["party"] = registry.party_of(record)
            else:
                state["caller"], state["record"] = caller, record
        except _FAULTS as error:
            await _refusal(error)(scope, receive, send)
            return
        with structlog.contextvars.bound_contextvars(party=caller.participant_id):
            await self._app(scope, receive, send)

    async def _prove(self, scope: Scope, moment: Moment) -> tuple[Caller, PartyRecord | None]:
        found = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        # Two credentials leave open whose request it is.
        if len(found) != 1:
            raise NotAuthenticated(
                "Send one token that your connector signed, as 'Authorization: Bearer TOKEN'."
            )
        hub = self._hub
        caller = await hub.callers.authenticate(hub.hub_id, found[0].decode("latin-1"), moment.now_ms)
        # In a transaction of its own, so that the token counts as used whatever comes of the request.
        return caller, await hub.store.run(caller.participant_id, lambda uow: registry.prove(uow, caller))


class OperatorAdmission:
    """ASGI middleware of the operator's listener: one key opens everything there, and nothing else opens anything."""

    def __init__(self, app: ASGIApp, gate: Gate, metrics_gate: Gate, hub: Hub) -> None:
        self._app = app
        self._gate = gate
        self._metrics_gate = metrics_gate
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        moment = self._hub.moment()
        state["moment"] = moment
        path = scope["path"]
        if path in (HEALTH_PATH, READY_PATH):
            await self._app(scope, receive, send)
            return
        try:
            gate = self._metrics_gate if path == METRICS_PATH else self._gate
            principal = await gate.admit(scope["headers"], moment.now_ms)
            if not path.startswith(f"/{ROOT}/{OPERATOR}/") and path not in (METRICS_PATH, OPENAPI_PATH):
                raise NotFound("There is nothing here.")
            state["subject"] = principal.subject
        except Problem as problem:
            await answer_to(problem)(scope, receive, send)
            return
        with structlog.contextvars.bound_contextvars(subject=principal.subject):
            await self._app(scope, receive, send)


_FAULTS = (
    Conflict,
    Problem,
    StoreUnavailable,
    registry.Replayed,
    signed_tokens.NotAuthenticated,
)


def _refusal(error: Exception) -> Response:
    match error:
        case signed_tokens.NotAuthenticated(is_temporary=True):
            return answer(
                "partner-unavailable", "Your DID document cannot be fetched now; try again.", {}, RETRY_SOON
            )
        case signed_tokens.NotAuthenticated():
            log.info("a token was refused", why=error.why)
            return answer_to(NotAuthenticated("The request does not prove who you are."))
        case registry.Replayed():
            return answer_to(
                NotAuthenticated("This token was used before; make a fresh one for each request.")
            )
        case Conflict():
            return answer("busy", "Others changed the same thing; repeat the request.", {}, RETRY_SOON)
        case StoreUnavailable():
            log.error("the store is not available", why=str(error))
            sentence = "The store of this hub is not available; try again in a moment."
            return answer("store-unavailable", sentence, {}, RETRY_SOON)
        case NotPermitted():
            return answer_to(error)
        case Problem():
            return answer_to(error)
        case _:
            raise error
