"""A connector program in one process: real store, protocol, couriers and management API; only the network is inside it."""

import asyncio
import hashlib
import threading
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import httpx2
import msgspec
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from starlette.applications import Starlette

from ashiato.api.contract_texts import ContractTextApi
from ashiato.api.management.app import create_app
from ashiato.api.management.gate import Gate, KeyList, key_sha256
from ashiato.api.management.ports import DidChange, KeyShown
from ashiato.api.protocol import BASE, ProtocolApi
from ashiato.api.self_descriptions import Describer, SelfDescriptionApi
from ashiato.api.turns import Queues
from ashiato.clients.egress import Egress, EgressResponse, Unreachable
from ashiato.clients.trust_lists import LoadedTrustList, TrustListSource
from ashiato.connector import data_receipt, fetching, obligations, vault
from ashiato.connector.company import Company
from ashiato.connector.data_access import AccessOutcome
from ashiato.connector.data_address import TokenDoor
from ashiato.connector.describing import Instance
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import Moment, Store, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.strategies import Automatic
from ashiato.couriers.calling import DataCaller
from ashiato.couriers.delivering import Courier, Outcome, Verdict
from ashiato.couriers.ending import Ender
from ashiato.couriers.erasing import Eraser
from ashiato.couriers.lasting_rights import LastingRights
from ashiato.couriers.messaging import Messenger
from ashiato.couriers.partners import Partners
from ashiato.couriers.running_apps import AppRunner
from ashiato.couriers.streaming import RunningStreams
from ashiato.couriers.waiting import Waiter
from ashiato.dsp import v2025_1 as wire
from ashiato.identity.judging import JudgedCredential, Judgement
from ashiato.identity.signed_tokens import CannotResolve, SignedTokens
from ashiato.identity.standings import Known
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.stores.engine import open_store
from ashiato.stores.keys import open_safe
from ashiato.stores.received_files import ReceivedFolder
from ashiato.trust.did import DidDocument, Service, did_document, parse_did_document
from ashiato.trust.jws import sign_compact
from ashiato.trust.key_life import CannotEndKey, KeyLife, retired, rotated, state_of
from ashiato.trust.keys import KeyKind, SigningKey
from ashiato.trust.signing import LocalSigner
from ashiato.trust.trust_list import (
    RecognizedList,
    TrustedIssuer,
    TrustListContent,
    own_trust_list,
)

ROOT = "https://connector.test"
OPERATOR_KEY = "operator-key-0123456789abcdef0123456789"
SLUGS = ("maker", "cells")


def did_of(slug: str) -> str:
    return f"did:web:{slug}.example"


def key_of(slug: str) -> str:
    return f"participant-key-of-{slug}-0123456789abcdef"


class Companies:
    """The tenants of the program and, as `TenantAdmin`, the way to make more of them."""

    def __init__(self, keys: KeyList) -> None:
        self._keys = keys
        self._tenants: dict[str, Tenant] = {}
        self.signing_keys: dict[str, SigningKey] = {}
        self.documents: dict[str, DidDocument] = {}

    def by_slug(self, slug: str) -> Tenant | None:
        return self._tenants.get(slug)

    def by_id(self, participant_id: str) -> Tenant | None:
        return next((tenant for tenant in self.all() if tenant.participant_id == participant_id), None)

    def all(self) -> list[Tenant]:
        return list(self._tenants.values())

    async def add(self, slug: str, name: str, did: str | None, api_key_sha256: str) -> Tenant:
        own_did = did or did_of(slug)
        if slug in self._tenants or own_did in self.documents:
            raise WrongState(f"{own_did} exists already.", did=own_did)
        tenant = self.serve(slug, name, own_did)
        self._keys.add(slug, api_key_sha256)
        return tenant

    async def suspend(self, slug: str) -> None:
        self._tenants.pop(slug)
        self._keys.remove(slug)

    def serve(self, slug: str, name: str, did: str) -> Tenant:
        key = SigningKey(f"{did}#key-1", ec.generate_private_key(ec.SECP256R1()))
        root_url = f"{ROOT}/{slug}"
        service = Service(f"{did}#connector", "DataService", f"{root_url}/{wire.VERSIONS_PATH}")
        described = Service(f"{did}#self-description", "SelfDescription", f"{root_url}/self-description")
        texts = Service(f"{did}#contract-texts", "ContractTexts", f"{root_url}/contract-texts")
        document = did_document(did, [key.verification_key()], [service, described, texts])
        self.signing_keys[did] = key
        self.documents[did] = parse_did_document(document, did)
        company = Company(
            participant_id=did,
            callback_address=f"{root_url}/{BASE}",
            wire=wire,
            strategy=Automatic(),
            data_door=TokenDoor(data_url=f"{root_url}/data", inbox_url=f"{root_url}/inbox", key=lambda: key),
            vet_address=vet_address,
            vet_own_address=vet_address,
            reactors=(fetching.follow, vault.follow, obligations.follow),
        )
        tenant = Tenant(slug, name, company, root_url, document, is_issuer=True)
        self._tenants[slug] = tenant
        return tenant

    async def resolve(self, did: str, now_ms: int, *, needs_kid: str | None = None) -> DidDocument:
        if did not in self.documents:
            raise CannotResolve(f"there is no {did}", is_temporary=False)
        return self.documents[did]


