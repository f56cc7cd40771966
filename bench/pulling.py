"""How fast a large file is pulled, against the same file served statically to the same client, which hashes what comes.

Keys: pull_mb_per_s through the data plane of a real connector process (token, proof, policy, hash, record), static_mb_per_s of
the faster of uvicorn and granian, pull_server_cpu_s and static_server_cpu_s for one pull, received_mb_per_s of a whole fetch
between two connectors (negotiated, verified, durable on the disk). The client is a process of its own; runs alternate, so that
a busy machine is busy for all. Alone: `python -m bench.pulling`.
"""

import asyncio
import hashlib
import json
import os
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

import aiohttp
import psutil
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from ashiato.clients.egress import Egress, EgressRules
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import Asset
from ashiato.stores.engine import open_store
from ashiato.trust.did import did_document
from ashiato.trust.keys import SigningKey
from ashiato.trust.proofs import mint_proof
from ashiato.trust.tokens import mint_token
from bench.negotiating import POLICY
from bench.seeding import big_file
from tests.companies import Company, running
from tests.data_plane import Deal, deal_records

FILE_BYTES = 1024**3
RUNS_COUNT = 5
BATCH_BYTES = 1024 * 1024
READY_TIMEOUT_S = 20.0

Figures = dict[str, float]
Headers = Callable[[], dict[str, str]]
STATIC = """
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

app = Starlette(routes=[Mount("/static", StaticFiles(directory={folder!r}))])
"""


async def run(folder: Path, file_bytes: int = FILE_BYTES, runs_count: int = RUNS_COUNT) -> Figures:
    """All figures of this file."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = await _against_static(folder, file_bytes, runs_count)
    return figures | await _received(folder / "received", file_bytes)


async def _against_static(folder: Path, file_bytes: int, runs_count: int) -> Figures:
    maker = Company(folder / "maker", ["maker"])
    name = big_file(maker.folder, file_bytes)
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(_reader())
        deal = await _seeded(maker, reader.did, name)
        await stack.enter_async_context(running(maker))
        token = await _access_token(maker, reader, deal)
        url = f"{maker.ready['public_url']}/maker/data/{deal.provider_pid}"
        static = await stack.enter_async_context(_static_servers(maker.folder / "files"))
        client = await stack.enter_async_context(_client())
        targets: dict[str, tuple[str, Headers, int]] = {
            "pull": (url, lambda: _proved(reader, url, token), maker.pid),
            **{kind: (f"{root}/{name}", dict, pid) for kind, (root, pid) in static.items()},
        }
        spans_s: dict[str, list[float]] = {kind: [] for kind in targets}
        cpu_s: dict[str, list[float]] = {kind: [] for kind in targets}
        for number in range(runs_count + 1):
            hashes = set()
            for kind, (target, headers, pid) in targets.items():
                before_s = _cpu_s(pid)
                span_s, sha256 = await client(target, headers())
                hashes.add(sha256)
                if number:
                    spans_s[kind].append(span_s)
                    cpu_s[kind].append(_cpu_s(pid) - before_s)
            if len(hashes) != 1:
                raise AssertionError("the servers do not send the same bytes")
    fastest = min(static, key=lambda kind: median(spans_s[kind]))
    return {
        "pull_mb_per_s": file_bytes / median(spans_s["pull"]) / 1e6,
        "static_mb_per_s": file_bytes / median(spans_s[fastest]) / 1e6,
        "pull_server_cpu_s": median(cpu_s["pull"]),
        "static_server_cpu_s": median(cpu_s[fastest]),
    }


async def _received(folder: Path, file_bytes: int) -> Figures:
    """A fetch as a person orders it, from the negotiation to the receipt."""
    maker, buyer = Company(folder / "maker", ["maker"]), Company(folder / "buyer", ["buyer"])
    name = big_file(maker.folder, file_bytes)
    async with running(maker, buyer):
        await maker.call("PUT", "/assets/big", {"title": "big", "source": {"kind": "file", "path": name}})
        await maker.call("PUT", "/policies/bench", {"document": POLICY})
        await maker.call("PUT", "/offers/bench", {"contract_policy_id": "bench", "asset_ids": ["big"]})
        began_s = time.perf_counter()
        order = {"partner": maker.did, "address": maker.address, "asset_id": "big"}
        fetch = await buyer.call("POST", "/fetches", order)
        while fetch["state"] not in ("done", "failed"):
            fetch = await buyer.call("GET", f"/fetches/{fetch['fetch_id']}?wait_s=10")
        if fetch["state"] != "done":
            raise AssertionError(fetch["problem"])
        return {"received_mb_per_s": file_bytes / (time.perf_counter() - began_s) / 1e6}


class Reader:
    """A consumer that is no connector: it has a key, a DID document on loopback, and asks for bytes."""

    def __init__(self, port: int) -> None:
        self.did = f"did:web:127.0.0.1%3A{port}:reader"
        self.key = SigningKey(f"{self.did}#key-1", ec.generate_private_key(ec.SECP256R1()))

    async def document(self, request: web.Request) -> web.Response:
        """The DID document."""
        return web.Response(body=did_document(self.did, [self.key.verification_key()], []))


@asynccontextmanager
async def _reader() -> AsyncIterator[Reader]:
    port = _free_port()
    reader = Reader(port)
    app = web.Application()
    app.router.add_get("/reader/did.json", reader.document)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield reader
    finally:
        await runner.cleanup()


async def _seeded(maker: Company, reader_did: str, name: str) -> Deal:
    """The file under an agreement with the reader, in the store of a maker that has not been started yet."""
    asset = Asset(asset_id="big", title="big", source={"kind": "file", "path": name})
    owner = maker.future_did("maker")
    deal, agreement, transfer = deal_records(
        asset, now_ms=_now_ms(), provider_id=owner, consumer_id=reader_did
    )

    def work(uow: UnitOfWork) -> None:
        uow.assets.put_asset(asset)
        uow.contracts.put_agreement(agreement)
        uow.transfers.insert(transfer)

    store = await open_store(maker.store_url, "seeding")
    await store.run(owner, work)
    await store.close()
    return deal


async def _access_token(maker: Company, reader: Reader, deal: Deal) -> str:
    identity = mint_token(
        reader.key, audience=maker.did, now_ms=_now_ms(), ttl_s=60, token_id=str(uuid.uuid4())
    )
    url = f"{maker.ready['public_url']}/maker/data/{deal.provider_pid}/token"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, headers={"Authorization": f"Bearer {identity}"}) as answer,
    ):
        document = await answer.json()
    return str(document["access_token"])


def _proved(reader: Reader, url: str, token: str) -> dict[str, str]:
    proof = mint_proof(
        reader.key,
        method="GET",
        url=url,
        access_token=token,
        now_ms=_now_ms(),
        token_id=str(uuid.uuid4()),
    )
    return {"Authorization": f"Bearer {token}", "DPoP": proof}


@asynccontextmanager
async def _static_servers(folder: Path) -> AsyncIterator[dict[str, tuple[str, int]]]:
    """Both servers with the folder below them: kind to (address, process id of the one that works)."""
    (folder.parent / "static_app.py").write_text(STATIC.format(folder=str(folder)), encoding="utf-8")
    ports = {"uvicorn": _free_port(), "granian": _free_port()}
    commands = {
        "uvicorn": ["uvicorn", "static_app:app", "--port", str(ports["uvicorn"]), "--no-access-log"],
        "granian": [
            "granian", "static_app:app", "--interface", "asgi", "--port", str(ports["granian"]),
            "--no-access-log", "--static-path-route", "/static", "--static-path-mount", str(folder),
        ],
    }  # fmt: skip
    quiet = asyncio.subprocess.DEVNULL
    processes = {
        kind: await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, cwd=folder.parent, stdout=quiet, stderr=quiet
        )
        for kind, command in commands.items()
    }
    try:
        for port in ports.values():
            await _listening(port)
        yield {
            kind: (f"http://127.0.0.1:{ports[kind]}/static", _worker(process.pid))
            for kind, process in processes.items()
        }
    finally:
        for process in processes.values():
            process.terminate()
            await process.wait()


Client = Callable[[str, dict[str, str]], Awaitable[tuple[float, str]]]


@asynccontextmanager
async def _client() -> AsyncIterator[Client]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.pulling",
        "client",
        cwd=Path(__file__).resolve().parent.parent,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    requests, answers = process.stdin, process.stdout

    async def ask(url: str, headers: dict[str, str]) -> tuple[float, str]:
        requests.write(json.dumps({"url": url, "headers": headers}).encode() + b"\n")
        answer = json.loads(await answers.readline())
        return float(answer["span_s"]), str(answer["sha256"])

    try:
        yield ask
    finally:
        requests.close()
        await process.wait()


async def _serve_client() -> None:
    """The client's own process: reads orders from its input, one a line, and answers with time and hash."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as threads:
        async with Egress(EgressRules(unsafe_allow_loopback=True)) as egress:
            while line := await loop.run_in_executor(threads, sys.stdin.readline):
                order = json.loads(line)
                began_s = time.perf_counter()
                sha256 = await _hash_of(egress, threads, order["url"], order["headers"])
                print(json.dumps({"span_s": time.perf_counter() - began_s, "sha256": sha256}), flush=True)


