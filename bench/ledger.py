"""The ledger of a hub: receipts posted over HTTP, inclusion under a steady load, a proof verified, ten million entries.

Hub, posters and store share one core (the process pins itself), and the posters' signatures are made beforehand. Keys:
entries_per_s and two_signature_entries_per_s verified, durable and published, in batches of 500 under ES256 keys,
ed25519_entries_per_s the same under Ed25519 keys, and each per second of the core's own time (entries_per_cpu_s, …);
inclusion_p50_ms and inclusion_p99_ms from a post to its published checkpoint at 1 000 entries a second; verify_ms of one proof
by the verifier of one file; for a log of ten million entries rss_mb and restart_s, from the start of `ashiato hub run` to its
checkpoint.
"""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ashiato.cli.proof_verifier import read_key, verify
from ashiato.hub.ledger_ports import LEDGER, LedgerRows
from ashiato.log.checkpoints import parse_checkpoint
from ashiato.log.merkle import leaf_hash
from ashiato.log.notes import parse_note
from ashiato.log.proofs import LogProof
from ashiato.log.tiles import TILE_BYTES, WIDTH_COUNT, Edge, TilePlace, bundles_of, inclusion_from_tiles
from ashiato.statements.commitments import commit
from ashiato.statements.ledger_entries import Batch, Entry, encode_batch, signing_input
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.hub.rooms import hub_furnishing
from ashiato.trust.keys import SigningKey
from tests.companies import free_port
from tests.dcp_parties import Holder, dcp_world
from tests.hubs import Hub, running_hub

BATCH_COUNT = 500
POSTED_COUNT = 30_000
POSTERS_COUNT = 4
STEADY_S = 15
STEADY_BATCH_COUNT = 50
LARGE_COUNT = 10_000_000
SEEDED_AT_ONCE_COUNT = 65_536
RESTARTS_COUNT = 3
VERIFIED_COUNT = 200
ASHIATO = Path(sys.executable).with_name("ashiato")
ENTRIES_PATH = "/v1/party/ledger/entries"
LOG_PATH = "/v1/open/ledger"

Figures = dict[str, float]

_SETTINGS = """\
unsafe_allow_loopback = true
[store]
url = "sqlite:///{folder}/hub.db"
directory = "{folder}"
[public]
port = {port}
[operator]
operator_key_sha256 = ["{key_sha256}"]
"""


async def run() -> Figures:
    """All figures, one after the other."""
    whole = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(whole)})
    try:
        with tempfile.TemporaryDirectory(prefix="ashiato-bench-") as name:
            figures = await _posting(Path(name) / "posting")
            figures |= await _large(Path(name) / "large")
    finally:
        os.sched_setaffinity(0, whole)
    return {key: round(value, 2) for key, value in figures.items()}


