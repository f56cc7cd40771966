import hashlib
from pathlib import Path

import pytest

from tests.tck import kit

CONNECTOR = kit.Connector(
    participant_id="did:web:example.org",
    root="http://127.0.0.1:9000",
    protocol="http://127.0.0.1:9000/dsp/2025-1",
    negotiation_initiate="http://127.0.0.1:9001/negotiations",
    transfer_initiate="http://127.0.0.1:9001/transfers",
    authorization="Bearer kit",
)


@pytest.fixture
def locked(tmp_path: Path) -> tuple[Path, Path]:
    """A folder with two jars and the lock that names them."""
    folder = tmp_path / "jars"
    folder.mkdir()
    for name in ("one.jar", "two.jar"):
        (folder / name).write_bytes(name.encode())
    lock = tmp_path / "jars.sha256"
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in folder.iterdir()]
    lock.write_text("".join(lines))
    return folder, lock


def test_the_locked_jars_have_no_fault(locked: tuple[Path, Path]) -> None:
    assert kit.faults_of(*locked) == []


def test_a_jar_that_is_missing_changed_or_added_is_a_fault(locked: tuple[Path, Path]) -> None:
    folder, lock = locked
    (folder / "one.jar").unlink()
    (folder / "two.jar").write_bytes(b"something else")
    (folder / "three.jar").write_bytes(b"")
    assert kit.faults_of(folder, lock) == [
        "one.jar is missing",
        "three.jar is not in the lock",
        "two.jar has another hash",
    ]


def test_a_folder_that_is_not_there_lacks_every_jar(tmp_path: Path) -> None:
    faults = kit.faults_of(tmp_path / "absent", kit.HERE / "jars.sha256")
    assert "dsp-contract-negotiation-1.0.0-RC6.jar is missing" in faults


def test_without_java_or_maven_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(kit.Unavailable, match=r"needs Java 17 or newer and Maven.*there is no java"):
        kit.check_java()


def test_an_older_java_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, told in (("java", 'openjdk version "11.0.2" 2019-01-15'), ("mvn", "")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(kit.Unavailable, match=r"the java on the path is openjdk version .11\.0\.2"):
        kit.check_java()


def test_the_kit_is_told_where_the_connector_is_and_stays_on_the_loopback() -> None:
    settings = kit.settings(CONNECTOR, kit_port=8083)
    assert settings["dataspacetck.host"] == "127.0.0.1"
    assert settings["dataspacetck.callback.address"] == "http://127.0.0.1:8083"
    assert settings["dataspacetck.dsp.connector.http.url"] == "http://127.0.0.1:9000/dsp/2025-1"
    assert settings["dataspacetck.dsp.connector.http.base.url"] == "http://127.0.0.1:9000"
    assert settings["dataspacetck.dsp.connector.agent.id"] == "did:web:example.org"
    assert settings["CN_01_02_OFFERID"] == "CD123:ACN0102"
