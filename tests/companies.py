"""Companies as real connector processes with their own stores, for benches, crash tests and walkthroughs."""

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import psutil
from yarl import URL

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0


def api_key(slug: str) -> str:
    """A key for tests only: it is made of the name."""
    return f"test-key-of-{slug}".ljust(40, "-")


class ManagementError(Exception):
    """The management API refused: `status` and the problem document."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(f"{status}: {problem}")
        self.status = status


class Company:
    """One connector process serving the participants `slugs`; it can be killed and started again on the same store."""

    def __init__(
        self,
        folder: Path,
        slugs: Sequence[str],
        store_url: str | None = None,
        *,
        settings: str = "",
        environment: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        issues_credentials: bool = False,
        runs_apps: bool = False,
        logs_level: str = "WARNING",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.slug = slugs[0]
        self._slugs = tuple(slugs)
        self.store_url = store_url or f"sqlite:///{folder}/connector.db"
        self._more_settings = settings
        self._secrets = dict(secrets or {})
        self._issues_credentials = issues_credentials
        self.apps_folder = folder / "apps" if runs_apps else None
        self._environment = {"ASHIATO_LOG_LEVEL": logs_level, **(environment or {})}
        self._ports = (free_port(), free_port())
        self._process: subprocess.Popen[bytes] | None = None
        self._session: aiohttp.ClientSession | None = None
        self.ready: dict[str, Any] = {}
        self.start_s = 0.0
        (folder / "settings.toml").write_text(self._settings(), encoding="utf-8")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def did(self) -> str:
        """The DID of the first participant."""
        return self.did_of(self.slug)

    def did_of(self, slug: str) -> str:
        """The DID of a participant."""
        return str(self.ready["participants"][slug])

    def future_did(self, slug: str) -> str:
        """The DID that a participant will have, known before the first start because the port is."""
        return f"did:web:127.0.0.1%3A{self._ports[0]}:{slug}"

    @property
    def address(self) -> str:
        """The base address at which the first participant speaks the protocol."""
        return f"{self.ready['public_url']}/{self.slug}/dsp/2025-1"

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the process and wait until the protocol listener answers; `start_s` says how long that took."""
        ready_file = self.folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        log = (self.folder / "log.jsonl").open("ab")
        command = [sys.executable, "-m", "ashiato.wiring.main", "connector", "serve"]
        command += ["--settings", str(self.folder / "settings.toml"), "--ready-file", str(ready_file)]
        started_s = time.monotonic()
        with log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **self._environment}
            )
        url = f"http://127.0.0.1:{self._ports[0]}/{self.slug}/.well-known/dspace-version"
        self._session = aiohttp.ClientSession()
        while not await self._answers(url):
            if self._process.poll() is not None or time.monotonic() - started_s > START_TIMEOUT_S:
                raise RuntimeError(f"the company {self.slug} did not start:\n{self.log_tail()}")
            await asyncio.sleep(0.01)
        self.start_s = time.monotonic() - started_s
        while not ready_file.exists():
            await asyncio.sleep(0.01)
        self.ready = json.loads(ready_file.read_text(encoding="utf-8"))

    async def stop(self) -> None:
        """End the process as an operator would."""
        await self._close_session()
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End the process as a power cut would; who waits for an answer of it is told by the lost connection.

        A session that is closed first would leave them waiting: its connections forget whose body they were reading.
        """
        await self._end(signal.SIGKILL)
        await asyncio.sleep(0.01)
        await self._close_session()

    async def _close_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
            raise AssertionError(f"the company {self.slug} did not end by {number.name}") from None

    async def call(self, method: str, path: str, body: object = None, *, slug: str | None = None) -> Any:
        """The JSON answer of the management API at `/v1/<slug><path>`; raises `ManagementError`."""
        owner = slug or self.slug
        data = None if body is None else json.dumps(body).encode()
        return json.loads(await self.call_bytes(method, path, data, slug=owner) or b"null")

    async def call_bytes(
        self, method: str, path: str, body: bytes | None = None, *, slug: str | None = None
    ) -> bytes:
        """The same with bytes: for records and downloads."""
        owner = slug or self.slug
        assert self._session is not None
        headers = {"X-Api-Key": api_key(owner), "Content-Type": "application/json"}
        url = URL(f"{self.ready['management_url']}/v1/{owner}{path}", encoded=True)
        async with self._session.request(method, url, data=body, headers=headers) as response:
            content = await response.read()
            if response.status >= 400:
                raise ManagementError(response.status, content.decode("utf-8", "replace"))
            return content

    def rss_mb(self) -> float:
        """Resident memory of the process and all its children, in 10^6 bytes."""
        process = psutil.Process(self.pid)
        tree = [process, *process.children(recursive=True)]
        return float(sum(member.memory_info().rss for member in tree) / 1e6)

    def cpu_s(self) -> float:
        """Processor time that the process has used."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def log_tail(self, lines_count: int = 20) -> str:
        """The end of the log."""
        path = self.folder / "log.jsonl"
        text = path.read_text("utf-8", "replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-lines_count:])

    async def _answers(self, url: str) -> bool:
        assert self._session is not None
        try:
            async with self._session.get(url) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    def _settings(self) -> str:
        secrets = ", ".join(f'{name} = "{reference}"' for name, reference in self._secrets.items())
        participants = "".join(
            f"""
[[participants]]
slug = "{slug}"
name = "{slug}"
api_key_sha256 = ["{hashlib.sha256(api_key(slug).encode()).hexdigest()}"]
files_directory = "{self.folder / ("files" if slug == self._slugs[0] else f"files-{slug}")}"
apps_directory = "{self.apps_folder or ""}"
secrets = {{ {secrets} }}
issues_credentials = {str(self._issues_credentials).lower()}
"""
            for slug in self._slugs
        )
        (self.folder / "files").mkdir(exist_ok=True)
        if self.apps_folder is not None:
            self.apps_folder.mkdir(exist_ok=True)
        return f"""unsafe_allow_loopback = true
{self._more_settings}
[store]
url = "{self.store_url}"
directory = "{self.folder}/kept"
[protocol]
port = {self._ports[0]}
[management]
port = {self._ports[1]}
{participants}"""


@contextlib.asynccontextmanager
async def running(*companies: Company) -> AsyncIterator[None]:
    """All companies started, and ended with the block."""
    try:
        await asyncio.gather(*(company.start() for company in companies))
        yield
    finally:
        await asyncio.gather(*(company.stop() for company in companies))


def free_port() -> int:
    """A port that nobody takes before the company does, also while it is down.

    From below those that a system hands out by itself: else any outgoing connection of another test may sit on it.
    """
    for _ in range(100):
        port = secrets.randbelow(16_000) + 16_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")
