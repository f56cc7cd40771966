"""What the negotiation checks beyond the turn: process ids, parties, terms, retries; and the official kit's
cases.
"""

import msgspec
import pytest

from ashiato.dsp import negotiation as machine
from ashiato.dsp.errors import IllegalTransition, MismatchedMessage
from ashiato.dsp.messages import (
    ContractAgreementVerificationMessage,
    ContractNegotiationAck,
    ContractNegotiationTerminationMessage,
    ContractRequestMessage,
    NegotiationEventType,
    NegotiationMessage,
    Policy,
)
from ashiato.dsp.negotiation import ContractNegotiation, Deliver, Ending, Settle, Tell
from ashiato.dsp.states import NegotiationState, Role
from tests.dsp.conversation import (
    AGREEMENT,
    CONSUMER_ID,
    CONSUMER_PID,
    DATASET_ID,
    OFFER,
    PROVIDER_ID,
    PROVIDER_PID,
    agreement_message,
    counter_offer,
    counter_request,
    event,
    negotiation_in,
    opening_offer,
    opening_request,
    termination,
    verification,
)

ACCEPTED = event(NegotiationEventType.ACCEPTED)
FINALIZED = event(NegotiationEventType.FINALIZED)


def provider_opened(message: ContractRequestMessage | None = None) -> ContractNegotiation:
    return machine.opened_by_peer(
        message or opening_request(), own_pid=PROVIDER_PID, own_id=PROVIDER_ID, peer_id=CONSUMER_ID, now_ms=1
    ).negotiation


def consumer_opened() -> ContractNegotiation:
    return machine.opened_by_us(
        opening_request(),
        own_id=CONSUMER_ID,
        peer_id=PROVIDER_ID,
        peer_address="https://maker.example/dsp/",
        now_ms=1,
    ).negotiation


def ack(state: NegotiationState = NegotiationState.REQUESTED) -> ContractNegotiationAck:
    return ContractNegotiationAck(provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, state=state)


def receive_all(negotiation: ContractNegotiation, *messages: NegotiationMessage) -> ContractNegotiation:
    for message in messages:
        negotiation = machine.receive(negotiation, message, now_ms=2).negotiation
    return negotiation


def act_all(negotiation: ContractNegotiation, *messages: NegotiationMessage) -> ContractNegotiation:
    for message in messages:
        negotiation = machine.act(negotiation, message, now_ms=2).negotiation
    return negotiation


def test_a_request_opens_a_negotiation_on_the_provider_s_side() -> None:
    step = machine.opened_by_peer(
        opening_request(), own_pid=PROVIDER_PID, own_id=PROVIDER_ID, peer_id=CONSUMER_ID, now_ms=7
    )
    assert step.effects == (Tell("negotiation.requested"),)
    assert step.negotiation == ContractNegotiation(
        role=Role.PROVIDER,
        own_id=PROVIDER_ID,
        own_pid=PROVIDER_PID,
        peer_id=CONSUMER_ID,
        peer_pid=CONSUMER_PID,
        peer_address="https://cell.example/callback",
        state=NegotiationState.REQUESTED,
        dataset_id=DATASET_ID,
        opened_by=Role.CONSUMER,
        offer=OFFER,
        offer_by=Role.CONSUMER,
        created_ms=7,
        updated_ms=7,
    )


def test_an_offer_opens_a_negotiation_on_the_consumer_s_side() -> None:
    step = machine.opened_by_peer(
        opening_offer(), own_pid=CONSUMER_PID, own_id=CONSUMER_ID, peer_id=PROVIDER_ID, now_ms=7
    )
    assert step.effects == (Tell("negotiation.offered"),)
    assert step.negotiation.role is Role.CONSUMER
    assert step.negotiation.state is NegotiationState.OFFERED
    assert step.negotiation.offer_by is Role.PROVIDER
    assert step.negotiation.peer_pid == PROVIDER_PID
    assert step.negotiation.peer_address == "https://maker.example/callback"


