import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ashiato.cli.app import make_app
from ashiato.cli.problems import ExitCode

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text("utf-8")


def leaves(command: Any, path: str = "ashiato") -> dict[str, Any]:
    inner = getattr(command, "commands", None)
    if inner is None:
        return {path: command}
    return {
        name: leaf for key, value in inner.items() for name, leaf in leaves(value, f"{path} {key}").items()
    }


def test_every_command_is_described_and_nothing_else() -> None:
    told = re.findall(r"^\| `(ashiato [a-z -]+)` \|", PAGE, re.MULTILINE)
    assert sorted(told) == sorted(leaves(get_command(make_app())))


def test_every_exit_code_is_described() -> None:
    told = {int(code) for code in re.findall(r"^\| ([0-9]+) \|", PAGE, re.MULTILINE)}
    assert told == {0, *map(int, ExitCode)}


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", PAGE))))
def test_every_option_that_is_described_exists(option: str) -> None:
    real = {
        name
        for leaf in leaves(get_command(make_app())).values()
        for parameter in leaf.params
        for name in parameter.opts
    }
    assert option in real | {"--help"}
