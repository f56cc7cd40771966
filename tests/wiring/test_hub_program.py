"""The hub as a process: it starts, says that it is ready, shows its figures, stops, and loses nothing when it is killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from ashiato.wiring.hub_program import HubProgram
from ashiato.wiring.hub_settings import HubSettings, OperatorSettings, check_hub_settings, load_hub_settings
from ashiato.wiring.settings import BadSettings, ProtocolSettings
from tests.companies import free_port
from tests.dcp_parties import World, dcp_world
from tests.hubs import OPERATOR_KEY, company, hub_settings, running_hub

PATIENCE_S = 60.0
KEY = {"X-Api-Key": OPERATOR_KEY}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with dcp_world(0) as made:
        yield made


def write_settings(folder: Path, store_url: str, public_url: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "hub.toml"
    keys = ", ".join(json.dumps(key) for key in hub_settings(folder).operator.operator_key_sha256)
    file.write_text(
        f'unsafe_allow_loopback = true\n[store]\nurl = "{store_url}"\ndirectory = "{folder}"\n'
        f'[public]\nport = {public_url.rpartition(":")[2]}\npublic_url = "{public_url}"\n'
        f"[operator]\nport = 0\noperator_key_sha256 = [{keys}]\n",
        encoding="utf-8",
    )
    return file


class Process:
    """`ashiato hub run` in a process of its own."""

    def __init__(self, folder: Path, store_url: str, public_url: str = "") -> None:
        address = public_url or f"http://127.0.0.1:{free_port()}"
        self._settings = write_settings(folder, store_url, address)
        self._ready_file = folder / "ready.json"
        self.process: subprocess.Popen[bytes]

    async def command(self, name: str, *arguments: str) -> int:
        """The exit code of another command of the hub with the same settings."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ashiato.wiring.main",
            "hub",
            name,
            "--settings",
            str(self._settings),
            *arguments,
        )
        return await process.wait()

    async def start(self) -> dict[str, str]:
        """Where it serves, once it does."""
        self._ready_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "ashiato.wiring.main", "hub", "run"]
        command += ["--settings", str(self._settings), "--ready-file", str(self._ready_file)]
        self.process = subprocess.Popen(command, env={**os.environ, "ASHIATO_LOG_LEVEL": "ERROR"})
        deadline_s = time.monotonic() + PATIENCE_S
        while not self._ready_file.exists():
            assert self.process.poll() is None
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.05)
        found: dict[str, str] = json.loads(self._ready_file.read_text("utf-8"))
        return found

    async def end(self, number: signal.Signals) -> int:
        """The exit code after that signal."""
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, PATIENCE_S)


async def test_a_hub_starts_is_ready_and_stops(tmp_path: Path, store_url: str) -> None:
    process = Process(tmp_path, store_url)
    ready = await process.start()
    async with aiohttp.ClientSession() as session:
        for url in (ready["public_url"], ready["operator_url"]):
            async with session.get(f"{url}/v1/health") as answer:
                assert (answer.status, (await answer.json())["hub"]) == (200, ready["hub"])
            async with session.get(f"{url}/v1/ready") as answer:
                assert (answer.status, await answer.json()) == (200, {"status": "ready"})
        async with session.get(f"{ready['public_url']}/hub/did.json") as answer:
            document = json.loads(await answer.text())
            assert document["id"] == ready["hub"]
            assert [service["type"] for service in document["service"]] == ["IssuerService"]
    assert await process.end(signal.SIGTERM) == 0


async def test_what_was_answered_survives_a_kill(tmp_path: Path, store_url: str, world: World) -> None:
    process = Process(tmp_path, store_url)
    ready = await process.start()
    body = {"party": world.holder("maker").did, "company": company(7)}
    async with aiohttp.ClientSession(headers=KEY) as session:
        async with session.post(f"{ready['operator_url']}/v1/operator/applications", json=body) as answer:
            assert answer.status == 201
        await process.end(signal.SIGKILL)
        again = await process.start()
        async with session.get(f"{again['operator_url']}/v1/operator/parties") as answer:
            found = await answer.json()
    assert [item["company"]["name"] for item in found["items"]] == ["Company 7"]
    assert await process.end(signal.SIGTERM) == 0


