"""The time stamp authority of the settings."""

from pathlib import Path

from ashiato.clients.time_stamps import TimeStampAuthority
from ashiato.clients.ways_out import WaysOut
from ashiato.trust.timestamps import UnusableAnchors, load_anchors
from ashiato.wiring.settings import BadSettings, TimeStampSettings


def time_stamp_authority(settings: TimeStampSettings, ways_out: WaysOut) -> TimeStampAuthority | None:
    """The authority, None where the settings name none; raises `BadSettings` for a file without certificates."""
    if not settings.url:
        return None
    path = Path(settings.anchors_file)
    try:
        anchors = load_anchors(path.read_bytes())
    except OSError as error:
        raise BadSettings(f"time_stamps.anchors_file: {path} cannot be read: {error.strerror}") from None
    except UnusableAnchors as error:
        raise BadSettings(f"time_stamps.anchors_file: {path}: {error}; give certificates in PEM.") from None
    return TimeStampAuthority(ways_out.to(settings.own_networks), settings.url, anchors)
