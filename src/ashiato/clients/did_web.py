"""DID documents of other participants, fetched by did:web and kept for as long as they may be believed."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ashiato.clients.egress import Egress, EgressRefused, Unreachable
from ashiato.clients.keeping import Keeper, KeepingRules, Unavailable
from ashiato.trust.did import (
    MAX_DOCUMENT_BYTES,
    DidDocument,
    InvalidDid,
    InvalidDidDocument,
    did_web_url,
    parse_did_document,
)

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
        self._keeper = Keeper(
            self._download,
            KeepingRules(
                fresh_s=self._rules.fresh_s,
                stale_s=self._rules.stale_s,
                failure_s=self._rules.failure_s,
                refetch_s=self._rules.refetch_s,
                max_entries=self._rules.max_entries,
                max_fetches=self._rules.max_fetches,
            ),
            on_stale=_tell_stale,
        )

    async def resolve(self, did: str, now_ms: int, *, needs_kid: str | None = None) -> DidDocument:
        """The document of `did`, at most `fresh_s` old, or `stale_s` while its server cannot be reached.

        A `needs_kid` that a kept document lacks forces one new fetch (a rotated key); the answer may lack it
        still. Raises `DidUnresolved`.
        """
        own = self._local(did)
        if own is not None:
            return own
        try:
            kept = await self._keeper.get(
                did, now_ms, lambda document: needs_kid is None or needs_kid in document.methods
            )
        except Unavailable as error:
            raise DidUnresolved(did, error.why, is_temporary=error.is_temporary) from error
        return kept.value

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
                raise Unavailable(did, f"the server answers {response.status}", is_temporary=is_temporary)
            return parse_did_document(response.body, did)
        except (InvalidDid, InvalidDidDocument) as error:
            raise Unavailable(did, error.problem, is_temporary=False) from error
        except EgressRefused as error:
            raise Unavailable(did, error.why, is_temporary=False) from error
        except Unreachable as error:
            raise Unavailable(did, error.why, is_temporary=True) from error


def _tell_stale(did: str, age_s: int, why: str) -> None:
    _log.warning("did_document_stale", did=did, age_s=age_s, why=why)
