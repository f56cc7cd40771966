"""Whom a record is shown: by the owner's rules, on verified claims."""

import pytest

from ashiato.hub.catalog.visibility import LARGEST_RULE_BYTES, Judge, audiences_of, keys_of_caller
from ashiato.statements.publications import MalformedPublication, Shown
from ashiato.trust.standing import Standing
from tests.hub.catalog.publishing_company import (
    ANYBODY,
    BUYER,
    CELL_MAKERS,
    MAKER,
    NOW_MS,
    OTHER,
    offer,
    publication,
    record,
)

CELL_MAKER = Standing(BUYER, {"role": frozenset({"cell_maker"})})
NOBODY = Standing(OTHER)
ONLY_BUYER: dict[str, object] = {
    "permission": [
        {
            "action": "use",
            "constraint": [
                {"leftOperand": "ashiato:participant", "operator": "isAnyOf", "rightOperand": [BUYER]}
            ],
        }
    ]
}
MY_GROUP: dict[str, object] = {
    "permission": [
        {
            "action": "use",
            "constraint": [{"leftOperand": "group", "operator": "isAnyOf", "rightOperand": ["friends"]}],
        }
    ]
}


def test_an_offer_is_seen_by_those_with_the_claim_that_its_owner_asks_for() -> None:
    held = record(publication(offers=(offer("for-all"), offer("for-cells", CELL_MAKERS))))
    assert [one.offer_id for one in Judge(CELL_MAKER, NOW_MS).sight(held).offers] == ["for-all", "for-cells"]
    assert [one.offer_id for one in Judge(NOBODY, NOW_MS).sight(held).offers] == ["for-all"]


def test_a_record_none_of_whose_offers_is_seen_does_not_exist() -> None:
    held = record(publication(offers=(offer("for-cells", CELL_MAKERS),)))
    assert not Judge(NOBODY, NOW_MS).sight(held).is_seen
    assert not Judge(CELL_MAKER, NOW_MS).sight(record(publication(offers=()))).is_seen


def test_the_rule_of_the_record_comes_before_those_of_its_offers() -> None:
    held = record(publication(access=(CELL_MAKERS,)))
    assert Judge(CELL_MAKER, NOW_MS).sight(held).is_seen
    assert not Judge(NOBODY, NOW_MS).sight(held).is_seen


def test_the_owner_sees_its_own_whatever_its_rules_say() -> None:
    held = record(publication(offers=(), access=(CELL_MAKERS,)))
    assert Judge(Standing(MAKER), NOW_MS).sight(held).is_seen


def test_of_a_listed_record_only_that_it_exists_is_seen() -> None:
    sight = Judge(NOBODY, NOW_MS).sight(record(publication(shown=Shown.LISTED)))
    assert sight.is_seen
    assert sight.offers == ()


def test_what_only_the_owner_could_know_lets_nobody_in() -> None:
    held = record(publication(access=(MY_GROUP,)))
    friend = Standing(BUYER, {"role": frozenset({"cell_maker"})})
    assert not Judge(friend, NOW_MS).sight(held).is_seen


@pytest.mark.parametrize(
    "rule",
    [
        {"permission": [{"action": "use", "constraint": [{"odd": 1}]}]},
        {"permission": [{"action": "use"}], "note": "x" * LARGEST_RULE_BYTES},
    ],
)
def test_a_rule_that_cannot_be_read_or_kept_is_refused_with_its_place(rule: dict[str, object]) -> None:
    with pytest.raises(MalformedPublication) as refusal:
        record(publication(offers=(offer(), offer("bad", rule))))
    assert refusal.value.path == "odrl:hasPolicy[1].ashiato:access"


def test_a_claim_of_the_same_text_under_another_name_lets_nobody_in() -> None:
    held = record(publication(access=(CELL_MAKERS,)))
    assert not Judge(Standing(BUYER, {"membership": frozenset({"cell_maker"})}), NOW_MS).sight(held).is_seen


def test_the_audiences_hold_a_key_of_everybody_who_sees_it() -> None:
    callers = (CELL_MAKER, NOBODY, Standing(MAKER), Standing(BUYER))
    held = [
        record(publication(access=access, offers=offers, shown=shown))
        for access in ((), (CELL_MAKERS,), (ONLY_BUYER,), (CELL_MAKERS, ONLY_BUYER), (ANYBODY, ONLY_BUYER))
        for offers in (
            (),
            (offer(),),
            (offer("c", CELL_MAKERS),),
            (offer("c", CELL_MAKERS), offer("b", ONLY_BUYER)),
        )
        for shown in Shown
    ]
    seen_count = 0
    for one in held:
        for caller in callers:
            if Judge(caller, NOW_MS).sight(one).is_seen:
                seen_count += 1
                assert audiences_of(one) & set(keys_of_caller(caller))
    assert 0 < seen_count < len(held) * len(callers)


def test_the_audiences_of_a_rule_leave_out_who_does_not_meet_it() -> None:
    held = record(publication(access=(CELL_MAKERS,)))
    assert not audiences_of(held) & set(keys_of_caller(NOBODY))
