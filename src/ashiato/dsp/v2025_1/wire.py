"""The constants of this version and the checks that every document of it passes."""

from typing import Never

from ashiato.dsp.errors import MalformedMessage
from ashiato.facts.strict_json import MAX_BYTES, MalformedJson, parse_strict

VERSION = "2025-1"
MEDIA_TYPE = "application/json"
CONTEXT_URL = "https://w3id.org/dspace/2025/1/context.jsonld"
VERSIONS_PATH = ".well-known/dspace-version"

_BARE_CONTEXT = [CONTEXT_URL]
_ABSENT = object()


class Refusal(Exception):
    """Inside this folder only: a member breaks the schema; the entry points add the document's name."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem


def refuse(path: str, problem: str) -> Never:
    """Ends the check of a document at `path`."""
    raise Refusal(path, problem)


def at(path: str, member: str) -> str:
    """The path of `member` inside the object at `path`."""
    return f"{path}.{member}" if path else member


def parse_object(name: str, data: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, object]:
    """The JSON object in `data`; raises `MalformedMessage`."""
    try:
        document = parse_strict(data, max_bytes=max_bytes)
    except MalformedJson as error:
        raise MalformedMessage(name, "", error.problem) from None
    if type(document) is not dict:
        raise MalformedMessage(name, "", "must be a JSON object")
    return document


def foreign_contexts(document: dict[str, object]) -> tuple[str, ...]:
    """The contexts beside the protocol's own, which must be among them (DSP 2025-1, 4.2)."""
    contexts = document.get("@context")
    if contexts == _BARE_CONTEXT:
        return ()
    if type(contexts) is not list:
        refuse("@context", "must be an array of strings")
    if not all(type(context) is str for context in contexts):
        refuse("@context", "may hold strings only")
    if CONTEXT_URL not in contexts:
        refuse("@context", f"must contain {CONTEXT_URL}")
    return tuple(context for context in contexts if context != CONTEXT_URL)


def require_text(holder: dict[str, object], member: str, path: str = "") -> str:
    """The string that must stand at `member`."""
    value = holder.get(member, _ABSENT)
    if type(value) is not str:
        refuse(at(path, member), "is missing" if value is _ABSENT else "must be a string")
    return value


def optional_text(holder: dict[str, object], member: str, path: str = "") -> str | None:
    """The string at `member`, None where the member is absent; null is not a string."""
    value = holder.get(member, _ABSENT)
    if value is _ABSENT:
        return None
    if type(value) is not str:
        refuse(at(path, member), "must be a string")
    return value


def require_const(holder: dict[str, object], member: str, constant: str, path: str = "") -> None:
    """Refuses any other value than `constant` at `member`."""
    if holder.get(member) != constant:
        refuse(at(path, member), f"must be {constant!r}")


def optional_items(holder: dict[str, object], member: str, path: str, *, at_least: int = 1) -> list[object]:
    """The array at `member`, empty where the member is absent."""
    value = holder.get(member, _ABSENT)
    if value is _ABSENT:
        return []
    if type(value) is not list:
        refuse(at(path, member), "must be an array")
    if len(value) < at_least:
        refuse(at(path, member), "must not be empty; leave it out instead")
    return value


def require_object(value: object, path: str) -> dict[str, object]:
    """`value` as a JSON object."""
    if type(value) is not dict:
        refuse(path, "must be an object")
    return value


def unknown_members(holder: dict[str, object], known: frozenset[str]) -> dict[str, object]:
    """The members that this version does not define, as received."""
    return {member: value for member, value in holder.items() if member not in known}
