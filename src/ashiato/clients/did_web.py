"""DID documents of other participants, fetched by did:web and kept for as long as they may be believed."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from ashiato.clients.egress import Egress, EgressRefused, Unreachable
from ashiato.trust.did import (
    MAX_DOCUMENT_BYTES,
    DidDocument,
    InvalidDid,
    InvalidDidDocument,
    did_web_url,
    parse_did_document,
)

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class DidUnresolved(Exception):
    """No believable document stands under `did`: its owner must publish one.

    `is_temporary` says that the wire or the server failed, and that a later try may succeed.
    """

    def __init__(self, did: str, why: str, *, is_temporary: bool) -> None:
        super().__init__(f"{did[:512]!r} cannot be resolved: {why}")
        self.did = did
        self.why = why
        self.is_temporary = is_temporary


@dataclass(frozen=True, slots=True)
class DidCacheRules:
    """How long a document is believed. Seconds, but for the counts.

    Fresh for `fresh_s`; while its server is unreachable, used up to `stale_s` old; a failure is remembered
    for `failure_s`; an unknown key forces a new fetch at most every `refetch_s`.
    """

    fresh_s: int = 300
    stale_s: int = 86_400
    failure_s: int = 5
    refetch_s: int = 30
    timeout_s: float = 5.0
    max_entries: int = 10_000
    max_fetches: int = 64


@dataclass(frozen=True, slots=True)
class _Entry:
    document: DidDocument
    fetched_ms: int


@dataclass(frozen=True, slots=True)
class _Failure:
    error: DidUnresolved
    failed_ms: int


class DidResolver:
    """Resolves did:web through the egress; own DIDs are answered by `local`, from memory."""

    def __init__(
        self,
        egress: Egress,
        *,
        local: Callable[[str], DidDocument | None] = lambda did: None,
        rules: DidCacheRules | None = None,
    ) -> None:
        self._egress = egress
        self._local = local
        self._rules = rules or DidCacheRules()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        # Kept apart, so that a flood of unresolvable DIDs pushes no good document out.
        self._failures: OrderedDict[str, _Failure] = OrderedDict()
        self._tried_ms: OrderedDict[str, int] = OrderedDict()
        self._fetches: dict[str, asyncio.Task[DidDocument]] = {}

    async def resolve(self, did: str, now_ms: int, *, needs_kid: str | None = None) -> DidDocument:
        """The document of `did`, at most `fresh_s` old, or `stale_s` while its server cannot be reached.

        A `needs_kid` that a kept document lacks forces one new fetch (a rotated key); the answer may lack it
        still. Raises `DidUnresolved`.
        """
        own = self._local(did)
        if own is not None:
            return own
        entry = self._entries.get(did)
        if entry is not None and _is_within(entry.fetched_ms, now_ms, self._rules.fresh_s):
            self._entries.move_to_end(did)
            if needs_kid is None or needs_kid in entry.document.methods:
                return entry.document
            tried_ms = self._tried_ms.get(did, entry.fetched_ms)
            if _is_within(tried_ms, now_ms, self._rules.refetch_s):
                return entry.document
        failure = self._failures.get(did)
        if failure is not None and _is_within(failure.failed_ms, now_ms, self._rules.failure_s):
            return self._without_server(did, failure.error, now_ms)
        try:
            return await asyncio.shield(self._fetch(did, now_ms))
        except DidUnresolved as error:
            return self._without_server(did, error, now_ms)

    def _without_server(self, did: str, error: DidUnresolved, now_ms: int) -> DidDocument:
        entry = self._entries.get(did)
        if entry is None or not _is_within(entry.fetched_ms, now_ms, self._rules.stale_s):
            raise error
        age_s = (now_ms - entry.fetched_ms) // 1000
        if age_s >= self._rules.fresh_s:
            _log.warning("did_document_stale", did=did, age_s=age_s, why=error.why)
        return entry.document

    def _fetch(self, did: str, now_ms: int) -> asyncio.Task[DidDocument]:
        """The one fetch under way for `did`."""
        task = self._fetches.get(did)
        if task is None:
            if len(self._fetches) >= self._rules.max_fetches:
                raise DidUnresolved(
                    did, "too many DID documents are being fetched; try again", is_temporary=True
                )
            task = asyncio.create_task(self._fetch_and_keep(did, now_ms), name=f"resolve {did}")
            self._fetches[did] = task
            task.add_done_callback(lambda done: self._finished(did, done))
        return task

    def _finished(self, did: str, task: asyncio.Task[DidDocument]) -> None:
        del self._fetches[did]
        if not task.cancelled():
            # Looked at once, so that a failure whose waiters all left is not reported as forgotten.
            task.exception()

    async def _fetch_and_keep(self, did: str, now_ms: int) -> DidDocument:
        self._put(self._tried_ms, did, now_ms)
        try:
            document = await self._download(did)
        except DidUnresolved as error:
            self._put(self._failures, did, _Failure(error, now_ms))
            if not error.is_temporary:
                # Its owner took it away or broke it: what was kept must not be believed any longer.
                self._entries.pop(did, None)
            raise
        self._failures.pop(did, None)
        self._put(self._entries, did, _Entry(document, now_ms))
        return document

    def _put(self, kept: OrderedDict[str, T], did: str, value: T) -> None:
        kept[did] = value
        kept.move_to_end(did)
        while len(kept) > self._rules.max_entries:
            kept.popitem(last=False)

    async def _download(self, did: str) -> DidDocument:
        is_unsafe = self._egress.rules.unsafe_allow_loopback
        try:
            url = did_web_url(did, scheme="http" if is_unsafe else "https", allow_loopback=is_unsafe)
            response = await self._egress.request(
                "GET",
                url,
                headers={"Accept": "application/did+json, application/json"},
                timeout_s=self._rules.timeout_s,
                max_response_bytes=MAX_DOCUMENT_BYTES,
            )
            if response.status != 200:
                is_temporary = response.status >= 500 or response.status in (408, 425, 429)
                raise DidUnresolved(did, f"the server answers {response.status}", is_temporary=is_temporary)
            return parse_did_document(response.body, did)
        except (InvalidDid, InvalidDidDocument) as error:
            raise DidUnresolved(did, error.problem, is_temporary=False) from error
        except EgressRefused as error:
            raise DidUnresolved(did, error.why, is_temporary=False) from error
        except Unreachable as error:
            raise DidUnresolved(did, error.why, is_temporary=True) from error


def _is_within(since_ms: int, now_ms: int, limit_s: int) -> bool:
    """Whether less than `limit_s` passed; a clock that was set back makes everything old, never eternal."""
    return 0 <= now_ms - since_ms < limit_s * 1000
