"""Two machines over a network that loses, repeats, delays and reorders: after reconciliation they agree.

Every connector here has an outbox that is emptied in order, as the couriers do it: a message stays at its head until
it is acknowledged or settled; a refusal or a silence is a doubt, and a doubt is answered by asking for the state.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ashiato.dsp import negotiation, transfer
from ashiato.dsp.effects import Deliver, Settle
from ashiato.dsp.errors import IllegalTransition, MismatchedMessage
from ashiato.dsp.messages import (
    ContractNegotiationAck,
    ContractNegotiationTerminationMessage,
    ContractOfferMessage,
    ContractRequestMessage,
    NegotiationEventType,
    NegotiationMessage,
    Policy,
    TransferMessage,
    TransferProcessAck,
    TransferRequestMessage,
)
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import Doubt, NegotiationState, Role, TransferState
from ashiato.dsp.transfer import TransferProcess
from tests.dsp.conversation import (
    ADDRESS,
    AGREEMENT,
    CONSUMER_ID,
    CONSUMER_PID,
    OFFER,
    PROVIDER_ID,
    PROVIDER_PID,
    agreement_message,
    completion,
    counter_offer,
    counter_request,
    event,
    opening_offer,
    opening_request,
    start,
    suspension,
    termination,
    transfer_request,
    transfer_termination,
    verification,
)

P = TypeVar("P", ContractNegotiation, TransferProcess)
Sent = NegotiationMessage | TransferMessage
FATES = st.sampled_from(
    ["arrives", "arrives", "arrives", "answer lost", "lost", "delayed", "repeated", "repeated"]
)
PATIENCE = st.sampled_from([6, 20, 1000])
ROLES = st.sampled_from(list(Role))


class Conversation(RuleBasedStateMachine, Generic[P]):
    """The network and the two connectors; the subclasses say which machine they run."""

    with_message_ids = True

    def __init__(self) -> None:
        super().__init__()
        self.process: dict[Role, P] = {}
        self.outbox: dict[Role, list[Sent]] = {role: [] for role in Role}
        self.delayed: list[tuple[Role, Sent]] = []
        self.messages = 0
        self.patience = 0
        self.sent: list[Sent] = []
        self.accepted: set[tuple[Role, str | None]] = set()

    def fresh_id(self) -> str | None:
        self.messages += 1
        return f"m{self.messages}" if self.with_message_ids else None

    def opened(self, role: Role, message: Sent) -> tuple[P, tuple[object, ...]]:
        raise NotImplementedError

    def received(self, role: Role, message: Sent) -> tuple[P, tuple[object, ...]]:
        raise NotImplementedError

    def acknowledged(self, role: Role) -> tuple[P, tuple[object, ...]]:
        raise NotImplementedError

    def reconciled(self, role: Role, doubt: Doubt) -> tuple[P, tuple[object, ...]]:
        raise NotImplementedError

    def candidates(self, role: Role) -> list[Sent]:
        """All that this side could think of sending, in turn or not."""
        raise NotImplementedError

    def acted(self, role: Role, message: Sent) -> tuple[P, tuple[object, ...]]:
        raise NotImplementedError

    def commit(self, role: Role, step: tuple[P, tuple[object, ...]]) -> None:
        self.process[role], effects = step
        for effect in effects:
            if isinstance(effect, Settle):
                self.outbox[role].clear()
            elif isinstance(effect, Deliver):
                self.outbox[role].append(effect.message)  # type: ignore[arg-type]  # both machines send Sent only

    def arrive(self, receiver: Role, message: Sent) -> bool:
        """True where the receiver answers 2xx; a message that it accepted before must not move it again."""
        before = self.process.get(receiver)
        try:
            if before is None:
                self.commit(receiver, self.opened(receiver, message))
            else:
                self.commit(receiver, self.received(receiver, message))
        except (IllegalTransition, MismatchedMessage):
            return False
        if message.message_id is not None and (receiver, message.message_id) in self.accepted:
            assert self.process[receiver] == before
        self.accepted.add((receiver, message.message_id))
        return True

    def send(self, sender: Role, fate: str) -> None:
        message = self.outbox[sender][0]
        if fate in ("delayed", "repeated"):
            self.delayed.append((sender.other, message))
        if fate in ("lost", "delayed"):
            return
        accepted = self.arrive(sender.other, message)
        if fate == "answer lost":
            return
        if not accepted:
            self.reconcile(sender, Doubt.REFUSAL)
        elif self.process[sender].peer_pid is None:
            self.commit(sender, self.acknowledged(sender))
        elif self.outbox[sender] and self.outbox[sender][0] is message:
            self.outbox[sender].pop(0)

    def reconcile(self, role: Role, doubt: Doubt) -> None:
        if role in self.process and self.process[role].peer_pid is not None:
            self.commit(role, self.reconciled(role, doubt))

    def ask(self, role: Role) -> None:
        self.reconcile(role, Doubt.SILENCE if self.outbox[role] else Doubt.NONE)

    @rule(
        data=st.data(), role=ROLES, what=st.sampled_from("act act act send send send late late ask".split())
    )
    def something_happens(self, data: st.DataObject, role: Role, what: str) -> None:
        if what == "send" and self.outbox[role]:
            self.send(role, data.draw(FATES))
        elif what == "late" and self.delayed:
            self.a_late_copy_arrives(
                data.draw(st.integers(0, len(self.delayed) - 1)), data.draw(st.booleans())
            )
        elif what == "ask":
            self.ask(role)
        elif what == "act" and (steps := list(self.legal_steps(role))):
            message, step = data.draw(st.sampled_from(steps))
            self.sent.append(message)
            self.commit(role, step)

    def a_late_copy_arrives(self, number: int, again: bool) -> None:
        receiver, message = self.delayed[number] if again else self.delayed.pop(number)
        self.arrive(receiver, message)

    def legal_steps(self, role: Role) -> Iterator[tuple[Sent, tuple[P, tuple[object, ...]]]]:
        for message in self.candidates(role) if role in self.process else []:
            try:
                yield message, self.acted(role, message)
            except (IllegalTransition, MismatchedMessage):
                continue

    def teardown(self) -> None:
        for _ in range(20):
            for role in Role:
                for _ in range(len(self.outbox[role])):
                    if self.outbox[role]:
                        self.send(role, "arrives")
                self.ask(role)
        if self.process:
            assert set(self.process) == set(Role)
            consumer, provider = self.process[Role.CONSUMER], self.process[Role.PROVIDER]
            assert consumer.state == provider.state
            assert not any(self.outbox.values())
            self.check_agreement(consumer, provider)

    def check_agreement(self, consumer: P, provider: P) -> None:
        """What else must be the same on both sides at the end."""


class Negotiations(Conversation[ContractNegotiation]):
    """Two companies negotiate."""

    @initialize(opener=ROLES, patience=PATIENCE)
    def open(self, opener: Role, patience: int) -> None:
        self.patience = patience
        message: ContractRequestMessage | ContractOfferMessage
        if opener is Role.CONSUMER:
            message = opening_request(message_id=self.fresh_id())
        else:
            message = opening_offer(message_id=self.fresh_id())
        own_id, peer_id = self.ids(opener)
        step = negotiation.opened_by_us(
            message, own_id=own_id, peer_id=peer_id, peer_address="https://peer.example", now_ms=0
        )
        self.commit(opener, (step.negotiation, step.effects))

    def ids(self, role: Role) -> tuple[str, str]:
        return (CONSUMER_ID, PROVIDER_ID) if role is Role.CONSUMER else (PROVIDER_ID, CONSUMER_ID)

    def opened(self, role: Role, message: Sent) -> tuple[ContractNegotiation, tuple[object, ...]]:
        if not isinstance(message, ContractRequestMessage | ContractOfferMessage):
            raise MismatchedMessage("a process", "known", "unknown")
        own_id, peer_id = self.ids(role)
        own_pid = CONSUMER_PID if role is Role.CONSUMER else PROVIDER_PID
        step = negotiation.opened_by_peer(message, own_pid=own_pid, own_id=own_id, peer_id=peer_id, now_ms=0)
        return step.negotiation, step.effects

    def received(self, role: Role, message: Sent) -> tuple[ContractNegotiation, tuple[object, ...]]:
        step = negotiation.receive(self.process[role], message, 0)  # type: ignore[arg-type]  # none but these are sent
        return step.negotiation, step.effects

    def acknowledged(self, role: Role) -> tuple[ContractNegotiation, tuple[object, ...]]:
        state = self.process[role.other].state
        ack = ContractNegotiationAck(provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, state=state)
        step = negotiation.acknowledge(self.process[role], ack, 0)
        return step.negotiation, step.effects

    def reconciled(self, role: Role, doubt: Doubt) -> tuple[ContractNegotiation, tuple[object, ...]]:
        peer = self.process.get(role.other)
        step = negotiation.reconcile(self.process[role], peer.state if peer else None, 0, doubt=doubt)
        return step.negotiation, step.effects

    def candidates(self, role: Role) -> list[Sent]:
        offers: list[Policy] = [{**OFFER, "permission": [{"action": f"use{n}"}]} for n in (1, 2)]
        message_id = self.fresh_id()
        make_offer = counter_request if role is Role.CONSUMER else counter_offer
        return [
            *(make_offer(offer, message_id=message_id) for offer in offers),
            event(NegotiationEventType.ACCEPTED, message_id=message_id),
            agreement_message(
                {**AGREEMENT, "permission": self.process[role].offer["permission"]}, message_id=message_id
            ),
            verification(message_id=message_id),
            event(NegotiationEventType.FINALIZED, message_id=message_id),
            *([termination(message_id=message_id)] if self.messages > self.patience else []),
        ]

    def acted(self, role: Role, message: Sent) -> tuple[ContractNegotiation, tuple[object, ...]]:
        step = negotiation.act(self.process[role], message, 0)  # type: ignore[arg-type]  # candidates only
        return step.negotiation, step.effects

    def check_agreement(self, consumer: ContractNegotiation, provider: ContractNegotiation) -> None:
        if consumer.state is not NegotiationState.TERMINATED:
            assert consumer.agreement == provider.agreement
            assert consumer.offer_by is provider.offer_by
            assert consumer.offer == provider.offer or not self.with_message_ids
        elif self.with_message_ids:
            assert any(isinstance(message, ContractNegotiationTerminationMessage) for message in self.sent)


class NegotiationsWithoutMessageIds(Negotiations):
    """A late copy of a counter-offer cannot be told from a new one; then both sides end it rather than disagree."""

    with_message_ids = False


class Transfers(Conversation[TransferProcess]):
    """Two companies transfer."""

    @initialize(patience=PATIENCE)
    def open(self, patience: int) -> None:
        self.patience = patience
        step = transfer.opened_by_us(
            transfer_request(message_id=self.fresh_id()),
            peer_id=PROVIDER_ID,
            peer_address="https://peer.example",
            now_ms=0,
        )
        self.commit(Role.CONSUMER, (step.transfer, step.effects))

    def opened(self, role: Role, message: Sent) -> tuple[TransferProcess, tuple[object, ...]]:
        if not isinstance(message, TransferRequestMessage):
            raise MismatchedMessage("a process", "known", "unknown")
        step = transfer.opened_by_peer(message, own_pid=PROVIDER_PID, peer_id=CONSUMER_ID, now_ms=0)
        return step.transfer, step.effects

    def received(self, role: Role, message: Sent) -> tuple[TransferProcess, tuple[object, ...]]:
        step = transfer.receive(self.process[role], message, 0)  # type: ignore[arg-type]  # none but these are sent
        return step.transfer, step.effects

    def acknowledged(self, role: Role) -> tuple[TransferProcess, tuple[object, ...]]:
        state = self.process[role.other].state
        ack = TransferProcessAck(provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, state=state)
        step = transfer.acknowledge(self.process[role], ack, 0)
        return step.transfer, step.effects

    def reconciled(self, role: Role, doubt: Doubt) -> tuple[TransferProcess, tuple[object, ...]]:
        peer = self.process.get(role.other)
        step = transfer.reconcile(self.process[role], peer.state if peer else None, 0, doubt=doubt)
        return step.transfer, step.effects

    def candidates(self, role: Role) -> list[Sent]:
        message_id = self.fresh_id()
        endings: list[Sent] = [completion(message_id=message_id), transfer_termination(message_id=message_id)]
        return [
            start(ADDRESS if role is Role.PROVIDER else None, message_id=message_id),
            suspension(message_id=message_id),
            *(endings if self.messages > self.patience else []),
        ]

    def acted(self, role: Role, message: Sent) -> tuple[TransferProcess, tuple[object, ...]]:
        step = transfer.act(self.process[role], message, 0)  # type: ignore[arg-type]  # candidates only
        return step.transfer, step.effects

    def check_agreement(self, consumer: TransferProcess, provider: TransferProcess) -> None:
        if provider.state is TransferState.STARTED:
            assert consumer.data_address == provider.data_address == ADDRESS


class TransfersWithoutMessageIds(Transfers):
    """A late copy of a start or suspension cannot be told from a new one; the provider's view wins."""

    with_message_ids = False


BOUNDS = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestNegotiations = Negotiations.TestCase
TestNegotiations.settings = BOUNDS
TestNegotiationsWithoutMessageIds = NegotiationsWithoutMessageIds.TestCase
TestNegotiationsWithoutMessageIds.settings = BOUNDS
TestTransfers = Transfers.TestCase
TestTransfers.settings = BOUNDS
TestTransfersWithoutMessageIds = TransfersWithoutMessageIds.TestCase
TestTransfersWithoutMessageIds.settings = BOUNDS
