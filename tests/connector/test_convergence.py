"""Two companies over a way that loses, doubles, delays and reorders: what they agreed is the same on both sides at the end.

Their real use cases, couriers and reconciliation run on a real store; only the network is the test's.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from ashiato.connector import negotiations, transfers
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted, WrongState
from ashiato.connector.records import AgreementRecord, Approval
from ashiato.connector.strategies import Act
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.policy.builder import permit
from ashiato.trust.standing import Standing
from tests.connector.firms import Fate, Firm, Street, open_street

T = TypeVar("T")
REFUSED = (Invalid, NotFound, NotPermitted, WrongState)
ASSETS = ("automatic", "by-hand", "other-terms")
OTHER = permit("use", max_uses=3)
TROUBLES = [fate for fate in Fate if not fate.is_refusal]
FATES = st.lists(st.sampled_from([Fate.ARRIVES] * 3 + TROUBLES), min_size=1, max_size=3)
MOST_OPENED_COUNT = 4
FIRMS = st.sampled_from(["maker", "cells"])
NUMBERS = st.integers(min_value=0, max_value=3)


class Exchange(RuleBasedStateMachine):
    """Negotiations and transfers between a maker and a cell maker, with people who act at any time."""

    ends_count = 0

    def __init__(self) -> None:
        super().__init__()
        self.opened_count = 0
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        self.street = self.run(self._open(f"sqlite:///{folder}/connector.db"))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end, outside of any loop."""
        return self._runner.run(work)

    async def _open(self, url: str) -> Street:
        street = await self._stack.enter_async_context(open_street(url))
        maker = street.firm("maker")
        cells = street.firm("cells")
        await maker.publish("automatic", offer_id="automatic")
        await maker.publish("by-hand", offer_id="by-hand", approval=Approval.MANUAL)
        await maker.publish("other-terms", offer_id="other-terms", rules=OTHER)
        await cells.agree(maker, "automatic")
        return street

    def firm(self, slug: str) -> Firm:
        """The company of that name."""
        return self.street.firms[slug]

    def attempt(self, work: Callable[[], Awaitable[object]]) -> None:
        """An act of somebody who does not know whether it is possible now."""

        async def trying() -> None:
            try:
                await work()
            except REFUSED:
                return

        self.run(trying())

    @precondition(lambda self: self.opened_count < MOST_OPENED_COUNT)
    @rule(asset_id=st.sampled_from(ASSETS))
    def the_consumer_asks(self, asset_id: str) -> None:
        """It asks for the offered terms, but for one asset, where it first tries to get more."""
        self.opened_count += 1

        async def work() -> None:
            cells, maker = self.firm("cells"), self.firm("maker")
            offer = await cells.catalog_offer(maker, asset_id)
            if asset_id == "other-terms":
                await cells.request(maker, {**offer, **permit("use")}, acceptable=(OTHER,))
            else:
                await cells.request(maker, offer)

        self.run(work())

    @precondition(lambda self: self.opened_count < MOST_OPENED_COUNT)
    @rule()
    def the_provider_offers(self) -> None:
        """An offer of its own accord, which a person must accept."""
        self.opened_count += 1
        maker, cells = self.firm("maker"), self.firm("cells")
        document = {"@id": "automatic:automatic", "target": "automatic", **permit("use")}

        def work(uow: UnitOfWork, moment: Moment) -> ContractNegotiation:
            return negotiations.offer(uow, maker.company, cells.partner, document, "automatic", moment)

        self.run(maker.run(work))

    @rule(
        slug=FIRMS,
        number=NUMBERS,
        act=st.sampled_from([Act.AGREE, Act.ACCEPT, Act.COUNTER, Act.OFFER, Act.TERMINATE]),
    )
    def a_person_acts(self, slug: str, number: int, act: Act) -> None:
        """In any negotiation, whether it is their turn or not."""

        async def work() -> None:
            firm = self.firm(slug)
            found = await firm.negotiations()
            if found:
                pid = found[number % len(found)].own_pid
                await firm.do(pid, act, rules=OTHER, reason="a person wants it so")

        self.attempt(work)

    @rule(number=NUMBERS, wire_format=st.sampled_from(transfers.FORMATS))
    def the_consumer_wants_data(self, number: int, wire_format: str) -> None:
        """Under any agreement that it believes to have."""

        async def work() -> None:
            cells, maker = self.firm("cells"), self.firm("maker")
            found = await cells.usable_agreements()
            if found:
                agreement = found[number % len(found)]
                await cells.run(_requesting(cells, maker, agreement, wire_format))

        self.attempt(work)

    @rule(slug=FIRMS, number=NUMBERS, what=st.sampled_from(["start", "suspend", "complete", "terminate"]))
    def somebody_acts_in_a_transfer(self, slug: str, number: int, what: str) -> None:
        """Whether it is possible or not."""

        async def work() -> None:
            firm = self.firm(slug)
            found = await firm.transfers()
            if found:
                await firm.run(_acting(firm, found[number % len(found)].own_pid, what))

        self.attempt(work)

    @rule(slug=FIRMS, number=NUMBERS)
    def an_agreement_is_ended(self, slug: str, number: int) -> None:
        """By one side, for good."""

        async def work() -> None:
            firm = self.firm(slug)
            found = await firm.usable_agreements()
            if found:
                agreement_id = found[number % len(found)].agreement_id
                await firm.run(
                    lambda uow, moment: transfers.end_agreement(
                        uow, firm.company, agreement_id, "recalled", moment
                    )
                )

        self.attempt(work)

    @rule(choices=st.lists(st.tuples(NUMBERS, FATES), min_size=1, max_size=8))
    def something_is_sent(self, choices: list[tuple[int, list[Fate]]]) -> None:
        """Any of the deliveries that are due, with what becomes of it on the way."""

        async def work() -> None:
            for number, fates in choices:
                due = await self.street.due(8)
                if due:
                    self.fate(fates)
                    await self.street.try_delivery(due[number % len(due)])

        self.run(work())

    @precondition(lambda self: self.street.channel.late)
    @rule(number=NUMBERS)
    def something_arrives_late(self, number: int) -> None:
        """Long after its sender gave up waiting for the answer."""
        late = self.street.channel.late
        self.run(_await(late.pop(number % len(late))))

    def fate(self, fates: list[Fate]) -> None:
        """What becomes of the next requests, one after the other; those behind them arrive."""
        left = iter(fates)
        self.street.channel.fate = lambda method, path: next(left, Fate.ARRIVES)

    def teardown(self) -> None:
        """The network recovers, and everything comes to rest."""
        try:
            self.run(self._rest())
        finally:
            self.run(self._stack.aclose())
            self._runner.close()

    async def _rest(self) -> None:
        street = self.street
        self.fate([])
        for arrive in street.channel.late:
            await arrive()
        await street.deliver(2000)
        maker, cells = self.firm("maker"), self.firm("cells")
        await _compare_negotiations(maker, cells)
        await _compare_agreements(maker, cells)
        await _compare_transfers(maker, cells)
        Exchange.ends_count += 1


