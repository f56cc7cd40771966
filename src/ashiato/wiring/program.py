"""Puts one connector program together: store, identity, protocol, data plane, couriers, management."""

import asyncio
import hashlib
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from ashiato.api.app_words import AppWords
from ashiato.api.apps import AppApi
from ashiato.api.contract_texts import ContractTextApi
from ashiato.api.data import DataApi, DataSettings
from ashiato.api.data_tokens import Doorkeeper
from ashiato.api.dcp import credential_service
from ashiato.api.dcp.answering import DcpMeans
from ashiato.api.dcp.issuer_service import IssuerApi
from ashiato.api.inbox import InboxApi, InboxMeans, InboxSettings
from ashiato.api.management.gate import Gate, KeyList
from ashiato.api.protocol import BASE, ProtocolApi
from ashiato.api.receipts import ReceiptApi
from ashiato.api.self_descriptions import Describer, SelfDescriptionApi
from ashiato.api.turns import (
    Queues,
    Turns,
    participant_of_management,
    participant_of_protocol,
    waiting_outside,
)
from ashiato.clients.did_web import DidCacheRules, DidResolver
from ashiato.clients.egress import Egress, EgressRules
from ashiato.clients.sources.factory import AssetSources
from ashiato.clients.trust_lists import TrustListBook
from ashiato.clients.ways_out import WaysOut
from ashiato.connector import fetching, obligations, receipts, time_stamps, vault
from ashiato.connector.company import Reactor
from ashiato.connector.describing import Instance
from ashiato.connector.node import Node
from ashiato.connector.ports import Identity, Moment
from ashiato.connector.strategies import Automatic, Strategy
from ashiato.couriers.asking_receipts import ReceiptCourier
from ashiato.couriers.calling import DataCaller
from ashiato.couriers.delivering import Courier, Handler
from ashiato.couriers.ending import Ender
from ashiato.couriers.erasing import Eraser
from ashiato.couriers.indexing import Indexer
from ashiato.couriers.issuing import IssuanceCourier
from ashiato.couriers.lasting_rights import LastingRights
from ashiato.couriers.messaging import Messenger
from ashiato.couriers.obligations import ObligationCourier, notice_courier
from ashiato.couriers.partners import Partners
from ashiato.couriers.pulling import Puller, PullMeans
from ashiato.couriers.pushing import Pusher, PushMeans
from ashiato.couriers.running_apps import AppRunner
from ashiato.couriers.streaming import RunningStreams
from ashiato.couriers.supplying import SupplyCourier
from ashiato.couriers.telling import Teller
from ashiato.couriers.waiting import Waiter
from ashiato.couriers.webhooks import WebhookCourier
from ashiato.dsp import v2025_1 as wire
from ashiato.identity.own_credentials import OwnCredentials
from ashiato.identity.presented import PresentedCredentials
from ashiato.identity.signed_tokens import Documents as DocumentsPort
from ashiato.identity.signed_tokens import SignedTokens
from ashiato.outbox.deliveries import DeliveryKind
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.keys import open_safe
from ashiato.stores.received_files import ReceivedFolder
from ashiato.supply import following as requests
from ashiato.supply import notices as word_notices
from ashiato.trust.signing import Signer
from ashiato.wiring.adapters import Documents, Possession, Prover
from ashiato.wiring.grants import Grants
from ashiato.wiring.listening import Listener, bind, url_of
from ashiato.wiring.management import LazyApp, TwoDoors, app_builder, make_gate
from ashiato.wiring.registry import Registry
from ashiato.wiring.settings import TOKENS, ListenerSettings, Settings, resolve_secret
from ashiato.wiring.supply_desk import SupplyDesk
from ashiato.wiring.tenancy import Tenancy
from ashiato.wiring.time_stamps import stamping, time_stamp_authority
from ashiato.wiring.verifying import Changes, TrustDesk, presented_credentials, trust_list_book
from ashiato.wiring.words import KINDS, WordDesk

if TYPE_CHECKING:
    from ashiato.clients.time_stamps import TimeStampAuthority

DISK_THREADS_COUNT = 8
SQL_THREADS_COUNT = 4
PURGE_EVERY_S = 300

log = structlog.get_logger()


