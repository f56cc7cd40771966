"""A plant system of the cathode maker: an HTTP API that gives numbered lines and never ends.

It stands for a source inside a company: the maker's connector reads it with a credential that no partner ever sees.
"""

import asyncio
import hmac
import itertools
import time

from aiohttp import web

CREDENTIAL_HEADER = "X-Plant-Key"
LINE = "kiln log, line {:08d}\n"
LINES_AT_ONCE_COUNT = 256
PAUSE_S = 0.01


class PlantFeed:
    """The feed and its server. `reader_gone_ms` is awaited: the epoch millisecond at which its reader was gone."""

    def __init__(self, credential: str) -> None:
        self._credential = credential
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.reader_gone_ms: asyncio.Future[int]

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        self.reader_gone_ms = asyncio.get_running_loop().create_future()
        app = web.Application()
        app.router.add_get("/kiln-log", self._stream)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/kiln-log"

    async def close(self) -> None:
        """Stop listening and let go of the readers."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        given = request.headers.get(CREDENTIAL_HEADER, "")
        if not hmac.compare_digest(given.encode(), self._credential.encode()):
            raise web.HTTPUnauthorized
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        numbers = itertools.count(1)
        try:
            while True:
                lines = "".join(LINE.format(next(numbers)) for _ in range(LINES_AT_ONCE_COUNT))
                await response.write(lines.encode())
                await asyncio.sleep(PAUSE_S)
        except ConnectionError:
            if not self.reader_gone_ms.done():
                self.reader_gone_ms.set_result(time.time_ns() // 1_000_000)
        return response
