"""Changes that a policy demands of JSON on its way out, made exactly: what no path points at keeps its value."""

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from ashiato.policy.transformations import Method, Transformation

MOST_ALTERED_BYTES = 8 * 1024 * 1024
MOST_ALTERED_COUNT = 1_000_000
# Beyond these a decimal number is a trap, not a measurement: written out it would fill the memory.
LARGEST_EXPONENT = 400

_STEP = re.compile(
    r"\.\.(?P<below>[A-Za-z_][A-Za-z0-9_-]*)|\.(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|(?P<all>\.\*|\[\*\])"
    r"|\[(?P<index>[0-9]{1,6})\]|\['(?P<quoted>[^'\\\]]{1,200})'\]"
)
_INSTANT = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:[Tt](?P<hour>[0-9]{2}):[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?P<zone>[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?)?)?"
)
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

Slot = tuple[Any, Any]
"""A container and the name or index of the member in it."""


class CannotAlter(Exception):
    """The data is not what these changes can be made in; `why` says what it is, without a value of it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def is_alterable(media_type: str) -> bool:
    """Whether data of this type can be altered at all: JSON, by its own name or as the form of another type."""
    plain = media_type.partition(";")[0].strip().lower()
    return plain == "application/json" or plain.endswith("+json")


def alter(body: bytes, changes: Sequence[Transformation]) -> bytes:
    """The JSON document with the changes made in their order; raises `CannotAlter`, and then nothing may be handed out."""
    if len(body) > MOST_ALTERED_BYTES:
        raise CannotAlter(f"it is larger than {MOST_ALTERED_BYTES} bytes")
    try:
        # Wrapped, so that the whole document is a member like any other.
        root = [_decode(body)]
    except (msgspec.DecodeError, RecursionError, ValueError, ArithmeticError):
        raise CannotAlter("it is no JSON") from None
    for change in changes:
        for json_path in change.json_paths:
            _change(root, json_path, change)
    try:
        return _encode(root[0])
    except (RecursionError, OverflowError, ValueError):
        raise CannotAlter("it cannot be written again") from None


def _change(root: list[Any], json_path: str, change: Transformation) -> None:
    slots: list[Slot] = [(root, 0)]
    for step in _STEP.finditer(json_path, 1):
        slots = [found for container, key in slots for found in _inner(container[key], step)]
        if len(slots) > MOST_ALTERED_COUNT:
            raise CannotAlter("too many of its members are to be changed")
    if change.method is Method.DROP:
        _drop(slots)
        return
    altered = _ALTERED[change.method]
    for container, key in slots:
        container[key] = altered(container[key], change)


def _inner(value: Any, step: re.Match[str]) -> Iterator[Slot]:
    name = step["name"] or step["quoted"]
    if name is not None:
        if isinstance(value, dict) and name in value:
            yield value, name
    elif step["index"] is not None:
        index = int(step["index"])
        if isinstance(value, list) and index < len(value):
            yield value, index
    elif step["all"]:
        yield from ((value, key) for key in _keys(value))
    else:
        yield from _below(value, step["below"])


def _below(value: Any, name: str) -> Iterator[Slot]:
    """Every member of that name, however deep, the value's own first (RFC 9535, 2.5.2)."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, dict) and name in current:
            yield current, name
        pending.extend(current[key] for key in _keys(current))


def _keys(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value)
    return range(len(value)) if isinstance(value, list) else ()


def _drop(slots: Sequence[Slot]) -> None:
    # From behind, so that the indexes of the others stay what they were.
    for container, key in sorted(
        slots, key=lambda slot: slot[1] if isinstance(slot[1], int) else -1, reverse=True
    ):
        if isinstance(container, dict):
            container.pop(key, None)
        else:
            del container[key]


def _blurred(value: Any, change: Transformation) -> Any:
    return change.replacement


def _rounded(value: Any, change: Transformation) -> Any:
    """The nearest multiple of the grain, the even one of two that are as near; exact however many digits there are."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise CannotAlter("what should be rounded is no number")
    exact = Decimal(value)
    grain = Decimal(change.grain or "1")
    if abs(exact.adjusted()) > LARGEST_EXPONENT:
        raise CannotAlter("a number in it is too large or too small")
    count = round(Fraction(exact) / Fraction(grain))
    _, digits, exponent = grain.as_tuple()
    coefficient = count * int("".join(map(str, digits)))
    if not isinstance(exponent, int):
        raise CannotAlter("the grain is no number")
    return Decimal((int(coefficient < 0), tuple(int(digit) for digit in str(abs(coefficient))), exponent))


def _coarsened(value: Any, change: Transformation) -> Any:
    if value is None:
        return None
    found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise CannotAlter("what should be made coarser is no date")
    kept = [found["year"]]
    for grain, separator in (("month", "-"), ("day", "-"), ("hour", "T")):
        if change.grain == "year" or found[grain] is None:
            break
        kept.append(separator + found[grain])
        if grain == "hour":
            kept.append(f":00:00{found['zone'] or ''}")
        if grain == change.grain:
            break
    return "".join(kept)


_ALTERED: dict[Method, Callable[[Any, Transformation], Any]] = {
    Method.BLUR: _blurred,
    Method.ROUND: _rounded,
    Method.COARSEN: _coarsened,
}
