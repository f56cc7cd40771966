import asyncio
import math

import pytest
from starlette.types import Receive, Scope, Send

from ashiato.api import turns
from ashiato.api.turns import (
    Queues,
    Turns,
    Usage,
    participant_of_management,
    participant_of_protocol,
    waiting_outside,
)


class SlowApp:
    """Counts who is inside; each request stays until it is let go."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside.append(scope["path"])
        await self.go.wait()
        self.inside.remove(scope["path"])


async def _nothing() -> dict[str, object]:
    return {}


def _ask(app: Turns, path: str, query: bytes = b"") -> "asyncio.Task[list[int]]":
    async def ask() -> list[int]:
        statuses: list[int] = []

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(int(str(message["status"])))

        await app({"type": "http", "path": path, "query_string": query}, _nothing, send)  # type: ignore[arg-type]  # a bare message
        return statuses

    return asyncio.create_task(ask())


async def test_a_flood_of_one_participant_stays_outside_while_another_walks_in() -> None:
    slow = SlowApp()
    app = Turns(slow, participant_of_protocol, Queues(2))
    flood = [_ask(app, "/noisy/dsp/x") for _ in range(50)]
    await asyncio.sleep(0)
    quiet = _ask(app, "/quiet/dsp/x")
    await asyncio.sleep(0)
    assert slow.inside == ["/noisy/dsp/x", "/noisy/dsp/x", "/quiet/dsp/x"]
    slow.go.set()
    await asyncio.gather(*flood, quiet)
    assert slow.inside == []


async def test_a_turn_given_to_somebody_who_left_goes_to_the_next() -> None:
    slow = SlowApp()
    app = Turns(slow, participant_of_protocol, Queues(1))
    first, second, third = (_ask(app, f"/a/dsp/{number}") for number in range(3))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    slow.go.set()
    await asyncio.wait_for(asyncio.gather(first, third), 1)
    assert second.cancelled()


async def test_all_turns_come_back() -> None:
    slow = SlowApp()
    slow.go.set()
    app = Turns(slow, participant_of_protocol, Queues(1))
    for _ in range(3):
        await asyncio.gather(*(_ask(app, "/a/dsp/x") for _ in range(10)))
    slow.go.clear()
    last = _ask(app, "/a/dsp/last")
    await asyncio.sleep(0)
    assert slow.inside == ["/a/dsp/last"]
    slow.go.set()
    await last


async def test_a_queue_that_is_full_says_so() -> None:
    slow = SlowApp()
    app = Turns(slow, participant_of_protocol, Queues(1))
    asked = [_ask(app, "/a/dsp/x") for _ in range(turns.MOST_WAITING_COUNT + 2)]
    await asyncio.sleep(0)
    assert await asked[-1] == [503]
    slow.go.set()
    await asyncio.gather(*asked)


async def test_who_takes_many_times_what_others_take_has_one_turn_at_a_time_in_company() -> None:
    queues = Queues()
    for number in range(20):
        async with queues.turn(f"quiet-{number}"):
            pass
    for _ in range(4 * turns.HEAVY_PER_S):
        async with queues.turn("noisy"):
            pass
    inside: list[str] = []
    go = asyncio.Event()

    async def work(queue: str) -> None:
        async with queues.turn(queue):
            inside.append(queue)
            await go.wait()

    tasks = [asyncio.create_task(work(queue)) for queue in ["noisy"] * 5 + ["quiet-1"] * 5]
    await asyncio.sleep(0)
    assert inside == ["noisy"] + ["quiet-1"] * turns.MOST_INSIDE_IN_COMPANY_COUNT
    go.set()
    await asyncio.gather(*tasks)


async def test_who_is_alone_is_not_held_back_however_much_it_does() -> None:
    queues = Queues()
    for _ in range(4 * turns.HEAVY_PER_S):
        async with queues.turn("busy"):
            pass
    inside: list[int] = []
    go = asyncio.Event()

    async def work(number: int) -> None:
        async with queues.turn("busy"):
            inside.append(number)
            await go.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(turns.MOST_INSIDE_COUNT + 1)]
    await asyncio.sleep(0)
    assert len(inside) == turns.MOST_INSIDE_COUNT
    go.set()
    await asyncio.gather(*tasks)


async def test_who_waits_for_another_server_gives_its_turn_away_and_gets_one_back() -> None:
    queues = Queues(1)
    answered = asyncio.Event()
    seen: list[str] = []

    async def ask() -> None:
        async with queues.turn("a"):
            async with waiting_outside():
                await answered.wait()
            seen.append("answered")

    async def work() -> None:
        async with queues.turn("a"):
            answered.set()
            await asyncio.sleep(0)
            seen.append("worked")

    await asyncio.gather(ask(), work())
    assert seen == ["worked", "answered"]


async def test_work_that_waits_for_two_servers_at_once_takes_one_turn_back() -> None:
    queues = Queues(1)

    async def ask() -> None:
        async with waiting_outside():
            await asyncio.sleep(0)

    came = 0
    async with asyncio.timeout(1):
        for _ in range(2):
            async with queues.turn("a"):
                await asyncio.gather(ask(), ask(), ask())
                came += 1
    assert came == 2


def test_use_is_forgotten_in_time() -> None:
    usage = Usage()
    for _ in range(100):
        usage.take("a", 10.0)
    assert usage.of("a", 10.0) == pytest.approx(100)
    assert usage.of("a", 10.0 + turns.COMPANY_S) == pytest.approx(100 / math.e)
    usage.take("b", 10.1)
    assert usage.is_heavy("a", 10.1)
    assert not usage.is_heavy("b", 10.1)
    # The others have gone: nobody is held back for them.
    assert not usage.is_heavy("a", 10.2 + turns.COMPANY_S)


def test_streams_and_long_waits_take_no_turn() -> None:
    assert participant_of_protocol({"path": "/a/data/t"}) is None
    assert participant_of_protocol({"path": "/a/dsp/2025-1/catalog/request"}) == "a"
    assert participant_of_management({"path": "/v1/a/fetches/f", "query_string": b"wait_s=3"}) is None
    assert participant_of_management({"path": "/v1/a/assets", "query_string": b""}) == "a"
