"""Who may trace what: by a rule of the company or by the word of a person; and when the answer goes out.

The partner is known by its agreement, the part by a link that both sides confirmed; a link that ended meanwhile ends the right.
"""

from collections.abc import Callable

import msgspec

from ashiato.connector.company import Company
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import WrongState
from ashiato.supply import answering, asking, reach, tracing
from ashiato.supply.ports import SUPPLY
from ashiato.supply.records import LinkState
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import OPEN, RequestState, Side, SupplyRequest
from ashiato.supply.telling import known, note, put
from ashiato.supply.tracing import MOST_BRANCHES_COUNT, own_part_id

_Tracing = Callable[[UnitOfWork, Company, SupplyRequest, Moment], None]
_BEGIN: dict[str, _Tracing] = {
    tracing.TRACE_ITEM: tracing.begin,
    reach.MATERIALS_ITEM: reach.begin,
    reach.WENT_ITEM: reach.begin,
}
_FINISH: dict[str, _Tracing] = {
    tracing.TRACE_ITEM: tracing.finish,
    reach.MATERIALS_ITEM: reach.finish,
    reach.WENT_ITEM: reach.finish,
}
TRACE_ITEMS = frozenset(_BEGIN)


def begin_if_allowed(uow: UnitOfWork, company: Company, request: SupplyRequest, moment: Moment) -> None:
    """Answer a partner's question where a rule lets it be answered by itself; else a person decides.

    The question must name the part by a link that both sides confirmed.
    """
    room = uow.room(REQUESTS)
    rule = room.rule_for_exactly(request.data_item, own_part_id(uow, request)) or room.rule_for_exactly(
        request.data_item, ""
    )
    if rule is None or not rule.answers(request.peer_id) or not _is_whole(request):
        note(uow, company, request, "needs-a-person", moment, reason="No rule lets it be traced.")
        return
    _begin(uow, company, request, rule.names, moment)


def let(uow: UnitOfWork, company: Company, own_id: str, names: bool, moment: Moment) -> SupplyRequest:
    """A person lets one question be traced; `names` lets the answer name things of ours. Raises `NotFound` and `WrongState`."""
    request = known(uow, own_id, Side.RECEIVED)
    if not can_be_let(request):
        raise WrongState("It is no question of tracing that waits for you.", state=request.state)
    if _has_ended(uow, request):
        raise WrongState("The trade link has ended meanwhile; reject the question.", state=request.state)
    _begin(uow, company, request, names, moment)
    return known(uow, own_id)


def can_be_let(request: SupplyRequest) -> bool:
    """Whether it is a question of tracing that waits for a person."""
    waits = request.state in (RequestState.RECEIVED, RequestState.IN_PROGRESS)
    is_received = request.side is Side.RECEIVED and request.data_item in TRACE_ITEMS
    return waits and is_received and _is_whole(request)


def stop_own(uow: UnitOfWork, company: Company, own_id: str, text: str, moment: Moment) -> SupplyRequest:
    """End a trace of our own people, and cancel what was asked for it."""
    request = known(uow, own_id, Side.RECEIVED)
    if request.state not in OPEN:
        raise WrongState(f"The trace is {request.state}; there is nothing to cancel.", state=request.state)
    stopped = answering.cancelled(uow, company, request, text, moment)
    asking.cancel_below(uow, company, own_id, text, moment)
    return stopped


def go_on(uow: UnitOfWork, company: Company, own_id: str, moment: Moment) -> None:
    """News of a request: an answer below may be the last that was missing, a date may be the end of waiting."""
    room = uow.room(REQUESTS)
    request = room.get(own_id)
    if request is None:
        return
    if request.side is Side.RECEIVED:
        if request.is_overdue and request.state is RequestState.ASKED_ON:
            _finish(uow, company, request, moment)
        return
    for above_id in room.above(own_id):
        above = room.get(above_id)
        if above is None or above.state not in (RequestState.ASKED_ON, RequestState.ANSWERED):
            continue
        below = room.below(above_id, "", MOST_BRANCHES_COUNT)
        if not any(child.is_open and not child.is_overdue for child in below):
            _finish(uow, company, above, moment)


def _begin(uow: UnitOfWork, company: Company, request: SupplyRequest, names: bool, moment: Moment) -> None:
    request = put(uow, msgspec.structs.replace(request, names=names), moment)
    _BEGIN[request.data_item](uow, company, request, moment)


def _finish(uow: UnitOfWork, company: Company, request: SupplyRequest, moment: Moment) -> None:
    if _has_ended(uow, request):
        note(uow, company, request, "needs-a-person", moment, reason="The trade link has ended meanwhile.")
        return
    _FINISH[request.data_item](uow, company, request, moment)


def _has_ended(uow: UnitOfWork, request: SupplyRequest) -> bool:
    """Whether the question names a trade link that does not hold any more."""
    link = uow.room(SUPPLY).links.get(request.part.link) if request.part.link else None
    return bool(request.part.link) and (link is None or link.state is not LinkState.CONFIRMED)


def _is_whole(request: SupplyRequest) -> bool:
    """Whether the question names its part by a link and says what it is about."""
    asks = request.among if request.data_item == tracing.TRACE_ITEM else (*request.among, *request.lots)
    return bool(request.part.link and asks and (request.about or request.data_item != tracing.TRACE_ITEM))
