"""What happens to requests because of what happened below: an asset that answers was fetched, or was not."""

from ashiato.connector.company import Company
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import Event
from ashiato.supply import asking

_ENDS = frozenset({"fetch.done", "fetch.failed", "fetch.cancelled"})


def follow(uow: UnitOfWork, company: Company, event: Event, moment: Moment) -> None:
    """Reactor: keep with an answer what became of its fetch."""
    if event.name not in _ENDS:
        return
    fetch = uow.transfers.fetch(event.process_id)
    if fetch is None:
        return
    problem = "" if fetch.received_id else fetch.problem or "The fetch was cancelled."
    asking.fetched(uow, company, fetch.fetch_id, fetch.received_id or "", problem, moment)
