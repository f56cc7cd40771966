"""The management API as one ASGI application."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from ashiato.api.management import answers, openapi
from ashiato.api.management.addresses import OPENAPI_PATH
from ashiato.api.management.admission import Admission
from ashiato.api.management.calls import Surroundings
from ashiato.api.management.gate import Gate
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
from ashiato.api.management.routes import (
    apps,
    backgrounds,
    built,
    carbon,
    chain,
    contracts,
    fetching,
    footprints,
    issuing,
    keys,
    negotiating,
    offering,
    operating,
    papers,
    reading,
    recording,
    requests,
    rights,
    texts,
    transferring,
    trusting,
    vaulting,
    visits,
    wallet,
)
from ashiato.clients.backgrounds.working import BackgroundProcesses
from ashiato.clients.workbooks.reading import WorkbookProcess
from ashiato.connector.node import Node
from ashiato.connector.words import WordSigner
from ashiato.supply.ports import SupplyStore

API_VERSION = "1.0.0"
# The operator's routes come before those of a participant, whose slug could otherwise be "participants".
ROUTERS = (
    operating.health_router,
    operating.router,
    offering.router,
    # Before the agreements, of whose ids `decision` is no part.
    rights.router,
    trusting.router,
    contracts.router,
    papers.router,
    texts.router,
    negotiating.router,
    # Before the acts on a transfer, of which `data` is none.
    reading.router,
    vaulting.router,
    apps.router,
    transferring.router,
    fetching.router,
    requests.router,
    wallet.router,
    issuing.router,
    recording.router,
    chain.router,
    built.router,
    carbon.router,
    visits.router,
    backgrounds.router,
    footprints.router,
    operating.own_router,
    keys.router,
)


def create_app(
    node: Node,
    gate: Gate,
    tenants_admin: TenantAdmin,
    partner_client: PartnerClient,
    waiter: Waiter,
    received_files: ReceivedFiles,
    data_caller: DataCaller,
    app_runner: AppRunner,
    key_admin: KeyAdmin,
    trust_desk: TrustDesk,
    supply_store: SupplyStore,
    word_signer: WordSigner,
) -> FastAPI:
    """The application; call `gate.check()` before it is served."""
    app = FastAPI(
        title="Ashiato management API",
        version=API_VERSION,
        openapi_url=OPENAPI_PATH,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        middleware=[Middleware(Admission, gate=gate, node=node)],
    )
    app.state.surroundings = Surroundings(
        node,
        tenants_admin,
        partner_client,
        waiter,
        received_files,
        data_caller,
        app_runner,
        key_admin,
        trust_desk,
        supply_store,
        WorkbookProcess(),
        BackgroundProcesses(),
        word_signer,
    )
    answers.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.state.routes = [route for router in ROUTERS for route in router.routes]

    def document() -> dict[str, Any]:
        return openapi.document(app)

    app.openapi = document  # type: ignore[method-assign]  # the framework's own way to replace its document
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
