"""What both sides of a request have in common: its messages in the outbox, its date, its history, and the sums above it."""

import msgspec

from ashiato.connector.company import Company, tell
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound
from ashiato.connector.receipt_dates import SCHEDULED
from ashiato.connector.records import Event
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.supply.messages import Message, Status, encode
from ashiato.supply.request_ports import REQUESTS
from ashiato.supply.requests import RequestState, Side, SupplyRequest

STATUS = "Status"
FETCH = "Fetch"

_TOLD_STATES = frozenset(
    {RequestState.RECEIVED, RequestState.IN_PROGRESS, RequestState.ASKED_ON, RequestState.ANSWERED}
)


def put(uow: UnitOfWork, request: SupplyRequest, moment: Moment) -> SupplyRequest:
    """Keep the request as it is now."""
    stamped = msgspec.structs.replace(request, updated_ms=moment.now_ms)
    uow.room(REQUESTS).put(stamped)
    return stamped


def known(uow: UnitOfWork, own_id: str, side: Side | None = None) -> SupplyRequest:
    """The request with that id of ours; raises `NotFound`, also where it is one of the other side."""
    request = uow.room(REQUESTS).get(own_id)
    if request is None or side not in (None, request.side):
        kind = {Side.ASKED: " that you made", Side.RECEIVED: " that you received", None: ""}[side]
        raise NotFound(f"There is no request {own_id!r}{kind}.", id=own_id)
    return request


def note(
    uow: UnitOfWork, company: Company, request: SupplyRequest, what: str, moment: Moment, **more: object
) -> None:
    """Write into the history what happened to a request, and tell it to webhooks and reactors."""
    details: dict[str, object] = {
        "side": request.side.value,
        "data_item": request.data_item,
        "state": request.state.value,
        **more,
    }
    tell(uow, company, moment, f"request.{what}", request.own_id, request.peer_id, **details)


def send(uow: UnitOfWork, request: SupplyRequest, message: Message, moment: Moment) -> None:
    """Put a message to the other side of a request into the outbox, behind those before it."""
    _deliver(uow, request, process_of(request.own_id), type(message).__name__, encode(message), moment)


def order_fetch(uow: UnitOfWork, request: SupplyRequest, version: int, moment: Moment) -> None:
    """Leave it to the courier to fetch the asset that an answer names."""
    process_id = f"request-fetch:{request.own_id}:{version}"
    _deliver(uow, request, process_id, FETCH, f"{request.own_id} {version}".encode(), moment)


def read_fetch_order(body: bytes) -> tuple[str, int]:
    """The own id of the request and the version of the answer whose asset is to be fetched."""
    own_id, _, version = body.decode().rpartition(" ")
    return own_id, int(version)


def process_of(own_id: str) -> str:
    """The outbox process of a request's messages."""
    return f"request:{own_id}"


def schedule(uow: UnitOfWork, request: SupplyRequest, moment: Moment) -> None:
    """Look after the request at its date."""
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=uow.participant_id,
            kind=DeliveryKind.SUPPLY_DATE,
            process_id=_date_process(request.own_id),
            sequence=0,
            message_name="request.date",
            address=_date_process(request.own_id),
            audience="",
            body=request.own_id.encode(),
            created_ms=moment.now_ms,
            due_ms=max(request.due_ms, moment.now_ms + 1),
        )
    )
    uow.tell(
        Event(
            name=SCHEDULED,
            participant_id=uow.participant_id,
            process_id=request.own_id,
            at_ms=moment.now_ms,
        )
    )


def come_due(uow: UnitOfWork, company: Company, own_id: str, moment: Moment) -> None:
    """The date of a request is over: what is still open is overdue from now on, and stays open."""
    request = uow.room(REQUESTS).get(own_id)
    if request is None or not request.is_open or request.is_overdue:
        return
    late = put(uow, msgspec.structs.replace(request, is_overdue=True), moment)
    note(uow, company, late, "overdue", moment)


def close_date(uow: UnitOfWork, request: SupplyRequest) -> None:
    """Nothing is due any more."""
    uow.outbox.remove_of_process(_date_process(request.own_id))


def tell_progress(uow: UnitOfWork, request: SupplyRequest, moment: Moment) -> None:
    """Let the asker know how far we are; many changes at once are told once.

    The message is made when it is delivered. One that is already on its way may tell what was before this change: whoever
    delivers it looks again (`progress_told`).
    """
    if request.side is not Side.RECEIVED or not _is_news(request):
        return
    process_id = process_of(request.own_id)
    if any(waiting.message_name == STATUS for waiting in uow.outbox.of_process(process_id)):
        return
    _deliver(uow, request, process_id, STATUS, request.own_id.encode(), moment)


def progress(uow: UnitOfWork, own_id: str, message_id: str) -> tuple[SupplyRequest, Status] | None:
    """The status that is to be told now; None when nothing is left to tell."""
    request = uow.room(REQUESTS).get(own_id)
    if request is None or not _is_news(request):
        return None
    return request, msgspec.convert(
        {
            "type": STATUS,
            "schema": "urn:ashiato:supply:1",
            "message_id": message_id,
            "request_id": request.request_id,
            "state": request.state.value,
            "counts": request.counts.capped(),
        },
        Status,
        from_attributes=True,
    )


def progress_told(uow: UnitOfWork, told: SupplyRequest, moment: Moment) -> None:
    """The asker knows now what `told` says; what changed meanwhile is told next."""
    request = uow.room(REQUESTS).get(told.own_id)
    if request is None:
        return
    now = put(uow, msgspec.structs.replace(request, told=(told.state.value, told.counts)), moment)
    if _is_news(now):
        _deliver(uow, now, process_of(now.own_id), STATUS, now.own_id.encode(), moment)


def _is_news(request: SupplyRequest) -> bool:
    return request.state in _TOLD_STATES and request.told != (request.state.value, request.counts)


def _date_process(own_id: str) -> str:
    return f"request-date:{own_id}"


def _deliver(
    uow: UnitOfWork, request: SupplyRequest, process_id: str, name: str, body: bytes, moment: Moment
) -> None:
    if request.peer_id == uow.participant_id:
        # A question of our own people is kept like one that came in, and its answer is here already.
        return
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=uow.participant_id,
            kind=DeliveryKind.SUPPLY,
            process_id=process_id,
            sequence=0,
            message_name=name,
            address=request.peer_address,
            audience=request.peer_id,
            body=body,
            created_ms=moment.now_ms,
            due_ms=moment.now_ms,
        )
    )
