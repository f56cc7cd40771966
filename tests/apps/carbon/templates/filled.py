"""Filled-in tables as tests need them."""

from collections.abc import Mapping

from ashiato.apps.carbon.factors.licences import Licence
from ashiato.apps.carbon.factors.tables import Cell, Table
from ashiato.apps.carbon.templates.columns import Language, Template

KNOWN_LICENCES = {"own": Licence("own", holders=("did:web:a.example",), everybody=True)}

NICKEL = {
    "factor_id": "ni-1",
    "name": "Nickel sulfate",
    "unit": "kg",
    "co2_fossil_kg": "3.2",
    "ch4_fossil_kg": "0.01",
    "gwp_set": "AR6",
    "ownership": "own",
    "source": "Own measurement",
    "licence": "own",
}
POWER = {
    "line_id": "l-1",
    "plant_id": "p-1",
    "product_id": "cathode",
    "from": "2025-04-01",
    "until": "2026-04-01",
    "kind": "material",
    "stage": "raw_materials",
    "amount": "1,200.5",
    "unit": "kg",
    "factor_id": "ni-1",
}
ANSWER = {
    "request_id": "r-1",
    "part_id": "cell-1",
    "decision": "answer",
    "unit": "kg",
    "raw_materials": "10.5",
    "main_production": "2",
    "distribution": "0.1",
    "end_of_life": "-0.25",
    "gwp_set": "AR6",
}


def table(template: Template, *rows: Mapping[str, str | Cell], language: Language = "en") -> Table:
    """A table with the headings of the template in that language, and those rows of texts or cells by column."""
    head = tuple(Cell(column.heading(language), "text") for column in template.columns)
    body = tuple(tuple(_cell(row.get(column.key, "")) for column in template.columns) for row in rows)
    return Table("sheet", (head, *body))


def _cell(value: str | Cell) -> Cell:
    return value if isinstance(value, Cell) else Cell(value, "text" if value else "empty")
