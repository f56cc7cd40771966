"""The ports of the hub: what its use cases need from stores, identity, issuer and clock.

Each room of the hub (registry, certification, ledger, billing, catalog, …) defines the port of its own rows and a `Room` that
names it, so that `uow.room(PARTIES)` is typed and no room has to know another one. `stores/hub/rooms.py` says what stands behind
each name.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from ashiato.facts.moments import Moment
from ashiato.facts.transactions import Room
from ashiato.hub.parties import PartyRecord, Step

R = TypeVar("R")
T = TypeVar("T")


class UnitOfWork(Protocol):
    """One transaction of the hub over all its rooms."""

    @property
    def participant_id(self) -> str:
        """The hub's own DID."""

    def room(self, room: Room[R]) -> R:
        """The room with that name, in this transaction."""


class Store(Protocol):
    """Runs units of work. `run` commits what `work` did, or nothing when it raises; `work` may be run again on a conflict.

    Units of work of one lane never run beside each other and are in order; lanes have their turns one after the other. The
    lane of a party's request is its DID, so that a flood of one stands behind the others' first.
    """

    async def run(self, lane: str, work: Callable[[UnitOfWork], T]) -> T: ...
    async def read(self, lane: str, work: Callable[[UnitOfWork], T]) -> T:
        """`work` only reads; it runs beside the writer."""


class Caller(Protocol):
    """A company whose DID was proved by the token of one request."""

    @property
    def participant_id(self) -> str: ...
    @property
    def token_id(self) -> str: ...
    @property
    def expires_ms(self) -> int: ...


class Callers(Protocol):
    """Who is calling."""

    def authenticate(self, participant_id: str, authorization: str | None, now_ms: int) -> Awaitable[Caller]:
        """The verified caller of a request to `participant_id`; raises `identity.signed_tokens.NotAuthenticated`."""


class Tokens(Protocol):
    """Tokens that were used, each of which counts once."""

    def remember_token(self, peer_id: str, token_id: str, expires_ms: int) -> bool:
        """False when it is known already."""


class Issuer(Protocol):
    """The issuer service of the hub, in the same transaction as what makes it issue.

    Without a `certificate_id` an act is about the holder's membership and roles; with one, about the credentials that name this
    certificate in the claim `certificate`.
    """

    def grant(
        self,
        holder_id: str,
        grants: Sequence[tuple[str, dict[str, object]]],
        moment: Moment,
        *,
        valid_until_ms: int | None = None,
    ) -> None:
        """Offer the holder a credential of each type with these claims, where it has none that stands."""

    def suspend(self, holder_id: str, reason: str, moment: Moment, *, certificate_id: str = "") -> None:
        """They are suspended, and nothing of the kind that was granted is issued meanwhile."""

    def resume(self, holder_id: str, reason: str, moment: Moment, *, certificate_id: str = "") -> None:
        """What was suspended counts again."""

    def revoke(self, holder_id: str, reason: str, moment: Moment, *, certificate_id: str = "") -> None:
        """They are revoked for good, and nothing of the kind that was granted is issued any more."""


class Parties(Protocol):
    """The companies of the register, and who holds which number."""

    def get(self, party_id: str) -> PartyRecord | None:
        """Locked for update where the store has concurrent writers."""

    def put(self, party: PartyRecord) -> None:
        """Insert or replace."""

    def page(self, after_id: str, limit_count: int, *, state: str | None = None) -> list[PartyRecord]:
        """In the order of the DID."""

    def counts(self) -> dict[str, int]:
        """How many parties there are in each state."""

    def holders_of(self, identifiers: Sequence[str]) -> dict[str, str]:
        """The DID of who holds each of these numbers; those that nobody holds are left out."""

    def hold(self, party_id: str, identifiers: Sequence[str]) -> None:
        """From now on these are all the numbers of that party. Raises `Conflict` for one that another party holds."""

    def add_step(self, party_id: str, step: Step) -> None:
        """Raises `Conflict` when there is a step with that sequence already."""

    def steps(self, party_id: str) -> list[Step]:
        """In their order."""


MEMBERSHIP_TYPE, ROLE_TYPE = "membership", "role"

TOKENS: Room[Tokens] = Room("records")
ISSUER: Room[Issuer] = Room("issuer")
PARTIES: Room[Parties] = Room("parties")
