"""The courier: drains the outbox, from the commit on, in the order of each process, with retries and reconciliation."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from enum import StrEnum

import msgspec
import structlog

from ashiato.connector.node import Node
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.receipt_dates import SCHEDULED
from ashiato.connector.records import Event
from ashiato.outbox.deliveries import LEASE_MS, Delivery, DeliveryKind, next_try_ms

MOST_CLAIMED_COUNT = 200
MOST_AT_ONCE_COUNT = 16
# Nothing wakes this node when another one dies with deliveries on lease: it looks as often as a lease ends.
IDLE_CHECK_S = LEASE_MS / 1000
GIVEN_UP = "delivery.given_up"

log = structlog.get_logger()


class Verdict(StrEnum):
    """How a try ended."""

    DONE = "done"
    AGAIN = "again"
    NEVER = "never"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one try. `record` is run in the transaction that forgets the delivery for good.

    That is so for DONE, and for NEVER or after the last AGAIN, unless the delivery was withdrawn in the meantime: the
    counterparty has then gone on without it, and its failure means nothing any more.
    """

    verdict: Verdict
    why: str = ""
    record: Callable[[UnitOfWork], None] | None = None
    patience_ms: int = 0
    """For how long the other side asked to be left alone, with AGAIN."""


Handler = Callable[[Delivery], Awaitable[Outcome]]
Lane = tuple[str, str]
TurnOf = Callable[[str], AbstractAsyncContextManager[None]]
"""A participant's turn to compute; who waits for another server gives it up meanwhile."""


