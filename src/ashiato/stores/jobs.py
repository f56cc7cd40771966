"""Units of work that wait for a thread, in an order that is fair to every participant."""

from asyncio import Future
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from threading import Condition
from typing import Any

from ashiato.stores.records import write_history
from ashiato.stores.sessions import Session
from ashiato.stores.unit_of_work import SqlUnitOfWork

STORE_ITSELF = ""
"""Stands for a participant in jobs that serve all of them, such as claiming due deliveries."""


class Job:
    """A unit of work and how it ended: `error`, or else `result` with what `uow` has to tell."""

    __slots__ = ("_make", "error", "future", "participant_id", "result", "uow", "work")

    def __init__(
        self,
        participant_id: str,
        work: Callable[[SqlUnitOfWork], Any],
        future: "Future[Any]",
        make: Callable[[Session, str], SqlUnitOfWork] = SqlUnitOfWork,
    ) -> None:
        self._make = make
        self.participant_id = participant_id
        self.work = work
        self.future = future
        self.uow: SqlUnitOfWork | None = None
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, session: Session) -> None:
        """Run the work, not for the first time perhaps; whatever it raises is raised."""
        self.error = None
        self.uow = self._make(session, self.participant_id)
        self.result = self.work(self.uow)

    def fail(self, error: BaseException) -> None:
        """End without any effect."""
        self.uow = None
        self.result = None
        self.error = error

    def settle(self) -> None:
        """Tell whoever waits; on the event loop."""
        if self.future.cancelled():
            return
        if self.error is None:
            self.future.set_result(self.result)
        elif isinstance(self.error, StopIteration):
            # A future refuses to carry it: it would end the generator that awaits.
            self.future.set_exception(RuntimeError(f"the unit of work raised {self.error!r}"))
        else:
            self.future.set_exception(self.error)


def write_histories(session: Session, jobs: Sequence[Job]) -> None:
    """Write the history of every job that succeeded, the last thing before the commit."""
    of_participant = attrgetter("participant_id")
    kept = [job.uow for job in jobs if job.uow is not None and job.uow.records.pending]
    for participant_id, units in groupby(sorted(kept, key=of_participant), key=of_participant):
        write_history(session, participant_id, [entry for unit in units for entry in unit.records.pending])


class JobQueue:
    """Jobs by participant. With `exclusive`, one participant's jobs run on one thread at a time, in their order."""

    def __init__(self, *, exclusive: bool) -> None:
        self._exclusive = exclusive
        self._changed = Condition()
        self._waiting: dict[str, deque[Job]] = {}
        self._ready: dict[str, None] = {}
        self._busy: set[str] = set()
        self._closed = False

    def put(self, job: Job) -> bool:
        """False when the queue is closed."""
        with self._changed:
            if self._closed:
                return False
            self._waiting.setdefault(job.participant_id, deque()).append(job)
            if job.participant_id not in self._busy:
                self._ready[job.participant_id] = None
                self._changed.notify()
            return True

    def take(self, most_count: int) -> list[Job]:
        """Wait for jobs; one of each participant in turn, until there are `most_count`. Empty when closed and drained."""
        with self._changed:
            while not self._ready:
                if self._closed and not self._waiting:
                    return []
                self._changed.wait()
            jobs: list[Job] = []
            turn = deque(self._ready)
            while turn and len(jobs) < most_count:
                participant_id = turn.popleft()
                waiting = self._waiting[participant_id]
                jobs.append(waiting.popleft())
                self._ready.pop(participant_id, None)
                if waiting:
                    turn.append(participant_id)
                else:
                    del self._waiting[participant_id]
            self._after_turn(dict.fromkeys(job.participant_id for job in jobs))
            return jobs

    def _after_turn(self, participant_ids: dict[str, None]) -> None:
        if self._exclusive:
            self._busy.update(participant_ids)
        else:
            self._ready |= {name: None for name in participant_ids if name in self._waiting}

    def done(self, jobs: Sequence[Job]) -> None:
        """Their participants may have a turn again."""
        if not self._exclusive:
            return
        with self._changed:
            for participant_id in dict.fromkeys(job.participant_id for job in jobs):
                self._busy.discard(participant_id)
                if participant_id in self._waiting:
                    self._ready[participant_id] = None
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more jobs; those that wait are still run."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
