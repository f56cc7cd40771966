"""The tests that the release holds, as its own sources name them: suite, method, whether it is disabled, and its name."""

from pathlib import Path
from typing import NamedTuple

RELEASE = "1.0.0-RC6"
PACKAGE = "org.eclipse.dataspacetck.dcp.verification"


class Case(NamedTuple):
    """One test of the kit."""

    suite: str
    method: str
    is_disabled: bool
    name: str


class Role(NamedTuple):
    """A run of the kit: whom our server plays, and the suites for it."""

    ours: str
    suites: tuple[str, ...]


ROLES = (
    Role("holder", ("presentation.cs", "issuance.cs")),
    Role("issuer", ("issuance.issuer",)),
    Role("verifier", ("presentation.verifier",)),
)


def _read() -> tuple[Case, ...]:
    lines = (Path(__file__).parent / "cases.txt").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return tuple(Case(suite, method, disabled == "disabled", name) for suite, method, disabled, name in rows)


CASES = _read()
"""All 88 names: the later releases of the kit hold the same."""
RUN = {f"{case.suite}:{case.method}": case.name for case in CASES if not case.is_disabled}
