"""A disk that is full: what was accepted is kept, what cannot be is said, and with room again everything goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# In a space of its own, so that no root is needed and nothing is left mounted. Enough for the store and little more.
ON_SMALL_DISK = ("unshare", "--mount", "--map-root-user", "sh", "-c")
MOUNT = 'mount -t tmpfs -o size=8m ashiato-test "$0" && exec "$@"'


def test_a_full_disk_loses_nothing_and_is_survived(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    probe = subprocess.run(
        [*ON_SMALL_DISK, MOUNT, str(disk), "true"], check=False, capture_output=True, text=True
    )
    if probe.returncode != 0:
        reason = f"NOT PROVED: no small disk can be mounted here without root: {probe.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    program = (sys.executable, "-m", "tests.crash.full_disk_program", str(disk), str(tmp_path))
    ran = subprocess.run(
        [*ON_SMALL_DISK, MOUNT, str(disk), *program],
        check=False,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    said = json.loads(ran.stdout.splitlines()[-1])
    assert "not available" in said.pop("told")
    assert said == {
        "refused": [503, "store-unavailable"],
        "assets": ["room"],
        "answered": 404,
        "waiting": "transferring",
        "ended": "done",
        "is_whole": True,
    }
