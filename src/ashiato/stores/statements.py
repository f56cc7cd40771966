"""Statements of SQLAlchemy Core, compiled once for each engine and then run on the driver itself.

Core's own execution costs five to eight times the CPU (`bench/statements.py`, ADR 0007). What it is used for is one text for two
dialects, with tables and columns checked when the module is loaded.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any

from sqlalchemy import Select, Table
from sqlalchemy.dialects.postgresql.dml import (
    insert as _insert,  # SQLite's compiler reads its conflict clause too
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase

Row = tuple[Any, ...]
Values = Mapping[str, object]
Compiled = tuple[str, Callable[[Values], tuple[object, ...]]]


class Statement:
    """One statement. `locks` makes a select take its rows for update, except in a unit of work that only reads."""

    __slots__ = ("_compiled", "_core", "locks", "writes")

    def __init__(self, core: Select[Any] | UpdateBase, *, locks: bool = False) -> None:
        self._core = core
        self._compiled: dict[tuple[str, bool], Compiled] = {}
        self.locks = locks
        self.writes = isinstance(core, UpdateBase)

    def on(self, dialect: Dialect, locking: bool) -> Compiled:
        """The text for `dialect`, and the function that puts named values into the order of its parameters."""
        key = (dialect.name, locking)
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = self._compile(dialect, locking)
        return compiled

    def _compile(self, dialect: Dialect, locking: bool) -> Compiled:
        core = self._core
        if self.locks and locking and isinstance(core, Select):
            core = core.with_for_update()
        compiled = core.compile(dialect=dialect)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError(f"{type(compiled)} is not a compiled statement")
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return compiled.string, _picker(compiled.positiontup or [], constants)


def _picker(names: list[str], constants: dict[str, object]) -> Callable[[Values], tuple[object, ...]]:
    if not names:
        return lambda values: ()
    if constants:
        return lambda values: tuple([{**constants, **values}[name] for name in names])
    if len(names) == 1:
        only = names[0]
        return lambda values: (values[only],)
    return itemgetter(*names)


def insert(table: Table) -> Statement:
    """Insert a row with all columns of the table."""
    return Statement(_insert(table))


def insert_unless_known(table: Table, returning: str) -> Statement:
    """Insert a row unless its key is there; returns the column `returning` of what was inserted."""
    return Statement(_insert(table).on_conflict_do_nothing().returning(table.c[returning]))


def upsert(table: Table, *, keep: Iterable[str] = ()) -> Statement:
    """Insert a row or, where its primary key is there, replace every other column except those in `keep`."""
    statement = _insert(table)
    key = [column.name for column in table.primary_key.columns]
    kept = {*key, *keep}
    changes = {
        column.name: statement.excluded[column.name] for column in table.columns if column.name not in kept
    }
    return Statement(statement.on_conflict_do_update(index_elements=key, set_=changes))


def upsert_adding(table: Table, column: str) -> Statement:
    """Insert a row or, where its primary key is there, add the inserted number to `column`."""
    statement = _insert(table)
    key = [part.name for part in table.primary_key.columns]
    total = table.c[column] + statement.excluded[column]
    return Statement(statement.on_conflict_do_update(index_elements=key, set_={column: total}))


def upsert_higher(table: Table, column: str) -> Statement:
    """Insert a row or, where its primary key is there with a lower number in `column`, replace that row."""
    statement = _insert(table)
    key = [part.name for part in table.primary_key.columns]
    replaced = {part.name: statement.excluded[part.name] for part in table.columns if part.name not in key}
    return Statement(
        statement.on_conflict_do_update(
            index_elements=key, set_=replaced, where=table.c[column] < statement.excluded[column]
        )
    )
