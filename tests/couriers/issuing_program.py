"""An issuer in a process of its own: issues one credential, when it is told to, and brings what waits to its holder.

python -m tests.couriers.issuing_program STORE_URL SERVICE_URL issue|go-on
"""

import asyncio
import sys

from ashiato.api.turns import Queues
from ashiato.clients.egress import Egress, EgressRules
from ashiato.connector import issuance
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.couriers.delivering import Courier
from ashiato.couriers.issuing import IssuanceCourier
from ashiato.identity import dcp_v1_0 as dcp
from ashiato.identity.issuing import CredentialType, IssuanceRequest
from ashiato.identity.signed_tokens import SignedTokens
from ashiato.outbox.deliveries import DeliveryKind
from ashiato.trust.did import DidDocument, Service, did_document, parse_did_document
from ashiato.trust.signing import LocalSigner
from tests.connector.firms import Firm, Street, open_street

HOLDER = "did:web:cells.example"
ANYONE = CredentialType(type_id="open", credential_type="OpenCredential", unsafe_issue_to_anyone=True)


class Holders:
    """The port `Documents`: every DID document names the credential service at one address."""

    def __init__(self, service_url: str) -> None:
        self._service_url = service_url

    async def resolve(self, did: str, now_ms: int, *, needs_kid: str | None = None) -> DidDocument:
        service = Service(f"{did}#credentials", dcp.CREDENTIAL_SERVICE, self._service_url)
        return parse_did_document(did_document(did, [], [service]), did)


async def issue(issuer: Firm, holder_pid: str = "r-1") -> IssuanceRequest:
    """One credential, which from now on waits to be delivered."""

    def work(uow: UnitOfWork, moment: Moment) -> IssuanceRequest:
        issuance.put_type(uow, ANYONE)
        message = dcp.RequestMessage(holder_pid, ("open",))
        return issuance.requested(uow, HOLDER, message, None, moment)

    return await issuer.run(work)


def courier_of(street: Street, issuer: Firm, egress: Egress, service_url: str) -> Courier:
    """The courier of issuance over a real way out."""
    holders = Holders(service_url)
    tokens = SignedTokens(holders, {issuer.did: issuer.key()})
    issuing = IssuanceCourier(
        street.node, egress, holders, tokens, lambda participant_id: LocalSigner(issuer.key())
    )
    return Courier(street.node, {DeliveryKind.ISSUANCE: issuing.deliver}, Queues().turn)


async def bring(street: Street, courier: Courier) -> None:
    """One try of each delivery that waits."""
    for delivery in await street.due(9):
        await courier.make(delivery)


async def main(store_url: str, service_url: str, what: str) -> None:
    """Issue, or only go on."""
    async with open_street(store_url) as street, Egress(EgressRules(unsafe_allow_loopback=True)) as egress:
        issuer = street.firm("maker")
        if what == "issue":
            await issue(issuer)
        await bring(street, courier_of(street, issuer, egress, service_url))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
