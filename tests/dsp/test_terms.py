"""Whether an agreement keeps the rules of its offer, whatever the serializer of the counterparty did to them."""

import pytest

from ashiato.dsp.messages import Policy
from ashiato.dsp.terms import differing_term

COUNT = {"leftOperand": "count", "operator": "lteq", "rightOperand": "5"}
PURPOSE = {"leftOperand": "purpose", "operator": "eq", "rightOperand": "audit"}


def rule(*constraints: object, **members: object) -> dict[str, object]:
    return {"action": "use", "constraint": list(constraints), **members}


@pytest.mark.parametrize(
    ("offer", "agreement"),
    [
        ([rule(COUNT)], [rule(COUNT)]),
        ([{"action": "use"}], [{"action": "use", "constraint": []}]),
        ([{"action": "use"}], [{"action": "use", "constraints": []}]),
        ([rule(COUNT, PURPOSE)], [rule(PURPOSE, COUNT)]),
        ([rule(COUNT), rule(PURPOSE)], [rule(PURPOSE), rule(COUNT)]),
        ([rule({**COUNT, "rightOperand": 5})], [rule(COUNT)]),
        ([rule({"or": [COUNT, PURPOSE]})], [rule({"or": [PURPOSE, {**COUNT, "rightOperand": 5}]})]),
        ([rule({"andSequence": [{**COUNT, "rightOperand": 5}]})], [rule({"andSequence": [COUNT]})]),
        ([rule(COUNT)], [rule({"@type": "Constraint", **COUNT}, **{"@type": "Permission", "@id": "_:b0"})]),
        ([rule({"and": [{"or": [COUNT, PURPOSE]}]})], [rule({"and": [{"or": [PURPOSE, COUNT]}]})]),
    ],
)
def test_these_say_the_same(offer: list[object], agreement: list[object]) -> None:
    assert differing_term({"permission": offer}, {"permission": agreement}) is None


@pytest.mark.parametrize(
    ("offer", "agreement"),
    [
        ([rule(COUNT)], [rule()]),
        ([rule()], [rule(COUNT)]),
        ([rule(COUNT)], [rule({**COUNT, "operator": "gteq"})]),
        ([rule(COUNT)], [rule({**COUNT, "rightOperand": "6"})]),
        ([rule({**COUNT, "rightOperand": 5})], [rule({**COUNT, "rightOperand": "05"})]),
        ([rule(COUNT)], [rule(COUNT), rule(PURPOSE)]),
        ([rule(COUNT)], [rule(COUNT), rule(COUNT)]),
        ([rule({"or": [COUNT, PURPOSE]})], [rule({"and": [COUNT, PURPOSE]})]),
        ([rule({"andSequence": [COUNT, PURPOSE]})], [rule({"andSequence": [PURPOSE, COUNT]})]),
        ([rule({**COUNT, "rightOperand": ["a", "b"]})], [rule({**COUNT, "rightOperand": ["b", "a"]})]),
        ([rule({**COUNT, "rightOperand": {"@id": "a"}})], [rule({**COUNT, "rightOperand": {"@id": "b"}})]),
        ([rule({**COUNT, "rightOperand": [1]})], [rule({**COUNT, "rightOperand": [True]})]),
        ([rule({**COUNT, "unit": "day"})], [rule({**COUNT, "unit": "hour"})]),
        ([rule(COUNT)], [{**rule(COUNT), "action": "distribute"}]),
        ([rule(COUNT)], [{**rule(COUNT), "duty": [{"action": "delete"}]}]),
    ],
)
def test_these_do_not_say_the_same(offer: list[object], agreement: list[object]) -> None:
    assert differing_term({"permission": offer}, {"permission": agreement}) == "permission"


def test_every_kind_of_rule_is_compared_and_nothing_else() -> None:
    permission: Policy = {"permission": [rule(COUNT)]}
    assert (
        differing_term({"@id": "1", **permission}, {"@id": "2", "@type": "Agreement", **permission}) is None
    )
    for member in ("prohibition", "obligation"):
        assert differing_term(permission, {**permission, member: [rule(PURPOSE)]}) == member
