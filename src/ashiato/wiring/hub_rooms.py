"""What the rooms of the hub run beside their routes: services, raw routes of hot paths, loops. A room adds one line here."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from starlette.routing import Route

from ashiato.api.hub.observing import HubMetrics
from ashiato.clients.ways_out import WaysOut
from ashiato.hub.node import Hub
from ashiato.wiring.hub_settings import HubSettings


class HubParts(msgspec.Struct, frozen=True):
    """What a room may stand on."""

    hub: Hub
    settings: HubSettings
    ways_out: WaysOut
    metrics: HubMetrics


class HubRoom(msgspec.Struct, frozen=True, kw_only=True):
    """What a room brings.

    `routes` stand on the listener for parties, behind its admission and before the described routes: their paths begin with
    /v1/open, /v1/onboarding or /v1/party like all others. `services` are what described routes get by `call.service(kind)`.
    `close` is awaited before the store closes.
    """

    routes: Sequence[Route] = ()
    operator_routes: Sequence[Route] = ()
    services: Mapping[type, object] = {}
    close: Callable[[], Awaitable[None]] | None = None


RoomOpener = Callable[[HubParts], Awaitable[HubRoom]]


async def _ledger(parts: HubParts) -> HubRoom:
    from ashiato.wiring.hub_ledger import open_ledger

    return await open_ledger(parts)


ROOMS: tuple[RoomOpener, ...] = (_ledger,)
