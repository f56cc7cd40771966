"""One partner that opens negotiations and ends none: its quota holds, and nobody else waits for it."""

import time
import uuid
from pathlib import Path

import aiohttp
import msgspec

from ashiato.connector.ports import UnitOfWork
from ashiato.wiring.settings import LimitSettings
from tests.api.speaking import Voice, opening
from tests.exchange import running
from tests.stores.samples import negotiation

QUOTA_COUNT = 10_000


async def test_ten_thousand_open_negotiations_of_one_partner_are_its_last(
    store_url: str, tmp_path: Path
) -> None:
    limits = LimitSettings(open_negotiations_per_partner_count=QUOTA_COUNT)
    async with (
        running(tmp_path / "maker", "maker", store_url=store_url, limits=limits) as (maker,),
        running(tmp_path / "cells", "cells", "rival") as (cells, rival),
        aiohttp.ClientSession() as session,
    ):
        await maker.offer("nmc811")

        def flood(uow: UnitOfWork) -> None:
            for number in range(QUOTA_COUNT - 1):
                opened = negotiation(f"own-{number:05}", peer_pid=f"peer-{number}", peer_id=rival.did)
                uow.negotiations.insert(msgspec.structs.replace(opened, own_id=maker.did))

        await maker.store.run(maker.did, flood)
        greedy, honest = Voice(session, rival, maker), Voice(session, cells, maker)
        last = await greedy.post("negotiations/request", opening(rival.address))
        assert last.status == 201
        # The last one was agreed at once and is on its way to its end; before that there was no room for another.
        await maker.store.run(
            maker.did,
            lambda uow: uow.negotiations.insert(
                negotiation("own-x", peer_pid=str(uuid.uuid4()), peer_id=rival.did)
            ),
        )
        refused = await greedy.post("negotiations/request", opening(rival.address))
        assert (refused.status, refused.said["code"]) == (429, "quota-exceeded")
        began_s = time.monotonic()
        fetched = await cells.fetch(maker, "nmc811")
        assert fetched.state == "done"
        assert time.monotonic() - began_s < 3
        heard = await honest.post("negotiations/request", opening(cells.address))
        assert heard.status == 201
