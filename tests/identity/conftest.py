from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ashiato.stores.engine import SqlStore, open_store
from tests.dcp_parties import Holder, Issuer, World, dcp_world
from tests.verifying import Verifier, verifier

T0_MS = 1_764_000_000_000


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with dcp_world(T0_MS) as made:
        yield made


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite:///{tmp_path}/connector.db", "test")
    yield opened
    await opened.close()


@pytest.fixture
def hub(world: World) -> Issuer:
    """The issuer that the verifier's list recognises for memberships and roles."""
    return world.issuer("hub")


@pytest.fixture
def maker(world: World) -> Holder:
    return world.holder("maker")


@pytest.fixture
async def buyer(world: World, store: SqlStore, hub: Issuer) -> AsyncIterator[Verifier]:
    """The verifier."""
    async with verifier(world, store) as made:
        made.trust(hub, hub.trust_list((hub.did, ["MembershipCredential", "RoleCredential"])))
        yield made
