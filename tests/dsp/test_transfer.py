"""What a transfer keeps and checks beyond the turn: addresses, process ids, retries and crossing messages."""

import msgspec
import pytest

from ashiato.dsp import transfer as machine
from ashiato.dsp.errors import IllegalTransition, MismatchedMessage
from ashiato.dsp.messages import TransferMessage, TransferProcessAck, TransferRequestMessage
from ashiato.dsp.states import Role, TransferState
from ashiato.dsp.transfer import Deliver, Ending, Settle, Tell, TransferProcess
from tests.dsp.conversation import (
    ADDRESS,
    CONSUMER_ID,
    CONSUMER_PID,
    PROVIDER_ID,
    PROVIDER_PID,
    RENEWED_ADDRESS,
    completion,
    start,
    suspension,
    transfer_in,
    transfer_request,
    transfer_termination,
)


def provider_opened(message: TransferMessage | None = None) -> TransferProcess:
    request = message or transfer_request()
    assert isinstance(request, TransferRequestMessage)
    return machine.opened_by_peer(request, own_pid=PROVIDER_PID, peer_id=CONSUMER_ID, now_ms=1).transfer


def consumer_opened() -> TransferProcess:
    return machine.opened_by_us(
        transfer_request(), peer_id=PROVIDER_ID, peer_address="https://maker.example/dsp/", now_ms=1
    ).transfer


def received(transfer: TransferProcess, *messages: TransferMessage) -> TransferProcess:
    for message in messages:
        transfer = machine.receive(transfer, message, now_ms=2).transfer
    return transfer


def acted(transfer: TransferProcess, *messages: TransferMessage) -> TransferProcess:
    for message in messages:
        transfer = machine.act(transfer, message, now_ms=2).transfer
    return transfer


def test_a_request_opens_a_transfer_on_the_provider_s_side() -> None:
    step = machine.opened_by_peer(transfer_request(), own_pid=PROVIDER_PID, peer_id=CONSUMER_ID, now_ms=7)
    assert step.effects == (Tell("transfer.requested"),)
    assert step.transfer == TransferProcess(
        role=Role.PROVIDER,
        own_pid=PROVIDER_PID,
        peer_id=CONSUMER_ID,
        peer_pid=CONSUMER_PID,
        peer_address="https://cell.example/callback",
        state=TransferState.REQUESTED,
        agreement_id="urn:uuid:agreement",
        format="HttpData-PULL",
        moved_by=Role.CONSUMER,
        created_ms=7,
        updated_ms=7,
    )


def test_our_own_request_is_delivered_and_told() -> None:
    step = machine.opened_by_us(
        transfer_request(), peer_id=PROVIDER_ID, peer_address="https://maker.example/dsp/", now_ms=1
    )
    assert step.effects == (Deliver(transfer_request()), Tell("transfer.requested"))
    assert step.transfer.role is Role.CONSUMER
    assert step.transfer.own_pid == CONSUMER_PID
    assert step.transfer.peer_pid is None
    assert step.transfer.peer_address == "https://maker.example/dsp"


def test_a_pull_takes_the_provider_s_address_and_keeps_it_over_a_resumption() -> None:
    consumer = received(consumer_opened(), start(ADDRESS))
    assert consumer.data_address == ADDRESS
    assert not consumer.is_push
    consumer = received(consumer, suspension(), start())
    assert consumer.data_address == ADDRESS
    consumer = received(consumer, suspension(), start(RENEWED_ADDRESS))
    assert consumer.data_address == RENEWED_ADDRESS


def test_a_push_keeps_the_consumer_s_address() -> None:
    provider = provider_opened(transfer_request(ADDRESS))
    assert provider.is_push
    assert provider.data_address == ADDRESS
    assert acted(provider, start(RENEWED_ADDRESS)).data_address == ADDRESS


def test_a_consumer_cannot_redirect_a_pull() -> None:
    provider = acted(provider_opened(), start(ADDRESS), suspension())
    assert received(provider, start(RENEWED_ADDRESS)).data_address == ADDRESS


def test_who_suspended_is_known_until_the_transfer_runs_again_and_either_side_may_resume() -> None:
    running = acted(provider_opened(), start(ADDRESS))
    by_us = acted(running, suspension())
    assert by_us.suspended_by is Role.PROVIDER
    assert by_us.reason == Ending(code="9", reason=("later",))
    by_peer = received(running, suspension())
    assert by_peer.suspended_by is Role.CONSUMER
    for suspended in (by_us, by_peer):
        for resumed in (acted(suspended, start()), received(suspended, start())):
            assert resumed.state is TransferState.STARTED
            assert resumed.suspended_by is None
            assert resumed.reason is None


def test_a_termination_is_kept_with_its_words() -> None:
    ended = received(provider_opened(), transfer_termination())
    assert ended.reason == Ending(code="7", reason=("no",))


