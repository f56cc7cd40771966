from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.api.management.program import served_program
from tests.cli.running import Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that serves `maker` and `cells` over HTTP."""
    home = tmp_path / "home"
    home.mkdir()
    folder = tmp_path / "node"
    folder.mkdir()
    # The node logs in this process; what a command prints must be the command's alone.
    with capture_logs(), served_program(folder) as (url, program):
        yield Node(url, program, home)
