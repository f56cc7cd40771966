"""Companies on one store without a network: their real use cases, couriers and protocol faces, one delivery at a time.

What would travel over HTTP is handed by `Channel` to the receiver's protocol application in this process, or lost, or
doubled, or kept for later: as the test wants it. The clock is the test's, and so are the dice.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette

from ashiato.api.protocol import BASE, ProtocolApi
from ashiato.api.turns import Queues
from ashiato.clients.egress import Egress, EgressResponse, EgressRules, Unreachable
from ashiato.connector import catalog, fetching, negotiations, obligations, offers
from ashiato.connector.company import Company
from ashiato.connector.data_address import TokenDoor
from ashiato.connector.negotiations import Partner
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid
from ashiato.connector.records import (
    AgreementRecord,
    AgreementState,
    Approvable,
    Approval,
    Asset,
    OfferDefinition,
    PolicyDefinition,
)
from ashiato.connector.strategies import Act, Automatic, Reaction, Strategy
from ashiato.couriers.delivering import Courier
from ashiato.couriers.messaging import Messenger
from ashiato.couriers.obligations import ObligationCourier
from ashiato.dsp import v2025_1 as wire
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.transfer import TransferProcess
from ashiato.identity.signed_tokens import NotAuthenticated
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.policy.builder import permit
from ashiato.stores.engine import SqlStore, open_store
from ashiato.trust.keys import SigningKey
from ashiato.trust.standing import Standing

T = TypeVar("T")
ANY = permit("use")
START_MS = 1_800_000_000_000
FAR_MS = 10**15
_KEY = ec.generate_private_key(ec.SECP256R1())


class Fate(StrEnum):
    """What becomes of one request on its way."""

    ARRIVES = "arrives"
    LOST = "lost"
    ANSWER_LOST = "answer lost"
    TWICE = "twice"
    LATE = "late"
    """The sender gives up waiting; the request arrives when the test lets it."""
    FAILS = "fails"
    """The receiver answers 500 and did nothing."""
    GARBAGE = "garbage"
    """The receiver did it, and answers 200 with something else."""
    NOT_FOUND = "not found"
    """The receiver answers 404 and did nothing."""
    REFUSED_BEFORE = "refused before"
    """The receiver answers 400 and did nothing."""
    REFUSED_LATE = "refused late"
    """The receiver did it, and answers 400 when the test lets it."""

    @property
    def is_refusal(self) -> bool:
        """Whether the receiver says no to something that it should take."""
        return self in (Fate.REFUSED_BEFORE, Fate.REFUSED_LATE)


_STATUS = {Fate.FAILS: 500, Fate.NOT_FOUND: 404, Fate.REFUSED_BEFORE: 400}


class Clock:
    """The time of a test, which goes on by a millisecond at each event, and its dice."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self._ids_count = 0

    def moment(self) -> Moment:
        self.now_ms += 1
        return Moment(self.now_ms, self._fresh_id)

    def _fresh_id(self) -> str:
        self._ids_count += 1
        return str(uuid.UUID(int=self._ids_count, version=4))


class _Caller(msgspec.Struct, frozen=True):
    participant_id: str
    token_id: str
    expires_ms: int
    standing: Standing


class PlainWord:
    """Believes what a token says; forged ones are tried elsewhere, against the real identity.

    `standings` are what it has verified of each company.
    """

    def __init__(self) -> None:
        self.standings: dict[str, Standing] = {}

    async def authenticate(self, participant_id: str, authorization: str | None, now_ms: int) -> _Caller:
        issuer, _, rest = (authorization or "").partition(" ")
        audience, _, token_id = rest.partition(" ")
        if audience != participant_id:
            raise NotAuthenticated("the token is for somebody else")
        standing = await self.standing(participant_id, issuer, now_ms)
        return _Caller(issuer, token_id, now_ms + 60_000, standing)

    async def standing(self, participant_id: str, peer_id: str, now_ms: int) -> Standing:
        return self.standings.get(peer_id, Standing(peer_id))

    async def token_for(self, participant_id: str, audience: str, now_ms: int, token_id: str) -> str:
        return f"{participant_id} {audience} {token_id}"


