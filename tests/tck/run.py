"""Run the official Dataspace Protocol kit against our own server process, once on each store."""

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

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache" / "tck"
LOGS = CACHE / "logs"
STORES = ("sqlite", "postgresql")
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 15


class NotStarted(Exception):
    """The connector under test did not come up; the sentence says where its log is."""


def main() -> int:
    """0 when every test of the release passed on every store, 1 when not, 2 when the kit cannot run here."""
    signal.signal(signal.SIGTERM, _stop)
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        kit.check_java()
        jars = kit.resolve_jars(CACHE)
    except kit.Unavailable as error:
        print(error)
        return 2
    print(
        f"Dataspace Protocol TCK {scenarios.RELEASE}: {len(scenarios.TESTS)} tests on each store", flush=True
    )
    verdicts = []
    for store in STORES:
        verdict = report.judge(store, _executed_on(store, jars))
        print("\n".join(verdict.lines), flush=True)
        verdicts.append(verdict)
    failed = any(verdict.failed_count for verdict in verdicts)
    if failed:
        print(f"The logs of the kit and of the connector are in {LOGS.relative_to(REPOSITORY)}.")
    print(report.closing_line(verdicts))
    return 1 if failed else 0


def _executed_on(store: str, jars: Path) -> dict[str, str]:
    folder = CACHE / store
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        with _database(store, folder) as url, _connector(store, url, folder) as connector:
            settings = kit.settings(connector, _free_port())
            found = kit.run(jars, settings, folder / "kit", LOGS / f"{store}-kit.log")
    except NotStarted as error:
        print(error)
        return {}
    if found is None:
        print(f"The kit wrote no report on {store}; see {LOGS.relative_to(REPOSITORY)}/{store}-kit.log.")
        return {}
    return report.parse(found)


@contextmanager
def _database(store: str, folder: Path) -> Iterator[str]:
    """The URL of an empty store."""
    if store == "sqlite":
        yield f"sqlite:///{folder / 'connector.db'}"
        return
    with running_postgresql(durable=False) as server_url, fresh_database(server_url) as url:
        yield url


@contextmanager
def _connector(store: str, store_url: str, folder: Path) -> Iterator[kit.Connector]:
    """The connector under test as a process of its own, ended with the block."""
    ready = folder / "ready.json"
    log = LOGS / f"{store}-connector.log"
    command = [
        sys.executable, "-m", "tests.tck.connector_under_test",
        "--store", store_url, "--ready", str(ready),
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield _wait_until_ready(process, ready, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], ready: Path, log: Path) -> kit.Connector:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline_s:
            tail = log.read_text("utf-8", "replace").splitlines()[-15:]
            raise NotStarted("\n".join([f"The connector under test did not start; see {log}.", *tail]))
        time.sleep(0.05)
    return msgspec.json.decode(ready.read_bytes(), type=kit.Connector)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stop(_number: int, _frame: object) -> None:
    # As an exception, so that every block ends what it started.
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
