"""The holder, the issuer and the verifier under test: the product's own program, with what the kit expects at its edge."""

import argparse
import asyncio
import hashlib
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qsl

import aiohttp
import msgspec
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ashiato.api.protocol import BASE
from ashiato.connector.node import Tenant, Tenants
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.identity.issuing import CredentialType
from ashiato.identity.signed_tokens import Documents
from ashiato.identity.wallet import CredentialRequest, RequestState
from ashiato.trust.did import RELATIONS, DidDocument
from ashiato.trust.enveloping import Profile
from ashiato.trust.service_tokens import mint_service_token
from ashiato.trust.trust_list import TrustedIssuer, TrustListContent
from ashiato.wiring.listening import Listener, bind
from ashiato.wiring.program import Program
from ashiato.wiring.serving import configure_logs
from ashiato.wiring.settings import (
    DCP,
    ListenerSettings,
    ParticipantSettings,
    Settings,
    StoreSettings,
    TrustListSettings,
    TrustSettings,
)

ROLES = ("holder", "issuer", "verifier")
HOLDER_PID = "the-request-of-the-kit"
CREDENTIAL_TYPES = ("MembershipCredential", "SensitiveDataCredential")
MEMBERSHIP_SCOPE = "org.eclipse.dspace.dcp.vc.type:MembershipCredential:read"
MOST_CONNECTIONS_COUNT = 2_000


class Server(msgspec.Struct, frozen=True):
    """Where the three roles are, and the two addresses of the test itself."""

    dids: dict[str, str]
    sts_url: str
    trigger_url: str


class KitDocuments:
    """The kit's DID documents name their keys in no relation (DCP 1.0 demands them); here every key stands in all."""

    def __init__(self, inner: Documents, is_of_kit: frozenset[str]) -> None:
        self._inner = inner
        self._is_of_kit = is_of_kit

    async def resolve(self, did: str, now_ms: int, *, needs_kid: str | None = None) -> DidDocument:
        """See `Documents`."""
        document = await self._inner.resolve(did, now_ms, needs_kid=needs_kid)
        return completed(document) if did.split(":")[2] in self._is_of_kit else document


def completed(document: DidDocument) -> DidDocument:
    """The document with its keys in all relations."""
    keys = frozenset(document.methods)
    relations = MappingProxyType(dict.fromkeys(RELATIONS, keys))
    return DidDocument(document.did, document.methods, relations, document.services, document.method_count)


class PlainTenants:
    """The kit reads no DID document whose service entries carry a context of their own, as DSP 2025-1, 4.3 wants them."""

    def __init__(self, inner: Tenants) -> None:
        self._inner = inner

    def by_slug(self, slug: str) -> Tenant | None:
        """See `Tenants`."""
        return plain(self._inner.by_slug(slug))

    def by_id(self, participant_id: str) -> Tenant | None:
        """See `Tenants`."""
        return plain(self._inner.by_id(participant_id))

    def all(self) -> list[Tenant]:
        """See `Tenants`."""
        return self._inner.all()


def plain(tenant: Tenant | None) -> Tenant | None:
    """The tenant with a DID document whose service entries have no context."""
    if tenant is None:
        return None
    document = msgspec.json.decode(tenant.did_document)
    for service in document["service"]:
        service.pop("@context", None)
    return msgspec.structs.replace(tenant, did_document=msgspec.json.encode(document))


class ServerUnderTest(Program):
    """The product among the parties of the kit, which listen at `kit_ports`, one for each role of ours."""

    def __init__(self, settings: Settings, kit_ports: Mapping[str, int]) -> None:
        super().__init__(settings)
        self.kit_hosts = {role: f"127.0.0.1%3A{port}" for role, port in kit_ports.items()}

    def make_documents(self) -> Documents:
        """See `Program`."""
        return KitDocuments(super().make_documents(), frozenset(self.kit_hosts.values()))

    async def open(self) -> None:
        """See `Program`."""
        await super().open()
        self.node = msgspec.structs.replace(self.node, tenants=PlainTenants(self.tenancy))

    def did(self, slug: str) -> str:
        """The DID of a role of ours."""
        tenant = self.tenancy.by_slug(slug)
        assert tenant is not None
        return tenant.participant_id


