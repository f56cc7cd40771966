"""A database server that is away for a while, under a running connector: partners are asked to wait, and nothing is lost."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from ashiato.connector import negotiations
from ashiato.connector.records import Approval
from ashiato.connector.strategies import Act, Reaction
from ashiato.dsp.states import NegotiationState
from ashiato.stores.errors import StoreUnavailable
from tests.api.speaking import Voice, opening
from tests.exchange import running
from tests.postgresql_server import allow_connections, cut_connections


async def test_a_database_that_stops_and_comes_back_loses_no_exchange(
    postgresql_url: str, postgresql_database: str, tmp_path: Path
) -> None:
    async with (
        running(tmp_path / "maker", "maker") as (maker,),
        running(tmp_path / "cells", "cells", store_url=postgresql_database) as (cells,),
        aiohttp.ClientSession() as session,
    ):
        await maker.offer("nmc811", approval=Approval.MANUAL)
        await cells.offer("spent-cells")
        asked = await cells.negotiate(maker, "nmc811")
        waiting = await maker.until(
            lambda uow: next(iter(uow.negotiations.page("", 1, state=NegotiationState.REQUESTED)), None)
        )
        allow_connections(postgresql_url, postgresql_database, connections=False)
        cut_connections(postgresql_url, postgresql_database)
        await asyncio.sleep(0.3)
        voice = Voice(session, maker, cells)
        heard = await voice.post("negotiations/request", opening(maker.address, "spent-cells"))
        assert (heard.status, heard.said["code"]) == (503, "store-unavailable")
        with pytest.raises(StoreUnavailable):
            await cells.offer("lost")
        # The maker agrees meanwhile; its agreement cannot be taken, and is brought again.
        agree = Reaction(act=Act.AGREE)
        await maker.run(
            lambda uow, moment: negotiations.do(uow, maker.tenant.company, waiting.own_pid, agree, moment)
        )
        await asyncio.sleep(0.5)
        allow_connections(postgresql_url, postgresql_database, connections=True)
        agreed = await cells.negotiation(asked.own_pid, NegotiationState.FINALIZED)
        assert agreed.agreement is not None
        await maker.negotiation(waiting.own_pid, NegotiationState.FINALIZED)
        heard = await voice.post("negotiations/request", opening(maker.address, "spent-cells"))
        assert heard.status == 201
        assert [asset.asset_id for asset in await cells.read(lambda uow: uow.assets.list_assets("", 9))] == [
            "spent-cells"
        ]
