"""The order "get this dataset from that company", which runs through negotiation and transfer to the received data.

The order is a record; each step is taken inside the transaction of the event that makes it possible, so a restart goes on
where it stood.
"""

from collections.abc import Mapping

import msgspec

from ashiato.connector import negotiations, transfers
from ashiato.connector.company import Company, tell
from ashiato.connector.negotiations import Partner
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound, NotPermitted, Problem, WrongState
from ashiato.connector.records import AgreementRecord, Event, Fetch, FetchState
from ashiato.connector.strategies import Act, Reaction
from ashiato.dsp.states import Role
from ashiato.policy.evaluation import Checkpoint

ENDED = frozenset({FetchState.DONE, FetchState.FAILED, FetchState.CANCELLED})


def usable_agreement(uow: UnitOfWork, peer_id: str, asset_id: str, now_ms: int) -> AgreementRecord | None:
    """An agreement over that dataset that still permits a transfer: then nothing needs to be negotiated."""
    for agreement in uow.contracts.find_usable(Role.CONSUMER, peer_id, asset_id):
        try:
            transfers.check_usable(agreement, Checkpoint.TRANSFER, now_ms)
        except NotPermitted:
            continue
        return agreement
    return None


def begin(
    uow: UnitOfWork,
    company: Company,
    partner: Partner,
    asset_id: str,
    offer: Mapping[str, object] | None,
    wire_format: str,
    moment: Moment,
) -> Fetch:
    """Start an order: by negotiating `offer`, or without one under an agreement that is usable; raises `NotFound`."""
    transfers.check_format(wire_format)
    fetch = Fetch(
        fetch_id=moment.fresh_id(),
        peer_id=partner.participant_id,
        peer_address=partner.address,
        asset_id=asset_id,
        format=wire_format,
        state=FetchState.NEGOTIATING,
        created_ms=moment.now_ms,
        updated_ms=moment.now_ms,
    )
    if offer is None:
        agreement = usable_agreement(uow, partner.participant_id, asset_id, moment.now_ms)
        if agreement is None:
            raise NotFound(
                f"There is no usable agreement over {asset_id!r} with {partner.participant_id}; name an offer.",
                id=asset_id,
            )
        return _transfer(uow, company, fetch, agreement.agreement_id, moment)
    negotiation = negotiations.request(uow, company, partner, {**offer, "target": asset_id}, moment)
    return _put(uow, msgspec.structs.replace(fetch, negotiation_pid=negotiation.own_pid), moment)


def cancel(uow: UnitOfWork, company: Company, fetch_id: str, moment: Moment) -> Fetch:
    """Stop an order; its negotiation or transfer is ended on both sides."""
    fetch = uow.transfers.fetch(fetch_id)
    if fetch is None:
        raise NotFound(f"There is no fetch {fetch_id!r}.", id=fetch_id)
    if fetch.state in ENDED:
        raise WrongState(f"The fetch is {fetch.state} already.", state=fetch.state)
    cancelled = _put(uow, msgspec.structs.replace(fetch, state=FetchState.CANCELLED), moment)
    try:
        if fetch.transfer_pid is not None:
            transfers.terminate(uow, company, fetch.transfer_pid, "The fetch was cancelled.", moment)
        elif fetch.negotiation_pid is not None:
            reaction = Reaction(act=Act.TERMINATE, reason="The fetch was cancelled.")
            negotiations.do(uow, company, fetch.negotiation_pid, reaction, moment)
    except WrongState:
        # Both sides have agreed or ended already, or are about to: the order ends alone, nothing is fetched.
        pass
    _told(uow, company, cancelled, moment)
    return cancelled


def follow(uow: UnitOfWork, company: Company, event: Event, moment: Moment) -> None:
    """Reactor: take the order that waits for this event one step further."""
    if event.name not in _STEPS:
        return
    fetch = uow.transfers.fetch_of_process(event.process_id)
    if fetch is None or fetch.state in ENDED:
        return
    match event.name:
        case "negotiation.finalized":
            try:
                _transfer(uow, company, fetch, str(event.details["agreement_id"]), moment)
            except Problem as problem:
                _fail(uow, company, fetch, problem.sentence, moment)
        case "transfer.received":
            done = msgspec.structs.replace(
                fetch, state=FetchState.DONE, received_id=str(event.details["received_id"])
            )
            _told(uow, company, _put(uow, done, moment), moment)
        case "transfer.completed":
            _fail(
                uow, company, fetch, "The provider completed the transfer before the data was here.", moment
            )
        case _:
            reason = str(event.details.get("reason") or "The counterparty ended it without a reason.")
            _fail(uow, company, fetch, reason, moment)


_STEPS = frozenset(
    {
        "negotiation.finalized",
        "negotiation.terminated",
        "transfer.received",
        "transfer.completed",
        "transfer.terminated",
    }
)


def _transfer(uow: UnitOfWork, company: Company, fetch: Fetch, agreement_id: str, moment: Moment) -> Fetch:
    transfer = transfers.request(uow, company, agreement_id, fetch.format, fetch.peer_address, moment)
    going = msgspec.structs.replace(
        fetch, state=FetchState.TRANSFERRING, agreement_id=agreement_id, transfer_pid=transfer.own_pid
    )
    return _put(uow, going, moment)


def _fail(uow: UnitOfWork, company: Company, fetch: Fetch, problem: str, moment: Moment) -> None:
    failed = msgspec.structs.replace(fetch, state=FetchState.FAILED, problem=problem)
    _told(uow, company, _put(uow, failed, moment), moment)


def _put(uow: UnitOfWork, fetch: Fetch, moment: Moment) -> Fetch:
    stamped = msgspec.structs.replace(fetch, updated_ms=moment.now_ms)
    uow.transfers.put_fetch(stamped)
    return stamped


def _told(uow: UnitOfWork, company: Company, fetch: Fetch, moment: Moment) -> None:
    details: dict[str, object] = {"asset_id": fetch.asset_id}
    if fetch.problem:
        details["reason"] = fetch.problem
    tell(uow, company, moment, f"fetch.{fetch.state}", fetch.fetch_id, fetch.peer_id, **details)
