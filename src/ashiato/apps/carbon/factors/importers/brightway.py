"""Brightway inventories as its own exporters write them: one activity after another on a sheet, in Excel or CSV.

Sheets of other content are losses. A datapackage of bare matrices carries no names, units or rights and is
not read as an inventory.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from ashiato.apps.carbon.factors.datasets import (
    Activity,
    Collector,
    Direction,
    Exchange,
    Flow,
    Reading,
    Uncertainty,
    UnreadableSource,
)
from ashiato.apps.carbon.factors.numerals import UnreadableNumber, parse_amount
from ashiato.apps.carbon.factors.tables import Table

_SEPARATOR = "::"
_RESOURCE = "natural resource"
# stats_arrays: the numbers of the distributions that have a place here; 0 and 1 mean none.
_LOGNORMAL, _NORMAL, _UNIFORM, _TRIANGULAR = "2", "3", "4", "5"


class _Draft(msgspec.Struct, frozen=True):
    """An activity as it stands on the sheet, before suppliers are looked up."""

    where: str
    database: str
    name: str
    attributes: Mapping[str, str]
    exchanges: Sequence[Mapping[str, str]]

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (
            self.database,
            self.name,
            self.attributes.get("location", ""),
            self.attributes.get("unit", ""),
        )

    @property
    def product(self) -> str:
        return self.attributes.get("reference product", "")


def read_brightway(tables: Sequence[Table]) -> Reading:
    """Every activity of the sheets. Raises `UnreadableSource` where no sheet begins as Brightway writes them."""
    collector = Collector("Brightway")
    drafts: list[_Draft] = []
    recognised = False
    for table in tables:
        rows = [[cell.text for cell in row] for row in table.rows]
        if not rows or not rows[0] or rows[0][0].lower() != "database" or len(rows[0]) < 2:
            collector.loss(f"sheet {table.name}", "it does not begin with a database")
            continue
        recognised = True
        drafts += _drafts(table.name, rows, collector)
    if not recognised:
        raise UnreadableSource("format_missing", "no sheet begins with the cell 'Database' and a name")
    sharing: dict[tuple[str, str, str, str], int] = {}
    for draft in drafts:
        sharing[draft.key] = sharing.get(draft.key, 0) + 1
    for draft in drafts:
        try:
            _take(collector, draft, sharing)
        except (UnreadableNumber, UnreadableSource) as unreadable:
            collector.fault(draft.where, unreadable.code, unreadable.problem)
    return collector.reading()


def _drafts(sheet: str, rows: Sequence[Sequence[str]], collector: Collector) -> Iterator[_Draft]:
    database = rows[0][1]
    row = 0
    while row < len(rows):
        title = rows[row][0].lower() if rows[row] else ""
        if title == "activity":
            draft, row = _draft(sheet, database, rows, row, collector)
            yield draft
            continue
        if title.endswith("parameters"):
            collector.loss(f"sheet {sheet}", "parameters; the amounts beside formulas are kept")
        row += 1


def _draft(
    sheet: str, database: str, rows: Sequence[Sequence[str]], start: int, collector: Collector
) -> tuple[_Draft, int]:
    """The activity that begins at the row, and the row behind it."""
    attributes: dict[str, str] = {}
    exchanges: list[Mapping[str, str]] = []
    row = start + 1
    while row < len(rows):
        title = rows[row][0].lower() if rows[row] else ""
        if title == "exchanges":
            exchanges, row = _exchanges(rows, row + 1)
            break
        if title == "activity" or title.endswith("parameters"):
            break
        if title:
            attributes[title] = rows[row][1] if len(rows[row]) > 1 else ""
        row += 1
    if any(line.get("formula") for line in exchanges):
        collector.loss(f"sheet {sheet}", "formulas; the amounts beside them are kept")
    name = rows[start][1] if len(rows[start]) > 1 else ""
    return _Draft(f"sheet {sheet}, row {start + 1}", database, name, attributes, exchanges), row


def _exchanges(rows: Sequence[Sequence[str]], row: int) -> tuple[list[Mapping[str, str]], int]:
    header = [cell.lower() for cell in rows[row]] if row < len(rows) else []
    found: list[Mapping[str, str]] = []
    row += 1
    while row < len(rows) and any(rows[row]):
        found.append({name: cell for name, cell in zip(header, rows[row], strict=False) if name and cell})
        row += 1
    return found, row


def _take(collector: Collector, draft: _Draft, sharing: Mapping[tuple[str, str, str, str], int]) -> None:
    if not draft.name:
        raise UnreadableSource("dataset_incomplete", "the activity has no name")
    unit = draft.attributes.get("unit", "")
    own = _product_id(draft.key, draft.product, sharing)
    flows = [Flow(own, draft.name, unit)]
    exchanges = [_exchange(line, draft, sharing, flows) for line in draft.exchanges]
    if not any(exchange.kind == "reference" for exchange in exchanges):
        # Brightway's own rule: an activity without a production line makes one unit of itself.
        exchanges.insert(0, Exchange(own, "reference", "output", Decimal(1), unit))
    for flow in flows:
        collector.flow(flow)
    code = draft.attributes.get("code", "")
    collector.activity(
        Activity(
            id=f"{draft.database}|{code}" if code else own,
            name=draft.name,
            location=draft.attributes.get("location", ""),
            exchanges=tuple(exchanges),
            comment=draft.attributes.get("comment", ""),
        ),
        draft.where,
    )


def _exchange(
    line: Mapping[str, str],
    draft: _Draft,
    sharing: Mapping[tuple[str, str, str, str], int],
    flows: list[Flow],
) -> Exchange:
    name, unit = line.get("name", ""), line.get("unit", "")
    amount = parse_amount(line.get("amount", ""))
    spread = _uncertainty(line, amount)
    form = line.get("type", "").lower()
    if form == "biosphere":
        places = tuple(line.get("categories", "").split(_SEPARATOR))
        flow_id = "|".join((line.get("database", ""), name, *places, unit))
        flows.append(Flow(flow_id, name, unit, True, tuple(filter(None, places))))
        # In Brightway a resource counts plus like an emission; the compartment alone tells them apart.
        direction: Direction = "input" if places[0] == _RESOURCE else "output"
        return Exchange(flow_id, "elementary", direction, amount, unit, uncertainty=spread)
    if form == "production":
        own = _product_id(draft.key, draft.product, sharing)
        return Exchange(own, "reference", "output", amount, unit or draft.attributes.get("unit", ""))
    if form not in {"technosphere", "substitution"}:
        raise UnreadableSource("exchange_kind", f"{name!r} is an exchange of the unknown type {form!r}")
    key = (line.get("database", draft.database), name, line.get("location", ""), unit)
    flow_id = _product_id(key, line.get("reference product", ""), sharing)
    flows.append(Flow(flow_id, name, unit))
    if form == "substitution":
        return Exchange(flow_id, "avoided", "output", amount, unit, uncertainty=spread)
    return Exchange(flow_id, "product", "input", amount, unit, uncertainty=spread)


def _product_id(
    key: tuple[str, str, str, str], product: str, sharing: Mapping[tuple[str, str, str, str], int]
) -> str:
    """Brightway links by name, place and unit; the product is added where these do not tell two activities apart."""
    parts = (*key, product) if sharing.get(key, 0) > 1 else key
    return "|".join(parts)


def _uncertainty(line: Mapping[str, str], amount: Decimal) -> Uncertainty | None:
    values = {name: parse_amount(line[name]) for name in ("scale", "minimum", "maximum") if line.get(name)}
    form = line.get("uncertainty type", "").removesuffix(".0")
    match form:
        case _ if form in {_LOGNORMAL, _NORMAL} and "scale" in values:
            return Uncertainty(
                "lognormal" if form == _LOGNORMAL else "normal", centre=amount, spread=values["scale"]
            )
        case _ if form in {_UNIFORM, _TRIANGULAR} and {"minimum", "maximum"} <= values.keys():
            return Uncertainty(
                "uniform" if form == _UNIFORM else "triangular",
                centre=None if form == _UNIFORM else amount,
                minimum=values["minimum"],
                maximum=values["maximum"],
            )
    return None
