"""Shows what a participant says of itself, signed: `GET /{tenant}/self-description`, to everybody.

With `?asset=ID` it is that of a data asset, for those who may see the asset in the catalog.
"""

from collections.abc import Callable, Mapping

import structlog
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ashiato.api import data_answers as answers
from ashiato.api.data import Endpoint
from ashiato.api.data_answers import Refused, refuse
from ashiato.connector import catalog
from ashiato.connector.data_access import Refusal
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.connector.records import Asset
from ashiato.identity.signed_tokens import NotAuthenticated
from ashiato.statements.receipts import sign
from ashiato.statements.self_descriptions import SELF_DESCRIPTION_TYP, Described, describe
from ashiato.trust.did import parse_did_document
from ashiato.trust.signing import Signer, SigningFailed

log = structlog.get_logger()


class SelfDescriptionApi:
    """The route for every participant of a node. `program` is the name and version of what answers."""

    def __init__(self, node: Node, signer_of: Callable[[str], Signer], program: str) -> None:
        self._node = node
        self._signer_of = signer_of
        self._program = program

    def routes(self) -> list[BaseRoute]:
        """Routes for the protocol listener."""
        return [Route("/{tenant}/self-description", Endpoint(self._serve), methods=["GET"])]

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request: Request) -> None:
        tenant = self._node.tenants.by_slug(request.path_params["tenant"])
        if tenant is None:
            raise refuse(404, "not-found", "There is nothing here.")
        moment, asset_id = self._node.moment(), request.query_params.get("asset")
        found = self._of_node(tenant)
        if asset_id is not None:
            found = [_of_asset(await self._asset(tenant, request, asset_id, moment))]
        signer, signed = self._signer_of(tenant.participant_id), []
        try:
            for kind, identifier, about in found:
                payload = describe(kind, identifier, tenant.participant_id, about, moment.now_ms)
                signed.append(await sign(signer, SELF_DESCRIPTION_TYP, payload))
        except SigningFailed as error:
            log.error("a self-description cannot be signed", participant=tenant.participant_id, why=error.why)
            raise refuse(503, "signer-unavailable", "It cannot be signed now; try again.") from None
        await answers.send_json(send, {"descriptions": signed})

    def _of_node(self, tenant: Tenant) -> list[tuple[Described, str, Mapping[str, str]]]:
        document = parse_did_document(tenant.did_document, tenant.participant_id)
        node = {"name": tenant.name, "address": tenant.root_url, "location": tenant.location}
        return [
            (Described.NODE, tenant.participant_id, node),
            *(
                (Described.SERVICE, service.id, {"type": service.type, "endpoint": service.endpoint})
                for service in document.services
            ),
            (Described.INSTANCE, tenant.root_url, {"program": self._program}),
        ]

    async def _asset(self, tenant: Tenant, request: Request, asset_id: str, moment: Moment) -> Asset:
        try:
            caller = await self._node.identity.authenticate(
                tenant.participant_id, request.headers.get("authorization"), moment.now_ms
            )
        except NotAuthenticated as error:
            log.info("self-description refused", participant=tenant.participant_id, why=error.why)
            raise refuse(401, "not-authenticated", "The request does not prove who you are.") from None

        def look(uow: UnitOfWork) -> Asset | Refusal:
            if not uow.records.remember_token(caller.participant_id, caller.token_id, caller.expires_ms):
                return Refusal(
                    status_code=401, code="token-replayed", reason="Make a fresh token for each request."
                )
            nothing = Refusal(
                status_code=404, code="not-found", reason="There is no asset of that id for you."
            )
            try:
                found = catalog.dataset(uow, caller.standing, moment.now_ms, asset_id)
            except NotFound:
                return nothing
            # Of what is only listed nothing but its existence is told.
            return nothing if found.is_listing else found.asset

        found = await self._node.store.run(tenant.participant_id, look)
        if isinstance(found, Refusal):
            raise Refused(found)
        return found


def _of_asset(asset: Asset) -> tuple[Described, str, Mapping[str, str]]:
    return (
        Described.ASSET,
        asset.asset_id,
        {
            "title": asset.title,
            "data_item": asset.data_item,
            "part_group": asset.part_group,
            "media_type": asset.media_type,
        },
    )
