"""What happens to requests because of what happened below: a fetch ended, or a supplier gave its part of a trace."""

from ashiato.connector.company import Company
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import Event
from ashiato.supply import asking, trace_rights
from ashiato.supply.request_ports import REQUESTS

_ENDS = frozenset({"fetch.done", "fetch.failed", "fetch.cancelled"})
_NEWS_OF_TRACES = frozenset(
    f"request.{what}"
    for what in (
        "answered",
        "corrected",
        "rejected",
        "cancelled",
        "withdrawn",
        "already-asked",
        "undelivered",
        "overdue",
    )
)


def follow(uow: UnitOfWork, company: Company, event: Event, moment: Moment) -> None:
    """Reactor: keep with an answer what became of its fetch, and answer a trace when its last branch is known."""
    if event.name in _NEWS_OF_TRACES and event.details.get("data_item") in trace_rights.TRACE_ITEMS:
        trace_rights.go_on(uow, company, event.process_id, moment)
    if event.name not in _ENDS:
        return
    fetch = uow.transfers.fetch(event.process_id)
    if fetch is None or uow.room(REQUESTS).answer_of_fetch(fetch.fetch_id) is None:
        return
    problem = "" if fetch.received_id else fetch.problem or "The fetch was cancelled."
    asking.fetched(uow, company, fetch.fetch_id, fetch.received_id or "", problem, moment)
