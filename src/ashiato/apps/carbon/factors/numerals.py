"""Numbers as foreign files write them, kept to the last digit."""

import re
from decimal import Context, Decimal
from fractions import Fraction

from ashiato.facts import quantities

MAX_CHARS = 60
MAX_DIGITS = 40
# A footprint between 10^-30 and 10^30 of anything is a slip of the pen or an attack; life-cycle inventories go down to 1e-25.
MAX_EXPONENT = 29

_NUMERAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?")
# What a person groups thousands with; only a comma that cannot be a decimal sign is taken for one.
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_EXACT = Context(prec=MAX_DIGITS + 10)
# What describes a scatter is an estimate and needs no more.
_ROUGH = Context(prec=20)
# 全角 digits and signs of Japanese keyboards.
_HALF_WIDTH = str.maketrans("０１２３４５６７８９＋－．，Ｅｅ−", "0123456789+-.,Ee-")


class UnreadableNumber(ValueError):
    """The text is no number that can be used; who wrote it must mend it. `problem` says what is wrong, `code` names it."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem)
        self.code = code
        self.problem = problem


def parse_amount(text: str, decimal_sign: str = ".") -> Decimal:
    """The exact value of `text`: 1.5, -2, 6.25E-7; with `decimal_sign` "," also 1,5.

    Raises `UnreadableNumber` for NaN, infinities, more than 40 digits and magnitudes outside 10^-30 … 10^30.
    """
    written = text.strip()
    if len(written) > MAX_CHARS:
        raise UnreadableNumber(
            "number_long", f"a number of {len(written)} characters; at most {MAX_CHARS} are read"
        )
    if decimal_sign == ",":
        if "." in written and "," in written:
            raise UnreadableNumber("number_signs", f"{written!r} has both a point and a comma")
        written = written.replace(",", ".")
    if _NUMERAL.fullmatch(written) is None:
        raise UnreadableNumber("number_unreadable", f"{written!r} is not a number")
    return bounded(Decimal(written))


def parse_typed(text: str) -> Fraction:
    """The exact value of what a person typed: full-width digits and thousands separators (1,234.5) are understood.

    Raises `facts.quantities.MalformedNumber`, which says what is expected.
    """
    written = text.strip().translate(_HALF_WIDTH)
    if _GROUPED.fullmatch(written):
        written = written.replace(",", "")
    return quantities.parse_decimal(written)


def bounded(value: Decimal) -> Decimal:
    """`value` itself, with at most 40 digits and a magnitude that can be meant; raises `UnreadableNumber`."""
    if not value.is_finite():
        raise UnreadableNumber("number_not_finite", "not a number or without end")
    if len(value.as_tuple().digits) > MAX_DIGITS:
        raise UnreadableNumber("number_long", f"more than {MAX_DIGITS} digits")
    if value and not -MAX_EXPONENT - 1 <= value.adjusted() <= MAX_EXPONENT:
        raise UnreadableNumber("number_magnitude", f"{value} is outside 10^-30 to 10^30")
    return value


def times(left: Decimal, right: Decimal) -> Decimal:
    """The product, to 50 digits, whatever the precision of the thread is."""
    return _EXACT.multiply(left, right)


def divided(left: Decimal, right: Decimal) -> Decimal:
    """The quotient to 50 digits; raises `UnreadableNumber` where it would be divided by nothing."""
    if not right:
        raise UnreadableNumber("number_zero", "a factor of conversion is 0")
    return _EXACT.divide(left, right)


def root_of(variance: Decimal) -> Decimal:
    """The standard deviation of a variance, to 20 digits; raises `UnreadableNumber` where it is negative."""
    if variance < 0:
        raise UnreadableNumber("number_negative", f"a variance of {variance}")
    return _ROUGH.sqrt(variance)


def log_of(ratio: Decimal) -> Decimal:
    """The natural logarithm, to 20 digits; raises `UnreadableNumber` where there is none."""
    if ratio <= 0:
        raise UnreadableNumber("number_negative", f"a geometric standard deviation of {ratio}")
    return _ROUGH.ln(ratio)
