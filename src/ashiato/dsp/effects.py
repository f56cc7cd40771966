"""What a step of a state machine asks the outside to do, in the transaction that stores the new state."""

import msgspec

from ashiato.dsp.messages import Message


class Deliver(msgspec.Struct, frozen=True):
    """Put this message into the outbox, behind what already waits there for the same process."""

    message: Message


class Settle(msgspec.Struct, frozen=True):
    """Withdraw from the outbox what waits there for this process, except what the same step delivers.

    The counterparty has shown that it received it, or has overtaken it.
    """


class Redeliver(msgspec.Struct, frozen=True):
    """The counterparty has not seen what waits in the outbox for this process: go on sending it, in its
    order.
    """


class Tell(msgspec.Struct, frozen=True):
    """Tell upward what happened: "negotiation.agreed", "transfer.started", ..."""

    event: str


Effect = Deliver | Settle | Redeliver | Tell


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Why a process was suspended or terminated, in the words of the side that did it."""

    code: str | None = None
    reason: tuple[object, ...] = ()
