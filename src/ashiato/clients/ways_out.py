"""Two kinds of ways out of one program: where counterparties point, and where a company's own systems lie."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

from ashiato.clients.egress import Egress, EgressRules


class WaysOut:
    """`public` for every address that a counterparty names; `of` for what a participant itself names.

    Each participant has its own networks only: who is hosted here does not reach into the network of the host or of others.
    """

    def __init__(
        self, rules: EgressRules, outside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    ) -> None:
        self._rules = rules
        self._outside = outside
        self.public = Egress(rules, outside=outside)
        self._own: dict[tuple[str, ...], Egress] = {}
        self._networks: dict[str, tuple[str, ...]] = {}

    def open_networks(self, participant_id: str, networks: tuple[str, ...]) -> None:
        """From now on the participant's own sources and webhooks may lie in these networks."""
        self._networks[participant_id] = networks

    def of(self, participant_id: str) -> Egress:
        """The way out to the systems of that participant."""
        return self.to(self._networks.get(participant_id, ()))

    def to(self, networks: tuple[str, ...]) -> Egress:
        """A way out that also leads into these networks."""
        if not networks:
            return self.public
        rules = replace(self._rules, own_networks=networks)
        return self._own.setdefault(networks, Egress(rules, outside=self._outside))

    async def close(self) -> None:
        """Close all connections."""
        for egress in (self.public, *self._own.values()):
            await egress.close()