class Quill:
    """Signs words for whoever has a key here; nobody stamps the hour."""

    def __init__(self, companies: Companies) -> None:
        self._companies = companies

    async def sign(self, participant_id: str, typ: str, body: bytes) -> str:
        return sign_compact(self._companies.signing_keys[participant_id], typ, body)

    async def stamp(self, compact: str, moment: Moment) -> str:
        return ""


class Cabinet:
    """Keys that sign nothing, each participant's by the real rules of their life; the log of documents stays empty."""

    def __init__(self) -> None:
        self._lives: dict[str, tuple[KeyLife, ...]] = {}

    async def keys(self, participant_id: str) -> list[KeyShown]:
        now_ms = moment().now_ms
        lives = self._lives.setdefault(participant_id, (KeyLife(kid=f"{participant_id}#key-1"),))
        return [
            KeyShown(
                name=life.kid.partition("#")[2],
                kind="P-256",
                state=state_of(lives, life, now_ms),
                certificates_count=0,
                **msgspec.structs.asdict(life),
            )
            for life in lives
        ]

    async def rotate_key(
        self, participant_id: str, actor: str, kind: KeyKind, overlap_s: int | None, keep_s: int | None
    ) -> list[KeyShown]:
        now_ms = moment().now_ms
        number = len(await self.keys(participant_id)) + 1
        new = KeyLife(
            kid=f"{participant_id}#key-{number}", created_ms=now_ms, signs_from_ms=now_ms + (overlap_s or 0)
        )
        self._lives[participant_id] = rotated(self._lives[participant_id], new, keep_ms=1000 * (keep_s or 0))
        return await self.keys(participant_id)

    async def retire_key(self, participant_id: str, actor: str, name: str) -> list[KeyShown]:
        if name not in [key.name for key in await self.keys(participant_id)]:
            raise NotFound(f"There is no key {name}.", id=name)
        try:
            self._lives[participant_id] = retired(
                self._lives[participant_id], f"{participant_id}#{name}", moment().now_ms
            )
        except CannotEndKey as error:
            raise WrongState(str(error)) from None
        return await self.keys(participant_id)

    async def revoke_key(self, participant_id: str, actor: str, name: str) -> list[KeyShown]:
        return await self.retire_key(participant_id, actor, name)

    async def bind_certificates(
        self, participant_id: str, actor: str, name: str, pem: bytes
    ) -> list[KeyShown]:
        if name not in [key.name for key in await self.keys(participant_id)]:
            raise NotFound(f"There is no key {name}.", id=name)
        if pem:
            raise Invalid("These certificates cannot be bound.")
        return await self.keys(participant_id)

    async def did_changes(
        self, participant_id: str, after_sequence: int, limit_count: int
    ) -> list[DidChange]:
        return []


def vet_address(address: str) -> None:
    if "169.254." in address or "localhost" in address:
        raise Invalid(f"This connector does not call {address!r}.", path="callbackAddress")


