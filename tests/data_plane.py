"""Two connector programs on loopback, with a contract between them that needs no negotiation: what the data plane needs."""

import asyncio
import hashlib
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from urllib.parse import quote

import msgspec
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette

from ashiato.api.abortable import AbortableHttpProtocol
from ashiato.api.data import DataApi, DataSettings
from ashiato.api.data_tokens import Doorkeeper
from ashiato.api.inbox import InboxApi, InboxMeans, InboxSettings
from ashiato.clients.egress import Egress, EgressRules
from ashiato.clients.sources.factory import AssetSources
from ashiato.connector.company import Company
from ashiato.connector.data_address import TokenDoor
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Moment, Store, UnitOfWork
from ashiato.connector.records import AccessRecord, AgreementRecord, AgreementState, Asset, Event
from ashiato.connector.sources import SourceFactory, UnknownSecret
from ashiato.connector.strategies import Automatic
from ashiato.couriers.lasting_rights import LastingRights
from ashiato.couriers.streaming import RunningStreams
from ashiato.dsp import v2025_1 as wire
from ashiato.dsp.states import Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.identity.signed_tokens import CannotResolve, NotAuthenticated, SignedTokens
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.policy.builder import permit
from ashiato.stores.engine import open_store
from ashiato.stores.sealed_files import PlainReader
from ashiato.trust.did import DidDocument, did_document, parse_did_document
from ashiato.trust.keys import SigningKey
from ashiato.trust.proofs import VerifiedProof, verify_proof
from ashiato.trust.standing import Standing
from ashiato.trust.tokens import TokenRefused

PROVIDER = "did:web:maker.example"
CONSUMER = "did:web:cells.example"
STRANGER = "did:web:stranger.example"
Work = Callable[[UnitOfWork], object]
PULL = "HttpData-PULL"
PUSH = "HttpData-PUSH"


@dataclass
class Clock:
    """The clock and the dice; a test may turn the clock."""

    offset_ms: int = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms

    def moment(self) -> Moment:
        return Moment(now_ms=self.now_ms(), fresh_id=lambda: f"urn:uuid:{uuid.uuid4()}")


class Parties:
    """Everybody's keys and DID documents; counts who was looked up."""

    def __init__(self, *dids: str) -> None:
        self.keys = {did: SigningKey(f"{did}#key-1", ec.generate_private_key(ec.SECP256R1())) for did in dids}
        self._documents = {
            did: parse_did_document(did_document(did, [key.verification_key()], []), did)
            for did, key in self.keys.items()
        }

    async def resolve(self, did: str, now_ms: int, *, needs_kid: str | None = None) -> DidDocument:
        if did not in self._documents:
            raise CannotResolve(f"there is no {did}", is_temporary=False)
        return self._documents[did]


class NamedSecrets:
    """Secrets of a test, by participant and name."""

    def __init__(self, values: Mapping[tuple[str, str], str]) -> None:
        self.values = dict(values)

    def get(self, participant_id: str, name: str) -> str:
        try:
            return self.values[participant_id, name]
        except KeyError:
            raise UnknownSecret(name) from None


