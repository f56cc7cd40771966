"""Companies on one store that write into each other's inboxes: the real use cases and courier, without a network between them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from ashiato.api.turns import Queues
from ashiato.connector.company import Company
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Identity, UnitOfWork
from ashiato.connector.records import Asset, HistoryEntry
from ashiato.couriers.delivering import Courier
from ashiato.couriers.partners import PartnerUnavailable
from ashiato.couriers.supplying import SupplyCourier
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.stores.engine import SqlStore
from ashiato.supply import answering, asking
from ashiato.supply.answering import GivenAnswer
from ashiato.supply.asking import Terms
from ashiato.supply.following import follow
from ashiato.supply.messages import Counts, Message, Part, Receipt, Refusal, decode, encode
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import KeptAnswer, Side, SupplyRequest, Wanted
from ashiato.wiring.supply_desk import SupplyDesk
from tests.connector.firms import Clock

T = TypeVar("T")
DAY_MS = 86_400_000
AT_ONCE_COUNT = 64
ITEM = "footprint"


class Street:
    """The companies, and what is on its way between them. `away` are those that cannot be reached."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.clock = Clock()
        self.firms: dict[str, Firm] = {}
        self.away: set[str] = set()
        self.posted: list[tuple[str, str, bytes]] = []
        self._ready: deque[Delivery] = deque()
        self.node = Node(store, cast(Identity, None), self, self.clock.moment)
        self.desk = SupplyDesk(self.node, store)
        carrier = _Carrier(self)
        handlers = {DeliveryKind.SUPPLY: carrier.deliver, DeliveryKind.SUPPLY_DATE: carrier.come_due}
        queues = Queues()
        self._courier = Courier(self.node, handlers, queues.turn)
        store.on_delivery(self._ready.append)

    def firm(self, name: str) -> "Firm":
        """The company of that name."""
        if name not in self.firms:
            self.firms[name] = Firm(self, name)
        return self.firms[name]

    def by_id(self, participant_id: str) -> Tenant | None:
        """The port `Tenants`."""
        return self.firm(participant_id.rpartition(":")[2].removesuffix(".example")).tenant

    def by_slug(self, slug: str) -> Tenant | None:
        """The port `Tenants`."""
        return self.firm(slug).tenant

    def all(self) -> list[Tenant]:
        """The port `Tenants`."""
        return [firm.tenant for firm in self.firms.values()]

    async def carry(self) -> None:
        """Deliver until nothing is left that can be delivered now."""
        # The store hands deliveries over one step of the loop after the commit.
        await asyncio.sleep(0)
        while self._ready:
            ready = [self._ready.popleft() for _ in range(min(len(self._ready), AT_ONCE_COUNT))]
            await asyncio.gather(*(self._drain(delivery) for delivery in ready))
            await asyncio.sleep(0)

    async def _drain(self, first: Delivery) -> None:
        delivery: Delivery | None = first
        while delivery is not None:
            delivery = await self._courier.make(delivery)

    async def wait_ms(self, span_ms: int) -> None:
        """Let time go by, and deliver what comes due in it."""
        self.clock.now_ms += span_ms
        due = await self.store.claim_due(self.clock.now_ms, self.clock.now_ms + 30_000, 10_000)
        self._ready.extend(due)
        await self.carry()


class _Carrier(SupplyCourier):
    """The courier with the street in the place of agreements and transfers."""

    def __init__(self, street: Street) -> None:
        super().__init__(street.node, *cast("tuple[Any, Any, Any, Any]", (None,) * 4))
        self._street = street

    async def _line(self, tenant: Tenant, delivery: Delivery) -> str:
        if delivery.audience in self._street.away:
            raise PartnerUnavailable("It is away.")
        return delivery.audience

    async def _post(self, tenant: Tenant, transfer_pid: str, body: bytes) -> Receipt | Refusal:
        self._street.posted.append((tenant.participant_id, transfer_pid, body))
        return await self._street.desk.take(transfer_pid, tenant.participant_id, body)


