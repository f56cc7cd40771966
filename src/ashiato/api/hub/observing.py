"""What is seen of every request: an id that travels through log and answer, a count and a time by door and status."""

import re
import time
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ashiato.api.hub.addresses import ONBOARDING, OPEN, OPERATOR, PARTY, ROOT

REQUEST_ID_HEADER = b"x-request-id"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# Bounded, whatever addresses strangers make up.
_DOORS = frozenset({OPEN, ONBOARDING, PARTY, OPERATOR})
_EVERY_ANSWER = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class HubMetrics:
    """The figures of one hub; a room adds its own to `registry`."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ashiato_hub_requests", "Requests answered.", ["door", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "ashiato_hub_request_seconds", "Time to the head of the answer.", ["door"], registry=self.registry
        )
        self.parties = Gauge("ashiato_hub_parties", "Parties by state.", ["state"], registry=self.registry)
        info = Gauge("ashiato_hub_info", "The program that runs.", ["version"], registry=self.registry)
        info.labels(version).set(1)


class Observed:
    """ASGI middleware, the outermost one."""

    def __init__(self, app: ASGIApp, metrics: HubMetrics, fresh_id: Callable[[], str]) -> None:
        self._app = app
        self._metrics = metrics
        self._fresh_id = fresh_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope) or self._fresh_id().encode()
        door = _door(scope["path"])
        started_s = time.perf_counter()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(door, str(message["status"])).inc()
                self._metrics.seconds.labels(door).observe(time.perf_counter() - started_s)
                present = {name.lower() for name, _ in message["headers"]}
                extra = [(name, value) for name, value in _EVERY_ANSWER if name not in present]
                message["headers"] = [*message["headers"], *extra, (REQUEST_ID_HEADER, request_id)]
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id.decode()):
            await self._app(scope, receive, sending)


def _request_id(scope: Scope) -> bytes | None:
    """What the client calls its request, where that is short and harmless in a log."""
    found = [value for name, value in scope["headers"] if name.lower() == REQUEST_ID_HEADER]
    return found[0] if len(found) == 1 and _REQUEST_ID.fullmatch(found[0]) else None


def _door(path: str) -> str:
    segments = path.split("/")
    if segments[1:2] != [ROOT]:
        return "protocol"
    return segments[2] if len(segments) > 2 and segments[2] in _DOORS else "other"
