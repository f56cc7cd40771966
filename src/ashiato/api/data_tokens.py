"""Who may use the data plane: access tokens, proofs of possession, and fresh tokens for those whose old one ran out."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from starlette.requests import Request
from starlette.types import Send

from ashiato.api import data_answers as answers
from ashiato.api.data_answers import Refused, refuse
from ashiato.connector import data_access
from ashiato.connector.data_access import Proof, Refusal
from ashiato.connector.data_address import read_address
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.dsp.messages import DataAddress
from ashiato.identity.signed_tokens import NotAuthenticated
from ashiato.trust.access_tokens import AccessGrant, verify_access_token
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused
from ashiato.trust.keys import VerificationKey

PROOF_HEADER = "dpop"

log = structlog.get_logger()

Renewal = Callable[[UnitOfWork, Tenant, str, Moment], DataAddress | Refusal]
"""In the unit of work: the address with a fresh token for the caller of that id, or why not."""


class Possession(Protocol):
    """Port: checks that the sender of a request holds a key of the consumer."""

    def check(
        self, consumer: str, *, method: str, url: str, access_token: str, proof: str, now_ms: int
    ) -> Awaitable[Proof]:
        """The checked proof, whose replay is still to be looked for; raises `NotAuthenticated`."""


class Doorkeeper:
    """Reads the tokens that this node itself signed.

    A request may come with a proof of possession (RFC 9449, header `DPoP`); a wrong one is refused in any case, and with
    `requires_proof` a missing one is refused too.
    """

    def __init__(
        self,
        node: Node,
        own_key: Callable[[str], DidDocument | VerificationKey],
        possession: Possession | None = None,
        *,
        requires_proof: bool = False,
    ) -> None:
        self._node = node
        self._own_key = own_key
        self._possession = possession
        self._requires_proof = requires_proof

    def tenant(self, request: Request) -> Tenant:
        """The participant in the request's path; raises `Refused`."""
        tenant = self._node.tenants.by_slug(request.path_params["tenant"])
        if tenant is None:
            raise refuse(404, "not-found", "There is nothing here.")
        return tenant

    async def open(self, tenant: Tenant, request: Request, now_ms: int) -> tuple[AccessGrant, Proof | None]:
        """What the request's token opens; raises `Refused`. The transfer in the path must be that of the token."""
        token = _bearer(request)
        try:
            grant = verify_access_token(
                token, self._own_key(tenant.participant_id), provider=tenant.participant_id, now_ms=now_ms
            )
        except TokenRefused as error:
            log.info("access token refused", participant=tenant.participant_id, why=str(error))
            raise refuse(
                401, f"token-{error.why_code.replace('_', '-')}", "The access token opens nothing; renew it."
            ) from None
        if grant.transfer_pid != request.path_params["transfer_pid"]:
            raise refuse(404, "not-found", "There is no such transfer.")
        return grant, await self._proof(tenant, request, grant, token, now_ms)

    async def _proof(
        self, tenant: Tenant, request: Request, grant: AccessGrant, token: str, now_ms: int
    ) -> Proof | None:
        proof = request.headers.get(PROOF_HEADER)
        if proof is None or self._possession is None:
            if self._requires_proof:
                raise refuse(401, "no-proof", "Send a proof of possession in the header DPoP.")
            return None
        try:
            return await self._possession.check(
                grant.consumer,
                method=request.method,
                url=_public_url(tenant, request),
                access_token=token,
                proof=proof,
                now_ms=now_ms,
            )
        except NotAuthenticated as error:
            log.info("proof of possession refused", participant=tenant.participant_id, why=error.why)
            raise _unauthenticated(error, "The proof of possession does not hold.") from None

    async def remember(self, tenant: Tenant, proof: Proof | None) -> None:
        """Use a proof up where no admission does it; raises `Refused` when it was used before."""
        if (replayed := await self.spend(tenant, proof)) is not None:
            raise Refused(replayed)

    async def spend(self, tenant: Tenant, proof: Proof | None) -> Refusal | None:
        """Use a proof up where the answer is a refusal already; returns the one for a proof that was used before."""
        if proof is None:
            return None
        return await self._node.store.run(tenant.participant_id, lambda uow: data_access.use_up(uow, proof))

    async def renew(self, tenant: Tenant, request: Request, send: Send, renewal: Renewal) -> None:
        """Answer with a fresh access token for a caller that proves its identity; it may ask as often as it likes.

        Raises `Refused`. Nothing is used up, so an answer that is lost is simply asked for again.
        """
        moment = self._node.moment()
        try:
            caller = await self._node.identity.authenticate(
                tenant.participant_id, request.headers.get("authorization"), moment.now_ms
            )
        except NotAuthenticated as error:
            log.info("token renewal refused", participant=tenant.participant_id, why=error.why)
            raise _unauthenticated(error, "The request does not prove who you are.") from None

        def work(uow: UnitOfWork) -> DataAddress | Refusal:
            if not uow.records.remember_token(caller.participant_id, caller.token_id, caller.expires_ms):
                return Refusal(
                    status_code=401, code="token-replayed", reason="Make a fresh token for each request."
                )
            return renewal(uow, tenant, caller.participant_id, moment)

        answer = await self._node.store.run(tenant.participant_id, work)
        if isinstance(answer, Refusal):
            raise Refused(answer)
        endpoint = read_address(answer, moment.now_ms)
        document: dict[str, object] = {"access_token": endpoint.token, "token_type": "Bearer"}
        if endpoint.expires_ms is not None:
            document["expires_in"] = (endpoint.expires_ms - moment.now_ms) // 1000
        await answers.send_json(send, document)


def _bearer(request: Request) -> str:
    values = request.headers.getlist("authorization")
    if len(values) != 1:
        raise refuse(401, "no-token", "Send exactly one access token in the header Authorization.")
    scheme, _, token = values[0].partition(" ")
    if scheme.lower() not in ("bearer", "dpop") or not token.strip():
        raise refuse(401, "no-token", "Send the access token as a bearer token in the header Authorization.")
    return token.strip()


def _public_url(tenant: Tenant, request: Request) -> str:
    raw_path = request.scope["raw_path"].decode("ascii", "replace")
    return f"{tenant.root_url}/{raw_path.removeprefix('/').partition('/')[2]}"


def _unauthenticated(error: NotAuthenticated, reason: str) -> Refused:
    if error.is_temporary:
        return refuse(503, "identity-unavailable", "Your DID document cannot be fetched now; try again.")
    return refuse(401, "not-authenticated", reason)
