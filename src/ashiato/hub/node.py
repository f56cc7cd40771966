"""One running hub: what every face of it needs."""

from collections.abc import Callable

import msgspec

from ashiato.facts.moments import Moment
from ashiato.hub.ports import Callers, Store
from ashiato.trust.signing import Signer


class Hub(msgspec.Struct, frozen=True):
    """The hub with its DID; `moment` reads the clock and the dice once per event, `signer` is the hub's present key."""

    hub_id: str
    store: Store
    callers: Callers
    moment: Callable[[], Moment]
    signer: Callable[[], Signer]


class Party(msgspec.Struct, frozen=True):
    """An admitted party as it calls: its DID and the roles that the hub granted it."""

    party_id: str
    name: str
    roles: frozenset[str] = frozenset()
