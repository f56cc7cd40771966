"""A token that was seen: shown again at once, to another process, after a restart, to another company."""

import asyncio
from pathlib import Path

import aiohttp

from tests.api.speaking import Heard, Pair, Voice
from tests.exchange import running

DATASET = "catalog/datasets/nmc811"
PUBLIC_URL = "http://127.0.0.1:8443"


async def show(voice: Voice, token: str, below: str | None = None) -> Heard:
    return await voice.ask("GET", DATASET, headers={"Authorization": token}, below=below)


def is_replayed(heard: Heard) -> bool:
    return (heard.status, heard.said["code"]) == (401, "token-replayed")


async def test_a_token_shown_twenty_times_at_once_opens_once(pair: Pair) -> None:
    await pair.maker.offer("nmc811")
    token = await pair.as_cells.token()
    answers = await asyncio.gather(*(show(pair.as_cells, token) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [200, *[401] * 19]


async def test_a_token_that_one_process_has_seen_is_refused_by_another_on_the_same_database(
    postgresql_database: str, tmp_path: Path
) -> None:
    """Both serve the same company, below one public address."""
    both = [
        running(
            tmp_path / "maker", "maker", store_url=postgresql_database, public_url=PUBLIC_URL, node_id=name
        )
        for name in ("one", "two")
    ]
    async with (
        both[0] as (first,),
        both[1] as (second,),
        running(tmp_path / "cells", "cells") as (cells,),
        aiohttp.ClientSession() as session,
    ):
        await first.offer("nmc811")
        doors = [
            f"http://127.0.0.1:{member.program.bound.getsockname()[1]}/maker/dsp/2025-1"
            for member in (first, second)
        ]
        voice = Voice(session, cells, first)
        for door, other in (doors, doors[::-1]):
            token = await voice.token()
            assert (await show(voice, token, door)).status == 200
            assert is_replayed(await show(voice, token, other))
        token = await voice.token()
        answers = await asyncio.gather(*(show(voice, token, door) for _ in range(5) for door in doors))
        assert sorted(answer.status for answer in answers) == [200, *[401] * 9]


async def test_a_token_that_was_seen_before_a_restart_is_refused_after_it(
    store_url: str, tmp_path: Path
) -> None:
    async with running(tmp_path / "cells", "cells") as (cells,), aiohttp.ClientSession() as session:
        async with running(tmp_path / "maker", "maker", store_url=store_url, public_url=PUBLIC_URL) as (
            maker,
        ):
            await maker.offer("nmc811")
            voice = Voice(session, cells, maker)
            token = await voice.token()
            below = f"http://127.0.0.1:{maker.program.bound.getsockname()[1]}/maker/dsp/2025-1"
            assert (await show(voice, token, below)).status == 200
        async with running(tmp_path / "maker", "maker", store_url=store_url, public_url=PUBLIC_URL) as (
            maker,
        ):
            below = f"http://127.0.0.1:{maker.program.bound.getsockname()[1]}/maker/dsp/2025-1"
            assert is_replayed(await show(voice, token, below))
            assert (await show(voice, await voice.token(), below)).status == 200


async def test_a_token_for_one_company_is_refused_by_another_of_the_same_program(pair: Pair) -> None:
    """The rival shows what the maker sent to the cell maker; both are served by one program."""
    rival = pair.as_rival.speaker
    to_cells = await pair.as_maker.token()
    heard = await pair.as_maker.ask("GET", DATASET, headers={"Authorization": to_cells}, below=rival.address)
    assert (heard.status, heard.said["code"]) == (401, "unauthorized")