class InnerNetwork:
    """An egress whose only host is this program. `is_down` makes it refuse every connection."""

    def __init__(self) -> None:
        self.app: Starlette | None = None
        self.is_down = False
        self.requests_count = 0

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        timeout_s: float | None = None,
        max_response_bytes: int = 1_048_576,
    ) -> EgressResponse:
        self.requests_count += 1
        if self.is_down or not url.startswith(ROOT) or self.app is None:
            raise Unreachable(url, "nothing listens there")
        content = body if isinstance(body, bytes) else None
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app)) as client:
            response = await client.request(method, url, headers=dict(headers or {}), content=content)
        return EgressResponse(response.status_code, response.headers, response.content)


class Puller:
    """Takes the data of a pull from memory: the bytes of each asset, as if the provider had sent them."""

    def __init__(self, node: Node, files: ReceivedFolder, contents: dict[str, bytes]) -> None:
        self._node = node
        self._files = files
        self._contents = contents

    async def deliver(self, delivery: Delivery) -> Outcome:
        tenant = self._node.tenants.by_id(delivery.participant_id)
        own_pid = delivery.body.decode()
        transfer = await self._node.store.read(
            delivery.participant_id, lambda uow: data_receipt.expected(uow, own_pid)
        )
        if transfer is None or tenant is None:
            return Outcome(verdict=Verdict.DONE)
        moment = self._node.moment()
        agreement = await self._node.store.read(
            delivery.participant_id, lambda uow: uow.contracts.agreement(transfer.agreement_id)
        )
        body = self._contents[agreement.asset_id if agreement else ""]
        file_name = own_pid.rpartition(":")[2]
        part = self._files.part(delivery.participant_id, own_pid)
        part.append(body)
        part.finish(file_name)
        part.close()
        sha256 = hashlib.sha256(body).hexdigest()
        landed = data_receipt.Landed(
            file_name=file_name, media_type="application/json", size_bytes=len(body), sha256=sha256
        )
        attempt = data_receipt.Attempt(
            access_id=moment.fresh_id(),
            method="GET",
            range_start_bytes=0,
            received_bytes=len(body),
            sha256=sha256,
            outcome=AccessOutcome.COMPLETE,
            started_ms=moment.now_ms,
        )
        company = tenant.company

        def record(uow: UnitOfWork) -> None:
            data_receipt.take(uow, company, own_pid, landed, attempt, moment)

        return Outcome(verdict=Verdict.DONE, record=record)


async def push_nothing(_: Delivery) -> Outcome:
    """A pushed transfer stays open: nobody sends in this program."""
    return Outcome(verdict=Verdict.DONE)


