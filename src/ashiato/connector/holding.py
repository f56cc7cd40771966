"""The holder's use cases: what was asked of issuers, what they send, and what others may be shown."""

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted, QuotaExceeded, WrongState
from ashiato.connector.records import Event
from ashiato.identity import dcp_v1_0 as dcp
from ashiato.identity.wallet import (
    MOST_HELD_COUNT,
    MOST_TAKEN_COUNT,
    CredentialOffer,
    CredentialRequest,
    HeldCredential,
    RequestState,
    UnknownScope,
    beyond,
    held,
    opened_by,
)
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.trust.held_credentials import OwnCredential

MOST_OFFERS_PER_ISSUER_COUNT = 100
# Each issuer of a network sends at most a few; beyond that, somebody fills our disk.
MOST_OFFERS_COUNT = 1000


def ask(
    uow: UnitOfWork,
    issuer: str,
    credential_ids: Sequence[str],
    moment: Moment,
    *,
    request_id: str | None = None,
    code: str = "",
) -> CredentialRequest:
    """Ask `issuer` for what its metadata or offer names by these ids; the courier brings the request to it.

    The same `request_id` again starts nothing new. Raises `Invalid` or `WrongState`.
    """
    if not 0 < len(credential_ids) <= dcp.MOST_CREDENTIALS_COUNT:
        raise Invalid("Name at least one credential of the issuer, and not too many.", path="credentials")
    own_id = request_id or moment.fresh_id()
    before = uow.wallet.asked.get(own_id)
    if before is not None:
        if before.issuer != issuer or before.credential_ids != tuple(credential_ids):
            raise WrongState(f"There is another request {own_id!r}.", id=own_id)
        return before
    request = CredentialRequest(
        request_id=own_id,
        issuer=issuer,
        credential_ids=tuple(credential_ids),
        state=RequestState.REQUESTED,
        created_ms=moment.now_ms,
        updated_ms=moment.now_ms,
        code=code,
    )
    uow.outbox.add(
        Delivery(
            delivery_id=moment.fresh_id(),
            participant_id=uow.participant_id,
            kind=DeliveryKind.ISSUANCE,
            process_id=own_id,
            sequence=0,
            message_name=dcp.CREDENTIAL_REQUEST_MESSAGE,
            address="",
            audience=issuer,
            body=dcp.encode_request(own_id, credential_ids),
            created_ms=moment.now_ms,
            due_ms=moment.now_ms,
        )
    )
    return _changed(uow, request, moment)


def taken(uow: UnitOfWork, request_id: str, issuer_pid: str, moment: Moment) -> None:
    """The issuer took the request and knows it as `issuer_pid`; it may have decided before it answered."""
    request = uow.wallet.asked.get(request_id)
    if request is None:
        return
    known = msgspec.structs.replace(request, issuer_pid=issuer_pid, code="")
    if request.state is RequestState.REQUESTED:
        _changed(uow, msgspec.structs.replace(known, state=RequestState.RECEIVED), moment)
    elif known != request:
        uow.wallet.asked.put(known)


def refused(uow: UnitOfWork, request_id: str, reason: str, moment: Moment) -> None:
    """The request did not reach the issuer, or was none for it."""
    request = uow.wallet.asked.get(request_id)
    if request is not None and request.state is RequestState.REQUESTED:
        _changed(
            uow,
            msgspec.structs.replace(request, state=RequestState.FAILED, reason=reason, code=""),
            moment,
        )


def asked_of(uow: UnitOfWork, issuer: str, message: dcp.IssuedMessage) -> CredentialRequest:
    """The request of ours that the issuer answers; raises `NotFound`: nothing is taken from whom nobody asked."""
    request = uow.wallet.asked.get(message.holder_pid)
    if request is None or request.issuer != issuer:
        raise NotFound("There is no such request to you.", id=message.holder_pid)
    return request