def test_our_own_opening_messages_are_delivered_and_told() -> None:
    asked = machine.opened_by_us(
        opening_request(),
        own_id=CONSUMER_ID,
        peer_id=PROVIDER_ID,
        peer_address="https://maker.example/dsp/",
        now_ms=1,
    )
    assert asked.effects == (Deliver(opening_request()), Tell("negotiation.requested"))
    assert asked.negotiation.own_pid == CONSUMER_PID
    assert asked.negotiation.peer_pid is None
    assert asked.negotiation.peer_address == "https://maker.example/dsp"
    offered = machine.opened_by_us(
        opening_offer(),
        own_id=PROVIDER_ID,
        peer_id=CONSUMER_ID,
        peer_address="https://cell.example",
        now_ms=1,
    )
    assert offered.effects == (Deliver(opening_offer()), Tell("negotiation.offered"))
    assert (offered.negotiation.role, offered.negotiation.state) == (Role.PROVIDER, NegotiationState.OFFERED)


def test_a_request_without_a_target_takes_the_dataset_that_its_offer_id_stands_for() -> None:
    bare: Policy = {member: value for member, value in OFFER.items() if member != "target"}
    opened = machine.opened_by_peer(
        opening_request(bare),
        own_pid=PROVIDER_PID,
        own_id=PROVIDER_ID,
        peer_id=CONSUMER_ID,
        now_ms=1,
        dataset_id="urn:uuid:looked-up",
    )
    assert opened.negotiation.dataset_id == "urn:uuid:looked-up"
    with pytest.raises(MismatchedMessage, match=r"offer\.target"):
        provider_opened(opening_request(bare))


def test_a_request_whose_target_is_not_its_offer_s_dataset_is_refused() -> None:
    with pytest.raises(MismatchedMessage, match=r"offer\.target"):
        machine.opened_by_peer(
            opening_request(),
            own_pid=PROVIDER_PID,
            own_id=PROVIDER_ID,
            peer_id=CONSUMER_ID,
            now_ms=1,
            dataset_id="urn:uuid:another",
        )


def test_a_message_that_names_our_process_does_not_open_one() -> None:
    with pytest.raises(MismatchedMessage, match="providerPid"):
        provider_opened(counter_request())


@pytest.mark.parametrize("pid", ["", ".", ".."])
def test_a_process_id_that_cannot_stand_in_a_path_is_refused(pid: str) -> None:
    with pytest.raises(MismatchedMessage, match="consumerPid"):
        provider_opened(msgspec.structs.replace(opening_request(), consumer_pid=pid))
    named_late = msgspec.structs.replace(counter_offer(), provider_pid=pid)
    with pytest.raises(MismatchedMessage, match="providerPid"):
        machine.receive(consumer_opened(), named_late, now_ms=2)


def test_the_peer_s_process_id_is_learned_from_its_acknowledgement() -> None:
    step = machine.acknowledge(consumer_opened(), ack(), now_ms=5)
    assert step.negotiation.peer_pid == PROVIDER_PID
    assert step.negotiation.updated_ms == 5
    assert step.effects == (Settle(),)
    assert machine.acknowledge(step.negotiation, ack(), now_ms=6).negotiation == step.negotiation


def test_the_peer_s_process_id_is_learned_from_a_message_that_outruns_the_acknowledgement() -> None:
    step = machine.receive(consumer_opened(), counter_offer(), now_ms=5)
    assert step.negotiation.peer_pid == PROVIDER_PID
    assert step.negotiation.state is NegotiationState.OFFERED


