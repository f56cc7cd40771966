"""Writes `docs/requirements.md` from `rows.toml`: what the scheme asks for, and the tests that show it."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import NotRequired, TypedDict, cast

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "requirements.md"
STANDINGS = ("built", "begun", "later")
_HEAD = """# What the scheme asks for, and the tests that show it

The rows are those of the report on the battery traceability platform for Japan (2022): R is a requirement, D a data item.
**Built** means that all of the row is there, **begun** that the named part is, **later** that nothing is.
`make requirements` writes this page from `tests/requirements/rows.toml`; a test fails when a row is missing or a test that it
names does not exist.

"""


class Row(TypedDict):
    """One row of the table; `tests` are files or `file::function`, relative to the project."""

    title: str
    standing: str
    what: NotRequired[str]
    tests: NotRequired[list[str]]


def rows() -> dict[str, Row]:
    """Every row by its id."""
    text = Path(__file__).with_name("rows.toml").read_text("utf-8")
    return cast("dict[str, Row]", tomllib.loads(text))


def page(table: dict[str, Row]) -> str:
    """The page as it has to stand in the documents."""
    counts = Counter(row["standing"] for row in table.values())
    told = ", ".join(f"{counts[standing]} {standing}" for standing in STANDINGS)
    lines = [f"{len(table)} rows: {told}.", "", "| row | asked | standing | tests |", "|---|---|---|---|"]
    for row_id, row in table.items():
        standing = f"{row['standing']}: {row['what']}" if "what" in row else row["standing"]
        tests = "<br>".join(f"`{name}`" for name in row.get("tests", []))
        lines.append(f"| {row_id} | {row['title']} | {standing} | {tests} |")
    return _HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(rows()), "utf-8")
