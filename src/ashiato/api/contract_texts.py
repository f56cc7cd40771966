"""Shows a participant's contract texts to partners that saw an offer under them: `GET /{tenant}/contract-texts/{sha256}`.

The caller proves who it is with a token like those of the protocol. The hash is the key: it stands in the rules of the offer.
"""

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ashiato.api.data import Endpoint
from ashiato.api.data_answers import refuse
from ashiato.api.partner_questions import answered
from ashiato.connector import contract_texts
from ashiato.connector.data_access import Refusal
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Caller, UnitOfWork
from ashiato.connector.problems import NotFound

PATH = "contract-texts"


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
        def look(uow: UnitOfWork, caller: Caller) -> bytes | Refusal:
            del caller
            try:
                return contract_texts.shown_to(uow, request.path_params["sha256"])
            except NotFound as error:
                return Refusal(status_code=404, code="not-found", reason=error.sentence)

        return await answered(self._node, tenant, request, self._node.moment(), look)
