"""Instants and durations, against values worked out by hand and Python's own calendar."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ashiato.facts.instants import (
    DAY_MS,
    Duration,
    MalformedInstant,
    add,
    format_datetime,
    parse_datetime,
    parse_duration,
    times,
)

HOUR_MS = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-01T09:00:00+09:00", 0),
        ("1969-12-31T19:00:00-05:00", 0),
        ("1970-01-01T05:45:00+05:45", 0),
        ("1970-01-01T14:00:00+14:00", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("1969-12-31T24:00:00Z", 0),
        ("1969-12-31T24:00:00.000Z", 0),
        ("2000-03-01T00:00:00Z", 951_868_800_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2026-11-24T09:30:00.5Z", 1_795_512_600_500),
        ("1970-01-01T00:00:00.0019999Z", 1),
        ("1970-01-01T00:00:00-00:00", 0),
    ],
)
def test_an_instant_is_read_to_the_millisecond(text: str, expected_ms: int) -> None:
    assert parse_datetime(text) == expected_ms


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T09:30:00",
        "2026-11-24T09:30Z",
        "2026-11-24",
        "2026-11-24 09:30:00Z",
        "2026-11-24t09:30:00z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-01-01T24:00:01Z",
        "2026-01-01T24:00:00.001Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00+14:01",
        "2026-01-01T00:00:00+09:60",
        "2026-01-01T00:00:00+0900",
        "2026-01-01T00:00:00.Z",
        "20260-01-01T00:00:00Z",
        "-2026-01-01T00:00:00Z",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
        "２０２６-01-01T00:00:00Z",
        "",
    ],
)
def test_what_is_no_instant_with_a_zone_is_refused(text: str) -> None:
    with pytest.raises(MalformedInstant) as refused:
        parse_datetime(text)
    assert refused.value.text == text


@pytest.mark.parametrize(
    ("instant_ms", "expected"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_795_512_600_500, "2026-11-24T09:30:00.500Z"),
        (1_709_164_800_007, "2024-02-29T00:00:00.007Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00Z"),
    ],
)
def test_an_instant_is_written_in_utc_with_milliseconds_only_when_it_has_some(
    instant_ms: int, expected: str
) -> None:
    assert format_datetime(instant_ms) == expected


@given(st.datetimes(timezones=st.just(UTC)))
def test_reading_and_writing_agree_with_pythons_calendar(instant: datetime) -> None:
    instant_ms = (instant - EPOCH) // timedelta(milliseconds=1)
    assert parse_datetime(instant.isoformat()) == instant_ms
    assert parse_datetime(format_datetime(instant_ms)) == instant_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P30D", Duration(0, 0, 30 * DAY_MS)),
        ("P1Y6M", Duration(1, 6, 0)),
        ("PT12H", Duration(0, 0, 12 * HOUR_MS)),
        ("P1Y2M3DT4H5M6.789S", Duration(1, 2, 3 * DAY_MS + 4 * HOUR_MS + 5 * 60_000 + 6_789)),
        ("-P1M1D", Duration(0, -1, -DAY_MS)),
        ("P2W", Duration(0, 0, 14 * DAY_MS)),
        ("PT0S", Duration()),
        ("PT0.0015S", Duration(0, 0, 1)),
    ],
)
def test_a_duration_keeps_years_and_months_apart(text: str, expected: Duration) -> None:
    assert parse_duration(text) == expected


NO_DURATIONS = "P PT P1DT 30D P1.5D P1H PT1D P1M1Y p1d P-1D +P1D PT.5S P1S P1234567890D".split()


@pytest.mark.parametrize("text", ["", "P1D ", " P1D", "P1D\n", *NO_DURATIONS])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(MalformedInstant):
        parse_duration(text)


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        ("2026-01-31T10:00:00Z", "P1M", "2026-02-28T10:00:00Z"),
        ("2024-01-31T10:00:00Z", "P1M", "2024-02-29T10:00:00Z"),
        ("2024-02-29T00:00:00.250Z", "P1Y", "2025-02-28T00:00:00.250Z"),
        ("2024-02-29T00:00:00Z", "P4Y", "2028-02-29T00:00:00Z"),
        ("2026-11-30T23:59:59Z", "P3M", "2027-02-28T23:59:59Z"),
        ("2026-12-31T00:00:00Z", "P1M1D", "2027-02-01T00:00:00Z"),
        ("2026-03-31T00:00:00Z", "-P1M", "2026-02-28T00:00:00Z"),
        ("2026-01-15T00:00:00Z", "-P1Y1M", "2024-12-15T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "P30D", "2026-01-31T00:00:00Z"),
        ("2100-01-31T00:00:00Z", "P1M", "2100-02-28T00:00:00Z"),
        ("2000-01-31T00:00:00Z", "P1M", "2000-02-29T00:00:00Z"),
    ],
)
def test_months_follow_the_calendar_and_a_missing_day_becomes_the_last(
    start: str, duration: str, end: str
) -> None:
    assert format_datetime(add(parse_datetime(start), parse_duration(duration))) == end


def test_a_duration_beyond_the_year_9999_still_counts() -> None:
    later_ms = add(parse_datetime("2026-11-24T00:00:00Z"), parse_duration("P400000Y"))
    assert later_ms - parse_datetime("2026-11-24T00:00:00Z") == 1000 * 146_097 * DAY_MS


@pytest.mark.parametrize("far", ["P999999999Y", "P999999999M", "P999999999Y999999999M"])
def test_a_duration_beyond_what_a_database_counts_ends_at_the_farthest_instant(far: str) -> None:
    now_ms = parse_datetime("2026-11-24T00:00:00Z")
    later_ms, earlier_ms = add(now_ms, parse_duration(far)), add(now_ms, parse_duration(f"-{far}"))
    assert now_ms < later_ms <= 2**63 - 1 - 400 * 86_400_000
    assert -(2**63) <= earlier_ms < now_ms


def test_a_duration_taken_several_times_keeps_the_day_of_the_month() -> None:
    begun_ms = parse_datetime("2027-01-31T09:00:00Z")
    ends = [format_datetime(add(begun_ms, times(Duration(months=1), count))) for count in (1, 2, 3)]
    assert ends == ["2027-02-28T09:00:00Z", "2027-03-31T09:00:00Z", "2027-04-30T09:00:00Z"]
    assert times(Duration(1, 2, 3), 4) == Duration(4, 8, 12)
