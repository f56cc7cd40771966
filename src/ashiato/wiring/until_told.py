"""How a program of ours runs: opened, started, served until it is told to stop, closed whatever happens."""

import asyncio
import gc
import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol


class Served(Protocol):
    """A program with listeners; `serve` ends after `stop`."""

    async def open(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    async def serve(self) -> None: ...
    async def close(self) -> None: ...


async def serve_until_told(program: Served, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called once it listens."""
    try:
        await program.open()
        program.start()
        # What is loaded now stays: the collector need not look through it again and again.
        gc.freeze()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, program.stop)
        ready()
        await program.serve()
    finally:
        await program.close()


def write_ready(ready_file: Path, document: Mapping[str, object]) -> None:
    """Say in a file that the program listens, and where; the file is never there half."""
    draft = ready_file.with_suffix(".new")
    draft.write_text(json.dumps(document), encoding="utf-8")
    draft.replace(ready_file)
