"""A JSON record in the connector's own store."""

import hashlib
from collections.abc import AsyncGenerator

from ashiato.connector.ports import Store
from ashiato.connector.sources import (
    Aside,
    Forwarded,
    ForwardedAnswer,
    ForwardRefused,
    SourceDescription,
    SourceUnavailable,
)


class RecordSource:
    """The record of one asset, as it was when it was described."""

    def __init__(self, store: Store, participant_id: str, asset_id: str, media_type: str) -> None:
        self._store = store
        self._participant_id = participant_id
        self._asset_id = asset_id
        self._media_type = media_type
        self._body = b""

    async def describe(self) -> SourceDescription:
        """Size, hash and an entity tag made of the hash; raises `SourceUnavailable` when no record was put."""
        body = await self._store.read(self._participant_id, lambda uow: uow.assets.record(self._asset_id))
        if body is None:
            raise SourceUnavailable(f"no record is stored for the asset {self._asset_id}")
        self._body = body
        sha256 = hashlib.sha256(body).hexdigest()
        return SourceDescription(
            media_type=self._media_type,
            size_bytes=len(body),
            etag=f'"{sha256[:32]}"',
            ranges=True,
            sha256=sha256,
        )

    async def open(
        self, start_bytes: int, end_bytes: int | None, aside: Aside | None = None
    ) -> AsyncGenerator[bytes]:
        """The record is at hand since `describe`, and small: one chunk."""
        yield self._body[start_bytes:end_bytes]

    async def digest(self) -> str | None:
        """Known since `describe`."""
        return hashlib.sha256(self._body).hexdigest()

    def learn(self, sha256: str) -> None:
        """The hash is known from the start."""

    def vet(self, request: Forwarded) -> None:
        """A record takes nothing."""
        raise ForwardRefused("This dataset is a record; it takes only GET without path and query.")

    async def forward(self, request: Forwarded) -> ForwardedAnswer:
        """Never reached: `vet` refuses everything."""
        raise SourceUnavailable("a record takes no requests")

    async def close(self) -> None:
        """Nothing is held open."""
