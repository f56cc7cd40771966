"""Shows what a participant says of itself, signed: `GET /{tenant}/self-description`, to everybody.

With `?asset=ID` it is that of a data asset, for those who may see the asset in the catalog.
"""

import hashlib
from collections.abc import Callable, Sequence

import msgspec
import structlog
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ashiato.api import data_answers as answers
from ashiato.api.data import Endpoint
from ashiato.api.data_answers import refuse
from ashiato.api.partner_questions import answered
from ashiato.connector import catalog, describing
from ashiato.connector.data_access import Refusal
from ashiato.connector.describing import Fact, Instance
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Caller, Moment, UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.connector.records import Asset
from ashiato.connector.signing import SignerUnavailable
from ashiato.statements.receipts import sign
from ashiato.statements.self_descriptions import LIFE_MS, SELF_DESCRIPTION_TYP, describe
from ashiato.trust.signing import Signer, SigningFailed

PATH = "self-description"
FRESH_MS = 300_000

log = structlog.get_logger()


class _Signed(msgspec.Struct, frozen=True):
    """What a participant said of itself at `signed_ms`, and when it was last looked whether that is still so."""

    facts: tuple[Fact, ...]
    did_document: bytes
    compacts: tuple[str, ...]
    signed_ms: int
    looked_ms: int


class Describer:
    """Signs what participants say of themselves.

    It signs again when something changed, after half the life of a description at the latest: a crowd that asks costs no
    signatures, and sees a new credential after five minutes.
    """

    def __init__(self, node: Node, signer_of: Callable[[str], Signer], instance: Instance) -> None:
        self._node = node
        self._signer_of = signer_of
        self._instance = instance
        self._signed: dict[str, _Signed] = {}

    async def of_participant(self, tenant: Tenant, moment: Moment) -> tuple[str, ...]:
        """The descriptions for everybody; raises `SignerUnavailable`."""
        owner, now_ms = tenant.participant_id, moment.now_ms
        known = self._signed.get(owner)
        if known is not None and known.did_document != tenant.did_document:
            # A key may have gone.
            known = None
        if known is not None and now_ms - known.looked_ms < FRESH_MS:
            return known.compacts
        facts = await self._node.store.read(
            owner, lambda uow: describing.of_participant(uow, tenant, self._instance, now_ms)
        )
        if known is None or known.facts != facts or now_ms - known.signed_ms >= LIFE_MS // 2:
            compacts = await self.sign(tenant, facts, now_ms)
            known = _Signed(facts, tenant.did_document, compacts, now_ms, now_ms)
        self._signed[owner] = msgspec.structs.replace(known, looked_ms=now_ms)
        return known.compacts

    async def sign(self, tenant: Tenant, facts: Sequence[Fact], now_ms: int) -> tuple[str, ...]:
        """Each fact as a description; raises `SignerUnavailable`."""
        owner, compacts = tenant.participant_id, []
        try:
            signer = self._signer_of(owner)
            for fact in facts:
                payload = describe(fact.kind, fact.id, owner, fact.about, now_ms, fact.levels)
                compacts.append(await sign(signer, SELF_DESCRIPTION_TYP, payload))
        except SigningFailed as error:
            log.error("a self-description cannot be signed", participant=owner, why=error.why)
            raise SignerUnavailable("The self-description cannot be signed now; try again.") from None
        return tuple(compacts)


class SelfDescriptionApi:
    """The route for every participant of a node."""

    def __init__(self, node: Node, describer: Describer) -> None:
        self._node = node
        self._describer = describer

    def routes(self) -> list[BaseRoute]:
        """Routes for the protocol listener."""
        return [Route(f"/{{tenant}}/{PATH}", Endpoint(self._serve), methods=["GET"])]

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request: Request) -> None:
        tenant = self._node.tenants.by_slug(request.path_params["tenant"])
        if tenant is None:
            raise refuse(404, "not-found", "There is nothing here.")
        moment, asset_id = self._node.moment(), request.query_params.get("asset")
        try:
            if asset_id is None:
                compacts = await self._describer.of_participant(tenant, moment)
                await _send_to_everybody(send, compacts, request.headers.get("if-none-match", ""))
                return
            fact = describing.of_asset(await self._asset(tenant, request, asset_id, moment))
            compacts = await self._describer.sign(tenant, [fact], moment.now_ms)
        except SignerUnavailable as error:
            raise refuse(503, error.code, error.sentence) from None
        await answers.send_json(send, {"descriptions": compacts})

    async def _asset(self, tenant: Tenant, request: Request, asset_id: str, moment: Moment) -> Asset:
        def look(uow: UnitOfWork, caller: Caller) -> Asset | Refusal:
            nothing = Refusal(
                status_code=404, code="not-found", reason="There is no asset of that id for you."
            )
            try:
                found = catalog.dataset(uow, caller.standing, moment.now_ms, asset_id)
            except NotFound:
                return nothing
            # Of what is only listed nothing but its existence is told.
            return nothing if found.is_listing else found.asset

        return await answered(self._node, tenant, request, moment, look)


async def _send_to_everybody(send: Send, compacts: Sequence[str], if_none_match: str) -> None:
    """The answer that caches may keep and ask again by its tag (RFC 9110, 8.8.3 and 13.1.2)."""
    body = msgspec.json.encode({"descriptions": compacts})
    tag = f'"{hashlib.sha256(body).hexdigest()}"'
    known = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    headers = [
        (b"cache-control", f"public, max-age={FRESH_MS // 1000}".encode()),
        (b"etag", tag.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if tag in known or "*" in known:
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    headers += [(b"content-type", b"application/json"), (b"content-length", f"{len(body)}".encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
