"""The clock and the dice of one event."""

from collections.abc import Callable

import msgspec


class Moment(msgspec.Struct, frozen=True):
    """The clock and the dice of one event: they enter once, at the face."""

    now_ms: int
    fresh_id: Callable[[], str]

    def fresh_iri(self) -> str:
        """A fresh id in the form that the protocol wants for processes, offers and agreements (DSP 2025-1, 7.1 and 7.2)."""
        return iri_of(self.fresh_id())


def iri_of(fresh_id: str) -> str:
    """The IRI that stands for a UUID; what is a URN already stays."""
    return fresh_id if fresh_id.startswith("urn:") else f"urn:uuid:{fresh_id}"