class Courier:
    """Makes deliveries at once after the commit that caused them; a timer, not a polling loop, brings the rest."""

    def __init__(self, node: Node, handlers: Mapping[DeliveryKind, Handler], turn_of: TurnOf) -> None:
        self._node = node
        self._turn_of = turn_of
        self._handlers = handlers
        self._busy: set[str] = set()
        # Short deliveries under way and queued, by lane: a thousand of one participant do not stand before the first of
        # another, and a counterparty that does not answer holds up no other.
        self._under_way: dict[Lane, int] = {}
        self._queued: dict[Lane, deque[Delivery]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._timer: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Take deliveries from now on, those first that an earlier run left behind."""
        self._node.store.on_delivery(self._take)
        self._node.store.subscribe(self._hear)
        self._timer = asyncio.create_task(self._run_timer())

    def _hear(self, event: Event) -> None:
        # Something was put off to a later time, which may be before the timer looks again.
        if event.name == SCHEDULED:
            self._wake.set()

    async def close(self) -> None:
        """Stop; what is under way is abandoned, as in a crash, and made again by the next start."""
        self._closing = True
        running = [*self._tasks, *([self._timer] if self._timer else [])]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _take(self, delivery: Delivery) -> None:
        if delivery.delivery_id in self._busy or self._closing:
            return
        self._busy.add(delivery.delivery_id)
        lane = _lane(delivery)
        if not _is_long(delivery) and self._under_way.get(lane, 0) >= MOST_AT_ONCE_COUNT:
            self._queued.setdefault(lane, deque()).append(delivery)
            return
        self._start_delivery(delivery)

    def _start_delivery(self, delivery: Delivery) -> None:
        if not _is_long(delivery):
            lane = _lane(delivery)
            self._under_way[lane] = self._under_way.get(lane, 0) + 1
        # In a context of its own: it has no part in the turn of the request whose commit caused it.
        task = asyncio.create_task(self._deliver(delivery), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ended(self, delivery: Delivery) -> None:
        self._busy.discard(delivery.delivery_id)
        if _is_long(delivery):
            return
        lane = _lane(delivery)
        self._under_way[lane] -= 1
        queued = self._queued.get(lane)
        while queued and self._under_way[lane] < MOST_AT_ONCE_COUNT:
            self._start_delivery(queued.popleft())
        if not queued:
            self._queued.pop(lane, None)
            if self._under_way[lane] == 0:
                del self._under_way[lane]

    async def _deliver(self, delivery: Delivery) -> None:
        next_delivery: Delivery | None = None
        heartbeat = asyncio.create_task(self._keep_lease(delivery)) if _is_long(delivery) else None
        try:
            if _is_long(delivery):
                next_delivery = await self.make(delivery)
            else:
                async with self._turn_of(delivery.participant_id):
                    next_delivery = await self.make(delivery)
        except Exception:
            # The border of this delivery: a store that is away must not end the courier. The lease ends, and the timer brings
            # the delivery again.
            log.exception(
                "delivery failed", delivery=delivery.delivery_id, participant=delivery.participant_id
            )
            self._wake.set()
        finally:
            if heartbeat is not None:
                heartbeat.cancel()
            self._ended(delivery)
        if next_delivery is not None:
            self._take(next_delivery)

    async def make(self, delivery: Delivery) -> Delivery | None:
        """One try of a delivery and what follows from it; returns the next of its process when it can be made now."""
        told = {"delivery": delivery.delivery_id, "participant": delivery.participant_id}
        try:
            outcome = await self._try(delivery)
        except Exception as error:
            log.exception("the try failed", **told)
            outcome = self._defect(delivery, f"The try failed: {type(error).__name__}")
        try:
            return await self._settle(delivery, outcome)
        except Exception as error:
            if outcome.record is None:
                raise
            log.exception("the end of the delivery is not recorded", **told)
            # When the store is away, this fails as well. Else the end cannot be recorded, and so it counts as not reached.
            why = f"Its end cannot be recorded: {type(error).__name__}"
            return await self._settle(delivery, self._defect(delivery, why))

    def _defect(self, delivery: Delivery, why: str) -> Outcome:
        """A try that ended in an error which nobody foresaw: it counts, so that the next comes later, and one is the last."""
        now_ms = self._node.moment().now_ms
        details: dict[str, object] = {"message": delivery.message_name, "reason": why}
        return Outcome(
            verdict=Verdict.AGAIN,
            why=why,
            record=lambda uow: uow.records.add_history(
                now_ms, GIVEN_UP, delivery.process_id, delivery.audience, details
            ),
        )

    async def _try(self, delivery: Delivery) -> Outcome:
        handler = self._handlers.get(delivery.kind)
        if handler is None:
            return Outcome(
                verdict=Verdict.AGAIN, why=f"this node makes no deliveries of kind {delivery.kind}"
            )
        return await handler(delivery)

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> Delivery | None:
        now_ms = self._node.moment().now_ms
        again_ms = None
        if outcome.verdict is Verdict.AGAIN:
            again_ms = next_try_ms(delivery, now_ms, outcome.patience_ms)
        if outcome.verdict is not Verdict.DONE:
            log.info(
                "delivery not made",
                participant=delivery.participant_id,
                process=delivery.process_id,
                message=delivery.message_name,
                address=delivery.address,
                why=outcome.why,
                again_in_ms=None if again_ms is None else again_ms - now_ms,
            )

        def settle(uow: UnitOfWork) -> Delivery | None:
            if again_ms is not None:
                uow.outbox.reschedule(delivery.delivery_id, delivery.attempts_count + 1, again_ms)
                return None
            counts = outcome.verdict is Verdict.DONE or uow.outbox.get(delivery.delivery_id) is not None
            if outcome.record is not None and counts:
                outcome.record(uow)
            return uow.outbox.remove(delivery.delivery_id)

        following = await self._node.store.run(delivery.participant_id, settle)
        if again_ms is not None:
            self._wake.set()
        return following

    async def _keep_lease(self, delivery: Delivery) -> None:
        while True:
            await asyncio.sleep(LEASE_MS / 3000)
            until_ms = self._node.moment().now_ms + LEASE_MS

            def keep(uow: UnitOfWork, until_ms: int = until_ms) -> None:
                uow.outbox.renew_lease(delivery.delivery_id, until_ms)

            try:
                await self._node.store.run(delivery.participant_id, keep)
            except Exception:
                # The store is away: a few of these may be missed before the lease ends.
                log.exception(
                    "lease not kept", delivery=delivery.delivery_id, participant=delivery.participant_id
                )

    async def _run_timer(self) -> None:
        while True:
            self._wake.clear()
            try:
                wait_s = await self._claim()
            except Exception:
                # The store is away: nothing can be delivered anyway; look again soon.
                log.exception("the outbox cannot be read")
                wait_s = 1.0
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _claim(self) -> float:
        now_ms = self._node.moment().now_ms
        due = await self._node.store.claim_due(now_ms, now_ms + LEASE_MS, MOST_CLAIMED_COUNT)
        for delivery in due:
            self._take(delivery)
        next_ms = await self._node.store.next_due_ms()
        if next_ms is None:
            return IDLE_CHECK_S
        return min(max(next_ms - now_ms, 20) / 1000, IDLE_CHECK_S)


def _lane(delivery: Delivery) -> Lane:
    return delivery.participant_id, delivery.audience or delivery.address


def _is_long(delivery: Delivery) -> bool:
    return delivery.kind in (DeliveryKind.PULL, DeliveryKind.PUSH)
