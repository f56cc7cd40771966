"""A source whose JSON is altered on its way out: read whole, changed, and described as what it has become."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from contextlib import aclosing

import msgspec

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
)
from ashiato.policy.transformations import Transformation

CHUNK_BYTES = 64 * 1024
# What describes the body that was, or lets a cache mix it with the one that is.
_OF_THE_BODY = frozenset(
    "accept-ranges content-digest content-encoding content-length content-md5 content-range digest etag last-modified "
    "repr-digest".split()
)


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
        """See `Source`. The changes point into the whole: below it, where they find nothing, nothing would be changed."""
        if request.path:
            raise ForwardRefused("The policy alters this dataset: it takes no path.")
        self._inner.vet(request)

    async def forward(self, request: Forwarded) -> ForwardedAnswer:
        """See `Source`: an answer that is no JSON is not handed on, and a failure only as such."""
        answer = await self._inner.forward(request)
        headers = tuple(pair for pair in answer.headers if pair[0].lower() not in _OF_THE_BODY)
        if not 200 <= answer.status_code < 300:
            await answer.body.aclose()
            return ForwardedAnswer(status_code=answer.status_code, headers=headers, body=_once(b""))
        media_type = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
        if not is_alterable(media_type):
            await answer.body.aclose()
            raise NotAlterable(f"the answer's media type is {media_type or 'not told'}")
        body = await self._altered(answer.body)
        headers = (*headers, ("content-length", str(len(body))))
        return msgspec.structs.replace(answer, headers=headers, body=_once(body))

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


async def _once(body: bytes) -> AsyncGenerator[bytes]:
    if body:
        yield body
