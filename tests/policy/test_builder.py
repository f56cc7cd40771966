"""The common policies, against the protocol's official schema and against the engine."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from ashiato.facts.instants import DAY_MS, MalformedInstant
from ashiato.policy.builder import as_offer, permit
from tests.policy.asking import ALICE, BOB, NOW_MS, asked, permits
from tests.policy.drawing import Document

FULL = permit(participants=[ALICE], not_before_ms=NOW_MS, until_ms=NOW_MS + 500, elapsed="P30D", max_uses=3)


def test_each_limit_is_one_constraint_with_a_text_as_right_operand() -> None:
    assert FULL == {
        "permission": [
            {
                "action": "use",
                "constraint": [
                    {"leftOperand": "ashiato:participant", "operator": "isAnyOf", "rightOperand": [ALICE]},
                    {"leftOperand": "dateTime", "operator": "gteq", "rightOperand": "2026-11-24T12:00:00Z"},
                    {
                        "leftOperand": "dateTime",
                        "operator": "lteq",
                        "rightOperand": "2026-11-24T12:00:00.500Z",
                    },
                    {"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "P30D"},
                    {"leftOperand": "count", "operator": "lteq", "rightOperand": "3"},
                ],
            }
        ]
    }
    assert permit() == {"permission": [{"action": "use"}]}


@pytest.mark.parametrize("rules", [FULL, permit(), permit("access", participants=[ALICE, BOB])])
def test_the_official_schema_accepts_the_offer(conformance: Path, rules: Document) -> None:
    schema = json.loads((conformance / "dsp" / "negotiation" / "contract-schema.json").read_bytes())
    definition = {"$ref": "#/definitions/Offer", "definitions": schema["definitions"]}
    offers = jsonschema_rs.validator_for(definition)
    offers.validate(as_offer(rules, "urn:uuid:1"))
    assert not offers.is_valid({**as_offer(rules, "urn:uuid:1"), "target": "urn:uuid:2"})
    assert not offers.is_valid(as_offer({}, "urn:uuid:1"))


def test_every_limit_is_held() -> None:
    assert permits(FULL, asked(by=ALICE, uses_count=2))
    assert not permits(FULL, asked(by=BOB))
    assert not permits(FULL, asked(now_ms=NOW_MS - 1))
    assert permits(FULL, asked(now_ms=NOW_MS + 500))
    assert not permits(FULL, asked(now_ms=NOW_MS + 501))
    assert not permits(FULL, asked(agreed_at_ms=NOW_MS - 30 * DAY_MS - 1))
    assert not permits(FULL, asked(uses_count=3))


def test_a_limit_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one participant"):
        permit(participants=[])
    with pytest.raises(ValueError, match="not negative"):
        permit(max_uses=-1)
    with pytest.raises(MalformedInstant):
        permit(elapsed="30 days")
