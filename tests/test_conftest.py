from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.conftest import find_conformance
from tests.postgresql_server import fresh_database, running_postgresql


def test_each_database_is_real_empty_and_alone(postgresql_url: str) -> None:
    with fresh_database(postgresql_url) as first, fresh_database(postgresql_url) as second:
        assert first != second
        with psycopg.connect(first, autocommit=True) as connection:
            connection.execute("CREATE TABLE seen (id integer)")
        with psycopg.connect(second) as connection:
            (table,) = connection.execute("SELECT to_regclass('seen')").fetchone() or ("no answer",)
            assert table is None


def test_a_database_is_dropped_while_somebody_is_connected(postgresql_url: str) -> None:
    with fresh_database(postgresql_url) as url:
        forgotten = psycopg.connect(url)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    forgotten.close()


def test_a_store_url_opens_in_sqlalchemy_on_both_engines(store_url: str) -> None:
    url = make_url(store_url)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (id integer)"))
        assert connection.execute(text("SELECT count(*) FROM kept")).scalar() == 0
    engine.dispose()


def test_a_server_named_in_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASHIATO_TEST_POSTGRESQL", "postgresql://somebody@192.0.2.1/theirs")
    with running_postgresql(durable=True) as url:
        assert url == "postgresql://somebody@192.0.2.1/theirs"


def test_missing_conformance_artefacts_are_skipped_aloud(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="NOT PROVED"):
        find_conformance({"ASHIATO_CONFORMANCE": str(tmp_path / "absent")})


def test_missing_conformance_artefacts_fail_in_ci(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="NOT PROVED"):
        find_conformance({"ASHIATO_CONFORMANCE": str(tmp_path / "absent"), "CI": "true"})


def test_conformance_artefacts_are_found_where_the_environment_says(tmp_path: Path) -> None:
    assert find_conformance({"ASHIATO_CONFORMANCE": str(tmp_path), "CI": "true"}) == tmp_path
