"""How long a server asks to be left alone (RFC 9110, 10.2.3)."""

from datetime import UTC
from email.utils import parsedate_to_datetime

from ashiato.clients.egress import EgressResponse

# Nobody puts our work off for longer with one answer.
LONGEST_ASKED_MS = 3_600_000
MOST_DIGITS_COUNT = 9


def asked_patience_ms(response: EgressResponse, now_ms: int) -> int:
    """What its Retry-After says, an hour at most; 0 where it says nothing that can be read."""
    told = response.headers.get("Retry-After", "").strip()
    if told.isascii() and told.isdecimal():
        wait_ms = int(told) * 1000 if len(told) <= MOST_DIGITS_COUNT else LONGEST_ASKED_MS
    else:
        wait_ms = _until_ms(told) - now_ms if told else 0
    return min(max(wait_ms, 0), LONGEST_ASKED_MS)


def _until_ms(told: str) -> int:
    try:
        instant = parsedate_to_datetime(told)
        return int(instant.replace(tzinfo=instant.tzinfo or UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
