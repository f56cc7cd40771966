"""The time stamp authority of the settings, and who asks it."""

from pathlib import Path
from typing import TYPE_CHECKING

from ashiato.clients.ways_out import WaysOut
from ashiato.connector.node import Node
from ashiato.couriers.delivering import Handler
from ashiato.outbox.deliveries import DeliveryKind
from ashiato.wiring.settings import BadSettings, TimeStampSettings

if TYPE_CHECKING:
    from ashiato.clients.time_stamps import TimeStampAuthority


def stamping(settings: TimeStampSettings, node: Node, ways_out: WaysOut) -> dict[DeliveryKind, Handler]:
    """The handler of TIME_STAMP deliveries, none without an authority; raises `BadSettings`."""
    authority = time_stamp_authority(settings, ways_out)
    if authority is None:
        return {}
    from ashiato.couriers.time_stamping import TimeStampCourier

    return {DeliveryKind.TIME_STAMP: TimeStampCourier(node, authority).deliver}


def time_stamp_authority(settings: TimeStampSettings, ways_out: WaysOut) -> "TimeStampAuthority | None":
    """The authority, None where the settings name none; raises `BadSettings` for a file without certificates."""
    if not settings.url:
        return None
    # Loaded here, because a start without time stamps need not pay for it.
    from ashiato.clients.time_stamps import TimeStampAuthority
    from ashiato.trust.timestamps import UnusableAnchors, load_anchors

    path = Path(settings.anchors_file)
    try:
        anchors = load_anchors(path.read_bytes())
    except OSError as error:
        raise BadSettings(f"time_stamps.anchors_file: {path} cannot be read: {error.strerror}") from None
    except UnusableAnchors as error:
        raise BadSettings(f"time_stamps.anchors_file: {path}: {error}; give certificates in PEM.") from None
    return TimeStampAuthority(ways_out.to(settings.own_networks), settings.url, anchors)
