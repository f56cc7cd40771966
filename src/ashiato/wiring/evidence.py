"""What the verifier of credentials needs, put together from fetchers, caches and the store."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

from ashiato.api.turns import waiting_outside
from ashiato.clients.credential_services import CredentialServices
from ashiato.clients.keeping import Unavailable
from ashiato.clients.linked_documents import LinkedDocuments
from ashiato.clients.schemas import BadSchema, Schemas
from ashiato.connector.ports import Store
from ashiato.identity.evidence import CannotFetch, Fetched
from ashiato.identity.presentations import StoredPresentation
from ashiato.identity.signed_tokens import CannotResolve, Documents
from ashiato.trust.did import DidDocument

T = TypeVar("T")


class FetchedEvidence:
    """The port `identity.evidence.Evidence`: what several credentials need is fetched at the same time."""

    def __init__(self, documents: Documents, linked: LinkedDocuments, services: CredentialServices) -> None:
        self._documents = documents
        self._linked = linked
        self._services = services

    async def documents(
        self, dids: Collection[str], now_ms: int
    ) -> Mapping[str, DidDocument | CannotResolve]:
        async def one(did: str) -> DidDocument | CannotResolve:
            try:
                return await self._documents.resolve(did, now_ms)
            except CannotResolve as error:
                return error

        return await _each(dids, one)

    async def linked(self, urls: Collection[str], now_ms: int) -> Mapping[str, Fetched | CannotFetch]:
        async def one(url: str) -> Fetched | CannotFetch:
            try:
                kept = await self._linked.get(url, now_ms)
            except Unavailable as error:
                return CannotFetch(error.why, is_temporary=error.is_temporary)
            return Fetched(kept.value, kept.fetched_ms)

        async with waiting_outside():
            return await _each(urls, one)

    async def query(self, endpoint: str, authorization: str, message: bytes) -> bytes:
        try:
            async with waiting_outside():
                return await self._services.query(endpoint, authorization, message)
        except Unavailable as error:
            raise CannotFetch(error.why, is_temporary=error.is_temporary) from error


class StoredPresentations:
    """The port `identity.evidence.Presentations`, on the store of this program."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, participant_id: str, peer_id: str) -> StoredPresentation | None:
        return await self._store.read(participant_id, lambda uow: uow.standings.get(peer_id))

    async def put(self, participant_id: str, presentation: StoredPresentation) -> None:
        await self._store.run(participant_id, lambda uow: uow.standings.put(presentation))

    async def delete(self, participant_id: str, peer_id: str) -> None:
        # Most strangers left nothing: then nothing is written.
        if await self.get(participant_id, peer_id) is not None:
            await self._store.run(participant_id, lambda uow: uow.standings.delete(peer_id))


class SchemaCheck:
    """The port `identity.judging.SchemaCheck`."""

    def __init__(self) -> None:
        self._schemas = Schemas()

    def violation(self, schema: bytes, value: object) -> str | None:
        """See the port."""
        try:
            return self._schemas.violation(schema, value)
        except BadSchema as error:
            return error.why


async def _each(keys: Collection[str], one: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    distinct = list(dict.fromkeys(keys))
    if len(distinct) == 1:
        return {distinct[0]: await one(distinct[0])}
    return dict(zip(distinct, await asyncio.gather(*map(one, distinct)), strict=True))
