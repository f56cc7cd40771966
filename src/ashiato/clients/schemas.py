"""JSON Schemas that credentials name, read without any further fetch."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ashiato.facts.strict_json import MalformedJson, parse_strict

if TYPE_CHECKING:
    from jsonschema_rs import Validator

_MOST_BYTES = 262_144
_MOST_DEPTH = 32
_MOST_KEPT_COUNT = 64


class BadSchema(Exception):
    """The issuer's schema cannot be used; `why` is one sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Schemas:
    """Compiled schemas by their bytes, the last used ones kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Validator] = OrderedDict()

    def violation(self, schema: bytes, value: object) -> str | None:
        """What in `value` breaks the schema, None when nothing does; raises `BadSchema`."""
        validator = self._validator(schema)
        first = next(validator.iter_errors(_plain(value)), None)
        return None if first is None else str(first.message)[:300]

    def _validator(self, schema: bytes) -> "Validator":
        kept = self._kept.get(schema)
        if kept is None:
            kept = self._kept[schema] = _compiled(schema)
            while len(self._kept) > _MOST_KEPT_COUNT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(schema)
        return kept


def _plain(value: object) -> object:
    """The same JSON value in plain dicts and lists, whatever read-only forms it is made of."""
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    return value


def _compiled(schema: bytes) -> "Validator":
    import jsonschema_rs

    try:
        document = parse_strict(schema, max_bytes=_MOST_BYTES, max_depth=_MOST_DEPTH)
    except MalformedJson as error:
        raise BadSchema(f"it is not strict JSON: {error.problem[:200]}") from None
    if not isinstance(document, dict):
        raise BadSchema("it is not a JSON object")
    try:
        # Its references lead nowhere outside itself, and its patterns take linear time.
        return jsonschema_rs.validator_for(
            document, offline=True, pattern_options=jsonschema_rs.RegexOptions(size_limit=1_000_000)
        )
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise BadSchema(str(error)[:300]) from None
