"""Requests that start a process may name its id, so that a repeated request starts nothing new."""

from ashiato.connector.ports import Moment, iri_of


def with_first_id(moment: Moment, wanted_id: str | None) -> Moment:
    """The moment whose first fresh id is `wanted_id`: every use case gives its first one to the process that it opens."""
    if wanted_id is None:
        return moment
    waiting = [wanted_id]

    def fresh_id() -> str:
        return waiting.pop() if waiting else moment.fresh_id()

    return Moment(moment.now_ms, fresh_id)


def process_iri(wanted_id: str | None) -> str | None:
    """The pid of the process that a request wants to start: the protocol wants it to be an IRI."""
    return None if wanted_id is None else iri_of(wanted_id)
