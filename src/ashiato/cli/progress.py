"""How far a long command is, on standard error: a bar on a terminal, a line for each step elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ashiato.cli.output import Output, plain
from ashiato.cli.texts import say


class Progress(Protocol):
    """What is going on, and how many bytes of how many."""

    def step(self, key: str, **fields: object) -> None:
        """A new step begins."""

    def bytes_now(self, done_bytes: int, total_bytes: int | None) -> None:
        """So much of it is done; `total_bytes` None where nobody knows how much there is."""

    def part_now(self, stage: str, done_ratio: float) -> None:
        """The node works at `stage`, of which so much (0 to 1) is done."""


@contextmanager
def shown_progress(output: Output) -> Iterator[Progress]:
    """A bar, lines, or nothing where a program listens."""
    if output.as_json:
        yield _Silent()
    elif not sys.stderr.isatty():
        yield _Lines(output)
    else:
        with _Bar() as bar:
            yield bar


class _Silent:
    def step(self, key: str, **fields: object) -> None:
        """Nothing is said."""

    def bytes_now(self, done_bytes: int, total_bytes: int | None) -> None:
        """Nothing is said."""

    def part_now(self, stage: str, done_ratio: float) -> None:
        """Nothing is said."""


class _Lines:
    def __init__(self, output: Output) -> None:
        self._output = output
        self._stage = ""

    def step(self, key: str, **fields: object) -> None:
        self._output.note(key, **fields)

    def bytes_now(self, done_bytes: int, total_bytes: int | None) -> None:
        """Lines would flood a log."""

    def part_now(self, stage: str, done_ratio: float) -> None:
        if stage != self._stage:
            self._stage = stage
            self._output.note("get.stage", stage=stage)


class _Bar:
    def __init__(self) -> None:
        # Loaded here because only two commands take long.
        from rich import progress
        from rich.console import Console

        self._progress = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=30),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeElapsedColumn(),
            console=Console(stderr=True, markup=False, emoji=False),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, key: str, **fields: object) -> None:
        text = say(key, **{name: plain(value) for name, value in fields.items()})
        self._progress.reset(self._task, description=text, total=None)

    def bytes_now(self, done_bytes: int, total_bytes: int | None) -> None:
        self._progress.update(self._task, completed=done_bytes, total=total_bytes)

    def part_now(self, stage: str, done_ratio: float) -> None:
        self._progress.update(self._task, description=f"{plain(stage)} {done_ratio:.0%}")
