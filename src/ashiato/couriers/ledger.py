"""Gathers what is posted to the ledger, and makes its rounds one after the other."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import structlog

from ashiato.hub.ledger import Ledger, LedgerBehind, LedgerBusy, LedgerStopped, Placed
from ashiato.statements.ledger_entries import VerifiedBatch
from ashiato.stores.errors import StoreUnavailable
from ashiato.trust.signing import SigningFailed

PERIOD_S = 0.1
"""At least so long from the start of one round to that of the next: what comes meanwhile shares one checkpoint."""
MOST_WAITING_COUNT = 20_000
MOST_OF_ROUND_COUNT = 5_000
PATIENCE_S = 20.0
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0

_TRANSIENT = (LedgerBehind, StoreUnavailable, SigningFailed)

log = structlog.get_logger()


class Standing(StrEnum):
    """What the ledger does now."""

    OPENING = "opening"
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(slots=True)
class _Waiting:
    batch: VerifiedBatch
    placed: "asyncio.Future[Placed]"


class Sequencer:
    """The one that makes the rounds of a ledger; `start` it, `close` it."""

    def __init__(self, ledger: Ledger, clock_ms: Callable[[], int], period_s: float = PERIOD_S) -> None:
        self.ledger = ledger
        self.standing = Standing.OPENING
        self.why = ""
        self._clock_ms = clock_ms
        self._period_s = period_s
        self._waiting: list[_Waiting] = []
        self._waiting_count = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Open the ledger and make rounds, until `close`."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End the round that is being made, and refuse what waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._refuse(self._waiting, "The ledger is closing; post the same entries again.")
        self._waiting = []

    async def submit(self, batch: VerifiedBatch) -> Placed:
        """Where the batch stands, once that is published; raises `LedgerBusy`."""
        if self.standing is not Standing.RUNNING:
            raise LedgerBusy(self.why or "The ledger is starting; post the same entries again.")
        if self._waiting_count + len(batch.commitments) > MOST_WAITING_COUNT:
            raise LedgerBusy("Too many entries wait; post the same entries again.")
        waiting = _Waiting(batch, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._waiting_count += len(batch.commitments)
        self._wake.set()
        try:
            return await asyncio.wait_for(waiting.placed, PATIENCE_S)
        except TimeoutError:
            raise LedgerBusy("The checkpoint is not published yet; post the same entries again.") from None

    async def _run(self) -> None:
        try:
            await self._insist(self.ledger.open)
            self.standing = Standing.RUNNING
            while True:
                await self._wake.wait()
                started_s = asyncio.get_running_loop().time()
                await self._round()
                spent_s = asyncio.get_running_loop().time() - started_s
                await asyncio.sleep(max(0.0, self._period_s - spent_s))
        except LedgerStopped as error:
            self._stop(error.problem)
        except asyncio.CancelledError:
            raise
        except BaseException:
            # What is not foreseen must not leave posters without an answer, nor sign on.
            self._stop("The ledger failed; its log says why.")
            raise

    async def _round(self) -> None:
        taken = self._take()
        try:
            placed = await self.ledger.sequence([waiting.batch for waiting in taken], self._clock_ms())
        except _TRANSIENT as error:
            # The posters try again, and find their entries where they stand.
            self._refuse(taken, str(error))
            log.warning("the ledger is behind", why=str(error))
            await self._insist(self.ledger.finish)
        except BaseException:
            self._refuse(taken, "The ledger failed; post the same entries again.")
            raise
        else:
            for waiting, where in zip(taken, placed, strict=True):
                if not waiting.placed.done():
                    waiting.placed.set_result(where)

    async def _insist(self, act: Callable[[], Awaitable[object]]) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            try:
                await act()
                self.why = ""
                return
            except _TRANSIENT as error:
                self.why = str(error)
                log.warning("the ledger waits", why=self.why)
            await asyncio.sleep(retry_s)
            retry_s = min(LONGEST_RETRY_S, retry_s * 2)

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        entries_count = 0
        while self._waiting and entries_count < MOST_OF_ROUND_COUNT:
            waiting = self._waiting.pop(0)
            entries_count += len(waiting.batch.commitments)
            taken.append(waiting)
        self._waiting_count -= entries_count
        if not self._waiting:
            self._wake.clear()
        return taken

    def _stop(self, problem: str) -> None:
        self.standing, self.why = Standing.STOPPED, problem
        log.error("the ledger signs nothing", problem=problem)
        self._refuse(self._waiting, problem)
        self._waiting = []

    def _refuse(self, waiting: list[_Waiting], why: str) -> None:
        for one in waiting:
            if not one.placed.done():
                one.placed.set_exception(LedgerBusy(why))
