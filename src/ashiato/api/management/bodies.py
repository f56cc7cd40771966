"""How bodies are read: bounded while they come in, and strictly, so that no two readers see two documents."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from ashiato.api.management.answers import Refused
from ashiato.api.management.problems import Malformed, TooLarge, UnsupportedMediaType
from ashiato.facts.strict_json import MAX_BYTES, MalformedJson, parse_strict

JSON_DEPTH = 64


class StrictRequest(Request):
    """A request whose JSON has no duplicate keys, no NaN, no half surrogate pair, no U+0000 and at most 1 MiB."""

    async def body(self) -> bytes:
        """The body; raises 413 as soon as more comes than is taken."""
        if not hasattr(self, "_body"):
            self._body = await read_body(self, MAX_BYTES)
        return self._body

    async def json(self) -> object:
        """The document; raises 400 for what is not strict JSON."""
        try:
            return strict_document(await self.body())
        except Malformed as problem:
            raise Refused(problem) from None


class StrictRoute(APIRoute):
    """Reads the bodies of its route by `StrictRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`."""
        answer = super().get_route_handler()
        takes_json = self.body_field is not None

        async def handle(request: Request) -> Response:
            if takes_json:
                check_media_type(request, ("application/json",))
            return await answer(StrictRequest(request.scope, request.receive))

        return handle


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The raw body; raises 413 without reading on when there is more than `most_bytes`."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > most_bytes):
        raise Refused(_too_large(most_bytes))
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > most_bytes:
            raise Refused(_too_large(most_bytes))
    return bytes(received)


def strict_document(body: bytes, most_bytes: int = MAX_BYTES) -> object:
    """The JSON document in `body`; raises `Malformed`.

    U+0000 is refused because PostgreSQL keeps it in no text: the same document must work on every store.
    """
    try:
        document = parse_strict(body, max_bytes=most_bytes, max_depth=JSON_DEPTH)
    except MalformedJson as error:
        raise Malformed(f"The body is not strict JSON: {error.problem}.") from None
    if b"\\u0000" in body and _holds_nul(document):
        raise Malformed("The body holds the character U+0000, which is not kept; leave it out.")
    return document


def _holds_nul(document: object) -> bool:
    pending = [document]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and "\0" in item:
            return True
        if isinstance(item, dict):
            pending += [*item, *item.values()]
        elif isinstance(item, list):
            pending += item
    return False


def check_media_type(request: Request, wanted: tuple[str, ...]) -> str:
    """The media type of the body without parameters, in lower case; raises 415 unless it is one of `wanted`."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in wanted:
        raise UnsupportedMediaType(
            f"Send the body as {' or '.join(wanted)}, not as {media_type or 'nothing'}.",
            accepted=list(wanted),
        )
    return media_type


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(
        f"The body is larger than the {most_bytes} bytes that this route takes.", most_bytes=most_bytes
    )
