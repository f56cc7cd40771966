"""What is verified of a counterparty beside its identity, ready for policies."""

from collections.abc import Mapping

import msgspec


class Standing(msgspec.Struct, frozen=True):
    """The claims of the credentials of `participant_id` that were verified, each with all values of its name.

    From `fresh_until_ms` on they must be verified again before they are relied on; None says that nothing in it goes stale.
    `lacks` names the types of credentials that this node asks of everybody and that `participant_id` does not have.
    """

    participant_id: str
    claims: Mapping[str, frozenset[str]] = {}
    fresh_until_ms: int | None = None
    lacks: tuple[str, ...] = ()