async def _compare_negotiations(maker: Firm, cells: Firm) -> None:
    theirs = {found.peer_pid: found for found in await maker.negotiations()}
    for own in await cells.negotiations():
        other = theirs.pop(own.own_pid, None)
        if other is None:
            # It was refused from the start: one side knows of it, and for that side it has ended.
            assert own.state is NegotiationState.TERMINATED, own
            continue
        assert own.peer_pid == other.own_pid
        assert own.state is other.state, (own, other)
        if own.state is not NegotiationState.TERMINATED:
            assert (own.offer, own.agreement) == (other.offer, other.agreement)
    assert all(other.state is NegotiationState.TERMINATED for other in theirs.values()), theirs


async def _compare_agreements(maker: Firm, cells: Firm) -> None:
    for firm in (maker, cells):
        records = await firm.agreements()
        final = {
            found.own_pid: found
            for found in await firm.negotiations()
            if found.state is NegotiationState.FINALIZED
        }
        made = [record for record in records if record.finalized]
        # One agreement for each negotiation that was made final, neither lost nor doubled, and no other gives a right.
        assert sorted(record.negotiation_pid for record in made) == sorted(final)
        for record in made:
            assert record.document == final[record.negotiation_pid].agreement
        usable = await firm.usable_agreements()
        assert {record.agreement_id for record in usable} <= {record.agreement_id for record in made}
    ours, theirs = [
        {found.agreement_id: found for found in await firm.agreements() if found.finalized}
        for firm in (cells, maker)
    ]
    assert {key: found.document for key, found in ours.items()} == {
        key: found.document for key, found in theirs.items()
    }


async def _compare_transfers(maker: Firm, cells: Firm) -> None:
    theirs = {found.peer_pid: found for found in await maker.transfers()}
    for own in await cells.transfers():
        other = theirs.pop(own.own_pid, None)
        if other is None:
            assert own.state is TransferState.TERMINATED, own
            continue
        assert own.state is other.state, (own, other)
    assert theirs == {}


def _requesting(
    cells: Firm, maker: Firm, agreement: AgreementRecord, wire_format: str
) -> Callable[[UnitOfWork, Moment], TransferProcess]:
    return lambda uow, moment: transfers.request(
        uow, cells.company, agreement.agreement_id, wire_format, maker.company.callback_address, moment
    )


def _acting(firm: Firm, pid: str, what: str) -> Callable[[UnitOfWork, Moment], TransferProcess]:
    def work(uow: UnitOfWork, moment: Moment) -> TransferProcess:
        match what:
            case "start":
                return transfers.start(
                    uow, firm.company, pid, Standing(transfers.own(uow, pid).peer_id), moment
                )
            case "suspend":
                return transfers.suspend(uow, firm.company, pid, "wait", moment)
            case "complete":
                return transfers.complete(uow, firm.company, pid, moment)
            case _:
                return transfers.terminate(uow, firm.company, pid, "enough", moment)

    return work


async def _await(arrive: Callable[[], Awaitable[object]]) -> None:
    await arrive()


def test_two_companies_agree_on_everything_after_any_trouble_on_the_way() -> None:
    found = settings(
        max_examples=30,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Exchange, settings=found)
    assert Exchange.ends_count > 0
