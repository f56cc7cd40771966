"""Backups of a hub: a folder with every row as one SQLite file, the key files, and a manifest that says what must be there.

A backup of either engine is restored on either. It is taken beside a running hub, of one instant. Whoever has the folder (and the
passphrase, where the key file has one) can sign as the hub: keep it as you keep the hub.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import Table
from sqlalchemy.engine import make_url

from ashiato.stores.hub.rooms import HUB_METADATA
from ashiato.stores.hub.upgrades import BackupRefused as BackupRefused
from ashiato.stores.hub.upgrades import Chains, migrate_file, versions_of_file
from ashiato.stores.received_files import sync_folder
from ashiato.stores.schema import METADATA

DATABASE_NAME, MANIFEST_NAME = "hub.db", "manifest.json"
FORMAT_NUMBER = 1
_ROWS_AT_ONCE_COUNT = 1000


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds: when it was taken, the schema, the rows of each table, the SHA-256 of each file."""

    format: int
    taken_ms: int
    hub_id: str
    versions: Mapping[str, int]
    rows: Mapping[str, int]
    files: Mapping[str, str]


def back_up(
    url: str, key_files: Mapping[str, Path], folder: Path, hub_id: str, taken_ms: int, chains: Chains
) -> Manifest:
    """Write a backup of the hub's database into `folder`, which must not exist. Raises `BackupRefused`, `StoreUnavailable`.

    `key_files` are the files of keys by their names in the backup; what is not there yet is left out.
    """
    if folder.exists():
        raise BackupRefused(f"{folder} exists already; name a new folder for each backup.")
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    file = draft / DATABASE_NAME
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
    if url.startswith("sqlite:"):
        _copy_file(Path(make_url(url).database or ""), file)
    else:
        _copy_server(url, file, chains)
    names = [DATABASE_NAME]
    for name, key_file in key_files.items():
        if key_file.exists():
            (draft / name).touch(0o600)
            (draft / name).write_bytes(key_file.read_bytes())
            names.append(name)
    with closing(sqlite3.connect(file)) as connection:
        manifest = Manifest(
            format=FORMAT_NUMBER,
            taken_ms=taken_ms,
            hub_id=hub_id,
            versions=versions_of_file(connection, chains),
            rows={table.name: _count(connection, table) for table in _tables() if _exists(connection, table)},
            files={name: _sha256(draft / name) for name in names},
        )
    (draft / MANIFEST_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    for name in (*names, MANIFEST_NAME):
        _sync(draft / name)
    sync_folder(draft)
    # The commit point: before it there is no folder of that name, after it a whole backup.
    draft.rename(folder)
    sync_folder(folder.parent)
    return manifest


def restore(folder: Path, url: str, key_files: Mapping[str, Path], hub_id: str, chains: Chains) -> Manifest:
    """Bring a backup into an empty store, upgraded on a copy to this program's schema; the backup stays as it is.

    Raises `BackupRefused` for what is damaged, is another hub's or would replace something, `StoreTooNew` and `StoreUnavailable`.
    """
    manifest = _checked(folder)
    if manifest.hub_id != hub_id:
        raise BackupRefused(
            f"The backup is that of {manifest.hub_id}, the settings describe {hub_id}; set public_url and slug right."
        )
    keys = {
        key_file: (folder / name).read_bytes()
        for name, key_file in key_files.items()
        if name in manifest.files
    }
    for key_file, content in keys.items():
        if key_file.exists() and key_file.read_bytes() != content:
            raise BackupRefused(f"{key_file} is the key file of another store; move it away first.")
    with _copy_of(folder / DATABASE_NAME, next(iter(key_files.values())).parent) as copy:
        migrate_file(copy, chains)
        if url.startswith("sqlite:"):
            _into_file(copy, Path(make_url(url).database or ""))
        else:
            _into_server(copy, url, chains)
    for key_file, content in keys.items():
        if not key_file.exists():
            _put_back(key_file, content)
    return manifest


def _put_back(key_file: Path, content: bytes) -> None:
    key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = key_file.with_name(f"{key_file.name}.new")
    draft.touch(0o600)
    draft.write_bytes(content)
    _sync(draft)
    draft.rename(key_file)
    sync_folder(key_file.parent)


def _checked(folder: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode((folder / MANIFEST_NAME).read_bytes(), type=Manifest)
        found = {name: _sha256(folder / name) for name in manifest.files}
    except (OSError, msgspec.DecodeError) as error:
        raise BackupRefused(f"{folder} is no whole backup of a hub: {error}.") from None
    if manifest.format != FORMAT_NUMBER:
        raise BackupRefused(f"{folder} has the format {manifest.format}, which this program does not know.")
    changed = sorted(name for name, sha256 in manifest.files.items() if found[name] != sha256)
    if changed:
        raise BackupRefused(f"{folder / changed[0]} is not what was backed up; take another backup.")
    return manifest


@contextmanager
def _copy_of(file: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = folder / f"{DATABASE_NAME}.restoring"
    copy.touch(0o600)
    shutil.copyfile(file, copy)
    try:
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _into_file(copy: Path, file: Path) -> None:
    if file.exists() and file.stat().st_size:
        raise BackupRefused(f"{file} is there already; move it away first.")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for ending in ("-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    _sync(copy)
    copy.rename(file)
    sync_folder(file.parent)


def _into_server(copy: Path, url: str, chains: Chains) -> None:
    # Loaded on first use, as by the engine.
    from ashiato.stores.hub.server_rows import fill

    with closing(sqlite3.connect(copy)) as connection:
        fill(url, chains, ((table, _rows(connection, table)) for table in _tables()))


def _copy_file(source: Path, target: Path) -> None:
    if not source.exists():
        raise BackupRefused(f"{source} does not exist; is store.url right?")
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as running,
        closing(sqlite3.connect(target)) as copy,
    ):
        running.backup(copy)
        # A backup is one file: its pages are all in it.
        copy.execute("PRAGMA journal_mode = DELETE")


def _copy_server(url: str, file: Path, chains: Chains) -> None:
    from ashiato.stores.hub.server_rows import tables_at_one_instant

    migrate_file(file, chains)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for table, rows in tables_at_one_instant(url, chains, _tables()):
            names = ", ".join(column.name for column in table.columns)
            places = ", ".join("?" for _ in table.columns)
            statement = f"INSERT INTO {table.name} ({names}) VALUES ({places})"  # noqa: S608  names of our own
            connection.executemany(statement, rows)
        connection.execute("COMMIT")


def _tables() -> Sequence[Table]:
    return [*METADATA.sorted_tables, *HUB_METADATA.sorted_tables]


def _exists(connection: sqlite3.Connection, table: Table) -> bool:
    row = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table.name,))
    return row.fetchone() is not None


def _count(connection: sqlite3.Connection, table: Table) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()  # noqa: S608  a name of our own
    return int(row[0])


def _rows(connection: sqlite3.Connection, table: Table) -> Iterator[tuple[object, ...]]:
    columns = ", ".join(column.name for column in table.columns)
    cursor = connection.execute(f"SELECT {columns} FROM {table.name}")  # noqa: S608  names of our own
    while rows := cursor.fetchmany(_ROWS_AT_ONCE_COUNT):
        yield from rows


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
