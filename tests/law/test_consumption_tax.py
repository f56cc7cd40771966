"""The rate is that of the day of supply; the file of rates has one rate for each day, or is refused."""

from datetime import date
from fractions import Fraction

import pytest

from ashiato.law.consumption_tax import (
    NoTaxRate,
    TaxCategory,
    changes_within,
    consumption_tax_rates,
    read_rates,
    tax_rate,
)
from ashiato.law.provisions import UnreadableRulebook

_ROW = """
[[rates]]
category = "standard"
from = "{first}"
{until}
percent = "{percent}"
source = "a test"
year = 2026
standing = "assumption"
"""


def _text(*rows: tuple[str, str | None, str]) -> str:
    head = 'id = "JP-consumption-tax"\ntitle = "a"\ntitle_ja = "あ"\n'
    return head + "".join(
        _ROW.format(first=first, until=f'until = "{until}"' if until else "", percent=percent)
        for first, until, percent in rows
    )


@pytest.mark.parametrize(
    ("day", "percent"),
    [
        (date(1989, 4, 1), 3),
        (date(1997, 3, 31), 3),
        (date(1997, 4, 1), 5),
        (date(2014, 3, 31), 5),
        (date(2014, 4, 1), 8),
        (date(2019, 9, 30), 8),
        (date(2019, 10, 1), 10),
        (date(2026, 11, 24), 10),
    ],
)
def test_the_standard_rate_is_that_of_the_day(day: date, percent: int) -> None:
    assert tax_rate(TaxCategory.STANDARD, day).percent == percent


def test_the_reduced_rate_began_when_the_standard_rate_became_ten() -> None:
    assert tax_rate(TaxCategory.REDUCED, date(2019, 10, 1)).percent == 8
    with pytest.raises(NoTaxRate):
        tax_rate(TaxCategory.REDUCED, date(2019, 9, 30))


def test_before_the_tax_there_is_no_rate() -> None:
    with pytest.raises(NoTaxRate):
        tax_rate(TaxCategory.STANDARD, date(1989, 3, 31))


def test_every_rate_says_where_it_stands_written_and_when() -> None:
    assert all(rate.source and rate.year >= 1988 for rate in consumption_tax_rates())


def test_a_change_within_a_month_is_found_and_one_at_its_first_day_is_none() -> None:
    assert changes_within(date(2019, 9, 15), date(2019, 10, 15)) == (date(2019, 10, 1),)
    assert changes_within(date(2019, 10, 1), date(2019, 10, 31)) == ()


def test_a_rate_may_have_decimals() -> None:
    rates = read_rates(_text(("2000-01-01", None, "7.8")))
    assert tax_rate(TaxCategory.STANDARD, date(2020, 1, 1), rates).percent == Fraction(78, 10)


@pytest.mark.parametrize(
    "rows",
    [
        [("2000-01-01", None, "5"), ("2001-01-01", None, "8")],
        [("2000-01-01", "1999-01-01", "5")],
        [("2000-01-01", None, "five")],
    ],
)
def test_two_rates_on_one_day_and_rates_that_end_before_they_begin_are_refused(
    rows: list[tuple[str, str | None, str]],
) -> None:
    with pytest.raises(UnreadableRulebook):
        read_rates(_text(*rows))
