"""JSON as RFC 8259 means it, without the leniencies that let two readers see two documents."""

import json
from decimal import Decimal
from typing import Never

MAX_BYTES = 1_048_576
MAX_DEPTH = 64


class MalformedJson(ValueError):
    """The sender's bytes are not strict JSON; the sender must mend them. `problem` says what is wrong."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def parse_strict(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, exact: bool = False
) -> object:
    """The value in `data`: UTF-8, no duplicate keys, no NaN or infinity, no lone surrogates, bounded size and depth.

    With `exact`, numbers with a point or exponent are `Decimal` with every digit that stands there, else float.

    Raises `MalformedJson`; the parsers in common use accept one or more of these (duplicate keys: all of them).
    """
    if len(data) > max_bytes:
        raise MalformedJson(f"the document has {len(data)} bytes; at most {max_bytes} are accepted")
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=Decimal if exact else _finite,
        )
    except MalformedJson:
        raise
    except RecursionError:
        raise MalformedJson(f"nested deeper than {max_depth} levels") from None
    except ValueError as error:
        raise MalformedJson(str(error)) from None
    # Cheap bounds first: only a document with that many brackets can be that deep, only an escape can hide a surrogate.
    if data.count(b"{") + data.count(b"[") > max_depth and _depth(value) > max_depth:
        raise MalformedJson(f"nested deeper than {max_depth} levels")
    if b"\\u" in data:
        _refuse_surrogates(value)
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise MalformedJson(f"the key {key!r} stands twice in one object")
            seen.add(key)
    return members


def _refuse_constant(name: str) -> Never:
    raise MalformedJson(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise MalformedJson(f"{digits[:20]} is too large for a number")
    return number


def _depth(value: object) -> int:
    deepest = 0
    pending: list[tuple[object, int]] = [(value, 1)]
    while pending:
        item, level = pending.pop()
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else None
        if children is not None:
            deepest = max(deepest, level)
            pending.extend((child, level + 1) for child in children)
    return deepest


def _refuse_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedJson("a string holds half of a surrogate pair") from None
