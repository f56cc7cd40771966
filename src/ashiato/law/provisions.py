"""Rulebooks as data files: each provision has a value, a unit, where it stands written, of which year, and how far that is known.

A new edition is a new file. Values are exact; what a formula makes of them stands in the rooms above.
"""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import msgspec

from ashiato.facts.quantities import MalformedNumber, parse_decimal


class Standing(StrEnum):
    """How far it is known that the source says so."""

    STATED = "stated"
    """Read in the text itself, or in a public transcript of it clause by clause."""
    REPORTED = "reported"
    """Read in texts that report on it."""
    RECALLED = "recalled"
    """Known from memory and held against no text."""
    ASSUMPTION = "assumption"
    """Set here, because the text leaves it open or cannot be read."""


class Force(StrEnum):
    """Whether a rulebook binds."""

    DRAFT = "draft"
    IN_FORCE = "in_force"
    VOLUNTARY = "voluntary"
    SUPERSEDED = "superseded"


class UnreadableRulebook(ValueError):
    """A data file of rules is wrong; whoever edits it must mend it."""

    def __init__(self, identifier: str, problem: str) -> None:
        super().__init__(f"rulebook {identifier!r}: {problem}")
        self.identifier = identifier
        self.problem = problem


class UnknownRulebook(KeyError):
    """No rulebook has that id; the caller must name one of `rulebook_ids`."""

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.identifier = identifier

    def __str__(self) -> str:
        return f"no rulebook is called {self.identifier!r}; there are {', '.join(rulebook_ids())}"


class Provision(msgspec.Struct, frozen=True, kw_only=True):
    """One value that a rulebook sets: a number with its unit, or words."""

    key: str
    number: Fraction | None
    words: tuple[str, ...]
    unit: str
    source: str
    year: int
    standing: Standing


class Rulebook(msgspec.Struct, frozen=True, kw_only=True):
    """One edition of a law, guideline or rulebook. `title_ja` is its Japanese title."""

    id: str
    title: str
    title_ja: str
    edition: str
    force: Force
    source: str
    provisions: Mapping[str, Provision]


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    title: str
    title_ja: str
    edition: str
    force: Force
    source: str
    provisions: dict[str, dict[str, object]]


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    value: str | tuple[str, ...]
    unit: str
    source: str
    year: int
    standing: Standing


@cache
def rulebook_ids() -> tuple[str, ...]:
    """The ids of all rulebooks that come with the program, in order."""
    folder = files("ashiato.law") / "carbon"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir()))


@cache
def rulebook(identifier: str) -> Rulebook:
    """The rulebook of that id; raises `UnknownRulebook`, and `UnreadableRulebook` for a data file with a fault."""
    if identifier not in rulebook_ids():
        raise UnknownRulebook(identifier)
    text = (files("ashiato.law") / "carbon" / f"{identifier}.toml").read_text("utf-8")
    book = read_rulebook(identifier, text)
    if book.id != identifier:
        raise UnreadableRulebook(identifier, f"it calls itself {book.id!r}")
    return book


def read_rulebook(identifier: str, text: str) -> Rulebook:
    """The rulebook in TOML `text`: values are decimal text with a unit, or words without. Raises `UnreadableRulebook`."""
    try:
        header = msgspec.convert(tomllib.loads(text), _Header)
        provisions = {key: _provision(key, row) for key, row in header.provisions.items()}
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, MalformedNumber) as error:
        raise UnreadableRulebook(identifier, str(error)) from None
    return Rulebook(
        id=header.id,
        title=header.title,
        title_ja=header.title_ja,
        edition=header.edition,
        force=header.force,
        source=header.source,
        provisions=MappingProxyType(provisions),
    )


def _provision(key: str, members: dict[str, object]) -> Provision:
    row = msgspec.convert(members, _Row)
    words = (row.value,) if isinstance(row.value, str) else row.value
    return Provision(
        key=key,
        number=parse_decimal(words[0]) if row.unit and len(words) == 1 else None,
        words=() if row.unit else words,
        unit=row.unit,
        source=row.source,
        year=row.year,
        standing=row.standing,
    )
