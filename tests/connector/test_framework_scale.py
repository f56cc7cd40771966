"""Ten thousand assets under one approval, between two running connectors."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ashiato.connector import negotiations, offers
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import (
    AgreementRecord,
    AgreementState,
    Asset,
    FrameworkContract,
    FrameworkState,
)
from ashiato.connector.strategies import Act, Reaction
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState, Role
from ashiato.policy.builder import permit
from ashiato.wiring.program import now
from tests.exchange import Member, running

ASSETS_COUNT = 10_000
FRAMEWORK_ID = "urn:ashiato:framework:ten-thousand"
AT_ONCE_COUNT = 32
BATCH_COUNT = 1000


async def stock(maker: Member, assets_count: int) -> None:
    for start in range(0, assets_count, BATCH_COUNT):
        numbers = range(start, min(start + BATCH_COUNT, assets_count))

        def work(uow: UnitOfWork, moment: Moment, numbers: range = numbers) -> None:
            for number in numbers:
                asset = Asset(
                    asset_id=f"part-{number:05}",
                    title=f"Footprint of part {number}",
                    source={"kind": "record"},
                    data_item="carbon-footprint",
                    part_group="cathode",
                )
                offers.put_asset(uow, asset, moment)

        await maker.run(work)


async def approve_framework(maker: Member, cells: Member, proposer: Role) -> None:
    """One side proposes, one person of the other says yes, once."""
    proposing, approving = (cells, maker) if proposer is Role.CONSUMER else (maker, cells)
    at_ms = now().now_ms
    framework = FrameworkContract(
        framework_id=FRAMEWORK_ID,
        role=proposer,
        peer_id=approving.did,
        title="All cathode powders",
        policy=permit("use", elapsed="P30D"),
        from_ms=at_ms - 1000,
        until_ms=at_ms + 86_400_000,
        data_item="carbon-footprint",
    )
    await proposing.run(
        lambda uow, moment: negotiations.propose_framework(
            uow, proposing.tenant.company, approving.address, framework, moment
        )
    )
    waiting = await approving.until(lambda uow: next(iter(uow.negotiations.list_approvables("", 1)), None))
    yes = Reaction(act=Act.AGREE if proposer is Role.CONSUMER else Act.ACCEPT)
    assert yes.act in waiting.choices
    await approving.run(
        lambda uow, moment: negotiations.do(
            uow, approving.tenant.company, waiting.negotiation_pid, yes, moment
        )
    )

    def is_active(uow: UnitOfWork) -> bool | None:
        found = uow.contracts.framework(FRAMEWORK_ID)
        return True if found is not None and found.state is FrameworkState.ACTIVE else None

    assert await maker.until(is_active)
    assert await cells.until(is_active)
    # The assets of a large class come into the catalog behind the approval, slice by slice.
    assert await maker.outbox_is_empty()


async def offers_shown_to(reader: Member, provider: Member) -> dict[str, dict[str, object]]:
    """The offer of each dataset in the provider's catalog, from page to page to the end."""
    shown: dict[str, dict[str, object]] = {}
    cursor: str | None = ""
    while cursor is not None:
        page = await reader.program.partners.catalog(
            reader.tenant, provider.did, provider.address, [], cursor or None
        )
        for dataset in page.catalog.datasets:
            assert dataset.dataset_id not in shown
            (shown[dataset.dataset_id],) = dataset.offers
        cursor = page.cursor
    return shown


async def agree_on(cells: Member, maker: Member, shown: dict[str, dict[str, object]]) -> None:
    """Negotiate all of these, a few at a time, without any person."""
    free = asyncio.Semaphore(AT_ONCE_COUNT)

    async def agree(asset_id: str, offer: dict[str, object]) -> None:
        async with free:
            opened = await cells.run(_opening(cells, maker, {**offer, "target": asset_id}))
            ended = (NegotiationState.FINALIZED, NegotiationState.TERMINATED)
            found = await cells.negotiation(opened.own_pid, *ended)
            assert found.state is NegotiationState.FINALIZED, found.reason

    await asyncio.gather(*(agree(asset_id, offer) for asset_id, offer in shown.items()))


def _opening(
    cells: Member, maker: Member, offer: dict[str, object]
) -> Callable[[UnitOfWork, Moment], ContractNegotiation]:
    return lambda uow, moment: negotiations.request(uow, cells.tenant.company, maker.partner, offer, moment)


async def under_framework(member: Member) -> dict[str, AgreementRecord]:
    """The usable agreements under the framework, by asset; none is doubled."""
    found: dict[str, AgreementRecord] = {}
    after_id = ""
    while page := await member.read(_page_behind(after_id)):
        after_id = page[-1].agreement_id
        for agreement in page:
            assert agreement.finalized
            assert agreement.state is AgreementState.ACTIVE
            assert agreement.asset_id not in found
            found[agreement.asset_id] = agreement
    return found


def _page_behind(after_id: str) -> Callable[[UnitOfWork], list[AgreementRecord]]:
    return lambda uow: uow.contracts.list_agreements(after_id, 1000, framework_id=FRAMEWORK_ID)


async def agree_under_one_approval(
    folder: Path,
    provider_url: str | None,
    *,
    assets_count: int,
    agreed_count: int,
    proposer: Role = Role.CONSUMER,
) -> None:
    async with (
        running(folder / "maker", "maker", store_url=provider_url) as [maker],
        running(folder / "buyers", "cells", "rival") as [cells, rival],
    ):
        await stock(maker, assets_count)
        await approve_framework(maker, cells, proposer)
        shown = await offers_shown_to(cells, maker)
        assert sorted(shown) == [f"part-{number:05}" for number in range(assets_count)]
        assert await offers_shown_to(rival, maker) == {}
        step = assets_count // agreed_count
        wanted = {asset_id: shown[asset_id] for asset_id in sorted(shown)[::step]}
        assert len(wanted) == agreed_count
        await agree_on(cells, maker, wanted)
        ours, theirs = await under_framework(cells), await under_framework(maker)
        assert set(ours) == set(theirs) == set(wanted)
        assert all(ours[asset_id].document == theirs[asset_id].document for asset_id in wanted)
        assert {found.document["ashiato:framework"] for found in ours.values()} == {FRAMEWORK_ID}
        assert await maker.read(lambda uow: uow.negotiations.list_approvables("", 1)) == []
        assert await maker.outbox_is_empty()
        assert await cells.outbox_is_empty()


@pytest.mark.parametrize("proposer", list(Role))
async def test_a_framework_is_proposed_by_either_side_and_approved_by_a_person_of_the_other(
    tmp_path: Path, proposer: Role
) -> None:
    await agree_under_one_approval(tmp_path, None, assets_count=20, agreed_count=20, proposer=proposer)


async def test_one_approval_covers_ten_thousand_assets_and_each_agreement_names_it(
    tmp_path: Path, store_url: str
) -> None:
    await agree_under_one_approval(tmp_path, store_url, assets_count=ASSETS_COUNT, agreed_count=250)


@pytest.mark.soak
async def test_ten_thousand_agreements_are_made_under_one_approval(tmp_path: Path, store_url: str) -> None:
    await agree_under_one_approval(tmp_path, store_url, assets_count=ASSETS_COUNT, agreed_count=ASSETS_COUNT)