class OneTenant:
    """A program that serves one participant."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def by_slug(self, slug: str) -> Tenant | None:
        return self._tenant if slug == self._tenant.slug else None

    def by_id(self, participant_id: str) -> Tenant | None:
        return self._tenant if participant_id == self._tenant.participant_id else None

    def all(self) -> list[Tenant]:
        return [self._tenant]


class FolderPart:
    """One incoming file in a plain folder."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._file = path.open("ab")

    @property
    def size_bytes(self) -> int:
        return self._file.tell()

    def append(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def restart(self) -> None:
        self._file.truncate(0)
        self._file.seek(0)

    def sha256(self) -> str:
        self._file.flush()
        return hashlib.sha256(self._path.read_bytes()).hexdigest()

    def finish(self, file_name: str) -> None:
        self._file.close()
        self._path.rename(self._folder / file_name)

    def close(self) -> None:
        self._file.close()


class FolderFiles:
    """The honest fake of the store of received files: a folder, without durability and without a hash kept on the way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def part(self, participant_id: str, transfer_pid: str) -> FolderPart:
        return FolderPart(self._folder / f"{quote(transfer_pid, safe='')}.part", self._folder)

    def open(self, participant_id: str, file_name: str) -> PlainReader:
        return PlainReader(FileIO(self._folder / file_name))

    def remove(self, participant_id: str, file_name: str) -> None:
        (self._folder / file_name).unlink()

    def remove_part(self, participant_id: str, transfer_pid: str) -> None:
        (self._folder / f"{quote(transfer_pid, safe='')}.part").unlink(missing_ok=True)

    def content(self, file_name: str) -> bytes:
        return (self._folder / file_name).read_bytes()

    def names(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir())


class KnownStandings(SignedTokens):
    """Proves who calls as the program does; what else is verified of each is what the test says."""

    def __init__(self, documents: Parties, keys: Mapping[str, SigningKey]) -> None:
        super().__init__(documents, keys)
        self.standings: dict[str, Standing] = {}

    async def standing(self, participant_id: str, peer_id: str, now_ms: int) -> Standing:
        return self.standings.get(peer_id, Standing(peer_id))


@dataclass
class Side:
    """One connector program with its data plane behind a real server."""

    participant_id: str
    role: Role
    slug: str
    root_url: str
    node: Node
    store: Store
    streams: RunningStreams
    threads: ThreadPoolExecutor
    egress: Egress
    door: TokenDoor
    secrets: NamedSecrets
    files: FolderFiles
    folder: Path
    clock: Clock
    sources: SourceFactory
    events: list[Event] = field(default_factory=list)

    def knows(self, standing: Standing) -> None:
        """From now on this is what is verified of its participant."""
        identity = self.node.identity
        assert isinstance(identity, KnownStandings)
        identity.standings[standing.participant_id] = standing

    @property
    def port(self) -> int:
        return int(self.root_url.split(":")[2].split("/")[0])

    def data_url(self, transfer_pid: str) -> str:
        return f"{self.root_url}/data/{transfer_pid}"

    async def run(self, work: Work) -> object:
        return await self.store.run(self.participant_id, work)

    async def accesses(self) -> list[AccessRecord]:
        return await self.store.read(self.participant_id, lambda uow: uow.transfers.list_accesses("", 1000))

    async def finished_accesses(self, count: int) -> list[AccessRecord]:
        """The records once `count` of them are finished: the last is written a moment after the last byte has left."""
        for _ in range(1500):
            found = [access for access in await self.accesses() if access.outcome != "open"]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"{len(found)} accesses were finished, not {count}")

    async def agreement(self, agreement_id: str) -> AgreementRecord:
        found = await self.store.read(self.participant_id, lambda uow: uow.contracts.agreement(agreement_id))
        assert found is not None
        return found

    async def set_state(self, transfer_pid: str, state: TransferState, event: str | None = None) -> None:
        def work(uow: UnitOfWork) -> None:
            transfer = uow.transfers.get(transfer_pid)
            assert transfer is not None
            uow.transfers.update(msgspec.structs.replace(transfer, state=state))
            if event is not None:
                uow.tell(Event(name=event, participant_id=self.participant_id, process_id=transfer_pid))

        await self.run(work)

    async def end_agreement(self, agreement_id: str) -> None:
        def work(uow: UnitOfWork) -> None:
            agreement = uow.contracts.agreement(agreement_id)
            assert agreement is not None
            uow.contracts.put_agreement(msgspec.structs.replace(agreement, state=AgreementState.TERMINATED))
            uow.tell(
                Event(
                    name="agreement.terminated",
                    participant_id=self.participant_id,
                    process_id=agreement_id,
                )
            )

        await self.run(work)


@dataclass(frozen=True)
class Deal:
    """One asset under one agreement and one transfer; the pids as each side knows them."""

    asset_id: str
    agreement_id: str
    provider_pid: str
    consumer_pid: str


class PartiesPossession:
    """Checks proofs of possession against the keys of the test's parties."""

    def __init__(self, parties: Parties) -> None:
        self._parties = parties

    async def check(
        self, consumer: str, *, method: str, url: str, access_token: str, proof: str, now_ms: int
    ) -> VerifiedProof:
        document = await self._parties.resolve(consumer, now_ms)
        try:
            return verify_proof(
                proof,
                method=method,
                url=url,
                access_token=access_token,
                document=document,
                consumer=consumer,
                now_ms=now_ms,
            )
        except TokenRefused as error:
            raise NotAuthenticated(str(error)) from error


class Bounds(msgspec.Struct, frozen=True):
    """What a test may set otherwise than a program does by itself."""

    data: DataSettings = DataSettings()
    inbox: InboxSettings = InboxSettings()
    slowest_chunk_s: float = 60.0
    recheck_every_s: float = 5.0
    token_ttl_s: int = 300
    requires_proof: bool = False


@asynccontextmanager
async def running_side(
    participant_id: str,
    role: Role,
    parties: Parties,
    store_url: str,
    folder: Path,
    bounds: Bounds | None = None,
) -> AsyncIterator[Side]:
    """A program of one participant, listening on a free port, until the block ends."""
    bounds = bounds or Bounds()
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen(64)
    async with AsyncExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(8))
        store = await open_store(store_url, f"node-{role.lower()}")
        stack.push_async_callback(store.close)
        egress = await stack.enter_async_context(
            Egress(EgressRules(unsafe_allow_loopback=True, connect_timeout_s=2, idle_timeout_s=3))
        )
        root_url = f"http://127.0.0.1:{bound.getsockname()[1]}/{role.lower()}"
        side = _side(participant_id, role, root_url, parties, store, egress, threads, folder, bounds)
        await stack.enter_async_context(_serving(_app(side, parties, bounds), bound))
        yield side


