"""Puts one hub together: store, keys, issuer service, listener for parties, listener for the operator."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ashiato.api.dcp import issuer_service
from ashiato.api.dcp.answering import DcpMeans
from ashiato.api.dcp.issuer_service import IssuerApi
from ashiato.api.hub.admission import OperatorAdmission, PartyAdmission
from ashiato.api.hub.app import operator_app, party_app
from ashiato.api.hub.health import HealthApi
from ashiato.api.hub.observing import HubMetrics, Observed
from ashiato.api.management.gate import Gate, KeyList
from ashiato.api.turns import waiting_outside
from ashiato.clients.did_web import DidCacheRules, DidResolver
from ashiato.clients.egress import EgressRules
from ashiato.clients.ways_out import WaysOut
from ashiato.connector.node import Node
from ashiato.connector.strategies import Automatic
from ashiato.couriers.delivering import Courier
from ashiato.couriers.issuing import IssuanceCourier
from ashiato.hub import registry
from ashiato.hub.node import Hub
from ashiato.hub.ports import ISSUER
from ashiato.identity import dcp_v1_0 as dcp
from ashiato.identity.callers import KnownCaller
from ashiato.identity.signed_tokens import Documents as DocumentsPort
from ashiato.identity.signed_tokens import NotAuthenticated, SignedTokens
from ashiato.outbox.deliveries import DeliveryKind
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.hub.rooms import HUB_CHAINS, hub_furnishing
from ashiato.stores.hub.upgrades import rehearse
from ashiato.stores.keys import open_safe
from ashiato.trust.did import Service, did_document
from ashiato.trust.keys import SigningKey
from ashiato.wiring.adapters import Documents
from ashiato.wiring.grants import Grants
from ashiato.wiring.hub_issuer import HubIssuer
from ashiato.wiring.hub_rooms import ROOMS, HubParts, HubRoom, RoomOpener
from ashiato.wiring.hub_settings import HubSettings, key_file_of
from ashiato.wiring.listening import Listener, bind, url_of
from ashiato.wiring.program import now
from ashiato.wiring.registry import Registry
from ashiato.wiring.settings import (
    BadSettings,
    LimitSettings,
    ListenerSettings,
    ParticipantSettings,
    resolve_secret,
)
from ashiato.wiring.tenancy import Identity, Tenancy, did_of

PURGE_EVERY_S = 300

log = structlog.get_logger()


class HubTenancy(Tenancy):
    """The hub as the one participant of its program: its DID document names what a hub has, and no connector."""

    def describe(self, identity: Identity, now_ms: int) -> bytes:
        """See `Tenancy`."""
        root_url = f"{self.public_url}/{identity.slug}"
        issuer = Service(
            f"{identity.did}#issuer",
            dcp.ISSUER_SERVICE,
            f"{root_url}/{issuer_service.BASE}",
            (dcp.CONTEXT,),
        )
        return did_document(
            identity.did, identity.ring.published(now_ms), [issuer], identity.ring.certificates()
        )


class AdmittedCallers(SignedTokens):
    """Who may ask the issuer service of the hub: an admitted party, and nobody whose application waits or who is suspended."""

    def __init__(self, documents: DocumentsPort, keys: Mapping[str, SigningKey], store: SqlStore) -> None:
        super().__init__(documents, keys)
        self._store = store

    async def authenticate(self, participant_id: str, authorization: str | None, now_ms: int) -> KnownCaller:
        """See `SignedTokens`."""
        caller = await super().authenticate(participant_id, authorization, now_ms)
        standing = await self._store.read(
            caller.participant_id, lambda uow: registry.standing_of(uow, caller.participant_id)
        )
        if standing is None:
            raise NotAuthenticated("it is no admitted party of this hub")
        return caller


class Passage:
    """Raw routes first, then the application of described routes: an address belongs to one of them."""

    def __init__(self, raw: Sequence[BaseRoute], described: ASGIApp) -> None:
        self._raw = Starlette(routes=list(raw))
        self._described = described

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_raw = scope["type"] != "http" or any(
            route.matches(scope)[0] is not Match.NONE for route in self._raw.routes
        )
        await (self._raw if is_raw else self._described)(scope, receive, send)


class HubProgram:
    """A running hub. `open` it, `start` it, `serve` it, `close` it."""

    def __init__(self, settings: HubSettings, rooms: Sequence[RoomOpener] = ROOMS) -> None:
        self.settings = settings
        self._openers = rooms
        self.bound = bind(settings.public)
        self.operator_bound = bind(settings.operator)
        self.public_url = settings.public.public_url or url_of(self.bound, settings.public)
        self.operator_url = url_of(self.operator_bound, settings.operator)
        self.hub_id = did_of(self.public_url, settings.slug)
        self.store: SqlStore
        self.hub: Hub
        self._is_stopping = False
        self._metrics = HubMetrics(version("ashiato"))
        self._rooms: list[HubRoom] = []
        self._gate: Gate
        self._listeners: list[Listener] = []
        self._closers: list[Callable[[], Awaitable[None]]] = []

    async def open(self) -> None:
        """Open the store and put everything together; nothing is served yet."""
        settings = self.settings
        self._gate = Gate(operator_key_hashes=settings.operator.operator_key_sha256)
        directory = Path(settings.store.directory)
        await asyncio.to_thread(directory.mkdir, mode=0o700, parents=True, exist_ok=True)
        passphrase = settings.store.key_passphrase
        safe = open_safe(key_file_of(settings), resolve_secret(passphrase).encode() if passphrase else None)
        await asyncio.to_thread(rehearse, settings.store.url, HUB_CHAINS)
        self.store = await open_store(
            settings.store.url,
            settings.node_id or self.public_url,
            hub_furnishing(self.hub_id, {ISSUER.name: HubIssuer}),
        )
        self._closers.append(self.store.close)
        self._ways_out = WaysOut(self._egress_rules(), waiting_outside)
        self._closers.append(self._ways_out.close)
        self._tenancy = self._make_tenancy()
        rules = DidCacheRules(fresh_s=settings.did.fresh_s, stale_s=settings.did.stale_s)
        resolver = DidResolver(self._ways_out.public, local=self._tenancy.document, rules=rules)
        self._documents = Documents(resolver)
        self.tokens = SignedTokens(self._documents, self._tenancy.keys)
        self.node = Node(self.store, self.tokens, self._tenancy, now, self._documents, None)
        grants = Grants(self._ways_out)
        keys = KeyList({})
        self._registry = Registry(
            self.store,
            safe,
            self._tenancy,
            self.public_url,
            now,
            grants,
            keys.add,
            keys.remove,
            settings.keys,
        )
        strange = [one for one in await self.store.participants() if one.participant_id != self.hub_id]
        if strange:
            raise BadSettings(
                f"The store is that of the hub {strange[0].participant_id}; its DID cannot change to {self.hub_id}."
            )
        own = ParticipantSettings(
            slug=settings.slug, name=settings.name, did=self.hub_id, issues_credentials=True
        )
        await self._registry.load((own,))
        self.store.subscribe(self._registry.follow)
        signer = self._tenancy.signer_of(self.hub_id)
        self.hub = Hub(self.hub_id, self.store, self.tokens, now, signer)
        parts = HubParts(self.hub, settings, self._ways_out, self._metrics)
        for opener in self._openers:
            room = await opener(parts)
            self._rooms.append(room)
            if room.close is not None:
                self._closers.append(room.close)

    def start(self) -> None:
        """Start the couriers and listen."""
        issuance = IssuanceCourier(
            self.node,
            self._ways_out.public,
            self._documents,
            self.tokens,
            lambda owner: self._tenancy.signer_of(owner)(),
        )
        courier = Courier(self.node, {DeliveryKind.ISSUANCE: issuance.deliver}, _no_turns)
        courier.start()
        purging = asyncio.create_task(self._purge())
        self._closers += [courier.close, _canceller(purging)]
        services = {kind: service for room in self._rooms for kind, service in room.services.items()}
        health = HealthApi(self.hub, self._metrics, lambda: self._is_stopping)
        public = Passage(
            [
                *health.routes(),
                *self._protocol_routes(),
                *(route for room in self._rooms for route in room.routes),
            ],
            party_app(self.hub, services),
        )
        self._listen(self.bound, self.settings.public, PartyAdmission(public, self.hub))
        metrics_keys = (
            *self.settings.operator.metrics_key_sha256,
            *self.settings.operator.operator_key_sha256,
        )
        operator = Passage(
            [
                *health.operator_routes(),
                *(route for room in self._rooms for route in room.operator_routes),
            ],
            operator_app(self.hub, services),
        )
        admitted = OperatorAdmission(operator, self._gate, Gate(operator_key_hashes=metrics_keys), self.hub)
        self._listen(self.operator_bound, self.settings.operator, admitted)

    async def serve(self) -> None:
        """Serve until `stop`."""
        await asyncio.gather(*(listener.serve() for listener in self._listeners))

    def stop(self) -> None:
        """Let running requests end within their grace."""
        self._is_stopping = True
        for listener in self._listeners:
            listener.stop()

    async def close(self) -> None:
        """Stop rooms, couriers and store, the last opened first."""
        for close in reversed(self._closers):
            await close()

    def _make_tenancy(self) -> HubTenancy:
        return HubTenancy(
            self.public_url,
            "",
            self._ways_out,
            Automatic(),
            (),
            LimitSettings(),
            lambda: now().now_ms,
        )

    def _protocol_routes(self) -> list[BaseRoute]:
        tokens = AdmittedCallers(self._documents, self._tenancy.keys, self.store)
        means = DcpMeans(
            self.node,
            tokens,
            self._documents,
            self._tenancy.document,
            lambda owner: self._tenancy.signer_of(owner)(),
        )
        return [
            Route(f"/{self.settings.slug}/did.json", self._did_document, methods=["GET"]),
            *IssuerApi(means).routes(),
        ]

    async def _did_document(self, _: Request) -> Response:
        tenant = self._tenancy.by_slug(self.settings.slug)
        if tenant is None:
            return Response(status_code=404)
        return Response(tenant.did_document, media_type="application/did+json")

    def _listen(self, bound: socket.socket, settings: ListenerSettings, app: ASGIApp) -> None:
        observed = Observed(app, self._metrics, lambda: now().fresh_id())
        self._listeners.append(Listener(bound, settings, observed, self.settings.connections_count))

    def _egress_rules(self) -> EgressRules:
        return EgressRules(
            unsafe_allow_loopback=self.settings.unsafe_allow_loopback,
            own_ports=frozenset({self.operator_bound.getsockname()[1]}),
        )

    async def _purge(self) -> None:
        while True:
            await asyncio.sleep(PURGE_EVERY_S)
            try:
                await self._registry.catch_up()
                await self._registry.write_down_documents()
                await self.store.purge_expired(now().now_ms)
            except Exception:
                # What is not forgotten now is forgotten at the next turn.
                log.exception("expired tokens were not forgotten")


def _no_turns(_: str) -> AbstractAsyncContextManager[None]:
    return nullcontext()


def _canceller(task: asyncio.Task[None]) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    return close
