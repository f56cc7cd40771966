"""The credential service: shows our credentials to whom we gave an access token, and takes in what issuers send."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from ashiato.api.dcp.answering import DcpMeans, body_of, caller_of, route
from ashiato.api.messages import use_token
from ashiato.api.turns import waiting_outside
from ashiato.connector import holding
from ashiato.connector.node import Tenant
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.identity import dcp_v1_0 as dcp
from ashiato.identity.callers import KnownCaller
from ashiato.identity.signed_tokens import NotAuthenticated
from ashiato.identity.wallet import HeldCredential, bundles
from ashiato.trust.enveloping import sign_presentation
from ashiato.trust.held_credentials import read_own_credential
from ashiato.trust.jws import TokenRefused
from ashiato.trust.service_tokens import ServiceGrant, verify_service_token

BASE = "dcp"
PRESENTATION_TTL_S = 60
JSON = "application/json"


def routes(means: DcpMeans) -> list[BaseRoute]:
    """The routes of the credential services of all participants."""
    return [
        route(means, f"{BASE}/{dcp.QUERY_PATH}", "POST", _query),
        route(means, f"{BASE}/{dcp.CREDENTIALS_PATH}", "POST", _store),
        route(means, f"{BASE}/{dcp.OFFERS_PATH}", "POST", _offer),
    ]


async def _query(means: DcpMeans, tenant: Tenant, request: Request) -> Response:
    """Answer a presentation query, by DCP 1.0, 4.3.3 and 5.4:

    1. The bearer proves who it is, and its token counts once.
    2. It brings the access token that we gave to it.
    3. It asks for scopes that this token opens.
    4. What the scopes name is presented, for it alone.
    """
    moment = means.node.moment()
    # 1.
    caller = await caller_of(means, tenant, request, moment)
    # 2.
    grant = _grant(means, tenant, caller, moment)
    scopes = dcp.decode_query(await body_of(request))

    def work(uow: UnitOfWork) -> list[HeldCredential]:
        use_token(uow, caller)
        # 3.
        return holding.shown_to(uow, scopes, grant.scopes, moment.now_ms)

    shown = await means.node.store.run(tenant.participant_id, work)
    # 4.
    signer = means.signer_of(tenant.participant_id)
    async with waiting_outside():
        presentations = [
            await sign_presentation(
                signer,
                profile,
                credentials,
                audience=grant.bearer,
                now_ms=moment.now_ms,
                ttl_s=PRESENTATION_TTL_S,
                token_id=moment.fresh_iri(),
            )
            for profile, credentials in bundles(shown)
        ]
    return Response(dcp.encode_presentations(presentations), media_type=JSON)


def _grant(means: DcpMeans, tenant: Tenant, caller: KnownCaller, moment: Moment) -> ServiceGrant:
    token = caller.verified.claims.get("token")
    document = means.own_document(tenant.participant_id)
    if not isinstance(token, str) or document is None:
        raise NotAuthenticated("the token holds no access token of ours")
    try:
        return verify_service_token(token, document, bearer=caller.participant_id, now_ms=moment.now_ms)
    except TokenRefused as error:
        raise NotAuthenticated(f"its access token is refused: {error}") from error


async def _store(means: DcpMeans, tenant: Tenant, request: Request) -> Response:
    """Take a CredentialMessage in (DCP 1.0, 6.5.1), from an issuer whom we asked, with credentials that it signed for us."""
    moment = means.node.moment()
    caller = await caller_of(means, tenant, request, moment)
    message = dcp.decode_credentials(await body_of(request))
    # Before its signatures are checked: nobody makes us work whom we did not ask.
    await means.node.store.read(
        tenant.participant_id, lambda uow: holding.asked_of(uow, caller.participant_id, message)
    )
    document = await means.documents.resolve(caller.participant_id, moment.now_ms)
    credentials = [
        (read_own_credential(envelope, document, tenant.participant_id), envelope)
        for envelope in message.envelopes
    ]

    def work(uow: UnitOfWork) -> None:
        use_token(uow, caller)
        holding.received(uow, caller.participant_id, message, credentials, moment)

    await means.node.store.run(tenant.participant_id, work)
    return Response(status_code=200)


async def _offer(means: DcpMeans, tenant: Tenant, request: Request) -> Response:
    moment = means.node.moment()
    caller = await caller_of(means, tenant, request, moment)
    offer = dcp.decode_offer(await body_of(request), moment.fresh_id(), moment.now_ms)

    def work(uow: UnitOfWork) -> None:
        use_token(uow, caller)
        holding.offered(uow, caller.participant_id, offer, moment)

    await means.node.store.run(tenant.participant_id, work)
    return Response(status_code=200)
