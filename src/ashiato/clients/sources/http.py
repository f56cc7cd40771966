"""An HTTP API of the company's own, reached with credentials that never leave the connector."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack

from ashiato.clients.egress import Egress, EgressError, EgressStream
from ashiato.connector.ranges import content_range
from ashiato.connector.sources import (
    Aside,
    Chunks,
    Forwarded,
    ForwardedAnswer,
    ForwardRefused,
    HttpPlace,
    Secrets,
    SourceDescription,
    SourceUnavailable,
    UnknownSecret,
)

MOST_ANSWER_BYTES = 1 << 44
# Shorter values would be found by chance in honest data.
SHORTEST_GUARDED_BYTES = 8

_VALUE = re.compile(r"[\t\x20-\x7e]*")
_ETAG = re.compile(r'"[\x21\x23-\x7e]{0,256}"')
# What a caller may see of an answer; cookies, challenges, internal addresses and server names stay inside.
_SHOWN_HEADERS = frozenset(
    "content-type content-length content-language content-encoding content-disposition etag last-modified".split()
)
# These speak of our credentials, or of a fault behind us: not the caller's business.
_OWN_TROUBLE = frozenset({401, 403, 407, 421, 429, 511})


class HttpSource:
    """One request to the API; credentials are asked for when it is made, so that a changed secret needs no restart."""

    def __init__(
        self, egress: Egress, secrets: Secrets, participant_id: str, place: HttpPlace, media_type: str
    ) -> None:
        self._egress = egress
        self._secrets = secrets
        self._participant_id = participant_id
        self._place = place
        self._media_type = media_type
        self._etag: str | None = None
        self._held = AsyncExitStack()

    async def describe(self) -> SourceDescription:
        """What HEAD says, where the owner promised ranges; otherwise only the media type is known."""
        if not self._place.ranges:
            return SourceDescription(media_type=self._media_type)
        headers = self._own_headers()
        try:
            answer = await self._egress.request(
                "HEAD",
                self._place.base_url,
                headers={**headers, "Accept-Encoding": "identity"},
                timeout_s=self._place.timeout_s,
            )
        except EgressError as error:
            raise SourceUnavailable(error.why) from None
        if answer.status != 200:
            raise SourceUnavailable(f"HEAD was answered with {answer.status}")
        length, etag = answer.headers.get("Content-Length", ""), answer.headers.get("ETag", "")
        if not (length.isascii() and length.isdigit()) or not _ETAG.fullmatch(etag):
            raise SourceUnavailable("HEAD gives no length or no strong entity tag; switch `ranges` off")
        self._etag = etag
        return SourceDescription(media_type=self._media_type, size_bytes=int(length), etag=etag, ranges=True)

    async def open(
        self, start_bytes: int, end_bytes: int | None, aside: Aside | None = None
    ) -> AsyncGenerator[bytes]:
        """The body of a GET; a part is asked for only of the representation that was described."""
        headers = dict(self._own_headers())
        is_part = self._etag is not None and end_bytes is not None
        if is_part:
            if start_bytes == end_bytes:
                return
            headers |= {"Range": f"bytes={start_bytes}-{(end_bytes or 0) - 1}", "If-Match": self._etag or ""}
        answer = await self._send("GET", self._place.base_url, headers, None)
        if answer.status not in (200, 206):
            raise SourceUnavailable(f"GET was answered with {answer.status}")
        _check_part(answer, start_bytes if is_part else 0, is_part)
        async for chunk in self._guarded(answer):
            yield chunk

    async def digest(self) -> str | None:
        """The API may give something else the next time."""
        return None

    def learn(self, sha256: str) -> None:
        """The API may give something else the next time: nothing is remembered."""

    def vet(self, request: Forwarded) -> None:
        """A path or a query is taken only where the owner allows it; raises `ForwardRefused`."""
        if request.path and not self._place.forward_path:
            raise ForwardRefused("This dataset takes no path.")
        if request.query and not self._place.forward_query:
            raise ForwardRefused("This dataset takes no query.")

    async def forward(self, request: Forwarded) -> ForwardedAnswer:
        """The API's answer to the caller's request, without what is not for the caller's eyes."""
        own = self._own_headers()
        taken = {name.lower() for name in own}
        headers = {name: value for name, value in request.headers if name.lower() not in taken} | own
        url = self._place.base_url
        if request.path:
            url = f"{url.rstrip('/')}/{request.path}"
        if request.query:
            url = f"{url}?{request.query}"
        answer = await self._send(request.method, url, headers, request.body or None)
        if answer.status >= 500 or answer.status in _OWN_TROUBLE:
            raise SourceUnavailable(f"{request.method} was answered with {answer.status}")
        secrets = self._secret_bytes()
        shown = tuple(
            (name.lower(), value)
            for name, value in answer.headers.items()
            if name.lower() in _SHOWN_HEADERS
            and not any(secret in value.encode("utf-8", "replace") for secret in secrets)
        )
        return ForwardedAnswer(status_code=answer.status, headers=shown, body=self._guarded(answer))

    async def close(self) -> None:
        """Drops the connection when the answer was not read to its end."""
        await self._held.aclose()

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> EgressStream:
        asked = self._egress.stream(
            method,
            url,
            headers={**headers, "Accept-Encoding": "identity"},
            body=body,
            max_response_bytes=MOST_ANSWER_BYTES,
        )
        try:
            # The limit is for the head of the answer; its body is held to the idle time and least rate of the egress.
            async with asyncio.timeout(self._place.timeout_s):
                return await self._held.enter_async_context(asked)
        except EgressError as error:
            raise SourceUnavailable(error.why) from None
        except TimeoutError:
            raise SourceUnavailable(f"the API did not answer within {self._place.timeout_s} s") from None

    async def _guarded(self, answer: EgressStream) -> Chunks:
        """The body; an API that echoes one of our secrets is stopped before the secret has left."""
        guard = SecretGuard(self._secret_bytes())
        try:
            async for chunk in answer.chunks():
                if clean := guard.passed(chunk):
                    yield clean
        except EgressError as error:
            raise SourceUnavailable(error.why) from None
        if rest := guard.rest():
            yield rest

    def _own_headers(self) -> dict[str, str]:
        headers = dict(self._place.headers)
        for name, secret_name in self._place.secret_headers.items():
            value = self._secret(secret_name)
            if not _VALUE.fullmatch(value):
                raise SourceUnavailable(
                    f"the secret {secret_name!r} holds characters that no header may hold"
                )
            headers[name] = value
        return headers

    def _secret(self, name: str) -> str:
        try:
            return self._secrets.get(self._participant_id, name)
        except UnknownSecret as error:
            raise SourceUnavailable(str(error)) from None

    def _secret_bytes(self) -> tuple[bytes, ...]:
        values = {self._secret(name).encode() for name in self._place.secret_headers.values()}
        # `Bearer abc` is as secret as `abc`, which an API may echo without the scheme.
        values |= {value.partition(b" ")[2] for value in values if b" " in value}
        return tuple(value for value in values if len(value) >= SHORTEST_GUARDED_BYTES)


