from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.connector.firms import Firm, Street, open_street
from tests.postgresql_server import fresh_database


@pytest.fixture(scope="session")
def postgresql_of_streets(postgresql_url: str) -> Iterator[str]:
    """One database for all tests here: to make one costs more than most of them."""
    with fresh_database(postgresql_url) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def street_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store without a row: every test that takes it runs once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/connector.db"
    url = str(request.getfixturevalue("postgresql_of_streets"))
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        tables = [sql.Identifier(name) for (name,) in found if name != "schema_version"]
        if tables:
            connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))
    return url


@pytest.fixture
async def street(street_url: str) -> AsyncIterator[Street]:
    """Companies without a network, on each kind of store."""
    async with open_street(street_url) as opened:
        yield opened


@pytest.fixture
def maker(street: Street) -> Firm:
    """The one that has the data."""
    return street.firm("maker")


@pytest.fixture
def cells(street: Street) -> Firm:
    """The one that wants it."""
    return street.firm("cells")


@pytest.fixture
def rival(street: Street) -> Firm:
    """A third one."""
    return street.firm("rival")
