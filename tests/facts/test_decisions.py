"""Reasons keep codes and fields; the words come when somebody reads them."""

from string import Formatter

import pytest

from ashiato.facts.decisions import ENGLISH, JAPANESE, Decision, Reason

OPEN = Reason(
    "constraint_fails",
    "permission[0].constraint[0]",
    False,
    (),
    (("left", "count"), ("operator", "lteq"), ("right", "3"), ("actual", 4)),
)
MET = Reason("instant_holds", "permission[0].constraint[1]", True)


def test_a_reason_is_told_in_english_from_its_code_and_fields() -> None:
    assert OPEN.text == "count lteq 3 does not hold for 4"


def test_a_reason_is_told_in_any_language_that_has_a_table() -> None:
    assert OPEN.text_in({"constraint_fails": "{left}は{actual}回目です"}) == "countは4回目です"


def test_a_code_without_a_sentence_stands_for_itself() -> None:
    assert Reason("never_heard_of").text == "never_heard_of"


def test_an_instant_is_told_as_a_date() -> None:
    reason = Reason("instant_fails", fields=(*OPEN.fields[:3], ("actual_ms", 0)))
    assert reason.text == "count lteq 3 does not hold at 1970-01-01T00:00:00Z"


def test_a_denial_is_summed_up_by_the_leaf_that_decided() -> None:
    both = Reason("and", "permission[0].constraint[0]", False, (MET, OPEN))
    rule = Reason("permission_constraint", "permission[0]", False, (both,), (("action", "use"),))
    assert Decision(False, (rule,)).summary() == (
        "Denied: the conditions of the permission to use are not met, because "
        "count lteq 3 does not hold for 4."
    )
    assert Decision(False, (rule, rule, rule)).summary().endswith("for 4 (and 2 more).")


def test_a_permit_is_summed_up_without_its_conditions() -> None:
    rule = Reason("permission_applies", "permission[0]", True, (MET,), (("action", "use"),))
    assert Decision(True, (rule,)).summary() == "Permitted: the policy permits use."
    assert Decision(False, ()).summary() == "Denied."


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb\x1b[31m", "a\ufffdb\ufffd[31m"),
        ("x" * 201, "x" * 200 + "…"),
        (tuple(str(number) for number in range(12)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more]"),
        (("only",), "[only]"),
        ("{left.__class__}", "{left.__class__}"),
    ],
)
def test_what_strangers_wrote_is_cut_and_made_harmless(value: str | tuple[str, ...], shown: str) -> None:
    assert Reason("not_enforced_term", fields=(("term", value),)).text == f"{shown} is not read by this node"


def test_every_english_sentence_is_one_clause_that_names_plain_fields() -> None:
    for code, sentence in ENGLISH.items():
        assert not sentence.endswith("."), code
        fields = [name for _, name, _, _ in Formatter().parse(sentence) if name is not None]
        assert all(name.isidentifier() for name in fields), code


def test_every_sentence_exists_in_japanese_with_the_same_fields() -> None:
    assert set(JAPANESE) == set(ENGLISH)
    for code, sentence in ENGLISH.items():
        assert fields_of(JAPANESE[code]) == fields_of(sentence), code
        assert JAPANESE[code] != sentence


def fields_of(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def test_a_decision_is_told_in_japanese_too() -> None:
    leaf = Reason("left_operand_unknown", "p", None, (), (("left", "Membership"),))
    reason = Reason("permission_constraint", "permission[0]", None, (leaf,), (("action", "use"),))
    assert Decision(False, (reason, reason)).summary_ja() == (
        "拒否：use の許可の条件が満たされていません（理由：Membership はここでは知られておらず、"
        "その名前の検証済みの属性もありません）（ほか 1 件）。"
    )
    granted = Reason("permission_applies", "permission[0]", True, (), (("action", "use"),))
    assert Decision(True, (granted,)).summary_ja() == "許可：ポリシーは use を許可しています。"
    assert Decision(True, ()).summary_ja() == "許可。"
