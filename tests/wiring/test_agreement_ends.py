"""Agreements that end between two running connectors: by their own time, by one side, by both; and are retired."""

from pathlib import Path

import pytest

from ashiato.connector import negotiations, receipts, transfers
from ashiato.connector.agreements import RENEWS_MEMBER
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import WrongState
from ashiato.connector.records import AgreementRecord, FetchState
from ashiato.dsp.states import NegotiationState
from ashiato.policy.builder import permit
from ashiato.wiring.program import now
from tests.exchange import Member, running

LATER = {"leftOperand": "delayPeriod", "operator": "eq"}


async def ended(member: Member, agreement_id: str, ended_by: str | None = None) -> AgreementRecord:
    """The record once it says that the agreement is over (by somebody)."""

    def look(uow: UnitOfWork) -> AgreementRecord | None:
        found = uow.contracts.agreement(agreement_id)
        if found is None or found.ended_ms is None or ended_by not in (None, found.ended_by):
            return None
        return found

    return await member.until(look)


async def agreed(maker: Member, cells: Member) -> str:
    fetch = await cells.fetch(maker, "nmc811")
    assert fetch.state is FetchState.DONE, fetch.problem
    assert fetch.agreement_id is not None
    return fetch.agreement_id


async def end(member: Member, agreement_id: str, reason: str) -> AgreementRecord:
    return await member.run(
        lambda uow, moment: transfers.end_agreement(uow, member.tenant.company, agreement_id, reason, moment)
    )


@pytest.mark.parametrize("by_provider", [True, False])
async def test_whoever_ends_an_agreement_the_other_learns_it_with_the_reason_without_any_transfer(
    tmp_path: Path, by_provider: bool
) -> None:
    async with (
        running(tmp_path / "maker", "maker") as [maker],
        running(tmp_path / "cells", "cells") as [cells],
    ):
        await maker.offer("nmc811")
        agreement_id = await agreed(maker, cells)
        ender, other = (maker, cells) if by_provider else (cells, maker)
        ours = await end(ender, agreement_id, "The plant was sold.")
        theirs = await ended(other, agreement_id)
        assert (ours.state, ours.ended_by) == ("terminated", ender.did)
        assert (theirs.state, theirs.ended_by, theirs.end_reason) == (
            "terminated", ender.did, "The plant was sold.",
        )  # fmt: skip
        with pytest.raises(WrongState):
            await end(ender, agreement_id, "Again.")
        await end(other, agreement_id, "We agree.")
        for member in (maker, cells):
            assert (await ended(member, agreement_id, "both")).end_reason == "The plant was sold."


async def test_an_agreement_expires_by_its_own_time_on_both_sides_and_is_then_retired(tmp_path: Path) -> None:
    async with (
        running(tmp_path / "maker", "maker") as [maker],
        running(tmp_path / "cells", "cells") as [cells],
    ):
        until_ms = (now().now_ms // 1000 + 6) * 1000
        await maker.offer("nmc811", rules=permit("use", until_ms=until_ms))
        agreement_id = await agreed(maker, cells)
        with pytest.raises(WrongState, match="in force"):
            await maker.run(
                lambda uow, moment: transfers.retire_agreement(
                    uow, maker.tenant.company, agreement_id, moment
                )
            )
        for member in (maker, cells):
            record = await ended(member, agreement_id)
            assert (record.state, record.ended_by) == ("expired", "")
            assert record.ended_ms is not None
            assert record.ended_ms >= until_ms
        retired = await maker.run(
            lambda uow, moment: transfers.retire_agreement(uow, maker.tenant.company, agreement_id, moment)
        )
        assert retired.is_retired
        assert "agreement.retired" in [entry.event for entry in await maker.history()]


@pytest.mark.parametrize("told", ["by a question for receipts", "by a notice of its end"])
async def test_what_expired_did_so_by_its_own_time_even_where_the_partner_says_it_first(
    tmp_path: Path, told: str
) -> None:
    async with running(tmp_path, "maker", "cells") as [maker, cells]:
        until_ms = now().now_ms + 3_600_000
        await maker.offer("nmc811", rules=permit("use", until_ms=until_ms))
        agreement_id = await agreed(maker, cells)

        def hear(uow: UnitOfWork, moment: Moment) -> None:
            later = Moment(moment.now_ms + 3_700_000, moment.fresh_id)
            if told == "by a notice of its end":
                transfers.agreement_ended_by_peer(uow, cells.tenant.company, agreement_id, "Over.", later)
            else:
                receipts.told_of_end(uow, cells.tenant.company, maker.did, agreement_id, later)

        await cells.run(hear)
        record = await ended(cells, agreement_id)
        assert (record.state, record.ended_by) == ("expired", "")


async def test_a_renewal_names_its_predecessor_on_both_sides_and_a_stranger_to_it_names_none(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, "maker", "cells") as [maker, cells]:
        await maker.offer("nmc811", "nmc622")
        agreement_id = await agreed(maker, cells)
        for asset_id, expected in (("nmc811", agreement_id), ("nmc622", None)):
            assert await predecessors(maker, cells, asset_id, agreement_id) == [expected, expected]


async def predecessors(maker: Member, cells: Member, asset_id: str, renewed_id: str) -> list[str | None]:
    """What both sides say that a new agreement over the asset renews, when its consumer names `renewed_id`."""
    found = await cells.program.partners.dataset(cells.tenant, maker.did, maker.address, asset_id)
    offer = {**found.offers[0], "target": asset_id, RENEWS_MEMBER: renewed_id}
    begun = await cells.run(
        lambda uow, moment: negotiations.request(uow, cells.tenant.company, maker.partner, offer, moment)
    )
    done = await cells.negotiation(begun.own_pid, NegotiationState.FINALIZED)
    new_id = str((done.agreement or {})["@id"])
    records = [await member.read(lambda uow: uow.contracts.agreement(new_id)) for member in (maker, cells)]
    return [record.predecessor_id for record in records if record is not None]


@pytest.mark.parametrize("far", ["P999999999Y", "P999999999M", "-P999999999Y"])
async def test_a_limit_beyond_all_clocks_breaks_nothing(tmp_path: Path, far: str) -> None:
    rules = permit(elapsed=far)
    delete = {"action": "delete", "constraint": [{**LATER, "rightOperand": far}]}
    rules["permission"] = (
        [{"action": "use", "duty": [delete]}] if far.startswith("-") else rules["permission"]
    )
    rules["obligation"] = [delete]
    async with running(tmp_path, "maker", "cells") as [maker, cells]:
        await maker.offer("nmc811", rules=rules)
        fetch = await cells.fetch(maker, "nmc811")
        assert fetch.state is FetchState.DONE, fetch.problem