class SecretGuard:
    """Looks for secrets in a stream, also across chunks: what could be the beginning of one waits for the next chunk."""

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        self._secrets = secrets
        self._held_bytes = max((len(secret) for secret in secrets), default=1) - 1
        self._tail = b""

    def passed(self, chunk: bytes) -> bytes:
        """What may leave now; raises `SourceUnavailable` when a secret stands in it."""
        if not self._held_bytes:
            return chunk
        seen = self._tail + chunk
        if any(secret in seen for secret in self._secrets):
            raise SourceUnavailable("the answer holds a secret of this connector and was stopped")
        cut = max(0, len(seen) - self._held_bytes)
        self._tail = seen[cut:]
        return seen[:cut]

    def rest(self) -> bytes:
        """What waited, at the end."""
        tail, self._tail = self._tail, b""
        return tail


def _check_part(answer: EgressStream, start_bytes: int, is_part: bool) -> None:
    found = content_range(answer.headers.get("Content-Range", ""))
    if answer.status == 206 and (not is_part or found is None or found.part is None):
        raise SourceUnavailable("the API sent a part that was not asked for")
    if answer.status == 206 and found is not None and found.part is not None:
        if found.part.start_bytes != start_bytes:
            raise SourceUnavailable("the API sent another part than was asked for")
    elif start_bytes:
        raise SourceUnavailable("the API ignored the range; switch `ranges` off")
