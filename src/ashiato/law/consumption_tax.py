"""Japan's consumption tax by the date of the supply: the rates of `tax/JP-consumption-tax.toml`.

The rate of a supply is that of the day on which it is made (Consumption Tax Act, article 29), never that of the invoice.
"""

import tomllib
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from fractions import Fraction
from functools import cache
from importlib.resources import files

import msgspec

from ashiato.facts.quantities import MalformedNumber, parse_decimal
from ashiato.law.provisions import Standing, UnreadableRulebook

RATES_ID = "JP-consumption-tax"


class TaxCategory(StrEnum):
    """How a supply stands to the tax."""

    STANDARD = "standard"
    """標準税率."""
    REDUCED = "reduced"
    """軽減税率: food, and newspapers by subscription; data is none of them, an operator may still bill such things."""
    EXEMPT = "exempt"
    """非課税."""
    OUTSIDE = "outside"
    """不課税: no consideration for a supply, such as a subsidy."""


class NoTaxRate(LookupError):
    """No rate is known for that day; whoever keeps the rates must add it."""

    def __init__(self, category: TaxCategory, day: date) -> None:
        super().__init__(f"no rate of consumption tax is known for {category} on {day}")
        self.category = category
        self.day = day


class TaxRate(msgspec.Struct, frozen=True, kw_only=True):
    """One rate in percent of the price without tax, from one day until before another."""

    category: TaxCategory
    percent: Fraction
    from_day: date
    until_day: date | None
    source: str
    year: int
    standing: Standing


class _Row(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_day": "from", "until_day": "until"}
):
    category: TaxCategory
    from_day: date
    percent: str
    source: str
    year: int
    standing: Standing
    until_day: date | None = None


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    title: str
    title_ja: str
    rates: tuple[_Row, ...]


@cache
def consumption_tax_rates() -> tuple[TaxRate, ...]:
    """The rates that come with the program; raises `UnreadableRulebook` for a data file with a fault."""
    return read_rates((files("ashiato.law") / "tax" / f"{RATES_ID}.toml").read_text("utf-8"))


def read_rates(text: str) -> tuple[TaxRate, ...]:
    """The rates in TOML `text`: of each category none may overlap another. Raises `UnreadableRulebook`."""
    try:
        rows = msgspec.convert(tomllib.loads(text), _Header).rates
        rates = tuple(_rate(row) for row in rows)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, MalformedNumber) as error:
        raise UnreadableRulebook(RATES_ID, str(error)) from None
    for rate in rates:
        if rate.until_day is not None and rate.until_day <= rate.from_day:
            raise UnreadableRulebook(
                RATES_ID, f"the rate of {rate.category} from {rate.from_day} ends before it begins"
            )
        if sum(_holds(other, rate.category, rate.from_day) for other in rates) != 1:
            raise UnreadableRulebook(RATES_ID, f"two rates of {rate.category} hold on {rate.from_day}")
    return rates


def tax_rate(category: TaxCategory, day: date, rates: Sequence[TaxRate] | None = None) -> TaxRate:
    """The rate of that category for a supply made on that day; raises `NoTaxRate`."""
    for rate in consumption_tax_rates() if rates is None else rates:
        if _holds(rate, category, day):
            return rate
    raise NoTaxRate(category, day)


def changes_within(first: date, last: date, rates: Sequence[TaxRate] | None = None) -> tuple[date, ...]:
    """The days after `first`, up to `last`, on which some rate begins or ends, in order."""
    days = {
        day for rate in (rates or consumption_tax_rates()) for day in (rate.from_day, rate.until_day) if day
    }
    return tuple(sorted(day for day in days if first < day <= last))


def _rate(row: _Row) -> TaxRate:
    return TaxRate(
        category=row.category,
        percent=parse_decimal(row.percent),
        from_day=row.from_day,
        until_day=row.until_day,
        source=row.source,
        year=row.year,
        standing=row.standing,
    )


def _holds(rate: TaxRate, category: TaxCategory, day: date) -> bool:
    return (
        rate.category is category
        and rate.from_day <= day
        and (rate.until_day is None or day < rate.until_day)
    )