def test_a_retried_request_is_a_duplicate_however_far_the_transfer_went() -> None:
    running = acted(provider_opened(), start(ADDRESS))
    assert machine.receive(running, transfer_request(), now_ms=3).duplicate
    for field in ("consumer_pid", "agreement_id", "format"):
        other = msgspec.structs.replace(transfer_request(), **{field: "another"})
        with pytest.raises(MismatchedMessage):
            machine.receive(running, other, now_ms=3)


def test_a_late_copy_of_a_start_does_not_resume_a_suspended_transfer() -> None:
    first = start(ADDRESS, message_id="urn:uuid:m1")
    suspended = received(consumer_opened(), first, suspension(message_id="urn:uuid:m2"))
    assert machine.receive(suspended, first, now_ms=3) == machine.Step(transfer=suspended, duplicate=True)
    resumed = machine.receive(suspended, start(message_id="urn:uuid:m3"), now_ms=3)
    assert resumed.transfer.state is TransferState.STARTED


def test_a_late_copy_of_a_suspension_that_crossed_ours_does_not_suspend_again() -> None:
    theirs = suspension(message_id="urn:uuid:m1")
    ours = acted(received(consumer_opened(), start(ADDRESS)), suspension())
    crossed = machine.receive(ours, theirs, now_ms=3)
    assert (crossed.effects, crossed.duplicate) == ((), False)
    assert crossed.transfer.state is TransferState.SUSPENDED
    assert crossed.transfer.suspended_by is Role.CONSUMER
    resumed = acted(crossed.transfer, start())
    assert machine.receive(resumed, theirs, now_ms=4) == machine.Step(transfer=resumed, duplicate=True)


def test_an_address_in_a_start_that_crosses_ours_is_not_lost() -> None:
    suspended = received(consumer_opened(), start(ADDRESS), suspension())
    resumed_by_us = acted(suspended, start())
    step = machine.receive(resumed_by_us, start(RENEWED_ADDRESS), now_ms=3)
    assert step.transfer.data_address == RENEWED_ADDRESS
    assert step.effects == (Settle(), Tell("transfer.started"))


def test_the_peer_s_process_id_is_learned_and_must_stay() -> None:
    ack = TransferProcessAck(
        provider_pid=PROVIDER_PID, consumer_pid=CONSUMER_PID, state=TransferState.REQUESTED
    )
    step = machine.acknowledge(consumer_opened(), ack, now_ms=5)
    assert step.transfer.peer_pid == PROVIDER_PID
    assert step.effects == (Settle(),)
    assert received(consumer_opened(), start(ADDRESS)).peer_pid == PROVIDER_PID
    stranger = msgspec.structs.replace(completion(), provider_pid="urn:uuid:stranger")
    with pytest.raises(MismatchedMessage, match="providerPid"):
        machine.receive(received(step.transfer, start(ADDRESS)), stranger, now_ms=6)
    stray = msgspec.structs.replace(completion(), consumer_pid="urn:uuid:other")
    with pytest.raises(MismatchedMessage, match="consumerPid"):
        machine.receive(received(step.transfer, start(ADDRESS)), stray, now_ms=6)


@pytest.mark.parametrize("pid", ["", ".", ".."])
def test_a_process_id_that_cannot_stand_in_a_path_is_refused(pid: str) -> None:
    with pytest.raises(MismatchedMessage, match="consumerPid"):
        provider_opened(msgspec.structs.replace(transfer_request(), consumer_pid=pid))
    with pytest.raises(MismatchedMessage, match="providerPid"):
        received(consumer_opened(), msgspec.structs.replace(start(), provider_pid=pid))


def test_nothing_more_is_sent_before_the_peer_has_named_its_process_id() -> None:
    with pytest.raises(IllegalTransition, match="has not yet named"):
        machine.act(consumer_opened(), transfer_termination(), now_ms=2)


def test_an_abandoned_transfer_ends_without_a_message() -> None:
    step = machine.abandon(consumer_opened(), Ending(code="refused"), now_ms=4)
    assert step.transfer.state is TransferState.TERMINATED
    assert step.transfer.reason == Ending(code="refused")
    assert step.effects == (Settle(), Tell("transfer.terminated"))
    assert machine.abandon(step.transfer, Ending(), now_ms=5).duplicate


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (TransferState.REQUESTED, completion()),  # TP:03-01
        (TransferState.REQUESTED, suspension()),  # TP:03-02
        (TransferState.SUSPENDED, completion()),  # TP:03-03
        (TransferState.TERMINATED, start()),  # TP:03-04
        (TransferState.TERMINATED, suspension()),  # TP:03-05
        (TransferState.TERMINATED, completion()),  # TP:03-06
    ],
)
@pytest.mark.parametrize("role", list(Role))
def test_kit_cases_tp_03_are_refused_and_the_state_stays(
    role: Role, state: TransferState, message: TransferMessage
) -> None:
    moved_by = Role.CONSUMER if state is TransferState.REQUESTED else role.other
    with pytest.raises(IllegalTransition):
        machine.receive(transfer_in(state, role, moved_by), message, now_ms=3)
