"""Whether the hub lives, whether it can work, and its figures."""

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ashiato.api.hub.addresses import HEALTH_PATH, METRICS_PATH, READY_PATH
from ashiato.api.hub.observing import HubMetrics
from ashiato.hub.node import Hub
from ashiato.hub.onboarding import PartyState
from ashiato.hub.ports import PARTIES
from ashiato.stores.errors import StoreUnavailable

HEALTH_LANE = "health"
_FIRST_COUNT = 1


class HealthApi:
    """The routes of both listeners; `is_stopping` takes the hub out of the turn of a load balancer before it stops."""

    def __init__(self, hub: Hub, metrics: HubMetrics, is_stopping: Callable[[], bool]) -> None:
        self._hub = hub
        self._metrics = metrics
        self._is_stopping = is_stopping

    def routes(self) -> list[Route]:
        """Of either listener."""
        return [
            Route(HEALTH_PATH, self._health, methods=["GET"]),
            Route(READY_PATH, self._ready, methods=["GET"]),
        ]

    def operator_routes(self) -> list[Route]:
        """Of the operator's listener alone."""
        return [*self.routes(), Route(METRICS_PATH, self._figures, methods=["GET"])]

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "hub": self._hub.hub_id})

    async def _ready(self, _: Request) -> Response:
        if self._is_stopping():
            return JSONResponse({"status": "stopping"}, 503)
        try:
            await self._hub.store.read(HEALTH_LANE, lambda uow: uow.room(PARTIES).page("", _FIRST_COUNT))
        except StoreUnavailable:
            return JSONResponse({"status": "store-unavailable"}, 503)
        return JSONResponse({"status": "ready"})

    async def _figures(self, _: Request) -> Response:
        counts = await self._hub.store.read(HEALTH_LANE, lambda uow: uow.room(PARTIES).counts())
        for state in PartyState:
            self._metrics.parties.labels(state.value).set(counts.get(state.value, 0))
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)