def test_a_process_id_once_learned_must_stay_the_same() -> None:
    known = machine.acknowledge(consumer_opened(), ack(), now_ms=5).negotiation
    stranger = msgspec.structs.replace(counter_offer(), provider_pid="urn:uuid:stranger")
    with pytest.raises(MismatchedMessage, match="providerPid"):
        machine.receive(known, stranger, now_ms=6)
    with pytest.raises(MismatchedMessage, match="providerPid"):
        machine.acknowledge(known, msgspec.structs.replace(ack(), provider_pid="urn:uuid:stranger"), now_ms=6)


def test_a_message_for_another_process_of_ours_is_refused() -> None:
    stray = msgspec.structs.replace(counter_offer(), consumer_pid="urn:uuid:other")
    with pytest.raises(MismatchedMessage, match="consumerPid"):
        machine.receive(consumer_opened(), stray, now_ms=6)
    with pytest.raises(MismatchedMessage, match="consumerPid"):
        machine.acknowledge(consumer_opened(), msgspec.structs.replace(ack(), consumer_pid="x"), now_ms=6)


def test_nothing_more_is_sent_before_the_peer_has_named_its_process_id() -> None:
    with pytest.raises(IllegalTransition, match="has not yet named"):
        machine.act(consumer_opened(), termination(), now_ms=2)


def test_a_whole_negotiation_leaves_both_sides_with_the_same_agreement() -> None:
    provider = act_all(provider_opened(), counter_offer())
    consumer = receive_all(consumer_opened(), counter_offer())
    consumer, provider = act_all(consumer, counter_request()), receive_all(provider, counter_request())
    provider, consumer = act_all(provider, counter_offer()), receive_all(consumer, counter_offer())
    consumer, provider = act_all(consumer, ACCEPTED), receive_all(provider, ACCEPTED)
    provider, consumer = act_all(provider, agreement_message()), receive_all(consumer, agreement_message())
    consumer, provider = act_all(consumer, verification()), receive_all(provider, verification())
    provider, consumer = act_all(provider, FINALIZED), receive_all(consumer, FINALIZED)
    assert provider.state is consumer.state is NegotiationState.FINALIZED
    assert provider.agreement == consumer.agreement == AGREEMENT
    assert provider.rounds == consumer.rounds == 4


def test_the_last_offer_is_the_one_that_counts() -> None:
    stricter: Policy = {**OFFER, "@id": "urn:uuid:stricter", "permission": [{"action": "read"}]}
    provider = act_all(provider_opened(), counter_offer(stricter))
    assert (provider.offer, provider.offer_by) == (stricter, Role.PROVIDER)
    provider = receive_all(provider, ACCEPTED)
    with pytest.raises(MismatchedMessage, match=r"agreement\.permission"):
        machine.act(provider, agreement_message(), now_ms=3)
    step = machine.act(
        provider, agreement_message({**AGREEMENT, "permission": [{"action": "read"}]}), now_ms=3
    )
    assert step.negotiation.state is NegotiationState.AGREED


def test_an_offer_for_another_dataset_is_refused() -> None:
    elsewhere: Policy = {**OFFER, "target": "urn:uuid:another"}
    with pytest.raises(MismatchedMessage, match=r"offer\.target"):
        machine.receive(
            negotiation_in(NegotiationState.REQUESTED, Role.CONSUMER), counter_offer(elsewhere), 2
        )
    with pytest.raises(MismatchedMessage, match=r"offer\.target"):
        machine.receive(
            negotiation_in(NegotiationState.OFFERED, Role.PROVIDER), counter_request(elsewhere), 2
        )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("target", "urn:uuid:another"),
        ("assigner", CONSUMER_ID),
        ("assignee", "did:web:someone.example"),
        ("permission", [{"action": "use"}]),
        ("prohibition", [{"action": "distribute"}]),
        ("obligation", [{"action": "delete"}]),
    ],
)
def test_an_agreement_that_is_not_the_offer_is_refused_and_the_state_stays(
    member: str, value: object
) -> None:
    before = negotiation_in(NegotiationState.REQUESTED, Role.CONSUMER)
    with pytest.raises(MismatchedMessage) as refused:
        machine.receive(before, agreement_message({**AGREEMENT, member: value}), now_ms=2)
    assert refused.value.field == f"agreement.{member}"
    assert refused.value.got == value


