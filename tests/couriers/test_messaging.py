"""Messages between two running connectors over a way that misbehaves: both sides come to the same end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from ashiato.connector import negotiations
from ashiato.connector.negotiations import Partner
from ashiato.connector.records import AgreementState, FetchState
from ashiato.couriers import messaging
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState, TransferState
from tests.couriers.troubled_way import Trouble, Way, troubled_way
from tests.exchange import Member, port_of, running

HEALS = [trouble for trouble in Trouble if trouble is not Trouble.MOVED]


@asynccontextmanager
async def over_a_troubled_way(folder: Path) -> AsyncIterator[tuple[Member, Way, Member, Way]]:
    """A provider and a consumer, each reached over a way of its own."""
    async with (
        troubled_way() as to_maker,
        troubled_way() as to_cells,
        running(folder / "maker", "maker", public_url=to_maker.url) as [maker],
        running(folder / "cells", "cells", public_url=to_cells.url) as [cells],
    ):
        to_maker.target_port, to_cells.target_port = port_of(maker), port_of(cells)
        yield maker, to_maker, cells, to_cells


async def request(
    consumer: Member, partner: Partner, offer: dict[str, object], asset_id: str
) -> ContractNegotiation:
    document = {**offer, "target": asset_id}
    return await consumer.run(
        lambda uow, moment: negotiations.request(uow, consumer.tenant.company, partner, document, moment)
    )


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messaging, "MESSAGE_TIMEOUT_S", 0.5)


@pytest.mark.parametrize("trouble", HEALS)
async def test_whatever_goes_wrong_once_with_each_message_the_data_arrives_and_both_sides_agree(
    tmp_path: Path, trouble: Trouble
) -> None:
    async with over_a_troubled_way(tmp_path) as (maker, to_maker, cells, to_cells):
        await maker.offer("nmc811")
        found = await cells.program.partners.dataset(cells.tenant, maker.did, maker.address, "nmc811")
        to_maker.once_each(trouble)
        to_cells.once_each(trouble)
        done = await cells.fetch(maker, "nmc811", offer=found.offers[0])
        assert (done.state, done.problem) == (FetchState.DONE, None)
        assert await maker.outbox_is_empty()
        assert await cells.outbox_is_empty()
        for member in (maker, cells):
            (agreement,) = await member.read(lambda uow: uow.contracts.list_agreements("", 10))
            assert (agreement.finalized, agreement.state) == (True, AgreementState.ACTIVE)
            (negotiation,) = await member.read(lambda uow: uow.negotiations.page("", 10))
            assert negotiation.state is NegotiationState.FINALIZED
            transfer = await member.only_transfer()
            assert transfer.state is TransferState.COMPLETED
        troubled = [entry for entry in to_maker.passed + to_cells.passed if entry[2] is trouble]
        # Request, verification, transfer request and completion go one way; agreement, finalization and start the other.
        assert len([path for method, path, _ in troubled if method == "POST"]) >= 7


async def test_an_address_that_moved_for_good_ends_the_negotiation_with_the_reason(tmp_path: Path) -> None:
    async with over_a_troubled_way(tmp_path) as (maker, to_maker, cells, _):
        await maker.offer("nmc811")
        found = await cells.program.partners.dataset(cells.tenant, maker.did, maker.address, "nmc811")
        to_maker.troubles = lambda asked: Trouble.MOVED
        failed = await cells.fetch(maker, "nmc811", offer=found.offers[0])
        assert failed.state is FetchState.FAILED
        assert failed.problem is not None
        assert "redirects" in failed.problem
        assert await cells.outbox_is_empty()


async def test_a_message_is_not_sent_again_when_the_counterparty_says_that_it_has_it(tmp_path: Path) -> None:
    async with over_a_troubled_way(tmp_path) as (maker, _, cells, to_cells):
        await maker.offer("nmc811")
        to_cells.once_each(Trouble.ANSWER_LOST)
        opened = await cells.negotiate(maker, "nmc811")
        await cells.negotiation(opened.own_pid, NegotiationState.FINALIZED)
        assert await maker.outbox_is_empty()
        agreements = [path for method, path, _ in to_cells.passed if path.endswith("/agreement")]
        # The verification of the consumer overtakes the doubt, or the question about its state settles it.
        assert len(agreements) == 1


async def test_the_messages_of_one_process_arrive_in_their_order(tmp_path: Path) -> None:
    async with over_a_troubled_way(tmp_path) as (maker, to_maker, cells, to_cells):
        await maker.offer("nmc811")
        found = await cells.program.partners.dataset(cells.tenant, maker.did, maker.address, "nmc811")
        for way in (to_maker, to_cells):
            way.once_each(Trouble.FAILS_BEFORE)
        opened = await request(cells, maker.partner, found.offers[0], "nmc811")
        ended = await cells.negotiation(opened.own_pid, NegotiationState.FINALIZED)
        arrived = [
            path.rpartition("/")[2] for method, path, trouble in to_maker.passed
            if method == "POST" and trouble is Trouble.NONE and "negotiations" in path
        ]  # fmt: skip
        assert arrived == ["request", "verification"]
        sent_back = [
            path.removeprefix(f"/cells/dsp/2025-1/negotiations/{ended.own_pid}/")
            for method, path, trouble in to_cells.passed
            if method == "POST" and trouble is Trouble.NONE
        ]
        assert sent_back == ["agreement", "events"]


async def test_retries_wait_longer_each_time(tmp_path: Path) -> None:
    async with over_a_troubled_way(tmp_path) as (maker, to_maker, cells, _):
        await maker.offer("nmc811")
        found = await cells.program.partners.dataset(cells.tenant, maker.did, maker.address, "nmc811")
        tries_s: list[float] = []

        def refuse_four_times(asked: object) -> Trouble:
            tries_s.append(asyncio.get_running_loop().time())
            return Trouble.FAILS_BEFORE if len(tries_s) <= 4 else Trouble.NONE

        to_maker.troubles = refuse_four_times
        opened = await request(cells, maker.partner, found.offers[0], "nmc811")
        await cells.negotiation(opened.own_pid, NegotiationState.FINALIZED)
        waits_s = [later - earlier for earlier, later in pairwise(tries_s[:5])]
        # 0.1 s, doubled each time.
        for wait_s, least_s in zip(waits_s, (0.1, 0.2, 0.4, 0.8), strict=True):
            assert least_s * 0.95 <= wait_s < least_s + 0.7


async def test_an_address_that_may_not_be_called_ends_the_negotiation_and_empties_the_outbox(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "cells", "cells") as [cells]:
        for address, word in (
            ("http://10.1.2.3/maker/dsp/2025-1", "10.1.2.3"),
            ("http://169.254.169.254/latest", "169.254.169.254"),
            (f"{cells.program.management_url}/maker/dsp/2025-1", "management"),
        ):
            partner = Partner("did:web:maker.example", address)
            offer: dict[str, object] = {"@id": "o", "permission": [{"action": "use"}]}
            opened = await request(cells, partner, offer, "nmc811")
            ended = await cells.negotiation(opened.own_pid, NegotiationState.TERMINATED)
            assert ended.reason is not None
            assert word in negotiations.in_words(ended.reason)
        assert await cells.outbox_is_empty()


async def test_after_a_restart_a_company_goes_on_where_it_stood(tmp_path: Path, store_url: str) -> None:
    async with (
        troubled_way() as to_maker,
        running(tmp_path / "maker", "maker", public_url=to_maker.url) as [maker],
    ):
        to_maker.target_port = port_of(maker)
        await maker.offer("nmc811", "lfp")
        async with running(tmp_path / "cells", "cells", store_url=store_url) as [cells]:
            port = port_of(cells)
            offers = [
                (
                    asset_id,
                    (
                        await cells.program.partners.dataset(cells.tenant, maker.did, maker.address, asset_id)
                    ).offers[0],
                )
                for asset_id in ("nmc811", "lfp")
            ]
            # The first message of one negotiation arrives and its answer does not; of the other nothing arrives.
            to_maker.troubles = lambda asked: Trouble.ANSWER_LOST if b"nmc811" in asked.body else Trouble.LOST
            pids = [
                (await request(cells, maker.partner, offer, asset_id)).own_pid for asset_id, offer in offers
            ]
            await maker.until(lambda uow: uow.negotiations.page("", 1) or None)
        to_maker.troubles = lambda asked: Trouble.NONE
        async with running(tmp_path / "cells", "cells", store_url=store_url, port=port) as [cells]:
            for pid in pids:
                await cells.negotiation(pid, NegotiationState.FINALIZED)
            assert await cells.outbox_is_empty()
            assert await maker.outbox_is_empty()
            for member in (maker, cells):
                agreements = await member.read(lambda uow: uow.contracts.list_agreements("", 10))
                assert sorted(found.asset_id for found in agreements) == ["lfp", "nmc811"]
                assert all(found.finalized for found in agreements)
