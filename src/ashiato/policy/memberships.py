"""Which countries of ISO 3166-1 belonged to the European Union and the European Economic Area, and when.

Dates are those of the territory, from the first day (UTC) to the first day on which it is no longer so.

- EU, before 1 November 1993 the Communities: treaties of accession as the European Commission lists them ("EU countries", 2025);
  the United Kingdom to the end of 31 January 2020 (Withdrawal Agreement, OJ L 29, 2020), Greenland to 31 January 1985
  (OJ L 29, 1985).
- Territories with a code of their own that belong to it: Articles 349 and 355 TFEU (OJ C 202, 2016), Mayotte from 2014
  (European Council Decision 2012/419/EU).
- EEA: in force from 1 January 1994 (OJ L 1, 1994), for Liechtenstein from 1 May 1995 (OJ L 86, 1995). Later members of the
  Union from the day on which the enlargement agreements were applied, also provisionally: 2004 with accession, Bulgaria and
  Romania 1 August 2007 (OJ L 221, 2007), Croatia 12 April 2014 (OJ L 170, 2014).
"""

from collections.abc import Mapping

from ashiato.facts.instants import parse_datetime

EUROPEAN_UNION, ECONOMIC_AREA = "EU", "EEA"

_UNION = (
    ("BE DE FR GF GP IT LU MF MQ NL RE", "1958-01-01", ""),
    ("DK IE", "1973-01-01", ""),
    ("GB", "1973-01-01", "2020-02-01"),
    ("GL", "1973-01-01", "1985-02-01"),
    ("GR", "1981-01-01", ""),
    ("ES PT", "1986-01-01", ""),
    ("AT AX FI SE", "1995-01-01", ""),
    ("CY CZ EE HU LT LV MT PL SI SK", "2004-05-01", ""),
    ("BG RO", "2007-01-01", ""),
    ("HR", "2013-07-01", ""),
    ("YT", "2014-01-01", ""),
)
_AREA = (
    ("BE DE DK ES FR GF GP GR IE IS IT LU MF MQ NL NO PT RE AT FI SE", "1994-01-01", ""),
    ("GB", "1994-01-01", "2020-02-01"),
    ("AX", "1995-01-01", ""),
    ("LI", "1995-05-01", ""),
    ("CY CZ EE HU LT LV MT PL SI SK", "2004-05-01", ""),
    ("BG RO", "2007-08-01", ""),
    ("YT", "2014-01-01", ""),
    ("HR", "2014-04-12", ""),
)

_Membership = tuple[str, int, int | None]


def _read() -> Mapping[str, tuple[_Membership, ...]]:
    found: dict[str, tuple[_Membership, ...]] = {}
    for name, rows in ((EUROPEAN_UNION, _UNION), (ECONOMIC_AREA, _AREA)):
        for countries, from_day, until_day in rows:
            until_ms = _day_ms(until_day) if until_day else None
            for country in countries.split():
                found[country] = (*found.get(country, ()), (name, _day_ms(from_day), until_ms))
    return found


def _day_ms(day: str) -> int:
    return parse_datetime(f"{day}T00:00:00Z")


_MEMBERSHIPS = _read()


def unions_of(country: str, at_ms: int) -> frozenset[str]:
    """The unions to which the country (two letters) belongs at that instant."""
    return frozenset(
        name
        for name, from_ms, until_ms in _MEMBERSHIPS.get(country, ())
        if from_ms <= at_ms and (until_ms is None or at_ms < until_ms)
    )
