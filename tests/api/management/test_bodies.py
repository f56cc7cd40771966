import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.api.management.offering import USE, assert_problem, ok
from tests.api.management.program import Program, key_of

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"document": {}, "document": {}}', "twice"),
        (b'{"document": {"permission": NaN}}', "NaN"),
        (b'{"document": {"permission": 1e999}}', "too large"),
        (b'{"document": {"permission": "\\ud800"}}', "surrogate"),
        (b'{"document": ' + b"[" * 100 + b"]" * 100 + b"}", "nested"),
        (b'{"document": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
        (b'{"document": {"permission": "a\\u0000b"}}', "U+0000"),
        (b'{"document": {"a\\u0000b": 1}}', "U+0000"),
        (b'{"document": ', "strict JSON"),
        (b"\xff\xfe{}", "strict JSON"),
    ],
)
async def test_what_two_readers_could_read_differently_is_refused(
    maker: httpx2.AsyncClient, body: bytes, told: str
) -> None:
    found = await assert_problem(
        maker.put("/v1/maker/policies/p", content=body, headers=JSON), 400, "malformed"
    )
    assert told in found["detail"]
    await assert_problem(maker.get("/v1/maker/policies/p"), 404, "not-found")


async def test_an_escaped_backslash_before_u0000_is_text(maker: httpx2.AsyncClient) -> None:
    document = {**USE, "note": "a\\u0000b"}
    body = json.dumps({"document": document}).encode()
    assert b"\\\\u0000" in body
    stored = await ok(maker.put("/v1/maker/policies/p", content=body, headers=JSON))
    assert stored["document"]["note"] == "a\\u0000b"


async def test_a_body_beyond_the_limit_is_refused_by_its_announced_length(maker: httpx2.AsyncClient) -> None:
    body = b'{"document": "' + b"x" * 1_048_576 + b'"}'
    found = await assert_problem(
        maker.put("/v1/maker/policies/p", content=body, headers=JSON), 413, "too-large"
    )
    assert found["fields"] == {"most_bytes": 1_048_576}


async def test_a_body_that_does_not_announce_its_length_is_cut_off(program: Program) -> None:
    taken_count = 0

    async def much() -> AsyncIterator[bytes]:
        nonlocal taken_count
        for _ in range(64):
            taken_count += 1
            yield b"x" * 65_536

    async with program.client(key_of("maker")) as client:
        answer = await client.put("/v1/maker/policies/p", content=much(), headers=JSON)
    assert answer.status_code == 413
    # 1 MiB are 16 chunks; one more is enough to know.
    assert taken_count == 17


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/json-patch+json", ""])
async def test_json_that_is_not_called_json_is_refused(maker: httpx2.AsyncClient, media_type: str) -> None:
    body = json.dumps({"document": USE}).encode()
    headers = {"Content-Type": media_type}
    found = await assert_problem(
        maker.put("/v1/maker/policies/p", content=body, headers=headers), 415, "unsupported-media-type"
    )
    assert found["fields"] == {"accepted": ["application/json"]}


async def test_a_charset_parameter_does_no_harm(maker: httpx2.AsyncClient) -> None:
    body = json.dumps({"document": USE}).encode()
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    await ok(maker.put("/v1/maker/policies/p", content=body, headers=headers))
    assert (await ok(maker.get("/v1/maker/policies/p")))["document"] == USE


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"titel": "x"}, "body.titel"),
        ({"title": 5}, "body.title"),
        ({"title": ""}, "body.title"),
        ({"title": "two\nlines"}, "body.title"),
        ({"finite": "yes"}, "body.finite"),
        ({"source": {"kind": "ftp"}}, "body.source"),
        ({"source": {"kind": "file"}}, "body.source.file.path"),
        ({"source": {"kind": "record", "path": "x"}}, "body.source.record.path"),
        ({"methods": ["TRACE"]}, "body.methods.0"),
        ({"media_type": "text/html\r\nX: y"}, "body.media_type"),
    ],
)
async def test_a_wrong_member_is_named(
    maker: httpx2.AsyncClient, change: dict[str, object], path: str
) -> None:
    body = {"title": "Footprint", "source": {"kind": "record"}, **change}
    found = await assert_problem(maker.put("/v1/maker/assets/a", json=body), 422, "invalid")
    assert path in [fault["path"] for fault in found["fields"]["errors"]]
    assert path in found["detail"]


async def test_what_was_sent_is_not_repeated_in_the_answer(maker: httpx2.AsyncClient) -> None:
    answer = await maker.put("/v1/maker/assets/a", json={"title": "x", "source": "hunter2-secret"})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


async def test_an_unknown_query_parameter_is_refused(maker: httpx2.AsyncClient) -> None:
    found = await assert_problem(maker.get("/v1/maker/agreements?parnter=did:web:x"), 422, "invalid")
    assert "parnter" in found["detail"]


@pytest.mark.parametrize("limit", ["0", "-1", "501", "many", "1.5", ""])
async def test_a_page_has_one_to_five_hundred_items(maker: httpx2.AsyncClient, limit: str) -> None:
    await assert_problem(maker.get(f"/v1/maker/assets?limit={limit}"), 422, "invalid")
    assert (await ok(maker.get("/v1/maker/assets?limit=500")))["items"] == []
