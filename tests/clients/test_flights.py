import asyncio

import pytest

from ashiato.clients.flights import SingleFlights

KEY = ("query", "did:web:a")


class Work:
    """Counts how often it is done, and ends when the test lets it."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        self.count += 1
        await self.gate.wait()
        return self.count


async def test_many_who_wait_for_the_same_work_have_it_done_once() -> None:
    flights, work = SingleFlights(), Work()
    waiting = [asyncio.create_task(flights.once(KEY, work)) for _ in range(50)]
    await asyncio.sleep(0)
    work.gate.set()
    assert await asyncio.gather(*waiting) == [1] * 50
    assert await flights.once(KEY, work) == 2


async def test_a_waiter_who_leaves_does_not_end_the_work() -> None:
    flights, work = SingleFlights(), Work()
    leaving, staying = (asyncio.create_task(flights.once(KEY, work)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    work.gate.set()
    assert await staying == 1


async def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    flights = SingleFlights()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise LookupError("gone")

    outcomes = await asyncio.gather(*(flights.once(KEY, fail) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [LookupError] * 3
    with pytest.raises(LookupError):
        await flights.once(KEY, fail)
