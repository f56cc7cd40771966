"""What the steps of the demonstration share: the companies, and what earlier steps left for later ones."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ashiato.wiring.walkthrough.companies import Company, Json
from ashiato.wiring.walkthrough.feed import PlantFeed

PLANT_SECRET = "plant-key"


@dataclass
class Scene:
    """Three companies and the maker's plant system; `remembered` holds ids that later steps go on with."""

    maker: Company
    cells: Company
    trader: Company
    feed: PlantFeed
    remembered: dict[str, str] = field(default_factory=dict)

    @property
    def companies(self) -> tuple[Company, ...]:
        """All companies."""
        return (self.maker, self.cells, self.trader)

    async def close(self) -> None:
        """End every process and server, whatever state they are in."""
        await asyncio.gather(*(company.close() for company in self.companies), self.feed.close())

    def kill(self) -> None:
        """End every process now, without asking it."""
        for company in self.companies:
            with contextlib.suppress(OSError):
                company.kill()


class Step(msgspec.Struct, frozen=True):
    """One step: `play` returns its facts or raises `StepFailed`. Its texts stand in `demo_data/texts.toml` by `name`."""

    name: str
    play: Callable[[Scene], Awaitable[Json]]


def set_scene(folder: Path) -> Scene:
    """The companies of the demonstration, each with its own folder below `folder`; nothing runs yet."""
    credential = secrets.token_urlsafe(24)
    credential_file = folder / "plant.key"
    credential_file.write_text(credential, encoding="utf-8")
    return Scene(
        maker=Company(
            folder / "cathode", "cathode", "Demo Cathode Maker", {PLANT_SECRET: f"file:{credential_file}"}
        ),
        cells=Company(folder / "cells", "cells", "Demo Cell Maker", {}),
        trader=Company(folder / "trader", "trader", "Demo Trader", {}),
        feed=PlantFeed(credential),
    )


def now_ms() -> int:
    """The clock of this process, epoch milliseconds."""
    return time.time_ns() // 1_000_000
