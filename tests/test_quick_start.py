"""The quick start of the README, done as it stands there; only the ports are free ones and the keys are those that were shown."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
SECTION = "Your own connector in five minutes"
PORTS = ("7001", "7002", "7003", "7004")
START_TIMEOUT_S = 60
COMMAND_TIMEOUT_S = 120
STOP_TIMEOUT_S = 20


def blocks() -> list[str]:
    """The blocks of code of the section, with free ports: what is common, two terminals that serve, two that work."""
    text = README.read_text("utf-8").partition(f"\n## {SECTION}\n")[2].partition("\n## ")[0]
    for port, free in zip(PORTS, free_ports(len(PORTS)), strict=True):
        text = text.replace(port, free)
    found = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]


def free_ports(count: int) -> list[str]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [str(probe.getsockname()[1]) for probe in probes]


def shell(script: str, folder: Path) -> list[str]:
    return ["env", "-C", str(folder), "bash", "-euc", script]


def surroundings(folder: Path) -> dict[str, str]:
    """A terminal of somebody who has set nothing up yet."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("ASHIATO")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": path, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}


@contextmanager
def serving(script: str, folder: Path, name: str) -> Iterator[str]:
    """A terminal that serves; the participant key that was shown in it."""
    ready, shown = folder / f"{name}.ready", folder / f"{name}.log"
    served = script.replace("ashiato connector serve", f"exec ashiato connector serve --ready-file {ready}")
    assert served != script
    with shown.open("wb") as output:
        process = subprocess.Popen(
            shell(served, folder), stdout=output, stderr=output, env=surroundings(folder)
        )
    try:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not ready.exists():
            assert process.poll() is None, shown.read_text("utf-8")
            assert time.monotonic() < deadline_s, shown.read_text("utf-8")
            time.sleep(0.05)
        keys = re.findall(r"^participant key: (\S+)$", shown.read_text("utf-8"), re.MULTILINE)
        yield keys[0]
    finally:
        process.terminate()
        ended = process.wait(STOP_TIMEOUT_S)
    assert ended == 0


def work(script: str, folder: Path, key: str) -> str:
    """A terminal of a company's people; what it printed."""
    told = re.sub(r"<the \w+'s participant key>", key, script)
    assert told != script
    done = subprocess.run(
        shell(told, folder),
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        env=surroundings(folder),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_quick_start_of_the_readme_works_as_it_is_written(tmp_path: Path) -> None:
    common, maker, buyer, offer, get = blocks()
    subprocess.run(shell(common, tmp_path), check=True, timeout=COMMAND_TIMEOUT_S)
    with (
        serving(maker, tmp_path, "maker") as maker_key,
        serving(buyer, tmp_path, "buyer") as buyer_key,
    ):
        work(offer, tmp_path, maker_key)
        printed = work(get, tmp_path, buyer_key)
    assert (tmp_path / "received.json").read_bytes() == (tmp_path / "footprint.json").read_bytes()
    assert "footprint-1" in printed
    assert "transfer.completed" in printed
