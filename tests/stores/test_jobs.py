import asyncio
import threading
from collections.abc import Iterator

import pytest

from ashiato.stores.jobs import Job, JobQueue


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop for futures that nobody awaits."""
    found = asyncio.new_event_loop()
    yield found
    found.close()


def _put(queue: JobQueue, loop: asyncio.AbstractEventLoop, *names: str) -> None:
    for name in names:
        assert queue.put(Job(name, lambda uow: None, loop.create_future()))


def _names(jobs: list[Job]) -> list[str]:
    return [job.participant_id for job in jobs]


def test_a_noisy_participant_does_not_push_the_others_back(loop: asyncio.AbstractEventLoop) -> None:
    queue = JobQueue(exclusive=True)
    _put(queue, loop, *["noisy"] * 100, "a", "b")
    assert _names(queue.take(5)) == ["noisy", "a", "b", "noisy", "noisy"]


def test_a_participant_runs_on_one_thread_at_a_time(loop: asyncio.AbstractEventLoop) -> None:
    queue = JobQueue(exclusive=True)
    _put(queue, loop, "a", "a", "a", "b")
    first = queue.take(2)
    assert _names(first) == ["a", "b"]
    _put(queue, loop, "b", "c")
    assert _names(queue.take(9)) == ["c"]
    queue.done(first)
    assert _names(queue.take(9)) == ["a", "b", "a"]


def test_one_participants_jobs_keep_their_order(loop: asyncio.AbstractEventLoop) -> None:
    queue = JobQueue(exclusive=True)
    jobs = [Job("a", lambda uow: None, loop.create_future()) for _ in range(10)]
    for job in jobs:
        queue.put(job)
    taken: list[Job] = []
    while len(taken) < 10:
        batch = queue.take(3)
        queue.done(batch)
        taken += batch
    assert taken == jobs


def test_readers_share_a_participant_in_turn(loop: asyncio.AbstractEventLoop) -> None:
    queue = JobQueue(exclusive=False)
    _put(queue, loop, "a", "a", "a", "b")
    assert [_names(queue.take(1)) for _ in range(4)] == [["a"], ["b"], ["a"], ["a"]]


def test_a_closed_queue_gives_out_what_it_holds_and_then_nothing(loop: asyncio.AbstractEventLoop) -> None:
    queue = JobQueue(exclusive=True)
    _put(queue, loop, "a", "a")
    first = queue.take(1)
    queue.close()
    assert not queue.put(Job("b", lambda uow: None, loop.create_future()))
    # Another thread must not end before the job that waits for the first.
    second: list[list[Job]] = []
    thread = threading.Thread(target=lambda: second.append(queue.take(1)))
    thread.start()
    queue.done(first)
    thread.join(5)
    assert _names(second[0]) == ["a"]
    queue.done(second[0])
    assert queue.take(1) == []
