"""The buyer's side of a request: to ask, to remind, to cancel, and to take what the supplier says to it."""

from collections.abc import Sequence

import msgspec

from ashiato.connector.company import Company
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, WrongState
from ashiato.supply.answering import asked_on, mark_withdrawn, roll_up
from ashiato.supply.messages import (
    MOST_HOPS_COUNT,
    MOST_MARKS_COUNT,
    Answer,
    Cancellation,
    DataRequest,
    Rejection,
    Reminder,
    Status,
    Withdrawal,
    onward_tree_id,
)
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import (
    Act,
    KeptAnswer,
    RequestState,
    Side,
    SupplyRequest,
    Wanted,
    check_part,
    check_version,
    step,
)
from ashiato.supply.telling import close_date, known, note, order_fetch, put, read_fetch_order, schedule, send

MOST_ASKED_AT_ONCE_COUNT = 1000
DEFAULT_HOPS_COUNT = 8

_ACT_OF_STATUS = {"in-progress": Act.BEGIN, "asked-on": Act.ASK_ON}


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, until when, how many tiers deep, and whether an asset that answers is fetched at once."""

    data_item: str
    due_ms: int
    text: str = ""
    hops: int = DEFAULT_HOPS_COUNT
    fetches: bool = True
    about: str = ""


class _Tree(msgspec.Struct, frozen=True, kw_only=True):
    tree_id: str
    above_tree_id: str
    hops: int
    marks: tuple[str, ...]


def ask(
    uow: UnitOfWork,
    company: Company,
    wanted: Sequence[Wanted],
    terms: Terms,
    moment: Moment,
    above_id: str = "",
) -> list[SupplyRequest]:
    """Ask suppliers, as a tree of our own or for the request `above_id` of a customer; nobody is asked twice in one tree.

    Raises `NotFound`, `Invalid` or `WrongState` and then has asked nobody.
    """
    if not 1 <= len(wanted) <= MOST_ASKED_AT_ONCE_COUNT:
        raise Invalid(f"Ask 1 to {MOST_ASKED_AT_ONCE_COUNT} suppliers at once.", path="to")
    if any(one.partner == company.participant_id for one in wanted):
        raise Invalid("A company does not ask itself.", path="to")
    if terms.due_ms <= moment.now_ms:
        raise Invalid("The date is over already.", path="due_ms")
    tree = _tree_for(uow, known(uow, above_id, Side.RECEIVED), terms, moment) if above_id else None
    if tree is None:
        root_id = onward_tree_id(moment.fresh_id(), moment.fresh_id())
        tree = _Tree(tree_id=root_id, above_tree_id="", hops=terms.hops, marks=())
    asked = [_ask_one(uow, company, one, terms, tree, moment) for one in wanted]
    if above_id:
        for request in asked:
            uow.room(REQUESTS).link(above_id, request.own_id)
        asked_on(uow, company, above_id, moment)
    return asked


def _tree_for(uow: UnitOfWork, above: SupplyRequest, terms: Terms, moment: Moment) -> _Tree:
    if not above.is_open:
        raise WrongState(f"The request is {above.state}; nobody waits for an answer.", state=above.state)
    if above.hops == 0 or len(above.marks) >= MOST_MARKS_COUNT:
        raise WrongState(
            "The asker lets this request go no further: its hop limit is used up. Answer it from what you have.",
            hops=above.hops,
        )
    known_id = uow.room(REQUESTS).tree_below(above.tree_id)
    return _Tree(
        tree_id=known_id or onward_tree_id(above.tree_id, moment.fresh_id()),
        above_tree_id=above.tree_id,
        hops=min(terms.hops, above.hops - 1),
        marks=above.marks,
    )


def _ask_one(
    uow: UnitOfWork, company: Company, wanted: Wanted, terms: Terms, tree: _Tree, moment: Moment
) -> SupplyRequest:
    if not 0 <= tree.hops <= MOST_HOPS_COUNT:
        raise Invalid(f"The hop limit is a number from 0 to {MOST_HOPS_COUNT}.", path="hops")
    data_item = wanted.data_item or terms.data_item
    room = uow.room(REQUESTS)
    for other in room.same_in_tree(Side.ASKED, tree.tree_id, wanted.partner):
        is_alive = other.is_open or other.state is RequestState.ANSWERED
        asks_the_same = (other.about, other.among, other.lots) == (terms.about, wanted.among, wanted.lots)
        if is_alive and asks_the_same and (other.data_item, other.part) == (data_item, wanted.part):
            return other
    mark = moment.fresh_id()
    own_id = moment.fresh_iri()
    request = SupplyRequest(
        own_id=own_id,
        side=Side.ASKED,
        peer_id=wanted.partner,
        peer_address=wanted.address,
        request_id=own_id,
        tree_id=tree.tree_id,
        above_tree_id=tree.above_tree_id,
        data_item=data_item,
        part=wanted.part,
        due_ms=terms.due_ms,
        hops=tree.hops,
        text=terms.text,
        mark=mark,
        state=RequestState.ASKED,
        fetches=terms.fetches,
        about=terms.about,
        among=wanted.among,
        lots=wanted.lots,
        created_ms=moment.now_ms,
        updated_ms=moment.now_ms,
    )
    request = put(uow, request, moment)
    message = DataRequest(
        message_id=moment.fresh_iri(),
        request_id=own_id,
        tree_id=tree.tree_id,
        data_item=data_item,
        part=wanted.part,
        due_ms=terms.due_ms,
        hops=tree.hops,
        marks=(*tree.marks, mark),
        about=terms.about,
        among=wanted.among,
        lots=wanted.lots,
        text=terms.text,
    )
    send(uow, request, message, moment)
    schedule(uow, request, moment)
    note(uow, company, request, "asked", moment, due_ms=request.due_ms)
    return request


def remind(uow: UnitOfWork, company: Company, own_id: str, text: str, moment: Moment) -> SupplyRequest:
    """Ask again for an answer that is still wanted."""
    request = known(uow, own_id, Side.ASKED)
    if not request.is_open:
        raise WrongState(
            f"The request is {request.state}; there is nothing to remind of.", state=request.state
        )
    message = Reminder(message_id=moment.fresh_iri(), request_id=request.request_id, text=text)
    send(uow, request, message, moment)
    note(uow, company, request, "reminded", moment)
    return request


def cancel(uow: UnitOfWork, company: Company, own_id: str, text: str, moment: Moment) -> SupplyRequest:
    """Want no answer any more; the supplier is told, and what it asked on is cancelled by it."""
    request = known(uow, own_id, Side.ASKED)
    cancelled = put(uow, msgspec.structs.replace(step(request, Act.CANCEL), reason=text), moment)
    message = Cancellation(message_id=moment.fresh_iri(), request_id=request.request_id, text=text)
    send(uow, cancelled, message, moment)
    _ended(uow, company, cancelled, "cancelled", moment, reason=text)
    return cancelled


def cancel_below(uow: UnitOfWork, company: Company, above_id: str, text: str, moment: Moment) -> None:
    """Cancel what was asked for a request that ended, where no other open request waits for it."""
    room = uow.room(REQUESTS)
    after_id = ""
    while below := room.below(above_id, after_id, MOST_ASKED_AT_ONCE_COUNT):
        after_id = below[-1].own_id
        for request in below:
            others = [room.get(other_id) for other_id in room.above(request.own_id)]
            if request.is_open and not any(other is not None and other.is_open for other in others):
                cancel(uow, company, request.own_id, text, moment)


# What the supplier says to it.


def delivered(uow: UnitOfWork, company: Company, own_id: str, *, already_asked: bool, moment: Moment) -> None:
    """The supplier's inbox took the request, or said that it is asked already."""
    request = uow.room(REQUESTS).get(own_id)
    if request is None or request.state not in (RequestState.ASKED, RequestState.UNDELIVERED):
        return
    request = msgspec.structs.replace(request, reason="")
    if already_asked:
        _ended(uow, company, put(uow, step(request, Act.REPEAT), moment), "already-asked", moment)
        return
    note(uow, company, put(uow, step(request, Act.DELIVER), moment), "delivered", moment)


