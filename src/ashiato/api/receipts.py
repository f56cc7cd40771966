"""Shows a consumer's receipts to the provider of the agreement: `GET /{tenant}/receipts?agreement=…&after=…`.

With `ended=true` the provider says that it has ended the agreement.

The caller proves who it is with a token like those of the protocol. What is not signed yet is signed now, outside every
transaction, and keeps that signature.
"""

from collections.abc import Callable

import msgspec
import structlog
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ashiato.api import data_answers as answers
from ashiato.api.data import Endpoint
from ashiato.api.data_answers import refuse
from ashiato.api.partner_questions import answered
from ashiato.connector import receipts
from ashiato.connector.data_access import Refusal
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Caller, UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.connector.receipts import Shown
from ashiato.statements.receipts import HEAD_TYP, RECEIPT_TYP, canonical, is_signed_by, sign
from ashiato.trust.signing import Signer, SigningFailed

LONGEST_ID_CHARS = 2048

log = structlog.get_logger()


class _Asked(msgspec.Struct, frozen=True):
    """A question: `is_ended` says that the provider has ended the agreement."""

    agreement_id: str
    after_sequence: int
    is_ended: bool


class ReceiptApi:
    """The route of the receipts for every participant of a node. `signer_of` gives a participant's present key."""

    def __init__(self, node: Node, signer_of: Callable[[str], Signer]) -> None:
        self._node = node
        self._signer_of = signer_of

    def routes(self) -> list[BaseRoute]:
        """Routes for the protocol listener."""
        return [Route("/{tenant}/receipts", Endpoint(self._serve), methods=["GET"])]

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request: Request) -> None:
        tenant = self._node.tenants.by_slug(request.path_params["tenant"])
        if tenant is None:
            raise refuse(404, "not-found", "There is nothing here.")
        asked = _asked(request)
        agreement_id = asked.agreement_id
        shown = await self._look(tenant, request, asked)
        try:
            document = await self._document(tenant, agreement_id, shown)
        except SigningFailed as error:
            log.error("receipts cannot be signed", participant=tenant.participant_id, why=error.why)
            raise refuse(503, "signer-unavailable", "The receipts cannot be signed now; try again.") from None
        await answers.send_json(send, document)

    async def _document(self, tenant: Tenant, agreement_id: str, shown: Shown) -> dict[str, object]:
        signer = self._signer_of(tenant.participant_id)
        signed = [
            msgspec.structs.replace(
                receipt, compact=await sign(signer, RECEIPT_TYP, receipt.payload.encode())
            )
            for receipt in shown.receipts
            # The key may have changed since: a partner checks with those of today.
            if not is_signed_by(receipt.compact, signer.kid)
        ]
        if signed:
            await self._node.store.run(tenant.participant_id, lambda uow: receipts.keep_signed(uow, signed))
        compacts = {receipt.sequence: receipt.compact for receipt in (*shown.receipts, *signed)}
        document: dict[str, object] = {
            "agreement": agreement_id,
            "receipts": [compacts[receipt.sequence] for receipt in shown.receipts],
            "more": not shown.is_last,
        }
        if shown.is_last:
            document["head"] = await sign(signer, HEAD_TYP, canonical(shown.head))
        return document

    async def _look(self, tenant: Tenant, request: Request, asked: _Asked) -> Shown:
        moment = self._node.moment()

        def look(uow: UnitOfWork, caller: Caller) -> Shown | Refusal:
            caller_id, agreement_id = caller.participant_id, asked.agreement_id
            if asked.is_ended:
                receipts.told_of_end(uow, tenant.company, caller_id, agreement_id, moment)
            try:
                return receipts.shown_to(
                    uow, tenant.company, caller_id, agreement_id, asked.after_sequence, moment.now_ms
                )
            except NotFound as error:
                return Refusal(status_code=404, code="agreement-not-found", reason=error.sentence)

        return await answered(self._node, tenant, request, moment, look)


def _asked(request: Request) -> _Asked:
    agreements, afters = request.query_params.getlist("agreement"), request.query_params.getlist("after")
    after = afters[0] if afters else "0"
    is_number = after.isascii() and after.isdigit() and len(after) < 16
    if len(agreements) != 1 or len(afters) > 1 or not is_number or len(agreements[0]) > LONGEST_ID_CHARS:
        raise refuse(400, "bad-question", "Ask with ?agreement=ID and, for the next page, &after=NUMBER.")
    return _Asked(agreements[0], int(after), request.query_params.get("ended") == "true")