class Channel(Egress):
    """The way between the companies of a street; `fate` decides about each request, by method and path."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(EgressRules())
        self._clock = clock
        self.app: Starlette
        self.fate: Callable[[str, str], Fate] = lambda method, path: Fate.ARRIVES
        self.answers = asyncio.Event()
        self.late: list[Callable[[], Awaitable[EgressResponse]]] = []
        self.pid_of_the_other: str | None = None
        """Instead of the provider's pid in answers, where a test wants a wrong one."""
        self.sent: list[tuple[str, str, int]] = []
        """Method, path and status of each request that arrived."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        timeout_s: float | None = None,
        max_response_bytes: int = 1_048_576,
    ) -> EgressResponse:
        path = urlsplit(url).path
        token = (headers or {})["Authorization"]

        async def arrive() -> EgressResponse:
            return await self._arrive(method, path, token, body or b"")

        async def arrive_again() -> EgressResponse:
            # A counterparty that sends twice makes a token for each; the same request twice is a replay.
            again = f"{token.rpartition(' ')[0]} {self._clock.moment().fresh_id()}"
            return await self._arrive(method, path, again, body or b"")

        match self.fate(method, path):
            case Fate.LOST:
                raise Unreachable(url, "lost")
            case Fate.ANSWER_LOST:
                await arrive()
                raise Unreachable(url, "the answer was lost")
            case Fate.LATE:
                self.late.append(arrive_again)
                raise Unreachable(url, "no answer in time")
            case Fate.FAILS | Fate.NOT_FOUND | Fate.REFUSED_BEFORE as refusal:
                return EgressResponse(_STATUS[refusal], {}, b"")
            case Fate.GARBAGE:
                await arrive()
                return EgressResponse(200, {}, b'{"what": [')
            case Fate.REFUSED_LATE:
                await arrive()
                await self.answers.wait()
                return EgressResponse(400, {}, b"")
            case Fate.TWICE:
                await arrive()
                return await arrive_again()
            case _:
                return await arrive()

    async def _arrive(self, method: str, path: str, token: str, body: bytes) -> EgressResponse:
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"authorization", token.encode())],
        }
        answer: dict[str, Any] = {"status": 0, "body": b""}

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
            else:
                answer["body"] += message["body"]

        await self.app(scope, receive, send)
        self.sent.append((method, path, answer["status"]))
        if self.pid_of_the_other is not None:
            document = json.loads(answer["body"])
            answer["body"] = json.dumps({**document, "providerPid": self.pid_of_the_other}).encode()
        return EgressResponse(answer["status"], {}, answer["body"])


class Firm:
    """One company of the street."""

    def __init__(
        self,
        street: "Street",
        slug: str,
        strategy: Strategy,
        most_open_processes_count: int,
        most_open_transfers_count: int,
    ) -> None:
        self.street = street
        self.slug = slug
        self.did = f"did:web:{slug}.example"
        root_url = f"https://{slug}.example/{slug}"
        self.company = Company(
            participant_id=self.did,
            callback_address=f"{root_url}/{BASE}",
            wire=wire,
            strategy=strategy,
            data_door=TokenDoor(data_url=f"{root_url}/data", inbox_url=f"{root_url}/inbox", key=self.key),
            vet_address=_vet,
            vet_own_address=_vet,
            reactors=(fetching.follow, obligations.follow),
            most_open_processes_count=most_open_processes_count,
            most_open_transfers_count=most_open_transfers_count,
        )
        self.tenant = Tenant(
            slug=slug, name=slug, company=self.company, root_url=root_url, did_document=b"{}"
        )

    def key(self) -> SigningKey:
        """The key behind this company's data tokens."""
        return SigningKey(f"{self.did}#key-1", _KEY)

    @property
    def partner(self) -> Partner:
        """This company as the others address it."""
        return Partner(self.did, self.company.callback_address)

    @property
    def standing(self) -> Standing:
        """What the others have verified of this company."""
        return self.street.identity.standings.get(self.did, Standing(self.did))

    async def run(self, work: Callable[[UnitOfWork, Moment], T]) -> T:
        """Run a unit of work."""
        moment = self.street.clock.moment()
        return await self.street.store.run(self.did, lambda uow: work(uow, moment))

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """Read what this company knows."""
        return await self.street.store.read(self.did, work)

    async def publish(
        self,
        *asset_ids: str,
        rules: Mapping[str, object] = ANY,
        access: Mapping[str, object] | None = None,
        alternatives: tuple[Mapping[str, object], ...] = (),
        approval: Approval = Approval.AUTOMATIC,
        offer_id: str = "offer",
        data_item: str = "",
        part_group: str = "",
        finite: bool = True,
    ) -> None:
        """Assets under one offer."""

        def work(uow: UnitOfWork, moment: Moment) -> None:
            for asset_id in asset_ids:
                asset = Asset(
                    asset_id=asset_id,
                    title=asset_id,
                    source={"kind": "record"},
                    data_item=data_item,
                    part_group=part_group,
                    finite=finite,
                )
                offers.put_asset(uow, asset, moment)
            policies = {f"{offer_id}-rules": rules}
            policies |= {f"{offer_id}-{number}": found for number, found in enumerate(alternatives)}
            if access is not None:
                policies[f"{offer_id}-access"] = access
            for policy_id, document in policies.items():
                policy = PolicyDefinition(policy_id=policy_id, document=dict(document))
                offers.put_policy(uow, policy, moment)
            definition = OfferDefinition(
                offer_id=offer_id,
                contract_policy_id=f"{offer_id}-rules",
                access_policy_id=None if access is None else f"{offer_id}-access",
                alternative_policy_ids=tuple(f"{offer_id}-{number}" for number in range(len(alternatives))),
                asset_ids=asset_ids,
                approval=approval,
            )
            offers.put_offer(uow, definition, moment)

        await self.run(work)

    async def catalog_offer(self, provider: "Firm", asset_id: str) -> dict[str, object]:
        """The first offer over an asset that the provider shows to this company, with its target."""
        now_ms = self.street.clock.now_ms
        found = await provider.read(lambda uow: catalog.dataset(uow, self.standing, now_ms, asset_id))
        return {**found.offers[0], "target": asset_id}

    async def request(
        self,
        provider: "Firm",
        offer: Mapping[str, object],
        acceptable: tuple[dict[str, object], ...] = (),
    ) -> str:
        """Ask the provider for a contract; returns our pid."""

        def work(uow: UnitOfWork, moment: Moment) -> ContractNegotiation:
            return negotiations.request(uow, self.company, provider.partner, offer, moment, acceptable)

        return (await self.run(work)).own_pid

    async def agree(self, provider: "Firm", asset_id: str) -> AgreementRecord:
        """Negotiate the first offer over an asset to the end; returns our record of the agreement."""
        pid = await self.request(provider, await self.catalog_offer(provider, asset_id))
        await self.street.deliver()
        found = [agreement for agreement in await self.agreements() if agreement.negotiation_pid == pid]
        assert len(found) == 1
        return found[0]

    async def do(self, own_pid: str, act: Act, **more: Any) -> ContractNegotiation:
        """An act of a person in a negotiation."""
        reaction = Reaction(act=act, **more)
        return await self.run(
            lambda uow, moment: negotiations.do(uow, self.company, own_pid, reaction, moment)
        )

    async def negotiation(self, own_pid: str) -> ContractNegotiation:
        """A negotiation by our pid."""
        return await self.read(lambda uow: negotiations.own(uow, own_pid))

    async def negotiations(self) -> list[ContractNegotiation]:
        """All negotiations."""
        return await self.read(lambda uow: uow.negotiations.page("", 1000))

    async def transfers(self) -> list[TransferProcess]:
        """All transfers."""
        return await self.read(lambda uow: uow.transfers.page("", 1000))

    async def agreements(self) -> list[AgreementRecord]:
        """All agreements."""
        return await self.read(lambda uow: uow.contracts.list_agreements("", 10_000))

    async def usable_agreements(self) -> list[AgreementRecord]:
        """Those that give a right."""
        return [
            found
            for found in await self.agreements()
            if found.finalized and found.state is AgreementState.ACTIVE
        ]

    async def inbox(self) -> list[Approvable]:
        """What waits for a person."""
        return await self.read(lambda uow: uow.negotiations.list_approvables("", 1000))

    async def events(self) -> list[str]:
        """The names of what happened, in order."""
        return [entry.event for entry in await self.read(lambda uow: uow.records.list_history(0, 10_000))]


