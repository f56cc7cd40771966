"""SimaPro CSV (format 7 to 9): blocks of processes, with the header naming separator and decimal sign.

A process with several products is divided by the percentages that it states, exactly; amounts are brought to the reference
unit of their quantity where the file defines its units.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from ashiato.apps.carbon.factors.datasets import (
    Activity,
    Collector,
    Direction,
    Exchange,
    ExchangeKind,
    Flow,
    Reading,
    Uncertainty,
    UnreadableSource,
)
from ashiato.apps.carbon.factors.numerals import UnreadableNumber, divided, log_of, parse_amount, times
from ashiato.apps.carbon.factors.tables import decode, delimited_rows

_SEPARATORS = {"semicolon": ";", "tab": "\t", "comma": ","}
_NAME, _SUBCOMPARTMENT = 0, 1
_ONE, _TWO, _HUNDRED = Decimal(1), Decimal(2), Decimal(100)
# Percentages are printed with a few decimals; three thirds of 33.33 are meant to be everything.
_MOST_ROUNDING = Decimal("0.1")

_ELEMENTARY: Mapping[str, tuple[str, Direction]] = {
    "Resources": ("natural resource", "input"),
    "Emissions to air": ("air", "output"),
    "Emissions to water": ("water", "output"),
    "Emissions to soil": ("soil", "output"),
    "Final waste flows": ("final waste", "output"),
    "Non material emissions": ("non material", "output"),
    "Social issues": ("social", "output"),
    "Economic issues": ("economic", "output"),
}
_TECHNOSPHERE: Mapping[str, tuple[ExchangeKind, Direction]] = {
    "Avoided products": ("avoided", "output"),
    "Materials/fuels": ("product", "input"),
    "Electricity/heat": ("product", "input"),
    "Waste to treatment": ("waste", "output"),
}
_UNREAD = ("Waste scenario", "Separated waste", "Remaining waste")


class _Line(msgspec.Struct, frozen=True):
    number: int
    cells: list[str]


class _Header(msgspec.Struct, frozen=True):
    delimiter: str
    decimal_sign: str


class _Units(msgspec.Struct, frozen=True):
    factors: Mapping[str, tuple[Decimal, str]]

    def reference(self, unit: str) -> tuple[Decimal, str]:
        return self.factors.get(unit, (_ONE, unit))


def read_simapro(data: bytes, other: str = "cp1252") -> Reading:
    """Every process of the file; `other` is the encoding of what is not UTF-8. Raises `UnreadableSource` for another format."""
    text = decode(data, other)
    header = _header(text)
    blocks = list(_blocks(text, header))
    units = _units(blocks, header)
    collector = Collector("SimaPro CSV")
    for kind, lines in blocks:
        if kind == "Process":
            where = f"line {lines[0].number if lines else 0}"
            try:
                _take(collector, where, lines, header, units)
            except (UnreadableNumber, UnreadableSource) as unreadable:
                collector.fault(where, unreadable.code, unreadable.problem)
        elif kind not in {"Units", "Quantities"}:
            collector.loss(kind, "blocks of a kind that is not read")
    return collector.reading()


def _header(text: str) -> _Header:
    delimiter, decimal_sign, seen = ";", ".", False
    for line in text.splitlines():
        told = line.strip().strip('"')
        if not told.startswith("{"):
            break
        name, _, value = told.strip("{}").partition(":")
        value = value.strip()
        seen = seen or name.startswith("SimaPro")
        if name == "CSV separator":
            delimiter = _SEPARATORS.get(value.lower(), value[:1] or ";")
        elif name == "Decimal separator":
            decimal_sign = value or "."
    if not seen:
        raise UnreadableSource("format_missing", "the file does not begin with {SimaPro …}")
    if delimiter not in _SEPARATORS.values() or decimal_sign not in {".", ","} or delimiter == decimal_sign:
        raise UnreadableSource(
            "format_unknown", "the header names a separator or decimal sign that is not read here"
        )
    return _Header(delimiter, decimal_sign)


def _blocks(text: str, header: _Header) -> Iterator[tuple[str, list[_Line]]]:
    """Each block from its title to `End`; a block without end is a file cut short."""
    kind: str | None = None
    lines: list[_Line] = []
    for number, cells in enumerate(delimited_rows(text, header.delimiter), start=1):
        first = cells[0].strip() if cells else ""
        if kind is None:
            if first and not first.startswith("{"):
                kind, lines = first, []
        elif first == "End" and not any(cell.strip() for cell in cells[1:]):
            yield kind, lines
            kind = None
        else:
            lines.append(_Line(number, [cell.strip() for cell in cells]))
    if kind is not None:
        raise UnreadableSource("file_cut", f"the block {kind!r} has no end; the file was cut short")


def _units(blocks: Iterable[tuple[str, list[_Line]]], header: _Header) -> _Units:
    factors = {}
    for kind, lines in blocks:
        if kind == "Units":
            for line in lines:
                if len(line.cells) >= 4 and line.cells[0]:
                    factor = parse_amount(line.cells[2], header.decimal_sign)
                    factors[line.cells[0]] = (factor, line.cells[3])
    return _Units(factors)


def _sections(lines: Sequence[_Line]) -> dict[str, list[_Line]]:
    """What stands under each title, up to the next empty line."""
    found: dict[str, list[_Line]] = {}
    title: str | None = None
    for line in lines:
        if not any(line.cells):
            title = None
        elif title is None:
            title = line.cells[0]
            found.setdefault(title, [])
        else:
            found[title].append(line)
    return found


def _take(collector: Collector, where: str, lines: Sequence[_Line], header: _Header, units: _Units) -> None:
    sections = _sections(lines)
    for title in _UNREAD:
        if sections.get(title):
            raise UnreadableSource("dataset_kind", f"a process with a section {title!r} is not read here")
    flows: list[Flow] = []
    shared = [
        _technosphere(line, kind, direction, header, units, flows)
        for title, (kind, direction) in _TECHNOSPHERE.items()
        for line in sections.get(title, ())
    ] + [
        _elementary(line, compartment, direction, header, units, flows)
        for title, (compartment, direction) in _ELEMENTARY.items()
        for line in sections.get(title, ())
    ]
    if sections.get("Input parameters") or sections.get("Calculated parameters"):
        collector.loss("every dataset", "parameters; amounts written as formulas are faults")
    products = _products(sections, header, units, flows)
    for flow in flows:
        collector.flow(flow)
    single = len(products) == 1
    identifier = _first(sections, "Process identifier")
    for product, part in products:
        collector.activity(
            Activity(
                id=identifier if single and identifier else f"{identifier}|{product.flow_id}",
                name=_first(sections, "Process name") or product.flow_id,
                location=_first(sections, "Geography"),
                exchanges=(product, *(shared if part == _ONE else (_portion(line, part) for line in shared))),
            ),
            where,
        )


def _products(
    sections: Mapping[str, list[_Line]], header: _Header, units: _Units, flows: list[Flow]
) -> list[tuple[Exchange, Decimal]]:
    """Each product with the part of the burden that it bears."""
    treated = sections.get("Waste treatment", [])
    made = sections.get("Products", [])
    if bool(treated) == bool(made) or len(treated) > 1:
        raise UnreadableSource("dataset_incomplete", "a process needs products, or one treated waste")
    if treated:
        return [(_technosphere(treated[0], "reference", "input", header, units, flows), _ONE)]
    found = []
    for line in made:
        percent = _cell(line, 3).rstrip("%").strip()
        part = divided(_amount(percent or "100", line, header), _HUNDRED)
        found.append((_technosphere(line, "reference", "output", header, units, flows), part))
    whole = sum((part for _, part in found), Decimal(0))
    if abs(times(whole, _HUNDRED) - _HUNDRED) > _MOST_ROUNDING:
        raise UnreadableSource(
            "allocation_sum", f"the products share {times(whole, _HUNDRED):f} % of the burden"
        )
    return found if len(found) > 1 else [(found[0][0], _ONE)]


def _portion(exchange: Exchange, part: Decimal) -> Exchange:
    spread = exchange.uncertainty
    if spread is not None and spread.distribution != "lognormal":
        spread = msgspec.structs.replace(
            spread, spread=None if spread.spread is None else times(spread.spread, part)
        )
    if spread is not None:
        scaled = [
            None if value is None else times(value, part)
            for value in (spread.centre, spread.minimum, spread.maximum)
        ]
        spread = msgspec.structs.replace(spread, centre=scaled[0], minimum=scaled[1], maximum=scaled[2])
    return msgspec.structs.replace(exchange, amount=times(exchange.amount, part), uncertainty=spread)


def _technosphere(
    line: _Line, kind: ExchangeKind, direction: Direction, header: _Header, units: _Units, flows: list[Flow]
) -> Exchange:
    name = _cell(line, _NAME)
    factor, unit = units.reference(_cell(line, 1))
    amount = times(_amount(_cell(line, 2), line, header), factor)
    flows.append(Flow(name, name, unit))
    spread = _uncertainty(line, 3, amount, factor, header) if kind != "reference" else None
    return Exchange(name, kind, direction, amount, unit, uncertainty=spread)


def _elementary(
    line: _Line, compartment: str, direction: Direction, header: _Header, units: _Units, flows: list[Flow]
) -> Exchange:
    name, part = _cell(line, _NAME), _cell(line, _SUBCOMPARTMENT)
    factor, unit = units.reference(_cell(line, 2))
    amount = times(_amount(_cell(line, 3), line, header), factor)
    flow_id = f"{compartment}|{part}|{name}"
    flows.append(Flow(flow_id, name, unit, True, tuple(filter(None, (compartment, part)))))
    spread = _uncertainty(line, 4, amount, factor, header)
    return Exchange(flow_id, "elementary", direction, amount, unit, uncertainty=spread)


def _uncertainty(
    line: _Line, column: int, amount: Decimal, factor: Decimal, header: _Header
) -> Uncertainty | None:
    """`column` is that of the form; the next holds the squared geometric deviation, or twice the deviation
    (as GreenDelta's reader has it; Brightway's take that for a variance), then the ends."""
    form = _cell(line, column).lower()
    wide, least, most = (
        _amount(_cell(line, behind) or "0", line, header) if form not in {"", "undefined"} else Decimal(0)
        for behind in (column + 1, column + 2, column + 3)
    )
    match form:
        # A deviation of 1 or less is how the program writes that there is none.
        case "lognormal" if wide > 1 and amount:
            return Uncertainty("lognormal", centre=amount, spread=divided(log_of(wide), _TWO))
        case "normal" if wide > 0:
            return Uncertainty("normal", centre=amount, spread=times(divided(wide, _TWO), factor))
        case "triangle":
            return Uncertainty(
                "triangular", centre=amount, minimum=times(least, factor), maximum=times(most, factor)
            )
        case "uniform":
            return Uncertainty("uniform", minimum=times(least, factor), maximum=times(most, factor))
    return None


def _amount(text: str, line: _Line, header: _Header) -> Decimal:
    try:
        return parse_amount(text, header.decimal_sign)
    except UnreadableNumber as unreadable:
        raise UnreadableNumber(unreadable.code, f"line {line.number}: {unreadable.problem}") from None


def _cell(line: _Line, column: int) -> str:
    return line.cells[column] if column < len(line.cells) else ""


def _first(sections: Mapping[str, list[_Line]], title: str) -> str:
    lines = sections.get(title)
    return lines[0].cells[0] if lines else ""
