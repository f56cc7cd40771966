"""Run the official kits of both protocols against our own server process, once on each store.

`run.py dsp` or `run.py dcp` runs one of them, `run.py dcp sqlite` on one store only.
"""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.postgresql_server import fresh_database, running_postgresql
from tests.tck import kit, report, scenarios
from tests.tck.dcp import cases
from tests.tck.dcp import kit as dcp_kit
from tests.tck.dcp.server_under_test import Server

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache" / "tck"
DCP_CACHE = CACHE / "dcp"
LOGS = CACHE / "logs"
STORES = ("sqlite", "postgresql")
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 15


class NotStarted(Exception):
    """The connector under test did not come up; the sentence says where its log is."""


def main() -> int:
    """0 when every test of both kits passed on every store, 1 when not, 2 when the kits cannot run here."""
    signal.signal(signal.SIGTERM, _stop)
    LOGS.mkdir(parents=True, exist_ok=True)
    DCP_CACHE.mkdir(exist_ok=True)
    wanted = [kit_name for kit_name in ("dsp", "dcp") if kit_name in sys.argv] or ["dsp", "dcp"]
    stores = [store for store in STORES if store in sys.argv] or STORES
    try:
        kit.check_java()
        jars_of = {
            "dsp": kit.resolve_jars(CACHE),
            "dcp": kit.resolve_jars(DCP_CACHE, dcp_kit.HERE),
        }
    except kit.Unavailable as error:
        print(error)
        return 2
    verdicts = []
    if "dsp" in wanted:
        tests_count = len(scenarios.TESTS)
        print(f"Dataspace Protocol TCK {scenarios.RELEASE}: {tests_count} tests on each store", flush=True)
        verdicts += [_told(report.judge(store, _executed_on(store, jars_of["dsp"]))) for store in stores]
    if "dcp" in wanted:
        disabled_count = len(cases.CASES) - len(cases.RUN)
        print(
            f"Decentralized Claims Protocol TCK {cases.RELEASE}: {len(cases.CASES)} tests, {disabled_count} of them "
            f"disabled in the kit; {len(cases.RUN)} on each store",
            flush=True,
        )
        verdicts += [_told(dcp_kit.judge(store, _dcp_executed_on(store, jars_of["dcp"]))) for store in stores]
    failed = any(verdict.failed_count for verdict in verdicts)
    if failed:
        print(f"The logs of the kits and of the servers are in {LOGS.relative_to(REPOSITORY)}.")
    print(report.closing_line(verdicts))
    return 1 if failed else 0


def _told(verdict: report.Verdict) -> report.Verdict:
    print("\n".join(verdict.lines), flush=True)
    return verdict


def _executed_on(store: str, jars: Path) -> dict[str, str]:
    folder = _fresh(CACHE / store)
    ready, log = folder / "ready.json", LOGS / f"{store}-connector.log"
    try:
        with _database(store, folder) as url, _process("tests.tck.connector_under_test", url, ready, log):
            connector = msgspec.json.decode(ready.read_bytes(), type=kit.Connector)
            settings = kit.settings(connector, _free_port())
            found = kit.run(jars, settings, folder / "kit", LOGS / f"{store}-kit.log")
    except NotStarted as error:
        print(error)
        return {}
    if found is None:
        print(f"The kit wrote no report on {store}; see {LOGS.relative_to(REPOSITORY)}/{store}-kit.log.")
        return {}
    return report.parse(found)


def _dcp_executed_on(store: str, jars: Path) -> dict[str, str]:
    """One server in all roles, and one run of the kit for each of them, in which it plays the other parties."""
    folder = _fresh(DCP_CACHE / store)
    ready, log = folder / "ready.json", LOGS / f"dcp-{store}-server.log"
    ports = {role.ours: _free_port() for role in cases.ROLES}
    told = ",".join(f"{role}={port}" for role, port in ports.items())
    executed: dict[str, str] = {}
    try:
        with (
            _database(store, folder) as url,
            _process("tests.tck.dcp.server_under_test", url, ready, log, "--kit-ports", told),
        ):
            server = msgspec.json.decode(ready.read_bytes(), type=Server)
            for role in cases.ROLES:
                settings = dcp_kit.settings(server, role, ports[role.ours])
                kit_log = LOGS / f"dcp-{store}-{role.ours}-kit.log"
                found = kit.run(jars, settings, folder / role.ours, kit_log, dcp_kit.packages(role))
                if found is None:
                    print(f"The kit wrote no report; see {kit_log.relative_to(REPOSITORY)}.")
                else:
                    executed |= dcp_kit.parse(found)
    except NotStarted as error:
        print(error)
    return executed


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


@contextmanager
def _database(store: str, folder: Path) -> Iterator[str]:
    """The URL of an empty store."""
    if store == "sqlite":
        yield f"sqlite:///{folder / 'connector.db'}"
        return
    with running_postgresql(durable=False) as server_url, fresh_database(server_url) as url:
        yield url


@contextmanager
def _process(module: str, store_url: str, ready: Path, log: Path, *more: str) -> Iterator[None]:
    """The server under test as a process of its own that has told where it is, ended with the block."""
    command = [sys.executable, "-m", module, "--store", store_url, "--ready", str(ready), *more]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(process, ready, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], ready: Path, log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline_s:
            tail = log.read_text("utf-8", "replace").splitlines()[-15:]
            raise NotStarted("\n".join([f"The connector under test did not start; see {log}.", *tail]))
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stop(_number: int, _frame: object) -> None:
    # As an exception, so that every block ends what it started.
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
