"""The connector under test: the product's own program with the kit's one partner, held back and driven by the script."""

import argparse
import asyncio
import hashlib
import secrets
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ashiato.api.protocol import BASE
from ashiato.clients.egress import Egress
from ashiato.connector import negotiations, offers, transfers
from ashiato.connector.node import Tenant
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import AgreementRecord, Asset, OfferDefinition, PolicyDefinition
from ashiato.dsp.states import Role
from ashiato.policy.identity import policy_hash
from ashiato.wiring.listening import Listener, bind
from ashiato.wiring.program import Program
from ashiato.wiring.serving import configure_logs
from ashiato.wiring.settings import (
    ListenerSettings,
    ParticipantSettings,
    Settings,
    StoreSettings,
)
from tests.tck import behaviour, kit, scenarios

SLUG = "under-test"
POLICY_ID = "P123"
INITIATING_REQUESTS_COUNT = 2_000


class ConnectorUnderTest(Program):
    """The product with the kit's header for an identity, and no way to a host that has a name."""

    async def open(self) -> None:
        """See `Program`."""
        await super().open()
        self.node = msgspec.structs.replace(self.node, identity=behaviour.KitIdentity())
        # The kit's data addresses name a public host. Nothing of a test may be sent there.
        self._egress = Egress(self._egress_rules(), resolve=_resolve_nothing)
        self._closers.append(self._egress.close)


async def _resolve_nothing(host: str) -> Sequence[str]:
    raise OSError(f"{host} is not looked up in a test")


class Initiator:
    """Where the kit tells the connector to open a negotiation or a transfer of its own, as a person would."""

    def __init__(self, program: Program, tenant: Tenant) -> None:
        self._program = program
        self._tenant = tenant

    def app(self) -> Starlette:
        """The two addresses."""
        return Starlette(
            routes=[
                Route("/negotiations", self._negotiation, methods=["POST"]),
                Route("/transfers", self._transfer, methods=["POST"]),
            ]
        )

    async def _negotiation(self, request: Request) -> Response:
        wanted, company, moment = await request.json(), self._tenant.company, self._program.node.moment()
        partner = negotiations.Partner(wanted["providerId"], wanted["connectorAddress"])
        offer = {"@id": wanted["offerId"], "target": wanted["datasetId"], **behaviour.RULES}
        await self._program.store.run(
            company.participant_id, lambda uow: negotiations.request(uow, company, partner, offer, moment)
        )
        return Response(status_code=204)

    async def _transfer(self, request: Request) -> Response:
        wanted, company, moment = await request.json(), self._tenant.company, self._program.node.moment()
        await self._program.store.run(
            company.participant_id,
            lambda uow: transfers.request(
                uow, company, wanted["agreementId"], wanted["format"], wanted["connectorAddress"], moment
            ),
        )
        return Response(status_code=204)


def seed(uow: UnitOfWork, participant_id: str, moment: Moment) -> None:
    """Offer the datasets of the kit, and remember an agreement for each of its transfers."""
    policy = PolicyDefinition(
        policy_id=POLICY_ID, document={"@id": POLICY_ID, "@type": "Set", **behaviour.RULES}
    )
    offers.put_policy(uow, policy, moment)
    asset_ids = offered_asset_ids()
    for asset_id in asset_ids:
        offers.put_asset(uow, Asset(asset_id=asset_id, title=asset_id, source={"kind": "record"}), moment)
    offer = OfferDefinition(offer_id=scenarios.OFFER_ID, contract_policy_id=POLICY_ID, asset_ids=asset_ids)
    offers.put_offer(uow, offer, moment)
    for agreement_id in scenarios.keys_of(scenarios.TRANSFERS_AS_PROVIDER):
        uow.contracts.put_agreement(_agreement(agreement_id, Role.PROVIDER, participant_id, moment))
    for agreement_id in scenarios.keys_of(scenarios.TRANSFERS_AS_CONSUMER):
        uow.contracts.put_agreement(_agreement(agreement_id, Role.CONSUMER, participant_id, moment))


def offered_asset_ids() -> tuple[str, ...]:
    """What the catalog holds; the last catalog test asks for a dataset that is not there."""
    return scenarios.keys_of([*scenarios.CATALOG[:-1], *scenarios.NEGOTIATIONS_AS_PROVIDER])


def _agreement(agreement_id: str, role: Role, participant_id: str, moment: Moment) -> AgreementRecord:
    asset_id = scenarios.key_of(scenarios.CATALOG[0])
    parties = (participant_id, scenarios.KIT_PARTICIPANT_ID)
    assigner, assignee = parties if role is Role.PROVIDER else reversed(parties)
    document: dict[str, object] = {
        "@id": agreement_id,
        "@type": "Agreement",
        "target": asset_id,
        "assigner": assigner,
        "assignee": assignee,
        "timestamp": "2026-01-01T00:00:00Z",
        **behaviour.RULES,
    }
    return AgreementRecord(
        agreement_id=agreement_id,
        role=role,
        peer_id=scenarios.KIT_PARTICIPANT_ID,
        asset_id=asset_id,
        negotiation_pid=f"seed-{agreement_id}",
        document=document,
        policy_hash=policy_hash(document),
        agreed_ms=moment.now_ms,
        finalized=True,
    )


async def serve(settings: Settings, ready: Path) -> None:
    """Serve until SIGTERM; `ready` tells where, once everything listens."""
    program = ConnectorUnderTest(settings, strategy=behaviour.Holding())
    initiating = ListenerSettings()
    initiating_bound = bind(initiating)
    try:
        await program.open()
        (tenant,) = program.tenancy.all()
        moment = program.node.moment()
        await program.store.run(tenant.participant_id, lambda uow: seed(uow, tenant.participant_id, moment))
        program.store.subscribe(behaviour.Script(program.node, tenant).listen)
        program.start()
        app = Initiator(program, tenant).app()
        initiator = Listener(initiating_bound, initiating, app, INITIATING_REQUESTS_COUNT)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, program.stop)
        loop.add_signal_handler(signal.SIGINT, program.stop)
        _tell(ready, tenant, initiating_bound)
        initiator_serving = loop.create_task(initiator.serve())
        await program.serve()
        initiator.stop()
        await initiator_serving
    finally:
        await program.close()


def _tell(ready: Path, tenant: Tenant, initiating: socket.socket) -> None:
    # Every socket is bound by now, so who connects early waits for the loop and is not refused.
    host, port = initiating.getsockname()
    address = kit.Connector(
        participant_id=tenant.participant_id,
        root=tenant.root_url,
        protocol=f"{tenant.root_url}/{BASE}",
        negotiation_initiate=f"http://{host}:{port}/negotiations",
        transfer_initiate=f"http://{host}:{port}/transfers",
        authorization=behaviour.AUTHORIZATION,
    )
    draft = ready.with_suffix(".new")
    draft.write_bytes(msgspec.json.encode(address))
    draft.replace(ready)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True, help="the URL of an empty store")
    parser.add_argument("--ready", type=Path, required=True, help="the file that says when and where")
    given = parser.parse_args()
    configure_logs()
    settings = Settings(
        store=StoreSettings(url=given.store, directory=str(given.ready.parent)),
        participants=(
            ParticipantSettings(
                slug=SLUG, api_key_sha256=(hashlib.sha256(secrets.token_bytes()).hexdigest(),)
            ),
        ),
        unsafe_allow_loopback=True,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, given.ready))


if __name__ == "__main__":
    main()
