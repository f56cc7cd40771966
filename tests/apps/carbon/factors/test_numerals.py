from decimal import Decimal
from fractions import Fraction

import pytest

from ashiato.apps.carbon.factors.numerals import UnreadableNumber, parse_amount, parse_typed
from ashiato.facts.quantities import MalformedNumber


@pytest.mark.parametrize(
    ("text", "sign", "value"),
    [
        ("1.5", ".", "1.5"),
        ("-2.5e-7", ".", "-0.00000025"),
        ("1.23456789012345678E-20", ".", "1.23456789012345678E-20"),
        ("0,25", ",", "0.25"),
        (".5", ".", "0.5"),
        ("0", ".", "0"),
    ],
)
def test_numbers_of_inventories_are_exact(text: str, sign: str, value: str) -> None:
    assert parse_amount(text, sign) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "-inf",
        "1e30",
        "1e-31",
        "1e99999",
        "",
        "1.2.3",
        "1,5",
        "0x10",
        "1_000",
        "9" * 41,
        "1" * 61,
    ],
)
def test_what_is_no_usable_number_is_refused(text: str) -> None:
    with pytest.raises(UnreadableNumber):
        parse_amount(text)


def test_a_point_and_a_comma_together_are_not_guessed_at() -> None:
    with pytest.raises(UnreadableNumber, match="both a point and a comma"):
        parse_amount("1.234,5", ",")


@pytest.mark.parametrize(
    ("text", "value"),
    [("１２．５", "12.5"), ("1,234.5", "1234.5"), ("1,234,567", "1234567"), (" 3 ", "3"), ("−2", "-2")],
)
def test_what_people_type_is_read(text: str, value: str) -> None:
    assert parse_typed(text) == Fraction(value)


@pytest.mark.parametrize("text", ["1,5", "12,34", "NaN", "1e30", "１２kg", "1,2345"])
def test_a_comma_that_could_be_a_decimal_sign_is_refused(text: str) -> None:
    with pytest.raises(MalformedNumber):
        parse_typed(text)
