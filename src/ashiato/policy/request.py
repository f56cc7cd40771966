"""What a policy is asked: who wants what, where in the exchange, and everything that is known of it."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from ashiato.policy.vocabulary import Checkpoint


class Side(StrEnum):
    """Whose connector asks: the one that hands data out, or the one that keeps received data in its vault."""

    PROVIDER = "provider"
    CONSUMER = "consumer"


class DutyState(StrEnum):
    """How a duty stands; one of which nothing is known stands nowhere."""

    FULFILLED = "fulfilled"
    VIOLATED = "violated"


class Request(msgspec.Struct, frozen=True):
    """Who asks for what and when.

    `action` is a short name (`read` is covered by permissions to read and to use). `claims` are verified by
    the caller; a claim holds all values of its name.

    `facts` are what the asking process knows beside claims, each with all its values: `purpose`, `application`,
    `location` (of the use), `state`, `artifact_state`, `event` (those that go on now), `classification` (of the asset),
    `payAmount` and `resolution`. A fact whose constraint has a `unit` is looked up as `<fact> in <unit>`. An entry with
    no values says that there are none; a missing entry says that nothing is known.

    `duties` tells by the path of the duty in the policy (`permission[0].duty[0]`, see `Obligation.path`) whether it was
    fulfilled or violated. With `is_open_world` a duty that must be done first and of which nothing is known counts as done.
    """

    checkpoint: Checkpoint
    action: str
    participant_id: str
    now_ms: int
    agreed_at_ms: int | None = None
    uses_count: int = 0
    claims: Mapping[str, frozenset[str]] = {}
    facts: Mapping[str, frozenset[str]] = {}
    duties: Mapping[str, DutyState] = {}
    side: Side = Side.PROVIDER
    is_open_world: bool = False
