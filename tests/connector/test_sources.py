"""What an owner may write as a source: everything else is refused when the asset is stored, with the member named."""

import pytest

from ashiato.connector.sources import (
    BadSource,
    FilePlace,
    HttpPlace,
    RecordPlace,
    S3Place,
    SqlPlace,
    check_source,
    place_of,
)

S3 = {
    "kind": "s3",
    "endpoint": "https://objects.example",
    "region": "eu-central-1",
    "bucket": "cells",
    "key": "2026/log.parquet",
    "access_key_id": "s3-id",
    "secret_access_key": "s3-key",
}
SQL = {"kind": "sql", "database": "plant.db", "query": "SELECT 1 AS one"}
HTTP = {"kind": "http", "base_url": "https://mes.example/api"}


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ({"kind": "record"}, RecordPlace),
        ({"kind": "file", "path": "2026/carbon/nmc811.json"}, FilePlace),
        (S3, S3Place),
        (S3 | {"session_token": "s3-session"}, S3Place),
        (SQL, SqlPlace),
        (SQL | {"query": "/* owner's note */ -- more\n WITH a AS (SELECT 1) SELECT * FROM a"}, SqlPlace),
        ({"kind": "sql", "database_url": "plant-db", "query": "select 1", "format": "csv"}, SqlPlace),
        (HTTP, HttpPlace),
        (HTTP | {"secret_headers": {"Authorization": "mes-token"}, "forward_path": True}, HttpPlace),
    ],
)
def test_a_right_description_is_taken(source: dict[str, object], kind: type[object]) -> None:
    check_source(source)
    assert isinstance(place_of(source), kind)


@pytest.mark.parametrize(
    ("source", "member"),
    [
        ({}, ""),
        ({"kind": "ftp"}, "kind"),
        ({"kind": "record", "path": "x"}, ""),
        ({"kind": "file"}, ""),
        ({"kind": "file", "path": 7}, "path"),
        *(
            ({"kind": "file", "path": path}, "path")
            for path in (
                "",
                "/etc/passwd",
                "../up",
                "a/../../up",
                "a//b",
                "./a",
                "a/.",
                "a\\b",
                "a\0b",
                "a\nb",
                "x" * 1025,
            )
        ),
        (S3 | {"endpoint": "ftp://objects.example"}, "endpoint"),
        (S3 | {"endpoint": "https://objects.example/path"}, "endpoint"),
        (S3 | {"endpoint": "https://user:word@objects.example"}, "endpoint"),
        (S3 | {"bucket": "Cells"}, "bucket"),
        (S3 | {"bucket": "../cells"}, "bucket"),
        (S3 | {"bucket": "a..b"}, "bucket"),
        (S3 | {"key": ""}, "key"),
        (S3 | {"key": "a/../b"}, "key"),
        (S3 | {"key": "k" * 1025}, "key"),
        (S3 | {"region": "eu central"}, "region"),
        (S3 | {"secret_access_key": "not a name"}, "secret_access_key"),
        (SQL | {"query": "DELETE FROM cell"}, "query"),
        (SQL | {"query": "selection"}, "query"),
        (SQL | {"query": "SELECT 1\0"}, "query"),
        (SQL | {"query": "/* SELECT */ DROP TABLE cell"}, "query"),
        (SQL | {"database": "../other.db"}, "database"),
        (SQL | {"database_url": "plant-db"}, "database"),
        ({"kind": "sql", "query": "SELECT 1"}, "database"),
        (SQL | {"format": "xml"}, "format"),
        (SQL | {"most_rows_count": 0}, "most_rows_count"),
        (SQL | {"timeout_s": 601}, "timeout_s"),
        (HTTP | {"base_url": "mes.example"}, "base_url"),
        (HTTP | {"base_url": "https://user@mes.example"}, "base_url"),
        (HTTP | {"base_url": "https://mes.example/?key=1"}, "base_url"),
        (HTTP | {"base_url": "https://mes.example/#a"}, "base_url"),
        (HTTP | {"base_url": "https://mes.example:99999"}, "base_url"),
        (HTTP | {"base_url": "https://mes.example/a b"}, "base_url"),
        (HTTP | {"headers": {"X-A": "a\r\nX-B: b"}}, "headers.X-A"),
        (HTTP | {"headers": {"X A": "a"}}, "headers"),
        (HTTP | {"headers": {"Host": "other.example"}}, "headers.Host"),
        (HTTP | {"secret_headers": {"Content-Length": "length"}}, "secret_headers.Content-Length"),
        (HTTP | {"secret_headers": {"Authorization": "Bearer eyJhbGciOi"}}, "secret_headers.Authorization"),
        (HTTP | {"timeout_s": 0}, "timeout_s"),
    ],
)
def test_a_wrong_description_is_refused_with_its_member(source: dict[str, object], member: str) -> None:
    with pytest.raises(BadSource) as caught:
        check_source(source)
    assert caught.value.path == member