@dataclass
class Program:
    """The running program and what a test may reach into."""

    app: FastAPI
    node: Node
    store: Store
    companies: Companies
    network: InnerNetwork
    files: ReceivedFolder
    gate: Gate
    contents: dict[str, bytes] = field(default_factory=dict)

    @asynccontextmanager
    async def client(self, key: str | None) -> AsyncIterator[httpx2.AsyncClient]:
        """A client that sends this key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        transport = httpx2.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://management.test", headers=headers
        ) as client:
            yield client


def moment() -> Moment:
    return Moment(time.time_ns() // 1_000_000, lambda: str(uuid.uuid4()))


class SettledTrust:
    """The port `TrustDesk` with one list and one partner of whose two credentials one counts."""

    mode: Literal["tokens", "dcp"] = "dcp"
    scopes: Sequence[str] = ("org.eclipse.dspace.dcp.vc.type:MembershipCredential:read",)
    required: Sequence[str] = ()
    hub = "did:web:hub.example"

    def __init__(self, describer: Describer) -> None:
        self._describer = describer
        self._known = {(did_of("maker"), did_of("cells")), (did_of("cells"), did_of("maker"))}

    def lists(self, tenant: Tenant) -> list[LoadedTrustList]:
        """One list."""
        content = TrustListContent(
            publisher=self.hub,
            number=7,
            issued="2025-01-01T00:00:00Z",
            expires="2099-01-01T00:00:00Z",
            issuers=(TrustedIssuer(self.hub, ("MembershipCredential",), {"location": ("JP",)}),),
            recognized=(RecognizedList("did:web:other.example", ("RoleCredential",)),),
        )
        return [LoadedTrustList(TrustListSource(self.hub, file="list.jwt"), own_trust_list(content))]

    async def partner(self, tenant: Tenant, partner_id: str, now_ms: int) -> Known | None:
        """The two companies of the program know each other."""
        if (tenant.participant_id, partner_id) not in self._known:
            return None
        judged = (
            JudgedCredential(types=("MembershipCredential",), issuer=self.hub),
            JudgedCredential(types=("RoleCredential",), issuer=self.hub, why="the credential is revoked"),
        )
        return Known(1_000, Judgement(credentials=judged), None)

    async def self_description(self, tenant: Tenant, moment: Moment) -> Sequence[str]:
        """What the real one says."""
        return await self._describer.of_participant(tenant, moment)

    async def forget(self, tenant: Tenant, partner_id: str, now_ms: int) -> None:
        """From now on nothing is known."""
        self._known.discard((tenant.participant_id, partner_id))


@asynccontextmanager
async def running_program(folder: Path, store_url: str | None = None) -> AsyncIterator[Program]:
    """The program with the participants `maker` and `cells`, on a SQLite store below `folder` unless told otherwise."""
    keys = KeyList({slug: [key_sha256(key_of(slug))] for slug in SLUGS})
    companies = Companies(keys)
    for slug in SLUGS:
        companies.serve(slug, slug.capitalize(), did_of(slug))
    store = await open_store(store_url or f"sqlite:///{folder}/connector.db", "node")
    node = Node(store, SignedTokens(companies, companies.signing_keys), companies, moment)
    network = InnerNetwork()
    egress = cast(Egress, network)
    describer = Describer(
        node, lambda did: LocalSigner(companies.signing_keys[did]), Instance("ashiato", "00", "dsp")
    )
    network.app = Starlette(
        routes=[
            *ProtocolApi(node).routes(),
            *SelfDescriptionApi(node, describer).routes(),
            *ContractTextApi(node).routes(),
        ]
    )
    files = ReceivedFolder(folder / "received", open_safe(folder / "keys.json"))
    contents: dict[str, bytes] = {}
    disk_threads = ThreadPoolExecutor(1)
    courier = Courier(
        node,
        {
            DeliveryKind.MESSAGE: Messenger(node, egress).deliver,
            DeliveryKind.PULL: Puller(node, files, contents).deliver,
            DeliveryKind.PUSH: push_nothing,
            DeliveryKind.EXPIRY: Ender(node, egress).expire,
            DeliveryKind.ENDING: Ender(node, egress).notify,
            DeliveryKind.ERASE: Eraser(node, files, disk_threads).deliver,
        },
        Queues().turn,
    )
    courier.start()
    gate = Gate(operator_key_hashes=[key_sha256(OPERATOR_KEY)], participant_keys=keys)
    gate.check()
    streams = RunningStreams(LastingRights(node), lambda: moment().now_ms, disk_threads)
    caller = DataCaller(node, egress, streams, None)
    runner = AppRunner(node, {}, "http://management.test")
    app = create_app(
        node,
        gate,
        companies,
        Partners(node, egress, companies),
        Waiter(store),
        files,
        caller,
        runner,
        Cabinet(),
        SettledTrust(describer),
        store,
        Quill(companies),
    )
    try:
        yield Program(app, node, store, companies, network, files, gate, contents)
    finally:
        await courier.close()
        await store.close()


@contextmanager
def served_program(folder: Path, store_url: str | None = None) -> Iterator[tuple[str, Program]]:
    """The same program behind a real HTTP server in a thread of its own: (URL, program)."""
    ready = threading.Event()
    found: dict[str, object] = {}

    async def serve() -> None:
        async with running_program(folder, store_url) as program:
            server = uvicorn.Server(
                uvicorn.Config(
                    program.app, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none"
                )
            )
            found["server"] = server
            serving = asyncio.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            found.update(url=f"http://127.0.0.1:{port}", program=program)
            ready.set()
            await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    if not ready.wait(30):
        raise TimeoutError("the program did not start within 30 s")
    try:
        yield str(found["url"]), cast(Program, found["program"])
    finally:
        cast(uvicorn.Server, found["server"]).should_exit = True
        thread.join(30)
