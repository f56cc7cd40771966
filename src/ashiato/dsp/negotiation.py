"""The contract negotiation as a pure state machine for both roles (DSP 2025-1, 7).

A state is entered when our own message is committed to the outbox or the counterparty's is committed as
received. The specification speaks of a state only after the acknowledgement; `reconcile` closes the gap after
a doubt.

Who may send what (C consumer, P provider; every other pair is an error and changes nothing):

    message                    by    from                     to
    ContractRequestMessage     C     - , OFFERED              REQUESTED
    ContractOfferMessage       P     - , REQUESTED            OFFERED
    ...EventMessage ACCEPTED   C     OFFERED                  ACCEPTED
    ContractAgreementMessage   P     REQUESTED, ACCEPTED      AGREED
    ...VerificationMessage     C     AGREED                   VERIFIED
    ...EventMessage FINALIZED  P     VERIFIED                 FINALIZED
    ...TerminationMessage      C, P  every non-terminal       TERMINATED

The figure of 7.1.2 is narrower for terminations (ACCEPTED: P, AGREED: C, VERIFIED: P), its text (7.2.6) says
"at any state". We receive by the text and send by the text with one exception: a consumer does not terminate
in VERIFIED, where the provider's finalization may cross it and leave a provider that does not reconcile in
another terminal state.

A retry is answered as the first time and changes nothing. It is known by the message's own id, and without
one by the state it asks for; requests and offers within a negotiation need the id, for a second one is
illegal by the figure.
"""

from typing import Literal

import msgspec

from ashiato.dsp.effects import Deliver, Effect, Ending, Redeliver, Settle, Tell
from ashiato.dsp.errors import IllegalTransition, MismatchedMessage
from ashiato.dsp.messages import (
    ContractAgreementMessage,
    ContractAgreementVerificationMessage,
    ContractNegotiationAck,
    ContractNegotiationEventMessage,
    ContractNegotiationTerminationMessage,
    ContractOfferMessage,
    ContractRequestMessage,
    NegotiationEventType,
    NegotiationMessage,
    Policy,
)
from ashiato.dsp.pids import check_pid, remembered
from ashiato.dsp.states import Doubt, NegotiationState, Role
from ashiato.dsp.terms import differing_term

__all__ = [
    "ContractNegotiation",
    "Deliver",
    "Doubt",
    "Effect",
    "Ending",
    "IllegalTransition",
    "MismatchedMessage",
    "NegotiationState",
    "Redeliver",
    "Role",
    "Settle",
    "Step",
    "Tell",
    "abandon",
    "acknowledge",
    "act",
    "opened_by_peer",
    "opened_by_us",
    "receive",
    "reconcile",
]

_S = NegotiationState
_Kind = Literal["request", "offer", "accepted", "agreement", "verification", "finalized", "termination"]
_OPEN_STATES = frozenset(state for state in NegotiationState if not state.is_terminal)
_EDGES: dict[tuple[_Kind, Role], tuple[frozenset[NegotiationState], NegotiationState]] = {
    ("request", Role.CONSUMER): (frozenset({_S.OFFERED}), _S.REQUESTED),
    ("offer", Role.PROVIDER): (frozenset({_S.REQUESTED}), _S.OFFERED),
    ("accepted", Role.CONSUMER): (frozenset({_S.OFFERED}), _S.ACCEPTED),
    ("agreement", Role.PROVIDER): (frozenset({_S.REQUESTED, _S.ACCEPTED}), _S.AGREED),
    ("verification", Role.CONSUMER): (frozenset({_S.AGREED}), _S.VERIFIED),
    ("finalized", Role.PROVIDER): (frozenset({_S.VERIFIED}), _S.FINALIZED),
    ("termination", Role.CONSUMER): (_OPEN_STATES, _S.TERMINATED),
    ("termination", Role.PROVIDER): (_OPEN_STATES, _S.TERMINATED),
}
_ENTERED_BY = {
    _S.REQUESTED: Role.CONSUMER,
    _S.OFFERED: Role.PROVIDER,
    _S.ACCEPTED: Role.CONSUMER,
    _S.AGREED: Role.PROVIDER,
    _S.VERIFIED: Role.CONSUMER,
    _S.FINALIZED: Role.PROVIDER,
}
_AHEAD_OF = {
    _S.REQUESTED: frozenset({_S.OFFERED, _S.AGREED}),
    _S.OFFERED: frozenset({_S.REQUESTED, _S.ACCEPTED}),
    _S.ACCEPTED: frozenset({_S.AGREED}),
    _S.AGREED: frozenset({_S.VERIFIED}),
    _S.VERIFIED: frozenset({_S.FINALIZED}),
    _S.FINALIZED: frozenset({}),
}


