"""Fixed queries on the company's own database: exact values out, nothing in, bounded in rows and time. On both engines."""

import asyncio
import csv
import io
import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from ashiato.clients.sources.sql import SqlSource, sql_source
from ashiato.connector.sources import (
    Forwarded,
    ForwardRefused,
    SourceUnavailable,
    SqlPlace,
    UnknownSecret,
    place_of,
)

ROWS_COUNT = 5001


class Secrets:
    """What the operator configured."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def get(self, participant_id: str, name: str) -> str:
        if name not in self.values:
            raise UnknownSecret(name)
        return self.values[name]


class Plant:
    """A company's database on one of the engines."""

    def __init__(self, engine: str, folder: Path, url: str, threads: ThreadPoolExecutor) -> None:
        self.engine = engine
        self.folder = folder
        self.url = url
        self._threads = threads

    def source(self, query: str, **more: object) -> SqlSource:
        where = {"database": "plant.db"} if self.engine == "sqlite" else {"database_url": "plant"}
        place = place_of({"kind": "sql", "query": query, **where, **more})
        assert isinstance(place, SqlPlace)
        return sql_source(place, "did:web:a", self.folder, Secrets(plant=self.url), self._threads)

    def cells(self) -> int:
        if self.engine == "sqlite":
            with sqlite3.connect(self.folder / "plant.db") as connection:
                count = connection.execute("SELECT count(*) FROM cell").fetchone()[0]
            connection.close()
            return int(count)
        with psycopg.connect(self.url) as connection_:
            row = connection_.execute("SELECT count(*) FROM cell").fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Where queries run."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(params=["sqlite", "postgresql"])
def plant(request: pytest.FixtureRequest, tmp_path: Path, threads: ThreadPoolExecutor) -> Plant:
    """A table of cells."""
    fill = [(number, f"cell-{number}", number / 4) for number in range(ROWS_COUNT)]
    if request.param == "sqlite":
        connection = sqlite3.connect(tmp_path / "plant.db")
        connection.execute("CREATE TABLE cell (number INTEGER PRIMARY KEY, name TEXT, mass REAL)")
        connection.executemany("INSERT INTO cell VALUES (?, ?, ?)", fill)
        connection.commit()
        connection.close()
        return Plant("sqlite", tmp_path, "", threads)
    url = str(request.getfixturevalue("postgresql_database"))
    with psycopg.connect(url) as pg:
        pg.execute("CREATE TABLE cell (number INTEGER PRIMARY KEY, name TEXT, mass DOUBLE PRECISION)")
        with pg.cursor() as cursor:
            cursor.executemany("INSERT INTO cell VALUES (%s, %s, %s)", fill)
    return Plant("postgresql", tmp_path, url, threads)


async def read(source: SqlSource) -> bytes:
    try:
        return b"".join([chunk async for chunk in source.open(0, None)])
    finally:
        await source.close()


async def test_rows_come_as_one_json_array(plant: Plant) -> None:
    source = plant.source("SELECT number, name, mass FROM cell ORDER BY number")
    assert (await source.describe()).media_type == "application/json"
    rows = json.loads(await read(source))
    assert len(rows) == ROWS_COUNT
    assert rows[:2] == [
        {"number": 0, "name": "cell-0", "mass": 0.0},
        {"number": 1, "name": "cell-1", "mass": 0.25},
    ]
    assert rows[-1]["number"] == ROWS_COUNT - 1


async def test_rows_come_as_csv_with_a_header_line(plant: Plant) -> None:
    source = plant.source("SELECT number, name || ', \"x\"' AS name FROM cell ORDER BY number", format="csv")
    description = await source.describe()
    assert description.media_type == "text/csv; charset=utf-8"
    assert (description.size_bytes, description.etag, description.ranges) == (None, None, False)
    lines = list(csv.reader(io.StringIO((await read(source)).decode())))
    assert lines[:2] == [["number", "name"], ["0", 'cell-0, "x"']]
    assert len(lines) == ROWS_COUNT + 1


