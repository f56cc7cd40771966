"""Contract texts: filled from templates, one hash each, their rules part of what is agreed."""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
import pytest
import rfc8785

from ashiato.law.contract_templates import Words, template
from ashiato.policy.labels import unenforceable
from ashiato.policy.odrl import parse_policy
from ashiato.statements.contract_texts import (
    ClauseChange,
    ContractText,
    DifferenceKind,
    MalformedText,
    WrongFilling,
    differences,
    fill,
    read_text,
    referenced_by,
    rules_of,
)

VALUES = {
    "provider_name": "Sakura Materials K.K.",
    "consumer_name": "Hokuto Cells K.K.",
    "data": "footprint of NMC811, lots of 2026",
    "purposes": "legal_reporting,product_design",
    "until": "2027-12-31",
}
EXCHANGE = template("data-exchange-1")


def filled(changes: dict[str, ClauseChange | None] | None = None, **values: str) -> ContractText:
    return fill(EXCHANGE, VALUES | values, changes)


def rules(text: ContractText) -> dict[str, Any]:
    return rules_of(text)


def constraints(text: ContractText) -> dict[str, object]:
    (permission,) = rules(text)["permission"]
    return {one["leftOperand"]: one["rightOperand"] for one in permission["constraint"]}


def test_values_stand_in_both_languages_and_in_the_rules() -> None:
    text = filled(retention_days="30")
    general = next(clause for clause in text.clauses if clause.key == "general")
    assert "ends with the day 2027-12-31" in general.en
    assert "受領から30日後" in general.ja
    assert constraints(text)["purpose"] == ["legal_reporting", "product_design"]
    assert constraints(text)["dateTime"] == "2027-12-31T23:59:59+09:00"
    (obligation,) = rules(text)["obligation"]
    assert obligation["constraint"][0]["rightOperand"] == "P30D"


def test_what_a_connector_cannot_hold_is_not_among_the_rules() -> None:
    assert unenforceable(parse_policy(rules_of(filled(price_yen="5000", regions="JP")))) == ()


def test_a_condition_that_nobody_fills_is_no_rule() -> None:
    assert "spatial" not in constraints(filled())
    assert constraints(filled(regions="JP, DE"))["spatial"] == ["JP", "DE"]


def test_the_rules_name_the_hash_of_the_canonical_text() -> None:
    text = filled()
    digest = sha256(text.canonical()).hexdigest()
    assert constraints(text)["cx-policy:ContractReference"] == f"urn:sha256:{digest}"
    assert referenced_by(rules_of(text)) == digest
    assert text.canonical() == rfc8785.dumps(json.loads(text.canonical()))
    assert read_text(text.canonical()) == text


def test_every_word_counts_for_the_hash() -> None:
    hashes = {
        filled().sha256,
        filled(until="2028-12-31").sha256,
        filled({"insurance": None}).sha256,
        filled({"insurance": ClauseChange(en="None.", ja="なし。")}).sha256,
    }
    assert len(hashes) == 4


def test_differences_show_what_was_changed_added_and_left_out_and_nothing_else() -> None:
    assert differences(filled(), EXCHANGE) == ()
    text = filled(
        {
            "liability": ClauseChange(en="Nobody is liable.", ja="責任を負わない。"),
            "insurance": None,
            "audit": ClauseChange(
                en="{provider_name} may audit.",
                ja="{provider_name}は監査できる。",
                title=Words(en="Audit", ja="監査"),
            ),
        }
    )
    found = differences(text, EXCHANGE)
    assert [(one.key, one.kind) for one in found] == [
        ("liability", DifferenceKind.CHANGED),
        ("audit", DifferenceKind.ADDED),
        ("insurance", DifferenceKind.OMITTED),
    ]
    assert found[0].before is not None
    assert "up to 10000000 yen" in found[0].before.en
    assert found[1].after is not None
    assert found[1].after.en == "Sakura Materials K.K. may audit."


def test_rules_that_were_taken_out_of_a_clause_show_as_a_difference() -> None:
    (secrecy,) = (clause for clause in EXCHANGE.clauses if clause.key == "confidentiality")
    text = filled({"confidentiality": ClauseChange(en=secrecy.en, ja=secrecy.ja, odrl="")})
    assert {"action": "distribute"} not in rules(text)["prohibition"]
    assert [one.key for one in differences(text, EXCHANGE)] == ["confidentiality"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: msgspec.structs.replace(text, title=Words(en="Consultancy", ja="顧問契約")),
        lambda text: msgspec.structs.replace(
            text,
            values=tuple(
                msgspec.structs.replace(one, label=Words(en="Deposit", ja="保証金")) for one in text.values
            ),
        ),
        lambda text: msgspec.structs.replace(text, values=(*text.values, text.values[-1])),
    ],
)
def test_a_text_whose_title_or_particulars_are_not_the_templates_is_none_of_it(
    spoil: Callable[[ContractText], ContractText],
) -> None:
    with pytest.raises(WrongFilling):
        differences(spoil(filled()), EXCHANGE)