def test_an_agreement_that_drops_a_prohibition_is_refused() -> None:
    strict: Policy = {**OFFER, "prohibition": [{"action": "distribute"}]}
    before = msgspec.structs.replace(negotiation_in(NegotiationState.REQUESTED, Role.CONSUMER), offer=strict)
    with pytest.raises(MismatchedMessage, match=r"agreement\.prohibition"):
        machine.receive(before, agreement_message(), now_ms=2)


def test_a_second_agreement_with_other_content_is_no_retry() -> None:
    agreed = negotiation_in(NegotiationState.AGREED, Role.CONSUMER)
    with pytest.raises(IllegalTransition):
        machine.receive(agreed, agreement_message({**AGREEMENT, "@id": "urn:uuid:second"}), now_ms=2)


def test_a_termination_is_kept_with_its_words() -> None:
    step = machine.receive(negotiation_in(NegotiationState.OFFERED, Role.PROVIDER), termination(), now_ms=2)
    assert step.negotiation.reason == Ending(code="7", reason=("no",))


def test_terminations_that_cross_each_other_are_duplicates() -> None:
    ours = act_all(negotiation_in(NegotiationState.OFFERED, Role.PROVIDER), termination())
    other_words = ContractNegotiationTerminationMessage(provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID)
    assert machine.receive(ours, other_words, now_ms=3) == machine.Step(negotiation=ours, duplicate=True)


def test_a_retried_opening_request_is_a_duplicate_however_far_the_negotiation_went() -> None:
    provider = act_all(provider_opened(), agreement_message())
    assert machine.receive(provider, opening_request(), now_ms=9).duplicate
    with pytest.raises(MismatchedMessage, match="consumerPid"):
        machine.receive(
            provider, msgspec.structs.replace(opening_request(), consumer_pid="urn:uuid:x"), now_ms=9
        )
    with pytest.raises(MismatchedMessage, match=r"offer\.target"):
        machine.receive(provider, opening_request({**OFFER, "target": "urn:uuid:another"}), now_ms=9)


def test_a_retried_opening_offer_is_a_duplicate() -> None:
    consumer = negotiation_in(NegotiationState.ACCEPTED, Role.CONSUMER, opened_by=Role.PROVIDER)
    assert machine.receive(consumer, opening_offer(), now_ms=9).duplicate


def test_a_message_that_was_applied_is_known_by_its_id_in_every_later_state() -> None:
    provider = act_all(provider_opened(), counter_offer())
    request = counter_request(message_id="urn:uuid:m1")
    provider = receive_all(provider, request)
    assert machine.receive(provider, request, now_ms=3).duplicate
    provider = act_all(provider, counter_offer())
    late = machine.receive(provider, request, now_ms=4)
    assert late == machine.Step(negotiation=provider, duplicate=True)
    fresh = machine.receive(provider, counter_request(message_id="urn:uuid:m2"), now_ms=4)
    assert fresh.negotiation.state is NegotiationState.REQUESTED


def test_an_id_used_for_two_kinds_of_message_names_two_messages() -> None:
    consumer = negotiation_in(NegotiationState.REQUESTED, Role.CONSUMER)
    consumer = receive_all(consumer, agreement_message(message_id="same"))
    consumer = act_all(consumer, verification())
    finalized = machine.receive(consumer, event(NegotiationEventType.FINALIZED, message_id="same"), now_ms=4)
    assert finalized.negotiation.state is NegotiationState.FINALIZED


def test_a_counterparty_cannot_make_the_memory_of_its_messages_grow() -> None:
    provider = act_all(provider_opened(), counter_offer())
    for number in range(100):
        provider = receive_all(provider, counter_request(message_id=f"m{number}"))
        provider = act_all(provider, counter_offer())
    assert len(provider.applied) <= 32
    assert machine.receive(provider, counter_request(message_id="m99"), now_ms=3).duplicate


