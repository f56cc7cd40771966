"""A clock that jumps, of one company or of the whole machine: nothing is granted that was not, and all of it ends well."""

import asyncio
import time
from pathlib import Path

import pytest

from ashiato.connector import fetching, negotiations, transfers
from ashiato.connector.ports import Moment
from ashiato.connector.problems import NotPermitted
from ashiato.connector.records import Approval, Fetch
from ashiato.connector.strategies import Act, Reaction
from ashiato.dsp.states import NegotiationState, TransferState
from ashiato.dsp.transfer import TransferProcess
from ashiato.policy.builder import permit
from ashiato.wiring import program
from tests.exchange import PULL, Member, running

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
REAL_NS = time.time_ns


class Clock:
    """The clock of this machine, which can be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offset_s = 0
        monkeypatch.setattr(time, "time_ns", lambda: REAL_NS() + self.offset_s * 10**9)

    @property
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def order(cells: Member, maker: Member, asset_id: str) -> Fetch:
    found = await cells.program.partners.dataset(cells.tenant, maker.did, maker.address, asset_id)
    return await cells.run(
        lambda uow, moment: fetching.begin(
            uow, cells.tenant.company, maker.partner, asset_id, found.offers[0], PULL, moment
        )
    )


async def asked(maker: Member) -> str:
    """The pid of the negotiation that waits for a person, once it has come."""
    waiting = await maker.until(
        lambda uow: next(iter(uow.negotiations.page("", 1, state=NegotiationState.REQUESTED)), None)
    )
    return waiting.own_pid


async def agree(maker: Member, own_pid: str) -> None:
    reaction = Reaction(act=Act.AGREE)
    await maker.run(lambda uow, moment: negotiations.do(uow, maker.tenant.company, own_pid, reaction, moment))


@pytest.mark.parametrize("jump_s", [-DAY_S, -HOUR_S, HOUR_S, 30 * DAY_S])
async def test_the_clock_of_the_machine_jumps_in_the_middle_of_an_order(
    clock: Clock, tmp_path: Path, jump_s: int
) -> None:
    async with (
        running(tmp_path / "maker", "maker") as (maker,),
        running(tmp_path / "cells", "cells") as (cells,),
    ):
        await maker.offer("nmc811", approval=Approval.MANUAL)
        begun = await order(cells, maker, "nmc811")
        pid = await asked(maker)
        clock.offset_s = jump_s
        await agree(maker, pid)
        assert (await cells.fetched(begun.fetch_id)).state == "done"
        assert await maker.outbox_is_empty()


@pytest.mark.parametrize("skew_s", [-HOUR_S, HOUR_S])
async def test_a_company_whose_clock_is_wrong_is_refused_until_it_is_right_and_then_all_ends_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, skew_s: int
) -> None:
    wrong = {"s": 0}
    true_now = program.now

    def skewed() -> Moment:
        moment = true_now()
        return Moment(moment.now_ms + wrong["s"] * 1000, moment.fresh_id)

    async with running(tmp_path / "maker", "maker") as (maker,):
        with monkeypatch.context() as patch:
            # The program takes this clock with it when it is put together.
            patch.setattr(program, "now", skewed)
            cells_running = running(tmp_path / "cells", "cells")
            (cells,) = await cells_running.__aenter__()
        try:
            await maker.offer("nmc811", approval=Approval.MANUAL)
            begun = await order(cells, maker, "nmc811")
            pid = await asked(maker)
            wrong["s"] = skew_s
            await agree(maker, pid)
            # Its partner's agreement is from another time: neither side's tokens hold at the other.
            await asyncio.sleep(1.0)
            between = await cells.read(lambda uow: uow.transfers.fetch(begun.fetch_id))
            assert between is not None
            assert between.state == "negotiating"
            wrong["s"] = 0
            assert (await cells.fetched(begun.fetch_id)).state == "done"
        finally:
            await cells_running.__aexit__(None, None, None)


async def test_a_right_that_was_ended_does_not_come_back_with_a_clock_that_is_set_back(
    clock: Clock, tmp_path: Path
) -> None:
    async with (
        running(tmp_path / "maker", "maker") as (maker,),
        running(tmp_path / "cells", "cells") as (cells,),
    ):
        await maker.offer("nmc811", rules=permit("use", until_ms=clock.now_ms + 2 * HOUR_S * 1000))
        assert (await cells.fetch(maker, "nmc811")).state == "done"
        clock.offset_s = 3 * HOUR_S
        with pytest.raises(NotPermitted):
            await pull(cells, maker)
        (agreement,) = await maker.read(lambda uow: uow.contracts.list_agreements("", 10))
        await maker.run(
            lambda uow, moment: transfers.end_agreement(
                uow, maker.tenant.company, agreement.agreement_id, "Over.", moment
            )
        )
        clock.offset_s = 0
        # The provider's word that the agreement ended may have come already; else the provider refuses.
        try:
            refused = await pull(cells, maker)
            told = str((await cells.transfer(refused.own_pid, TransferState.TERMINATED)).reason)
        except NotPermitted as known:
            told = str(known)
        assert "terminated" in told or "Over." in told


async def pull(cells: Member, maker: Member) -> TransferProcess:
    """Ask for the data again under the agreement that there is."""
    (agreement,) = await cells.read(lambda uow: uow.contracts.list_agreements("", 10))
    return await cells.run(
        lambda uow, moment: transfers.request(
            uow, cells.tenant.company, agreement.agreement_id, PULL, maker.address, moment
        )
    )
