"""Calendar months and days as they are counted in Japan: Asia/Tokyo, nine hours before UTC, without summer time since 1951."""

import re
from calendar import monthrange
from datetime import date, timedelta

import msgspec

from ashiato.facts.instants import DAY_MS

TOKYO_OFFSET_MS = 9 * 3_600_000
_EPOCH = date(1970, 1, 1)
_WRITTEN = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class MalformedMonth(ValueError):
    """The text is no month; whoever wrote it must mend it."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:40]!r} is no month; write it like 2026-11")
        self.text = text


class Month(msgspec.Struct, frozen=True, order=True):
    """One month of the calendar."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return date(self.year, self.month, monthrange(self.year, self.month)[1])

    @property
    def following(self) -> "Month":
        """The month after it."""
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def preceding(self) -> "Month":
        """The month before it."""
        return Month(self.year - (self.month == 1), (self.month - 2) % 12 + 1)

    @property
    def end_ms(self) -> int:
        """The first instant after it."""
        return start_of_ms(self.following.first)


def parse_month(text: str) -> Month:
    """The month in `2026-11`; raises `MalformedMonth`."""
    found = _WRITTEN.fullmatch(text)
    # Years outside these have no invoice, and the last would have no month after it.
    if found is None or not 1970 <= int(found[1]) < 9999:
        raise MalformedMonth(text)
    return Month(int(found[1]), int(found[2]))


def month_of(day: date) -> Month:
    """The month in which that day lies."""
    return Month(day.year, day.month)


def day_of(at_ms: int) -> date:
    """The day in Tokyo at that instant; instants outside the calendar raise `OverflowError`."""
    return day_from_number(day_number(at_ms))


def day_number(at_ms: int) -> int:
    """The days between 1 January 1970 and the day in Tokyo at that instant."""
    return (at_ms + TOKYO_OFFSET_MS) // DAY_MS


def number_of(day: date) -> int:
    """The days between 1 January 1970 and that day."""
    return (day - _EPOCH).days


def day_from_number(number: int) -> date:
    """The day so many days after 1 January 1970."""
    return _EPOCH + timedelta(days=number)


def start_of_ms(day: date) -> int:
    """The instant at which that day begins in Tokyo."""
    return number_of(day) * DAY_MS - TOKYO_OFFSET_MS
