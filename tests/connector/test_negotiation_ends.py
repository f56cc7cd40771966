"""How contract negotiations end before they are final: by either side, early, late and crossing."""

import pytest

from ashiato.connector import negotiations, strategies
from ashiato.connector.problems import Invalid, NotFound, WrongState
from ashiato.connector.records import AgreementState, Approval
from ashiato.connector.strategies import Act
from ashiato.dsp.states import NegotiationState as State
from ashiato.dsp.states import Role
from tests.connector.bargains import Silent, both
from tests.connector.firms import ANY, Fate, Firm, Street


@pytest.mark.parametrize("ends", [Role.CONSUMER, Role.PROVIDER])
@pytest.mark.parametrize(
    "state", [State.REQUESTED, State.OFFERED, State.ACCEPTED, State.AGREED, State.VERIFIED]
)
async def test_either_side_may_end_a_negotiation_in_any_state(
    street: Street, state: State, ends: Role
) -> None:
    maker, cells = street.firm("maker", strategy=Silent()), street.firm("cells", strategy=Silent())
    await maker.publish("nmc811")
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    provider_pid = (await cells.negotiation(pid)).peer_pid
    assert provider_pid is not None
    acts = {
        State.REQUESTED: [],
        State.OFFERED: [(maker, Act.OFFER)],
        State.ACCEPTED: [(maker, Act.OFFER), (cells, Act.ACCEPT)],
        State.AGREED: [(maker, Act.AGREE)],
        State.VERIFIED: [(maker, Act.AGREE), (cells, Act.VERIFY)],
    }
    for firm, act in acts[state]:
        await firm.do(pid if firm is cells else provider_pid, act, rules=ANY if act is Act.OFFER else None)
        await street.deliver()
    assert [found.state for found in await maker.negotiations()] == [state]
    ender, own_pid = (cells, pid) if ends is Role.CONSUMER else (maker, provider_pid)
    if (state, ends) == (State.VERIFIED, Role.CONSUMER):
        # The provider's finalization may be under way, and two ends that differ could not be brought together.
        with pytest.raises(WrongState):
            await ender.do(own_pid, Act.TERMINATE, reason="enough")
        return
    await ender.do(own_pid, Act.TERMINATE, reason="enough")
    await street.deliver()
    own, theirs = await both(pid, cells, maker)
    assert (own.state, theirs.state) == (State.TERMINATED, State.TERMINATED)
    assert own.reason == theirs.reason
    for firm in (maker, cells):
        assert all(found.state is AgreementState.TERMINATED for found in await firm.agreements())
        assert await firm.usable_agreements() == []
        with pytest.raises(WrongState):
            await firm.do(pid if firm is cells else provider_pid, Act.TERMINATE)


async def test_a_final_negotiation_cannot_be_ended(street: Street, maker: Firm, cells: Firm) -> None:
    await maker.publish("nmc811")
    agreement = await cells.agree(maker, "nmc811")
    with pytest.raises(WrongState):
        await cells.do(agreement.negotiation_pid, Act.TERMINATE)
    assert len(await cells.usable_agreements()) == 1


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.ANSWER_LOST, Fate.LATE, Fate.FAILS, Fate.GARBAGE])
async def test_a_negotiation_that_is_ended_before_the_first_answer_ends_on_both_sides(
    street: Street, maker: Firm, cells: Firm, fate: Fate
) -> None:
    await maker.publish("nmc811", approval=Approval.MANUAL)
    street.channel.fate = lambda method, path: fate
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver_one()
    await cells.do(pid, Act.TERMINATE, reason="ordered by mistake")
    assert (await cells.negotiation(pid)).state is State.TERMINATED
    street.channel.fate = lambda method, path: Fate.ARRIVES
    for arrive in street.channel.late:
        await arrive()
    await street.deliver()
    (theirs,) = await maker.negotiations()
    assert theirs.state is State.TERMINATED
    assert theirs.reason is not None
    assert negotiations.in_words(theirs.reason) == "ordered by mistake"
    assert await maker.inbox() == []


async def test_a_withdrawn_negotiation_that_was_agreed_meanwhile_leaves_no_agreement(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811")
    street.channel.fate = lambda method, path: Fate.ANSWER_LOST
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver_one()
    assert [found.state for found in await maker.negotiations()] == [State.AGREED]
    await cells.do(pid, Act.TERMINATE, reason="ordered by mistake")
    street.channel.fate = lambda method, path: Fate.ARRIVES
    await street.deliver()
    assert [found.state for found in await maker.negotiations()] == [State.TERMINATED]
    assert await maker.usable_agreements() == await cells.usable_agreements() == []


async def test_what_a_party_may_not_do_now_is_refused_and_changes_nothing(
    street: Street, maker: Firm, cells: Firm
) -> None:
    await maker.publish("nmc811", approval=Approval.MANUAL)
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    before = await cells.negotiation(pid)
    for act in (Act.AGREE, Act.ACCEPT, Act.VERIFY, Act.FINALIZE, Act.COUNTER, Act.OFFER):
        with pytest.raises(WrongState):
            await cells.do(pid, act, rules=ANY)
    with pytest.raises(Invalid):
        await cells.do(pid, Act.COUNTER)
    with pytest.raises(NotFound):
        await cells.do("never-was", Act.TERMINATE)
    assert await cells.do(pid, Act.HOLD) == before
    assert await cells.negotiation(pid) == before


async def test_an_offer_needs_a_target(street: Street, maker: Firm, cells: Firm) -> None:
    with pytest.raises(Invalid, match="target"):
        await cells.request(maker, {"@id": "offer:nmc811", **ANY})
    assert await cells.negotiations() == []


def test_the_acts_of_a_strategy_are_those_of_the_protocol() -> None:
    assert {act.value for act in strategies.Act} == {
        "hold", "offer", "agree", "accept", "counter", "verify", "finalize", "terminate",
    }  # fmt: skip
