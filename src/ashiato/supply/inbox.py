"""The inbox of a company for the messages of its partners: how it is offered, and what a message that came in does.

The inbox is an asset like any other, so who may write is decided by its offer and its access, and every message comes under an
agreement. Whoever calls is known: it is the consumer of that agreement, and only its own requests are open to it.
"""

from hashlib import sha256

import msgspec

from ashiato.connector.company import Company, tell
from ashiato.connector.ports import Moment
from ashiato.connector.problems import NotFound, QuotaExceeded, WrongState
from ashiato.supply import answering, asking, link_letters, notices, reach, records, rules, trace_rights
from ashiato.supply.messages import (
    Answer,
    Cancellation,
    DataRequest,
    LinkConfirmation,
    LinkProposal,
    LinkRefusal,
    LinkWithdrawal,
    Message,
    Receipt,
    Rejection,
    Reminder,
    StandingNotice,
    Status,
    Withdrawal,
    decode,
    encode,
)
from ashiato.supply.ports import UnitOfWork
from ashiato.supply.request_ports import REQUESTS, TakenMessage
from ashiato.supply.requests import RequestState, Side
from ashiato.supply.telling import note

SOURCE_KIND = "supply-inbox"
MOST_OPEN_PER_ASKER_COUNT = 2000


def take(uow: UnitOfWork, company: Company, sender_id: str, body: bytes, moment: Moment) -> Receipt:
    """What a message of `sender_id` does; a repeated one does nothing and is answered as the first time.

    Raises `MalformedSupplyMessage` or a `Problem`, and then nothing was changed.
    """
    message = decode(body)
    room, digest = uow.room(REQUESTS), sha256(body).hexdigest()
    before = room.message(sender_id, message.message_id)
    if before is not None:
        if before.sha256 != digest:
            raise WrongState("Another message came with this id; give each its own.", id=message.message_id)
        return msgspec.json.decode(before.reply, type=Receipt)
    receipt = _act(uow, company, sender_id, message, moment)
    room.put_message(
        TakenMessage(
            peer_id=sender_id,
            message_id=message.message_id,
            sha256=digest,
            reply=encode(receipt).decode(),
            at_ms=moment.now_ms,
        )
    )
    return receipt


def _act(uow: UnitOfWork, company: Company, sender_id: str, message: Message, moment: Moment) -> Receipt:
    if isinstance(message, DataRequest):
        return _requested(uow, company, sender_id, message, moment)
    if isinstance(message, LinkProposal | LinkConfirmation | LinkRefusal | LinkWithdrawal):
        link_letters.take(uow, sender_id, message, moment)
        return Receipt(message_id=message.message_id, outcome="taken")
    if isinstance(message, StandingNotice):
        is_news = notices.take(uow, company, sender_id, message, moment)
        return Receipt(message_id=message.message_id, outcome="taken" if is_news else "kept-without-effect")
    side = Side.RECEIVED if isinstance(message, Reminder | Cancellation) else Side.ASKED
    # A request of somebody else looks like none: who may not know of it learns nothing.
    request = uow.room(REQUESTS).find(side, sender_id, message.request_id)
    if request is None:
        raise NotFound(f"There is no request {message.request_id!r} between us.", id=message.request_id)
    has_effect = True
    match message:
        case Reminder():
            has_effect = request.is_open
            note(uow, company, request, "reminder", moment, text=message.text)
        case Cancellation():
            has_effect = request.is_open
            answering.cancelled(uow, company, request, message.text, moment)
            asking.cancel_below(uow, company, request.own_id, "It is not wanted any more.", moment)
        case Status():
            asking.heard(uow, company, request, message, moment)
        case Answer():
            has_effect = asking.answered(uow, company, request, message, moment)
        case Rejection():
            has_effect = asking.rejected(uow, company, request, message, moment)
        case Withdrawal():
            has_effect = asking.withdrawn(uow, company, request, message, moment)
    return Receipt(message_id=message.message_id, outcome="taken" if has_effect else "kept-without-effect")


def _requested(
    uow: UnitOfWork, company: Company, sender_id: str, message: DataRequest, moment: Moment
) -> Receipt:
    room = uow.room(REQUESTS)
    if room.find(Side.RECEIVED, sender_id, message.request_id) is not None:
        raise WrongState(
            "A request with this id came before; ask anew with its own id.", id=message.request_id
        )
    own_part_id = message.part.part_id
    if message.part.link:
        # Where things went a supplier asks its customer; whatever else is asked, a customer asks its supplier.
        our_side = records.Side.BUYER if message.data_item == reach.WENT_ITEM else records.Side.SUPPLIER
        link = link_letters.confirmed_link(uow, message.part.link, sender_id, our_side)
        own_part_id = link.own_part_id
    if room.knows_mark(message.marks) or _is_asked_already(uow, sender_id, message):
        tell(uow, company, moment, "request.already-asked", message.request_id, sender_id)
        return Receipt(message_id=message.message_id, outcome="already-asked")
    if room.count_open(Side.RECEIVED, sender_id, MOST_OPEN_PER_ASKER_COUNT) >= MOST_OPEN_PER_ASKER_COUNT:
        raise QuotaExceeded("You have too many open requests here; cancel some, or wait for answers.")
    request = answering.take(uow, company, sender_id, message, moment)
    if message.data_item in trace_rights.TRACE_ITEMS:
        trace_rights.begin_if_allowed(uow, company, request, moment)
    else:
        rules.answer_if_ruled(uow, company, request, own_part_id, moment)
    return Receipt(message_id=message.message_id, outcome="taken")


def _is_asked_already(uow: UnitOfWork, sender_id: str, message: DataRequest) -> bool:
    """Whether the same asker asked for the same in the same tree, and still waits or has its answer."""
    same = uow.room(REQUESTS).same_in_tree(Side.RECEIVED, message.tree_id, sender_id)
    return any(
        (request.data_item, request.part, request.about, request.among, request.lots)
        == (message.data_item, message.part, message.about, message.among, message.lots)
        and (request.is_open or request.state is RequestState.ANSWERED)
        for request in same
    )
