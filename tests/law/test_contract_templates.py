"""The templates of contracts that come with the program, and what a data file with a fault is told."""

import re

import pytest

from ashiato.law.contract_templates import (
    TemplateKind,
    UnknownTemplate,
    UnreadableTemplate,
    read_template,
    template,
    template_names,
)

# The 22 headings of data exchange contracts in the scheme, in their order.
HEADINGS = [
    "Purchase orders", "Delivery times and delay", "Packaging and transport", "Transfer of risk", "Notice of defects",
    "Invoicing and payment", "Customs, origin, export control, supply-chain security", "Quality", "Warranty", "Liability",
    "Labelling and advertising", "Tooling", "Spare parts", "Intellectual property", "Electronic data interchange",
    "Information security", "Confidentiality", "Insurance", "Environment", "Social responsibility", "General provisions",
    "Governing law",
]  # fmt: skip
GOOD = """
id = "t"
version = "1"
kind = "exchange"
effective_from = "2026-12-01"
title = { en = "T", ja = "表" }
parameters = [{ name = "who", type = "text", label = { en = "Who", ja = "誰" } }]
clauses = [{ key = "a", title = { en = "A", ja = "甲" }, en = "It is {who}.", ja = "{who}である。" }]
"""


@pytest.mark.parametrize("name", ["data-exchange-1", "framework-1"])
def test_contracts_between_companies_have_the_22_headings(name: str) -> None:
    assert [clause.title.en for clause in template(name).clauses] == HEADINGS


def test_there_is_a_template_of_each_kind() -> None:
    assert {template(name).kind for name in template_names()} == set(TemplateKind)


@pytest.mark.parametrize("name", template_names())
def test_every_clause_stands_in_both_languages(name: str) -> None:
    for clause in template(name).clauses:
        assert re.search("[぀-ヿ一-鿿]", clause.ja), clause.key
        assert not re.search("[぀-ヿ一-鿿]", clause.en), clause.key


def test_a_framework_says_itself_what_differs_and_takes_the_rest_from_the_other() -> None:
    exchange = {clause.key: clause for clause in template("data-exchange-1").clauses}
    own = {clause.key for clause in template("framework-1").clauses if exchange[clause.key] != clause}
    assert own == {"orders", "delivery"}


def test_an_unknown_template_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UnknownTemplate) as caught:
        template("../../secret")
    assert "data-exchange-1" in str(caught.value)


def test_a_good_file_is_read() -> None:
    assert [clause.key for clause in read_template("t-1", GOOD).clauses] == ["a"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("id =", "id"), "Expected"),
        (('kind = "exchange"', 'kind = "gift"'), "gift"),
        (("It is {who}", "It is {where}"), "unknown parameter 'where'"),
        (("}]\nclauses", ", optional = true }]\nclauses"), "optional"),
        (('ja = "{who}である。"', 'ja = "{who}である。", odrl = "{"'), "no JSON"),
        (('ja = "{who}である。"', 'ja = "{who}である。", given = "when"'), "unknown parameter 'when'"),
        (('ja = "{who}である。"', 'ja = "{who}である。", color = "red"'), "color"),
    ],
)
def test_a_file_with_a_fault_is_refused_with_what_is_wrong(change: tuple[str, str], problem: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(UnreadableTemplate, match=problem):
        read_template("t-1", GOOD.replace(*change))