class Firm:
    """One company of the street."""

    def __init__(self, street: Street, name: str) -> None:
        self._street = street
        self.did = f"did:web:{name}.example"
        nothing = cast(Any, None)
        company = Company(
            self.did, "https://x.example", nothing, nothing, nothing, nothing, nothing, reactors=(follow,)
        )
        self.company = company
        self.tenant = Tenant(name, name, company, f"https://{name}.example", b"")

    async def run(self, work: Callable[[UnitOfWork], T]) -> T:
        """One transaction of the company."""
        return await self._street.store.run(self.did, work)

    async def ask(self, *wanted: tuple["Firm", str], above: str = "", **terms: Any) -> list[SupplyRequest]:
        """Ask for parts of suppliers, for a week if nothing else is said."""
        moment = self._street.clock.moment()
        week = {"data_item": ITEM, "due_ms": moment.now_ms + 7 * DAY_MS, "fetches": False}
        told = Terms(**{**week, **terms})
        parts = [Wanted(partner=firm.did, part=Part(part_id=part_id)) for firm, part_id in wanted]
        return await self.run(lambda uow: asking.ask(uow, self.company, parts, told, moment, above))

    async def answer(self, own_id: str, asset_id: str = "cfp", text: str = "") -> SupplyRequest:
        """Answer with an asset."""
        moment = self._street.clock.moment()
        given = GivenAnswer(asset_id=asset_id, text=text)

        def work(uow: UnitOfWork) -> SupplyRequest:
            uow.assets.put_asset(Asset(asset_id=asset_id, title="t", source={"kind": "record"}))
            return answering.answer(uow, self.company, own_id, given, moment)

        return await self.run(work)

    async def reject(self, own_id: str, reason: str = "No.") -> SupplyRequest:
        """Say no."""
        moment = self._street.clock.moment()
        return await self.run(lambda uow: answering.reject(uow, self.company, own_id, reason, moment))

    async def withdraw(self, own_id: str, reason: str = "Wrong.") -> SupplyRequest:
        """Take an answer back."""
        moment = self._street.clock.moment()
        return await self.run(lambda uow: answering.withdraw(uow, self.company, own_id, reason, moment))

    async def cancel(self, own_id: str) -> SupplyRequest:
        """Want no answer any more."""
        moment = self._street.clock.moment()
        return await self.run(lambda uow: asking.cancel(uow, self.company, own_id, "", moment))

    async def remind(self, own_id: str) -> SupplyRequest:
        """Ask again."""
        moment = self._street.clock.moment()
        return await self.run(lambda uow: asking.remind(uow, self.company, own_id, "", moment))

    async def post(self, to: "Firm", message: Message | bytes) -> Receipt | Refusal:
        """Put a message of one's own making into another's inbox, as a hostile partner would."""
        body = message if isinstance(message, bytes) else encode(message)
        return await self._street.desk.take(to.did, self.did, body)

    async def shown(self, own_id: str) -> SupplyRequest:
        """The request as it is here."""
        found = await self.run(lambda uow: uow.room(REQUESTS).get(own_id))
        assert found is not None
        return found

    async def received(self) -> list[SupplyRequest]:
        """What customers asked, in the order in which it came."""
        found = await self.run(lambda uow: uow.room(REQUESTS).page("", 10_000, side=Side.RECEIVED))
        return sorted(found, key=lambda request: request.created_ms)

    async def answers(self, own_id: str) -> list[KeptAnswer]:
        """The answers that are kept."""
        return await self.run(lambda uow: uow.room(REQUESTS).answers(own_id))

    async def tree(self, tree_id: str) -> Counts:
        """How far the tree is."""
        return await self.run(lambda uow: uow.room(REQUESTS).counts_of_tree(tree_id))

    async def history(self, event: str) -> list[HistoryEntry]:
        """What of that kind happened here."""
        entries = await self.run(lambda uow: uow.records.list_history(0, 10_000))
        return [entry for entry in entries if entry.event == event]

    def letters(self) -> Iterator[Message]:
        """Every message that was posted to the company."""
        for _, receiver, body in self._street.posted:
            if receiver == self.did:
                yield decode(body)


@asynccontextmanager
async def open_street(store: SqlStore) -> AsyncIterator[Street]:
    """Companies on that store."""
    yield Street(store)
