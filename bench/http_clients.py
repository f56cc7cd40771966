"""What one outgoing message costs in three HTTP clients: `.venv/bin/python bench/http_clients.py`.

Prints one JSON line: milliseconds per sequential POST of 1 kB over one kept-alive loopback connection, on the
wall clock and of the client's own CPU time (ADR 0004).
"""

import json
import multiprocessing
import socket
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import aiohttp
import httpcore2
import httpx2
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

REQUESTS = 3000
WARM_UP = 200
BODY = b'{"a":"' + b"x" * 1000 + b'"}'
# As long as a signed token, because headers are where the clients differ.
HEADERS = {"authorization": "Bearer " + "x" * 500, "content-type": "application/json"}

Post = Callable[[], Awaitable[bytes]]


async def _echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/json")


def _serve(report: Connection) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    report.send(listener.getsockname()[1])
    app = Starlette(routes=[Route("/echo", _echo, methods=["POST"])])
    uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listener])


async def _measure(post: Post) -> dict[str, float]:
    for _ in range(WARM_UP):
        assert await post() == BODY
    cpu_start_s, wall_start_s = time.process_time(), time.perf_counter()
    for _ in range(REQUESTS):
        await post()
    return {
        "cpu_ms": round((time.process_time() - cpu_start_s) / REQUESTS * 1000, 3),
        "wall_ms": round((time.perf_counter() - wall_start_s) / REQUESTS * 1000, 3),
    }


async def _measure_httpx2(url: str) -> dict[str, float]:
    async with httpx2.AsyncClient() as client:

        async def post() -> bytes:
            return (await client.post(url, content=BODY, headers=HEADERS)).content

        return await _measure(post)


async def _measure_httpcore2(url: str) -> dict[str, float]:
    headers = [("host", "127.0.0.1"), ("content-length", str(len(BODY))), *HEADERS.items()]
    async with httpcore2.AsyncConnectionPool() as pool:

        async def post() -> bytes:
            return (await pool.request("POST", url, content=BODY, headers=headers)).content

        return await _measure(post)


async def _measure_aiohttp(url: str) -> dict[str, float]:
    async with aiohttp.ClientSession() as session:

        async def post() -> bytes:
            async with session.post(url, data=BODY, headers=HEADERS) as answer:
                return await answer.read()

        return await _measure(post)


def main() -> None:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    try:
        url = f"http://127.0.0.1:{ours.recv()}/echo"
        measures = {"httpx2": _measure_httpx2, "httpcore2": _measure_httpcore2, "aiohttp": _measure_aiohttp}
        print(json.dumps({name: uvloop.run(measure(url)) for name, measure in measures.items()}))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
