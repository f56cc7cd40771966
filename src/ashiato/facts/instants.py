"""Instants and durations as XML Schema 1.1 part 2 writes them, held as Unix epoch milliseconds."""

import re
from datetime import date

import msgspec

DAY_MS = 86_400_000
# A hundred and forty million years: room is left for a grace behind it in 64 bits.
FARTHEST_MS = 1 << 62
# The Gregorian calendar repeats after 400 years of this many days, so any year can be shifted into
# 2000..2399.
_CYCLE_YEARS = 400
_CYCLE_DAYS = 146_097
_CYCLE_START = date(2000, 1, 1).toordinal()
_EPOCH = date(1970, 1, 1).toordinal()

_DATETIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,18}))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})?")
_UNKNOWN_ZONE_MS = 14 * 3_600_000
_DURATION = re.compile(
    r"(-)?P(?=.)(?:([0-9]{1,9})Y)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})W)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=.)(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})(?:\.([0-9]{1,18}))?S)?)?"
)


class MalformedInstant(ValueError):
    """`text` is no instant or duration; its sender must mend it. `problem` says what is expected."""

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(f"{text[:60]!r}: {problem}")
        self.text = text
        self.problem = problem


class Duration(msgspec.Struct, frozen=True):
    """A span of time; months have no fixed length and therefore stay apart from the milliseconds."""

    years: int = 0
    months: int = 0
    ms: int = 0


def parse_datetime(text: str) -> int:
    """Epoch milliseconds of an xsd:dateTime whose zone is mandatory here (XSD 1.1 part 2, 3.3.7).

    Years are 0001 to 9999; digits beyond the millisecond are cut off. Raises `MalformedInstant`.
    """
    match = _DATETIME.fullmatch(text)
    if match is None:
        raise MalformedInstant(text, "write it like 2026-11-24T09:30:00Z; seconds and zone are required")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, zone_hour, zone_minute = match.groups()[6:]
    fraction_ms = _fraction_ms(fraction)
    # 24:00:00 is the first instant of the next day.
    midnight = hour == 24 and minute == second == 0 and not (fraction and fraction.strip("0"))
    if (hour > 23 and not midnight) or minute > 59 or second > 59:
        raise MalformedInstant(text, "there is no such time of day")
    offset_minutes = 0 if sign is None else int(zone_hour) * 60 + int(zone_minute)
    if offset_minutes > 14 * 60 or (zone_minute is not None and int(zone_minute) > 59):
        raise MalformedInstant(text, "a zone lies within 14 hours of UTC")
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        raise MalformedInstant(text, "there is no such day") from None
    minutes = hour * 60 + minute - (-offset_minutes if sign == "-" else offset_minutes)
    return days * DAY_MS + minutes * 60_000 + second * 1000 + fraction_ms


def format_datetime(instant_ms: int) -> str:
    """The xsd:dateTime in UTC, `2026-11-24T09:30:00Z`; milliseconds only when they are not zero."""
    days, rest_ms = divmod(instant_ms, DAY_MS)
    year, month, day = _calendar(days)
    seconds, fraction_ms = divmod(rest_ms, 1000)
    fraction = f".{fraction_ms:03d}" if fraction_ms else ""
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}{fraction}Z"


def parse_duration(text: str) -> Duration:
    """The xsd:duration in `text`, weeks of ISO 8601 included; raises `MalformedInstant`.

    Each number has at most nine digits; digits beyond the millisecond are cut off.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise MalformedInstant(text, "write it like P30D, P1Y6M or PT12H")
    sign = -1 if match[1] else 1
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:8])
    span_ms = (weeks * 7 + days) * DAY_MS + hours * 3_600_000 + minutes * 60_000 + seconds * 1000
    return Duration(sign * years, sign * months, sign * (span_ms + _fraction_ms(match[9])))


def add(instant_ms: int, duration: Duration) -> int:
    """`instant_ms` plus `duration` in the UTC calendar (XSD 1.1 part 2, appendix E.3.3).

    Months come first; a day that the new month lacks becomes its last day (31 January + P1M = 28 or 29
    February). What lies beyond all clocks and calendars, and beyond what a database counts, ends at `FARTHEST_MS`.
    """
    shift_months = duration.years * 12 + duration.months
    if shift_months:
        days, rest_ms = divmod(instant_ms, DAY_MS)
        year, month, day = _calendar(days)
        year, month_index = divmod(year * 12 + month - 1 + shift_months, 12)
        instant_ms = _days(year, month_index + 1, day) * DAY_MS + rest_ms
    return max(-FARTHEST_MS, min(instant_ms + duration.ms, FARTHEST_MS))


def times(duration: Duration, count: int) -> Duration:
    """The duration so many times: added at once it keeps the day of the month, which added step by step is lost."""
    return Duration(duration.years * count, duration.months * count, duration.ms * count)


def _fraction_ms(digits: str | None) -> int:
    return int(digits[:3].ljust(3, "0")) if digits else 0


def _calendar(days: int) -> tuple[int, int, int]:
    cycles, rest = divmod(days + _EPOCH - _CYCLE_START, _CYCLE_DAYS)
    day = date.fromordinal(_CYCLE_START + rest)
    return day.year + cycles * _CYCLE_YEARS, day.month, day.day


def _days(year: int, month: int, day: int) -> int:
    cycles, rest = divmod(year - 2000, _CYCLE_YEARS)
    first = date(2000 + rest, month, 1)
    following = date(first.year + month // 12, month % 12 + 1, 1)
    last = (following - first).days
    return first.toordinal() + min(day, last) - 1 + cycles * _CYCLE_DAYS - _EPOCH


class Span(msgspec.Struct, frozen=True):
    """What a date or an instant without zone covers: from `first_ms` to `last_ms`, both included.

    Both may lie up to `slack_ms` earlier or later, because the zone is not known.
    """

    first_ms: int
    last_ms: int
    slack_ms: int = 0


def parse_span(text: str) -> Span:
    """The span of an xsd:date, with or without zone, or of an xsd:dateTime without zone (XSD 1.1 part 2, 3.3.7, 3.3.9).

    A missing zone lies anywhere within 14 hours of UTC. Raises `MalformedInstant`.
    """
    match = _DATE.fullmatch(text)
    if match is not None:
        first_ms = parse_datetime(f"{match[1]}T00:00:00{match[2] or 'Z'}")
        return Span(first_ms, first_ms + DAY_MS - 1, 0 if match[2] else _UNKNOWN_ZONE_MS)
    instant_ms = parse_datetime(text if text.endswith("Z") else f"{text}Z")
    return Span(instant_ms, instant_ms, 0 if text.endswith("Z") else _UNKNOWN_ZONE_MS)