class Edge:
    """What the specification leaves to each implementation: a token service for the holder, a trigger for the verifier."""

    def __init__(self, program: ServerUnderTest, session: aiohttp.ClientSession) -> None:
        self._program = program
        self._session = session

    def app(self) -> Starlette:
        """The two addresses."""
        return Starlette(
            routes=[
                Route("/sts/token", self._token, methods=["POST"]),
                Route("/trigger", self._trigger, methods=["POST"]),
            ]
        )

    async def _token(self, request: Request) -> Response:
        """An SI token of the holder, with the access token for the scopes that the kit names."""
        values = dict(parse_qsl((await request.body()).decode()))
        holder, moment = self._program.did("holder"), self._program.node.moment()
        access = mint_service_token(
            self._program.tenancy.keys[holder],
            bearer=values["audience"],
            scopes=values["bearer_access_scope"].split(),
            now_ms=moment.now_ms,
            token_id=moment.fresh_id(),
        )
        header = await self._program.tokens.token_with(
            holder, values["audience"], moment.now_ms, moment.fresh_id(), {"token": access}
        )
        return JSONResponse({"access_token": header.partition(" ")[2], "token_type": "Bearer"})

    async def _trigger(self, request: Request) -> Response:
        """A catalog request to the verifier, with the caller's own header: the kit's body is of no version of the protocol."""
        tenant = self._program.tenancy.by_slug("verifier")
        assert tenant is not None
        context = "https://w3id.org/dspace/2025/1/context.jsonld"
        body = {"@context": [context], "@type": "CatalogRequestMessage"}
        headers = {"Authorization": request.headers.get("authorization", "")}
        url = f"{tenant.root_url}/{BASE}/catalog/request"
        async with self._session.post(url, json=body, headers=headers) as response:
            return Response(await response.read(), response.status)


def seed_holder(uow: UnitOfWork, issuer: str, moment: Moment) -> None:
    """The request that the kit's credentials answer."""
    uow.wallet.asked.put(
        CredentialRequest(
            request_id=HOLDER_PID,
            issuer=issuer,
            credential_ids=CREDENTIAL_TYPES,
            state=RequestState.RECEIVED,
            created_ms=moment.now_ms,
            updated_ms=moment.now_ms,
        )
    )


def seed_issuer(uow: UnitOfWork) -> None:
    """The kit asks for every type of the older profile and waits for two credentials."""
    for type_ in uow.wallet.types.page("", 100):
        uow.wallet.types.delete(type_.type_id)
    for number, name in enumerate(CREDENTIAL_TYPES):
        uow.wallet.types.put(
            CredentialType(
                type_id=f"kit-{number}",
                credential_type=name,
                profile=Profile.VC11,
                can_be_suspended=False,
                unsafe_issue_to_anyone=True,
            )
        )


def trust_list(kit_port: int) -> bytes:
    """The kit's issuer, for the credential that its verifier asks for."""
    issuer = TrustedIssuer(f"did:web:127.0.0.1%3A{kit_port}:issuer", CREDENTIAL_TYPES[:1])
    content = TrustListContent(
        publisher="did:web:operator.example",
        number=1,
        issued="2026-01-01T00:00:00Z",
        expires="2099-01-01T00:00:00Z",
        issuers=(issuer,),
    )
    return msgspec.json.encode(content)


async def serve(settings: Settings, kit_ports: Mapping[str, int], ready: Path) -> None:
    """Serve until SIGTERM; `ready` tells where, once everything listens."""
    program = ServerUnderTest(settings, kit_ports)
    edge_settings = ListenerSettings()
    edge_bound = bind(edge_settings)
    async with aiohttp.ClientSession() as session:
        try:
            await program.open()
            moment = program.node.moment()
            issuer = f"did:web:{program.kit_hosts['holder']}:issuer"
            await program.store.run(program.did("holder"), lambda uow: seed_holder(uow, issuer, moment))
            await program.store.run(program.did("issuer"), seed_issuer)
            program.start()
            edge = Listener(edge_bound, edge_settings, Edge(program, session).app(), MOST_CONNECTIONS_COUNT)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, program.stop)
            loop.add_signal_handler(signal.SIGINT, program.stop)
            host, port = edge_bound.getsockname()
            base = f"http://{host}:{port}"
            told = Server({role: program.did(role) for role in ROLES}, f"{base}/sts", f"{base}/trigger")
            draft = ready.with_suffix(".new")
            draft.write_bytes(msgspec.json.encode(told))
            draft.replace(ready)
            serving = loop.create_task(edge.serve())
            await program.serve()
            edge.stop()
            await serving
        finally:
            await program.close()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True, help="the URL of an empty store")
    parser.add_argument("--ready", type=Path, required=True, help="the file that says when and where")
    parser.add_argument("--kit-ports", required=True, help="holder=PORT,issuer=PORT,verifier=PORT")
    given = parser.parse_args()
    ports = {role: int(port) for role, _, port in (one.partition("=") for one in given.kit_ports.split(","))}
    configure_logs()
    key = hashlib.sha256(secrets.token_bytes()).hexdigest()
    trusted = given.ready.parent / "trusted.json"
    trusted.write_bytes(trust_list(ports["verifier"]))
    settings = Settings(
        store=StoreSettings(url=given.store, directory=str(given.ready.parent)),
        trust=TrustSettings(
            mode=DCP,
            scopes=(MEMBERSHIP_SCOPE,),
            required_credentials=CREDENTIAL_TYPES[:1],
            # The kit presents something else in each test and expects to be asked each time.
            presentation_fresh_s=0,
            # The kit's credentials of the older data model lack the base type and the context.
            unsafe_loose_vc11=True,
            lists=(TrustListSettings(file=str(trusted)),),
        ),
        participants=tuple(
            ParticipantSettings(slug=role, api_key_sha256=(key,), issues_credentials=role == "issuer")
            for role in ROLES
        ),
        unsafe_allow_loopback=True,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, ports, given.ready))


if __name__ == "__main__":
    main()
