"""Brings the messages of credential issuance: requests to issuers, credentials and offers to holders (DCP 1.0, 6)."""

from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import msgspec

from ashiato.clients.egress import Egress, EgressError, EgressRefused, EgressResponse
from ashiato.connector import holding, issuance
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.couriers.delivering import Outcome, Verdict
from ashiato.couriers.patience import asked_patience_ms
from ashiato.identity import dcp_v1_0 as dcp
from ashiato.identity.issuing import IssuedCredential
from ashiato.identity.signed_tokens import CannotResolve, Documents, SignedTokens
from ashiato.outbox.deliveries import Delivery
from ashiato.trust.enveloping import sign_credential
from ashiato.trust.signing import Signer, SigningFailed

MESSAGE_TIMEOUT_S = 15.0
LONGEST_REASON_CHARS = 300
# As with the messages of the protocol: a clock, a key or an endpoint may be right a moment later.
TRY_AGAIN = frozenset({401, 404, 408, 409, 425, 429})
_SERVICE_OF = {
    dcp.CREDENTIAL_REQUEST_MESSAGE: (dcp.ISSUER_SERVICE, dcp.CREDENTIALS_PATH),
    dcp.CREDENTIAL_MESSAGE: (dcp.CREDENTIAL_SERVICE, dcp.CREDENTIALS_PATH),
    issuance.REJECTION: (dcp.CREDENTIAL_SERVICE, dcp.CREDENTIALS_PATH),
    dcp.CREDENTIAL_OFFER_MESSAGE: (dcp.CREDENTIAL_SERVICE, dcp.OFFERS_PATH),
}


class _NoService(Exception):
    """The audience's DID document names no such service."""


class IssuanceCourier:
    """The handler of ISSUANCE deliveries. `signer_of` gives what signs for a participant of this node."""

    def __init__(
        self,
        node: Node,
        egress: Egress,
        documents: Documents,
        tokens: SignedTokens,
        signer_of: Callable[[str], Signer],
    ) -> None:
        self._node = node
        self._egress = egress
        self._documents = documents
        self._tokens = tokens
        self._signer_of = signer_of

    async def deliver(self, delivery: Delivery) -> Outcome:
        """One try: sign what is not signed yet, find the service, post."""
        tenant = self._node.tenants.by_id(delivery.participant_id)
        if tenant is None:
            return Outcome(verdict=Verdict.AGAIN, why="the participant is not served by this node")
        try:
            body = await self._body(tenant, delivery)
            response = await self._post(delivery, body)
        except NotFound as error:
            return Outcome(verdict=Verdict.DONE, why=error.sentence)
        except CannotResolve as error:
            return self._failed(delivery, error.why, is_final=not error.is_temporary)
        except _NoService as error:
            return self._failed(delivery, str(error), is_final=False)
        except EgressRefused as error:
            return self._failed(delivery, error.why, is_final=True)
        except (EgressError, SigningFailed) as error:
            return self._failed(delivery, str(error), is_final=False)
        if 200 <= response.status < 300:
            return Outcome(verdict=Verdict.DONE, record=self._taken(delivery, response))
        told = response.body[:LONGEST_REASON_CHARS].decode("utf-8", "replace")
        is_final = response.status not in TRY_AGAIN and response.status < 500
        failed = self._failed(delivery, f"it answered {response.status} {told}".strip(), is_final=is_final)
        patience_ms = asked_patience_ms(response, self._node.moment().now_ms)
        return msgspec.structs.replace(failed, patience_ms=patience_ms)

    async def _body(self, tenant: Tenant, delivery: Delivery) -> bytes:
        if delivery.message_name == dcp.CREDENTIAL_MESSAGE:
            return await self._credentials(tenant, delivery)
        if delivery.message_name != dcp.CREDENTIAL_OFFER_MESSAGE:
            return delivery.body
        type_ids = msgspec.json.decode(delivery.body, type=list[str])
        types = await self._node.store.read(
            tenant.participant_id,
            lambda uow: [type_ for id_ in type_ids if (type_ := uow.wallet.types.get(id_))],
        )
        return dcp.encode_offer(tenant.participant_id, types, issuance.schema_url(tenant))

    async def _credentials(self, tenant: Tenant, delivery: Delivery) -> bytes:
        ids = msgspec.json.decode(delivery.body, type=list[str])
        participant_id = tenant.participant_id

        def load(uow: UnitOfWork) -> tuple[str, list[IssuedCredential]]:
            request = issuance.request_of(uow, delivery.audience, delivery.process_id)
            return request.holder_pid, [issuance.issued(uow, id_) for id_ in ids]

        holder_pid, credentials = await self._node.store.read(participant_id, load)
        signer = self._signer_of(participant_id)
        fresh = {
            one.credential_id: await sign_credential(signer, issuance.terms_of(tenant, one))
            for one in credentials
            if not one.envelope
        }
        if fresh:
            await self._node.store.run(participant_id, lambda uow: issuance.signed(uow, fresh))
        containers = [
            (one.credential_type, one.profile.envelope_format, fresh.get(one.credential_id, one.envelope))
            for one in credentials
        ]
        return dcp.encode_credentials(delivery.process_id, holder_pid, containers)

    async def _post(self, delivery: Delivery, body: bytes) -> EgressResponse:
        moment = self._node.moment()
        service_type, path = _SERVICE_OF[delivery.message_name]
        document = await self._documents.resolve(delivery.audience, moment.now_ms)
        service = document.service(service_type)
        if service is None:
            raise _NoService(f"the DID document of {delivery.audience} names no {service_type}")
        claims: dict[str, object] = {}
        if delivery.message_name == dcp.CREDENTIAL_REQUEST_MESSAGE:
            request = await self._node.store.read(
                delivery.participant_id, lambda uow: uow.wallet.asked.get(delivery.process_id)
            )
            if request is not None and request.code:
                claims[dcp.PRE_AUTHORIZED_CODE] = request.code
        token = await self._tokens.token_with(
            delivery.participant_id, delivery.audience, moment.now_ms, moment.fresh_id(), claims
        )
        return await self._egress.request(
            "POST",
            f"{service.endpoint.rstrip('/')}/{path}",
            headers={"Authorization": token, "Content-Type": "application/json"},
            body=body,
            timeout_s=MESSAGE_TIMEOUT_S,
        )

    def _taken(self, delivery: Delivery, response: EgressResponse) -> Callable[[UnitOfWork], None] | None:
        moment = self._node.moment()
        if delivery.message_name == dcp.CREDENTIAL_REQUEST_MESSAGE:
            headers = {name.lower(): value for name, value in response.headers.items()}
            issuer_pid = unquote(urlsplit(headers.get("location", "")).path.rpartition("/")[2])
            return lambda uow: holding.taken(uow, delivery.process_id, issuer_pid, moment)
        if delivery.message_name == dcp.CREDENTIAL_OFFER_MESSAGE:
            return None
        return lambda uow: issuance.delivered(uow, delivery.process_id, moment)

    def _failed(self, delivery: Delivery, why: str, *, is_final: bool) -> Outcome:
        moment = self._node.moment()

        def record(uow: UnitOfWork) -> None:
            if delivery.message_name == dcp.CREDENTIAL_REQUEST_MESSAGE:
                holding.refused(uow, delivery.process_id, why, moment)
            else:
                issuance.undeliverable(uow, delivery.process_id, delivery.audience, why, moment)

        return Outcome(verdict=Verdict.NEVER if is_final else Verdict.AGAIN, why=why, record=record)
