"""The inbox for requests for data: what a partner posts is handed to the company, with the caller whom its agreement names."""

from collections.abc import AsyncGenerator
from typing import Protocol

from ashiato.connector.sources import (
    Aside,
    Chunks,
    Forwarded,
    ForwardedAnswer,
    ForwardRefused,
    SourceDescription,
    SourceUnavailable,
)
from ashiato.supply.messages import MEDIA_TYPE, MOST_MESSAGE_BYTES, Receipt, Refusal, encode


class SupplyDesk(Protocol):
    """Port: acts on messages for the participants of this program."""

    async def take(self, participant_id: str, caller: str, body: bytes) -> Receipt | Refusal:
        """What the company answers; raises `SourceUnavailable` when it is not served here now."""


class SupplyInboxSource:
    """It has nothing to read, and each message is one request."""

    def __init__(self, desk: SupplyDesk, participant_id: str) -> None:
        self._desk = desk
        self._participant_id = participant_id

    async def describe(self) -> SourceDescription:
        """Nothing is there to be read."""
        return SourceDescription(media_type=MEDIA_TYPE)

    async def open(
        self, start_bytes: int, end_bytes: int | None, aside: Aside | None = None
    ) -> AsyncGenerator[bytes]:
        """Never reached where the asset takes POST alone; raises `SourceUnavailable`."""
        raise SourceUnavailable("an inbox is not read")
        yield b""

    async def digest(self) -> str | None:
        """An inbox has no bytes of its own."""
        return None

    def learn(self, sha256: str) -> None:
        """An inbox has no bytes of its own."""

    def vet(self, request: Forwarded) -> None:
        """A message of a known caller is taken; a path or a query has no meaning here."""
        if request.method != "POST" or request.path or request.query:
            raise ForwardRefused("An inbox takes POST without path and query.")
        if not request.caller or len(request.body) > MOST_MESSAGE_BYTES:
            raise ForwardRefused(f"A message has at most {MOST_MESSAGE_BYTES} bytes.")

    async def forward(self, request: Forwarded) -> ForwardedAnswer:
        """The receipt, or with the status 409 the reason why the message was not taken."""
        reply = await self._desk.take(self._participant_id, request.caller, request.body)
        body = encode(reply)
        return ForwardedAnswer(
            status_code=409 if isinstance(reply, Refusal) else 200,
            headers=(("content-type", MEDIA_TYPE), ("content-length", str(len(body)))),
            body=_chunk(body),
        )

    async def close(self) -> None:
        """Nothing is held open."""


async def _chunk(body: bytes) -> Chunks:
    yield body
