"""What tests of every room share: the official artefacts and both kinds of store."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.plugins.wire_witness import _every_message_satisfies_the_schemas, wire_witness
from tests.postgresql_server import fresh_database, running_postgresql

__all__ = ["_every_message_satisfies_the_schemas", "wire_witness"]

REPOSITORY = Path(__file__).resolve().parent.parent


def find_conformance(environment: Mapping[str, str]) -> Path:
    """The folder of official schemas, examples and vectors; without it a test is skipped, in CI it fails."""
    folder = Path(environment.get("ASHIATO_CONFORMANCE") or REPOSITORY.parent / "shared" / "conformance")
    if not folder.is_dir():
        reason = f"NOT PROVED: no conformance artefacts at {folder}; set ASHIATO_CONFORMANCE to their folder"
        if environment.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of official schemas, examples and vectors."""
    return find_conformance(os.environ)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of a PostgreSQL server, one for each test worker."""
    with running_postgresql(durable=False) as url:
        yield url


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[str]:
    """The URL of an empty database that only this test uses."""
    with fresh_database(postgresql_url) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store: every test that takes it runs once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/connector.db"
    return str(request.getfixturevalue("postgresql_database"))
