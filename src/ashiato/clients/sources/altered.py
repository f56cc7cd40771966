"""A source whose JSON is altered on its way out: read whole, changed, and described as what it has become."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from contextlib import aclosing

from ashiato.connector.alterations import MOST_ALTERED_BYTES, CannotAlter, alter, is_alterable
from ashiato.connector.sources import (
    Aside,
    Chunks,
    Forwarded,
    ForwardedAnswer,
    ForwardRefused,
    NotAlterable,
    Source,
    SourceDescription,
    SourceUnavailable,
)
from ashiato.policy.transformations import Transformation

CHUNK_BYTES = 64 * 1024


class AlteredSource:
    """The port `Source` over another one. Its entity tag is the hash of the altered bytes, so ranges fit into them."""

    def __init__(self, inner: Source, changes: tuple[Transformation, ...], threads: Executor) -> None:
        self._inner = inner
        self._changes = changes
        self._threads = threads
        self._body: bytes | None = None

    async def describe(self) -> SourceDescription:
        """See `Source`; raises `NotAlterable` for data in which the changes cannot be made."""
        described = await self._inner.describe()
        if not is_alterable(described.media_type):
            raise NotAlterable(f"its media type is {described.media_type}")
        if described.size_bytes is not None and described.size_bytes > MOST_ALTERED_BYTES:
            raise NotAlterable(f"it is larger than {MOST_ALTERED_BYTES} bytes")
        body = await self._altered(self._inner.open(0, None))
        self._body = body
        digest = hashlib.sha256(body).hexdigest()
        return SourceDescription(
            media_type=described.media_type,
            size_bytes=len(body),
            etag=f'"{digest}"',
            ranges=True,
            sha256=digest,
        )

    async def open(
        self, start_bytes: int, end_bytes: int | None, aside: Aside | None = None
    ) -> AsyncGenerator[bytes]:
        """See `Source`."""
        if self._body is None:
            await self.describe()
        body = self._body or b""
        end_bytes = len(body) if end_bytes is None else end_bytes
        for at_bytes in range(start_bytes, end_bytes, CHUNK_BYTES):
            yield body[at_bytes : min(at_bytes + CHUNK_BYTES, end_bytes)]

    async def digest(self) -> str | None:
        """See `Source`."""
        return (await self.describe()).sha256

    def learn(self, sha256: str) -> None:
        """The hash is that of what it has become; the source behind knows nothing of it."""

    def vet(self, request: Forwarded) -> None:
        """See `Source`. The changes point into the whole that the owner described: a path, a query or a body may make the source
        answer in another form, in which they would find nothing to change.
        """
        raise ForwardRefused("The policy alters this dataset: it takes only GET without path and query.")

    async def forward(self, request: Forwarded) -> ForwardedAnswer:
        """Never reached: `vet` refuses everything."""
        raise SourceUnavailable("altered data takes no forwarded request")

    async def close(self) -> None:
        """See `Source`."""
        await self._inner.close()

    async def _altered(self, chunks: Chunks) -> bytes:
        whole = bytearray()
        async with aclosing(chunks):
            async for chunk in chunks:
                whole += chunk
                if len(whole) > MOST_ALTERED_BYTES:
                    raise NotAlterable(f"it is larger than {MOST_ALTERED_BYTES} bytes")
        running = asyncio.get_running_loop().run_in_executor(
            self._threads, alter, bytes(whole), self._changes
        )
        try:
            return await running
        except CannotAlter as error:
            raise NotAlterable(error.why) from None
