"""What the rooms of a unit of work need from an engine: rows in, rows out, inside the transaction that is open."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from ashiato.stores.statements import Row, Statement, Values

encode_json = msgspec.json.Encoder().encode


class Session(Protocol):
    """One engine's connection inside a transaction.

    Writes may be held back until something is read or the unit of work ends, so that an engine behind a network needs few
    round trips; whoever reads always sees what was written before. Raises `Conflict`, `StoreUnavailable` and
    `StatementRefused`, never the driver's own errors.
    """

    @property
    def engine(self) -> str:
        """The name of the engine, for the few statements that each engine has of its own."""

    @property
    def node_id(self) -> str:
        """The name of this process among those on the same database."""

    @property
    def is_first_try(self) -> bool:
        """Whether the unit of work may hope that a key is free: if it is not, all of it is run again and asks first."""

    def one(self, statement: Statement, values: Values) -> Row | None:
        """The first row, or None."""

    def pair(self, first: Statement, second: Statement, values: Values) -> tuple[Row | None, Row | None]:
        """The first row of each of two statements that run one after the other, for one question."""

    def all(self, statement: Statement, values: Values) -> list[Row]:
        """Every row."""

    def write(self, statement: Statement, values: Values) -> None:
        """Run a statement whose result nobody needs."""

    def write_last(
        self, statement: Statement, values: Values, key: str, *, completes: Statement | None = None
    ) -> None:
        """As `write`; where nothing was read since the same statement was given for the same `key`, it takes its place.

        So it does with `completes`, a statement over the same values, which is then run with the newer ones.
        """

    def write_many(self, statement: Statement, rows: Sequence[Values]) -> None:
        """Run a statement once for each of `rows`."""

    def write_then(self, statement: Statement, values: Values, on_row: Callable[[Row], None]) -> None:
        """Run a statement that returns one row, and give the row away before the caller of the unit of work hears of it."""


def to_json(record: object) -> str:
    """The JSON text of a record or a document."""
    return encode_json(record).decode()
