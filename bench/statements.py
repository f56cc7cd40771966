"""What running four statements costs through SQLAlchemy and on the driver itself: `python bench/statements.py` (ADR 0007).

The four are those of a small unit of work: read a process, write it back, remember a token, add to the history. CPU of this
process and time on the wall, both for all four together; nothing waits for the disk.
"""

import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psycopg
from sqlalchemy import create_engine, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection, Dialect

from ashiato.stores.pipeline import Pipeline
from ashiato.stores.schema import HISTORY, METADATA, NEGOTIATION, SEEN_TOKEN
from ashiato.stores.statements import Statement
from tests.postgresql_server import fresh_database, running_postgresql

UNITS_COUNT = 3000
WARM_UP_COUNT = 200
BODY = '{"state":"REQUESTED"}' + " " * 800
PROCESS = {
    "participant_id": "did:web:maker.example",
    "own_pid": "1",
    "role": "PROVIDER",
    "peer_id": "did:web:taker.example",
    "peer_pid": "2",
    "state": "REQUESTED",
    "is_open": 1,
    "body": BODY,
}
_IS_PROCESS = NEGOTIATION.c.own_pid == "1"
_CORE = (
    select(NEGOTIATION.c.body).where(_IS_PROCESS),
    update(NEGOTIATION).where(_IS_PROCESS).values(body=BODY),
    SEEN_TOKEN.insert(),
    HISTORY.insert(),
)
_STATEMENTS = tuple(Statement(core) for core in _CORE)
# Apart, because a statement keeps one text for each engine.
_FOR_PIPELINE = tuple(Statement(core) for core in _CORE)
_POSTGRESQL = create_engine("postgresql+psycopg://", paramstyle="format").dialect
_PIPELINED = create_engine("postgresql+psycopg://", paramstyle="numeric_dollar").dialect


def values(number: int) -> tuple[dict[str, object], ...]:
    """The parameters of the four statements in one unit of work."""
    owner = {"participant_id": "did:web:maker.example"}
    token = {**owner, "issuer": "did:web:taker.example", "token_id": str(number), "expires_ms": 1}
    entry = {"sequence": number, "at_ms": 1, "event": "negotiation.agreed"}
    told = {"process_id": "1", "peer_id": "did:web:taker.example", "details": "{}"}
    return {}, {}, token, {**owner, **entry, **told}


def report(name: str, run: Callable[[int], None]) -> None:
    """Print what one unit of work costs when `run` does it."""
    for number in range(WARM_UP_COUNT):
        run(-number - 1)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    for number in range(UNITS_COUNT):
        run(number)
    cpu_ms = (time.process_time() - cpu_s) / UNITS_COUNT * 1000
    wall_ms = (time.perf_counter() - wall_s) / UNITS_COUNT * 1000
    print(f"{name:32} CPU {cpu_ms:6.3f} ms   wall {wall_ms:6.3f} ms", flush=True)


def through_core(connection: Connection) -> Callable[[int], None]:
    """SQLAlchemy runs the statements, one transaction for each unit of work."""

    def run(number: int) -> None:
        for core, parameters in zip(_CORE, values(number), strict=True):
            found = connection.execute(core, parameters)
            if found.returns_rows:
                found.fetchall()
        connection.commit()

    return run


def on_driver(execute: Callable[..., object], dialect: Dialect) -> Callable[[int], None]:
    """The driver runs the texts that SQLAlchemy compiled once."""

    def run(number: int) -> None:
        execute("BEGIN")
        for statement, parameters in zip(_STATEMENTS, values(number), strict=True):
            sql, in_order = statement.on(dialect, False)
            execute(sql, in_order(parameters))
        execute("COMMIT")

    return run


def measure_sqlite() -> None:
    """A database in memory."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        METADATA.create_all(connection)
        connection.execute(NEGOTIATION.insert(), PROCESS)
        connection.commit()
        report("sqlite      SQLAlchemy", through_core(connection))
        connection.execute(SEEN_TOKEN.delete())
        connection.execute(HISTORY.delete())
        connection.commit()
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        report(
            "sqlite      sqlite3", on_driver(lambda *given: raw.execute(*given).fetchall(), sqlite.dialect())
        )


def measure_postgresql() -> None:
    """A server of its own, which does not wait for the disk."""
    with running_postgresql(durable=False) as server, fresh_database(server) as url:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection:
            METADATA.create_all(connection)
            connection.execute(NEGOTIATION.insert(), PROCESS)
            connection.commit()
            report("postgresql  SQLAlchemy", through_core(connection))
        engine.dispose()
        with psycopg.connect(url, autocommit=True) as raw:
            cursor = raw.cursor()
            run = on_driver(cursor.execute, _POSTGRESQL)
            cursor.execute("TRUNCATE seen_token, history")
            report("postgresql  psycopg", run)
            cursor.execute("TRUNCATE seen_token, history")
        pipeline = Pipeline(psycopg.connect(url, autocommit=True))
        report("postgresql  pipelined", in_pipeline(pipeline))
        pipeline.close()


def in_pipeline(pipeline: Pipeline) -> Callable[[int], None]:
    """As the store does it: one round trip for the read, one for all the rest with the commit."""

    def run(number: int) -> None:
        pipeline.send("BEGIN")
        for statement, parameters in zip(_FOR_PIPELINE, values(number), strict=True):
            sql, in_order = statement.on(_PIPELINED, False)
            if statement.writes:
                pipeline.send(sql, in_order(parameters))
            else:
                pipeline.fetch(sql, in_order(parameters))
        pipeline.send("COMMIT")
        pipeline.sync()

    return run


def main() -> None:
    """Both engines."""
    measure_sqlite()
    measure_postgresql()


if __name__ == "__main__":
    main()