class ContractNegotiation(msgspec.Struct, frozen=True, kw_only=True):
    """One negotiation as this side sees it; `role` is ours, `peer_address` the counterparty's base or
    callback URL.

    `offer` is the one last made, by `offer_by`; `rounds` counts the offers made so far by both. `reason` says
    why the negotiation was terminated. `applied` holds what is needed to know a retry of the counterparty's
    messages.
    """

    role: Role
    own_id: str
    own_pid: str
    peer_id: str
    peer_pid: str | None
    peer_address: str
    state: NegotiationState
    dataset_id: str
    opened_by: Role
    offer: Policy
    offer_by: Role
    agreement: Policy | None = None
    reason: Ending | None = None
    rounds: int = 1
    applied: tuple[str, ...] = ()
    created_ms: int
    updated_ms: int

    @property
    def provider_id(self) -> str:
        """The participant who assigns the rights."""
        return self.own_id if self.role is Role.PROVIDER else self.peer_id

    @property
    def consumer_id(self) -> str:
        """The participant to whom the rights are assigned."""
        return self.own_id if self.role is Role.CONSUMER else self.peer_id


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """The negotiation after an event and what must be done with it, in one transaction; a duplicate changes
    nothing.
    """

    negotiation: ContractNegotiation
    effects: tuple[Effect, ...] = ()
    duplicate: bool = False


