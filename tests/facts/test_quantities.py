from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashiato.facts.quantities import (
    GRAM,
    KILOGRAM,
    KILOWATT_HOUR,
    MEGAJOULE,
    PACT_UNITS,
    PIECE,
    UNITS,
    MalformedNumber,
    NoDecimalText,
    Quantity,
    UnitMismatch,
    UnknownUnit,
    decimal_exponent,
    decimal_text,
    exact_text,
    find_unit,
    fixed_text,
    parse_decimal,
    parse_exact,
    parse_quantity,
    round_decimals,
    round_significant,
)

DECIMALS = st.tuples(st.integers(-(10**20), 10**20), st.integers(0, 20))


def test_decimal_text_is_read_exactly() -> None:
    assert parse_decimal("0.1") + parse_decimal("0.2") == Fraction(3, 10)
    assert parse_decimal("-12.50") == Fraction(-25, 2)
    assert parse_decimal("1.2e-5") == Fraction(12, 1_000_000)
    assert parse_decimal("+3E2") == 300


@pytest.mark.parametrize(
    "text",
    [
        *(
            "NaN",
            "nan",
            "Infinity",
            "-inf",
            "",
            " 1",
            "1 ",
            "1,5",
            "1_000",
            "0x10",
            "１２",
            "1.",
            ".5",
            "--1",
            "1/3",
        ),
        *("1e30", "1" + "0" * 30, "1e-31", "1e999", "1e9999", "0." + "0" * 30 + "1", "9" * 41, "9" * 10_000),
        "1" + "0" * 24,
    ],
)
def test_what_is_no_sensible_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(MalformedNumber):
        parse_decimal(text)


def test_the_bounds_themselves_are_taken() -> None:
    assert parse_decimal("9" * 24) == 10**24 - 1
    assert parse_decimal("1e-30") == Fraction(1, 10**30)
    assert parse_decimal("0." + "1" * 30) == Fraction(int("1" * 30), 10**30)


@settings(max_examples=100)
@given(DECIMALS)
def test_decimal_text_comes_back_as_the_same_number(parts: tuple[int, int]) -> None:
    value = Fraction(parts[0], 10 ** parts[1])
    text = decimal_text(value)
    assert parse_decimal(text) == value
    assert "e" not in text.lower()
    assert "." not in text or not text.endswith("0")


@settings(max_examples=100)
@given(st.fractions())
def test_exact_text_comes_back_as_the_same_number(value: Fraction) -> None:
    assert parse_exact(exact_text(value)) == value


def test_exact_text_may_be_of_any_length() -> None:
    # A thousand parts with unlike losses make such denominators; Python's own text of integers ends at 4300 digits.
    long = Fraction(-1, 10**6000 + 1)
    assert parse_exact(exact_text(long)) == long
    assert parse_exact(exact_text(Fraction(10**6000 + 1, 5))) == Fraction(10**6000 + 1, 5)
    assert decimal_exponent(long) == -6001
    with pytest.raises(MalformedNumber):
        parse_exact(exact_text(long), max_chars=4096)


@pytest.mark.parametrize("text", ["1/0", "NaN", "1e3", "1/-3", "", "1/00", "9" * 300_000])
def test_exact_text_is_read_strictly(text: str) -> None:
    with pytest.raises(MalformedNumber):
        parse_exact(text)


def test_a_third_has_no_decimal_text() -> None:
    with pytest.raises(NoDecimalText):
        decimal_text(Fraction(1, 3))
    assert exact_text(Fraction(-1, 3)) == "-1/3"


def test_units_convert_exactly_inside_their_dimension() -> None:
    # 1 kWh = 3.6 MJ by definition.
    assert parse_quantity("2.506", "MJ").value_in(KILOWATT_HOUR) == Fraction(2506, 3600)
    assert parse_quantity("1", "kWh").to(MEGAJOULE).value == Fraction("3.6")
    assert parse_quantity("1.5", "t") == parse_quantity("1500", "kg")
    assert parse_quantity("1", "m3") == parse_quantity("1000", "liter")
    assert parse_quantity("1", "h") == parse_quantity("60", "min")
    assert parse_quantity("2", "t.km") == parse_quantity("2000", "kg.km")


def test_amounts_of_two_dimensions_never_meet() -> None:
    mass, energy = parse_quantity("1", "kg"), parse_quantity("1", "kWh")
    for meet in (
        lambda: mass + energy,
        lambda: mass - energy,
        lambda: mass < energy,
        lambda: mass <= energy,
        lambda: mass / energy,
        lambda: mass.to(PIECE),
    ):
        with pytest.raises(UnitMismatch):
            meet()
    assert mass != energy


def test_sums_and_ratios_of_amounts() -> None:
    assert parse_quantity("1", "kg") + parse_quantity("250", "g") == parse_quantity("1.25", "kg")
    assert parse_quantity("1", "kg") - parse_quantity("1500", "g") == -parse_quantity("0.5", "kg")
    assert parse_quantity("1", "t") / parse_quantity("3", "kg") == Fraction(1000, 3)
    assert 3 * parse_quantity("0.1", "g") == Quantity(Fraction(3, 10), GRAM)
    assert parse_quantity("999", "g") < parse_quantity("1", "kg") <= parse_quantity("1000", "g")
    assert len({parse_quantity("1", "kg"), parse_quantity("1000", "g")}) == 1


def test_every_declared_unit_of_pact_is_known() -> None:
    assert set(PACT_UNITS) == set(
        "liter|kilogram|cubic meter|kilowatt hour|megajoule|ton kilometer|square meter|piece|hour|megabit second".split(
            "|"
        )
    )
    assert all(find_unit(name) is unit for name, unit in PACT_UNITS.items())
    assert all(find_unit(name) is unit for name, unit in UNITS.items())


def test_an_unknown_unit_is_named() -> None:
    with pytest.raises(UnknownUnit, match="'KG' is no unit"):
        parse_quantity("1", "KG")


def test_a_tie_goes_to_the_even_digit() -> None:
    assert [round_decimals(Fraction(n, 1000), 2) for n in (125, 135, -125, 126)] == [
        Fraction(12, 100),
        Fraction(14, 100),
        Fraction(-12, 100),
        Fraction(13, 100),
    ]
    assert fixed_text(Fraction(2, 3), 4) == "0.6667"
    assert fixed_text(Fraction(-1, 2), 0) == "0"
    assert fixed_text(Fraction(5), 2) == "5.00"


def test_significant_digits_count_from_the_leading_one() -> None:
    assert round_significant(Fraction("123456"), 3) == 123_000
    assert round_significant(Fraction("0.00045678"), 3) == Fraction("0.000457")
    assert round_significant(Fraction("-9.996"), 3) == -10
    assert round_significant(Fraction(0), 3) == 0


@settings(max_examples=100)
@given(st.fractions().filter(bool))
def test_the_decimal_exponent_frames_the_number(value: Fraction) -> None:
    exponent = decimal_exponent(value)
    assert Fraction(10) ** exponent <= abs(value) < Fraction(10) ** (exponent + 1)


def test_an_amount_reads_as_number_and_unit() -> None:
    assert str(Quantity(Fraction(5, 4), KILOGRAM)) == "1.25 kg"
