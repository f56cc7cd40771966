"""What stands behind each room of the hub's unit of work. A room of the hub adds one line here, and touches no other."""

from collections.abc import Mapping

from ashiato.hub.billing.ports import BILLING
from ashiato.hub.catalog.ports import CATALOG
from ashiato.hub.certification import CERTIFICATION
from ashiato.hub.identities import IDENTITIES
from ashiato.hub.ledger_ports import LEDGER
from ashiato.hub.ports import PARTIES
from ashiato.stores.hub.billing import SqlBilling
from ashiato.stores.hub.catalog import SqlCatalog
from ashiato.stores.hub.certification import SqlCertification
from ashiato.stores.hub.identities import SqlIdentities
from ashiato.stores.hub.ledger import SqlLedger
from ashiato.stores.hub.migrations import HUB_CHAIN
from ashiato.stores.hub.parties import SqlParties
from ashiato.stores.hub.schema import HUB_METADATA as HUB_METADATA
from ashiato.stores.hub.upgrades import CONNECTOR_CHAIN
from ashiato.stores.sessions import Session
from ashiato.stores.unit_of_work import Furnishing, RoomMaker, SqlUnitOfWork

HUB_CHAINS = (CONNECTOR_CHAIN, HUB_CHAIN)
"""Of everything in a hub's database, in the order in which it is made."""

HUB_ROOMS: Mapping[str, RoomMaker] = {
    PARTIES.name: lambda uow: SqlParties(uow.session),
    CERTIFICATION.name: lambda uow: SqlCertification(uow.session),
    LEDGER.name: lambda uow: SqlLedger(uow.session),
    IDENTITIES.name: lambda uow: SqlIdentities(uow.session),
    BILLING.name: lambda uow: SqlBilling(uow.session),
    CATALOG.name: lambda uow: SqlCatalog(uow.session),
}


def hub_furnishing(hub_id: str, more_rooms: Mapping[str, RoomMaker] | None = None) -> Furnishing:
    """The hub's chain and its units of work, which are those of the participant `hub_id` in whatever lane they stand.

    `more_rooms` are those behind which no table of the hub stands: `wiring` brings them.
    """
    rooms = {**HUB_ROOMS, **(more_rooms or {})}

    def unit_of_work(session: Session, lane: str) -> SqlUnitOfWork:
        return SqlUnitOfWork(session, hub_id, rooms)

    return Furnishing((HUB_CHAIN,), unit_of_work)
