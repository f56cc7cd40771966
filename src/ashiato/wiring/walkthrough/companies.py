"""Companies as real connector processes with their own stores, and a client of their management APIs."""

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import aiohttp

from ashiato.wiring.settings import ENVIRONMENT_PREFIX

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 8.0
CALL_TIMEOUT_S = 30.0
LOOK_EVERY_S = 0.02
SHOWN_LOG_LINES = 15
PAGE_ITEMS_COUNT = 500
# Nobody wants to watch for five minutes until a suspension is felt.
STATUS_FRESH_S = 1

T = TypeVar("T")
Json = dict[str, Any]


class StepFailed(Exception):
    """A step did not hold; the sentence says what was expected and what came."""


class Company:
    """One connector process for one participant. It can be killed and started again on the same store and ports.

    It may host others (`Hosted`): companies with their own key and identity in the same process and store.
    """

    def __init__(
        self,
        folder: Path,
        slug: str,
        name: str,
        secret_references: Mapping[str, str],
        *,
        trust_list: Path | None = None,
    ) -> None:
        """With a trust list its partners are asked for their credentials; without one it issues credentials to others."""
        self.slug = slug
        self.name = name
        self.api_key = f"ashiato_{secrets.token_urlsafe(32)}"
        self.participant_id = ""
        self.public_url = ""
        self.management_url = ""
        self._folder = folder
        self._secrets = dict(secret_references)
        self._trust_list = trust_list
        self._hosted: list[Hosted] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def folder(self) -> Path:
        """Where the process keeps everything: settings, store, log, what was received."""
        return self._folder

    @property
    def apps_folder(self) -> Path:
        """The programs that the connector may start as apps."""
        return self._folder.with_name(f"{self._folder.name}-apps")

    @property
    def pid(self) -> int:
        """The process id of the running connector, 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    async def start(self) -> None:
        """Start the process and wait until both listeners answer; raises `StepFailed` with the last lines of its log."""
        for folder in (self._folder, self.apps_folder):
            folder.mkdir(parents=True, exist_ok=True)
        settings_file, ready_file = self._folder / "ashiato.toml", self._folder / "ready.json"
        settings_file.write_text(self._settings(), encoding="utf-8")
        ready_file.unlink(missing_ok=True)
        self._process = self._spawn(settings_file, ready_file)
        await self._ready(ready_file)
        ready = json.loads(ready_file.read_text(encoding="utf-8"))
        for company in (self, *self._hosted):
            await company._call_at(ready)
        # The management API loads at its first call; its users should not wait for it in the first step.
        await self.get("")

    async def _call_at(self, ready: Json) -> None:
        """Call the running process, as the ready file describes it."""
        self.public_url, self.management_url = ready["public_url"], ready["management_url"]
        self.participant_id = ready["participants"][self.slug]
        await self._hang_up()
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, headers={"X-Api-Key": self.api_key})

    async def get(self, path: str, **query: str | int) -> Json:
        """GET below the participant's own path; the JSON object of the answer."""
        return _object(await self._call("GET", path, None, query))

    async def items(self, path: str, **query: str | int) -> list[Json]:
        """All items of a list, page by page."""
        found: list[Json] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await self.get(path, limit=PAGE_ITEMS_COUNT, cursor=cursor, **query)
            found += page["items"]
            cursor = page["next_cursor"]
        return found

    async def content(self, path: str) -> bytes:
        """GET below the participant's own path; the bytes of the answer."""
        return await self._call("GET", path, None, {})

    async def did_document(self) -> bytes:
        """The company's DID document, as everybody reads it."""
        return await self._ask("GET", f"{self.public_url}/{self.slug}/did.json", None, {})

    async def post(self, path: str, body: object = None) -> Json:
        """POST `body` as JSON below the participant's own path; the JSON object of the answer."""
        return _object(
            await self._call("POST", path, None if body is None else json.dumps(body).encode(), {})
        )

    async def refusal(self, path: str, body: object) -> str:
        """What the company is told when it POSTs `body`; raises `StepFailed` when it is not refused."""
        try:
            answer = await self.post(path, body)
        except StepFailed as refused:
            return str(refused)
        raise StepFailed(f"{self.name} was not refused POST {path}: {answer}")

    async def put(self, path: str, body: object) -> Json:
        """PUT `body` below the participant's own path, bytes as they are and everything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return _object(await self._call("PUT", path, content, {}))

    def kill(self) -> None:
        """End the process as a power failure would, and wait until it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    async def close(self) -> None:
        """Let the process end in order; what has not ended in time is killed."""
        for company in (self, *self._hosted):
            await company._hang_up()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(StepFailed):
                await eventually("it ends", self._has_ended, bool, STOP_TIMEOUT_S)
        self.kill()

    @property
    def _log_file(self) -> Path:
        return self._folder / "connector.log"

    def _settings(self) -> str:
        """The settings file; ports are free ones at the first start, and the same ones later."""
        lines = [
            "unsafe_allow_loopback = true",
            "[store]",
            f"url = {_toml(f'sqlite:///{self._folder}/connector.db')}",
            f"directory = {_toml(str(self._folder))}",
            "[protocol]",
            f"port = {_port(self.public_url)}",
            "[management]",
            f"port = {_port(self.management_url)}",
        ]
        for company in (self, *self._hosted):
            lines += company._participant(self.apps_folder)
        if self._trust_list is not None:
            lines += [
                "[trust]",
                'mode = "dcp"',
                f"status_fresh_s = {STATUS_FRESH_S}",
                "[[trust.lists]]",
                f"file = {_toml(str(self._trust_list))}",
            ]
        return "\n".join(lines) + "\n"

    def _participant(self, apps_folder: Path) -> list[str]:
        key_sha256 = hashlib.sha256(self.api_key.encode()).hexdigest()
        return [
            "[[participants]]",
            f"slug = {_toml(self.slug)}",
            f"name = {_toml(self.name)}",
            f"api_key_sha256 = [{_toml(key_sha256)}]",
            f"apps_directory = {_toml(str(apps_folder))}",
            f"issues_credentials = {'true' if self._trust_list is None else 'false'}",
            "[participants.secrets]",
            *(f"{_toml(name)} = {_toml(text)}" for name, text in self._secrets.items()),
        ]

    def _spawn(self, settings_file: Path, ready_file: Path) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "ashiato.wiring.main", "connector", "serve",
            "--settings", str(settings_file), "--ready-file", str(ready_file),
        ]  # fmt: skip
        # The settings of another connector in this shell are not meant for these companies.
        environment = {
            name: text for name, text in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)
        }
        with self._log_file.open("ab") as log:
            # A session of its own: Ctrl-C reaches the demonstration alone, which ends its processes in order.
            return subprocess.Popen(  # noqa: S603  our own interpreter and arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    async def _ready(self, ready_file: Path) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            if await asyncio.to_thread(ready_file.exists):
                return
            if await self._has_ended() or time.monotonic() > deadline_s:
                raise StepFailed(
                    f"The connector of {self.name} did not start. Its log ends with:\n{self._tail()}"
                )
            await asyncio.sleep(LOOK_EVERY_S)

    async def _hang_up(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _tail(self) -> str:
        text = self._log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-SHOWN_LOG_LINES:])

    async def _call(
        self, method: str, path: str, content: bytes | None, query: Mapping[str, str | int]
    ) -> bytes:
        return await self._ask(method, f"{self.management_url}/v1/{self.slug}{path}", content, query)

    async def _ask(
        self, method: str, url: str, content: bytes | None, query: Mapping[str, str | int]
    ) -> bytes:
        if self._session is None:
            raise StepFailed(f"The connector of {self.name} is not running.")
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            async with self._session.request(
                method, url, data=content, params=query, headers=headers
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StepFailed(f"{self.name} does not answer {method} {url}: {error}") from error
        if answer.status >= 400:
            raise StepFailed(
                f"{self.name} answered {method} {answer.url.path} with {answer.status}: {_detail(body)}"
            )
        return body


class Hosted(Company):
    """A company whose connector runs in the process of another, its host, which starts and ends it."""

    def __init__(self, host: Company, slug: str, name: str) -> None:
        super().__init__(host.folder, slug, name, {}, trust_list=host._trust_list)
        self._host = host
        host._hosted.append(self)

    @property
    def pid(self) -> int:
        """That of the host."""
        return self._host.pid


async def eventually(
    what: str,
    look: Callable[[], Awaitable[T]],
    holds: Callable[[T], bool],
    timeout_s: float = 10.0,
    every_s: float = LOOK_EVERY_S,
) -> T:
    """The first thing seen that `holds`; raises `StepFailed` when there is none in time."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        seen = await look()
        if holds(seen):
            return seen
        if time.monotonic() > deadline_s:
            raise StepFailed(f"Within {timeout_s:g} s it did not happen that {what}; last seen: {seen}")
        await asyncio.sleep(every_s)


async def within(timeout_s: float, what: str, awaited: Awaitable[T]) -> T:
    """What is awaited; raises `StepFailed` when it does not come in time."""
    try:
        async with asyncio.timeout(timeout_s):
            return await awaited
    except TimeoutError:
        raise StepFailed(f"Within {timeout_s:g} s it did not happen that {what}.") from None


def expect(holds: bool, sentence: str) -> None:
    """Raise `StepFailed` with the sentence unless it `holds`."""
    if not holds:
        raise StepFailed(sentence)


def _object(body: bytes) -> Json:
    return cast(Json, json.loads(body)) if body else {}


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body[:300].decode("utf-8", "replace")


def _port(url: str) -> int:
    return int(url.rpartition(":")[2]) if url else 0


def _toml(text: str) -> str:
    # A JSON string without escapes beyond ASCII is a basic string of TOML.
    return json.dumps(text, ensure_ascii=False)
