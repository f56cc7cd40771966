"""A newer program's schema, tried before it is made: on a copy of the file, or in a transaction that is taken back."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from ashiato.stores.errors import StatementRefused, StoreUnavailable
from ashiato.stores.migrations import CONNECTOR, Chain, migrate
from ashiato.stores.sqlite import SqliteGround

Chains = Sequence[Chain]
CONNECTOR_CHAIN = Chain("schema_version", CONNECTOR)


class BackupRefused(Exception):
    """A backup cannot be written or restored as asked; the sentence says what the operator does. Nothing was changed."""


class UpgradeFailed(Exception):
    """The newer schema cannot be made; the store is as it was, and the operator starts the older program."""

    def __init__(self, chain: str, problem: str) -> None:
        super().__init__(
            f"The schema ({chain}) cannot be brought up to date: {problem}. "
            "The store is as it was; start the program that wrote it."
        )
        self.chain = chain
        self.problem = problem


def rehearse(url: str, chains: Chains) -> bool:
    """Whether the store at `url` has an older schema, which was then brought up to date in a rehearsal.

    The copy of a file lies beside it while that runs. Raises `UpgradeFailed`, `StoreTooNew` and `StoreUnavailable`.
    """
    if url.startswith("sqlite:"):
        return _rehearse_file(Path(make_url(url).database or ""), chains)
    # Loaded on first use, as by the engine.
    from ashiato.stores.hub import server_rows

    try:
        return server_rows.rehearse(url, chains)
    except StatementRefused as error:
        raise UpgradeFailed(" and ".join(chain.table for chain in chains), error.problem) from error


def migrate_file(path: Path, chains: Chains) -> None:
    """Bring a file that nobody else uses up to date. Raises `UpgradeFailed`, `StoreTooNew`."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for chain in chains:
            try:
                migrate(SqliteGround(connection), chain.versions, chain.table)
            except sqlite3.Error as error:
                raise UpgradeFailed(chain.table, str(error)) from error
        connection.execute("COMMIT")
        fault = connection.execute("PRAGMA integrity_check").fetchone()[0]
        if fault != "ok":
            raise UpgradeFailed(chains[-1].table, f"the upgraded copy is damaged: {fault}")


def versions_of_file(connection: sqlite3.Connection, chains: Chains) -> dict[str, int]:
    """The version of each chain, 0 for one that the file does not have."""
    found = {}
    for chain in chains:
        try:
            found[chain.table] = SqliteGround(connection).version(chain.table) or 0
        except sqlite3.OperationalError:
            found[chain.table] = 0
    return found


def _rehearse_file(path: Path, chains: Chains) -> bool:
    if not path.exists() or not path.stat().st_size:
        return False
    copy = path.with_name(f"{path.name}.upgrade")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            present = versions_of_file(connection, chains)
            if all(present[chain.table] >= len(chain.versions) for chain in chains):
                return False
            copy.unlink(missing_ok=True)
            copy.touch(0o600)
            with closing(sqlite3.connect(copy)) as target:
                connection.backup(target)
        migrate_file(copy, chains)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path}: {error}") from error
    finally:
        copy.unlink(missing_ok=True)
    return True