async def test_no_rows_are_an_empty_array(plant: Plant) -> None:
    assert json.loads(await read(plant.source("SELECT name FROM cell WHERE number < 0"))) == []


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (DELETE FROM cell RETURNING *) SELECT * FROM gone",
        "SELECT 1; DELETE FROM cell",
        "SELECT 1; COMMIT; DELETE FROM cell",
        "SELECT 1; SET default_transaction_read_only = off; DELETE FROM cell",
        "WITH a AS (SELECT 1) DELETE FROM cell",
        "WITH a AS (SELECT 1) INSERT INTO cell SELECT 99999, 'x', 1",
    ],
)
async def test_a_write_changes_nothing(plant: Plant, query: str) -> None:
    with pytest.raises(SourceUnavailable):
        await read(plant.source(query))
    assert plant.cells() == ROWS_COUNT


async def test_a_function_that_writes_is_refused(plant: Plant) -> None:
    if plant.engine == "postgresql":
        with psycopg.connect(plant.url) as connection:
            connection.execute(
                "CREATE FUNCTION wipe() RETURNS bigint LANGUAGE sql AS "
                "$$ WITH gone AS (DELETE FROM cell RETURNING 1) SELECT count(*) FROM gone $$"
            )
        query = "SELECT wipe()"
    else:
        query = "SELECT load_extension('evil')"
    with pytest.raises(SourceUnavailable):
        await read(plant.source(query))
    assert plant.cells() == ROWS_COUNT


async def test_more_rows_than_agreed_break_off_instead_of_passing_for_the_whole(plant: Plant) -> None:
    with pytest.raises(SourceUnavailable, match="more than 5000 rows"):
        await read(plant.source("SELECT number FROM cell", most_rows_count=5000))
    whole = await read(plant.source("SELECT number FROM cell", most_rows_count=ROWS_COUNT))
    assert len(json.loads(whole)) == ROWS_COUNT


SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS i FROM n",
    "postgresql": "SELECT pg_sleep(60)::text AS slept",
}


async def test_a_query_that_takes_too_long_is_stopped(plant: Plant) -> None:
    began_s = time.monotonic()
    with pytest.raises(SourceUnavailable):
        await read(plant.source(SLOW[plant.engine], timeout_s=1))
    assert time.monotonic() - began_s < 4


async def test_a_query_whose_reader_leaves_is_stopped_at_once(plant: Plant) -> None:
    source = plant.source(SLOW[plant.engine], timeout_s=60)
    reading = asyncio.create_task(anext(source.open(0, None)))
    await asyncio.sleep(0.5)
    reading.cancel()
    began_s = time.monotonic()
    await source.close()
    assert time.monotonic() - began_s < 2


async def test_a_wrong_query_is_unavailable(plant: Plant) -> None:
    with pytest.raises(SourceUnavailable):
        await read(plant.source("SELECT nothing FROM nowhere"))


async def test_two_columns_of_one_name_are_refused(plant: Plant) -> None:
    with pytest.raises(SourceUnavailable, match="'number'"):
        await read(plant.source("SELECT number, mass AS number FROM cell"))


async def test_signs_of_placeholders_are_plain_text(plant: Plant) -> None:
    rows = json.loads(await read(plant.source("SELECT '100 % %s %(a)s' AS text FROM cell WHERE number = 1")))
    assert rows == [{"text": "100 % %s %(a)s"}]


async def test_a_caller_can_send_nothing_into_a_query(plant: Plant) -> None:
    source = plant.source("SELECT number FROM cell")
    for request in (
        Forwarded(method="GET", path="", query="number=1;DROP TABLE cell", headers=(), body=b""),
        Forwarded(method="POST", path="", query="", headers=(), body=b"' OR 1=1 --"),
    ):
        with pytest.raises(ForwardRefused):
            source.vet(request)
    with pytest.raises(SourceUnavailable):
        await source.forward(request)


