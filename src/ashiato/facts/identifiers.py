"""Identifiers of companies, plants, parts, batches and serial items as their schemes write them, each with its check.

A kind is data about who issues a number and how it is written; what it names is for others to say. Every kind has one
canonical form, so that two spellings of one identifier are equal.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

LONGEST_VALUE_CHARS = 256
LONGEST_SCOPE_CHARS = 512
SCOPE_MARK = "@"


class IdentifierKind(StrEnum):
    """Who issues an identifier, and so how it is checked."""

    TRACE_ID = "trace_id"
    """The trace identifier (トレース識別子) of the Ouranos Ecosystem: a UUID."""
    CATENA_X_ID = "catena_x_id"
    """`catenaXId` of Catena-X's twins: a UUID, written with or without `urn:uuid:`."""
    GTIN = "gtin"
    """GS1's Global Trade Item Number (8, 12, 13 or 14 digits); the canonical form has 14."""
    GTIN_SERIAL = "gtin_serial"
    """One item: GTIN with serial number, GS1 application identifiers 01 and 21."""
    GTIN_BATCH = "gtin_batch"
    """One batch: GTIN with batch or lot number, GS1 application identifiers 01 and 10."""
    GLN = "gln"
    """GS1's Global Location Number: 13 digits."""
    BPN_LEGAL_ENTITY = "bpnl"
    """Business Partner Number of a legal entity (Catena-X CX-0010)."""
    BPN_SITE = "bpns"
    """Business Partner Number of a site."""
    BPN_ADDRESS = "bpna"
    """Business Partner Number of an address."""
    BPN_PART = "bpn_part"
    """A part number in the name space of a BPNL: `BPNL…/part number`."""
    CORPORATE_NUMBER = "corporate_number"
    """Japan's Corporate Number (法人番号): 13 digits, the first of which checks the others."""
    PLANT_NUMBER = "plant_number"
    """A Corporate Number followed by the six digits of a plant (事業所)."""
    OPEN_OPERATOR_ID = "open_operator_id"
    """`openOperatorId` of the Ouranos Ecosystem: 1 to 20 letters and digits, not always a Corporate Number."""
    OPEN_PLANT_ID = "open_plant_id"
    """`openPlantId` of the Ouranos Ecosystem: 6 to 26 characters that end in six digits."""
    LEI = "lei"
    """Legal Entity Identifier (ISO 17442)."""
    CODE24 = "code24"
    """A traceability code of 24 digits and capital letters (GB/T 34014-2017)."""
    PARTNER_NUMBER = "partner_number"
    """The number that one partner uses (customer part number, supplier's lot); its scope is the partner's DID."""
    LOCAL = "local"
    """A number of any other register; its scope names the register."""
    URI = "uri"
    """An address that stands for the thing, such as the one in its data carrier."""


class MalformedIdentifier(ValueError):
    """The text is no identifier of that kind; whoever wrote it must mend it. `problem` says what is expected."""

    def __init__(self, kind: str, value: str, problem: str) -> None:
        super().__init__(f"{kind} {value[:60]!r}: {problem}")
        self.kind = kind
        self.value = value
        self.problem = problem


class Identifier(msgspec.Struct, frozen=True, order=True):
    """A checked identifier in its canonical form; only `identifier` and `parse_identifier` make one."""

    kind: IdentifierKind
    value: str
    scope: str = ""

    @property
    def text(self) -> str:
        """`kind:value`, or `kind:value@scope`: what `parse_identifier` reads."""
        return f"{self.kind}:{self.value}" + (f"{SCOPE_MARK}{self.scope}" if self.scope else "")


def identifier(kind: str, value: str, scope: str = "") -> Identifier:
    """The identifier, checked and in its canonical form; raises `MalformedIdentifier`."""
    try:
        known = IdentifierKind(kind)
    except ValueError:
        kinds = ", ".join(IdentifierKind)
        raise MalformedIdentifier(kind, value, f"there is no such kind; the kinds are {kinds}") from None
    if not value or len(value) > LONGEST_VALUE_CHARS or not value.isprintable() or value != value.strip():
        problem = f"write 1 to {LONGEST_VALUE_CHARS} printable characters without space at either end"
        raise MalformedIdentifier(kind, value, problem)
    return Identifier(known, _CANONICAL[known](known, value), _scope(known, value, scope))


