"""Shows a participant's contract texts to partners that saw an offer under them: `GET /{tenant}/contract-texts/{sha256}`.

The caller proves who it is with a token like those of the protocol. The hash is the key: it stands in the rules of the offer.
"""

import structlog
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ashiato.api.data import Endpoint
from ashiato.api.data_answers import Refused, refuse
from ashiato.connector import contract_texts
from ashiato.connector.data_access import Refusal
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.identity.signed_tokens import NotAuthenticated

PATH = "contract-texts"

log = structlog.get_logger()


class ContractTextApi:
    """The route for every participant of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> list[BaseRoute]:
        """Routes for the protocol listener."""
        return [Route(f"/{{tenant}}/{PATH}/{{sha256}}", Endpoint(self._serve), methods=["GET"])]

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request: Request) -> None:
        tenant = self._node.tenants.by_slug(request.path_params["tenant"])
        if tenant is None:
            raise refuse(404, "not-found", "There is nothing here.")
        body = await self._text(tenant, request)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", f"{len(body)}".encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _text(self, tenant: Tenant, request: Request) -> bytes:
        moment = self._node.moment()
        try:
            caller = await self._node.identity.authenticate(
                tenant.participant_id, request.headers.get("authorization"), moment.now_ms
            )
        except NotAuthenticated as error:
            log.info("contract text refused", participant=tenant.participant_id, why=error.why)
            raise refuse(401, "not-authenticated", "The request does not prove who you are.") from None

        def look(uow: UnitOfWork) -> bytes | Refusal:
            if not uow.records.remember_token(caller.participant_id, caller.token_id, caller.expires_ms):
                return Refusal(
                    status_code=401, code="token-replayed", reason="Make a fresh token for each request."
                )
            try:
                return contract_texts.shown_to(uow, request.path_params["sha256"])
            except NotFound as error:
                return Refusal(status_code=404, code="not-found", reason=error.sentence)

        found = await self._node.store.run(tenant.participant_id, look)
        if isinstance(found, Refusal):
            raise Refused(found)
        return found