async def _posting(folder: Path) -> Figures:
    folder.mkdir()
    async with dcp_world(0) as world, running_hub(folder) as hub:
        maker, other = world.holder("maker"), world.holder("other")
        modern = world.holder("modern")
        modern.key = SigningKey(modern.key.kid, Ed25519PrivateKey.generate())
        for number, firm in enumerate((maker, other, modern)):
            await hub.admitted(firm, number + 1)
        log = await _log_of(hub)
        # Once before it counts: what is loaded on first use, and the DID documents.
        await _post_all(hub, maker, _bodies(log, maker, 2 * BATCH_COUNT))
        loads = {
            "": (maker, _bodies(log, maker, POSTED_COUNT)),
            "two_signature_": (maker, _bodies(log, maker, POSTED_COUNT // 2, other)),
            "ed25519_": (modern, _bodies(log, modern, POSTED_COUNT // 2)),
        }
        figures: Figures = {}
        for name, (firm, bodies) in loads.items():
            per_s, per_cpu_s = await _post_all(hub, firm, bodies)
            figures |= {f"{name}entries_per_s": per_s, f"{name}entries_per_cpu_s": per_cpu_s}
        spans_ms = await _steadily(hub, maker, log)
        figures["inclusion_p50_ms"] = spans_ms[len(spans_ms) // 2]
        figures["inclusion_p99_ms"] = spans_ms[int(len(spans_ms) * 0.99)]
        return figures | {"verify_ms": await _verify_ms(hub, maker, log)}


async def _log_of(hub: Hub) -> str:
    answer = await hub.anyone("GET", f"{LOG_PATH}/key")
    return str(answer.document.decode()).partition("+")[0]


def _bodies(
    log: str, firm: Holder, count: int, other: Holder | None = None, batch_count: int = BATCH_COUNT
) -> list[bytes]:
    """Signed batches, ready to be posted."""
    bodies = []
    for _ in range(count // batch_count):
        entries = []
        for _ in range(batch_count):
            commitment = secrets.token_bytes(32)
            message = signing_input(log, commitment)
            signature = firm.key.sign(message)
            if other is None:
                entries.append(Entry(commitment, signature))
            else:
                entries.append(Entry(commitment, signature, other.key.kid, other.key.sign(message)))
        bodies.append(encode_batch(Batch(log, firm.key.kid, tuple(entries))))
    return bodies


async def _post(hub: Hub, firm: Holder, body: bytes) -> dict[str, object]:
    firm.world.now_ms = time.time_ns() // 1_000_000
    headers = {"Authorization": firm.token(hub.program.hub_id, None)}
    async with hub.session.post(hub.program.public_url + ENTRIES_PATH, data=body, headers=headers) as answer:
        if answer.status != 200:
            raise AssertionError(await answer.text())
        placed: dict[str, object] = json.loads(await answer.read())
        return placed


async def _post_all(hub: Hub, firm: Holder, bodies: Sequence[bytes]) -> tuple[float, float]:
    """Entries published per second, and per second of this core's time, which a crowded machine does not change."""
    waiting = iter(bodies)

    async def work() -> None:
        for body in waiting:
            await _post(hub, firm, body)

    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(POSTERS_COUNT)))
    entries_count = len(bodies) * BATCH_COUNT
    spent_s, spent_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    return entries_count / spent_s, entries_count / spent_cpu_s


async def _steadily(hub: Hub, firm: Holder, log: str) -> list[float]:
    """The sorted milliseconds of posts at an even pace."""
    period_s = STEADY_BATCH_COUNT / 1000
    bodies = _bodies(log, firm, STEADY_S * 1000, batch_count=STEADY_BATCH_COUNT)
    spans_ms: list[float] = []

    async def timed(body: bytes) -> None:
        began_s = time.perf_counter()
        await _post(hub, firm, body)
        spans_ms.append((time.perf_counter() - began_s) * 1000)

    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number, body in enumerate(bodies):
            await asyncio.sleep(max(0.0, began_s + number * period_s - time.perf_counter()))
            group.create_task(timed(body))
    return sorted(spans_ms)


async def _verify_ms(hub: Hub, firm: Holder, log: str) -> float:
    """Milliseconds of one proof, by the verifier of one file, without starting it."""
    statement = secrets.token_bytes(300)
    commitment = commit(bytes(32), statement)
    entry = Entry(commitment, firm.key.sign(signing_input(log, commitment)))
    placed = await _post(hub, firm, encode_batch(Batch(log, firm.key.kid, (entry,))))
    note = parse_note(str(placed["checkpoint"]).encode())
    index, size_count = int(str(placed["first_index"])), parse_checkpoint(note).size_count

    def prove(rows: LedgerRows) -> tuple[bytes, ...]:
        return inclusion_from_tiles(index, size_count, lambda place: rows.tile(place) or b"")

    path = await hub.program.store.read("ledger", lambda uow: prove(uow.room(LEDGER)))
    data = LogProof(index, path, note, bytes(32) + statement).encoded().encode()
    key = read_key((await hub.anyone("GET", f"{LOG_PATH}/key")).document.decode())
    began_s = time.process_time()
    for _ in range(VERIFIED_COUNT):
        verify(data, [key], [], 0)
    return (time.process_time() - began_s) * 1000 / VERIFIED_COUNT


async def _large(folder: Path) -> Figures:
    """A log of ten million entries: seeded without signatures, then served by the program that is installed."""
    folder.mkdir()
    await _seed(f"sqlite:///{folder}/hub.db")
    settings = folder / "hub.toml"
    key_sha256 = sha256(b"unused").hexdigest()
    # The hub's address is its name: it must be the same after a restart.
    text = _SETTINGS.format(folder=folder, port=free_port(), key_sha256=key_sha256)
    settings.write_text(text, encoding="utf-8")
    spans_s: list[float] = []
    for number in range(RESTARTS_COUNT):
        ready = folder / f"ready-{number}.json"
        began_s = time.perf_counter()
        command = [str(ASHIATO), "hub", "run", "--settings", str(settings), "--ready-file", str(ready)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                url = await _ready(process, ready)
                await _published(url)
                spans_s.append(time.perf_counter() - began_s)
                rss_mb = _rss_mb(process.pid)
            finally:
                process.send_signal(signal.SIGTERM)
    return {"large_count": LARGE_COUNT, "rss_mb": rss_mb, "restart_s": sorted(spans_s)[len(spans_s) // 2]}


async def _seed(url: str) -> None:
    store = await open_store(url, "seeding", hub_furnishing("did:web:hub.example"))
    edge = Edge()
    tail: Sequence[bytes] = ()
    for start in range(0, LARGE_COUNT, SEEDED_AT_ONCE_COUNT):
        count = min(SEEDED_AT_ONCE_COUNT, LARGE_COUNT - start)
        entries = [sha256(number.to_bytes(8)).digest() for number in range(start, start + count)]
        growth = edge.extended([leaf_hash(entry) for entry in entries])
        bundles = bundles_of(edge.size_count, tail, entries)
        await _keep(store, [*bundles.bundles, *growth.tiles], growth.edge.size_count)
        edge, tail = growth.edge, bundles.tail
    await store.close()


async def _keep(store: SqlStore, tiles: Sequence[tuple[TilePlace, bytes]], size_count: int) -> None:
    def keep(rows: LedgerRows) -> None:
        rows.keep_tiles(tiles)
        rows.grow(size_count)

    await store.run("ledger", lambda uow: keep(uow.room(LEDGER)))


async def _ready(process: "subprocess.Popen[bytes]", ready: Path) -> str:
    while not ready.exists():
        if process.poll() is not None:
            raise AssertionError(f"the hub ended with {process.returncode}")
        await asyncio.sleep(0.02)
    return str(json.loads(ready.read_text("utf-8"))["public_url"])


async def _published(url: str) -> None:
    """Wait until the checkpoint of all entries is served, and one tile of the far end with it."""
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}{LOG_PATH}/checkpoint") as answer:
                text = await answer.text()
                if answer.status == 200 and text.split("\n")[1] == str(LARGE_COUNT):
                    break
            await asyncio.sleep(0.02)
        place = TilePlace(0, LARGE_COUNT // WIDTH_COUNT - 1)
        async with session.get(f"{url}{LOG_PATH}/{place.path()}") as answer:
            if len(await answer.read()) != TILE_BYTES:
                raise AssertionError(f"{place.path()} is not whole")


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the system does not tell the memory of a process")
