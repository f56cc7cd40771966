"""Amounts with units: exact rational numbers, converted inside one dimension only (SI Brochure, 9th edition, 2019).

A declared number comes as decimal text and leaves as decimal text; between the two it is a `Fraction`, so nothing is lost on
the way. Binary floating point never enters.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType

import msgspec

MOST_DIGITS_COUNT = 40
MOST_DECIMALS_COUNT = 30
"""No declared amount needs more; the bounds keep hostile text from growing into huge numbers."""
LARGEST_EXPONENT = 24

_NUMBER = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?")
_LONGEST_NUMBER_CHARS = MOST_DIGITS_COUNT + 16
_RATIO = re.compile(r"(-?[0-9]+)/([0-9]+)")
LONGEST_EXACT_CHARS = 262_144
_LARGEST = 10**LARGEST_EXPONENT


class Dimension(StrEnum):
    """What an amount is an amount of. Amounts of two dimensions are never added, compared or converted."""

    MASS = "mass"
    ENERGY = "energy"
    VOLUME = "volume"
    AREA = "area"
    LENGTH = "length"
    TRANSPORT = "transport"
    COUNT = "count"
    TIME = "time"
    DATA_TIME = "data_time"
    CHARGE = "charge"


class MalformedNumber(ValueError):
    """`text` is no decimal number that is taken here; its author must mend it. `problem` says what is expected."""

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(f"{text[:60]!r}: {problem}")
        self.text = text
        self.problem = problem


class UnknownUnit(ValueError):
    """No unit of that name is known; the author must write one of `UNITS`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:60]!r} is no unit that is known; write one of {', '.join(UNITS)}")
        self.name = name


class UnitMismatch(ValueError):
    """Two amounts of different dimensions were to be added, compared or converted; the author must mend one of them."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(
            f"{left} and {right} measure different things; give both in units of the same dimension"
        )
        self.left = left
        self.right = right


class NoDecimalText(ValueError):
    """The number has no finite decimal form (1/3); the caller must round it by a stated rule first."""

    def __init__(self, value: Fraction) -> None:
        super().__init__("the number has no finite decimal form; round it first")
        self.value = value


class Unit(msgspec.Struct, frozen=True):
    """A unit: one of it is exactly `factor` of its dimension's base unit."""

    symbol: str
    dimension: Dimension
    factor: Fraction


def _unit(symbol: str, dimension: Dimension, factor: int | Fraction = 1) -> Unit:
    return Unit(symbol, dimension, Fraction(factor))


# Base units: kg, MJ, l, m2, m, t.km (tonne-kilometre), piece, s, megabit second, Ah.
KILOGRAM = _unit("kg", Dimension.MASS)
GRAM = _unit("g", Dimension.MASS, Fraction(1, 1000))
MILLIGRAM = _unit("mg", Dimension.MASS, Fraction(1, 1_000_000))
TONNE = _unit("t", Dimension.MASS, 1000)
MEGAJOULE = _unit("MJ", Dimension.ENERGY)
KILOJOULE = _unit("kJ", Dimension.ENERGY, Fraction(1, 1000))
GIGAJOULE = _unit("GJ", Dimension.ENERGY, 1000)
KILOWATT_HOUR = _unit("kWh", Dimension.ENERGY, Fraction(36, 10))
WATT_HOUR = _unit("Wh", Dimension.ENERGY, Fraction(36, 10_000))
MEGAWATT_HOUR = _unit("MWh", Dimension.ENERGY, 3600)
LITRE = _unit("l", Dimension.VOLUME)
MILLILITRE = _unit("ml", Dimension.VOLUME, Fraction(1, 1000))
CUBIC_METRE = _unit("m3", Dimension.VOLUME, 1000)
SQUARE_METRE = _unit("m2", Dimension.AREA)
METRE = _unit("m", Dimension.LENGTH)
KILOMETRE = _unit("km", Dimension.LENGTH, 1000)
TONNE_KILOMETRE = _unit("t.km", Dimension.TRANSPORT)
KILOGRAM_KILOMETRE = _unit("kg.km", Dimension.TRANSPORT, Fraction(1, 1000))
PIECE = _unit("piece", Dimension.COUNT)
SECOND = _unit("s", Dimension.TIME)
MINUTE = _unit("min", Dimension.TIME, 60)
HOUR = _unit("h", Dimension.TIME, 3600)
DAY = _unit("d", Dimension.TIME, 86_400)
MEGABIT_SECOND = _unit("Mbit.s", Dimension.DATA_TIME)
AMPERE_HOUR = _unit("Ah", Dimension.CHARGE)

UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        unit.symbol: unit
        for unit in (
            *(KILOGRAM, GRAM, MILLIGRAM, TONNE),
            *(MEGAJOULE, KILOJOULE, GIGAJOULE, KILOWATT_HOUR, WATT_HOUR, MEGAWATT_HOUR),
            *(LITRE, MILLILITRE, CUBIC_METRE, SQUARE_METRE, METRE, KILOMETRE),
            *(TONNE_KILOMETRE, KILOGRAM_KILOMETRE, PIECE),
            *(SECOND, MINUTE, HOUR, DAY, MEGABIT_SECOND, AMPERE_HOUR),
        )
    }
)

PACT_UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        "liter": LITRE,
        "kilogram": KILOGRAM,
        "cubic meter": CUBIC_METRE,
        "kilowatt hour": KILOWATT_HOUR,
        "megajoule": MEGAJOULE,
        "ton kilometer": TONNE_KILOMETRE,
        "square meter": SQUARE_METRE,
        "piece": PIECE,
        "hour": HOUR,
        "megabit second": MEGABIT_SECOND,
    }
)
"""The ten values of `declaredUnitOfMeasurement` (PACT Technical Specifications 3.0.3, 2025-11-18)."""


def find_unit(name: str) -> Unit:
    """The unit of that symbol, or of that name in PACT's list; case counts. Raises `UnknownUnit`."""
    unit = UNITS.get(name) or PACT_UNITS.get(name)
    if unit is None:
        raise UnknownUnit(name)
    return unit


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount of one unit. 1 kg and 1000 g are equal; amounts of two dimensions are never equal."""

    value: Fraction
    unit: Unit

    @property
    def dimension(self) -> Dimension:
        return self.unit.dimension

    @property
    def in_base(self) -> Fraction:
        """The amount in the base unit of its dimension."""
        return self.value * self.unit.factor

    def to(self, unit: Unit) -> "Quantity":
        """The same amount in another unit of the dimension; raises `UnitMismatch`."""
        return Quantity(self.value_in(unit), unit)

    def value_in(self, unit: Unit) -> Fraction:
        """The number before `unit`; raises `UnitMismatch`."""
        self._require(unit)
        return self.value if unit is self.unit else self.in_base / unit.factor

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Quantity):
            return NotImplemented
        return self.dimension is other.dimension and self.in_base == other.in_base

    def __hash__(self) -> int:
        return hash((self.dimension, self.in_base))

    def __lt__(self, other: "Quantity") -> bool:
        return self.value < other.value_in(self.unit)

    def __le__(self, other: "Quantity") -> bool:
        return self.value <= other.value_in(self.unit)

    def __add__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.value + other.value_in(self.unit), self.unit)

    def __sub__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.value - other.value_in(self.unit), self.unit)

    def __neg__(self) -> "Quantity":
        return Quantity(-self.value, self.unit)

    def __mul__(self, number: Fraction | int) -> "Quantity":
        return Quantity(self.value * number, self.unit)

    __rmul__ = __mul__

    def __truediv__(self, other: "Quantity") -> Fraction:
        """How many times `other` fits in, a pure number; raises `UnitMismatch`, and ZeroDivisionError for none."""
        return self.value / other.value_in(self.unit)

    def __str__(self) -> str:
        return f"{exact_text(self.value)} {self.unit.symbol}"

    def _require(self, unit: Unit) -> None:
        if unit.dimension is not self.unit.dimension:
            raise UnitMismatch(self.unit.symbol, unit.symbol)


def parse_quantity(text: str, unit_name: str) -> Quantity:
    """The amount of decimal `text` in the unit of that name; raises `MalformedNumber` or `UnknownUnit`."""
    return Quantity(parse_decimal(text), find_unit(unit_name))


def parse_decimal(text: str) -> Fraction:
    """The exact number in decimal text such as `-12.50` or `1.2e-5`; raises `MalformedNumber`.

    NaN and infinity are none; at most 40 digits are written, at most 30 behind the point, and its size stays below 10^24.
    """
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER_CHARS else None
    if match is None:
        raise MalformedNumber(
            text, "write a decimal number such as 12.5, with a point and without separators"
        )
    sign, whole, decimals, exponent = match.groups(default="")
    digits = whole + decimals
    if len(digits) > MOST_DIGITS_COUNT:
        raise MalformedNumber(text, f"write at most {MOST_DIGITS_COUNT} digits")
    shift = int(exponent or 0) - len(decimals)
    if shift < -MOST_DECIMALS_COUNT or shift > LARGEST_EXPONENT:
        raise MalformedNumber(
            text, f"write at most {MOST_DECIMALS_COUNT} decimals and exponents up to {LARGEST_EXPONENT}"
        )
    value = Fraction(int(digits) * 10**shift) if shift >= 0 else Fraction(int(digits), 10**-shift)
    if value >= _LARGEST:
        raise MalformedNumber(text, f"the amount must be below 10^{LARGEST_EXPONENT}")
    return -value if sign == "-" else value


def decimal_text(value: Fraction) -> str:
    """The number as plain decimal text without exponent and without zeros at the end; raises `NoDecimalText`."""
    denominator, twos, fives = value.denominator, 0, 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    if denominator != 1:
        raise NoDecimalText(value)
    return fixed_text(value, max(twos, fives))


def fixed_text(value: Fraction, decimals_count: int) -> str:
    """The number with exactly so many decimals, a tie going to the even digit (`round_decimals`)."""
    scaled = round(value * 10**decimals_count)
    digits = _digits(abs(scaled)).rjust(decimals_count + 1, "0")
    sign = "-" if scaled < 0 else ""
    if decimals_count <= 0:
        return sign + digits
    return f"{sign}{digits[:-decimals_count]}.{digits[-decimals_count:]}"


def exact_text(value: Fraction) -> str:
    """Text from which `parse_exact` makes the same number again: decimal where there is one, else `1/3`."""
    try:
        return decimal_text(value)
    except NoDecimalText:
        return f"{_digits(value.numerator)}/{_digits(value.denominator)}"


def parse_exact(text: str, *, max_chars: int = LONGEST_EXACT_CHARS) -> Fraction:
    """The number in text that `exact_text` wrote: plain decimal, or `1/3`. Raises `MalformedNumber`.

    It is meant for one's own store; what strangers write goes through `parse_decimal`, or is kept short by `max_chars`.
    """
    if len(text) <= max_chars:
        match = _RATIO.fullmatch(text)
        if match is not None and match[2].strip("0"):
            return Fraction(_whole(match[1]), _whole(match[2]))
        match = _NUMBER.fullmatch(text)
        if match is not None and match[4] is None:
            sign, whole, decimals, _ = match.groups(default="")
            return Fraction(_whole(f"{sign}{whole}{decimals}"), 10 ** len(decimals))
    raise MalformedNumber(text, "this is no exact number")


def round_decimals(value: Fraction, decimals_count: int) -> Fraction:
    """The nearest number with so many decimals; a tie goes to the even digit (ISO 80000-1:2009, B.3, rule A)."""
    scale = Fraction(10) ** decimals_count
    return Fraction(round(value * scale)) / scale


def round_significant(value: Fraction, digits_count: int) -> Fraction:
    """The nearest number with so many significant digits; a tie goes to the even digit. Zero stays zero."""
    if not value:
        return value
    return round_decimals(value, digits_count - 1 - decimal_exponent(value))


def decimal_exponent(value: Fraction) -> int:
    """The exponent of the leading digit: 2 for 123, -3 for 0.0045. `value` must not be zero."""
    size = abs(value)
    exponent = len(_digits(size.numerator)) - len(_digits(size.denominator))
    return exponent if size >= Fraction(10) ** exponent else exponent - 1


def _digits(number: int) -> str:
    """Decimal digits of any length: `str` of an integer ends at 4300 of them, that of a Decimal does not."""
    return str(Decimal(number))


def _whole(digits: str) -> int:
    return int(Decimal(digits))
