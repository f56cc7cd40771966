from collections.abc import Iterator

import pytest

from tests.postgresql_server import fresh_database


@pytest.fixture(params=["sqlite", "postgresql"])
def store_urls(request: pytest.FixtureRequest) -> Iterator[list[str | None]]:
    """The stores of maker and buyer; None stands for a SQLite file in their folder."""
    if request.param == "sqlite":
        yield [None, None]
        return
    server = request.getfixturevalue("postgresql_url")
    with fresh_database(server) as maker, fresh_database(server) as buyer:
        yield [maker, buyer]