def undelivered(uow: UnitOfWork, company: Company, own_id: str, reason: str, moment: Moment) -> None:
    """The request could not be brought to the supplier, or its inbox refused it."""
    request = uow.room(REQUESTS).get(own_id)
    if request is None or request.state is not RequestState.ASKED:
        return
    failed = put(uow, msgspec.structs.replace(step(request, Act.FAIL), reason=reason), moment)
    _ended(uow, company, failed, "undelivered", moment, reason=reason)


def heard(uow: UnitOfWork, company: Company, request: SupplyRequest, status: Status, moment: Moment) -> None:
    """The supplier says how far it is. What comes too late to change the state still brings the counts."""
    act = _ACT_OF_STATUS.get(status.state)
    before = request.state
    if act is not None and request.is_open and before.value != status.state:
        request = step(request, act)
    request = put(uow, msgspec.structs.replace(request, counts=status.counts), moment)
    if request.state is not before:
        note(uow, company, request, request.state.value, moment)
    roll_up(uow, company, request, moment)


def answered(
    uow: UnitOfWork, company: Company, request: SupplyRequest, message: Answer, moment: Moment
) -> bool:
    """The supplier answered; False when it is kept without effect, because nobody wants the answer any more.

    Raises `Invalid` for another part, `WrongState` for a version that does not come behind the last.
    """
    check_part(request.part, message.part)
    room = uow.room(REQUESTS)
    kept = KeptAnswer(
        own_id=request.own_id,
        version=message.version,
        asset_id=message.asset_id,
        declaration=message.declaration,
        trace=message.trace,
        text=message.text,
        at_ms=moment.now_ms,
    )
    if request.state is RequestState.CANCELLED:
        room.put_answer(msgspec.structs.replace(kept, is_late=True))
        note(uow, company, request, "answered-late", moment, version=message.version)
        return False
    check_version(request, message.version)
    taken = msgspec.structs.replace(step(request, Act.ANSWER), version=message.version, counts=message.counts)
    taken = put(uow, taken, moment)
    room.put_answer(kept)
    what = "corrected" if request.version else "answered"
    _ended(uow, company, taken, what, moment, version=message.version, asset_id=message.asset_id)
    if taken.fetches and message.asset_id:
        order_fetch(uow, taken, message.version, moment)
    return True


