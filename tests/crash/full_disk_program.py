"""Companies on a small disk of their own that becomes full: `python -m tests.crash.full_disk_program DISK FOLDER`.

Prints one JSON document: what was answered while the disk was full, and what became of it when there was room again.
"""

import asyncio
import errno
import json
import sys
from pathlib import Path

import aiohttp

from ashiato.connector import fetching
from ashiato.stores.errors import StoreUnavailable
from tests.api.speaking import Voice
from tests.exchange import PULL, Member, running

RECORD = bytes(range(256)) * 16_384
ROOM_BYTES = 2_000_000


def fill(ballast: Path) -> None:
    """Take all the room that is left."""
    with ballast.open("ab", buffering=0) as file:
        size_bytes = 65_536
        while size_bytes:
            try:
                file.write(bytes(size_bytes))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                size_bytes //= 2


def give_room(ballast: Path, room_bytes: int) -> None:
    """Give some of it back."""
    with ballast.open("r+b") as file:
        file.truncate(max(0, ballast.stat().st_size - room_bytes))


async def without_room(cells: Member, voice: Voice, ballast: Path) -> dict[str, object]:
    """Nothing can be committed: a unit of work is told, a partner is asked to come again, and both work afterwards."""
    fill(ballast)
    try:
        await cells.offer("full")
        told = ""
    except StoreUnavailable as error:
        told = str(error)
    refused = await voice.get("negotiations/none")
    give_room(ballast, ROOM_BYTES)
    await cells.offer("room")
    assets = await cells.read(lambda uow: uow.assets.list_assets("", 10))
    answered = await voice.get("negotiations/none")
    return {
        "told": told,
        "refused": [refused.status, refused.said["code"]],
        "assets": [asset.asset_id for asset in assets],
        "answered": answered.status,
    }


async def with_little_room(maker: Member, cells: Member, ballast: Path) -> dict[str, object]:
    """State is kept on another disk, and the data has no room: the order waits, and is done when there is some."""
    await maker.offer("log", body=RECORD)
    found = await cells.program.partners.dataset(cells.tenant, maker.did, maker.address, "log")
    begun = await cells.run(
        lambda uow, moment: fetching.begin(
            uow, cells.tenant.company, maker.partner, "log", found.offers[0], PULL, moment
        )
    )
    await asyncio.sleep(2)
    waiting = await cells.read(lambda uow: uow.transfers.fetch(begun.fetch_id))
    give_room(ballast, 100_000_000)
    done = await cells.fetched(begun.fetch_id)
    received = await cells.read(lambda uow: uow.transfers.received(done.received_id or ""))
    assert waiting is not None
    assert received is not None
    file = cells.program.files.open(cells.did, received.file_name)
    content = file.read(0, len(RECORD) + 1)
    file.close()
    return {"waiting": waiting.state, "ended": done.state, "is_whole": content == RECORD}


async def main(disk: Path, folder: Path) -> None:
    """Both parts."""
    ballast = disk / "ballast"
    apart = f"sqlite:///{folder}/apart.db"
    async with running(folder / "maker", "maker") as (maker,), aiohttp.ClientSession() as session:
        async with running(disk / "cells", "cells") as (cells,):
            first = await without_room(cells, Voice(session, maker, cells), ballast)
        async with running(disk / "buyer", "buyer", store_url=apart) as (buyer,):
            fill(ballast)
            give_room(ballast, ROOM_BYTES)
            second = await with_little_room(maker, buyer, ballast)
    sys.stdout.write(json.dumps({**first, **second}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
