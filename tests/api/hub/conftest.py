from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.dcp_parties import Holder, World, dcp_world
from tests.hubs import Hub, running_hub


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with dcp_world(0) as made:
        yield made


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running_hub(tmp_path) as made:
        yield made


@pytest.fixture
def maker(world: World) -> Holder:
    return world.holder("maker")


@pytest.fixture
def other(world: World) -> Holder:
    return world.holder("other")
