"""Typed looks into JSON of strangers: a member of another kind counts as absent, and who needs it says so."""

from collections.abc import Iterator
from decimal import Decimal

from ashiato.apps.carbon.factors.datasets import UnreadableSource
from ashiato.apps.carbon.factors.numerals import bounded
from ashiato.facts.strict_json import MalformedJson, parse_strict

MOST_BYTES = 64 * 1024**2

Object = dict[str, object]


def parse_object(data: bytes) -> Object:
    """The JSON object in `data`, numbers exact; raises `UnreadableSource`."""
    try:
        value = parse_strict(data, max_bytes=MOST_BYTES, exact=True)
    except MalformedJson as malformed:
        raise UnreadableSource("json_broken", malformed.problem) from None
    if not isinstance(value, dict):
        raise UnreadableSource("json_broken", "the document is no JSON object")
    return value


def text_at(value: Object, *path: str) -> str:
    """The string down that path, empty where there is none."""
    found = value
    for name in path[:-1]:
        found = object_at(found, name)
    text = found.get(path[-1])
    return text if isinstance(text, str) else ""


def object_at(value: Object, name: str) -> Object:
    """The object of that name, empty where there is none."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def objects_at(value: Object, name: str) -> Iterator[Object]:
    """The objects in the list of that name."""
    found = value.get(name)
    return (item for item in found if isinstance(item, dict)) if isinstance(found, list) else iter(())


def flag_at(value: Object, *names: str) -> bool:
    """Whether one of the members is true."""
    return any(value.get(name) is True for name in names)


def amount_of(value: Object, name: str) -> Decimal | None:
    """The number of that name, None where there is none; raises `UnreadableNumber` where it cannot be meant."""
    found = value.get(name)
    if isinstance(found, Decimal):
        return bounded(found)
    if isinstance(found, int) and not isinstance(found, bool):
        return bounded(Decimal(found))
    return None
