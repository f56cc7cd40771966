"""The official kit on this machine: its jars, its settings, and one run of it."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tests.tck import scenarios

HERE = Path(__file__).resolve().parent
JAVA_MAJOR_VERSION = 17
RESOLVE_TIMEOUT_S = 600
# Each test waits up to DEFAULT_WAIT_S at most a few times before it gives up; all 65 pass in about a minute.
RUN_TIMEOUT_S = 600
DEFAULT_WAIT_S = 7
SUITES_PACKAGE = "org.eclipse.dataspacetck.dsp.verification"


class Unavailable(Exception):
    """The kit cannot be run on this machine; the sentence says what to do."""


class Connector(msgspec.Struct, frozen=True):
    """Where the connector under test listens.

    `root` is what the version document is relative to, `protocol` is the base of DSP 2025-1; at the other two
    addresses it is told to open a negotiation or a transfer of its own.
    """

    participant_id: str
    root: str
    protocol: str
    negotiation_initiate: str
    transfer_initiate: str
    authorization: str


def check_java() -> None:
    """Raise `Unavailable` unless Java and Maven are here."""
    advice = f"make tck needs Java {JAVA_MAJOR_VERSION} or newer and Maven (in Debian: default-jdk-headless, maven)"
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise Unavailable(f"{advice}; there is no {program} on the path.")
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r'version "(\d+)', told.stderr)
    if found is None or int(found.group(1)) < JAVA_MAJOR_VERSION:
        raise Unavailable(f"{advice}; the java on the path is {told.stderr.partition(chr(10))[0]}.")


def resolve_jars(cache: Path, described: Path = HERE) -> Path:
    """The folder of the kit's jars, fetched by Maven unless it is there and whole; raises `Unavailable`.

    `described` holds the kit's `pom.xml` and `jars.sha256`.
    """
    folder, lock = cache / "jars", described / "jars.sha256"
    if not faults_of(folder, lock):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    log = cache / "maven.log"
    command = [
        "mvn", "--batch-mode", "--no-transfer-progress", "--file", str(described / "pom.xml"),
        "dependency:copy-dependencies", f"-DoutputDirectory={folder}",
    ]  # fmt: skip
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, timeout=RESOLVE_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(f"Maven did not finish within {RESOLVE_TIMEOUT_S} s; see {log}.") from None
    if done.returncode != 0:
        errors = [line for line in log.read_text("utf-8", "replace").splitlines() if "ERROR" in line]
        raise Unavailable("\n".join([f"Maven could not fetch the kit; see {log}.", *errors[:5]]))
    faults = faults_of(folder, lock)
    if faults:
        raise Unavailable(f"The kit is not the one that {lock} names: " + "; ".join(faults[:5]))
    return folder


def faults_of(folder: Path, lock: Path) -> list[str]:
    """How the jars in a folder differ from the locked ones; empty when they are exactly those."""
    locked = {}
    for line in lock.read_text("utf-8").splitlines():
        digest, name = line.split()
        locked[name] = digest
    present = {path.name: path for path in folder.glob("*.jar")}
    faults = [f"{name} is missing" for name in locked if name not in present]
    faults += [f"{name} is not in the lock" for name in present if name not in locked]
    for name, path in present.items():
        if name in locked and hashlib.sha256(path.read_bytes()).hexdigest() != locked[name]:
            faults.append(f"{name} has another hash")
    return sorted(faults)


def settings(connector: Connector, kit_port: int) -> dict[str, str]:
    """The kit's settings for one run against `connector`; the kit listens on the loopback at `kit_port`."""
    prefix = "dataspacetck"
    return {
        f"{prefix}.launcher": "org.eclipse.dataspacetck.dsp.system.DspSystemLauncher",
        f"{prefix}.debug": "true",
        f"{prefix}.host": "127.0.0.1",
        f"{prefix}.port": str(kit_port),
        f"{prefix}.callback.address": f"http://127.0.0.1:{kit_port}",
        f"{prefix}.dsp.local.connector": "false",
        f"{prefix}.dsp.default.wait": str(DEFAULT_WAIT_S),
        f"{prefix}.dsp.connector.agent.id": connector.participant_id,
        f"{prefix}.dsp.connector.http.url": connector.protocol,
        f"{prefix}.dsp.connector.http.base.url": connector.root,
        f"{prefix}.dsp.connector.http.headers.authorization": connector.authorization,
        f"{prefix}.dsp.connector.negotiation.initiate.url": connector.negotiation_initiate,
        f"{prefix}.dsp.connector.transfer.initiate.url": connector.transfer_initiate,
        **scenarios.parameters(),
    }


def run(
    jars: Path,
    configuration: Mapping[str, str],
    folder: Path,
    log: Path,
    packages: Sequence[str] = (SUITES_PACKAGE,),
) -> bytes | None:
    """Run every suite of these packages once, in a new folder; the JUnit report, or None where the kit did not get that far."""
    folder.mkdir()
    lines = [f"{key}={_escaped(value)}\n" for key, value in configuration.items()]
    (folder / "kit.properties").write_text("".join(lines), "ascii")
    command = [
        "java", "-Xmx512m", "-cp", f"{jars}/*{os.pathsep}{folder}", "org.junit.platform.console.ConsoleLauncher",
        "execute", "--disable-banner", "--disable-ansi-colors", "--details=tree", "--include-engine=junit-jupiter",
        *(f"--select-package={package}" for package in packages), "--include-classname=.*Test",
        f"--reports-dir={folder}", "--config-resource=kit.properties",
    ]  # fmt: skip
    with log.open("wb") as output:
        try:
            subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, timeout=RUN_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            output.write(f"\nended after {RUN_TIMEOUT_S} s\n".encode())
    report = folder / "TEST-junit-jupiter.xml"
    return report.read_bytes() if report.exists() else None


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")
