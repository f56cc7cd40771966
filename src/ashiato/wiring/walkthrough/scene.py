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
    """Three companies, the association that issues their credentials, and the maker's plant system.

    `trust_list` is the file in which the three read whose word counts; `remembered` holds ids that later steps go on with.
    """

    association: Company
    maker: Company
    cells: Company
    trader: Company
    feed: PlantFeed
    trust_list: Path
    remembered: dict[str, str] = field(default_factory=dict)

    @property
    def companies(self) -> tuple[Company, ...]:
        """The companies that trade."""
        return (self.maker, self.cells, self.trader)

    @property
    def everybody(self) -> tuple[Company, ...]:
        """All processes."""
        return (self.association, *self.companies)

    async def close(self) -> None:
        """End every process and server, whatever state they are in."""
        await asyncio.gather(*(company.close() for company in self.everybody), self.feed.close())

    def kill(self) -> None:
        """End every process now, without asking it."""
        for company in self.everybody:
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
    trust_list = folder / "trust-list.json"
    plant = {PLANT_SECRET: f"file:{credential_file}"}
    return Scene(
        association=Company(folder / "association", "association", "Demo Battery Association", {}),
        maker=Company(folder / "cathode", "cathode", "Demo Cathode Maker", plant, trust_list=trust_list),
        cells=Company(folder / "cells", "cells", "Demo Cell Maker", {}, trust_list=trust_list),
        trader=Company(folder / "trader", "trader", "Demo Trader", {}, trust_list=trust_list),
        feed=PlantFeed(credential),
        trust_list=trust_list,
    )


def now_ms() -> int:
    """The clock of this process, epoch milliseconds."""
    return time.time_ns() // 1_000_000
