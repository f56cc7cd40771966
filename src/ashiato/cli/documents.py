"""What a command takes from files and options: JSON documents, policies, instants."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ashiato.cli.problems import UsageProblem
from ashiato.cli.texts import say
from ashiato.facts.instants import MalformedInstant, parse_datetime, parse_duration
from ashiato.facts.strict_json import MalformedJson, parse_strict

STANDARD_INPUT = "-"
MOST_FILE_BYTES = 32 * 1_048_576

Id = Annotated[str, typer.Argument(help=say("option.id"))]
Limit = Annotated[int, typer.Option("--limit", help=say("option.limit"), min=1)]
Address = Annotated[str | None, typer.Option("--address", help=say("option.address"))]
WithPartner = Annotated[str, typer.Option("--with", help=say("option.partner"))]
PartnerFilter = Annotated[str | None, typer.Option("--with", help=say("option.partner_filter"))]
Reason = Annotated[str, typer.Option("--reason", help=say("option.reason"))]
PolicyFile = Annotated[str | None, typer.Option("--policy", help=say("option.policy_file"))]
NeededPolicyFile = Annotated[str, typer.Option("--policy", help=say("option.policy_file"))]
DataItem = Annotated[str, typer.Option("--data-item", help=say("option.data_item"))]
PartGroup = Annotated[str, typer.Option("--part-group", help=say("option.part_group"))]
Allow = Annotated[list[str] | None, typer.Option("--allow", help=say("option.allow"))]
NotBefore = Annotated[str | None, typer.Option("--not-before", help=say("option.not_before"))]
Until = Annotated[str | None, typer.Option("--until", help=say("option.until"))]
Elapsed = Annotated[str | None, typer.Option("--elapsed", help=say("option.elapsed"))]
Uses = Annotated[int | None, typer.Option("--uses", help=say("option.uses"), min=0)]


def read_bytes(path: str) -> bytes:
    """The bytes of a file, or of standard input for `-`; raises `UsageProblem`."""
    try:
        if path == STANDARD_INPUT:
            return sys.stdin.buffer.read(MOST_FILE_BYTES + 1)
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageProblem("problem.bad_file", path=path, why=error.strerror) from None


def read_object(path: str) -> dict[str, Any]:
    """The JSON object in a file; raises `UsageProblem`."""
    return object_in(read_bytes(path), path)


def given_object(text: str, name: str) -> dict[str, Any]:
    """The JSON object that an option holds, or @FILE names; raises `UsageProblem`."""
    return read_object(text[1:]) if text.startswith("@") else object_in(text.encode(), name)


def instant_ms(text: str) -> int:
    """Epoch milliseconds of a day (its first instant in UTC) or an instant; raises `UsageProblem`."""
    try:
        return parse_datetime(text if "T" in text else f"{text}T00:00:00Z")
    except MalformedInstant:
        raise UsageProblem("problem.bad_instant", text=text) from None


def policy_of(
    path: str | None,
    allow: Sequence[str] | None,
    not_before: str | None,
    until: str | None,
    elapsed: str | None,
    uses_count: int | None,
) -> dict[str, Any]:
    """The policy in a file, or the one permission that the options describe; raises `UsageProblem`."""
    options = (allow or None, not_before, until, elapsed, uses_count)
    if (path is None) == all(option is None for option in options):
        raise UsageProblem("problem.one_policy")
    if path is not None:
        return read_object(path)
    # Loaded here because most commands make no policy.
    from ashiato.policy.builder import permit

    if elapsed is not None:
        try:
            parse_duration(elapsed)
        except MalformedInstant:
            raise UsageProblem("problem.bad_duration", text=elapsed) from None
    return permit(
        "use",
        participants=list(allow) if allow else None,
        not_before_ms=None if not_before is None else instant_ms(not_before),
        until_ms=None if until is None else instant_ms(until),
        elapsed=elapsed,
        max_uses=uses_count,
    )


def pairs(texts: Sequence[str] | None) -> dict[str, str]:
    """NAME=VALUE options as an object; raises `UsageProblem`."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageProblem("problem.bad_property", text=text)
        found[name] = value
    return found


def given(**members: object) -> dict[str, object]:
    """The members that were given."""
    return {name: value for name, value in members.items() if value is not None}


def object_in(data: bytes, name: str) -> dict[str, Any]:
    try:
        found = parse_strict(data, max_bytes=MOST_FILE_BYTES)
    except MalformedJson as error:
        raise UsageProblem("problem.bad_json", path=name, why=error.problem) from None
    if not isinstance(found, dict):
        raise UsageProblem("problem.no_object", path=name)
    return found