async def test_exact_values_stay_exact(postgresql_database: str, threads: ThreadPoolExecutor) -> None:
    place = SqlPlace(
        database_url="plant",
        query="SELECT 0.10000000000000000000000000001::numeric AS n, DATE '2026-11-24' AS d, "
        "'\\x00ff'::bytea AS b, ARRAY[1, 2] AS a, NULL AS nothing, '10.0.0.1'::inet AS address",
    )
    secrets = Secrets(plant=postgresql_database)
    (row,) = json.loads(await read(sql_source(place, "did:web:a", None, secrets, threads)))
    assert row == {
        "n": "0.10000000000000000000000000001",
        "d": "2026-11-24",
        "b": "AP8=",
        "a": [1, 2],
        "nothing": None,
        "address": "10.0.0.1",
    }
    as_csv = sql_source(
        SqlPlace(database_url="plant", query=place.query, format="csv"), "did:web:a", None, secrets, threads
    )
    assert list(csv.reader(io.StringIO((await read(as_csv)).decode())))[1] == [
        "0.10000000000000000000000000001",
        "2026-11-24",
        "AP8=",
        "[1,2]",
        "",
        "10.0.0.1",
    ]


async def test_a_password_never_stands_in_an_error(threads: ThreadPoolExecutor) -> None:
    place = SqlPlace(database_url="plant", query="SELECT 1 AS one")
    secrets = Secrets(plant="postgresql://plant:pass-word-123@127.0.0.1:1/plant?connect_timeout=1")
    with pytest.raises(SourceUnavailable) as caught:
        await read(sql_source(place, "did:web:a", None, secrets, threads))
    assert "pass-word-123" not in str(caught.value)
    broken = Secrets(plant="postgresql://plant:pass-word-123@[bad")
    with pytest.raises(SourceUnavailable) as caught:
        await read(sql_source(place, "did:web:a", None, broken, threads))
    assert "pass-word-123" not in str(caught.value)


async def test_a_database_file_lies_below_the_folder_or_is_not_opened(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    (tmp_path / "opened").mkdir()
    sqlite3.connect(tmp_path / "other.db").close()
    (tmp_path / "opened" / "link.db").symlink_to(tmp_path / "other.db")
    for path in ("link.db", "../other.db", "absent.db"):
        place = SqlPlace(database=path, query="SELECT 1 AS one")
        with pytest.raises(SourceUnavailable):
            await read(sql_source(place, "did:web:a", tmp_path / "opened", Secrets(), threads))
    nowhere = SqlPlace(database="a.db", query="SELECT 1 AS one")
    with pytest.raises(SourceUnavailable, match="no folder"):
        await read(sql_source(nowhere, "did:web:a", None, Secrets(), threads))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["opened", "other.db"]


# How each engine makes a text of twice `half` characters.
WIDE = {"sqlite": "hex(zeroblob({half}))", "postgresql": "repeat('00', {half})"}


async def test_a_value_or_row_too_large_breaks_off_with_the_reason(plant: Plant) -> None:
    half_bytes = {"sqlite": 600_000, "postgresql": 9_000_000}[plant.engine]
    value = WIDE[plant.engine].format(half=half_bytes)
    with pytest.raises(SourceUnavailable, match="of the query has"):
        await read(plant.source(f"SELECT {value} AS wide"))
    eighteen = ", ".join(f"{WIDE[plant.engine].format(half=499_000)} AS c{number}" for number in range(18))
    with pytest.raises(SourceUnavailable, match="a row of the query has"):
        await read(plant.source(f"SELECT {eighteen}"))


async def test_wide_rows_come_in_small_batches(plant: Plant) -> None:
    value = WIDE[plant.engine].format(half=250_000)
    source = plant.source(f"SELECT number, {value} AS wide FROM cell WHERE number < 40")
    sizes_bytes = [len(chunk) async for chunk in source.open(0, None)]
    await source.close()
    assert sum(sizes_bytes) > 40 * 500_000
    assert max(sizes_bytes) < 6 * 1024**2
