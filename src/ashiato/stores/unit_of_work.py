"""One transaction's work for one participant, over all rooms."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ashiato.connector.records import Event
from ashiato.facts.transactions import Room
from ashiato.outbox.deliveries import Delivery
from ashiato.stores.apps import SqlApps
from ashiato.stores.assets import SqlAssets
from ashiato.stores.carbon_backgrounds import SqlBackgrounds
from ashiato.stores.carbon_rows import SqlCarbonRows
from ashiato.stores.contracts import SqlContracts
from ashiato.stores.declarations import SqlDeclarations
from ashiato.stores.did_log import SqlDidLog
from ashiato.stores.migrations import Chain
from ashiato.stores.negotiations import SqlNegotiations
from ashiato.stores.obligations import SqlObligations
from ashiato.stores.outbox import SqlOutbox
from ashiato.stores.records import SqlRecords
from ashiato.stores.requests import SqlRequests
from ashiato.stores.sessions import Session
from ashiato.stores.standings import SqlStandings
from ashiato.stores.supply import SqlSupply
from ashiato.stores.transfers import SqlTransfers
from ashiato.stores.vault import SqlVault
from ashiato.stores.wallet import SqlWallet
from ashiato.stores.witnessed import SqlWitnessed
from ashiato.stores.words import SqlWords

R = TypeVar("R")


class SqlUnitOfWork:
    """The ports `UnitOfWork` of every room. `events` and `deliveries` are what others hear of after the commit."""

    __slots__ = (
        "_made_rooms",
        "_more_rooms",
        "apps",
        "assets",
        "backgrounds",
        "carbon_rows",
        "contracts",
        "declarations",
        "deliveries",
        "did_log",
        "events",
        "negotiations",
        "obligations",
        "outbox",
        "participant_id",
        "records",
        "requests",
        "session",
        "standings",
        "supply",
        "transfers",
        "vault",
        "wallet",
        "witnessed",
        "words",
    )

    def __init__(
        self, session: Session, participant_id: str, more_rooms: "Mapping[str, RoomMaker] | None" = None
    ) -> None:
        self._more_rooms = more_rooms or {}
        self._made_rooms: dict[str, object] = {}
        self.session = session
        self.participant_id = participant_id
        self.events: list[Event] = []
        self.deliveries: list[Delivery] = []
        self.assets = SqlAssets(session, participant_id)
        self.negotiations = SqlNegotiations(session, participant_id)
        self.contracts = SqlContracts(session, participant_id)
        self.transfers = SqlTransfers(session, participant_id)
        self.outbox = SqlOutbox(session, participant_id, self.deliveries.append)
        self.records = SqlRecords(session, participant_id)
        self.did_log = SqlDidLog(session, participant_id)
        self.vault = SqlVault(session, participant_id)
        self.standings = SqlStandings(session, participant_id)
        self.apps = SqlApps(session, participant_id)
        self.declarations = SqlDeclarations(session, participant_id)
        self.obligations = SqlObligations(session, participant_id)
        self.wallet = SqlWallet(session, participant_id)
        self.supply = SqlSupply(session, participant_id)
        self.requests = SqlRequests(session, participant_id)
        self.carbon_rows = SqlCarbonRows(session, participant_id)
        self.witnessed = SqlWitnessed(session, participant_id)
        self.backgrounds = SqlBackgrounds(session, participant_id)
        self.words = SqlWords(session, participant_id)

    def room(self, room: Room[R]) -> R:
        found: R = self._made(room.name) if room.name in self._more_rooms else getattr(self, room.name)
        return found

    def _made(self, name: str) -> Any:
        if name not in self._made_rooms:
            self._made_rooms[name] = self._more_rooms[name](self)
        return self._made_rooms[name]

    def tell(self, event: Event) -> None:
        self.events.append(event)


RoomMaker = Callable[[SqlUnitOfWork], object]
"""Makes a room of one program alone, in the transaction of a unit of work."""


class Furnishing(NamedTuple):
    """What one program has beside the tables of a connector: chains of its own, and its units of work."""

    chains: Sequence[Chain] = ()
    unit_of_work: Callable[[Session, str], SqlUnitOfWork] = SqlUnitOfWork
    """Of a session and of the lane (a participant, with a connector) in which the unit of work stands."""


CONNECTOR_FURNISHING = Furnishing()