def _side(
    participant_id: str,
    role: Role,
    root_url: str,
    parties: Parties,
    store: Store,
    egress: Egress,
    threads: ThreadPoolExecutor,
    folder: Path,
    bounds: Bounds,
) -> Side:
    clock = Clock()
    folder.mkdir(parents=True, exist_ok=True)
    key = parties.keys[participant_id]
    door = TokenDoor(
        data_url=f"{root_url}/data",
        inbox_url=f"{root_url}/inbox",
        key=lambda: key,
        token_ttl_s=bounds.token_ttl_s,
    )
    company = Company(
        participant_id=participant_id,
        callback_address=f"{root_url}/dsp",
        wire=wire,
        strategy=Automatic(),
        data_door=door,
        vet_address=lambda address: None,
        vet_own_address=lambda address: None,
    )
    slug = role.lower()
    tenant = Tenant(slug=slug, name=slug, company=company, root_url=root_url, did_document=b"{}")
    identity = KnownStandings(parties, {participant_id: key})
    node = Node(store=store, identity=identity, tenants=OneTenant(tenant), moment=clock.moment)
    streams = RunningStreams(
        LastingRights(node),
        clock.now_ms,
        threads,
        slowest_chunk_s=bounds.slowest_chunk_s,
        recheck_every_s=bounds.recheck_every_s,
    )
    secrets = NamedSecrets({})
    sources = AssetSources(
        store=store,
        egress_of=lambda participant_id: egress,
        secrets=secrets,
        folders={participant_id: folder},
        disk_threads=threads,
        sql_threads=threads,
        clock_ms=clock.now_ms,
    )
    files = FolderFiles(folder / "received")
    side = Side(
        participant_id, role, slug, root_url, node, store, streams, threads, egress, door, secrets,
        files, folder, clock, sources,
    )  # fmt: skip
    store.subscribe(streams.listen)
    store.subscribe(side.events.append)
    return side


def _app(side: Side, parties: Parties, bounds: Bounds) -> Starlette:
    doorkeeper = Doorkeeper(
        side.node,
        lambda owner: parties.keys[owner].verification_key(),
        PartiesPossession(parties),
        requires_proof=bounds.requires_proof,
    )
    data = DataApi(side.node, doorkeeper, side.sources, side.streams, bounds.data)
    inbox = InboxApi(
        InboxMeans(
            node=side.node,
            doorkeeper=doorkeeper,
            files=side.files,
            uploads=side.streams,
            threads=side.threads,
            settings=bounds.inbox,
        )
    )
    return Starlette(routes=[*data.routes(), *inbox.routes()])


