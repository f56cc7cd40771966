from fractions import Fraction

import pytest

from ashiato.apps.carbon.allocation import AllocationKey, Output, UnallocableProducts, allocate
from ashiato.apps.carbon.rulesets import ruleset
from ashiato.facts.quantities import parse_quantity
from ashiato.law.provisions import Standing

RULES = ruleset("PACT-3")


def output(product: str, kg: str, price: str | None) -> Output:
    return Output(product, parse_quantity(kg, "kg"), None if price is None else Fraction(price))


def test_a_price_ratio_of_four_still_shares_by_mass() -> None:
    found = allocate([output("a", "60", "4"), output("b", "40", "1")], RULES)
    assert (found.key, found.price_ratio) == (AllocationKey.MASS, Fraction(4))
    assert dict(found.shares) == {"a": Fraction(3, 5), "b": Fraction(2, 5)}


def test_a_price_ratio_above_four_shares_by_value() -> None:
    found = allocate([output("a", "60", "5"), output("b", "40", "1")], RULES)
    assert found.key is AllocationKey.ECONOMIC
    # 60 × 5 = 300 and 40 × 1 = 40.
    assert dict(found.shares) == {"a": Fraction(300, 340), "b": Fraction(40, 340)}


def test_a_co_product_of_three_percent_does_not_count_in_the_ratio() -> None:
    found = allocate([output("a", "97", "5"), output("b", "3", "1")], RULES)
    assert (found.key, found.share_of("b")) == (AllocationKey.MASS, Fraction(3, 100))
    assert allocate([output("a", "96.9", "5"), output("b", "3.1", "1")], RULES).key is AllocationKey.ECONOMIC


def test_a_free_co_product_bears_nothing() -> None:
    found = allocate([output("a", "60", "5"), output("b", "40", "0")], RULES)
    assert (found.key, found.share_of("a"), found.price_ratio) == (AllocationKey.ECONOMIC, Fraction(1), None)


def test_without_prices_mass_decides_and_the_result_says_so() -> None:
    found = allocate([output("a", "60", None), output("b", "40", None)], RULES)
    assert found.key is AllocationKey.MASS
    assert [note.key for note in found.assumptions if note.standing is Standing.ASSUMPTION] == [
        "allocation.prices"
    ]


def test_one_product_bears_all() -> None:
    found = allocate([output("a", "60", None)], RULES)
    assert (found.key, found.share_of("a")) == (AllocationKey.NONE, Fraction(1))
    assert not found.assumptions


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [output("a", "0", "1")],
        [output("a", "-5", "1")],
        [output("a", "1", "1"), output("a", "1", "1")],
        [output("a", "1", "1"), output("b", "1", None)],
        [output("a", "1", "1"), output("b", "1", "-1")],
    ],
)
def test_impossible_outputs_are_refused(outputs: list[Output]) -> None:
    with pytest.raises(UnallocableProducts):
        allocate(outputs, RULES)