def now() -> Moment:
    """The clock and the dice of this process."""
    return Moment(time.time_ns() // 1_000_000, _fresh_id)


def _fresh_id() -> str:
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


class Program:
    """A running connector. `open` it, `serve` it, `close` it."""

    def __init__(self, settings: Settings, strategy: Strategy | None = None) -> None:
        self.settings = settings
        self._strategy = strategy or Automatic()
        self.bound = bind(settings.protocol)
        self.management_bound = bind(settings.management)
        self.public_url = settings.protocol.public_url or url_of(self.bound, settings.protocol)
        self.management_url = url_of(self.management_bound, settings.management)
        self._grants: Grants
        self._describer: Describer
        self._documents: DocumentsPort
        self.tokens: SignedTokens
        self.store: SqlStore
        self.tenancy: Tenancy
        self.node: Node
        self.partners: Partners
        self.waiter: Waiter
        self.files: ReceivedFolder
        self.registry: Registry
        self.trust_lists: TrustListBook
        self._gate: Gate
        self._egress: Egress
        self._ways_out: WaysOut
        self._listeners: list[Listener] = []
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._queues = Queues()

    async def open(self) -> None:
        """Open the store and put everything together; nothing is served yet."""
        settings = self.settings
        directory = Path(settings.store.directory)
        await asyncio.to_thread(directory.mkdir, mode=0o700, parents=True, exist_ok=True)
        self.store = await open_store(settings.store.url, settings.node_id or self.public_url)
        self._closers.append(self.store.close)
        self._ways_out = WaysOut(self._egress_rules(), waiting_outside)
        self._closers.append(self._ways_out.close)
        self._egress = self._ways_out.public
        self._grants = Grants(self._ways_out)
        self.tenancy = Tenancy(
            self.public_url,
            BASE,
            self._ways_out,
            self._strategy,
            self._reactors(),
            settings.limits,
            lambda: now().now_ms,
            settings.keys.require_signatures,
        )
        self.tenancy.locations = self._grants.locations
        self._documents = self.make_documents()
        self.tokens = SignedTokens(
            self._documents, self.tenancy.keys, lambda _participant, _audience: settings.trust.shown_scopes
        )
        identity = self._identity(self.tokens)
        own_credentials = self._own_credentials(identity)
        self.node = Node(self.store, identity, self.tenancy, now, self._documents, own_credentials)
        self._describer = self._make_describer()
        self.partners = Partners(self.node, self._egress, self._documents)
        self.waiter = Waiter(self.store)
        key_file = Path(settings.store.key_file) if settings.store.key_file else directory / "keys.json"
        safe = open_safe(key_file, self._passphrase())
        self.files = ReceivedFolder(directory / "received", safe)
        keys = KeyList({})
        self.registry = Registry(
            self.store,
            safe,
            self.tenancy,
            self.public_url,
            now,
            self._grants,
            keys.add,
            keys.remove,
            settings.keys,
        )
        await self.registry.load(settings.participants)
        await self.trust_lists.read()
        self.store.subscribe(self.registry.follow)
        self._gate = make_gate(settings.management, keys, self._ways_out)
        self._gate.check()

    def _reactors(self) -> tuple[Reactor, ...]:
        following: tuple[Reactor, ...] = (
            fetching.follow, vault.follow, receipts.follow, obligations.follow, requests.follow,
            word_notices.follow,
        )  # fmt: skip
        return (*following, time_stamps.follow) if self.settings.time_stamps.url else following

    def make_documents(self) -> DocumentsPort:
        """The port behind which DID documents come from."""
        rules = DidCacheRules(fresh_s=self.settings.did.fresh_s, stale_s=self.settings.did.stale_s)
        return Documents(DidResolver(self._egress, local=self.tenancy.document, rules=rules))

    def start(self) -> None:
        """Start the couriers and listen for other companies and for this one's own people."""
        disk_threads = ThreadPoolExecutor(DISK_THREADS_COUNT, thread_name_prefix="disk")
        streams = RunningStreams(LastingRights(self.node), lambda: now().now_ms, disk_threads)
        self.store.subscribe(streams.listen)
        sources = self._sources(disk_threads)
        caller = DataCaller(self.node, self._egress, streams, Prover(self.tenancy))
        supply = SupplyCourier(self.node, self.partners, self.waiter, caller, waiting_outside)
        handlers = self._handlers(streams, sources, disk_threads) | {
            DeliveryKind.SUPPLY: supply.deliver,
            DeliveryKind.SUPPLY_DATE: supply.come_due,
        }
        courier = Courier(self.node, handlers, self._turn_of)
        courier.start()
        teller = Teller(self.node)
        teller.start()
        purging = asyncio.create_task(self._purge())
        watching = asyncio.create_task(self.trust_lists.watch())
        self._closers += [courier.close, teller.close, _canceller(purging), _canceller(watching)]
        routes = [
            *ProtocolApi(self.node).routes(),
            *self._dcp_routes(),
            *self._data_routes(streams, sources, disk_threads),
        ]
        self._listen(
            self.bound,
            self.settings.protocol,
            Turns(Starlette(routes=routes), participant_of_protocol, self._queues),
        )
        runner = AppRunner(self.node, self._grants.app_folders, self.management_url)
        self._closers.append(runner.close)
        word_desk = WordDesk(self._signer_of, self._time_stamp_authority)
        parts = (
            self.node, self._gate, self.registry, self.partners, self.waiter, self.files, caller, runner,
            self.registry,
            self._trust_desk(),
            self.store,
            word_desk,
        )  # fmt: skip
        management = LazyApp("ashiato.api.management.app", app_builder(*parts))
        app_api = AppApi(self.node, self.files, sources, self.waiter, AppWords(self.node, word_desk, KINDS))
        doors = TwoDoors(management, app_api.app())
        self._listen(
            self.management_bound,
            self.settings.management,
            Turns(doors, participant_of_management, self._queues),
        )

    def _turn_of(self, participant_id: str) -> AbstractAsyncContextManager[None]:
        tenant = self.tenancy.by_id(participant_id)
        return self._queues.turn(tenant.slug if tenant is not None else participant_id)

    def _listen(self, bound: socket.socket, settings: ListenerSettings, app: ASGIApp) -> None:
        self._listeners.append(Listener(bound, settings, app, self.settings.limits.connections_count))

    def _handlers(
        self, streams: RunningStreams, sources: AssetSources, disk_threads: ThreadPoolExecutor
    ) -> dict[DeliveryKind, Handler]:
        prover = Prover(self.tenancy)
        ender = Ender(self.node, self._egress)
        pull = PullMeans(
            node=self.node,
            egress=self._egress,
            files=self.files,
            streams=streams,
            threads=disk_threads,
            prover=prover,
        )
        push = PushMeans(
            node=self.node,
            egress=self._egress,
            sources=sources,
            streams=streams,
            threads=disk_threads,
            prover=prover,
        )
        notices = notice_courier(self.node, self._egress, lambda owner: self.tenancy.keys[owner])
        webhooks = WebhookCourier(self.node, self._ways_out.of, lambda owner: self.tenancy.keys[owner])
        return stamping(self.settings.time_stamps, self.node, self._ways_out) | {
            DeliveryKind.MESSAGE: Messenger(self.node, self._egress).deliver,
            DeliveryKind.PULL: Puller(pull).deliver,
            DeliveryKind.PUSH: Pusher(push).deliver,
            DeliveryKind.WEBHOOK: webhooks.deliver,
            DeliveryKind.ISSUANCE: IssuanceCourier(
                self.node, self._egress, self._documents, self.tokens, self._signer_of
            ).deliver,
            DeliveryKind.RECEIPTS: ReceiptCourier(self.node, self._egress, self._documents).deliver,
            DeliveryKind.OBLIGATION: ObligationCourier(self.node).deliver,
            DeliveryKind.NOTICE: notices.deliver,
            DeliveryKind.EXPIRY: ender.expire,
            DeliveryKind.ENDING: ender.notify,
            DeliveryKind.ERASE: Eraser(self.node, self.files, disk_threads).deliver,
            DeliveryKind.INDEX: Indexer(self.node).deliver,
        }

    def _time_stamp_authority(self) -> "TimeStampAuthority | None":
        return time_stamp_authority(self.settings.time_stamps, self._ways_out)

    def _signer_of(self, participant_id: str) -> Signer:
        return self.tenancy.signer_of(participant_id)()

    def _dcp_routes(self) -> list[BaseRoute]:
        means = DcpMeans(self.node, self.tokens, self._documents, self.tenancy.document, self._signer_of)
        return [*credential_service.routes(means), *IssuerApi(means).routes()]

    async def serve(self) -> None:
        """Serve until `stop`."""
        await asyncio.gather(*(listener.serve() for listener in self._listeners))

    def stop(self) -> None:
        """Let running requests end within their grace."""
        for listener in self._listeners:
            listener.stop()

    async def close(self) -> None:
        """Stop couriers and store, the last opened first."""
        for close in reversed(self._closers):
            await close()

    def _passphrase(self) -> bytes | None:
        reference = self.settings.store.key_passphrase
        return resolve_secret(reference).encode() if reference else None

    def _egress_rules(self) -> EgressRules:
        management_port = self.management_bound.getsockname()[1]
        return EgressRules(
            unsafe_allow_loopback=self.settings.unsafe_allow_loopback,
            own_ports=frozenset({management_port}),
        )

    def _identity(self, tokens: SignedTokens) -> Identity:
        """Who calls, by the mode of the settings."""
        trust = self.settings.trust
        changes = Changes(self.store, self.tenancy, now)
        self.trust_lists = trust_list_book(trust, self._egress, self._documents, self.store, changes, now)
        if trust.mode == TOKENS:
            return tokens
        return presented_credentials(
            trust,
            tokens,
            self.trust_lists,
            store=self.store,
            egress=self._egress,
            documents=self._documents,
            tenancy=self.tenancy,
            changes=changes,
            moment=now,
        )

    def _own_credentials(self, identity: Identity) -> OwnCredentials | None:
        if not isinstance(identity, PresentedCredentials):
            return None
        return OwnCredentials(identity.peers.judge, self.settings.trust.presentation_fresh_s)

    def _trust_desk(self) -> TrustDesk:
        identity = self.node.identity
        peers = identity.peers if isinstance(identity, PresentedCredentials) else None
        return TrustDesk(self.settings.trust, self.trust_lists, peers, self._describer)

    def _make_describer(self) -> Describer:
        node_id = self.settings.node_id or self.public_url
        instance = Instance(
            program=f"ashiato {version('ashiato')}",
            node_id_sha256=hashlib.sha256(node_id.encode()).hexdigest(),
            protocols=f"dataspace-protocol {wire.VERSION}, decentralized-claims-protocol 1.0",
        )
        return Describer(self.node, lambda owner: self.tenancy.signer_of(owner)(), instance)

    def _sources(self, disk_threads: ThreadPoolExecutor) -> AssetSources:
        return AssetSources(
            store=self.store,
            egress_of=self._ways_out.of,
            secrets=self._grants.secrets,
            folders=self._grants.folders,
            disk_threads=disk_threads,
            sql_threads=ThreadPoolExecutor(SQL_THREADS_COUNT, thread_name_prefix="sql"),
            clock_ms=lambda: now().now_ms,
            desk=SupplyDesk(self.node, self.store),
        )

    def _data_routes(
        self, streams: RunningStreams, sources: AssetSources, disk_threads: ThreadPoolExecutor
    ) -> list[BaseRoute]:
        limits = self.settings.limits
        doorkeeper = Doorkeeper(
            self.node,
            self.tenancy.own_document,
            Possession(self._documents),
            requires_proof=not self.settings.unsafe_bearer_tokens,
        )
        inbox = InboxMeans(
            node=self.node,
            doorkeeper=doorkeeper,
            files=self.files,
            uploads=streams,
            threads=disk_threads,
            settings=InboxSettings(most_pushed_bytes=limits.pushed_data_bytes),
        )
        data = DataApi(self.node, doorkeeper, sources, streams, DataSettings())
        receipt_api = ReceiptApi(self.node, lambda owner: self.tenancy.signer_of(owner)())
        self_descriptions = SelfDescriptionApi(self.node, self._describer)
        texts = ContractTextApi(self.node)
        return [
            *data.routes(), *InboxApi(inbox).routes(), *receipt_api.routes(), *self_descriptions.routes(),
            *texts.routes(),
            *self._witness_routes(),
        ]  # fmt: skip

    def _witness_routes(self) -> list[BaseRoute]:
        texts = self.settings.witness.logs
        if not texts:
            return []
        # Loaded on first use: most connectors witness no log.
        from ashiato.api.witness import WitnessApi
        from ashiato.wiring.note_keys import WitnessKeyRing, key_in, log_keys

        path = Path(self.settings.store.directory) / "witness-key.pem"
        ring = WitnessKeyRing(key_in(path, self._passphrase()), self.public_url)
        return WitnessApi(self.node, log_keys(texts, "witness.logs"), ring.of).routes()

    async def _purge(self) -> None:
        while True:
            await asyncio.sleep(PURGE_EVERY_S)
            try:
                await self.registry.catch_up()
                await self.registry.write_down_documents()
                now_ms = now().now_ms
                await self.store.purge_expired(now_ms)
                await self.store.purge_presentations(now_ms - self.settings.trust.presentation_stale_s * 1000)
            except Exception:
                # What is not forgotten now is forgotten at the next turn.
                log.exception("expired tokens were not forgotten")


def _canceller(task: asyncio.Task[None]) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    return close
