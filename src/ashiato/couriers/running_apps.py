"""Starts apps on this machine: the very bytes whose digest was approved, with nothing of this program around them.

The file is copied into a folder of its own first, and the copy is hashed and started: whoever changes the file in between changes
nothing. The process gets an address and a token, no other variable, no standing input; its memory, its computing time, its output
and its life are bounded, and all that it started ends with it. It is no sandbox: it runs as the user of this program and may
read what that user may read. An operator opens a folder of apps for a participant only when that is meant.
"""

import asyncio
import hashlib
import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path

import msgspec
import structlog

from ashiato.connector import apps
from ashiato.connector.node import Node, Tenant
from ashiato.connector.ports import UnitOfWork
from ashiato.connector.problems import Invalid, WrongState

TOKEN_PREFIX = "ashiato_app_"
LONGEST_RUN_S = 300
MOST_RUNS_COUNT = 4
MOST_PROGRAM_BYTES = 64 * 1_048_576
MOST_OUTPUT_BYTES = 64 * 1024
MOST_MEMORY_BYTES = 2 * 1024**3
SHOWN_OUTPUT_CHARS = 2000
_LIMITED = (
    "import os, resource, sys\n"
    f"resource.setrlimit(resource.RLIMIT_AS, ({MOST_MEMORY_BYTES}, {MOST_MEMORY_BYTES}))\n"
    f"resource.setrlimit(resource.RLIMIT_CPU, ({LONGEST_RUN_S}, {LONGEST_RUN_S}))\n"
    "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
    "os.execv(sys.argv[1], [sys.argv[1]])\n"
)

log = structlog.get_logger()


class Ended(msgspec.Struct, frozen=True):
    """How a run ended; `exit_code` is None when it was ended from outside."""

    exit_code: int | None
    output: str


class AppRunner:
    """Runs apps of the participants to whom the operator opened a folder of apps."""

    def __init__(
        self, node: Node, folders: dict[str, Path], app_url: str, longest_s: float = LONGEST_RUN_S
    ) -> None:
        self._node = node
        self._folders = folders
        self._app_url = app_url
        self._longest_s = longest_s
        self._running: set[asyncio.Task[None]] = set()

    def fresh_token(self) -> str:
        """A new token of an app, with 256 random bits."""
        return TOKEN_PREFIX + secrets.token_urlsafe(32)

    def token_sha256(self, token: str) -> str:
        """The hash under which a token is known."""
        return hashlib.sha256(token.encode()).hexdigest()

    async def start(self, tenant: Tenant, app_id: str) -> None:
        """Start an approved app; how it ends stands in the history. Raises a `Problem` and starts nothing."""
        owner = tenant.participant_id
        app = await self._node.store.read(owner, lambda uow: apps.own(uow, app_id))
        folder = self._folders.get(owner)
        if folder is None:
            raise WrongState("The operator has opened no folder of apps to this company.", id=app_id)
        if len(self._running) >= MOST_RUNS_COUNT:
            raise WrongState(f"{MOST_RUNS_COUNT} apps are running already; wait until one has ended.")
        place = tempfile.TemporaryDirectory(prefix="ashiato-app-")
        try:
            program = await asyncio.to_thread(
                _copied, folder, app.manifest.command, app.manifest.digest, Path(place.name)
            )
            token, moment = self.fresh_token(), self._node.moment()
            until_ms = moment.now_ms + int(self._longest_s * 1000) + 60_000
            await self._node.store.run(
                owner, lambda uow: apps.begin_run(uow, app_id, self.token_sha256(token), until_ms, moment)
            )
        except BaseException:
            place.cleanup()
            raise
        task = asyncio.create_task(self._run(tenant, app_id, program, token, place))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """End what runs."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(
        self,
        tenant: Tenant,
        app_id: str,
        program: Path,
        token: str,
        place: "tempfile.TemporaryDirectory[str]",
    ) -> None:
        ended = Ended(None, "")
        try:
            ended = await self._ended(tenant, program, token)
        except OSError as error:
            ended = Ended(None, f"it cannot be started: {error.strerror}")
        finally:
            await asyncio.to_thread(place.cleanup)
            details: dict[str, object] = {
                "exit_code": ended.exit_code,
                "output": ended.output[-SHOWN_OUTPUT_CHARS:],
            }
            moment = self._node.moment()

            def end(uow: UnitOfWork) -> None:
                apps.end_run(uow, app_id, self.token_sha256(token), details, moment)

            await self._node.store.run(tenant.participant_id, end)

    async def _ended(self, tenant: Tenant, program: Path, token: str) -> Ended:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-c",
            _LIMITED,
            str(program),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=program.parent,
            env={
                "ASHIATO_APP_URL": f"{self._app_url}/app/v1/{tenant.slug}",
                "ASHIATO_APP_TOKEN": token,
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "LANG": "C.UTF-8",
                "HOME": str(program.parent),
            },
            start_new_session=True,
        )
        output = bytearray()
        exit_code: int | None = None
        try:
            async with asyncio.timeout(self._longest_s):
                await _read(process, output)
                exit_code = await process.wait()
        except TimeoutError:
            log.info("an app was ended", participant=tenant.participant_id, why="it ran too long")
        finally:
            _end_group(process.pid)
            await process.wait()
        return Ended(exit_code, output.decode("utf-8", "replace"))


async def _read(process: asyncio.subprocess.Process, output: bytearray) -> None:
    """The output as far as it is kept; the rest is read and forgotten, so that the app does not wait for a reader."""
    if process.stdout is None:
        return
    while chunk := await process.stdout.read(8192):
        output += chunk
        del output[:-MOST_OUTPUT_BYTES]


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _copied(folder: Path, command: str, digest: str, place: Path) -> Path:
    """The program, copied and checked; raises `Invalid` when it is not the one that was approved."""
    if not command:
        raise WrongState("The manifest names no command that this connector could start.")
    try:
        descriptor = os.open(folder / command, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Invalid(f"The app's file cannot be opened: {error.strerror}.", path="command") from None
    with os.fdopen(descriptor, "rb") as file:
        program = file.read(MOST_PROGRAM_BYTES + 1)
    if len(program) > MOST_PROGRAM_BYTES:
        raise Invalid(f"An app's file has at most {MOST_PROGRAM_BYTES} bytes.", path="command")
    found = hashlib.sha256(program).hexdigest()
    if found != digest:
        raise Invalid(
            f"The app's file has the digest {found}, not the one that was approved; register it anew.",
            path="digest",
        )
    copy = place / "app"
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o500)
    with os.fdopen(descriptor, "wb") as file:
        file.write(program)
    return copy
