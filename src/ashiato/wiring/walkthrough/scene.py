"""What the steps of the demonstration share: the companies, and what earlier steps left for later ones."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ashiato.wiring.walkthrough.battery_chain import battery_chain
from ashiato.wiring.walkthrough.companies import Company, Hosted, Json
from ashiato.wiring.walkthrough.feed import PlantFeed

PLANT_SECRET = "plant-key"
HOSTED = ("nickel", "lithium", "brine", "graphite")


@dataclass
class Scene:
    """Three companies, the association that issues their credentials, the maker's plant system, and a supply chain.

    The chain has eight companies by slug, two of which are the cathode maker and the cell maker. Its refiners and the
    graphite maker are hosted in one process, as small firms are; the others have a process and a store each.
    A verifier of its own looks at single lines of a declaration.
    `trust_list` is the file in which the three read whose word counts; `remembered` holds ids that later steps go on with.
    """

    association: Company
    maker: Company
    cells: Company
    trader: Company
    chain: dict[str, Company]
    verifier: Company
    feed: PlantFeed
    trust_list: Path
    remembered: dict[str, str] = field(default_factory=dict)

    @property
    def companies(self) -> tuple[Company, ...]:
        """The companies that trade."""
        return (self.maker, self.cells, self.trader)

    @property
    def chain_processes(self) -> tuple[Company, ...]:
        """The companies of the chain that run a process beside the first three."""
        return tuple(
            company
            for company in self.chain.values()
            if company not in self.companies and not isinstance(company, Hosted)
        )

    @property
    def everybody(self) -> tuple[Company, ...]:
        """All processes of the first steps."""
        return (self.association, *self.companies)

    @property
    def _processes(self) -> tuple[Company, ...]:
        return (*self.everybody, *self.chain_processes, self.verifier)

    async def close(self) -> None:
        """End every process and server, whatever state they are in."""
        await asyncio.gather(*(company.close() for company in self._processes), self.feed.close())

    def kill(self) -> None:
        """End every process now, without asking it."""
        for company in self._processes:
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
    maker = Company(folder / "cathode", "cathode", "Demo Cathode Maker", plant, trust_list=trust_list)
    cells = Company(folder / "cells", "cells", "Demo Cell Maker", {}, trust_list=trust_list)
    return Scene(
        association=Company(folder / "association", "association", "Demo Battery Association", {}),
        maker=maker,
        cells=cells,
        trader=Company(folder / "trader", "trader", "Demo Trader", {}, trust_list=trust_list),
        chain=_chain(folder, {"cathode": maker, "cells": cells}, trust_list),
        verifier=Company(folder / "verifier", "verifier", "Demo Assurance Body", {}),
        feed=PlantFeed(credential),
        trust_list=trust_list,
    )


def _chain(folder: Path, there: Mapping[str, Company], trust_list: Path) -> dict[str, Company]:
    """The companies of the chain in the order of its data; the first of the hosted ones is their host."""
    companies: dict[str, Company] = {}
    for described in battery_chain().companies:
        slug, name = described.slug, described.name
        if slug in there:
            companies[slug] = there[slug]
        elif slug in HOSTED and HOSTED[0] in companies:
            companies[slug] = Hosted(companies[HOSTED[0]], slug, name)
        else:
            companies[slug] = Company(folder / slug, slug, name, {}, trust_list=trust_list)
    return companies


def now_ms() -> int:
    """The clock of this process, epoch milliseconds."""
    return time.time_ns() // 1_000_000
