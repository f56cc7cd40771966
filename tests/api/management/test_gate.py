import pytest

from ashiato.api.management.gate import (
    Gate,
    KeyList,
    NoKeyConfigured,
    Principal,
    fresh_key,
    key_sha256,
)
from ashiato.api.management.problems import NotAuthenticated
from tests.api.management.offering import assert_problem, ok
from tests.api.management.program import OPERATOR_KEY, Program, key_of

MAKER_KEY = key_of("maker")


@pytest.fixture
def gate() -> Gate:
    return Gate(
        operator_key_hashes=[key_sha256("another"), key_sha256(OPERATOR_KEY)],
        participant_keys=KeyList({"maker": [key_sha256(MAKER_KEY)]}),
    )


async def admitted(gate: Gate, *headers: tuple[str, str]) -> Principal:
    return await gate.admit([(name.encode(), value.encode()) for name, value in headers], now_ms=0)


async def test_a_participants_key_opens_that_participant_alone(gate: Gate) -> None:
    principal = await admitted(gate, ("authorization", f"Bearer {MAKER_KEY}"))
    assert (principal.slugs, principal.is_operator) == (frozenset({"maker"}), False)


async def test_an_operators_key_opens_no_participant(gate: Gate) -> None:
    principal = await admitted(gate, ("X-Api-Key", OPERATOR_KEY))
    assert (principal.slugs, principal.is_operator) == (frozenset(), True)


async def test_the_subject_in_the_log_does_not_tell_the_key(gate: Gate) -> None:
    principal = await admitted(gate, ("X-Api-Key", MAKER_KEY))
    assert principal.subject == f"key:{key_sha256(MAKER_KEY)[:8]}"


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("authorization", "Bearer wrong"),),
        (("authorization", f"Basic {MAKER_KEY}"),),
        (("authorization", MAKER_KEY),),
        (("authorization", "Bearer "),),
        (("x-api-key", ""),),
        (("x-api-key", MAKER_KEY[:-1]),),
        (("x-api-key", MAKER_KEY + "0"),),
        (("x-api-key", MAKER_KEY), ("authorization", f"Bearer {MAKER_KEY}")),
        (("x-api-key", MAKER_KEY), ("x-api-key", OPERATOR_KEY)),
        (("x-api-key", "k" * 20_000),),
        # The hash of a key is no key.
        (("x-api-key", key_sha256(MAKER_KEY)),),
    ],
)
async def test_everything_else_is_not_admitted(gate: Gate, headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(NotAuthenticated):
        await admitted(gate, *headers)


async def test_a_key_with_bytes_beyond_ascii_is_refused_and_breaks_nothing(gate: Gate) -> None:
    with pytest.raises(NotAuthenticated):
        await gate.admit([(b"x-api-key", b"\xff\xfe")], now_ms=0)


def test_without_any_key_the_program_does_not_start() -> None:
    with pytest.raises(NoKeyConfigured):
        Gate().check()
    with pytest.raises(NoKeyConfigured):
        Gate(participant_keys=KeyList({"maker": []})).check()


@pytest.mark.parametrize(
    "gate",
    [
        Gate(operator_key_hashes=[key_sha256("x")]),
        Gate(participant_keys=KeyList({"maker": [key_sha256("x")]})),
    ],
)
def test_one_key_of_any_kind_is_enough_to_start(gate: Gate) -> None:
    assert_starts(gate)


def assert_starts(gate: Gate) -> None:
    gate.check()


async def test_a_removed_participants_keys_open_nothing() -> None:
    keys = KeyList({"maker": [key_sha256(MAKER_KEY)], "cells": [key_sha256("cells")]})
    gate = Gate(participant_keys=keys)
    keys.remove("maker")
    keys.add("cells", key_sha256("second"))
    with pytest.raises(NotAuthenticated):
        await admitted(gate, ("x-api-key", MAKER_KEY))
    assert (await admitted(gate, ("x-api-key", "cells"))).slugs == {"cells"}
    assert (await admitted(gate, ("x-api-key", "second"))).slugs == {"cells"}


def test_a_fresh_key_is_long_and_never_the_same() -> None:
    first, second = fresh_key(), fresh_key()
    assert first != second
    # Known answer: SHA-256 of "abc" (FIPS 180-4).
    assert key_sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(first) >= 43


async def test_only_health_is_open_and_it_says_nothing_but_ok(program: Program) -> None:
    async with program.client(None) as stranger:
        assert await ok(stranger.get("/v1/health")) == {"status": "ok"}
        for path in (
            "/",
            "/v1",
            "/v1/openapi.json",
            "/docs",
            "/v1/participants",
            "/v1/maker/assets",
            "/v1/x/y",
        ):
            answer = await stranger.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert "maker" not in answer.text


async def test_an_unknown_address_is_not_found_for_everybody_with_a_key(program: Program) -> None:
    async with program.client(MAKER_KEY) as client:
        expected = await assert_problem(client.get("/v1/nobody/assets"), 404, "not-found")
        for path in (
            "/",
            "/v1",
            "/v2/maker/assets",
            "/v1/maker/nothing",
            "/v1/cells/assets",
            "/v1/participants",
        ):
            assert await assert_problem(client.get(path), 404, "not-found") == expected


async def test_tricks_with_the_path_open_nothing(program: Program) -> None:
    async with program.client(MAKER_KEY) as client:
        for path in (
            "/v1/maker/../cells/assets",
            "/v1/maker/%2e%2e/cells/assets",
            "/v1//cells/assets",
            "//v1/cells/assets",
            "/v1/cells%2Fassets",
            "/v1/maker%2F..%2Fcells/assets",
            "/V1/cells/assets",
            "/v1/CELLS/assets",
            "/v1/health/../cells/assets",
            "/v1/health/",
        ):
            answer = await client.get(path)
            assert answer.status_code == 404, path


async def test_the_openapi_document_needs_any_key(program: Program) -> None:
    for key in (MAKER_KEY, OPERATOR_KEY):
        async with program.client(key) as client:
            assert (await ok(client.get("/v1/openapi.json")))["openapi"] == "3.1.0"


async def test_no_answer_is_kept_by_a_cache(program: Program) -> None:
    async with program.client(MAKER_KEY) as client:
        for path in ("/v1/maker/assets", "/v1/maker/assets/none", "/v1/cells/assets", "/v1/health"):
            answer = await client.get(path)
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