@asynccontextmanager
async def _serving(app: Starlette, bound: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app,
        http=AbortableHttpProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the test runner handles signals
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def deal_records(
    asset: Asset,
    *,
    now_ms: int,
    provider_id: str = PROVIDER,
    consumer_id: str = CONSUMER,
    rules: Mapping[str, object] | None = None,
    consumer_address: str = "http://127.0.0.1:1/none",
    is_push: bool = False,
) -> tuple[Deal, AgreementRecord, TransferProcess]:
    """A deal with the provider's records of it: a finalized agreement over the asset and a started transfer."""
    deal = Deal(
        asset.asset_id, f"urn:uuid:{uuid.uuid4()}", f"urn:uuid:{uuid.uuid4()}", f"urn:uuid:{uuid.uuid4()}"
    )
    agreement = AgreementRecord(
        agreement_id=deal.agreement_id,
        role=Role.PROVIDER,
        peer_id=consumer_id,
        asset_id=asset.asset_id,
        negotiation_pid=f"urn:uuid:{uuid.uuid4()}",
        document={
            "@id": deal.agreement_id,
            "assigner": provider_id,
            "assignee": consumer_id,
            **(permit() if rules is None else rules),
        },
        policy_hash="-",
        agreed_ms=now_ms - 1000,
        finalized=True,
    )
    transfer = TransferProcess(
        role=Role.PROVIDER,
        own_pid=deal.provider_pid,
        peer_id=consumer_id,
        peer_pid=deal.consumer_pid,
        peer_address=consumer_address,
        state=TransferState.STARTED,
        agreement_id=deal.agreement_id,
        format=PUSH if is_push else PULL,
        is_push=is_push,
        moved_by=Role.PROVIDER,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    return deal, agreement, transfer


async def make_deal(
    provider: Side,
    consumer: Side | None,
    asset: Asset,
    *,
    body: bytes | None = None,
    rules: Mapping[str, object] | None = None,
    consumer_id: str = CONSUMER,
    is_push: bool = False,
) -> Deal:
    """An asset, a finalized agreement over it and a started transfer, in the stores of both sides."""
    deal, agreement, transfer = deal_records(
        asset,
        now_ms=provider.clock.now_ms(),
        provider_id=provider.participant_id,
        consumer_id=consumer_id,
        rules=rules,
        consumer_address=f"{consumer.root_url}/dsp" if consumer else "http://127.0.0.1:1/none",
        is_push=is_push,
    )
    if is_push and consumer is not None:
        address = consumer.door.push_address(
            deal.consumer_pid,
            provider.participant_id,
            deal.agreement_id,
            asset.asset_id,
            consumer.clock.moment(),
        )
        transfer = msgspec.structs.replace(transfer, data_address=address)

    def provide(uow: UnitOfWork) -> None:
        uow.assets.put_asset(asset)
        if body is not None:
            uow.assets.put_record(asset.asset_id, body)
        uow.contracts.put_agreement(agreement)
        uow.transfers.insert(transfer)

    await provider.run(provide)
    if consumer is None:
        return deal
    address = transfer.data_address or provider.door.pull_address(
        transfer, asset.asset_id, provider.clock.moment()
    )
    own = msgspec.structs.replace(
        transfer,
        role=Role.CONSUMER,
        own_pid=deal.consumer_pid,
        peer_id=provider.participant_id,
        peer_pid=deal.provider_pid,
        peer_address=f"{provider.root_url}/dsp",
        data_address=address,
    )
    theirs = msgspec.structs.replace(agreement, role=Role.CONSUMER, peer_id=provider.participant_id)

    def consume(uow: UnitOfWork) -> None:
        uow.contracts.put_agreement(theirs)
        uow.transfers.insert(own)

    await consumer.run(consume)
    return deal


async def move_address(side: Side, transfer_pid: str, port: int) -> None:
    """Let `side` reach the counterparty's data plane through another port, behind which a proxy stands."""

    def moved(url: str) -> str:
        scheme, _, rest = url.partition("://")
        return f"{scheme}://127.0.0.1:{port}/{rest.partition('/')[2]}"

    def work(uow: UnitOfWork) -> None:
        transfer = uow.transfers.get(transfer_pid)
        assert transfer is not None
        address = transfer.data_address
        assert address is not None
        assert address.endpoint is not None
        properties = dict(address.properties)
        properties["refreshEndpoint"] = moved(properties["refreshEndpoint"])
        moved_address = msgspec.structs.replace(
            address, endpoint=moved(address.endpoint), properties=properties
        )
        uow.transfers.update(msgspec.structs.replace(transfer, data_address=moved_address))

    await side.run(work)


def token_of(provider: Side, deal: Deal, *, consumer_id: str = CONSUMER) -> str:
    """A fresh access token of the provider for the deal."""
    return provider.door.token(
        deal.provider_pid, consumer_id, deal.agreement_id, deal.asset_id, provider.clock.moment()
    )


def data_delivery(side: Side, deal: Deal, *, attempts_count: int = 0) -> Delivery:
    """The order to pull or to push, as a start of the transfer puts it into the outbox."""
    now_ms = side.clock.now_ms()
    is_provider = side.role is Role.PROVIDER
    own_pid = deal.provider_pid if is_provider else deal.consumer_pid
    return Delivery(
        delivery_id=f"urn:uuid:{uuid.uuid4()}",
        participant_id=side.participant_id,
        kind=DeliveryKind.PUSH if is_provider else DeliveryKind.PULL,
        process_id=f"data:{own_pid}",
        sequence=0,
        message_name="data",
        address="",
        audience="",
        body=own_pid.encode(),
        created_ms=now_ms,
        due_ms=now_ms,
        attempts_count=attempts_count,
    )