def rejected(
    uow: UnitOfWork, company: Company, request: SupplyRequest, message: Rejection, moment: Moment
) -> bool:
    """The supplier said no; False when nobody wanted an answer any more."""
    if request.state is RequestState.CANCELLED:
        return False
    ended = msgspec.structs.replace(step(request, Act.REJECT), reason=message.reason, counts=message.counts)
    _ended(uow, company, put(uow, ended, moment), "rejected", moment, reason=message.reason)
    return True


def withdrawn(
    uow: UnitOfWork, company: Company, request: SupplyRequest, message: Withdrawal, moment: Moment
) -> bool:
    """The supplier took its answer back: what rests on it is stale; False when nobody wanted it any more."""
    if request.state is RequestState.CANCELLED:
        return False
    if message.version != request.version:
        raise WrongState(
            f"Version {request.version} of the answer is the last one here.", version=request.version
        )
    ended = msgspec.structs.replace(step(request, Act.WITHDRAW), reason=message.reason)
    mark_withdrawn(uow, request.own_id, message.version, moment)
    _ended(
        uow, company, put(uow, ended, moment), "withdrawn", moment,
        version=message.version, reason=message.reason,
    )  # fmt: skip
    return True


def fetched(
    uow: UnitOfWork, company: Company, fetch_id: str, received_id: str, problem: str, moment: Moment
) -> None:
    """The asset of an answer was fetched, or could not be."""
    room = uow.room(REQUESTS)
    kept = room.answer_of_fetch(fetch_id)
    if kept is None:
        return
    room.put_answer(msgspec.structs.replace(kept, received_id=received_id, problem=problem))
    request = known(uow, kept.own_id)
    if problem:
        note(uow, company, request, "fetch-failed", moment, version=kept.version, reason=problem)
    else:
        note(uow, company, request, "data-received", moment, version=kept.version, received_id=received_id)


def answer_to_fetch(uow: UnitOfWork, own_id: str, version: int) -> KeptAnswer | None:
    """The answer whose asset is to be fetched; None when it does not count any more, or is being fetched."""
    room = uow.room(REQUESTS)
    request = room.get(own_id)
    if request is None or request.version != version or request.state is not RequestState.ANSWERED:
        return None
    kept = next((one for one in room.answers(own_id) if one.version == version and not one.is_late), None)
    return None if kept is None or kept.fetch_id or not kept.asset_id else kept


def not_fetched(uow: UnitOfWork, company: Company, order: bytes, why: str, moment: Moment) -> None:
    """The fetch of an answer could not be begun."""
    own_id, version = read_fetch_order(order)
    kept = answer_to_fetch(uow, own_id, version)
    if kept is not None:
        uow.room(REQUESTS).put_answer(msgspec.structs.replace(kept, problem=why))
        note(uow, company, known(uow, own_id), "fetch-failed", moment, version=version, reason=why)


def hindered(uow: UnitOfWork, own_id: str, why: str) -> None:
    """Keep with a request why its supplier was not reached yet."""
    request = uow.room(REQUESTS).get(own_id)
    if request is not None and request.state is RequestState.ASKED:
        uow.room(REQUESTS).put(msgspec.structs.replace(request, reason=why))


def not_taken(
    uow: UnitOfWork, company: Company, own_id: str, message_name: str, why: str, moment: Moment
) -> None:
    """The other side refused a message about a request that it has, or was never reached."""
    request = uow.room(REQUESTS).get(own_id)
    if request is not None:
        note(uow, company, request, "message-refused", moment, message=message_name, reason=why)


def _ended(
    uow: UnitOfWork, company: Company, request: SupplyRequest, what: str, moment: Moment, **more: object
) -> None:
    close_date(uow, request)
    note(uow, company, request, what, moment, **more)
    roll_up(uow, company, request, moment)