def test_an_abandoned_negotiation_ends_without_a_message() -> None:
    step = machine.abandon(consumer_opened(), Ending(code="refused"), now_ms=4)
    assert step.negotiation.state is NegotiationState.TERMINATED
    assert step.negotiation.reason == Ending(code="refused")
    assert step.effects == (Settle(), Tell("negotiation.terminated"))
    assert machine.abandon(step.negotiation, Ending(), now_ms=5).duplicate


def test_kit_case_cn_03_02_a_verification_of_an_offer_is_refused() -> None:
    provider = act_all(provider_opened(), counter_offer())
    with pytest.raises(IllegalTransition):
        machine.receive(provider, verification(), now_ms=3)


def test_kit_case_cn_03_03_a_verification_after_an_acceptance_is_refused() -> None:
    provider = receive_all(act_all(provider_opened(), counter_offer()), ACCEPTED)
    with pytest.raises(IllegalTransition):
        machine.receive(provider, verification(), now_ms=3)


def test_kit_case_cn_03_04_a_second_counter_request_is_refused_though_it_says_the_same() -> None:
    provider = act_all(provider_opened(opening_request(message_id="m1")), counter_offer())
    provider = receive_all(provider, counter_request(message_id="m2"))
    with pytest.raises(IllegalTransition):
        machine.receive(provider, counter_request(message_id="m3"), now_ms=3)


def test_kit_case_cn_c_03_05_a_second_offer_after_our_acceptance_is_refused() -> None:
    consumer = receive_all(consumer_opened(), counter_offer(message_id="m1"))
    consumer = act_all(consumer, ACCEPTED)
    with pytest.raises(IllegalTransition):
        machine.receive(consumer, counter_offer(message_id="m2"), now_ms=3)


def test_kit_case_cn_c_03_06_a_finalization_before_our_verification_is_refused() -> None:
    consumer = receive_all(consumer_opened(), agreement_message())
    with pytest.raises(IllegalTransition):
        machine.receive(consumer, FINALIZED, now_ms=3)
    verified = act_all(consumer, verification())
    assert receive_all(verified, FINALIZED).state is NegotiationState.FINALIZED


def test_an_acceptance_of_the_consumer_s_own_offer_is_refused() -> None:
    with pytest.raises(IllegalTransition, match="OFFERED only"):
        machine.receive(provider_opened(), ACCEPTED, now_ms=3)


def test_a_refusal_says_the_state_the_message_and_why() -> None:
    with pytest.raises(IllegalTransition) as refused:
        machine.receive(negotiation_in(NegotiationState.FINALIZED, Role.PROVIDER), termination(), now_ms=3)
    assert refused.value.state == "FINALIZED"
    assert refused.value.message == ContractNegotiationTerminationMessage.__name__
    assert refused.value.why == "the negotiation has ended"


def test_a_refusal_quotes_the_counterparty_only_so_far() -> None:
    huge = agreement_message({**AGREEMENT, "permission": [{"action": "x" * 100_000}]})
    with pytest.raises(MismatchedMessage) as refused:
        machine.receive(negotiation_in(NegotiationState.REQUESTED, Role.CONSUMER), huge, now_ms=3)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(("provider_pid", "consumer_pid"), [(PROVIDER_PID, "x"), ("x", CONSUMER_PID)])
def test_we_do_not_send_in_the_name_of_another_process(provider_pid: str, consumer_pid: str) -> None:
    message = ContractAgreementVerificationMessage(provider_pid=provider_pid, consumer_pid=consumer_pid)
    with pytest.raises(MismatchedMessage):
        machine.act(negotiation_in(NegotiationState.AGREED, Role.CONSUMER), message, now_ms=3)