@pytest.mark.parametrize(
    ("values", "member"),
    [
        ({"until": "2027-02-29"}, "until"),
        ({"until": "soon"}, "until"),
        ({"retention_days": "-1"}, "retention_days"),
        ({"retention_days": "1e3"}, "retention_days"),
        ({"security_profile": "none"}, "security_profile"),
        ({"purposes": "a,,b"}, "purposes"),
        ({"purposes": 'a","leftOperand":"x'}, "purposes"),
        ({"data": ""}, "data"),
        ({"data": "two\nlines"}, "data"),
        ({"data": "turned \u202e round"}, "data"),
        ({"data": "x" * 1001}, "data"),
        ({"unknown": "x"}, "unknown"),
    ],
)
def test_a_wrong_value_is_refused_with_its_parameter(values: dict[str, str], member: str) -> None:
    with pytest.raises(WrongFilling) as caught:
        filled(None, **values)
    assert caught.value.member == member


def test_a_missing_value_is_named_in_both_languages() -> None:
    with pytest.raises(WrongFilling, match="The data / 対象データ"):
        fill(EXCHANGE, {name: value for name, value in VALUES.items() if name != "data"})


def test_a_value_brings_no_parameter_and_no_rule_of_its_own() -> None:
    text = filled(data='{consumer_name} "}], "permission": []')
    orders = next(clause for clause in text.clauses if clause.key == "orders")
    assert '{consumer_name} "}]' in orders.en
    assert len(constraints(text)) == len(constraints(filled()))


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("no_such_clause", None),
        ("new", ClauseChange(en="x", ja="x")),
        ("New Clause", ClauseChange(en="x", ja="x", title=Words(en="x", ja="x"))),
        ("insurance", ClauseChange(en="", ja="x")),
        ("insurance", ClauseChange(en="{nobody} pays.", ja="x")),
        ("insurance", ClauseChange(en="{price_yen} yen.", ja="x")),
        ("insurance", ClauseChange(en="x", ja="x", odrl="{")),
        ("insurance", ClauseChange(en="x", ja="x", odrl="[]")),
        ("insurance", ClauseChange(en="x", ja="x", odrl='{"permission": NaN}')),
        ("insurance", ClauseChange(en="x", ja="x", odrl='{"permission": [], "permission": []}')),
        ("insurance", ClauseChange(en="x", ja="x", odrl='{"permission": ' + "[" * 3000 + "]" * 3000 + "}")),
    ],
)
def test_a_wrong_change_is_refused_with_its_clause(key: str, change: ClauseChange | None) -> None:
    with pytest.raises(WrongFilling) as caught:
        filled({key: change})
    assert caught.value.member == key


def spoilt(**members: object) -> bytes:
    document: dict[str, Any] = json.loads(filled().canonical())
    return rfc8785.dumps(document | members)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        filled().canonical() + b" ",
        spoilt(version=2),
        spoilt(more="x"),
        spoilt(title={"en": "\u202eevil", "ja": "x"}),
        spoilt(clauses=json.loads(filled().canonical())["clauses"] * 2),
        spoilt(clauses=[{"key": "a", "title": {"en": "A", "ja": "A"}, "en": "a", "ja": "a", "rules": "{"}]),
        spoilt(clauses=[{"key": "a", "title": {"en": "A", "ja": "A"}, "en": "a", "ja": "a", "rules": "[]"}]),
        b" " * 262_145,
    ],
)
def test_foreign_bytes_that_are_no_text_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedText):
        read_text(data)


@pytest.mark.parametrize(
    "right_operand", ["urn:sha256:00", "a paper contract", ["urn:sha256:" + "0" * 64], 5, None]
)
def test_a_reference_to_something_else_names_no_text(right_operand: object) -> None:
    constraint = {
        "leftOperand": "cx-policy:ContractReference",
        "operator": "eq",
        "rightOperand": right_operand,
    }
    assert referenced_by({"permission": [{"action": "use", "constraint": [constraint]}]}) is None
