"""A month begins and ends at midnight in Tokyo, nine hours before it does in Greenwich."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ashiato.facts.instants import parse_datetime
from ashiato.hub.billing.months import MalformedMonth, Month, day_of, month_of, parse_month, start_of_ms


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-10-31T14:59:59.999Z", date(2026, 10, 31)),
        ("2026-10-31T15:00:00Z", date(2026, 11, 1)),
        ("2028-02-28T15:00:00Z", date(2028, 2, 29)),
        ("2028-02-29T15:00:00Z", date(2028, 3, 1)),
        ("2026-12-31T15:00:00Z", date(2027, 1, 1)),
    ],
)
def test_the_day_is_that_of_tokyo(instant: str, day: date) -> None:
    assert day_of(parse_datetime(instant)) == day


def test_february_of_a_leap_year_has_a_twenty_ninth_and_ends_with_it() -> None:
    assert Month(2028, 2).last == date(2028, 2, 29)
    assert Month(2026, 2).last == date(2026, 2, 28)
    assert Month(2028, 2).end_ms == parse_datetime("2028-02-29T15:00:00Z")


def test_december_is_followed_by_january_and_january_preceded_by_december() -> None:
    assert Month(2026, 12).following == Month(2027, 1)
    assert Month(2027, 1).preceding == Month(2026, 12)


@given(st.dates(date(1970, 1, 1), date(9000, 1, 1)))
def test_a_day_begins_on_itself_and_the_millisecond_before_is_the_day_before(day: date) -> None:
    assert day_of(start_of_ms(day)) == day
    assert day_of(start_of_ms(day) - 1) < day
    month = month_of(day)
    assert month.first <= day <= month.last
    assert month.following.preceding == month == parse_month(str(month))


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-1", "26-01", "2026-00", "1969-12", "9999-01", "2026-11-01", ""]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(MalformedMonth):
        parse_month(text)