async def test_a_backup_of_a_running_hub_is_restored_by_command_and_served(
    tmp_path: Path, store_url: str, world: World
) -> None:
    before = Process(tmp_path / "before", store_url)
    ready = await before.start()
    body = {"party": world.holder("maker").did, "company": company(7)}
    async with aiohttp.ClientSession(headers=KEY) as session:
        async with session.post(f"{ready['operator_url']}/v1/operator/applications", json=body) as answer:
            assert answer.status == 201
        async with session.get(f"{ready['public_url']}/hub/did.json") as answer:
            document = await answer.text()
    assert await before.command("backup", "--to", str(tmp_path / "backup")) == 0
    await before.end(signal.SIGKILL)
    after = Process(tmp_path / "after", f"sqlite:///{tmp_path}/after/hub.db", ready["public_url"])
    assert await after.command("restore", "--from", str(tmp_path / "backup")) == 0
    again = await after.start()
    async with aiohttp.ClientSession(headers=KEY) as session:
        async with session.get(f"{again['operator_url']}/v1/operator/parties") as answer:
            found = await answer.json()
        async with session.get(f"{again['public_url']}/hub/did.json") as answer:
            assert await answer.text() == document
    assert [item["company"]["name"] for item in found["items"]] == ["Company 7"]
    assert await after.end(signal.SIGTERM) == 0


async def test_the_figures_count_requests_and_parties(tmp_path: Path, world: World) -> None:
    async with running_hub(tmp_path) as hub:
        await hub.admitted(world.holder("maker"), 1)
        await hub.party(world.holder("stranger"), "GET", "/v1/party/self")
        figures = (await hub.operator("GET", "/v1/metrics")).document.decode()
    assert 'ashiato_hub_parties{state="admitted"} 1.0' in figures
    assert 'ashiato_hub_parties{state="applied"} 0.0' in figures
    assert 'ashiato_hub_requests_total{door="party",status="403"} 1.0' in figures
    assert 'ashiato_hub_requests_total{door="onboarding",status="200"} 1.0' in figures


async def test_the_figures_need_a_key(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        assert (await hub.ask(hub.program.operator_url, "GET", "/v1/metrics")).status == 401
        assert (await hub.anyone("GET", "/v1/metrics")).status == 404


async def test_a_request_keeps_its_id_and_a_poisonous_one_gets_another(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        kept = await hub.anyone("GET", "/v1/health", **{"X-Request-Id": "trace-1"})
        made = await hub.anyone("GET", "/v1/health", **{"X-Request-Id": "a b" * 60})
    assert kept.headers["X-Request-Id"] == "trace-1"
    assert len(made.headers["X-Request-Id"]) == 36


async def test_a_hub_that_stops_says_that_it_is_not_ready(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        hub.program._is_stopping = True
        assert (await hub.anyone("GET", "/v1/ready")).status == 503


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"public": ProtocolSettings()}, "public.public_url"),
        ({"public": ProtocolSettings(public_url="http://hub.example")}, "https"),
        ({"public": ProtocolSettings(public_url="https://hub.example"), "slug": "v1"}, "slug"),
        ({"unsafe_allow_loopback": True, "operator": OperatorSettings()}, "operator_key_sha256"),
    ],
)
def test_settings_that_do_not_hold_together_are_told(change: dict[str, object], word: str) -> None:
    with pytest.raises(BadSettings, match=word):
        check_hub_settings(HubSettings(**change))  # type: ignore[arg-type]  # the cases name members


async def test_a_hub_does_not_become_another_one_on_the_same_store(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        before = hub.program.hub_id
    settings = msgspec.structs.replace(hub_settings(tmp_path), slug="elsewhere")
    program = HubProgram(settings)
    with pytest.raises(BadSettings, match="cannot change") as refused:
        await program.open()
    assert before in str(refused.value)
    await program.close()
    for bound in (program.bound, program.operator_bound):
        bound.close()


def test_the_file_that_init_writes_can_be_read(tmp_path: Path) -> None:
    from ashiato.wiring import hub_serving

    file = tmp_path / "hub.toml"
    assert hub_serving.init(file, "Battery hub", "https://hub.example") == 0
    settings = load_hub_settings(file, {})
    assert (settings.name, settings.public.public_url) == ("Battery hub", "https://hub.example")
    assert len(settings.operator.operator_key_sha256[0]) == 64
    assert hub_serving.init(file, "Battery hub", "https://hub.example") == 1
