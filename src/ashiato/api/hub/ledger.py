"""The ledger at the door: `POST /v1/party/ledger/entries` for admitted parties; checkpoint and tiles for everybody.

Below `/v1/open/ledger` stand the resources of C2SP tlog-tiles. Tiles never change, so that anybody may keep them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ashiato.api.management.answers import RETRY_SOON, answer
from ashiato.hub.ledger import Ledger, LedgerBusy, Placed
from ashiato.hub.node import Party
from ashiato.log.tiles import MalformedTile, parse_path
from ashiato.statements.ledger_entries import (
    MOST_BATCH_BYTES,
    Batch,
    MalformedBatch,
    UnverifiedEntry,
    VerifiedBatch,
    Verifying,
    parse_batch,
)
from ashiato.stores.errors import StoreUnavailable
from ashiato.trust.keys import VerificationKey

ENTRIES_PATH = "/v1/party/ledger/entries"
LOG_PATH = "/v1/open/ledger"
# So many signatures are a few milliseconds: then others have their turn.
VERIFIED_AT_ONCE_COUNT = 40

_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOW = {"Cache-Control": "no-cache"}

Submit = Callable[[VerifiedBatch], Awaitable[Placed]]
"""Has a batch entered; on return it is published. Raises `LedgerBusy`."""
Keys = Callable[[Batch, int], Awaitable[Mapping[str, VerificationKey]]]
"""From a batch and the present instant to the keys of admitted parties among those that it names."""


class LedgerApi:
    """The routes of one ledger."""

    def __init__(self, ledger: Ledger, submit: Submit, keys: Keys, proof_page: bytes) -> None:
        """`proof_page` is the HTML of the page that verifies a proof in the browser."""
        self._ledger = ledger
        self._proof_page = proof_page
        self._submit = submit
        self._keys = keys

    def routes(self) -> list[Route]:
        """Raw routes for the listener for parties."""
        return [
            Route(ENTRIES_PATH, self._post, methods=["POST"]),
            Route(f"{LOG_PATH}/checkpoint", self._checkpoint, methods=["GET"]),
            Route(f"{LOG_PATH}/key", self._key, methods=["GET"]),
            Route(f"{LOG_PATH}/verify", self._page, methods=["GET"]),
            Route(f"{LOG_PATH}/{{path:path}}", self._tile, methods=["GET"]),
        ]

    async def _post(self, request: Request) -> Response:
        party: Party = request.state.party
        try:
            data = await _body(request)
            if data is None:
                return answer("too-large", f"A batch has at most {MOST_BATCH_BYTES} bytes.", {})
            batch = parse_batch(data)
            if batch.kid.partition("#")[0] != party.party_id:
                raise MalformedBatch("the key of the batch is not one of the party that posts it")
            verified = await self._verified(batch, request.state.moment.now_ms)
            placed = await self._submit(verified)
        except MalformedBatch as error:
            return answer("invalid", f"The batch cannot be read: {error.problem}.", {})
        except UnverifiedEntry as error:
            fields = {"index": error.index, "kid": error.kid}
            return answer("invalid", f"Entry {error.index} under {error.kid}: {error.why}.", fields)
        except LedgerBusy as error:
            return answer("busy", error.why, {}, RETRY_SOON)
        document = {
            "first_index": placed.first_index,
            "entries_count": placed.entries_count,
            "checkpoint": placed.checkpoint,
        }
        return Response(msgspec.json.encode(document), media_type="application/json")

    async def _verified(self, batch: Batch, now_ms: int) -> VerifiedBatch:
        verifying = Verifying(batch, self._ledger.origin, await self._keys(batch, now_ms))
        for _ in range(0, len(batch.entries), VERIFIED_AT_ONCE_COUNT):
            verifying.step(VERIFIED_AT_ONCE_COUNT)
            await asyncio.sleep(0)
        return verifying.done()

    async def _checkpoint(self, _: Request) -> Response:
        try:
            note = await self._ledger.checkpoint()
        except StoreUnavailable:
            return _unavailable()
        if note is None:
            return answer("not-found", "Nothing is published yet.", {})
        return Response(note.encode(), media_type=_TEXT, headers=_NOW)

    async def _key(self, _: Request) -> Response:
        return Response(self._ledger.key_text + "\n", media_type=_TEXT, headers=_NOW)

    async def _page(self, _: Request) -> Response:
        return Response(self._proof_page, media_type="text/html; charset=utf-8", headers=_NOW)

    async def _tile(self, request: Request) -> Response:
        try:
            place = parse_path(request.path_params["path"])
            tile = await self._ledger.tile(place)
        except MalformedTile:
            tile = None
        except StoreUnavailable:
            return _unavailable()
        if tile is None:
            return answer("not-found", "The published log has no such tile.", {})
        return Response(tile, media_type=_BYTES, headers=_FOREVER)


async def _body(request: Request) -> bytes | None:
    parts: list[bytes] = []
    size_bytes = 0
    async for part in request.stream():
        size_bytes += len(part)
        if size_bytes > MOST_BATCH_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _unavailable() -> Response:
    return answer("store-unavailable", "The store of this hub is not available; try again.", {}, RETRY_SOON)
