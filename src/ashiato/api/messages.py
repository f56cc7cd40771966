"""What the messages of every protocol have in common when they come in: a bounded body, and a token that counts once."""

import asyncio
from typing import Protocol

from starlette.requests import Request

from ashiato.connector.ports import UnitOfWork

BODY_TIMEOUT_S = 20.0


class BodyTooLarge(Exception):
    """The counterparty's message is larger than any message of the protocol."""


class BodyTooSlow(Exception):
    """The counterparty's message did not come in time."""


class Replayed(Exception):
    """The counterparty's token was used before."""


class Presented(Protocol):
    """A caller with the token that it proved itself by."""

    @property
    def participant_id(self) -> str: ...

    @property
    def token_id(self) -> str: ...

    @property
    def expires_ms(self) -> int: ...


def use_token(uow: UnitOfWork, caller: Presented) -> None:
    """Raises `Replayed` when the token was used before."""
    if not uow.records.remember_token(caller.participant_id, caller.token_id, caller.expires_ms):
        raise Replayed


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The bytes of the message; raises `BodyTooLarge` or `BodyTooSlow`."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most_bytes:
        raise BodyTooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    raise BodyTooLarge
    except TimeoutError:
        raise BodyTooSlow from None
    return bytes(body)
