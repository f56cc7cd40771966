"""How results are shown: to a person as lines and tables, to a program as one JSON document."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ashiato.cli.problems import CliProblem
from ashiato.cli.texts import say
from ashiato.facts.instants import format_datetime

WIDTH_OF_A_PIPE_CHARS = 10_000


class Output:
    """Writes to standard output, and to standard error what is no result."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def show(self, document: Mapping[str, Any]) -> None:
        """One thing with all its members."""
        if self.as_json:
            self._dump(document)
            return
        width = max((len(_label(name)) for name in document), default=0)
        for name, value in document.items():
            self._line(f"{_label(name):<{width}}  {_shown(name, value)}")

    def table(
        self, items: Sequence[Mapping[str, Any]], columns: Sequence[str], next_cursor: str | None
    ) -> None:
        """A list; a program gets every member, a person the columns."""
        if self.as_json:
            self._dump({"items": items, "next_cursor": next_cursor})
            return
        if not items:
            self.note("list.empty")
            return
        # Loaded here because most commands print no table.
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(_label(column), overflow="fold")
        for item in items:
            table.add_row(*(_shown(column, item.get(column)) for column in columns))
        is_terminal = sys.stdout.isatty()
        console = Console(
            file=sys.stdout,
            markup=False,
            highlight=False,
            emoji=False,
            width=None if is_terminal else WIDTH_OF_A_PIPE_CHARS,
        )
        with console.capture() as capture:
            console.print(table)
        for line in capture.get().splitlines():
            self._line(line.rstrip())
        if next_cursor is not None:
            self.note("list.more")

    def done(self, key: str, **fields: object) -> None:
        """What was done, as a sentence or as its fields."""
        if self.as_json:
            self._dump(fields)
        else:
            self._line(say(key, **{name: plain(value) for name, value in fields.items()}))

    def note(self, key: str, **fields: object) -> None:
        """Something beside the result, for a person."""
        if not self.as_json:
            print(say(key, **{name: plain(value) for name, value in fields.items()}), file=sys.stderr)

    def problem(self, problem: CliProblem) -> None:
        """Why it did not work, on standard error."""
        if self.as_json:
            print(json.dumps(problem.document(), ensure_ascii=False, default=str), file=sys.stderr)
            return
        print(plain(str(problem)), file=sys.stderr)
        errors = problem.document().get("fields")
        faults = errors.get("errors") if isinstance(errors, dict) else None
        for fault in faults[1:] if isinstance(faults, list) else []:
            print(f"  {plain(fault.get('path'))}: {plain(fault.get('problem'))}", file=sys.stderr)

    def event(self, entry: Mapping[str, Any]) -> None:
        """One line as soon as it happens."""
        if self.as_json:
            print(json.dumps(entry, ensure_ascii=False), flush=True)
            return
        parts = (
            entry.get("sequence"),
            _instant(entry.get("at_ms")),
            entry.get("event"),
            entry.get("process_id"),
        )
        print("  ".join(plain(part) for part in parts), flush=True)

    def _dump(self, document: object) -> None:
        print(json.dumps(document, ensure_ascii=False, indent=2))

    def _line(self, text: str) -> None:
        print(text)


def plain(value: object) -> str:
    """The text without control characters: what a partner wrote must not steer the terminal."""
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}"
        for character in str(value)
    )


def _label(name: str) -> str:
    return name.removesuffix("_ms").replace("_", " ")


def _shown(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name.endswith("_ms"):
        return _instant(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return plain(", ".join(value))
    if isinstance(value, dict | list):
        return plain(json.dumps(value, ensure_ascii=False))
    return plain(value).replace("\n", " ")


def _instant(value: object) -> str:
    return format_datetime(value) if isinstance(value, int) and value else "-"
