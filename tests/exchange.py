"""Connector programs in this process, talking to each other over loopback HTTP: the exchange as companies see it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from ashiato.connector import fetching, negotiations, offers
from ashiato.connector.negotiations import Partner
from ashiato.connector.node import Tenant
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import (
    Approval,
    Asset,
    Fetch,
    HistoryEntry,
    OfferDefinition,
    PolicyDefinition,
)
from ashiato.connector.strategies import Strategy
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.policy.builder import permit
from ashiato.stores.engine import SqlStore
from ashiato.wiring.program import Program, now
from ashiato.wiring.settings import (
    LimitSettings,
    ManagementSettings,
    ParticipantSettings,
    ProtocolSettings,
    Settings,
    StoreSettings,
    TimeStampSettings,
    TrustSettings,
)
from tests.companies import api_key

T = TypeVar("T")
PATIENCE_S = 15.0
LATER_MS = 300_000
PULL = "HttpData-PULL"
PUSH = "HttpData-PUSH"


class Member:
    """One participant of a running program: its use cases, each in a unit of work of its own."""

    def __init__(self, program: Program, slug: str) -> None:
        self.program = program
        self.slug = slug

    @property
    def tenant(self) -> Tenant:
        found = self.program.tenancy.by_slug(self.slug)
        assert found is not None
        return found

    @property
    def did(self) -> str:
        return self.tenant.participant_id

    @property
    def address(self) -> str:
        """The base address of the protocol."""
        return self.tenant.company.callback_address

    @property
    def partner(self) -> Partner:
        """This company as the others address it."""
        return Partner(self.did, self.address)

    @property
    def store(self) -> SqlStore:
        return self.program.store

    async def run(self, work: Callable[[UnitOfWork, Moment], T]) -> T:
        """Run a unit of work for this participant."""
        return await self.store.run(self.did, lambda uow: work(uow, now()))

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """Read as this participant."""
        return await self.store.read(self.did, work)

    async def offer(
        self,
        *asset_ids: str,
        rules: Mapping[str, object] | None = None,
        access: Mapping[str, object] | None = None,
        approval: Approval = Approval.AUTOMATIC,
        offer_id: str = "offer",
        body: bytes = b'{"declared": "16.1"}',
        finite: bool = True,
    ) -> None:
        """Assets with a record each, offered under one offer."""

        def work(uow: UnitOfWork, moment: Moment) -> None:
            for asset_id in asset_ids:
                asset = Asset(asset_id=asset_id, title=asset_id, source={"kind": "record"}, finite=finite)
                offers.put_asset(uow, asset, moment)
                uow.assets.put_record(asset_id, body)
            policies = {f"{offer_id}-rules": rules or permit("use")}
            if access is not None:
                policies[f"{offer_id}-access"] = access
            for policy_id, document in policies.items():
                policy = PolicyDefinition(policy_id=policy_id, document=dict(document))
                offers.put_policy(uow, policy, moment)
            definition = OfferDefinition(
                offer_id=offer_id,
                contract_policy_id=f"{offer_id}-rules",
                access_policy_id=None if access is None else f"{offer_id}-access",
                asset_ids=asset_ids,
                approval=approval,
            )
            offers.put_offer(uow, definition, moment)

        await self.run(work)

    async def negotiate(self, provider: "Member", asset_id: str) -> ContractNegotiation:
        """Ask for the first offer over an asset in the provider's catalog."""
        found = await self.program.partners.dataset(self.tenant, provider.did, provider.address, asset_id)
        document = {**found.offers[0], "target": asset_id}
        return await self.run(
            lambda uow, moment: negotiations.request(
                uow, self.tenant.company, provider.partner, document, moment
            )
        )

    async def fetch(
        self,
        provider: "Member",
        asset_id: str,
        wire_format: str = PULL,
        offer: dict[str, object] | None = None,
    ) -> Fetch:
        """Order an asset under an offer, or the first one in the provider's catalog, and wait for the end of the order."""
        if offer is None:
            found = await self.program.partners.dataset(self.tenant, provider.did, provider.address, asset_id)
            offer = found.offers[0]
        begun = await self.run(
            lambda uow, moment: fetching.begin(
                uow, self.tenant.company, provider.partner, asset_id, offer, wire_format, moment
            )
        )
        return await self.fetched(begun.fetch_id)

    async def fetched(self, fetch_id: str) -> Fetch:
        """The order once it has ended."""

        def look(uow: UnitOfWork) -> Fetch | None:
            fetch = uow.transfers.fetch(fetch_id)
            return fetch if fetch is not None and fetch.state in fetching.ENDED else None

        return await self.until(look)

    async def negotiation(self, own_pid: str, *states: NegotiationState) -> ContractNegotiation:
        """The negotiation once it is in one of the states."""

        def look(uow: UnitOfWork) -> ContractNegotiation | None:
            found = negotiations.own(uow, own_pid)
            return found if found.state in states else None

        return await self.until(look)

    async def transfer(self, own_pid: str, *states: TransferState) -> TransferProcess:
        """The transfer once it is in one of the states."""

        def look(uow: UnitOfWork) -> TransferProcess | None:
            found = uow.transfers.get(own_pid)
            return found if found is not None and found.state in states else None

        return await self.until(look)

    async def only_transfer(self) -> TransferProcess:
        """The one transfer of this participant, once there is one."""

        def look(uow: UnitOfWork) -> TransferProcess | None:
            found = uow.transfers.page("", 2)
            assert len(found) < 2
            return found[0] if found else None

        return await self.until(look)

    async def history(self) -> list[HistoryEntry]:
        """What happened so far."""
        return await self.read(lambda uow: uow.records.list_history(0, 10_000))

    async def until(self, look: Callable[[UnitOfWork], T | None], patience_s: float = PATIENCE_S) -> T:
        """What `look` finds, as soon as it finds it; looks again after every event of this participant."""
        deadline_s = asyncio.get_running_loop().time() + patience_s
        while True:
            waiting = asyncio.create_task(self.program.waiter.wait(self.did, None, 0.2))
            found = await self.read(look)
            if found is not None:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
                return found
            await waiting
            if asyncio.get_running_loop().time() > deadline_s:
                raise AssertionError("\n".join(map(str, await self.history())) or "nothing happened")

    async def outbox_is_empty(self) -> bool:
        """Whether nothing waits for delivery, for whomever, within the patience of a test; what is due much later waits."""
        deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
        while (due_ms := await self.store.next_due_ms()) is not None and due_ms < now().now_ms + LATER_MS:
            if asyncio.get_running_loop().time() > deadline_s:
                return False
            await asyncio.sleep(0.01)
        return True


