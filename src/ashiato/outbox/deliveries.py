"""A delivery and the schedule of its tries."""

from enum import StrEnum

import msgspec

FIRST_RETRY_DELAY_MS = 100
LONGEST_RETRY_DELAY_MS = 60_000
GIVE_UP_AFTER_MS = 72 * 3_600_000
OWN_WORK_RETRY_DELAY_MS = 3_600_000
LEASE_MS = 30_000


class DeliveryKind(StrEnum):
    """What the courier has to do with a delivery."""

    MESSAGE = "message"
    """POST the body, a protocol message, to the counterparty."""
    PULL = "pull"
    """Fetch the data of a started pull transfer into the store of received data."""
    PUSH = "push"
    """Send the data of a started push transfer to the consumer's data address."""
    WEBHOOK = "webhook"
    """POST the body, an event, signed, to an address of this company's own choice."""
    ISSUANCE = "issuance"
    """Bring a message of credential issuance to an issuer or a holder, with what is signed at that time."""
    EXPIRY = "expiry"
    """End an agreement whose own time is over."""
    ENDING = "ending"
    """POST the body, the notice that we ended an agreement, to the counterparty."""
    ERASE = "erase"
    """Remove the file of data received that must be gone."""
    OBLIGATION = "obligation"
    """Look after an obligation whose date is over."""
    NOTICE = "notice"
    """POST the body, what a duty to inform tells, signed, to the party that it names."""
    RECEIPTS = "receipts"
    """Ask a consumer for its receipts about an agreement."""
    TIME_STAMP = "time-stamp"
    """Fetch a time stamp for our signature on an agreement."""
    INDEX = "index"
    """Put more of the assets of a large class into the catalog."""
    SUPPLY = "supply"
    """Bring a message about a request for data to a partner's inbox, or fetch what an answer names."""
    SUPPLY_DATE = "supply-date"
    """Look after a request for data whose date is over."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that must reach somebody; deliveries of one process are made in the order of their sequence."""

    delivery_id: str
    participant_id: str
    kind: DeliveryKind
    process_id: str
    sequence: int
    message_name: str
    address: str
    audience: str
    body: bytes
    created_ms: int
    due_ms: int
    attempts_count: int = 0


# What nobody else can refuse and what was promised: a disk that is broken for a week, or a participant that is suspended for
# as long, must not turn "deleted when it must be" into "kept for ever".
OWN_WORK = frozenset(
    {DeliveryKind.ERASE, DeliveryKind.EXPIRY, DeliveryKind.OBLIGATION, DeliveryKind.SUPPLY_DATE}
)


def next_try_ms(delivery: Delivery, now_ms: int, patience_ms: int = 0) -> int | None:
    """The instant of the next try after a failed one (0.1 s, doubled up to a minute), or None after 72 hours.

    Not before `patience_ms` are over, for which the other side asked. Own work is never given up: behind the 72 hours it is tried
    every hour.
    """
    if now_ms - delivery.created_ms >= GIVE_UP_AFTER_MS:
        return now_ms + OWN_WORK_RETRY_DELAY_MS if delivery.kind in OWN_WORK else None
    doublings_count = min(delivery.attempts_count, 20)
    usual_ms = min(FIRST_RETRY_DELAY_MS << doublings_count, LONGEST_RETRY_DELAY_MS)
    return now_ms + max(usual_ms, patience_ms)
