import contextlib
import json
import time
from types import MappingProxyType

import pytest

from ashiato.clients.schemas import BadSchema, Schemas

MEMBERSHIP = json.dumps(
    {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {"id": {"type": "string"}, "foo": {"type": "string"}},
        "required": ["id", "foo"],
    }
).encode()


def test_what_a_schema_asks_for_must_be_there() -> None:
    schemas = Schemas()
    assert schemas.violation(MEMBERSHIP, MappingProxyType({"id": "did:web:a", "foo": "bar"})) is None
    assert "foo" in (schemas.violation(MEMBERSHIP, {"id": "did:web:a"}) or "")


@pytest.mark.parametrize(
    "schema",
    [
        b"",
        b"[]",
        b'{"type": "nonsense"}',
        b'{"$ref": "http://127.0.0.1:1/other.json"}',
        b'{"$ref": "file:///etc/passwd"}',
        b'{"type": "object", "type": "string"}',
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
def test_a_schema_that_cannot_be_used_or_leads_elsewhere_is_refused(schema: bytes) -> None:
    with pytest.raises(BadSchema):
        Schemas().violation(schema, {})


def test_a_pattern_that_would_take_for_ever_does_not() -> None:
    schema = json.dumps({"properties": {"a": {"pattern": "^(a+)+$"}}}).encode()
    started_s = time.monotonic()
    with contextlib.suppress(BadSchema):
        Schemas().violation(schema, {"a": "a" * 40 + "!"})
    assert time.monotonic() - started_s < 1.0


def test_only_so_many_schemas_are_kept() -> None:
    schemas = Schemas()
    for number in range(200):
        schemas.violation(json.dumps({"minimum": number}).encode(), number)
    assert len(schemas._kept) == 64
