"""What becomes of a message that is refused, overtaken or never taken, one try at a time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ashiato.connector import negotiations
from ashiato.connector.strategies import Act
from ashiato.dsp.states import NegotiationState as State
from ashiato.outbox.deliveries import GIVE_UP_AFTER_MS
from ashiato.policy.builder import permit
from tests.connector.firms import ANY, Fate, Firm, Street, open_street


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    """Companies without a network."""
    async with open_street(f"sqlite:///{tmp_path}/connector.db") as opened:
        yield opened


@pytest.fixture
def maker(street: Street) -> Firm:
    return street.firm("maker")


@pytest.fixture
def cells(street: Street) -> Firm:
    return street.firm("cells")


async def words_of(firm: Firm, pid: str) -> str:
    reason = (await firm.negotiation(pid)).reason
    assert reason is not None
    return negotiations.in_words(reason)


async def test_a_first_message_that_is_refused_ends_our_side_in_the_words_of_the_other(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", access=permit("use", participants=["did:web:rival.example"]))
    pid = await cells.request(maker, {"@id": "offer:nmc811", "target": "nmc811", **ANY})
    await street.deliver()
    assert (await cells.negotiation(pid)).state is State.TERMINATED
    words = await words_of(cells, pid)
    assert words.startswith(
        "The counterparty refused our ContractRequestMessage: 400 invalid; There is no such offer"
    )
    assert await maker.negotiations() == []


async def test_a_later_message_that_is_refused_ends_both_sides(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    # The consumer answers the agreement as if it did not like it, and is then asked what it thinks of the negotiation.
    refused = iter([Fate.ARRIVES, Fate.REFUSED_BEFORE])
    street.channel.fate = lambda method, path: next(refused, Fate.ARRIVES)
    await street.deliver()
    (theirs,) = await maker.negotiations()
    assert (theirs.state, (await cells.negotiation(pid)).state) == (State.TERMINATED, State.TERMINATED)
    assert "refused our ContractAgreementMessage: 400" in await words_of(maker, theirs.own_pid)
    assert await words_of(cells, pid) == await words_of(maker, theirs.own_pid)
    assert await maker.usable_agreements() == await cells.usable_agreements() == []


async def test_a_refusal_that_comes_after_the_counterparty_went_on_means_nothing(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver_one()
    (agreement,) = await street.due()
    assert agreement.message_name == "ContractAgreementMessage"
    street.channel.fate = lambda method, path: (
        Fate.REFUSED_LATE if path.endswith("/agreement") else Fate.ARRIVES
    )
    slow = asyncio.create_task(street.courier.make(agreement))
    while (await cells.negotiation(pid)).state is not State.VERIFIED:
        await asyncio.sleep(0.001)
    (verification,) = [found for found in await street.due(2) if found.participant_id == cells.did]
    await street.courier.make(verification)
    street.channel.answers.set()
    await slow
    await street.deliver()
    assert (await cells.negotiation(pid)).state is State.FINALIZED
    assert [found.state for found in await maker.negotiations()] == [State.FINALIZED]
    assert len(await maker.usable_agreements()) == len(await cells.usable_agreements()) == 1


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.FAILS])
async def test_after_three_days_without_an_answer_the_negotiation_ends_and_nothing_is_sent_any_more(
    street: Street, maker: Firm, cells: Firm, fate: Fate
) -> None:
    await maker.publish("nmc811")
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    street.channel.fate = lambda method, path: fate
    for _ in range(3):
        assert await street.deliver_one()
    assert (await cells.negotiation(pid)).state is State.REQUESTED
    street.clock.now_ms += GIVE_UP_AFTER_MS
    await street.deliver_one()
    assert (await cells.negotiation(pid)).state is State.TERMINATED
    assert "did not take our ContractRequestMessage in all that time" in await words_of(cells, pid)
    assert await street.due() == []


async def test_an_agreement_that_the_consumer_never_takes_gives_no_right_to_anybody(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver_one()
    street.channel.fate = lambda method, path: Fate.LOST
    await street.deliver_one()
    street.clock.now_ms += GIVE_UP_AFTER_MS
    await street.deliver_one()
    (theirs,) = await maker.negotiations()
    assert theirs.state is State.TERMINATED
    # The termination may still arrive, within its own three days.
    street.channel.fate = lambda method, path: Fate.ARRIVES
    await street.deliver()
    assert [found.state for found in await cells.negotiations()] == [State.TERMINATED]
    assert await maker.usable_agreements() == await cells.usable_agreements() == []


async def test_a_lost_answer_is_settled_by_a_question_and_not_by_sending_again(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver_one()
    # The consumer is silent behind the agreement, so that only the question can settle it.
    street.channel.fate = lambda method, path: Fate.ANSWER_LOST if method == "POST" else Fate.ARRIVES
    (agreement,) = await street.due()
    await street.courier.make(agreement)
    street.channel.sent.clear()
    (again,) = [found for found in await street.due(2) if found.participant_id == maker.did]
    assert again.attempts_count == 1
    street.channel.fate = lambda method, path: Fate.ARRIVES
    await street.courier.make(again)
    assert [(method, status) for method, _, status in street.channel.sent] == [("GET", 200)]
    await street.deliver()
    assert (await cells.negotiation(pid)).state is State.FINALIZED


async def test_a_counterparty_that_forgot_the_process_gets_the_message_again(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver_one()
    street.channel.fate = lambda method, path: Fate.NOT_FOUND
    for _ in range(3):
        await street.deliver_one()
    assert [found.state for found in await maker.negotiations()] == [State.AGREED]
    street.channel.fate = lambda method, path: Fate.ARRIVES
    await street.deliver()
    assert [found.state for found in await maker.negotiations()] == [State.FINALIZED]


@pytest.mark.parametrize("pid", ["", ".", "..", "x" * 1025])
async def test_an_answer_with_a_pid_that_cannot_be_addressed_is_no_answer(
    street: Street, maker: Firm, cells: Firm, pid: str
) -> None:
    await maker.publish("nmc811")
    own_pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    street.channel.pid_of_the_other = pid
    await street.deliver_one()
    assert (await cells.negotiation(own_pid)).peer_pid is None
    assert len(await street.due(10)) == 2
    street.channel.pid_of_the_other = None
    await street.deliver()
    assert (await cells.negotiation(own_pid)).state is State.FINALIZED


async def test_a_participant_that_is_not_served_here_is_left_to_others(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    del street.firms["cells"]
    await street.deliver_one()
    street.firms["cells"] = cells
    assert (await cells.negotiation(pid)).state is State.REQUESTED
    await street.deliver()
    assert (await cells.negotiation(pid)).state is State.FINALIZED


async def test_a_refusal_quotes_the_other_side_only_so_far(street: Street, maker: Firm, cells: Firm) -> None:
    pid = await cells.request(maker, {"@id": "x" * 5000, "target": "nmc811", **ANY})
    await street.deliver()
    assert len(await words_of(cells, pid)) < 700
    assert (await cells.do(pid, Act.HOLD)).state is State.TERMINATED
