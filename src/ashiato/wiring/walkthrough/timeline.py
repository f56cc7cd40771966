"""What the demonstration prints: each step with its time, its facts and what both companies wrote down meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from ashiato.wiring.walkthrough.companies import Company, Json
from ashiato.wiring.walkthrough.texts import Texts

INDENT_CHARS = 16


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a step ended. Instants are epoch milliseconds, None for a step that was not reached."""

    name: str
    title: str
    ok: bool
    started_ms: int | None = None
    ended_ms: int | None = None
    facts: Json = {}
    problem: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole walk; `ok` only if every step held."""

    ok: bool
    language: str
    started_ms: int
    ended_ms: int
    steps: tuple[Outcome, ...]


class Timeline:
    """Prints the walk as it goes."""

    def __init__(self, console: Console, texts: Texts, steps_count: int) -> None:
        self._console = console
        self._texts = texts
        self._steps_count = steps_count

    def open(self) -> None:
        """Print the heading."""
        self._console.print(f"\n[bold]{escape(self._texts.heading)}[/bold]\n")

    @contextmanager
    def running(self, number: int, step_name: str) -> Iterator[None]:
        """Show, on a terminal, which step is under way."""
        with self._console.status(f"{number}/{self._steps_count}  {escape(self._texts.title(step_name))}"):
            yield

    def show(self, number: int, outcome: Outcome, began_ms: int) -> None:
        """Print a step that has ended, or that was not reached."""
        if outcome.started_ms is None or outcome.ended_ms is None:
            unreached = escape(self._texts.ended("unreached"))
            self._row("[dim]–", number, f"[dim]{escape(outcome.title)} ({unreached})")
            return
        sign = "[green]✔" if outcome.ok else "[red]✘"
        since_s = (outcome.started_ms - began_ms) / 1000
        took_ms = outcome.ended_ms - outcome.started_ms
        title = f"[bold]{escape(outcome.title)}[/bold] [dim]{took_ms} ms"
        self._row(sign, number, title, f"[cyan]{since_s:.2f} s")
        if outcome.problem is not None:
            self._indented(f"[red]{escape(outcome.problem)}[/red]")
            return
        for line in self._texts.lines(outcome.name, outcome.facts):
            self._indented(escape(line))
        self._companies(outcome.facts.get("companies", []))
        self._events(outcome.facts.get("events", []))

    def close(self, report: Report) -> None:
        """Print whether everything held."""
        took_s = f"{(report.ended_ms - report.started_ms) / 1000:.1f}"
        line = self._texts.ended("held" if report.ok else "failed", took_s=took_s)
        self._print(f"\n[bold {'green' if report.ok else 'red'}]{escape(line)}[/]")

    def stay(self, companies: tuple[Company, ...]) -> None:
        """Print how to talk to the companies that keep running."""
        self._print(f"\n{escape(self._texts.ended('running'))}")
        for company in companies:
            address = f"{company.management_url}/v1/{company.slug}/history"
            self._print(f"  curl -H 'X-Api-Key: {company.api_key}' {address}", wraps=False)

    def _companies(self, companies: list[Json]) -> None:
        table = Table.grid(padding=(0, 2))
        for company in companies:
            table.add_row(company["company"], company["protocol"], f"pid {company['pid']}")
        self._indented(table)

    def _events(self, events: list[Json]) -> None:
        table = Table.grid(padding=(0, 2))
        for event in events:
            after = f"[cyan]+{event['after_ms']} ms"
            table.add_row(after, event["company"], escape(self._texts.event(event["event"])))
        self._indented(table)

    def _row(self, sign: str, number: int, title: str, since: str = "") -> None:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=9, justify="right")
        table.add_column()
        table.add_column(width=2, justify="right")
        # Japanese has no spaces to break at.
        table.add_column(ratio=1, overflow="fold")
        table.add_row(since, sign, str(number), title)
        self._console.print(table)

    def _indented(self, shown: str | Table) -> None:
        if isinstance(shown, str) or shown.rows:
            self._console.print(Padding(shown, (0, 0, 0, INDENT_CHARS)), highlight=False)

    def _print(self, line: str, wraps: bool = True) -> None:
        self._console.print(line, highlight=False, soft_wrap=not wraps)
