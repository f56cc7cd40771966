"""The transfer process as a pure state machine for both roles (DSP 2025-1, 9).

A state is entered when our own message is committed to the outbox or the counterparty's is committed as
received; `reconcile` closes the gap to the specification's acknowledgement after a doubt.

Who may send what (C consumer, P provider; every other pair is an error and changes nothing):

    message                      by    from                            to
    TransferRequestMessage       C     -                               REQUESTED
    TransferStartMessage         P     REQUESTED, SUSPENDED            STARTED
    TransferStartMessage         C     SUSPENDED                       STARTED
    TransferSuspensionMessage    C, P  STARTED                         SUSPENDED
    TransferCompletionMessage    C, P  STARTED                         COMPLETED
    TransferTerminationMessage   C, P  REQUESTED, STARTED, SUSPENDED   TERMINATED

Either side may resume, also a suspension of the other: the figure of 9.1.3 knows no owner of a suspension. A
provider that must not resume (its policy denies) suspends again or terminates. `suspended_by` says who did
it, for people.

Here both sides may act at once, so their messages can cross. Two equal acts meet in the same state, where the
other's message moves nothing: with an id it is remembered, without one it is a duplicate. Where a completion
crosses a suspension or a termination, both messages are refused and `reconcile` brings the two sides
together: TERMINATED wins over all, then COMPLETED, then the provider's view.
"""

from typing import Literal

import msgspec

from ashiato.dsp.effects import Deliver, Effect, Ending, Redeliver, Settle, Tell
from ashiato.dsp.errors import IllegalTransition, MismatchedMessage
from ashiato.dsp.messages import (
    DataAddress,
    TransferCompletionMessage,
    TransferMessage,
    TransferProcessAck,
    TransferRequestMessage,
    TransferStartMessage,
    TransferSuspensionMessage,
    TransferTerminationMessage,
)
from ashiato.dsp.pids import check_pid, remembered
from ashiato.dsp.states import Doubt, Role, TransferState

__all__ = [
    "Deliver",
    "Doubt",
    "Effect",
    "Ending",
    "IllegalTransition",
    "MismatchedMessage",
    "Redeliver",
    "Role",
    "Settle",
    "Step",
    "Tell",
    "TransferProcess",
    "TransferState",
    "abandon",
    "acknowledge",
    "act",
    "opened_by_peer",
    "opened_by_us",
    "receive",
    "reconcile",
]

_S = TransferState
_Kind = Literal["request", "start", "suspension", "completion", "termination"]
_Call = (
    TransferStartMessage | TransferSuspensionMessage | TransferCompletionMessage | TransferTerminationMessage
)
_KINDS: dict[type[object], _Kind] = {
    TransferRequestMessage: "request",
    TransferStartMessage: "start",
    TransferSuspensionMessage: "suspension",
    TransferCompletionMessage: "completion",
    TransferTerminationMessage: "termination",
}
_RUNNING = frozenset({_S.STARTED})
_NOT_ENDED = frozenset(state for state in TransferState if not state.is_terminal)
_SOURCES: dict[tuple[_Kind, Role], frozenset[TransferState]] = {
    ("start", Role.PROVIDER): frozenset({_S.REQUESTED, _S.SUSPENDED}),
    ("start", Role.CONSUMER): frozenset({_S.SUSPENDED}),
    ("suspension", Role.PROVIDER): _RUNNING,
    ("suspension", Role.CONSUMER): _RUNNING,
    ("completion", Role.PROVIDER): _RUNNING,
    ("completion", Role.CONSUMER): _RUNNING,
    ("termination", Role.PROVIDER): _NOT_ENDED,
    ("termination", Role.CONSUMER): _NOT_ENDED,
}
_TARGETS: dict[_Kind, TransferState] = {
    "start": _S.STARTED,
    "suspension": _S.SUSPENDED,
    "completion": _S.COMPLETED,
    "termination": _S.TERMINATED,
}
_WORDED = frozenset({_S.SUSPENDED, _S.TERMINATED})


