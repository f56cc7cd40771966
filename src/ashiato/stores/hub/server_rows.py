"""The rows of a hub's PostgreSQL database on their way into a backup and out of one."""

from collections.abc import Iterable, Iterator, Sequence

import psycopg
from psycopg import sql
from sqlalchemy import Table, Text

from ashiato.stores.errors import StoreUnavailable
from ashiato.stores.hub.upgrades import BackupRefused, Chains, UpgradeFailed
from ashiato.stores.migrations import migrate
from ashiato.stores.pipeline import Pipeline
from ashiato.stores.postgresql import MIGRATION_LOCK, PostgresqlGround, connect, conninfo

_ROWS_AT_ONCE_COUNT = 1000
_OWN_TABLES = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()"
_COUNTED = (
    "SELECT table_name::text, column_name::text FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND is_identity = 'YES'"
)
Rows = Iterable[tuple[object, ...]]


def tables_at_one_instant(url: str, chains: Chains, tables: Sequence[Table]) -> Iterator[tuple[Table, Rows]]:
    """Each table with its rows, all of one snapshot. Raises `StoreUnavailable`; `UpgradeFailed` for an older schema."""
    try:
        with psycopg.connect(conninfo(url)) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            for chain in chains:
                found = connection.execute(
                    sql.SQL("SELECT version FROM {}").format(sql.Identifier(chain.table))
                )
                version = (found.fetchone() or (0,))[0]
                if version != len(chain.versions):
                    raise UpgradeFailed(chain.table, "start this program's hub once before it is backed up")
            for table in tables:
                with connection.cursor(f"backup_{table.name}") as cursor:
                    cursor.itersize = _ROWS_AT_ONCE_COUNT
                    # What is text in a backup may be of another type here.
                    names = [
                        sql.SQL("{}::text" if isinstance(column.type, Text) else "{}").format(
                            sql.Identifier(column.name)
                        )
                        for column in table.columns
                    ]
                    cursor.execute(
                        sql.SQL("SELECT {} FROM {}").format(
                            sql.SQL(", ").join(names), sql.Identifier(table.name)
                        )
                    )
                    yield table, cursor
    except psycopg.Error as error:
        raise StoreUnavailable(str(error)) from error


def fill(url: str, chains: Chains, tables: Iterable[tuple[Table, Rows]]) -> None:
    """Make the schema in an empty database and put these rows in: all, or nothing at all.

    Raises `BackupRefused`, `StoreUnavailable`.
    """
    try:
        with psycopg.connect(conninfo(url)) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            if connection.execute(_OWN_TABLES).fetchone() is not None:
                raise BackupRefused("The database holds tables already; restore into an empty one.")
            ground = _Ground(connection)
            for chain in chains:
                migrate(ground, chain.versions, chain.table)
            for table, rows in tables:
                names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
                statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
                with connection.cursor() as cursor, cursor.copy(statement) as copy:
                    for row in rows:
                        copy.write_row(row)
            for table_name, column_name in connection.execute(_COUNTED).fetchall():
                _count_on(connection, str(table_name), str(column_name))
    except psycopg.Error as error:
        raise StoreUnavailable(str(error)) from error


def _count_on(connection: psycopg.Connection[tuple[object, ...]], table: str, column: str) -> None:
    """Go on behind the highest number that was restored."""
    statement = sql.SQL(
        "SELECT setval(pg_get_serial_sequence({}, {}), coalesce(max({}), 0) + 1, false) FROM {}"
    )
    names = sql.Literal(table), sql.Literal(column), sql.Identifier(column), sql.Identifier(table)
    connection.execute(statement.format(*names))


def rehearse(url: str, chains: Chains) -> bool:
    """Whether the schema is older, which was then migrated in a transaction that is taken back.

    Raises what `migrate` raises, and `StatementRefused`.
    """
    pipeline = Pipeline(connect(conninfo(url)))
    try:
        pipeline.send("BEGIN")
        pipeline.send("SELECT pg_advisory_xact_lock($1)", (MIGRATION_LOCK,))
        found = {str(name) for (name,) in pipeline.fetch(_OWN_TABLES)}
        present = [
            PostgresqlGround(pipeline).version(chain.table) if chain.table in found else 0 for chain in chains
        ]
        wanted = [len(chain.versions) for chain in chains]
        if not any(present) or present == wanted:
            return False
        for chain in chains:
            migrate(PostgresqlGround(pipeline), chain.versions, chain.table)
        pipeline.answer()
        return True
    finally:
        # The transaction goes with the connection, and so does everything that it made.
        pipeline.close()


class _Ground:
    """The port `Ground` on a plain connection."""

    engine = PostgresqlGround.engine
    numbered_type = PostgresqlGround.numbered_type
    text_type = PostgresqlGround.text_type
    bytes_type = PostgresqlGround.bytes_type
    member_of_body = PostgresqlGround.member_of_body

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self._connection = connection

    def execute(self, statement: str) -> None:
        self._connection.execute(statement.encode())

    def version(self, table: str) -> int | None:
        found = self._connection.execute(sql.SQL("SELECT version FROM {}").format(sql.Identifier(table)))
        row = found.fetchone()
        return None if row is None else int(str(row[0]))