async def _hash_of(egress: Egress, threads: ThreadPoolExecutor, url: str, headers: dict[str, str]) -> str:
    digest = hashlib.sha256()
    loop = asyncio.get_running_loop()
    hashing: asyncio.Future[None] | None = None
    async with egress.stream("GET", url, headers=headers, max_response_bytes=1 << 40) as answer:
        if answer.status != 200:
            raise AssertionError(f"{url} answered {answer.status}")
        batch = bytearray()
        async for chunk in answer.chunks():
            batch += chunk
            if len(batch) >= BATCH_BYTES:
                if hashing is not None:
                    await hashing
                hashing, batch = loop.run_in_executor(threads, digest.update, batch), bytearray()
    if hashing is not None:
        await hashing
    digest.update(batch)
    return digest.hexdigest()


async def _listening(port: int) -> None:
    until_s = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > until_s:
                raise
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


def _worker(pid: int) -> int:
    """The process that serves: granian's worker is a child of the one that was started."""
    children = psutil.Process(pid).children()
    return int(children[-1].pid) if children else pid


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """The client, or all figures as one JSON line; PULL_MIB sets another size than 1024."""
    if sys.argv[1:] == ["client"]:
        import uvloop

        uvloop.run(_serve_client())
        return
    file_bytes = int(os.environ.get("PULL_MIB", "1024")) * 1024 * 1024
    with tempfile.TemporaryDirectory(prefix="ashiato-bench-") as name:
        figures = asyncio.run(run(Path(name), file_bytes))
    print(json.dumps({key: round(value, 2) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
