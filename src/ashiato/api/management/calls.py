"""What a route is given: one request of one participant, or of the operator, with its moment."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import quote

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from ashiato.api.management.addresses import ROOT
from ashiato.api.management.ports import (
    AppRunner,
    DataCaller,
    KeyAdmin,
    PartnerClient,
    ReceivedFiles,
    TenantAdmin,
    TrustDesk,
    Waiter,
)
from ashiato.apps.carbon.databases.work import BackgroundWork
from ashiato.apps.carbon.factors.tables import WorkbookReader
from ashiato.connector import signing
from ashiato.connector.company import Company
from ashiato.connector.negotiations import Partner
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted
from ashiato.connector.words import WordSigner
from ashiato.supply import ports as supply_ports
from ashiato.trust.standing import Standing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The program around the API."""

    node: Node
    admin: TenantAdmin
    partners: PartnerClient
    waiter: Waiter
    received: ReceivedFiles
    data: DataCaller
    apps: AppRunner
    keys: KeyAdmin
    trust: TrustDesk
    chain: supply_ports.SupplyStore
    workbooks: WorkbookReader
    backgrounds: BackgroundWork
    words: WordSigner


@dataclass(frozen=True, slots=True)
class Call:
    """One request of one participant; everything it touches is that participant's."""

    tenant: Tenant
    moment: Moment
    around: Surroundings
    subject: str = ""
    """The key or the person behind the request, never the credential itself."""

    @property
    def company(self) -> Company:
        return self.tenant.company

    async def run(self, work: Callable[[UnitOfWork], T]) -> T:
        """One transaction."""
        return await self.around.node.store.run(self.tenant.participant_id, work)

    async def run_signing(self, work: Callable[[UnitOfWork, Company, Moment], T]) -> T:
        """One transaction that may sign an agreement; raises `SignerUnavailable`."""
        return await signing.run(self.around.node.store, self.company, self.moment, work)

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """A look that changes nothing."""
        return await self.around.node.store.read(self.tenant.participant_id, work)

    async def run_chain(self, work: Callable[[supply_ports.UnitOfWork], T]) -> T:
        """One transaction that sees the chain."""
        return await self.around.chain.run(self.tenant.participant_id, work)

    async def read_chain(self, work: Callable[[supply_ports.UnitOfWork], T]) -> T:
        """A look at the chain that changes nothing."""
        return await self.around.chain.read(self.tenant.participant_id, work)

    async def standing(self, peer_id: str) -> Standing:
        """What is verified of a partner now."""
        return await self.around.node.identity.standing(
            self.tenant.participant_id, peer_id, self.moment.now_ms
        )

    async def address_of(self, partner: str, given: str | None) -> str:
        """Where the partner speaks the protocol: as `given`, or looked up."""
        if not given:
            return await self.around.partners.locate(partner)
        self.check_address(given, "address")
        return given.rstrip("/")

    def checked(self, partner: Partner) -> Partner:
        """The partner at the address that it told; raises `Problem` where this node would not call it."""
        try:
            self.company.vet_address(partner.address)
        except Invalid as refusal:
            raise NotPermitted(
                f"{partner.participant_id} negotiates at an address that this node does not call: {refusal.sentence}"
            ) from None
        return partner

    def location(self, kind: str, item_id: str) -> str:
        """The path of one of the participant's things, for a Location header."""
        return f"/{ROOT}/{self.tenant.slug}/{kind}/{quote(item_id, safe=':~')}"

    def check_address(self, url: str, path: str) -> None:
        """Refuse a partner's address that this node would not call; raises `Invalid` that names the member `path`."""
        _check(self.company.vet_address, url, path)

    def check_own_address(self, url: str, path: str) -> None:
        """The same for an address of the company's own systems."""
        _check(self.company.vet_own_address, url, path)


def _check(vet: Callable[[str], None], url: str, path: str) -> None:
    try:
        vet(url)
    except Invalid as refusal:
        raise Invalid(refusal.sentence, path=path) from None


@dataclass(frozen=True, slots=True)
class OperatorCall:
    """One request of the operator of this node."""

    moment: Moment
    around: Surroundings


async def participant_call(request: Request, slug: str) -> Call:
    """The call of the participant that the gate let through to this address."""
    tenant = request.state.tenant
    if not isinstance(tenant, Tenant) or tenant.slug != slug:
        raise NotFound("There is nothing here for this key.")
    return Call(tenant, request.state.moment, request.app.state.surroundings, request.state.subject)


async def operator_call(request: Request) -> OperatorCall:
    """The call of the operator that the gate let through."""
    return OperatorCall(request.state.moment, request.app.state.surroundings)


# The gate stands before the routes; these only declare in the OpenAPI document what it wants to see.
DECLARED_SECURITY = [
    Security(
        HTTPBearer(
            scheme_name="bearer",
            auto_error=False,
            description="An API key, or a token of the OpenID provider.",
        )
    ),
    Security(
        APIKeyHeader(name="X-Api-Key", scheme_name="apiKey", auto_error=False, description="An API key.")
    ),
]

CallOf = Annotated[Call, Depends(participant_call)]
OperatorCallOf = Annotated[OperatorCall, Depends(operator_call)]