def received(
    uow: UnitOfWork,
    issuer: str,
    message: dcp.IssuedMessage,
    credentials: Sequence[tuple[OwnCredential, str]],
    moment: Moment,
) -> None:
    """Keep what an issuer sent for a request of ours, or note that it said no (DCP 1.0, 6.5.1).

    A repeated message changes nothing and is not told again. Raises `NotFound` or `QuotaExceeded`.
    """
    request = asked_of(uow, issuer, message)
    if not message.is_issued:
        done = msgspec.structs.replace(request, state=RequestState.REJECTED, reason=message.reason)
        if request.state is not RequestState.ISSUED and done != request:
            _changed(uow, done, moment)
        return
    known = {one.held_id: one.envelope for one in uow.wallet.held.page("", MOST_HELD_COUNT + 1)}
    is_news = request.state is not RequestState.ISSUED
    taken_sha256 = list(request.taken_sha256)
    for own, envelope in credentials:
        record = held(own, envelope, request.request_id, moment.now_ms)
        envelope_sha256 = sha256(envelope.encode()).hexdigest()
        if known.get(record.held_id) == envelope or envelope_sha256 in taken_sha256:
            continue
        taken_sha256.append(envelope_sha256)
        if record.held_id not in known and len(known) >= MOST_HELD_COUNT:
            raise QuotaExceeded(f"The wallet holds {MOST_HELD_COUNT} credentials already.")
        known[record.held_id] = envelope
        uow.wallet.held.put(record)
        is_news = True
    if is_news:
        done = msgspec.structs.replace(
            request,
            state=RequestState.ISSUED,
            code="",
            taken_sha256=tuple(taken_sha256[-MOST_TAKEN_COUNT:]),
        )
        _changed(uow, done, moment)


def offered(uow: UnitOfWork, issuer: str, offer: CredentialOffer, moment: Moment) -> None:
    """Keep an offer until a person or a program takes it up (DCP 1.0, 6.6.1). Raises `NotPermitted` or `QuotaExceeded`."""
    if offer.issuer != issuer:
        raise NotPermitted("An issuer offers in its own name only.")
    if (
        len(uow.wallet.offers.page("", MOST_OFFERS_PER_ISSUER_COUNT, peer_id=issuer))
        >= MOST_OFFERS_PER_ISSUER_COUNT
    ):
        raise QuotaExceeded("There are too many offers of yours that nobody has looked at.")
    if len(uow.wallet.offers.page("", MOST_OFFERS_COUNT)) >= MOST_OFFERS_COUNT:
        raise QuotaExceeded("There are too many offers that nobody has looked at.")
    uow.wallet.offers.put(offer)
    details: dict[str, object] = {"types": [one.credential_type for one in offer.credentials]}
    uow.records.add_history(moment.now_ms, "credential.offered", offer.offer_id, issuer, details)
    uow.tell(
        Event(
            name="credential.offered",
            participant_id=uow.participant_id,
            process_id=offer.offer_id,
            at_ms=moment.now_ms,
        )
    )


def accept_offer(uow: UnitOfWork, offer_id: str, moment: Moment) -> CredentialRequest:
    """Ask for everything that an offer names; raises `NotFound`."""
    offer = uow.wallet.offers.get(offer_id)
    if offer is None:
        raise NotFound(f"There is no offer {offer_id!r}.", id=offer_id)
    uow.wallet.offers.delete(offer_id)
    return ask(uow, offer.issuer, [one.id for one in offer.credentials], moment)


def shown_to(
    uow: UnitOfWork, scopes: Sequence[str], granted: Sequence[str], now_ms: int
) -> list[HeldCredential]:
    """The credentials for these scopes (DCP 1.0, 5.4.1.2); raises `Invalid`, or `NotPermitted` beyond what was granted."""
    try:
        too_much = beyond(scopes, granted)
    except UnknownScope as error:
        raise Invalid(f"{error}.", path="scope") from None
    if too_much is not None:
        raise NotPermitted(f"Your access token does not open the scope {too_much!r}.")
    return opened_by(scopes, uow.wallet.held.page("", MOST_HELD_COUNT), now_ms)


def forget(uow: UnitOfWork, held_id: str, moment: Moment) -> None:
    """Remove a credential of ours; raises `NotFound`."""
    record = uow.wallet.held.get(held_id)
    if record is None or not uow.wallet.held.delete(held_id):
        raise NotFound(f"There is no credential {held_id!r} in the wallet.", id=held_id)
    details: dict[str, object] = {"types": list(record.types)}
    uow.records.add_history(moment.now_ms, "credential.removed", held_id, record.issuer, details)


def _changed(uow: UnitOfWork, request: CredentialRequest, moment: Moment) -> CredentialRequest:
    changed = msgspec.structs.replace(request, updated_ms=moment.now_ms)
    uow.wallet.asked.put(changed)
    name = f"credential_request.{request.state.value.lower()}"
    details: dict[str, object] = {"credentials": list(request.credential_ids), "reason": request.reason}
    uow.records.add_history(moment.now_ms, name, request.request_id, request.issuer, details)
    uow.tell(
        Event(
            name=name,
            participant_id=uow.participant_id,
            process_id=request.request_id,
            at_ms=moment.now_ms,
        )
    )
    return changed
