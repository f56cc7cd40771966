"""What is kept of others' documents, by a clock of the test's own."""

import asyncio

import pytest

from ashiato.clients.keeping import Keeper, KeepingRules, Unavailable

T0_MS = 1_764_000_000_000
URL = "https://lists.example/1"


class Server:
    """Answers with `answer`, or fails with it."""

    def __init__(self) -> None:
        self.answer: bytes | Unavailable = b"first"
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.stale: list[tuple[str, int]] = []

    async def download(self, key: str) -> bytes:
        self.asked.append(key)
        await self.gate.wait()
        if isinstance(self.answer, Unavailable):
            raise self.answer
        return self.answer

    def keeper(self, **rules: int) -> Keeper[bytes]:
        return Keeper(
            self.download,
            KeepingRules(**rules),
            on_stale=lambda key, age_s, why: self.stale.append((key, age_s)),
            bytes_of=len,
        )


def _away(*, is_temporary: bool = True) -> Unavailable:
    return Unavailable(URL, "nobody answers", is_temporary=is_temporary)


@pytest.fixture
def server() -> Server:
    return Server()


async def test_a_hundred_who_ask_at_once_cause_one_fetch(server: Server) -> None:
    keeper = server.keeper()
    server.gate.clear()
    waiting = [asyncio.create_task(keeper.get(URL, T0_MS)) for _ in range(100)]
    await asyncio.sleep(0)
    server.gate.set()
    assert {(await task).value for task in waiting} == {b"first"}
    assert server.asked == [URL]


async def test_one_who_leaves_does_not_end_the_fetch_of_the_others(server: Server) -> None:
    keeper = server.keeper()
    server.gate.clear()
    leaving, staying = (asyncio.create_task(keeper.get(URL, T0_MS)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    server.gate.set()
    assert (await staying).value == b"first"
    assert server.asked == [URL]


async def test_a_document_is_bridged_up_to_its_stale_age_and_each_use_is_told(server: Server) -> None:
    keeper = server.keeper(fresh_s=300, stale_s=86_400, failure_s=5)
    await keeper.get(URL, T0_MS)
    server.answer = _away()
    kept = await keeper.get(URL, T0_MS + 300_000)
    assert (kept.value, kept.fetched_ms) == (b"first", T0_MS)
    await keeper.get(URL, T0_MS + 86_399_999)
    assert server.stale == [(URL, 300), (URL, 86_399)]
    with pytest.raises(Unavailable) as refusal:
        await keeper.get(URL, T0_MS + 86_400_000)
    assert refusal.value.is_temporary


async def test_a_document_that_was_taken_away_is_not_bridged(server: Server) -> None:
    keeper = server.keeper()
    await keeper.get(URL, T0_MS)
    server.answer = _away(is_temporary=False)
    with pytest.raises(Unavailable):
        await keeper.get(URL, T0_MS + 300_000)
    server.answer = _away()
    with pytest.raises(Unavailable):
        await keeper.get(URL, T0_MS + 400_000)


async def test_a_server_that_fails_is_left_alone_for_a_while(server: Server) -> None:
    keeper = server.keeper(failure_s=5)
    server.answer = _away()
    for now_ms in (T0_MS, T0_MS + 4_999, T0_MS + 5_000):
        with pytest.raises(Unavailable):
            await keeper.get(URL, now_ms)
    assert len(server.asked) == 2


async def test_a_clock_that_was_set_back_makes_nothing_eternal(server: Server) -> None:
    keeper = server.keeper()
    await keeper.get(URL, T0_MS)
    server.answer = b"second"
    assert (await keeper.get(URL, T0_MS - 1)).value == b"second"


async def test_kept_bytes_are_bounded_and_the_longest_unused_goes_first(server: Server) -> None:
    keeper = server.keeper(max_bytes=10)
    for name in "abc":
        await keeper.get(name, T0_MS)
    server.asked.clear()
    for name in "cba":
        await keeper.get(name, T0_MS)
    # Each answer has five bytes: two are kept.
    assert server.asked == ["a"]


async def test_one_document_larger_than_the_bound_is_not_kept(server: Server) -> None:
    keeper = server.keeper(max_bytes=4)
    await keeper.get(URL, T0_MS)
    assert (await keeper.get(URL, T0_MS)).value == b"first"
    assert len(server.asked) == 2


async def test_failures_push_no_good_document_out(server: Server) -> None:
    keeper = server.keeper(max_entries=3)
    await keeper.get(URL, T0_MS)
    server.answer = _away()
    for number in range(10):
        with pytest.raises(Unavailable):
            await keeper.get(f"{URL}/{number}", T0_MS)
    assert (await keeper.get(URL, T0_MS)).value == b"first"


async def test_more_fetches_than_allowed_at_once_are_refused_for_now(server: Server) -> None:
    keeper = server.keeper(max_fetches=2)
    server.gate.clear()
    waiting = [asyncio.create_task(keeper.get(name, T0_MS)) for name in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refusal:
        await keeper.get("c", T0_MS)
    assert refusal.value.is_temporary
    server.gate.set()
    await asyncio.gather(*waiting)