class Street:
    """Companies, the store they stand on, and the way between them."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.clock = Clock()
        self.channel = Channel(self.clock)
        self.firms: dict[str, Firm] = {}
        self.later: list[Delivery] = []
        """What is due at a later time of the test's clock."""
        self.identity = PlainWord()
        self.node = Node(store, self.identity, self, self.clock.moment)
        self.channel.app = Starlette(routes=ProtocolApi(self.node).routes())
        messenger = Messenger(self.node, self.channel)
        self.courier = Courier(
            self.node,
            {
                DeliveryKind.MESSAGE: messenger.deliver,
                DeliveryKind.OBLIGATION: ObligationCourier(self.node).deliver,
            },
            Queues().turn,
        )

    def firm(
        self,
        slug: str,
        strategy: Strategy | None = None,
        most_open_processes_count: int = 1000,
        most_open_transfers_count: int = 1000,
    ) -> Firm:
        """A new company of the street."""
        self.firms[slug] = Firm(
            self, slug, strategy or Automatic(), most_open_processes_count, most_open_transfers_count
        )
        return self.firms[slug]

    def by_slug(self, slug: str) -> Tenant | None:
        return self.firms[slug].tenant if slug in self.firms else None

    def by_id(self, participant_id: str) -> Tenant | None:
        return next((firm.tenant for firm in self.firms.values() if firm.did == participant_id), None)

    def all(self) -> list[Tenant]:
        return [firm.tenant for firm in self.firms.values()]

    async def due(self, limit_count: int = 1) -> list[Delivery]:
        """Deliveries that could be made now, the longest due first, whatever the clock says."""
        return await self.store.claim_due(FAR_MS, FAR_MS - 1, limit_count)

    async def deliver_one(self) -> bool:
        """Try one delivery; False when there is none."""
        due = await self.due()
        for delivery in due:
            await self.try_delivery(delivery)
        return bool(due)

    async def try_delivery(self, delivery: Delivery) -> None:
        """Try this one, as the courier would."""
        if delivery.kind is DeliveryKind.MESSAGE:
            await self.courier.make(delivery)
        elif delivery.kind is DeliveryKind.OBLIGATION and delivery.due_ms > self.clock.now_ms:
            self.later.append(delivery)
            await self._forget(delivery)
        elif delivery.kind is DeliveryKind.OBLIGATION:
            await self.courier.make(delivery)
        else:
            # The data itself is another room's business.
            await self._forget(delivery)

    async def pass_time(self, until_ms: int) -> None:
        """The clock goes on, and the dates that are over by then are looked after."""
        self.clock.now_ms = until_ms
        due = [delivery for delivery in self.later if delivery.due_ms <= until_ms]
        self.later = [delivery for delivery in self.later if delivery.due_ms > until_ms]
        for delivery in due:
            await self.courier.make(delivery)

    async def _forget(self, delivery: Delivery) -> None:
        await self.store.run(delivery.participant_id, lambda uow: uow.outbox.remove(delivery.delivery_id))

    async def deliver(self, most_tries_count: int = 500) -> None:
        """Deliver until nothing is left."""
        for _ in range(most_tries_count):
            if not await self.deliver_one():
                return
        raise AssertionError("the outbox does not become empty")


def _vet(address: str) -> None:
    if "forbidden" in address:
        raise Invalid(f"This connector does not call {address!r}.", path="callbackAddress")


@asynccontextmanager
async def open_street(store_url: str) -> AsyncIterator[Street]:
    """A street on the store at that address."""
    store = await open_store(store_url, "street")
    try:
        yield Street(store)
    finally:
        await store.close()
