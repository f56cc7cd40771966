"""Whatever the schemas of Catena-X 2025/9 allow is read, judged and comes back the same."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ashiato.policy.builder import permit
from ashiato.policy.evaluation import Checkpoint, Side, decide, unenforceable
from ashiato.policy.identity import policy_hash, same_rules
from ashiato.policy.labels import labels_of
from ashiato.policy.odrl import Constraint, parse_policy
from tests.policy.asking import asked, permission

Json = dict[str, Any]
SCHEMAS_COUNT = 29


def schemas(conformance: Path) -> dict[str, Json]:
    folder = conformance / "cx-policy" / "schema" / "constraint"
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}


def values(node: Json, schema: Json) -> st.SearchStrategy[Any]:
    """What the schema allows; only the few words that these schemas use are known."""
    if "$ref" in node:
        return values(schema["definitions"][node["$ref"].rpartition("/")[2]], schema)
    for several in ("anyOf", "oneOf"):
        if several in node:
            return st.one_of([values(branch, schema) for branch in node[several]])
    if "const" in node:
        return st.just(node["const"])
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if node["type"] == "array":
        items = values(node["items"], schema)
        return st.lists(items, min_size=node.get("minItems", 0), max_size=3, unique=True)
    if node["type"] == "integer":
        return st.integers(0, 5000)
    if "pattern" in node:
        return st.from_regex(node["pattern"], fullmatch=True, alphabet=st.characters(max_codepoint=127))
    return st.text("abc:.- 日本", min_size=1, max_size=12)


@cache
def instances(schema_text: str) -> st.SearchStrategy[Json]:
    schema = json.loads(schema_text)
    node = schema["definitions"][schema["allOf"][0]["$ref"].rpartition("/")[2]]
    return st.fixed_dictionaries({name: values(part, schema) for name, part in node["properties"].items()})


def is_no_instant(constraint: Json) -> bool:
    """The pattern of the schema lets a 45th of Smarch through, which is read as no instant."""
    return str(constraint["leftOperand"]).endswith("Date")


def test_every_schema_is_tried(conformance: Path) -> None:
    assert len(schemas(conformance)) == SCHEMAS_COUNT


@pytest.mark.parametrize("number", range(SCHEMAS_COUNT))
def test_what_a_schema_allows_is_read_judged_and_comes_back_the_same(conformance: Path, number: int) -> None:
    schema = list(schemas(conformance).values())[number]
    validator = jsonschema_rs.validator_for(schema)

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(instances(json.dumps(schema)), st.sampled_from(list(Checkpoint)), st.sampled_from(list(Side)))
    def tried(constraint: Json, checkpoint: Checkpoint, side: Side) -> None:
        validator.validate(constraint)
        document = permission(constraint)
        policy = parse_policy(document)
        judged = policy.permissions[0].constraint
        assert isinstance(judged, Constraint)
        assert judged.left_operand == constraint["leftOperand"]
        if judged.measured is None:
            assert is_no_instant(constraint)
            assert not decide(policy, asked(checkpoint, side=side)).permitted
        else:
            assert unenforceable(policy) == ()
            assert [label.term for label in labels_of(policy)] == [constraint["leftOperand"]]
        decision = decide(policy, asked(checkpoint, side=side))
        assert decision.summary()
        again = json.loads(json.dumps(document))
        assert same_rules(document, again)
        assert policy_hash(document) == policy_hash(again)
        as_texts = permission({**constraint, "rightOperand": texts(constraint["rightOperand"])})
        assert policy_hash(as_texts) == policy_hash(document)
        assert decide(parse_policy(as_texts), asked(checkpoint, side=side)).permitted is decision.permitted
        prohibited: Json = {**permit(), "prohibition": [{"action": "use", "constraint": [constraint]}]}
        assert decide(parse_policy(prohibited), asked(checkpoint, side=side)).reasons

    tried()


def texts(value: Any) -> Any:
    return [texts(item) for item in value] if isinstance(value, list) else str(value)
