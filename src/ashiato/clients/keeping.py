"""What is fetched from others and kept: fresh for a while, then bridged while its server cannot be reached."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
V = TypeVar("V")


class Unavailable(Exception):
    """There is no believable document at `key`.

    `is_temporary` says that the wire or the server failed, and that a later try may succeed.
    """

    def __init__(self, key: str, why: str, *, is_temporary: bool) -> None:
        super().__init__(f"{key[:512]!r} cannot be had: {why}")
        self.key = key
        self.why = why
        self.is_temporary = is_temporary


@dataclass(frozen=True, slots=True)
class KeepingRules:
    """How long a document is believed. Seconds, but for the counts.

    Fresh for `fresh_s`; while its server is unreachable, used up to `stale_s` old; a failure is remembered
    for `failure_s`; a document that is not enough forces a new fetch at most every `refetch_s`.
    """

    fresh_s: int = 300
    stale_s: int = 86_400
    failure_s: int = 5
    refetch_s: int = 30
    max_entries: int = 10_000
    max_bytes: int = 64 * 1024 * 1024
    max_fetches: int = 64


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """A document and when it was fetched."""

    value: T
    fetched_ms: int


@dataclass(frozen=True, slots=True)
class _Failure:
    error: Unavailable
    failed_ms: int


def _not_counted(value: object) -> int:
    return 0


class Keeper(Generic[T]):
    """Documents by key, each fetched once at a time however many ask for it.

    `download` raises `Unavailable`. `on_stale(key, age_s, why)` hears each time that an old document is used in need.
    """

    def __init__(
        self,
        download: Callable[[str], Awaitable[T]],
        rules: KeepingRules,
        *,
        on_stale: Callable[[str, int, str], None],
        bytes_of: Callable[[T], int] = _not_counted,
    ) -> None:
        self._download = download
        self._rules = rules
        self._on_stale = on_stale
        self._bytes_of = bytes_of
        self._kept: OrderedDict[str, Kept[T]] = OrderedDict()
        self._kept_bytes = 0
        # Kept apart, so that a flood of keys with nothing behind them pushes no good document out.
        self._failures: OrderedDict[str, _Failure] = OrderedDict()
        self._tried_ms: OrderedDict[str, int] = OrderedDict()
        self._fetches: dict[str, asyncio.Task[Kept[T]]] = {}

    async def get(
        self, key: str, now_ms: int, is_enough: Callable[[T], bool] = lambda value: True
    ) -> Kept[T]:
        """The document, at most `fresh_s` old, or `stale_s` while its server cannot be reached.

        A kept one that is not enough is fetched anew once; the answer may still not be. Raises `Unavailable`.
        """
        kept = self._kept.get(key)
        if kept is not None and is_within(kept.fetched_ms, now_ms, self._rules.fresh_s):
            self._kept.move_to_end(key)
            if is_enough(kept.value):
                return kept
            tried_ms = self._tried_ms.get(key, kept.fetched_ms)
            if is_within(tried_ms, now_ms, self._rules.refetch_s):
                return kept
        failure = self._failures.get(key)
        if failure is not None and is_within(failure.failed_ms, now_ms, self._rules.failure_s):
            return self._without_server(key, failure.error, now_ms)
        try:
            return await asyncio.shield(self._fetch(key, now_ms))
        except Unavailable as error:
            return self._without_server(key, error, now_ms)

    def forget(self) -> None:
        """Believe nothing that was kept."""
        self._kept.clear()
        self._failures.clear()
        self._tried_ms.clear()
        self._kept_bytes = 0

    def _without_server(self, key: str, error: Unavailable, now_ms: int) -> Kept[T]:
        kept = self._kept.get(key)
        if kept is None or not is_within(kept.fetched_ms, now_ms, self._rules.stale_s):
            raise error
        age_s = (now_ms - kept.fetched_ms) // 1000
        if age_s >= self._rules.fresh_s:
            self._on_stale(key, age_s, error.why)
        return kept

    def _fetch(self, key: str, now_ms: int) -> asyncio.Task[Kept[T]]:
        """The one fetch under way for `key`."""
        task = self._fetches.get(key)
        if task is None:
            if len(self._fetches) >= self._rules.max_fetches:
                raise Unavailable(key, "too many documents are being fetched; try again", is_temporary=True)
            task = asyncio.create_task(self._fetch_and_keep(key, now_ms), name=f"fetch {key}")
            self._fetches[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return task

    def _finished(self, key: str, task: asyncio.Task[Kept[T]]) -> None:
        del self._fetches[key]
        if not task.cancelled():
            # Looked at once, so that a failure whose waiters all left is not reported as forgotten.
            task.exception()

    async def _fetch_and_keep(self, key: str, now_ms: int) -> Kept[T]:
        _put(self._tried_ms, key, now_ms, self._rules.max_entries)
        try:
            value = await self._download(key)
        except Unavailable as error:
            _put(self._failures, key, _Failure(error, now_ms), self._rules.max_entries)
            if not error.is_temporary:
                # Its owner took it away or broke it: what was kept must not be believed any longer.
                self._drop(key)
            raise
        self._failures.pop(key, None)
        kept = Kept(value, now_ms)
        self._keep(key, kept)
        return kept

    def _keep(self, key: str, kept: Kept[T]) -> None:
        self._drop(key)
        self._kept[key] = kept
        self._kept_bytes += self._bytes_of(kept.value)
        while len(self._kept) > self._rules.max_entries or self._kept_bytes > self._rules.max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._kept_bytes -= self._bytes_of(kept.value)


def _put(known: OrderedDict[str, V], key: str, value: V, most_count: int) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > most_count:
        known.popitem(last=False)


def is_within(since_ms: int, now_ms: int, limit_s: int) -> bool:
    """Whether less than `limit_s` passed; a clock that was set back makes everything old, never eternal."""
    return 0 <= now_ms - since_ms < limit_s * 1000
