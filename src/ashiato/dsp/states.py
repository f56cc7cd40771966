"""The two sides of a conversation and the states it goes through (DSP 2025-1, 7.1.1 and 9.1.2)."""

from enum import StrEnum


class Role(StrEnum):
    """The part that a participant plays in one process; a connector plays either."""

    CONSUMER = "CONSUMER"
    PROVIDER = "PROVIDER"

    @property
    def other(self) -> "Role":
        """The counterparty's role."""
        return Role.PROVIDER if self is Role.CONSUMER else Role.CONSUMER


class NegotiationState(StrEnum):
    """States of a ContractNegotiation; FINALIZED and TERMINATED are terminal (DSP 2025-1, 7.1.1)."""

    REQUESTED = "REQUESTED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    AGREED = "AGREED"
    VERIFIED = "VERIFIED"
    FINALIZED = "FINALIZED"
    TERMINATED = "TERMINATED"

    @property
    def is_terminal(self) -> bool:
        """True where no transition leads out."""
        return self in (NegotiationState.FINALIZED, NegotiationState.TERMINATED)


class TransferState(StrEnum):
    """States of a TransferProcess; COMPLETED and TERMINATED are terminal (DSP 2025-1, 9.1.2)."""

    REQUESTED = "REQUESTED"
    STARTED = "STARTED"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"

    @property
    def is_terminal(self) -> bool:
        """True where no transition leads out."""
        return self in (TransferState.COMPLETED, TransferState.TERMINATED)


class Doubt(StrEnum):
    """Why the counterparty is asked for its state, as far as the messages that we sent it are concerned."""

    SILENCE = "SILENCE"
    """A message waits in the outbox: no answer came, or one that says nothing (404, 5xx)."""
    REFUSAL = "REFUSAL"
    """A message waits in the outbox: the counterparty received it and refused it (any other 4xx)."""
    NONE = "NONE"
    """Nothing waits: all that we sent was acknowledged or settled."""
