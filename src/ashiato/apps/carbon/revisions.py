"""What becomes of a declaration when something under it changes: whether it still rests on what is there, and its next version.

Nothing here looks at events. What a result rests on is compared with what is there, so an event that is lost, comes twice or
comes too late changes nothing about the outcome: it only says when to look.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Literal, NamedTuple

import msgspec
import rfc8785

from ashiato.apps.carbon.calculating import FOOTPRINT, Calculation, Received, Revision, calculate
from ashiato.apps.carbon.declarations import FootprintDeclaration, MalformedDeclaration, read_declaration
from ashiato.facts.strict_json import MalformedJson, parse_strict

REVISION, STANDING = "carbon-revision-", "carbon-standing-"
"""How the ids of two more results begin: the version that waits for a person, and how the declaration stands."""
MOST_DOCUMENT_BYTES = 16 * 1_048_576

_NUMBERED = re.compile(r"(.+)\+([1-9][0-9]{0,8})")


class ResultStanding(StrEnum):
    """How the declaration of a product stands to what is there now."""

    CURRENT = "current"
    SUPERSEDED = "superseded"
    """A newer version is computed and waits for somebody of the company."""
    STALE = "stale"
    """Something under it changed, and a new version cannot be computed; `problem` says what to mend."""


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    pass


class Version(_Document, frozen=True, kw_only=True):
    """One declaration by its id and hexadecimal SHA-256."""

    id: str
    sha256: str


class ChangedInput(_Document, frozen=True, kw_only=True):
    """An input that is another one than before, by hash; "" where it was not there."""

    input: str
    before: str
    after: str


class FootprintStanding(_Document, frozen=True, kw_only=True):
    """What the app knows of a product's declaration. `basis` is the hash of all that it was computed from.

    `exposed` are the inputs whose quantity somebody who knows all inputs could tell from the declaration (or from the version
    that waits) together with those before, each with the median error that is left, in percent.
    """

    type: Literal["FootprintStanding"] = "FootprintStanding"
    product: str
    basis: str
    standing: ResultStanding
    declaration: Version | None = None
    revision: Version | None = None
    changed: tuple[ChangedInput, ...] = ()
    exposed: dict[str, str] = {}
    problem: str = ""


class Item(NamedTuple):
    """Something received, before it is read: from whom, as which asset, its hexadecimal SHA-256."""

    partner: str
    asset_id: str
    sha256: str


def basis_of(content: bytes, items: Iterable[Item], program: str) -> str:
    """The hexadecimal SHA-256 of everything that a calculation depends on; equal bases give equal results.

    What came twice counts once.
    """
    listed = sorted({(item.partner, item.asset_id, item.sha256) for item in items})
    return sha256(
        rfc8785.dumps({"inventory": sha256(content).hexdigest(), "received": listed, "program": program})
    ).hexdigest()


def next_version(
    content: bytes,
    received: Sequence[Received],
    issuer: str,
    program: str,
    earlier: bytes | None,
) -> Calculation:
    """The calculation that follows on the declaration `earlier`, or the same again where nothing about it changed.

    As long as the company keeps the inventory under one id, further versions are called `id+1`, `id+2`, … and each names the one
    before. Raises one of `calculating.REFUSALS`.
    """
    plain = calculate(content, received, issuer, program)
    before = None if earlier is None else _declaration(earlier)
    issue_id = plain.own.document.issue.id
    if before is None or _number(before.id, issue_id) is None:
        return plain
    again = plain
    if before.id != issue_id:
        same_names = Revision(before.id, before.supersedes)
        again = calculate(content, received, issuer, program, same_names)
    if again.declaration == earlier:
        return again
    number = (_number(before.id, issue_id) or 0) + 1
    return calculate(content, received, issuer, program, Revision(f"{issue_id}+{number}", before.id))


def version_of(declaration: bytes) -> Version:
    """The names of a declaration of one's own."""
    document = _declaration(declaration)
    return Version(id="" if document is None else document.id, sha256=sha256(declaration).hexdigest())


def issue_of(declaration: bytes) -> tuple[str, int]:
    """The id of a declaration of one's own, and from when it is valid."""
    document = read_declaration(declaration)[0]
    return document.id, document.valid_from_ms


def changed_inputs(before: bytes | None, after: bytes) -> tuple[ChangedInput, ...]:
    """Which inputs two records of calculation name differently, by their names without the beginning of an asset's id."""
    old, new = _inputs(before), _inputs(after)
    return tuple(
        ChangedInput(input=name.removeprefix(FOOTPRINT), before=old.get(name, ""), after=new.get(name, ""))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def bundled(calculation: Calculation) -> bytes:
    """The new version as one document for the company's own store."""
    battery = calculation.battery
    return rfc8785.dumps(
        {
            "type": "FootprintRevision",
            "declaration": msgspec.json.decode(calculation.declaration),
            "battery": None if battery is None else msgspec.json.decode(battery),
            "calculation": msgspec.json.decode(calculation.record),
            "contributions": msgspec.json.decode(calculation.contributions),
        }
    )


def read_standing(data: bytes) -> FootprintStanding | None:
    """What was written of a product's standing; None where it is no such document, which is then written anew."""
    try:
        return msgspec.convert(parse_strict(data, max_bytes=MOST_DOCUMENT_BYTES), FootprintStanding)
    except (MalformedJson, msgspec.ValidationError):
        return None


def _declaration(data: bytes) -> FootprintDeclaration | None:
    try:
        return read_declaration(data)[0]
    except MalformedDeclaration:
        return None


def _number(version_id: str, issue_id: str) -> int | None:
    """0 for the declaration that the inventory names, n for its nth revision, None for any other."""
    if version_id == issue_id:
        return 0
    match = _NUMBERED.fullmatch(version_id)
    return int(match[2]) if match is not None and match[1] == issue_id else None


def _inputs(record: bytes | None) -> Mapping[str, str]:
    if record is None:
        return {}
    try:
        document = parse_strict(record, max_bytes=MOST_DOCUMENT_BYTES)
    except MalformedJson:
        return {}
    inputs = document.get("inputs") if isinstance(document, dict) else None
    if not isinstance(inputs, dict):
        return {}
    return {str(name): str(digest) for name, digest in inputs.items()}
