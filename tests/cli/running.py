"""Runs commands as a person would, against a real server."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from ashiato.cli.app import make_app
from tests.api.management.offering import BODY, USE
from tests.api.management.program import OPERATOR_KEY, Program, key_of
from tests.companies import Company, api_key

SCRIPT = "from ashiato.cli.app import app; app(prog_name='ashiato')"


@dataclass(frozen=True)
class Ran:
    """What a command said and how it ended."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Node:
    """A served program, and the environment in which commands speak to it."""

    url: str
    program: Program
    home: Path

    def environment(self, slug: str, **more: str) -> dict[str, str]:
        """The settings of that company and nothing else of this machine."""
        return {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "ASHIATO_URL": self.url,
            "ASHIATO_API_KEY": OPERATOR_KEY if slug == "operator" else key_of(slug),
            "ASHIATO_COMPANY": slug,
            **more,
        }

    def run(self, slug: str, *arguments: str, stdin: bytes = b"") -> Ran:
        """One command of that company, in this process."""
        return run(arguments, self.environment(slug), stdin)

    def ok(self, slug: str, *arguments: str, stdin: bytes = b"") -> Any:
        """The JSON document of a command that must succeed and say nothing else."""
        ran = self.run(slug, *arguments, "--json", stdin=stdin)
        assert ran.exit_code == 0, ran.err
        assert ran.err == ""
        return ran.document

    def start(self, slug: str, *arguments: str, **more: str) -> "subprocess.Popen[bytes]":
        """One command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *arguments],
            env=self.environment(slug, **more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def run(arguments: Sequence[str], environment: Mapping[str, str], stdin: bytes = b"") -> Ran:
    """One command in this process, with this environment only."""
    absent = {name: None for name in os.environ if name.startswith(("ASHIATO_", "XDG_"))}
    result = CliRunner().invoke(make_app(), list(arguments), env={**absent, **environment}, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def offer(node: Node, *more: str, asset_id: str = "cfp-1", offer_id: str = "open") -> None:
    """`maker` offers an asset to everybody."""
    record = node.home / "record.json"
    record.write_bytes(BODY)
    node.program.contents[asset_id] = BODY
    node.ok("maker", "policy", "put", "use", "--policy", "-", stdin=json.dumps(USE).encode())
    node.ok(
        "maker", "asset", "put", asset_id, "--title", "Footprint", "--record", str(record),
        "--data-item", "cfp", "--part-group", "nmc811",
    )  # fmt: skip
    node.ok("maker", "offer", "put", offer_id, "--policy", "use", "--asset", asset_id, *more)


def until(look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it is something; fails after ten seconds."""
    for _ in range(200):
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


def state(node: Node, slug: str, command: tuple[str, str, str], wanted: str) -> Any:
    """What the command shows, once it is in that state."""

    def look() -> Any:
        found = node.ok(slug, *command)
        return found if found["state"] == wanted else None

    return until(look)


def first_approval(node: Node, slug: str) -> Any:
    """What waits for a person."""
    return until(lambda: node.ok(slug, "approval", "list")["items"])[0]


async def command(company: Company, *arguments: str) -> Ran:
    """One command of the company's own people."""
    environment = {
        "HOME": str(company.folder),
        "PATH": os.environ["PATH"],
        "ASHIATO_URL": str(company.ready["management_url"]),
        "ASHIATO_API_KEY": api_key(company.slug),
        "ASHIATO_COMPANY": company.slug,
    }
    return await asyncio.to_thread(run, arguments, environment)


async def ok(company: Company, *arguments: str) -> Any:
    """The document of a command that must succeed."""
    ran = await command(company, *arguments, "--json")
    assert ran.exit_code == 0, ran.err
    return ran.document if ran.out else None