def parse_identifier(text: str) -> Identifier:
    """The identifier in `kind:value` or `kind:value@scope`; raises `MalformedIdentifier`."""
    kind, colon, rest = text.partition(":")
    if not colon:
        raise MalformedIdentifier("", text, "write it as kind:value, or as kind:value@scope")
    if kind not in _SCOPED:
        return identifier(kind, rest)
    value, _, scope = rest.rpartition(SCOPE_MARK)
    return identifier(kind, value, scope)


def corporate_check_digit(digits: str) -> int:
    """The first digit of the Corporate Number with these twelve others.

    法人番号の指定等に関する省令 (2014), article 2: 9 less the remainder by 9 of the sum of the digits, counted from the last and
    weighted 1 and 2 in turn.
    """
    total = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return 9 - total % 9


def gs1_check_digit(digits: str) -> int:
    """The last digit of a GS1 number with these others before it (GS1 General Specifications, 7.9)."""
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(digits)))
    return -total % 10


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DIGITS = re.compile(r"[0-9]+")
# The characters that GS1 permits in serial and batch numbers (GS1 General Specifications, figure 7.11-1).
_GS1_TEXT = r"[!-\"%-/0-9:-?A-Z_a-z]{1,20}"
_GTIN_WITH = {
    IdentifierKind.GTIN_SERIAL: ("21", re.compile(rf"\(01\)([0-9]{{14}})\(21\)({_GS1_TEXT})")),
    IdentifierKind.GTIN_BATCH: ("10", re.compile(rf"\(01\)([0-9]{{14}})\(10\)({_GS1_TEXT})")),
}
_PATTERNS: Mapping[IdentifierKind, tuple[re.Pattern[str], str]] = {
    # The check characters are not held against it: numbers of Catena-X's own examples have others.
    IdentifierKind.BPN_LEGAL_ENTITY: (re.compile(r"BPNL[0-9A-Z]{12}"), "BPNL and 12 digits or capitals"),
    IdentifierKind.BPN_SITE: (re.compile(r"BPNS[0-9A-Z]{12}"), "BPNS and 12 digits or capitals"),
    IdentifierKind.BPN_ADDRESS: (re.compile(r"BPNA[0-9A-Z]{12}"), "BPNA and 12 digits or capitals"),
    IdentifierKind.BPN_PART: (re.compile(r"BPNL[0-9A-Z]{12}/.+"), "a BPNL, a slash and the part number"),
    IdentifierKind.OPEN_OPERATOR_ID: (re.compile(r"[A-Za-z0-9]{1,20}"), "1 to 20 letters and digits"),
    IdentifierKind.OPEN_PLANT_ID: (
        re.compile(r"[!-~]{0,20}[0-9]{6}"),
        "6 to 26 characters that end in six digits",
    ),
    IdentifierKind.CODE24: (re.compile(r"[0-9A-Z]{24}"), "24 digits and capital letters"),
    IdentifierKind.URI: (re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+"), "an absolute URI"),
}
_SCOPED = frozenset({IdentifierKind.PARTNER_NUMBER, IdentifierKind.LOCAL})
_DID = re.compile(r"did:[a-z0-9]+:[!-?A-~]+")
_REGISTER = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _scope(kind: IdentifierKind, value: str, scope: str) -> str:
    if kind not in _SCOPED:
        if scope:
            raise MalformedIdentifier(kind, value, "this kind has no scope; leave it out")
        return ""
    if kind is IdentifierKind.PARTNER_NUMBER:
        if len(scope) > LONGEST_SCOPE_CHARS or not _DID.fullmatch(scope):
            raise MalformedIdentifier(kind, value, "its scope is the DID of the partner, after an @")
    elif not _REGISTER.fullmatch(scope):
        raise MalformedIdentifier(kind, value, "its scope is the name of the register, after an @")
    return scope


def _any(_: IdentifierKind, value: str) -> str:
    return value


def _by_pattern(kind: IdentifierKind, value: str) -> str:
    pattern, expected = _PATTERNS[kind]
    if not pattern.fullmatch(value):
        raise MalformedIdentifier(kind, value, f"write {expected}")
    return value


def _uuid(kind: IdentifierKind, value: str) -> str:
    found = value.lower().removeprefix("urn:uuid:")
    if not _UUID.fullmatch(found):
        raise MalformedIdentifier(kind, value, "write a UUID: 8-4-4-4-12 hexadecimal digits")
    return found


def _gs1_number(kind: IdentifierKind, value: str, lengths: tuple[int, ...]) -> str:
    if not (value.isascii() and _DIGITS.fullmatch(value)) or len(value) not in lengths:
        raise MalformedIdentifier(kind, value, f"write {' or '.join(map(str, lengths))} digits")
    if gs1_check_digit(value[:-1]) != int(value[-1]):
        wanted = gs1_check_digit(value[:-1])
        raise MalformedIdentifier(kind, value, f"the last digit checks the others and would be {wanted}")
    return value


def _gtin(kind: IdentifierKind, value: str) -> str:
    return _gs1_number(kind, value, (8, 12, 13, 14)).zfill(14)


def _gln(kind: IdentifierKind, value: str) -> str:
    return _gs1_number(kind, value, (13,))


def _gtin_with(kind: IdentifierKind, value: str) -> str:
    application, pattern = _GTIN_WITH[kind]
    found = pattern.fullmatch(value)
    if found is None:
        raise MalformedIdentifier(
            kind, value, f"write (01), 14 digits, ({application}) and up to 20 characters"
        )
    return f"(01){_gtin(kind, found[1])}({application}){found[2]}"


def _corporate(kind: IdentifierKind, value: str) -> str:
    if not (value.isascii() and _DIGITS.fullmatch(value)) or len(value) != 13:
        raise MalformedIdentifier(kind, value, "a Corporate Number has 13 digits")
    wanted = corporate_check_digit(value[1:])
    if int(value[0]) != wanted:
        raise MalformedIdentifier(kind, value, f"the first digit checks the others and would be {wanted}")
    return value


def _plant(kind: IdentifierKind, value: str) -> str:
    if not (value.isascii() and _DIGITS.fullmatch(value)) or len(value) != 19:
        raise MalformedIdentifier(
            kind, value, "write the 13 digits of the Corporate Number and 6 of the plant"
        )
    return _corporate(kind, value[:13]) + value[13:]


def _lei(kind: IdentifierKind, value: str) -> str:
    # ISO 17442-1: the whole number, letters read as 10 to 35, leaves 1 when divided by 97 (ISO/IEC 7064, MOD 97-10).
    if (
        not re.fullmatch(r"[0-9A-Z]{18}[0-9]{2}", value)
        or int("".join(str(int(c, 36)) for c in value)) % 97 != 1
    ):
        raise MalformedIdentifier(
            kind, value, "an LEI has 20 digits and capitals, the last two of which check"
        )
    return value


_CANONICAL: Mapping[IdentifierKind, Callable[[IdentifierKind, str], str]] = {
    **dict.fromkeys(_PATTERNS, _by_pattern),
    **dict.fromkeys(_GTIN_WITH, _gtin_with),
    **dict.fromkeys(_SCOPED, _any),
    IdentifierKind.TRACE_ID: _uuid,
    IdentifierKind.CATENA_X_ID: _uuid,
    IdentifierKind.GTIN: _gtin,
    IdentifierKind.GLN: _gln,
    IdentifierKind.CORPORATE_NUMBER: _corporate,
    IdentifierKind.PLANT_NUMBER: _plant,
    IdentifierKind.LEI: _lei,
}