@asynccontextmanager
async def running(
    folder: Path,
    *slugs: str,
    store_url: str | None = None,
    port: int = 0,
    public_url: str = "",
    strategy: Strategy | None = None,
    unsafe_allow_loopback: bool = True,
    limits: LimitSettings | None = None,
    node_id: str = "",
    time_stamps: TimeStampSettings | None = None,
    trust: TrustSettings | None = None,
) -> AsyncIterator[list[Member]]:
    """A program that serves these participants until the block ends; the same folder and address go on where it stood.

    `public_url` is for one that others reach in another way than at its own port.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        store=StoreSettings(url=store_url or f"sqlite:///{folder}/connector.db", directory=str(folder)),
        protocol=ProtocolSettings(port=port, public_url=public_url),
        management=ManagementSettings(operator_key_sha256=(_hash("operator"),)),
        participants=tuple(
            ParticipantSettings(slug=slug, api_key_sha256=(_hash(api_key(slug)),)) for slug in slugs
        ),
        limits=limits or LimitSettings(),
        node_id=node_id,
        time_stamps=time_stamps or TimeStampSettings(),
        trust=trust or TrustSettings(),
        unsafe_allow_loopback=unsafe_allow_loopback,
    )
    program = Program(settings, strategy)
    serving: asyncio.Task[None] | None = None
    try:
        await program.open()
        program.start()
        serving = asyncio.create_task(program.serve())
        yield [Member(program, slug) for slug in slugs]
    finally:
        program.stop()
        if serving is not None:
            await asyncio.gather(serving, return_exceptions=True)
        await program.close()


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def port_of(member: Member) -> int:
    """The port of the protocol listener of a member's program."""
    return int(member.program.bound.getsockname()[1])
