"""The ports of a verifier: what it must fetch or remember to judge what a counterparty presents."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol, TypeVar

import msgspec

from ashiato.identity.presentations import StoredPresentation
from ashiato.identity.signed_tokens import CannotResolve
from ashiato.trust.did import DidDocument

T = TypeVar("T")


class CannotFetch(Exception):
    """What a credential points to cannot be had; `is_temporary` says whether a later try may succeed."""

    def __init__(self, why: str, *, is_temporary: bool) -> None:
        super().__init__(why)
        self.why = why
        self.is_temporary = is_temporary


class Fetched(msgspec.Struct, frozen=True):
    """A document's bytes, and when they left their server."""

    body: bytes
    fetched_ms: int


class Evidence(Protocol):
    """Port: documents of others, from caches with explicit freshness or from their servers, several at once."""

    async def documents(
        self, dids: Collection[str], now_ms: int
    ) -> Mapping[str, DidDocument | CannotResolve]: ...
    async def linked(self, urls: Collection[str], now_ms: int) -> Mapping[str, Fetched | CannotFetch]:
        """Status lists and schemas."""

    async def query(self, endpoint: str, authorization: str, message: bytes) -> bytes:
        """The answer of a credential service to a PresentationQueryMessage; raises `CannotFetch`."""


class Presentations(Protocol):
    """Port: what was presented, for every participant of this process, kept across restarts."""

    async def get(self, participant_id: str, peer_id: str) -> StoredPresentation | None: ...
    async def put(self, participant_id: str, presentation: StoredPresentation) -> None: ...
    async def delete(self, participant_id: str, peer_id: str) -> None: ...


class Flights(Protocol):
    """Port: work that many wait for is done once."""

    async def once(self, key: tuple[str, ...], work: Callable[[], Awaitable[T]]) -> T:
        """The result of the work under way for `key`, or of this one; a waiter who leaves does not end it."""