def opened_by_peer(
    message: ContractRequestMessage | ContractOfferMessage,
    *,
    own_pid: str,
    own_id: str,
    peer_id: str,
    now_ms: int,
    dataset_id: str | None = None,
) -> Step:
    """The negotiation that a counterparty's opening request (we provide) or offer (we consume) starts.

    `dataset_id` is what the caller knows the offer's id to stand for, where the offer has no target. Raises
    `MismatchedMessage` for a message that does not open a conversation or names no dataset.
    """
    if isinstance(message, ContractRequestMessage):
        role, peer_pid, ours = Role.PROVIDER, message.consumer_pid, message.provider_pid
    else:
        role, peer_pid, ours = Role.CONSUMER, message.provider_pid, message.consumer_pid
    if ours is not None:
        raise MismatchedMessage(_pid_member(role), None, ours)
    if message.callback_address is None:
        raise MismatchedMessage("callbackAddress", "a URL", None)
    check_pid(_pid_member(role.other), peer_pid)
    opened = ContractNegotiation(
        role=role,
        own_id=own_id,
        own_pid=own_pid,
        peer_id=peer_id,
        peer_pid=peer_pid,
        peer_address=message.callback_address.rstrip("/"),
        state=_S.REQUESTED if role is Role.PROVIDER else _S.OFFERED,
        dataset_id=_target(message.offer, dataset_id),
        opened_by=role.other,
        offer=message.offer,
        offer_by=role.other,
        applied=remembered((), _kind(message), message.message_id),
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    return Step(negotiation=opened, effects=(_tell(opened.state),))


def opened_by_us(
    message: ContractRequestMessage | ContractOfferMessage,
    *,
    own_id: str,
    peer_id: str,
    peer_address: str,
    now_ms: int,
    dataset_id: str | None = None,
) -> Step:
    """The negotiation that our own opening request (we consume) or offer (we provide) starts, and its
    delivery.
    """
    if isinstance(message, ContractRequestMessage):
        role, own_pid, theirs = Role.CONSUMER, message.consumer_pid, message.provider_pid
    else:
        role, own_pid, theirs = Role.PROVIDER, message.provider_pid, message.consumer_pid
    if theirs is not None:
        raise MismatchedMessage(_pid_member(role.other), None, theirs)
    opened = ContractNegotiation(
        role=role,
        own_id=own_id,
        own_pid=own_pid,
        peer_id=peer_id,
        peer_pid=None,
        peer_address=peer_address.rstrip("/"),
        state=_S.REQUESTED if role is Role.CONSUMER else _S.OFFERED,
        dataset_id=_target(message.offer, dataset_id),
        opened_by=role,
        offer=message.offer,
        offer_by=role,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    return Step(negotiation=opened, effects=(Deliver(message), _tell(opened.state)))


def acknowledge(negotiation: ContractNegotiation, ack: ContractNegotiationAck, now_ms: int) -> Step:
    """The counterparty answered 2xx with its view of the negotiation: its process id is learned, the outbox
    settled.

    Raises `MismatchedMessage` where the answer speaks of another negotiation.
    """
    ours, theirs = _pids_of(negotiation.role, ack)
    known = _met(negotiation, ours, theirs)
    if known is not negotiation:
        known = msgspec.structs.replace(known, updated_ms=now_ms)
    return Step(negotiation=known, effects=(Settle(),))


def receive(negotiation: ContractNegotiation, message: NegotiationMessage, now_ms: int) -> Step:
    """The step that the counterparty's message leads to.

    Raises `IllegalTransition` and `MismatchedMessage`, both the counterparty's to mend; the negotiation
    stays.
    """
    kind, sender = _kind(message), negotiation.role.other
    ours, theirs = _pids_of(negotiation.role, message)
    if ours is None and isinstance(message, ContractRequestMessage | ContractOfferMessage):
        return _opened_again(negotiation, message, theirs)
    known = _met(negotiation, ours, theirs)
    if _is_retry(known, kind, message):
        return Step(negotiation=negotiation, duplicate=True)
    moved = _moved(known, kind, sender, message, now_ms)
    moved = msgspec.structs.replace(moved, applied=remembered(known.applied, kind, message.message_id))
    return Step(negotiation=moved, effects=(Settle(), _tell(moved.state)))


def act(negotiation: ContractNegotiation, message: NegotiationMessage, now_ms: int) -> Step:
    """The step that our own message leads to, with its delivery.

    Raises `IllegalTransition` and `MismatchedMessage`, here ours to mend: the caller chose a message out of
    turn.
    """
    kind = _kind(message)
    name = type(message).__name__
    ours, theirs = _pids_of(negotiation.role, message)
    if negotiation.peer_pid is None:
        raise IllegalTransition(negotiation.state, name, "the counterparty has not yet named its process id")
    if ours != negotiation.own_pid:
        raise MismatchedMessage(_pid_member(negotiation.role), negotiation.own_pid, ours)
    if theirs != negotiation.peer_pid:
        raise MismatchedMessage(_pid_member(negotiation.role.other), negotiation.peer_pid, theirs)
    if kind == "termination" and negotiation.role is Role.CONSUMER and negotiation.state is _S.VERIFIED:
        raise IllegalTransition(
            negotiation.state, name, "the provider's finalization may be under way; await it"
        )
    moved = _moved(negotiation, kind, negotiation.role, message, now_ms)
    return Step(negotiation=moved, effects=(Deliver(message), _tell(moved.state)))


def abandon(negotiation: ContractNegotiation, ending: Ending, now_ms: int) -> Step:
    """Ends the negotiation on this side alone: the counterparty refused to open it, or can no longer be
    reached.
    """
    if negotiation.state is _S.TERMINATED:
        return Step(negotiation=negotiation, duplicate=True)
    return Step(
        negotiation=_terminated(negotiation, ending, now_ms), effects=(Settle(), _tell(_S.TERMINATED))
    )


def reconcile(
    negotiation: ContractNegotiation,
    peer_state: NegotiationState | None,
    now_ms: int,
    *,
    doubt: Doubt = Doubt.SILENCE,
) -> Step:
    """The step that follows from the state which the counterparty states when asked after a doubt.

    Ask with the negotiation as stored, and ask again where it changed before the answer came. `peer_state` is
    None where the counterparty does not know the negotiation. "Again" means: not by the opening message.

        we entered            and it states               what follows
        REQUESTED (again)     OFFERED                     Redeliver, after silence
        OFFERED (again)       REQUESTED                   Redeliver, after silence
        ACCEPTED              OFFERED                     Redeliver, after silence
        AGREED                the state that we left      Redeliver, after silence
        VERIFIED              AGREED                      Redeliver, after silence
        FINALIZED             VERIFIED                    Redeliver, after silence
        REQUESTED             OFFERED, AGREED             Settle: it went on
        OFFERED               REQUESTED, ACCEPTED         Settle: it went on
        ACCEPTED              AGREED                      Settle: it went on
        AGREED                VERIFIED                    Settle: it went on
        VERIFIED              FINALIZED                   Settle: it went on

        whoever entered       and it states               what follows
        any state             unknown                     Redeliver
        any state             the same                    Settle
        TERMINATED            FINALIZED                   Settle: both have ended
        TERMINATED            any other                   Redeliver

    A counterparty in TERMINATED ends the negotiation here too, even out of a FINALIZED that it never
    acknowledged. Every other pair, as after a refusal, means that the two sides stand apart: the negotiation
    is terminated and the counterparty told, as 7.1 demands. A FINALIZED that was acknowledged or received
    stays.
    """
    state = negotiation.state
    if peer_state is None or (state is _S.TERMINATED and not peer_state.is_terminal):
        return Step(negotiation=negotiation, effects=(Redeliver(),))
    unacknowledged = doubt is not Doubt.NONE and _ENTERED_BY.get(state) is negotiation.role
    behind = unacknowledged and peer_state is _waiting_state(negotiation)
    if behind and doubt is Doubt.SILENCE:
        return Step(negotiation=negotiation, effects=(Redeliver(),))
    if peer_state is state or state is _S.TERMINATED or (not behind and peer_state in _ahead(negotiation)):
        return Step(negotiation=negotiation, effects=(Settle(),))
    if state is _S.FINALIZED and not unacknowledged:
        return Step(negotiation=negotiation, effects=(Settle(), Tell("negotiation.contradicted")))
    if peer_state is _S.TERMINATED:
        ending = Ending(reason=("the counterparty states that it terminated the negotiation",))
        return abandon(negotiation, ending, now_ms)
    return _apart(negotiation, peer_state, now_ms)


def _ahead(negotiation: ContractNegotiation) -> frozenset[NegotiationState]:
    """The states to which a counterparty that received our last message may have gone on by itself."""
    if _ENTERED_BY.get(negotiation.state) is not negotiation.role:
        return frozenset()
    return _AHEAD_OF[negotiation.state]


def _waiting_state(negotiation: ContractNegotiation) -> NegotiationState | None:
    """The state of a counterparty that has not received the message by which we entered ours."""
    return {
        _S.REQUESTED: _S.OFFERED if negotiation.rounds > 1 else None,
        _S.OFFERED: _S.REQUESTED if negotiation.rounds > 1 else None,
        _S.ACCEPTED: _S.OFFERED,
        _S.AGREED: _S.REQUESTED if negotiation.offer_by is Role.CONSUMER else _S.ACCEPTED,
        _S.VERIFIED: _S.AGREED,
        _S.FINALIZED: _S.VERIFIED,
    }[negotiation.state]


def _apart(negotiation: ContractNegotiation, peer_state: NegotiationState, now_ms: int) -> Step:
    ending = Ending(reason=(f"the states differ: {negotiation.state} here, {peer_state} there",))
    step = abandon(negotiation, ending, now_ms)
    if negotiation.peer_pid is None:
        return step
    provides = negotiation.role is Role.PROVIDER
    message = ContractNegotiationTerminationMessage(
        provider_pid=negotiation.own_pid if provides else negotiation.peer_pid,
        consumer_pid=negotiation.peer_pid if provides else negotiation.own_pid,
        reason=ending.reason,
    )
    return Step(negotiation=step.negotiation, effects=(Settle(), Deliver(message), _tell(_S.TERMINATED)))


def _kind(message: NegotiationMessage) -> _Kind:
    if isinstance(message, ContractNegotiationEventMessage):
        return "accepted" if message.event_type is NegotiationEventType.ACCEPTED else "finalized"
    kinds: dict[type[object], _Kind] = {
        ContractRequestMessage: "request",
        ContractOfferMessage: "offer",
        ContractAgreementMessage: "agreement",
        ContractAgreementVerificationMessage: "verification",
        ContractNegotiationTerminationMessage: "termination",
    }
    return kinds[type(message)]


def _pid_member(role: Role) -> str:
    return "providerPid" if role is Role.PROVIDER else "consumerPid"


def _pids_of(
    role: Role, message: NegotiationMessage | ContractNegotiationAck
) -> tuple[str | None, str | None]:
    """Our and the counterparty's process id as the message names them."""
    pids = (message.provider_pid, message.consumer_pid)
    return pids if role is Role.PROVIDER else (pids[1], pids[0])


def _met(negotiation: ContractNegotiation, ours: str | None, theirs: str | None) -> ContractNegotiation:
    """The negotiation with the counterparty's process id, learned from the first message that names it."""
    if ours != negotiation.own_pid:
        raise MismatchedMessage(_pid_member(negotiation.role), negotiation.own_pid, ours)
    if theirs is not None and theirs == negotiation.peer_pid:
        return negotiation
    member = _pid_member(negotiation.role.other)
    if negotiation.peer_pid is not None or theirs is None:
        raise MismatchedMessage(member, negotiation.peer_pid, theirs)
    check_pid(member, theirs)
    return msgspec.structs.replace(negotiation, peer_pid=theirs)


def _opened_again(
    negotiation: ContractNegotiation,
    message: ContractRequestMessage | ContractOfferMessage,
    theirs: str | None,
) -> Step:
    """A retry of the counterparty's opening message, in whatever state we are; its process id makes it one."""
    if negotiation.opened_by is negotiation.role:
        why = "this side opened the negotiation, so it must name both process ids"
        raise IllegalTransition(negotiation.state, type(message).__name__, why)
    if theirs != negotiation.peer_pid:
        raise MismatchedMessage(_pid_member(negotiation.role.other), negotiation.peer_pid, theirs)
    _check_target(negotiation, message.offer)
    return Step(negotiation=negotiation, duplicate=True)


def _is_retry(negotiation: ContractNegotiation, kind: _Kind, message: NegotiationMessage) -> bool:
    """True for a message whose id was applied before, and for one that asks for the state it led to."""
    if message.message_id is not None and f"{kind} {message.message_id}" in negotiation.applied:
        return True
    edge = _EDGES.get((kind, negotiation.role.other))
    if edge is None or edge[1] is not negotiation.state or kind in ("request", "offer"):
        return False
    return not isinstance(message, ContractAgreementMessage) or message.agreement == negotiation.agreement


def _moved(
    negotiation: ContractNegotiation, kind: _Kind, sender: Role, message: NegotiationMessage, now_ms: int
) -> ContractNegotiation:
    state, name = negotiation.state, type(message).__name__
    edge = _EDGES.get((kind, sender))
    if edge is None:
        raise IllegalTransition(state, name, f"a {sender.lower()} must not send it ({kind})")
    sources, target = edge
    if state not in sources:
        raise IllegalTransition(state, name, _why_not(state, sources))
    if isinstance(message, ContractNegotiationTerminationMessage):
        return _terminated(negotiation, Ending(code=message.code, reason=message.reason), now_ms)
    if isinstance(message, ContractRequestMessage | ContractOfferMessage):
        _check_target(negotiation, message.offer)
        return msgspec.structs.replace(
            negotiation,
            state=target,
            offer=message.offer,
            offer_by=sender,
            rounds=negotiation.rounds + 1,
            updated_ms=now_ms,
        )
    if isinstance(message, ContractAgreementMessage):
        _check_agreement(negotiation, message.agreement)
        return msgspec.structs.replace(
            negotiation, state=target, agreement=message.agreement, updated_ms=now_ms
        )
    return msgspec.structs.replace(negotiation, state=target, updated_ms=now_ms)


def _why_not(state: NegotiationState, sources: frozenset[NegotiationState]) -> str:
    if state.is_terminal:
        return "the negotiation has ended"
    return f"it may be sent in {' or '.join(sorted(sources))} only"


def _terminated(negotiation: ContractNegotiation, ending: Ending, now_ms: int) -> ContractNegotiation:
    return msgspec.structs.replace(negotiation, state=_S.TERMINATED, reason=ending, updated_ms=now_ms)


def _check_agreement(negotiation: ContractNegotiation, agreement: Policy) -> None:
    """The agreement names this dataset and these parties, and keeps the rules of the current offer (7.2.3,
    7.3.1).
    """
    parties = {
        "target": negotiation.dataset_id,
        "assigner": negotiation.provider_id,
        "assignee": negotiation.consumer_id,
    }
    for member, expected in parties.items():
        if agreement.get(member) != expected:
            raise MismatchedMessage(f"agreement.{member}", expected, agreement.get(member))
    differing = differing_term(negotiation.offer, agreement)
    if differing is not None:
        raise MismatchedMessage(
            f"agreement.{differing}", negotiation.offer.get(differing), agreement.get(differing)
        )


def _check_target(negotiation: ContractNegotiation, offer: Policy) -> None:
    target = offer.get("target", negotiation.dataset_id)
    if target != negotiation.dataset_id:
        raise MismatchedMessage("offer.target", negotiation.dataset_id, target)


def _target(offer: Policy, dataset_id: str | None) -> str:
    target = offer.get("target", dataset_id)
    if not isinstance(target, str):
        raise MismatchedMessage("offer.target", "the id of the dataset", target)
    if dataset_id is not None and target != dataset_id:
        raise MismatchedMessage("offer.target", dataset_id, target)
    return target


def _tell(state: NegotiationState) -> Tell:
    return Tell(f"negotiation.{state.lower()}")