class TransferProcess(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer as this side sees it; `role` is ours, `peer_address` the counterparty's base or callback
    URL.

    `data_address` is the consumer's for a push (`is_push`: the request named one), else the provider's
    latest. `moved_by` is the side whose message led to `state`. `reason` says why it was suspended or
    terminated. `applied` holds what is needed to know a retry of the counterparty's messages.
    """

    role: Role
    own_pid: str
    peer_id: str
    peer_pid: str | None
    peer_address: str
    state: TransferState
    agreement_id: str
    format: str
    data_address: DataAddress | None = None
    is_push: bool = False
    moved_by: Role
    suspended_by: Role | None = None
    reason: Ending | None = None
    applied: tuple[str, ...] = ()
    created_ms: int
    updated_ms: int


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """The transfer after an event and what must be done with it, in one transaction.

    A duplicate changes nothing. A step without effects that is no duplicate is stored all the same.
    """

    transfer: TransferProcess
    effects: tuple[Effect, ...] = ()
    duplicate: bool = False


def opened_by_peer(message: TransferRequestMessage, *, own_pid: str, peer_id: str, now_ms: int) -> Step:
    """The transfer that a consumer's request starts; we provide.

    Requests are idempotent by the consumer's process id (9.2.1): look it up first and hand a known one to
    `receive`.
    """
    check_pid("consumerPid", message.consumer_pid)
    opened = TransferProcess(
        role=Role.PROVIDER,
        own_pid=own_pid,
        peer_id=peer_id,
        peer_pid=message.consumer_pid,
        peer_address=message.callback_address.rstrip("/"),
        state=_S.REQUESTED,
        agreement_id=message.agreement_id,
        format=message.format,
        data_address=message.data_address,
        is_push=message.data_address is not None,
        moved_by=Role.CONSUMER,
        applied=remembered((), "request", message.message_id),
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    return Step(transfer=opened, effects=(_tell(opened.state),))


def opened_by_us(message: TransferRequestMessage, *, peer_id: str, peer_address: str, now_ms: int) -> Step:
    """The transfer that our own request starts, and its delivery; we consume."""
    opened = TransferProcess(
        role=Role.CONSUMER,
        own_pid=message.consumer_pid,
        peer_id=peer_id,
        peer_pid=None,
        peer_address=peer_address.rstrip("/"),
        state=_S.REQUESTED,
        agreement_id=message.agreement_id,
        format=message.format,
        data_address=message.data_address,
        is_push=message.data_address is not None,
        moved_by=Role.CONSUMER,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    return Step(transfer=opened, effects=(Deliver(message), _tell(opened.state)))


def acknowledge(transfer: TransferProcess, ack: TransferProcessAck, now_ms: int) -> Step:
    """The counterparty answered 2xx with its view of the transfer: its process id is learned, the outbox
    settled.

    Raises `MismatchedMessage` where the answer speaks of another transfer.
    """
    known = _met(transfer, ack)
    if known is not transfer:
        known = msgspec.structs.replace(known, updated_ms=now_ms)
    return Step(transfer=known, effects=(Settle(),))


def receive(transfer: TransferProcess, message: TransferMessage, now_ms: int) -> Step:
    """The step that the counterparty's message leads to.

    Raises `IllegalTransition` and `MismatchedMessage`, both the counterparty's to mend; the transfer stays.
    """
    if isinstance(message, TransferRequestMessage):
        return _opened_again(transfer, message)
    known = _met(transfer, message)
    kind, sender = _KINDS[type(message)], transfer.role.other
    if message.message_id is not None and f"{kind} {message.message_id}" in known.applied:
        return Step(transfer=transfer, duplicate=True)
    applied = remembered(known.applied, kind, message.message_id)
    is_there = known.state is _TARGETS[kind]
    if is_there and not _renews_address(known, message):
        _check_repeated(known, message)
        if message.message_id is None:
            return Step(transfer=transfer, duplicate=True)
        # It crossed ours: once we have moved on, a late copy of it must not be taken for a new message.
        return Step(transfer=msgspec.structs.replace(known, applied=applied))
    if not is_there and known.state not in _SOURCES[kind, sender]:
        raise IllegalTransition(known.state, type(message).__name__, _why_not(known.state, kind, sender))
    moved = msgspec.structs.replace(_moved(known, message, sender, now_ms), applied=applied)
    return Step(transfer=moved, effects=(Settle(), _tell(moved.state)))


def act(transfer: TransferProcess, message: TransferMessage, now_ms: int) -> Step:
    """The step that our own message leads to, with its delivery.

    Raises `IllegalTransition` and `MismatchedMessage`, here ours to mend: the caller chose a message out of
    turn.
    """
    name = type(message).__name__
    if isinstance(message, TransferRequestMessage):
        raise IllegalTransition(transfer.state, name, "it opens a transfer and is sent once")
    if transfer.peer_pid is None:
        raise IllegalTransition(transfer.state, name, "the counterparty has not yet named its process id")
    _met(transfer, message)
    kind = _KINDS[type(message)]
    if transfer.state not in _SOURCES[kind, transfer.role]:
        raise IllegalTransition(transfer.state, name, _why_not(transfer.state, kind, transfer.role))
    moved = _moved(transfer, message, transfer.role, now_ms)
    return Step(transfer=moved, effects=(Deliver(message), _tell(moved.state)))


def abandon(transfer: TransferProcess, ending: Ending, now_ms: int) -> Step:
    """Ends the transfer on this side alone: the counterparty refused it or can no longer be reached."""
    if transfer.state is _S.TERMINATED:
        return Step(transfer=transfer, duplicate=True)
    ended = _adopted(transfer, _S.TERMINATED, now_ms, moved_by=transfer.role, reason=ending)
    return Step(transfer=ended, effects=(Settle(), _tell(_S.TERMINATED)))


def reconcile(
    transfer: TransferProcess,
    peer_state: TransferState | None,
    now_ms: int,
    *,
    doubt: Doubt = Doubt.SILENCE,
) -> Step:
    """The step that follows from the state which the counterparty states when asked after a doubt.

    Ask with the transfer as stored, and ask again where it changed before the answer came. `peer_state` is
    None where the counterparty does not know the transfer.

        we brought it to   and the other states     what follows
        STARTED            SUSPENDED                Redeliver, after silence
        SUSPENDED          STARTED                  Redeliver, after silence
        STARTED, SUSPENDED REQUESTED                Redeliver after silence; after a refusal we terminate and tell
        COMPLETED          not ended                Redeliver, unless acknowledged
        COMPLETED          TERMINATED               we terminate, unless acknowledged

        whoever did        and the other states     what follows
        any state          unknown                  Redeliver
        any state          the same                 Settle
        TERMINATED         COMPLETED                Settle: both have ended
        TERMINATED         not ended                Redeliver
        not ended          TERMINATED               we terminate
        STARTED, SUSPENDED COMPLETED                we complete too
        STARTED            SUSPENDED                a consumer suspends too, a provider stays
        SUSPENDED          STARTED                  a consumer starts too, a provider stays
        otherwise                                   Settle

    A COMPLETED that was acknowledged or received stays; a TERMINATED contradicts it.
    """
    state = transfer.state
    ours = doubt is not Doubt.NONE and transfer.moved_by is transfer.role
    if peer_state is state:
        return Step(transfer=transfer, effects=(Settle(),))
    if peer_state is None:
        return Step(transfer=transfer, effects=(Redeliver(),))
    if state.is_terminal:
        return _ended(transfer, peer_state, now_ms, unacknowledged=ours)
    if peer_state is _S.TERMINATED:
        return _taken_over(transfer, peer_state, now_ms)
    if state is _S.REQUESTED:
        return Step(transfer=transfer, effects=(Settle(),))
    if peer_state is _S.COMPLETED:
        return _taken_over(transfer, peer_state, now_ms)
    if ours and doubt is Doubt.SILENCE:
        return Step(transfer=transfer, effects=(Redeliver(),))
    if peer_state is _S.REQUESTED:
        return _apart(transfer, now_ms) if ours else Step(transfer=transfer, effects=(Settle(),))
    if transfer.role is Role.PROVIDER:
        return Step(transfer=transfer, effects=(Settle(),))
    return _taken_over(transfer, peer_state, now_ms)


def _ended(
    transfer: TransferProcess, peer_state: TransferState, now_ms: int, *, unacknowledged: bool
) -> Step:
    """Reconciles a transfer that has ended here with a counterparty that states otherwise."""
    if transfer.state is _S.TERMINATED:
        return Step(transfer=transfer, effects=(Settle() if peer_state.is_terminal else Redeliver(),))
    if unacknowledged and peer_state is _S.TERMINATED:
        return _taken_over(transfer, peer_state, now_ms)
    if unacknowledged:
        return Step(transfer=transfer, effects=(Redeliver(),))
    if peer_state is _S.TERMINATED:
        return Step(transfer=transfer, effects=(Settle(), Tell("transfer.contradicted")))
    return Step(transfer=transfer, effects=(Settle(),))


def _apart(transfer: TransferProcess, now_ms: int) -> Step:
    """A counterparty that did not take the start cannot be served."""
    ending = Ending(reason=("the start of the transfer was refused",))
    step = abandon(transfer, ending, now_ms)
    if transfer.peer_pid is None:
        return step
    provides = transfer.role is Role.PROVIDER
    message = TransferTerminationMessage(
        provider_pid=transfer.own_pid if provides else transfer.peer_pid,
        consumer_pid=transfer.peer_pid if provides else transfer.own_pid,
        reason=ending.reason,
    )
    return Step(transfer=step.transfer, effects=(Settle(), Deliver(message), _tell(_S.TERMINATED)))


def _taken_over(transfer: TransferProcess, state: TransferState, now_ms: int) -> Step:
    """The counterparty's state counts; its words, if it had any, did not reach us."""
    reason = Ending(reason=(f"the counterparty states that it is {state}",)) if state in _WORDED else None
    adopted = _adopted(transfer, state, now_ms, moved_by=transfer.role.other, reason=reason)
    return Step(transfer=adopted, effects=(Settle(), _tell(state)))


def _adopted(
    transfer: TransferProcess, state: TransferState, now_ms: int, *, moved_by: Role, reason: Ending | None
) -> TransferProcess:
    return msgspec.structs.replace(
        transfer,
        state=state,
        moved_by=moved_by,
        suspended_by=moved_by if state is _S.SUSPENDED else None,
        reason=reason,
        updated_ms=now_ms,
    )


def _moved(transfer: TransferProcess, message: _Call, sender: Role, now_ms: int) -> TransferProcess:
    reason: Ending | None = None
    if isinstance(message, TransferSuspensionMessage | TransferTerminationMessage):
        reason = Ending(code=message.code, reason=message.reason)
    moved = _adopted(transfer, _TARGETS[_KINDS[type(message)]], now_ms, moved_by=sender, reason=reason)
    if isinstance(message, TransferStartMessage) and _names_address(transfer, message, sender):
        return msgspec.structs.replace(moved, data_address=message.data_address)
    return moved


def _names_address(transfer: TransferProcess, message: TransferStartMessage, sender: Role) -> bool:
    """True where the provider says where the data of a pull is; a resumption without an address keeps the old
    one.
    """
    return message.data_address is not None and sender is Role.PROVIDER and not transfer.is_push


def _renews_address(transfer: TransferProcess, message: _Call) -> bool:
    """True where the provider's start crossed ours and brings another address, which must not be lost."""
    return (
        isinstance(message, TransferStartMessage)
        and transfer.moved_by is transfer.role
        and _names_address(transfer, message, transfer.role.other)
        and message.data_address != transfer.data_address
    )


def _check_repeated(transfer: TransferProcess, message: _Call) -> None:
    """Raises for a second start that names another address where the first one was the provider's too."""
    if (
        isinstance(message, TransferStartMessage)
        and _names_address(transfer, message, transfer.role.other)
        and message.data_address != transfer.data_address
    ):
        raise IllegalTransition(transfer.state, type(message).__name__, "the transfer runs already")


def _why_not(state: TransferState, kind: _Kind, sender: Role) -> str:
    if state.is_terminal:
        return "the transfer has ended"
    sources = " or ".join(sorted(_SOURCES[kind, sender]))
    return f"a {sender.lower()} may send it in {sources} only"


def _pid_member(role: Role) -> str:
    return "providerPid" if role is Role.PROVIDER else "consumerPid"


def _met(transfer: TransferProcess, message: _Call | TransferProcessAck) -> TransferProcess:
    """The transfer with the counterparty's process id, learned from the first message that names it."""
    provides = transfer.role is Role.PROVIDER
    ours, theirs = message.provider_pid, message.consumer_pid
    if not provides:
        ours, theirs = theirs, ours
    if ours != transfer.own_pid:
        raise MismatchedMessage(_pid_member(transfer.role), transfer.own_pid, ours)
    if theirs == transfer.peer_pid:
        return transfer
    member = _pid_member(transfer.role.other)
    if transfer.peer_pid is not None:
        raise MismatchedMessage(member, transfer.peer_pid, theirs)
    check_pid(member, theirs)
    return msgspec.structs.replace(transfer, peer_pid=theirs)


def _opened_again(transfer: TransferProcess, message: TransferRequestMessage) -> Step:
    """A retry of the consumer's request, in whatever state we are; it must ask for the same (9.2.1)."""
    if transfer.role is Role.CONSUMER:
        raise IllegalTransition(transfer.state, type(message).__name__, "a provider must not send it")
    for member, expected, got in (
        ("consumerPid", transfer.peer_pid, message.consumer_pid),
        ("agreementId", transfer.agreement_id, message.agreement_id),
        ("format", transfer.format, message.format),
    ):
        if expected != got:
            raise MismatchedMessage(member, expected, got)
    return Step(transfer=transfer, duplicate=True)


def _tell(state: TransferState) -> Tell:
    return Tell(f"transfer.{state.lower()}")
